//! `gatepass token`: gets a token as the filter would, with the filter's own engine and this machine's network.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::Args;
use gatepass::calls::{Answer, CALL_TIMEOUT, CallRequest, MAX_ANSWER_BYTES, Outcome as CallOutcome};
use gatepass::config::Configuration;
use gatepass::engine::{self, Edit, Edits, RequestHead, Step};
use gatepass::jwt::{Random, Software};
use gatepass::state::{State, StreamId};
use gatepass::time::{Monotonic, Now, UnixTime};
use gatepass::tokens::lease::Alone;
use reqwest::blocking::Client;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Method};
use serde_json::{Value, json};

use crate::{Outcome, loaded};

#[derive(Args)]
pub(crate) struct Token {
    /// The plugin's configuration, or a file that holds one
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The identity whose token is wanted
    #[arg(long, value_name = "NAME")]
    identity: String,
    /// The resource that it is for (an App ID URI or a client id)
    #[arg(long, required_unless_present_any = ["scope", "audience"])]
    resource: Option<String>,
    /// The scope that it is for, where the endpoint wants one
    #[arg(long, conflicts_with = "resource")]
    scope: Option<String>,
    /// The audience that it is for, where the endpoint wants one
    #[arg(long, conflicts_with_all = ["resource", "scope"])]
    audience: Option<String>,
    /// A file that Envoy serves to the filter, and where it is here
    #[arg(long = "file", value_name = "PATH=FILE", value_parser = crate::variable)]
    files: Vec<(String, String)>,
    /// An environment variable of the machine where Envoy will run; those of this one are taken as well
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = crate::variable)]
    environment: Vec<(String, String)>,
    /// Where a host is, instead of asking the DNS
    #[arg(long, value_name = "HOST=ADDRESS:PORT", value_parser = resolved)]
    resolve: Vec<(String, SocketAddr)>,
    /// The certification authority that is trusted, instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Print the token's claims
    #[arg(long)]
    show_claims: bool,
}

pub(crate) fn run(token: &Token) -> io::Result<Outcome> {
    let configuration = token.only_this(loaded::read(&token.config)?.to_json());
    let configuration = loaded::compiled(&configuration, &loaded::environment(&token.environment));
    let configuration = configuration.map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        io::Error::other(format!("{}: {}", token.config.display(), faults.join("\n")))
    })?;
    Ok(token.get(&Rc::new(configuration)))
}

impl Token {
    /// The configuration with one operation, which wants this token.
    fn only_this(&self, mut configuration: Value) -> Value {
        let (what, target) = match (&self.resource, &self.scope, &self.audience) {
            (Some(resource), ..) => ("resource", resource.as_str()),
            (_, Some(scope), _) => ("scope", scope.as_str()),
            (.., audience) => ("audience", audience.as_deref().unwrap_or_default()),
        };
        if let Some(members) = configuration.as_object_mut() {
            members.retain(|name, _| matches!(name.as_str(), "identities" | "secrets" | "values"));
            let attach = json!([{"identity": self.identity, what: target}]);
            let operation = json!({"match": {"path": {"prefix": "/"}}, "anonymous": true, "attach": attach});
            members.insert("operations".to_owned(), json!([operation]));
        }
        configuration
    }

    fn get(&self, configuration: &Rc<Configuration>) -> Outcome {
        const STREAM: StreamId = StreamId(1);
        let started = Instant::now();
        let mut state =
            State::new(Software, u64::from(std::process::id())).with_random(Box::new(SystemRandom));
        state.install(configuration, now(started));
        let head: [(&[u8], &[u8]); 3] = [(b":method", b"GET"), (b":path", b"/"), (b":authority", b"gateway")];
        let mut step =
            engine::start(configuration, &mut state, STREAM, &RequestHead::new(&head), now(started));
        while let Step::Wait(pending) = step {
            let (calls, _) = state.due(&mut Alone, now(started));
            if calls.is_empty() {
                sleep(Duration::from_millis(100));
            }
            for call in calls {
                let outcome = self.call(&call.request);
                state.ended(call.id, &outcome, &mut Alone, now(started));
            }
            state.take_log().iter().for_each(|line| println!("  {}", line.text));
            step = engine::wake(*pending, &mut state, STREAM, now(started));
        }
        match step {
            Step::Forward(edits) | Step::ForwardTo(edits, _) => {
                self.print(&edits);
                Outcome::Good
            }
            Step::Refuse(refusal) => {
                println!("no token: {} {}", refusal.status.as_u16(), refusal.reason.code());
                Outcome::Bad
            }
            Step::Wait(_) => Outcome::Bad,
        }
    }

