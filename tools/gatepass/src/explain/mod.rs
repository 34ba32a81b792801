//! `gatepass explain`: one request through the filter's own engine, and what its answer means.

mod pitfalls;
mod world;

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::Args;
use gatepass::calls::CallRequest;
use gatepass::config::{Configuration, Inbound};
use gatepass::engine::{self, RequestHead, Step};
use serde_json::Value;

use crate::document::Node;
use crate::{Outcome, loaded};
use pitfalls::Case;

#[derive(Args)]
pub(crate) struct Explain {
    /// The plugin's configuration, or a file that holds one
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The caller's token; without this and `--token-file`, standard input is read unless it is a terminal
    #[arg(long, conflicts_with = "token_file")]
    token: Option<String>,
    /// A file with the caller's token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The request's method
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's path, with its query
    #[arg(long, default_value = "/", overrides_with = "path")]
    path: String,
    /// The request's host
    #[arg(long, default_value = "gateway.example")]
    host: String,
    /// A further header of the request
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The issuer's keys (a JWK Set), to check the signature with
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// The time to judge by, in seconds since 1970
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// Print the token's claims; they are personal data
    #[arg(long)]
    show_claims: bool,
    /// An environment variable of the machine where Envoy will run
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = crate::variable)]
    environment: Vec<(String, String)>,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write `name: value`")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

/// The checks in the order in which the engine makes them, each with the reasons that it refuses for.
const CHECKS: [(&str, &[&str]); 12] = [
    ("path and method", &["method_invalid", "host_invalid", "path_ambiguous"]),
    ("operation", &["operation_not_found"]),
    (
        "subscription key",
        &[
            "subscription_key_missing",
            "subscription_key_invalid",
            "subscription_key_multiple",
            "secret_unavailable",
        ],
    ),
    ("required headers", &["header_missing", "header_not_allowed", "header_multiple"]),
    ("token is there", &["token_missing", "token_multiple", "scheme_not_allowed"]),
    (
        "form",
        &[
            "token_too_large",
            "token_malformed",
            "token_not_decrypted",
            "critical_header_not_supported",
            "token_type_not_allowed",
            "claim_type_invalid",
        ],
    ),
    (
        "time",
        &[
            "token_expired",
            "token_not_yet_valid",
            "expiration_missing",
            "token_lifetime_not_allowed",
            "issued_at_missing",
        ],
    ),
    ("issuer", &["issuer_not_allowed", "tenant_not_allowed", "token_version_not_allowed"]),
    ("audience", &["audience_not_allowed"]),
    ("algorithm", &["algorithm_not_allowed"]),
    ("key and signature", &["key_not_found", "signature_invalid", "keys_unavailable", "keys_busy"]),
    ("caller", &["client_not_allowed", "caller_type_not_allowed", "claim_missing", "claim_not_allowed"]),
];

/// Parts of a token that is encrypted (RFC 7516, section 7.1).
const ENCRYPTED_PARTS: usize = 5;

/// The first of them that an anonymous operation does not ask for.
const FIRST_ABOUT_TOKEN: usize = 4;

pub(crate) fn run(explain: &Explain) -> io::Result<Outcome> {
    let node = &loaded::read(&explain.config)?;
    let environment = loaded::environment(&explain.environment);
    let configuration = loaded::compiled(&without_attachments(node.to_json()), &environment);
    let configuration = configuration.map_err(|faults| {
        let (file, count) = (explain.config.display(), faults.len());
        io::Error::other(format!(
            "{file}: the configuration has {count} fault(s); `gatepass check {file}` shows them"
        ))
    })?;
    if loaded::parse(node, &environment).is_err() {
        eprintln!(
            "note: the filter refuses this configuration; `gatepass check {}` shows why",
            explain.config.display()
        );
    }
    let token = explain.token()?;
    let jwks = explain.jwks.as_ref().map(std::fs::read_to_string).transpose()?;
    Ok(Explanation { explain, node, token, jwks, configuration: Rc::new(configuration) }.print())
}

/// The caller's side alone is explained: what would be attached is not fetched.
fn without_attachments(mut configuration: Value) -> Value {
    let operations = configuration.get_mut("operations").and_then(Value::as_array_mut);
    for operation in operations.into_iter().flatten().filter_map(Value::as_object_mut) {
        operation.remove("attach");
    }
    configuration
}

impl Explain {
    fn token(&self) -> io::Result<Option<String>> {
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(file)) => Some(std::fs::read_to_string(file)?),
            (None, None) if io::stdin().is_terminal() => None,
            (None, None) => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text)?;
                Some(text)
            }
        };
        let token = token.map(|token| token.trim().trim_start_matches("Bearer ").to_owned());
        Ok(token.filter(|token| !token.is_empty()))
    }

    fn now(&self) -> u64 {
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.now.unwrap_or_else(|| clock.unwrap_or_default().as_secs())
    }
}

