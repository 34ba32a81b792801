//! Tokens that are encrypted.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::jwt::testing::encrypted::{Recipient, seal};
use crate::jwt::testing::hmac_token;

fn inline(recipient: &Recipient) -> Value {
    json!({ "inline": recipient.secret().expose() })
}

fn symmetric(recipient: &Recipient) -> Value {
    json!({ "symmetric_key": inline(recipient) })
}

fn private(recipient: &Recipient) -> Value {
    json!({ "private_key": inline(recipient) })
}

/// The usual configuration, in which every operation has these decryption keys but `/plain`, which has none.
fn with_keys(keys: &Value) -> String {
    let mut configuration: Value = serde_json::from_str(CONFIGURATION).unwrap();
    let operations = configuration["operations"].as_array_mut().unwrap();
    for operation in operations.iter_mut().filter(|operation| operation["anonymous"] != true) {
        operation["validate"]["decryption_keys"] = keys.clone();
    }
    operations.push(json!({"match": {"path": {"exact": "/plain"}}}));
    configuration.to_string()
}

fn world(keys: &Value) -> World {
    World::with(&with_keys(keys), TestKey::p256())
}

fn encrypted(recipient: &Recipient, content: &str) -> String {
    let algorithm = match recipient {
        Recipient::Rsa(_) => "RSA-OAEP-256",
        Recipient::P256(_) => "ECDH-ES+A256KW",
        Recipient::Symmetric(_) => "dir",
    };
    recipient.encrypt(algorithm, "A256GCM", &json!({}), content)
}

#[test]
fn a_signed_token_that_is_encrypted_to_one_of_the_keys_passes() {
    for recipient in [Recipient::symmetric(32), Recipient::p256(), Recipient::rsa()] {
        let key = match recipient {
            Recipient::Symmetric(_) => symmetric(&recipient),
            _ => private(&recipient),
        };
        let mut world = world(&json!([key]));
        let inner = world.token(json!({}));
        let token = encrypted(&recipient, &inner);
        assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
        assert_eq!(world.with_token("GET", "/protected", &inner), "forwarded", "one that is not encrypted");
        assert_eq!(world.with_token("GET", "/plain", &inner), "forwarded");
        let refused = world.with_token("GET", "/plain", &token);
        assert_eq!(refused, "401 token_malformed", "where no key is, though it is remembered elsewhere");
    }
}

