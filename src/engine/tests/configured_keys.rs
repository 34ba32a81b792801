//! Keys that stand in the configuration.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// An issuer with these fields beside its name.
fn with_issuer(fields: Value) -> String {
    let mut issuer = changed(json!({ "issuer": ISSUER }), fields);
    let mut configuration: Value = serde_json::from_str(CONFIGURATION).unwrap();
    configuration["issuers"]["partner"] = issuer.take();
    configuration.to_string()
}

fn jwks(keys: &[Value]) -> Value {
    json!({"jwks": {"keys": keys}})
}

#[test]
fn they_serve_at_once_and_for_ever_and_nothing_is_fetched() {
    let key = TestKey::p256();
    let mut world = World::with(&with_issuer(jwks(&[key.jwk("k1")])), key);
    world.answers.clear();
    let token = world.token(json!({"exp": world.now.wall.seconds() + 10_000_000}));
    for _ in 0..3 {
        assert_eq!(world.with_token("GET", "/any", &token), "forwarded");
        world.advance(30 * 3_600);
        world.pump();
    }
    for refused in [
        world.token_with_header(json!({"kid": "k2"})),
        world.token(json!({"iss": "https://other.example"})),
        TestKey::p256().token(&world.header().to_string(), &world.claims().to_string()),
    ] {
        assert!(world.with_token("GET", "/any", &refused).starts_with("401"));
    }
    assert!(world.asked.is_empty(), "{:?}", world.asked);
}

#[test]
fn they_sign_with_what_they_fit_or_with_what_is_named() {
    let rsa = TestKey::rsa();
    let cases: [(Value, Algorithm, &str); 7] = [
        (json!({}), Algorithm::Rs256, "forwarded"),
        (json!({}), Algorithm::Ps512, "forwarded"),
        (json!({}), Algorithm::Es256, "forwarded"),
        (json!({"algorithms": ["PS256", "ES256"]}), Algorithm::Ps256, "forwarded"),
        (json!({"algorithms": ["PS256", "ES256"]}), Algorithm::Rs256, "401 algorithm_not_allowed"),
        (json!({"algorithms": ["RS256", "ES256"]}), Algorithm::Ps256, "401 algorithm_not_allowed"),
        (json!({}), Algorithm::Es384, "401 algorithm_not_allowed"),
    ];
    let p256 = TestKey::p256();
    for (named, algorithm, said) in cases {
        let key = match algorithm {
            Algorithm::Es256 => p256.clone(),
            Algorithm::Es384 => TestKey::new(algorithm),
            _ => rsa.signing(algorithm),
        };
        let keys = jwks(&[rsa.jwk("rsa"), p256.jwk("ec")]);
        let mut world = World::with(&with_issuer(changed(keys, named.clone())), key);
        let token = world.token_with_header(json!({ "kid": null }));
        assert_eq!(world.with_token("GET", "/any", &token), said, "{named} {algorithm:?}");
    }
}

#[test]
fn a_key_without_kid_is_for_tokens_whose_kid_is_no_other_keys() {
    let (named, unnamed) = (TestKey::p256(), TestKey::p256());
    let without_kid = changed(unnamed.jwk(""), json!({ "kid": null }));
    let keys = jwks(&[named.jwk("k1"), without_kid.clone()]);
    for (key, kid, said) in [
        (&named, json!("k1"), "forwarded"),
        (&unnamed, json!("k1"), "401 signature_invalid"),
        (&unnamed, json!("whatever"), "forwarded"),
        (&named, json!("whatever"), "401 signature_invalid"),
        // Two keys fit.
        (&unnamed, json!(null), "401 key_not_found"),
    ] {
        let mut world = World::with(&with_issuer(keys.clone()), key.clone());
        let token = world.token_with_header(json!({ "kid": kid }));
        assert_eq!(world.with_token("GET", "/any", &token), said, "{kid}");
    }
    let another = changed(TestKey::p256().jwk(""), json!({ "kid": null }));
    let mut world = World::with(&with_issuer(jwks(&[without_kid, another])), unnamed);
    let token = world.token_with_header(json!({ "kid": "whatever" }));
    assert_eq!(world.with_token("GET", "/any", &token), "401 key_not_found", "two keys have no kid");
}