    /// Makes one call and says what came; neither credentials nor the answer's text are printed.
    fn call(&self, request: &CallRequest) -> CallOutcome {
        let url = &request.url;
        let path = url.path.split('?').next().unwrap_or_default();
        if let Some((_, file)) = self.files.iter().find(|(served, _)| served == path) {
            println!("{path}: read from {file}");
            return std::fs::read(file).map_or(CallOutcome::NoAnswer, |body| {
                CallOutcome::Answer(Answer { status: 200, retry_after: None, challenge: None, body })
            });
        }
        println!("{} {}://{}{path}", request.method, url.scheme(), url.authority);
        let begun = Instant::now();
        let answer = self.send(request);
        let took = begun.elapsed().as_millis();
        match answer {
            Ok(answer) if answer.body.len() <= MAX_ANSWER_BYTES => {
                println!("  {} in {took} ms, {} bytes", answer.status, answer.body.len());
                CallOutcome::Answer(answer)
            }
            Ok(_) => {
                println!("  an answer that is too large");
                CallOutcome::NoAnswer
            }
            Err(error) => {
                println!("  no answer in {took} ms: {}", cause(&error));
                CallOutcome::NoAnswer
            }
        }
    }

    fn print(&self, edits: &Edits) {
        let value = edits.iter().find_map(|edit| match edit {
            Edit::SetHeader(_, value) => Some(String::from_utf8_lossy(value).into_owned()),
            _ => None,
        });
        let token = value.as_deref().and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let claims = token.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Option<Value> = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match &claims {
            Some(_) => println!("a token of {} bytes, a JWT", token.len()),
            None => println!("a token of {} bytes, opaque", token.len()),
        }
        if let (true, Some(claims)) = (self.show_claims, claims) {
            println!("{}", serde_json::to_string_pretty(&claims).unwrap_or_default());
        }
    }
}

/// What this machine's system foresees for nobody: client assertions are signed with it, RSA is blinded with it.
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn seed(&mut self) -> Option<[u8; 32]> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).ok().map(|()| seed)
    }
}

/// The innermost cause; the outer ones repeat the URL, whose query may say more than it should.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

fn now(started: Instant) -> Now {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Now { monotonic: Monotonic::from_nanoseconds(nanoseconds), wall: UnixTime::from_seconds(wall.as_secs()) }
}

impl Token {
    /// Redirects are not followed, no proxy is asked, and every status is an answer: what it means is the core's to say.
    fn client(&self) -> Result<Client, reqwest::Error> {
        // Fails only where there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder().redirect(Policy::none()).no_proxy().timeout(CALL_TIMEOUT);
        for (host, address) in &self.resolve {
            builder = builder.resolve(host, *address);
        }
        if let Some(pem) = self.ca_file.as_ref().and_then(|file| std::fs::read(file).ok()) {
            builder = builder.tls_certs_only([Certificate::from_pem(&pem)?]);
        }
        builder.build()
    }

    fn send(&self, request: &CallRequest) -> Result<Answer, reqwest::Error> {
        let url = &request.url;
        // An address is not looked up, so it is replaced; the caller is still told whom it is for.
        let moved = self.resolve.iter().find(|(host, _)| !url.https && *host == url.authority);
        let authority = moved.map_or_else(|| url.authority.clone(), |(_, address)| address.to_string());
        let target = format!("{}://{authority}{}", url.scheme(), url.path);
        let method = if request.method == "POST" { Method::POST } else { Method::GET };
        let mut builder = self.client()?.request(method, target).header("host", &url.authority);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value.expose());
        }
        let response = builder.body(request.body.expose().to_owned()).send()?;
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (retry_after, challenge) = (header("retry-after"), header("www-authenticate"));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        // One byte more than is taken, so that too much is told from enough; what fails here is cut short, and the core
        // refuses it.
        let _ = response.take(MAX_ANSWER_BYTES as u64 + 1).read_to_end(&mut body);
        Ok(Answer { status, retry_after, challenge, body })
    }
}

/// Reads `HOST=ADDRESS:PORT`.
fn resolved(text: &str) -> Result<(String, SocketAddr), String> {
    let (host, address) = crate::variable(text)?;
    Ok((host.to_ascii_lowercase(), address.parse().map_err(|_| "write HOST=ADDRESS:PORT")?))
}
