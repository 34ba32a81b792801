//! Cases that are made out of good tokens by the thousand: every bit of a signature, every length, every character
//! at the ends of a part.

use std::time::Duration;

use gatepass_attacks::keys::base64url;
use gatepass_attacks::native::Gateway;
use gatepass_attacks::token::{decode, flipped};
use gatepass_attacks::{Report, Request, figures};

use crate::CORPUS;

/// What may stand in a compact form, and what may not.
const CHARACTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. %\t,\u{e9}";

/// The texts that one bit or one length of the signature makes of a token. Of RSA's bits, one in `step` is taken.
fn signatures(token: &str, step: usize) -> Vec<(String, String)> {
    let (signing_input, signature) = token.rsplit_once('.').unwrap();
    let signature = decode(signature);
    let with = |signature: &[u8]| format!("{signing_input}.{}", base64url(signature));
    let bits = (0..signature.len() * 8).step_by(step);
    let flips = bits.map(|bit| (format!("bit {bit}"), with(&flipped(signature.clone(), bit))));
    let lengths = (0..signature.len()).step_by(step);
    let lengths = lengths.map(|length| (format!("length {length}"), with(&signature[..length])));
    flips.chain(lengths).collect()
}

/// The texts that another character makes of a token, or one more or less, at the beginnings and ends of its parts.
fn characters(token: &str) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let stops: Vec<usize> = token.match_indices('.').map(|(at, _)| at).collect();
    let places =
        [0, stops[0] - 1, stops[0], stops[0] + 1, stops[1] - 1, stops[1], stops[1] + 1, token.len() - 1];
    for at in places {
        let (before, behind) = (&token[..at], &token[at + 1..]);
        texts.push((format!("without {at}"), format!("{before}{behind}")));
        for character in CHARACTERS.chars() {
            texts.push((format!("{character:?} for {at}"), format!("{before}{character}{behind}")));
            texts
                .push((format!("{character:?} before {at}"), format!("{before}{character}{}", &token[at..])));
        }
    }
    texts.retain(|(_, text)| text != token);
    texts
}

#[test]
fn nothing_that_is_made_of_a_good_token_passes() {
    let corpus = &*CORPUS;
    let mut gateway = Gateway::new(corpus);
    let mut report = Report::new("generated", &corpus.known);
    for (base, step) in
        [("main", 1), ("ec", 1), ("wide-ed", 1), ("wide-ec-384", 3), ("wide-ps256", 7), ("wide", 31)]
    {
        let good = corpus.good(base, gateway.now());
        let token = corpus.good_token(base, gateway.now());
        let mut send = |token: &str| {
            // Checks in the VM are rationed: one in 5 ms.
            gateway.advance(Duration::from_millis(5));
            let headers = vec![("authorization".to_owned(), format!("Bearer {token}").into_bytes())];
            gateway.send(&Request { headers, ..good.clone() })
        };
        for (change, text) in signatures(&token, step).into_iter().chain(characters(&token)) {
            report.generated += 1;
            let answer = send(&text);
            // A space or a tab before a token is no part of it.
            let same = text.trim_start_matches(' ') == token;
            let is_right = answer.starts_with("401 ") || (same && answer == "200");
            if !is_right {
                report.wrongly_accepted.insert(format!("{base}, {change}"));
                report.details.push(format!("{base}, {change}: {answer}"));
            }
        }
        assert_eq!(send(&token), "200", "{base}: the good one");
    }
    assert!(report.generated > 8_000, "{}", report.generated);
    figures::assert_in_readme("Good tokens with a bit, a length or a character changed", report.figures());
    report.finish();
}