#[test]
fn what_is_encrypted_meets_all_that_a_token_meets() {
    let recipient = Recipient::symmetric(32);
    let mut world = world(&json!([symmetric(&recipient)]));
    let now = world.now.wall.seconds();
    let good = world.token(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let unsigned = format!("{}.{}.", encode(r#"{"alg":"none"}"#), parts[1]);
    let none = format!("{}.{}.{}", encode(r#"{"alg":"none"}"#), parts[1], parts[2]);
    let hmac = hmac_token(
        Algorithm::Hs256,
        recipient.secret().expose().as_bytes(),
        r#"{"alg":"HS256"}"#,
        &world.claims().to_string(),
    );
    let foreign = TestKey::p256().token(&world.header().to_string(), &world.claims().to_string());
    for (content, said) in [
        (world.claims().to_string(), "token_malformed"),
        (String::new(), "token_malformed"),
        ("x.y.z".to_owned(), "token_malformed"),
        (unsigned, "token_malformed"),
        (none, "algorithm_not_allowed"),
        (hmac, "algorithm_not_allowed"),
        (encrypted(&recipient, &good), "token_malformed"),
        (encrypted(&recipient, &encrypted(&recipient, &good)), "token_malformed"),
        (format!("Bearer {good}"), "token_malformed"),
        (format!("{good}\n"), "token_malformed"),
        (foreign, "signature_invalid"),
        (world.token(json!({"iss": "https://other.example"})), "issuer_not_allowed"),
        (world.token(json!({"aud": "other"})), "audience_not_allowed"),
        (world.token(json!({"exp": now})), "token_expired"),
        (world.token(json!({"exp": null})), "expiration_missing"),
        (world.token(json!({"nbf": now + 1})), "token_not_yet_valid"),
        (world.token(json!({"roles": ["Other"]})), "claim_not_allowed"),
        (world.token_with_header(json!({"kid": "unknown"})), "key_not_found"),
        (world.token_with_header(json!({"crit": ["x"]})), "critical_header_not_supported"),
    ] {
        let token = encrypted(&recipient, &content);
        assert_eq!(world.with_token("GET", "/protected", &token), format!("401 {said}"), "{content}");
        world.let_checks_come_back();
    }
    let token = encrypted(&recipient, &good);
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded", "the control");
}

#[test]
fn whatever_goes_wrong_in_decryption_has_one_answer() {
    let (rsa, other) = (Recipient::rsa(), Recipient::rsa());
    let mut world = world(&json!([private(&rsa)]));
    let inner = world.token(json!({}));
    let good = encrypted(&rsa, &inner);
    assert_eq!(world.with_token("GET", "/any", &good), "forwarded");
    let part = |number: usize, text: &str| {
        let mut parts: Vec<&str> = good.split('.').collect();
        parts[number] = text;
        parts.join(".")
    };
    let zeros = |bytes: usize| encode(vec![0; bytes]);
    for token in [
        encrypted(&other, &inner),
        part(1, ""),
        part(1, &zeros(255)),
        part(1, &zeros(256)),
        part(1, &encode([0xff; 256])),
        part(2, ""),
        part(2, &zeros(12)),
        part(3, ""),
        part(3, &zeros(100)),
        part(4, ""),
        part(4, &zeros(12)),
        part(4, &zeros(16)),
    ] {
        assert_eq!(world.with_token("GET", "/any", &token), "401 token_not_decrypted", "{token}");
        world.advance(1);
    }
}

#[test]
fn of_several_keys_the_kid_says_which() {
    let [first, second, third] = [(); 3].map(|()| Recipient::symmetric(32));
    let named = |recipient: &Recipient, id: &str| changed(symmetric(recipient), json!({ "id": id }));
    let rsa = Recipient::rsa();
    let mut world = world(&json!([named(&first, "1"), named(&second, "2"), private(&rsa)]));
    let inner = world.token(json!({}));
    for (recipient, kid, said) in [
        (&first, json!("1"), "forwarded"),
        (&second, json!("2"), "forwarded"),
        (&first, json!("2"), "401 token_not_decrypted"),
        (&third, json!("1"), "401 token_not_decrypted"),
        (&first, json!("3"), "401 token_not_decrypted"),
        (&first, json!(null), "401 token_not_decrypted"),
        // The only private key, whatever its tokens call it.
        (&rsa, json!(null), "forwarded"),
        (&rsa, json!("whatever"), "forwarded"),
        (&rsa, json!("1"), "401 token_not_decrypted"),
    ] {
        let algorithm = if matches!(recipient, Recipient::Rsa(_)) { "RSA-OAEP" } else { "dir" };
        let changes = if kid.is_null() { json!({}) } else { json!({ "kid": kid }) };
        let token = recipient.encrypt(algorithm, "A256GCM", &changes, &inner);
        assert_eq!(world.with_token("GET", "/any", &token), said, "{kid} {algorithm}");
    }
}

#[test]
fn a_key_is_used_as_it_is_configured_and_not_as_the_token_wants() {
    let recipient = Recipient::symmetric(32);
    let rsa = Recipient::rsa();
    for (key, recipient, algorithm, said) in [
        (json!({}), &recipient, "dir", "forwarded"),
        (json!({}), &recipient, "A256KW", "401 token_not_decrypted"),
        (json!({"algorithms": ["A256KW"]}), &recipient, "A256KW", "forwarded"),
        (json!({"algorithms": ["A256KW"]}), &recipient, "dir", "401 token_not_decrypted"),
        (json!({}), &rsa, "RSA-OAEP", "forwarded"),
        (json!({}), &rsa, "RSA1_5", "401 algorithm_not_allowed"),
        (json!({"algorithms": ["RSA-OAEP-256"]}), &rsa, "RSA-OAEP", "401 token_not_decrypted"),
        (json!({"algorithms": ["RSA-OAEP-256"]}), &rsa, "RSA-OAEP-256", "forwarded"),
    ] {
        let of = match recipient {
            Recipient::Rsa(_) => private(recipient),
            _ => symmetric(recipient),
        };
        let mut world = world(&json!([changed(of, key.clone())]));
        let inner = world.token(json!({}));
        let token = recipient.encrypt(algorithm, "A256GCM", &json!({}), &inner);
        assert_eq!(world.with_token("GET", "/any", &token), said, "{key} {algorithm}");
    }
    // `ECDH-ES` with an RSA key: only when the key is at hand it is known not to fit.
    let mut world = world(&json!([private(&rsa)]));
    let token = Recipient::p256().encrypt("ECDH-ES", "A256GCM", &json!({}), &world.token(json!({})));
    assert_eq!(world.with_token("GET", "/any", &token), "401 token_not_decrypted");
}

#[test]
fn it_is_remembered_as_it_came_and_for_the_operations_with_the_key() {
    let (recipient, other) = (Recipient::rsa(), Recipient::rsa());
    let mut configuration: Value = serde_json::from_str(&with_keys(&json!([private(&recipient)]))).unwrap();
    configuration["operations"].as_array_mut().unwrap().push(json!({
        "match": {"path": {"exact": "/other"}}, "validate": {"decryption_keys": [private(&other)]}}));
    let mut world = World::with(&configuration.to_string(), TestKey::p256());
    let inner = world.token(json!({}));
    let token = encrypted(&recipient, &inner);
    assert_eq!(world.with_token("GET", "/any", &token), "forwarded");
    assert_eq!(world.state.verdicts.len(), 1);
    // What a check costs is spent once.
    for _ in 0..1_000 {
        assert_eq!(world.with_token("GET", "/any", &token), "forwarded");
    }
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    assert_eq!(world.with_token("GET", "/other", &token), "401 token_not_decrypted");
    assert_eq!(world.with_token("GET", "/plain", &token), "401 token_malformed");
    assert_eq!(world.with_token("GET", "/any", &token), "forwarded");
    world.advance(601);
    assert_eq!(world.with_token("GET", "/any", &token), "401 token_expired");
    assert!(world.state.verdicts.is_empty());
}

#[test]
fn decryption_is_rationed_with_the_other_slow_checks() {
    let rsa = Recipient::rsa();
    let mut world = world(&json!([private(&rsa)]));
    let good = encrypted(&rsa, &world.token(json!({})));
    assert_eq!(world.with_token("GET", "/any", &good), "forwarded");
    world.advance(10);
    let bad = format!("{}AAAA", &good[..good.len() - 4]);
    let said: Vec<_> = (0..30).map(|_| world.with_token("GET", "/any", &bad)).collect();
    assert_eq!(said.iter().filter(|said| *said == "401 token_not_decrypted").count(), 20);
    assert_eq!(said[29], "503 keys_busy");
    assert_eq!(world.with_token("GET", "/any", &good), "forwarded", "what is remembered costs nothing");
    world.advance(1);
    let another = encrypted(&rsa, &world.token(json!({})));
    assert_eq!(world.with_token("GET", "/any", &another), "forwarded");
}

#[test]
fn a_request_that_waits_for_keys_is_decrypted_once() {
    let rsa = Recipient::rsa();
    let mut world = world(&json!([private(&rsa)]));
    let inner = world.token(json!({}));
    // Twenty decryptions are all that may be made at once.
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let token = format!("Bearer {}", encrypted(&rsa, &inner));
            waiting(world.start("GET", "/any", &[token.as_bytes()]))
        })
        .collect();
    world.pump();
    for pending in waiting {
        world.let_checks_come_back();
        assert_eq!(told(&wake(*pending, &mut world.state, StreamId(1), world.now)), "forwarded");
    }
}

#[test]
fn a_key_from_a_file_is_waited_for_and_changes_with_it() {
    let (old, new) = (Recipient::p256(), Recipient::p256());
    let keys = json!([{"private_key": {"ref": "key"}}]);
    let mut configuration: Value = serde_json::from_str(&with_keys(&keys)).unwrap();
    configuration["secrets"] = json!({"key": {"file": {"cluster": "files", "path": "/key"}}});
    let mut world = World::with(&configuration.to_string(), TestKey::p256());
    let inner = world.token(json!({"exp": world.now.wall.seconds() + 10_000}));
    let (of_old, of_new) = (encrypted(&old, &inner), encrypted(&new, &inner));
    assert_eq!(world.with_token("GET", "/any", &inner), "forwarded");
    assert_eq!(world.asked_for("/key"), 0, "a token that is not encrypted needs no key");
    world.answers.insert("/key", (200, old.secret().expose().to_owned()));
    assert_eq!(world.with_token("GET", "/any", &of_old), "forwarded");
    assert_eq!(world.with_token("GET", "/any", &of_new), "401 token_not_decrypted");
    world.answers.insert("/key", (200, new.secret().expose().to_owned()));
    world.advance(60);
    let _ = world.with_token("GET", "/any", &of_old);
    world.pump();
    assert_eq!(
        world.with_token("GET", "/any", &of_old),
        "401 token_not_decrypted",
        "though it was remembered"
    );
    assert_eq!(world.with_token("GET", "/any", &of_new), "forwarded");
    world.answers.insert("/key", (200, "no key".to_owned()));
    world.advance(60);
    let _ = world.with_token("GET", "/any", &of_new);
    world.pump();
    assert_eq!(world.with_token("GET", "/any", &of_new), "503 secret_unavailable");
    assert_eq!(world.with_token("GET", "/any", &inner), "forwarded");
}

#[test]
fn without_the_key_an_encrypted_token_is_503() {
    let keys = json!([{"symmetric_key": {"ref": "key"}}]);
    let mut configuration: Value = serde_json::from_str(&with_keys(&keys)).unwrap();
    configuration["secrets"] = json!({"key": {"file": {"cluster": "files", "path": "/key"}}});
    let mut world = World::with(&configuration.to_string(), TestKey::p256());
    let token = encrypted(&Recipient::symmetric(32), &world.token(json!({})));
    world.answers.insert("/key", (404, String::new()));
    let pending = waiting(world.start("GET", "/any", &[format!("Bearer {token}").as_bytes()]));
    world.pump();
    world.advance(20);
    assert_eq!(told(&wake(*pending, &mut world.state, StreamId(1), world.now)), "503 secret_unavailable");
}

#[test]
fn a_reload_forgets_the_keys_that_are_gone() {
    let (old, new) = (Recipient::symmetric(32), Recipient::symmetric(32));
    let mut world = world(&json!([symmetric(&old)]));
    let inner = world.token(json!({}));
    let token = encrypted(&old, &inner);
    assert_eq!(world.with_token("GET", "/any", &token), "forwarded");
    let configuration = with_keys(&json!([symmetric(&new)]));
    world.configuration =
        Rc::new(Configuration::parse(configuration.as_bytes(), &Environment::default()).unwrap());
    world.state.install(&world.configuration, world.now);
    assert_eq!(world.with_token("GET", "/any", &token), "401 token_not_decrypted");
    assert_eq!(world.with_token("GET", "/any", &encrypted(&new, &inner)), "forwarded");
}

#[test]
fn a_shared_key_may_have_signed_it() {
    const SHARED: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
    let recipient = Recipient::symmetric(32);
    let mut configuration: Value = serde_json::from_str(&with_keys(&json!([symmetric(&recipient)]))).unwrap();
    let key = json!({"inline": encode(SHARED)});
    configuration["issuers"]["partner"] = json!({"issuer": ISSUER, "symmetric_keys": [{ "key": key }]});
    let mut world = World::with(&configuration.to_string(), TestKey::p256());
    let claims = world.claims().to_string();
    let inner = hmac_token(Algorithm::Hs256, SHARED, r#"{"alg":"HS256"}"#, &claims);
    for _ in 0..2 {
        assert_eq!(world.with_token("GET", "/any", &encrypted(&recipient, &inner)), "forwarded");
    }
    let forged = hmac_token(Algorithm::Hs256, &[1; 32], r#"{"alg":"HS256"}"#, &claims);
    assert_eq!(world.with_token("GET", "/any", &encrypted(&recipient, &forged)), "401 signature_invalid");
}

#[test]
fn a_header_that_asks_for_more_is_refused() {
    let recipient = Recipient::symmetric(32);
    let Recipient::Symmetric(key) = &recipient else { unreachable!() };
    let mut world = world(&json!([symmetric(&recipient)]));
    let inner = world.token(json!({}));
    for (header, said) in [
        (json!({"zip": "DEF"}), "401 token_type_not_allowed"),
        (json!({"cty": "text/plain"}), "401 token_type_not_allowed"),
        (json!({"crit": ["exp"]}), "401 critical_header_not_supported"),
        (
            json!({"alg": "PBES2-HS256+A128KW", "p2s": "AAAA", "p2c": 4_000_000_000_u32}),
            "401 algorithm_not_allowed",
        ),
        (json!({"enc": "A192GCM"}), "401 algorithm_not_allowed"),
        (json!({}), "forwarded"),
    ] {
        let header = changed(json!({"alg": "dir", "enc": "A256GCM"}), header);
        let token = seal(&header.to_string(), &[], "A256GCM", key, inner.as_bytes());
        assert_eq!(world.with_token("GET", "/any", &token), said, "{header}");
    }
    let large = encrypted(&recipient, &"x".repeat(16 * 1024));
    assert_eq!(world.with_token("GET", "/any", &large), "401 token_too_large");
}

#[test]
fn the_defaults_keys_hold_where_an_operation_has_none_of_its_own() {
    let (common, own) = (Recipient::symmetric(32), Recipient::symmetric(32));
    let mut configuration: Value = serde_json::from_str(CONFIGURATION).unwrap();
    configuration["defaults"]["validate"]["decryption_keys"] = json!([symmetric(&common)]);
    let operations = configuration["operations"].as_array_mut().unwrap();
    operations.push(json!({"match": {"path": {"exact": "/own"}},
        "validate": {"decryption_keys": [symmetric(&own)]}}));
    let mut world = World::with(&configuration.to_string(), TestKey::p256());
    let inner = world.token(json!({}));
    let (of_common, of_own) = (encrypted(&common, &inner), encrypted(&own, &inner));
    assert_eq!(world.with_token("GET", "/any", &of_common), "forwarded");
    assert_eq!(world.with_token("GET", "/any", &of_own), "401 token_not_decrypted");
    assert_eq!(world.with_token("GET", "/own", &of_own), "forwarded");
    assert_eq!(world.with_token("GET", "/own", &of_common), "401 token_not_decrypted");
}

#[test]
fn a_fault_in_a_decryption_key_says_what_to_do_and_quotes_nothing() {
    let (rsa, short) = (Recipient::rsa(), Recipient::symmetric(24));
    let good = private(&rsa);
    let with = |fields: Value| json!([changed(good.clone(), fields)]);
    for (keys, said) in [
        (json!([]), ": this is empty; leave it out where no token is encrypted"),
        (json!(["CANARY"]), "[0]: expected an object with `private_key` or `symmetric_key`, found a string"),
        (json!([{}]), "[0]: exactly one of `private_key`, `symmetric_key` belongs here"),
        (with(symmetric(&short)), "[0]: exactly one of `private_key`, `symmetric_key` belongs here"),
        (json!([{"private_key": "CANARY"}]), "[0].private_key: expected an object with either `ref`"),
        (json!([{"private_key": {"inline": "CANARY"}}]), "[0].private_key: not PEM"),
        (json!([{"symmetric_key": {"inline": "CANARY!"}}]), "[0].symmetric_key: not base64"),
        (
            json!([symmetric(&short)]),
            "[0].symmetric_key: the key is not one for dir, which takes 16, 32 or 64 bytes",
        ),
        (json!([{"private_key": {"ref": "CANARY"}}]), "[0].private_key.ref: there is no secret of this name"),
        (with(json!({"id": ""})), "[0].id: this is empty"),
        (with(json!({"algorithms": []})), "[0].algorithms: this is empty"),
        (
            with(json!({"algorithms": ["RSA1_5"]})),
            "[0].algorithms[0]: unknown word; expected `RSA-OAEP-256`, `RSA-OAEP`, `ECDH-ES`",
        ),
        (with(json!({"algorithms": ["dir"]})), "[0].algorithms[0]: unknown word"),
        (
            with(json!({"algorithms": ["ECDH-ES"]})),
            "[0].private_key: the key is not one for ECDH-ES, which takes a key on P-256",
        ),
        (
            json!([changed(symmetric(&Recipient::symmetric(32)), json!({"algorithms": ["dir", "A256KW"]}))]),
            "[0].algorithms: a symmetric key is for one algorithm",
        ),
        (with(json!({"key": 1})), "[0]: unknown field `key`"),
        (
            json!([changed(good.clone(), json!({"id": "a"})), changed(good.clone(), json!({"id": "a"}))]),
            "[1]: another key has this id",
        ),
    ] {
        let mut configuration: Value = serde_json::from_str(CONFIGURATION).unwrap();
        configuration["defaults"]["validate"]["decryption_keys"] = keys;
        let faults =
            Configuration::parse(configuration.to_string().as_bytes(), &Environment::default()).unwrap_err();
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let said = format!("defaults.validate.decryption_keys{said}");
        assert!(faults.len() == 1 && faults[0].starts_with(&said), "{faults:#?}\n{said}");
        assert!(!faults[0].contains("CANARY"), "{faults:?}");
    }
}

#[test]
fn nothing_prints_a_key_or_what_is_in_a_token() {
    let recipient = Recipient::symmetric(32);
    let configuration = with_keys(&json!([symmetric(&recipient)]));
    let configuration = Configuration::parse(configuration.as_bytes(), &Environment::default()).unwrap();
    assert!(!format!("{configuration:?}").contains(recipient.secret().expose()));
}