struct Explanation<'e> {
    explain: &'e Explain,
    node: &'e Node,
    token: Option<String>,
    jwks: Option<String>,
    configuration: Rc<Configuration>,
}

impl Explanation<'_> {
    fn print(&self) -> Outcome {
        let explain = self.explain;
        println!("{} {}", explain.method, explain.path.split('?').next().unwrap_or_default());
        match self.decide() {
            Step::Refuse(refusal) => {
                self.print_refusal(
                    refusal.reason.code(),
                    refusal.status.as_u16(),
                    &refusal.reason.to_string(),
                );
                Outcome::Bad
            }
            Step::Forward(_) | Step::ForwardTo(..) => {
                self.print_checks(None);
                println!("\nlet pass{}", self.caveat());
                self.print_attachments();
                self.print_claims();
                Outcome::Good
            }
            Step::Wait(_) => {
                println!("\nundecided: it waits for keys or secrets that are not to be had here");
                Outcome::Bad
            }
        }
    }

    /// The request without its credentials.
    fn head(&self) -> Vec<(&[u8], &[u8])> {
        let Explain { method, path, host, .. } = self.explain;
        let pseudo =
            [(":method", method.as_str()), (":path", path), (":authority", host), (":scheme", "https")];
        pseudo.map(|(name, value)| (name.as_bytes(), value.as_bytes())).to_vec()
    }

    /// The index of the operation that the request is.
    fn operation(&self) -> Option<usize> {
        engine::matched(&self.configuration, &RequestHead::new(&self.head()))
    }

    fn decide(&self) -> Step {
        let explain = self.explain;
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = self.head();
        headers.extend(bearer.as_ref().map(|bearer| (&b"authorization"[..], bearer.as_bytes())));
        headers.extend(explain.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let checker = world::Checker { has_keys: self.jwks.is_some() };
        world::decide(&self.configuration, &headers, checker, explain.now(), &|request| self.respond(request))
    }

    /// Answers for the issuers: a discovery document that says what the real one would, and the keys.
    fn respond(&self, request: &CallRequest) -> Option<String> {
        let url = &request.url;
        let Some(base) = url.path.split('?').next()?.strip_suffix("/.well-known/openid-configuration") else {
            let header = self.part(0);
            let text = |name: &str| header.get(name).and_then(Value::as_str);
            let any = || world::any_keys(text("kid"), text("alg").unwrap_or_default());
            return Some(self.jwks.clone().unwrap_or_else(any));
        };
        let jwks_uri = format!("https://{}{base}/keys", url.authority);
        let document = serde_json::json!({"issuer": self.issuer(&url.authority, base), "jwks_uri": jwks_uri});
        Some(document.to_string())
    }

    /// What the issuer of this discovery document calls itself.
    fn issuer(&self, authority: &str, base: &str) -> String {
        let url = format!("https://{authority}{base}/.well-known/openid-configuration");
        let issuers = self.node.get("issuers").map(Node::members).unwrap_or_default();
        let own =
            issuers.iter().find(|issuer| issuer.node.get("discovery").and_then(Node::as_str) == Some(&url));
        if let Some(issuer) = own.and_then(|issuer| issuer.node.get("issuer")?.as_str()) {
            return issuer.to_owned();
        }
        let is_entra = issuers.iter().any(|issuer| issuer.node.get("entra").is_some()) && own.is_none();
        if !is_entra {
            return format!("https://{authority}{base}");
        }
        let claims = self.part(1);
        let tenant = base.trim_start_matches('/').split('/').next().unwrap_or_default();
        // A tenant's name stands for its id; the real document knows which.
        let tenant = match tenant {
            "organizations" | "common" => "{tenantid}",
            name if name.contains('.') => claims.get("tid").and_then(Value::as_str).unwrap_or(name),
            id => id,
        };
        let sts = if authority.ends_with(".cn") { "sts.chinacloudapi.cn" } else { "sts.windows.net" };
        match base.ends_with("/v2.0") {
            true => format!("https://{authority}/{tenant}/v2.0"),
            false => format!("https://{sts}/{tenant}/"),
        }
    }

    /// A part of the token as JSON; `null` where it is none.
    fn part(&self, index: usize) -> Value {
        let part = self.token.as_deref().and_then(|token| token.split('.').nth(index));
        let bytes = part.and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    fn caveat(&self) -> &'static str {
        match (&self.token, &self.jwks) {
            (Some(_), None) => " (if the signature is good: no keys were given, `--jwks` checks it)",
            _ => "",
        }
    }

    fn print_checks(&self, failed: Option<usize>) {
        let operation = self.operation().and_then(|index| self.configuration.operations.get(index));
        let is_anonymous = operation.is_some_and(|operation| matches!(operation.inbound, Inbound::Anonymous));
        let asks_no_key = operation.is_some_and(|operation| operation.subscription.is_none());
        let asks_no_headers = operation.is_some_and(|operation| operation.required_headers.is_empty());
        for (index, (name, _)) in CHECKS.iter().enumerate() {
            let is_about_token = index >= FIRST_ABOUT_TOKEN;
            let mark = match failed {
                Some(failed) if failed == index => "FAILED".to_owned(),
                Some(failed) if failed < index => continue,
                _ if (is_about_token && is_anonymous)
                    || (*name == "subscription key" && asks_no_key)
                    || (*name == "required headers" && asks_no_headers) =>
                {
                    "not asked for".to_owned()
                }
                _ if self.jwks.is_none() && *name == "key and signature" => "not checked".to_owned(),
                _ if *name == "operation" => {
                    self.operation().map_or_else(String::new, |index| format!("operations[{index}]"))
                }
                _ => "ok".to_owned(),
            };
            println!("  {name:<18} {mark}");
        }
    }

    /// A member of the operation that the request is.
    fn member(&self, name: &str) -> Option<&Node> {
        self.node.get("operations")?.items().get(self.operation()?)?.get(name)
    }

    fn print_refusal(&self, code: &str, status: u16, meaning: &str) {
        self.print_checks(CHECKS.iter().position(|(_, codes)| codes.contains(&code)));
        println!("\nrefused: {status} {code}: {meaning}");
        let claims = self.part(1);
        let default = self.node.at(&["defaults", "validate"]);
        let case = Case {
            reason: code,
            claims: &claims,
            validate: self.member("validate").into_iter().chain(default).collect(),
            issuers: self.node.get("issuers"),
            now: self.explain.now(),
        };
        if self.token.as_deref().is_some_and(|token| token.split('.').count() == ENCRYPTED_PARTS) {
            println!(
                "  The token is encrypted (JWE): what is in it is read with `decryption_keys`, where Gatepass runs."
            );
        }
        for sentence in case.explain() {
            println!("  {sentence}");
        }
        self.print_claims();
    }

    fn print_attachments(&self) {
        let operations = self.node.get("operations").map(Node::items).unwrap_or_default();
        let index = self.operation();
        let attachments =
            index.and_then(|index| operations.get(index)?.get("attach")).map(Node::items).unwrap_or_default();
        for attachment in attachments {
            let text = |name: &str| attachment.get(name).and_then(Node::as_str);
            let what = text("identity").or_else(|| text("secret")).unwrap_or_default();
            let target = text("resource").or_else(|| text("scope")).or_else(|| text("audience"));
            let header = text("header").unwrap_or("authorization");
            let target = target.map(|target| format!(" for {target}")).unwrap_or_default();
            println!("  {header}: attached from `{what}`{target}");
            if target.matches("/.default").count() > 1 {
                println!("    `/.default` is there twice: the token endpoint will refuse it (AADSTS70011)");
            }
        }
    }

    fn print_claims(&self) {
        if self.explain.show_claims && self.token.is_some() {
            println!("\nclaims{}:", if self.jwks.is_some() { "" } else { " (not verified)" });
            println!("{}", serde_json::to_string_pretty(&self.part(1)).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CHECKS;

    /// Reasons of the backend's side, which is not explained here.
    const ELSEWHERE: [&str; 3] = ["token_unavailable", "destination_not_allowed", "internal"];

    /// The codes of the core, from each `fn code` that a reason's code comes from.
    fn codes() -> BTreeSet<&'static str> {
        let sources = [
            include_str!("../../../../src/refusal.rs"),
            include_str!("../../../../src/jwt/error.rs"),
            include_str!("../../../../src/access/claims.rs"),
            include_str!("../../../../src/access/required_header.rs"),
        ];
        let bodies = sources.map(|source| {
            let (_, body) = source.split_once("pub const fn code(self) -> &'static str {").unwrap();
            body.split_once("\n    }\n").unwrap().0
        });
        assert_eq!(
            bodies[0].matches(".code()").count(),
            sources.len() - 1,
            "there is a further source of codes"
        );
        bodies.into_iter().flat_map(|body| body.split('"').skip(1).step_by(2)).collect()
    }

    #[test]
    fn every_reason_belongs_to_a_check() {
        for code in codes() {
            let is_known = CHECKS.iter().any(|(_, codes)| codes.contains(&code)) || ELSEWHERE.contains(&code);
            assert!(is_known, "{code} belongs to no check of `explain`");
        }
    }

    #[test]
    fn docs_explain_every_reason_and_no_other() {
        let page = include_str!("../../../../docs/reasons.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let told: BTreeSet<_> = rows.map(|(code, _)| code).collect();
        assert_eq!(told, codes(), "docs/reasons.md and the codes of the core differ");
    }
}