#[test]
fn other_keys_under_the_same_name_are_another_issuer() {
    let (old, new) = (TestKey::p256(), TestKey::p256());
    let mut world = World::with(&with_issuer(jwks(&[old.jwk("k1")])), old);
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/any", &token), "forwarded");
    let configuration = with_issuer(jwks(&[new.jwk("k1")]));
    world.configuration =
        Rc::new(Configuration::parse(configuration.as_bytes(), &Environment::default()).unwrap());
    world.state.install(&world.configuration);
    assert_eq!(world.with_token("GET", "/any", &token), "401 signature_invalid");
}

#[test]
fn a_key_that_would_be_dropped_from_a_fetched_set_is_a_fault() {
    let good = TestKey::p256().jwk("k1");
    let odd = |changes: Value| changed(good.clone(), changes);
    let one = || jwks(std::slice::from_ref(&good));
    let weak = json!({"kty": "RSA", "kid": "weak", "n": encode([0xff; 128]), "e": "AQAB"});
    let large = json!({"kty": "RSA", "kid": "large", "n": encode([0xff; 1025]), "e": "AQAB"});
    for (fields, said) in [
        (jwks(&[]), "jwks.keys: this is empty; without a key no token is accepted"),
        (json!({"jwks": [good]}), "jwks: expected an object with `keys`, found a list"),
        (json!({"jwks": {"keys": [good], "x": 1}}), "jwks: unknown field `x`"),
        (jwks(&[json!(1)]), "jwks.keys[0]: not a JWK (RFC 7517)"),
        (jwks(&[odd(json!({"x": null}))]), "jwks.keys[0]: not a JWK (RFC 7517)"),
        (jwks(&[json!({"kty": "oct", "k": "AAAA"})]), "jwks.keys[0]: a key of a kind that is not supported"),
        (jwks(&[odd(json!({"alg": "RS256"}))]), "jwks.keys[0]: a key of a kind that is not supported"),
        (jwks(&[odd(json!({"use": "enc"}))]), "jwks.keys[0]: its `use` or `key_ops` says"),
        (jwks(&[odd(json!({"d": "AAAA"}))]), "jwks.keys[0]: this is a private key"),
        (jwks(&[odd(json!({"y": good["x"]}))]), "jwks.keys[0]: a weak or impossible key"),
        (jwks(&[weak]), "jwks.keys[0]: a weak or impossible key"),
        (jwks(&[large]), "jwks.keys[0]: a weak or impossible key"),
        (jwks(&[good.clone(), good.clone()]), "jwks.keys[1]: another key has this id"),
        (
            changed(one(), json!({"algorithms": ["RS256", "ES256"]})),
            "algorithms: none of the keys fits one of these algorithms",
        ),
        (
            changed(jwks(&[good.clone(), TestKey::rsa().jwk("k2")]), json!({"algorithms": ["ES256"]})),
            "algorithms: one of the keys fits none of these algorithms",
        ),
        (changed(one(), json!({"cluster": "c"})), "cluster: nothing is fetched"),
        (changed(one(), json!({"hosts": {"a": "b"}})), "hosts: only a discovery document"),
        (changed(one(), json!({"jwks_uri": "https://a/"})), "exactly one of `entra`"),
    ] {
        let configuration = with_issuer(fields);
        let faults = Configuration::parse(configuration.as_bytes(), &Environment::default()).unwrap_err();
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(faults[0].starts_with("issuers.partner") && faults[0].contains(said), "{faults:?}\n{said}");
    }
    let configuration = with_issuer(json!({"issuer": null, "jwks": {"keys": [good]}}));
    let faults = Configuration::parse(configuration.as_bytes(), &Environment::default()).unwrap_err();
    assert_eq!(faults[0].to_string(), "issuers.partner: the field `issuer` is missing");
}
