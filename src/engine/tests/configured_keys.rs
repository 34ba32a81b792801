//! Keys that stand in the configuration.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::json::Json;
use crate::jwt::testing::hmac_token;
use crate::jwt::{Jwk, Verifier};

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
    world.state.install(&world.configuration, world.now);
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

/// The public key as PEM.
fn pem(key: &TestKey) -> String {
    use base64::Engine;
    let jwk = Json::parse(key.jwk("k").to_string().as_bytes()).unwrap();
    let der = Software.prepare(&Jwk::read(&jwk).unwrap().key).unwrap().to_spki().unwrap();
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn public_keys_may_be_pem() {
    for key in TestKey::all() {
        let fields = json!({"public_keys": [{"pem": pem(&key), "id": "k1"}]});
        let mut world = World::with(&with_issuer(fields), key);
        let token = world.token(json!({}));
        assert_eq!(world.with_token("GET", "/any", &token), "forwarded", "{}", world.key.algorithm());
        let token = world.token_with_header(json!({"kid": "k2"}));
        assert_eq!(world.with_token("GET", "/any", &token), "401 key_not_found");
    }
    let key = TestKey::p256();
    let fields = json!({"public_keys": [{"pem": pem(&key)}]});
    let mut world = World::with(&with_issuer(fields), key);
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/any", &token), "forwarded", "without an id, for every kid");
}

const SECRET: &[u8; 64] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An issuer with these keys, each with its id, and a token that the first one signs.
fn shared(keys: Value, rest: Value) -> World {
    World::with(&with_issuer(changed(json!({ "symmetric_keys": keys }), rest)), TestKey::p256())
}

fn signed(world: &World, algorithm: Algorithm, key: &[u8], kid: Value, changes: Value) -> String {
    let header = changed(json!({"alg": algorithm.name(), "typ": "JWT"}), json!({ "kid": kid }));
    hmac_token(algorithm, key, &header.to_string(), &changed(world.claims(), changes).to_string())
}

fn inline(key: &[u8]) -> Value {
    json!({"inline": encode(key)})
}

#[test]
fn a_shared_key_signs_for_its_issuer_with_the_algorithms_that_are_named() {
    use Algorithm::{Hs256, Hs384, Hs512};
    let all = json!({"algorithms": ["HS256", "HS384", "HS512"]});
    for (rest, algorithm, said) in [
        (json!({}), Hs256, "forwarded"),
        (json!({}), Hs512, "401 algorithm_not_allowed"),
        (all.clone(), Hs256, "forwarded"),
        (all.clone(), Hs384, "forwarded"),
        (all, Hs512, "forwarded"),
        (json!({"algorithms": ["HS512"]}), Hs256, "401 algorithm_not_allowed"),
    ] {
        let mut world = shared(json!([{"key": inline(SECRET), "id": "s"}]), rest);
        let mut with = |key: &[u8], kid: Value, changes: Value| {
            let token = signed(&world, algorithm, key, kid, changes);
            world.with_token("GET", "/any", &token)
        };
        assert_eq!(with(SECRET, json!("s"), json!({})), said, "{algorithm:?}");
        if said == "forwarded" {
            assert_eq!(with(SECRET, json!(null), json!({})), said);
            assert_eq!(with(b"another", json!("s"), json!({})), "401 signature_invalid");
            assert_eq!(with(SECRET, json!("t"), json!({})), "401 key_not_found");
            assert_eq!(
                with(SECRET, json!("s"), json!({"iss": "https://other.example"})),
                "401 issuer_not_allowed"
            );
            assert_eq!(with(SECRET, json!("s"), json!({"exp": 1})), "401 token_expired");
            assert_eq!(with(SECRET, json!("s"), json!({"aud": "other"})), "401 audience_not_allowed");
        }
        assert!(world.state.verdicts.is_empty() && world.asked.is_empty());
    }
}

#[test]
fn of_several_shared_keys_the_kid_says_which() {
    let other = [7; 64];
    let keys = json!([{"key": inline(SECRET), "id": "s"}, {"key": inline(&other)}]);
    let mut world = shared(keys, json!({}));
    for (key, kid, said) in [
        (&SECRET[..], json!("s"), "forwarded"),
        (&other, json!("s"), "401 signature_invalid"),
        (&other, json!("whatever"), "forwarded"),
        (SECRET, json!("whatever"), "401 signature_invalid"),
        (SECRET, json!(null), "401 key_not_found"),
    ] {
        let token = signed(&world, Algorithm::Hs256, key, kid.clone(), json!({}));
        assert_eq!(world.with_token("GET", "/any", &token), said, "{kid}");
    }
}

#[test]
fn no_public_key_is_ever_a_shared_one() {
    let key = TestKey::rsa();
    let fields = json!({"public_keys": [{"pem": pem(&key), "id": "k1"}]});
    let mut world = World::with(&with_issuer(fields), key);
    for secret in
        [pem(&world.key).into_bytes(), world.key.jwk("k1")["n"].as_str().unwrap().as_bytes().to_vec()]
    {
        let token = signed(&world, Algorithm::Hs256, &secret, json!("k1"), json!({}));
        assert_eq!(world.with_token("GET", "/any", &token), "401 algorithm_not_allowed");
    }
    let mut world = shared(json!([{"key": inline(SECRET)}]), json!({}));
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/any", &token), "401 algorithm_not_allowed");
}

#[test]
fn a_shared_key_from_a_file_is_waited_for_and_changes_with_it() {
    let configuration = |name: &str| {
        let mut configuration: Value =
            serde_json::from_str(&with_issuer(json!({"symmetric_keys": [{"key": {"ref": name}}]}))).unwrap();
        configuration["secrets"] = json!({"hmac": {"file": {"cluster": "files", "path": "/hmac"}}});
        configuration.to_string()
    };
    let mut world = World::with(&configuration("hmac"), TestKey::p256());
    let token = |world: &World, key: &[u8]| signed(world, Algorithm::Hs256, key, json!(null), json!({}));
    let (old, new) = (token(&world, SECRET), token(&world, &[7; 32]));
    world.answers.insert("/hmac", (200, encode(SECRET)));
    let far = json!({"aud": "other"});
    let unfit = signed(&world, Algorithm::Hs256, SECRET, json!(null), far);
    assert_eq!(world.with_token("GET", "/any", &unfit), "401 audience_not_allowed");
    assert!(world.asked.is_empty(), "a token that cannot be good fetches nothing");
    assert_eq!(world.with_token("GET", "/any", &old), "forwarded");
    assert_eq!(world.with_token("GET", "/any", &new), "401 signature_invalid");
    world.answers.insert("/hmac", (200, encode([7; 32])));
    world.advance(60);
    let _ = world.with_token("GET", "/any", &old);
    world.pump();
    assert_eq!(world.with_token("GET", "/any", &old), "401 signature_invalid");
    assert_eq!(world.with_token("GET", "/any", &new), "forwarded");
    // A file that holds no such key.
    world.answers.insert("/hmac", (200, "too short".to_owned()));
    world.advance(60);
    let _ = world.with_token("GET", "/any", &new);
    world.pump();
    assert_eq!(world.with_token("GET", "/any", &new), "503 secret_unavailable");
}

#[test]
fn a_fault_in_configured_keys_says_what_to_do_and_quotes_nothing() {
    let good = pem(&TestKey::p256());
    let private = "-----BEGIN PRIVATE KEY-----\nMEECAQAwEwYHKoZIzj0CAQ==\n-----END PRIVATE KEY-----";
    for (fields, said) in [
        (json!({"public_keys": []}), ".public_keys: this is empty; without a key no token is accepted"),
        (json!({"public_keys": ["x"]}), ".public_keys[0]: expected an object with `pem`, found a string"),
        (json!({"public_keys": [{"pem": "x"}]}), ".public_keys[0].pem: not PEM"),
        (
            json!({"public_keys": [{"pem": private}]}),
            ".public_keys[0].pem: a private key, where only its public key",
        ),
        (json!({"public_keys": [{"pem": good, "id": ""}]}), ".public_keys[0].id: this is empty"),
        (
            json!({"public_keys": [{"pem": good, "id": "a"}, {"pem": good, "id": "a"}]}),
            ".public_keys[1]: another key has this id",
        ),
        (
            json!({"public_keys": [{"pem": good}], "algorithms": ["HS256"]}),
            ".algorithms[0]: unknown word, did you mean `ES256`?; expected `RS256`",
        ),
        (json!({"symmetric_keys": []}), ".symmetric_keys: this is empty; without a key no token is accepted"),
        (
            json!({"symmetric_keys": [{"key": "Q0FOQVJZ"}]}),
            ".symmetric_keys[0].key: expected an object with either `ref`",
        ),
        (
            json!({"symmetric_keys": [{"key": inline(b"CANARY")}]}),
            ".symmetric_keys[0].key: 6 bytes are too few for HS256",
        ),
        (json!({"symmetric_keys": [{"key": {"inline": "CANARY!"}}]}), ".symmetric_keys[0].key: not base64"),
        (
            json!({"symmetric_keys": [{"key": inline(&SECRET[..40])}], "algorithms": ["HS256", "HS384"]}),
            ".symmetric_keys[0].key: 40 bytes are too few for HS384",
        ),
        (
            json!({"symmetric_keys": [{"key": {"ref": "CANARY"}}]}),
            ".symmetric_keys[0].key.ref: there is no secret",
        ),
        (
            json!({"symmetric_keys": [{"key": inline(SECRET), "id": "a"}, {"key": inline(SECRET), "id": "a"}]}),
            ".symmetric_keys[1]: another key has this id",
        ),
        (
            json!({"symmetric_keys": [{"key": inline(SECRET)}], "algorithms": ["RS256"]}),
            ".algorithms[0]: unknown word, did you mean `HS256`?; expected `HS256`, `HS384`, `HS512`",
        ),
        (
            json!({"symmetric_keys": [{"key": inline(SECRET)}], "public_keys": [{"pem": good}]}),
            ": exactly one of `entra`",
        ),
    ] {
        let configuration = with_issuer(fields);
        let faults = Configuration::parse(configuration.as_bytes(), &Environment::default()).unwrap_err();
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let said = format!("issuers.partner{said}");
        assert!(faults.len() == 1 && faults[0].starts_with(&said), "{faults:#?}\n{said}");
        let quoted = ["CANARY", "Q0FOQVJZ", &encode(b"CANARY"), "MEECAQ"];
        assert!(!quoted.iter().any(|text| faults[0].contains(text)), "{faults:?}");
    }
}
