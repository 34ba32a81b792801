//! The corpus against the core.

use std::time::Duration;

use gatepass_attacks::native::Gateway;
use gatepass_attacks::{Case, Corpus, Place, Report, figures};

use crate::CORPUS;

/// Sends a case and its control.
fn try_case(corpus: &Corpus, gateway: &mut Gateway, report: &mut Report, case: &Case) {
    let now = gateway.now();
    let control = gateway.send(&corpus.control(case, now));
    if control != "200" {
        return report.void(&case.id, &control);
    }
    let got = gateway.send(&corpus.request(case, now));
    report.judge(&case.id, &case.expect, &got);
    if got == "200" {
        report.forwarded(&case.id, corpus.at_backend(case, now, &gateway.forwarded));
    }
}

#[test]
fn every_case_comes_out_as_it_must() {
    let corpus = &*CORPUS;
    let mut gateway = Gateway::new(corpus);
    let mut report = Report::new("native", &corpus.known);
    for (number, case) in corpus.cases().enumerate() {
        if case.only == Some(Place::Envoy) || case.request.raw.is_some() {
            report.skipped.insert(case.id.clone());
            continue;
        }
        try_case(corpus, &mut gateway, &mut report, case);
        gateway.advance(Duration::from_secs(1));
        if number % 50 == 49 {
            assert_eq!(gateway.waiting(), 0, "requests that were answered still wait");
        }
    }
    assert_eq!(gateway.waiting(), 0);
    let trapped: Vec<_> = gateway.asked.iter().filter(|path| path.starts_with("/trap")).collect();
    assert!(trapped.is_empty(), "places that tokens name were called: {trapped:?}");
    figures::assert_in_readme("Attack corpus, in the core", report.figures());
    report.finish();
}
