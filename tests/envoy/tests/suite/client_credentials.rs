//! Tokens by client credentials: secrets, certificates, keys; Entra and others.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gatepass_emulator::{Algorithm, Endpoint, Fault, directory::CALLER};
use gatepass_stack::Builder;
use serde_json::json;

use crate::{credentials::*, support::*};

pub fn client_secret(files: &Files) -> Builder {
    let (identity, secrets) =
        (entra(("client_secret", json!({"ref": "key"}))), json!({"key": from_file("key")}));
    gateway(files, &["key"], identity, secrets, |emulator, folder| {
        put(folder, "key", &secret_of_the_caller(emulator));
    })
}

#[tokio::test]
async fn a_client_secret_from_a_file_brings_a_token() {
    let files = Files::new();
    let stack = one_request_for_all(|| client_secret(&files), Endpoint::Token, CALLER.object_id).await;
    assert_eq!(claims(&get(&stack, "/unprotected").await)["azpacr"][0], "1");
    stack.counter_reaches("tokens.seconds_left.gateway", 3_000).await.unwrap();
    assert_eq!(stack.counter("tokens.failing_seconds.gateway").await.unwrap(), 0);
    assert!(!stack.log().contains(stack.emulator().client_secret(CALLER.client_id).unwrap()));
}

#[tokio::test]
async fn a_wrong_secret_is_a_clear_refusal_and_the_right_one_ends_the_wait_at_once() {
    let files = Files::new();
    let stack = start(client_secret(&files).prepare({
        let folder = files.path();
        move |_| put(&folder, "key", "wr0ng-s3cret")
    }))
    .await;
    assert_unavailable(&get(&stack, "/unprotected").await);
    let failed = stack.emulator().count(Endpoint::Token);
    assert!((1..=2).contains(&failed), "{failed}");
    let log = stack.log();
    assert!(log.contains("status 401 (invalid_client, AADSTS7000215, correlation id "), "{log}");
    assert!(!log.contains("wr0ng-s3cret"), "the secret is in the log");
    stack.counter_reaches("tokens.failed.status", 1).await.unwrap();
    // Permanent: nobody asks again for a minute, however many want a token.
    for _ in 0..20 {
        assert_unavailable(&get(&stack, "/unprotected").await);
    }
    assert_eq!(stack.emulator().count(Endpoint::Token), failed);
    files.put("key", &secret_of_the_caller(stack.emulator()));
    let took = eventually("a token with the new secret", Duration::from_secs(20), || async {
        get(&stack, "/unprotected").await.status == 200
    })
    .await;
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test]
async fn a_certificate_signs_an_assertion_with_either_algorithm() {
    for (algorithm, thumbprint) in [("PS256", "x5t#S256"), ("RS256", "x5t")] {
        let files = Files::new();
        let credential =
            json!({"certificate": {"ref": "crt"}, "private_key": {"ref": "key"}, "algorithm": algorithm});
        let secrets = json!({"crt": from_file("crt"), "key": from_file("key")});
        let identity = entra(("certificate", credential));
        let builder = || {
            gateway(&files, &["crt", "key"], identity.clone(), secrets.clone(), |emulator, folder| {
                put(folder, "crt", &emulator.client_certificate());
                put(folder, "key", &emulator.client_key(Algorithm::Rs256).unwrap());
            })
        };
        let stack = one_request_for_all(builder, Endpoint::Token, CALLER.object_id).await;
        assert_eq!(claims(&get(&stack, "/unprotected").await)["azpacr"][0], "2");
        let assertion = requests(&stack, Endpoint::Token)[0].assertion.clone().unwrap();
        assert_eq!(assertion.header["alg"], algorithm);
        assert!(assertion.header.contains_key(thumbprint), "{:?}", assertion.header);
        assert!(!stack.log().contains("BEGIN"), "{}", stack.log());
    }
}

