//! The attack corpus on the real Envoy, over HTTP/1.1 and HTTP/2, and what Envoy's own `jwt_authn` makes of it.

mod client;
mod differences;
mod gateway;
mod issuer;
mod volume;

use std::{collections::BTreeMap, net::SocketAddr, sync::LazyLock};

use client::{Http1, Http2};
use gatepass_attacks::{Case, Corpus, Place, Report, Request, Version, figures, world::has_own_issuer};
use gateway::Gateway;
use tokio::task::JoinSet;

use crate::support::*;

/// One corpus for all tests: its keys take seconds to make.
static CORPUS: LazyLock<Corpus> = LazyLock::new(Corpus::load);

/// What became of the cases, by id.
type Outcomes = BTreeMap<String, String>;

/// Those that the wire can carry.
fn cases(corpus: &'static Corpus, not: Version) -> impl Iterator<Item = &'static Case> {
    corpus.cases_at(Place::Envoy).filter(move |case| case.request.version != Some(not))
}

fn expected(case: &Case) -> &str {
    case.envoy.as_deref().unwrap_or(&case.expect)
}

/// The good request is let pass on both workers, and no VM has died.
async fn assert_serves(gateway: &mut Gateway, corpus: &Corpus) {
    assert!(gateway.stack.is_alive(), "Envoy has ended:\n{}", gateway.stack.log());
    for _ in 0..4 {
        let mut connection = Http1::new(gateway.stack.gateway());
        assert_eq!(connection.send(&corpus.good("main", gateway::now())).await, "200", "the good request");
    }
    let reloads = gateway.stack.stats("wasm.gatepass.vm_reload").await.unwrap();
    assert!(reloads.values().all(|count| *count == 0), "a VM has died: {reloads:?}");
}

/// A case and its control on a connection of their own: what became of both.
async fn alone(
    case: &'static Case,
    [control, request]: [Request; 2],
    address: SocketAddr,
) -> (&'static Case, [String; 2]) {
    let mut connection = Http1::new(address);
    (case, [connection.send(&control).await, connection.send(&request).await])
}

/// Sends every case and its control over HTTP/1.1 connections that are kept. Cases with an issuer of their own may
/// wait for it: these are sent side by side. A case whose control is refused is void.
async fn over_http1(
    corpus: &'static Corpus,
    is_for: fn(&Case) -> bool,
    address: SocketAddr,
    report: &mut Report,
    now: u64,
) -> Outcomes {
    let mut outcomes = Outcomes::new();
    let mut note = |case: &Case, [control, got]: [String; 2]| match control.as_str() {
        "200" => drop(outcomes.insert(case.id.clone(), got)),
        _ => report.void(&case.id, &control),
    };
    let (own, shared): (Vec<_>, Vec<_>) =
        cases(corpus, Version::Http2).filter(|case| is_for(case)).partition(|case| has_own_issuer(case));
    let mut connections: Vec<_> = (0..4).map(|_| Http1::new(address)).collect();
    for (number, case) in shared.into_iter().enumerate() {
        let connection = &mut connections[number % 4];
        let control = connection.send(&corpus.control(case, now)).await;
        note(case, [control, connection.send(&corpus.request(case, now)).await]);
        if number % 50 == 49 {
            assert_eq!(
                connections[0].send(&corpus.good("main", now)).await,
                "200",
                "the good one, after {number}"
            );
        }
    }
    // All tokens are made before one of them is sent: what waits for its issuer has not long.
    let requests = own.into_iter().map(|case| (case, [corpus.control(case, now), corpus.request(case, now)]));
    let requests: Vec<_> = requests.collect();
    let sent: JoinSet<_> =
        requests.into_iter().map(|(case, requests)| alone(case, requests, address)).collect();
    sent.join_all().await.into_iter().for_each(|(case, answers)| note(case, answers));
    outcomes
}

/// The same over streams of one HTTP/2 connection, as far as HTTP/2 can carry the cases. The controls have been
/// sent.
async fn over_http2(corpus: &'static Corpus, address: SocketAddr, now: u64) -> Outcomes {
    let connection = Http2::connect(address).await;
    let requests: Vec<_> =
        cases(corpus, Version::Http1).map(|case| (case, corpus.request(case, now))).collect();
    let sent: JoinSet<_> = requests
        .into_iter()
        .map(|(case, request)| {
            let shared = connection.clone();
            async move {
                // Envoy may close the connection of a request whose host it does not take.
                let is_odd = case.base == "hosted";
                let connection = if is_odd { Http2::connect(address).await } else { shared };
                (case, connection.send(&request).await)
            }
        })
        .collect();
    let answers = sent.join_all().await.into_iter();
    answers.filter_map(|(case, answer)| Some((case.id.clone(), answer?))).collect()
}

/// What reached the backend, by case.
fn cases_at_the_backend(gateway: &Gateway) -> BTreeMap<String, Vec<String>> {
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in seen_by_backend(&gateway.stack) {
        let headers = request.headers.iter().map(|(name, value)| format!("\n{name}: {value}"));
        let Some(id) = request.header("x-case").map(str::to_owned) else { continue };
        seen.entry(id).or_default().push(request.path.clone() + &headers.collect::<String>());
    }
    seen
}

/// The refusals of these answers, by reason.
fn reasons<'a>(answers: impl Iterator<Item = &'a String>) -> BTreeMap<String, u64> {
    let mut reasons = BTreeMap::new();
    for (_, reason) in answers.filter_map(|answer| answer.split_once(' ')) {
        *reasons.entry(reason.to_owned()).or_default() += 1;
    }
    reasons
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attack_is_refused_and_none_reaches_the_backend() {
    let corpus: &Corpus = &CORPUS;
    let mut gateway = Gateway::start(corpus).await;
    let now = gateway::now();
    let address = gateway.stack.gateway();
    assert_serves(&mut gateway, corpus).await;

    let mut report = Report::new("envoy", &corpus.known);
    report.ran_on(&gateway.version().await, &gateway.module());
    let http1 = over_http1(corpus, |_| true, address, &mut report, now).await;
    assert_serves(&mut gateway, corpus).await;
    let http2 = over_http2(corpus, address, now).await;
    assert_serves(&mut gateway, corpus).await;
    for case in corpus.cases() {
        let answers: Vec<_> = [&http1, &http2].iter().filter_map(|outcomes| outcomes.get(&case.id)).collect();
        answers.iter().for_each(|got| report.judge(&case.id, expected(case), got));
        if answers.is_empty() {
            report.skipped.insert(case.id.clone());
        }
    }
    let at_backend = cases_at_the_backend(&gateway);
    for (id, requests) in &at_backend {
        let case = corpus.cases().find(|case| case.id == *id).unwrap();
        assert_eq!(expected(case), "200", "{id} reached the backend");
        for request in requests {
            report.forwarded(id, corpus.at_backend(case, now, request));
        }
    }
    for case in corpus.cases_at(Place::Envoy).filter(|case| expected(case) == "200") {
        assert!(at_backend.contains_key(&case.id), "{} did not reach the backend", case.id);
    }
    let trapped: Vec<_> =
        gateway.issuer.asked().into_iter().filter(|path| path.starts_with("/trap")).collect();
    assert_eq!(trapped, [""; 0], "places that tokens name were called");
    gateway.assert_counted(reasons(http1.values().chain(http2.values()))).await;
    if gateway.is_newest().await {
        figures::assert_in_readme("Attack corpus, on Envoy over HTTP/1.1 and HTTP/2", report.figures());
    }
    report.finish();

    // Envoy's own filters, in the same Envoy.
    let mut peer = Report::new("jwt_authn", &corpus.known);
    peer.ran_on(&gateway.version().await, &gateway.module());
    let theirs =
        over_http1(corpus, |case| gateway::peer_can(&CORPUS, case), gateway.peer, &mut peer, now).await;
    for case in corpus.cases() {
        let verdict = |answer: &str| if answer.starts_with("200") { "200" } else { "refused" }.to_owned();
        match theirs.get(&case.id) {
            Some(got) => peer.judge(&case.id, &verdict(expected(case)), &verdict(got)),
            None => drop(peer.skipped.insert(case.id.clone())),
        }
    }
    peer.save();
    assert!(peer.void.is_empty(), "{:?}", peer.details);
    let mut ours = http2;
    ours.extend(http1);
    if gateway.is_newest().await {
        differences::assert_explained(corpus, &gateway.version().await, &ours, &theirs);
    }
}

#[tokio::test]
async fn pipelined_requests_are_each_decided_alone() {
    let mut gateway = Gateway::start(&CORPUS).await;
    let good = CORPUS.good("admin", gateway::now());
    let bare = Request { headers: Vec::new(), ..good.clone() };
    let open = Request { path: b"/public/x".to_vec(), ..bare.clone() };
    let requests = [open.clone(), good.clone(), bare.clone(), good, open, bare];
    let expected = ["200", "200", "401 token_missing", "200", "200", "401 token_missing"];
    let answers = client::pipelined(gateway.stack.gateway(), &requests).await;
    // Behind an answer of its own Envoy closes the connection; what it has not answered, nobody has seen.
    assert!(answers.len() >= 3, "{answers:?}");
    assert_eq!(answers, expected[..answers.len()]);
    let let_pass = answers.iter().filter(|answer| *answer == "200").count();
    assert_eq!(seen_by_backend(&gateway.stack).len(), let_pass);
    assert_serves(&mut gateway, &CORPUS).await;
}