#[tokio::test]
async fn a_partner_takes_a_signed_assertion_with_a_key_id() {
    let files = Files::new();
    let kid = Arc::new(Mutex::new(String::new()));
    let builder = || {
        let (to_note, noted) = (Arc::clone(&kid), Arc::clone(&kid));
        let credential = json!({"private_key": {"ref": "key"}, "algorithm": "ES256"});
        let secrets = json!({"key": from_file("key")});
        gateway(
            &files,
            &["key"],
            partner(("private_key_jwt", credential)),
            secrets,
            move |emulator, folder| {
                put(folder, "key", &emulator.client_key(Algorithm::Es256).unwrap());
                *to_note.lock().unwrap() = emulator.client_key_id(Algorithm::Es256);
            },
        )
        .configure(move |configuration| {
            let client = &mut configuration["identities"]["gateway"]["client_credentials"];
            client["private_key_jwt"]["kid"] = json!(*noted.lock().unwrap());
            configuration["operations"][1]["attach"] =
                json!([{"identity": "gateway", "scope": "orders.read"}]);
        })
    };
    let stack = one_request_for_all(builder, Endpoint::PartnerToken, CALLER.client_id).await;
    let assertion = requests(&stack, Endpoint::PartnerToken)[0].assertion.clone().unwrap();
    assert_eq!(assertion.claims["aud"], "https://idp.partner.example/token");
}

#[tokio::test]
async fn a_partner_takes_a_secret_by_basic_authentication() {
    let files = Files::new();
    let builder = || {
        let secrets = json!({"key": from_file("key")});
        gateway(
            &files,
            &["key"],
            partner(("client_secret", json!({"ref": "key"}))),
            secrets,
            |emulator, folder| {
                put(folder, "key", &secret_of_the_caller(emulator));
            },
        )
        .configure(|configuration| {
            configuration["identities"]["gateway"]["client_credentials"]["authentication"] = json!("basic");
        })
    };
    let stack = one_request_for_all(builder, Endpoint::PartnerToken, CALLER.client_id).await;
    let request = &requests(&stack, Endpoint::PartnerToken)[0];
    assert_eq!((request.field("client_id"), request.field("client_secret")), (None, None));
    assert_eq!(request.field("resource"), Some("api://contoso-api"));
}

#[tokio::test]
async fn bad_answers_are_counted_and_tried_again() {
    let files = Files::new();
    let stack = start(client_secret(&files).prepare(|emulator| {
        let faults = vec![Fault::page(), Fault::status(500), Fault::throttled(Some(1))];
        emulator.script(Endpoint::Token, faults);
    }))
    .await;
    // The tries are near each other, so the request waits for the one that succeeds.
    let answer = stack.get("/unprotected").await;
    assert_eq!(answer.map(|answer| answer.status).ok(), Some(200), "{}", stack.log());
    assert_eq!(stack.emulator().count(Endpoint::Token), 4);
    stack.counter_reaches("tokens.failed.unusable", 1).await.unwrap();
    stack.counter_reaches("sources.failed.client_secret", 3).await.unwrap();
}

#[tokio::test]
async fn when_certificate_and_key_rotate_apart_the_last_pair_goes_on() {
    let files = Files::new();
    let credential = json!({"certificate": {"ref": "crt"}, "private_key": {"ref": "key"}});
    let secrets = json!({"crt": from_file("crt"), "key": from_file("key")});
    let builder =
        gateway(&files, &["crt", "key"], entra(("certificate", credential)), secrets, |emulator, folder| {
            emulator.set_client_token_lifetime(Duration::from_secs(8));
            put(folder, "crt", &emulator.client_certificate());
            put(folder, "key", &emulator.client_key(Algorithm::Rs256).unwrap());
        });
    let stack = start(builder).await;
    assert_eq!(get(&stack, "/unprotected").await.status, 200);
    // The authority's certificate is a certificate, but not this key's.
    files.put("crt", &std::fs::read_to_string(stack.emulator().ca_certificate()).unwrap());
    // Read when the next assertion is due: at half of the token's life.
    eventually("the other certificate to be read", Duration::from_secs(20), || async {
        assert_eq!(get(&stack, "/unprotected").await.status, 200);
        stack.counter("secrets.changed").await.unwrap() >= 3
    })
    .await;
    let before = stack.emulator().count(Endpoint::Token);
    eventually("two more tokens", Duration::from_secs(20), || async {
        assert_eq!(get(&stack, "/unprotected").await.status, 200);
        stack.emulator().count(Endpoint::Token) >= before + 2
    })
    .await;
    assert_eq!(stack.counter("tokens.failed.not_signed").await.unwrap(), 0, "{}", stack.log());
}
