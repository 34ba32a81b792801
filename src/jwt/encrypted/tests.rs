#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::{Value, json};

use super::*;
use crate::jwt::BadDecryptionKey;
use crate::jwt::testing::encode;
use crate::jwt::testing::encrypted::{Recipient, TestRandom, fresh, seal};

const CONTENT: &str = "header.payload.signature";
const ENCRYPTIONS: [&str; 4] = ["A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"];

fn key(recipient: &Recipient, algorithms: &[KeyManagement]) -> Result<DecryptionKey, BadDecryptionKey> {
    match recipient {
        Recipient::Symmetric(_) => DecryptionKey::from_base64(&recipient.secret(), algorithms),
        _ => DecryptionKey::from_pem(&recipient.secret(), algorithms),
    }
}

fn open(token: &str, key: &DecryptionKey) -> Result<String, Rejection> {
    match EncryptedToken::parse(token)?.decrypt(key, &mut TestRandom) {
        Ok(content) => Ok(content.expose().to_owned()),
        Err(DecryptFailure::Rejected(rejection)) => Err(rejection),
        Err(failure) => panic!("{failure}"),
    }
}

/// Each way to encrypt, once: the algorithm, what encrypts the content, the key.
fn ways() -> Vec<(KeyManagement, &'static str, Recipient)> {
    let mut ways = Vec::new();
    for encryption in ENCRYPTIONS {
        let bytes = ContentEncryption::from_name(encryption).unwrap().key_bytes();
        ways.push((KeyManagement::Direct, encryption, Recipient::symmetric(bytes)));
        ways.push((KeyManagement::A128Kw, encryption, Recipient::symmetric(16)));
        ways.push((KeyManagement::A256Kw, encryption, Recipient::symmetric(32)));
        for algorithm in &KeyManagement::PRIVATE[2..] {
            ways.push((*algorithm, encryption, Recipient::p256()));
        }
    }
    ways.push((KeyManagement::RsaOaep, "A256GCM", Recipient::rsa()));
    ways.push((KeyManagement::RsaOaep256, "A128CBC-HS256", Recipient::rsa()));
    ways
}

#[test]
fn what_is_encrypted_comes_out_with_the_right_key_and_no_other() {
    for (algorithm, encryption, recipient) in ways() {
        let name = format!("{} {encryption}", algorithm.name());
        let token = recipient.encrypt(algorithm.name(), encryption, &json!({}), CONTENT);
        let right = key(&recipient, &[algorithm]).unwrap();
        assert_eq!(open(&token, &right).as_deref(), Ok(CONTENT), "{name}");
        let another = match &recipient {
            Recipient::Rsa(_) => Recipient::rsa(),
            Recipient::P256(_) => Recipient::p256(),
            Recipient::Symmetric(key) => Recipient::symmetric(key.len()),
        };
        assert_eq!(
            open(&token, &key(&another, &[algorithm]).unwrap()),
            Err(Rejection::NotDecrypted),
            "{name}"
        );
    }
}

#[test]
fn every_change_to_any_part_is_refused_with_one_reason() {
    for (algorithm, encryption, recipient) in ways() {
        let token = recipient.encrypt(algorithm.name(), encryption, &json!({}), CONTENT);
        let key = key(&recipient, &[algorithm]).unwrap();
        let parts: Vec<Vec<u8>> = token.split('.').map(|part| base64url(part).unwrap()).collect();
        // RSA is slow where nothing is optimised.
        let step = if algorithm.name().starts_with("RSA") { 61 } else { 1 };
        for part in 1..5 {
            let refused = |bytes: &[u8], what: &str| {
                let mut parts: Vec<String> = token.split('.').map(ToOwned::to_owned).collect();
                parts[part] = encode(bytes);
                let said = open(&parts.join("."), &key);
                let name = algorithm.name();
                assert_eq!(said, Err(Rejection::NotDecrypted), "{name} {encryption} {part}: {what}");
            };
            let bytes = &parts[part];
            for index in (0..bytes.len()).step_by(step) {
                let mut changed = bytes.clone();
                changed[index] ^= 1 << (index % 8);
                refused(&changed, "a bit turned over");
                refused(&bytes[..index], "cut off");
            }
            refused(&[bytes.as_slice(), &[0]].concat(), "a byte more");
            refused(&[&[0], bytes.as_slice()].concat(), "a byte before");
        }
        // The header is authenticated: the same members in another writing are another header.
        let header = String::from_utf8(parts[0].clone()).unwrap().replacen('{', "{ ", 1);
        let changed = token.replacen(token.split('.').next().unwrap(), &encode(header), 1);
        assert_eq!(open(&changed, &key), Err(Rejection::NotDecrypted));
    }
}

#[test]
fn a_key_is_for_its_algorithms_whatever_the_token_says() {
    let symmetric = Recipient::symmetric(32);
    let direct = key(&symmetric, &[]).unwrap();
    let token = symmetric.encrypt("A256KW", "A256GCM", &json!({}), CONTENT);
    assert_eq!(open(&token, &direct), Err(Rejection::AlgorithmNotAllowed), "dir alone if nothing is said");
    let wrapping = key(&symmetric, &[KeyManagement::A256Kw]).unwrap();
    assert_eq!(open(&token, &wrapping).as_deref(), Ok(CONTENT));
    let token = symmetric.encrypt("dir", "A256GCM", &json!({}), CONTENT);
    assert_eq!(open(&token, &wrapping), Err(Rejection::AlgorithmNotAllowed));
    // The same bytes for another encryption of the content: its tag is another one's.
    let other = token.replacen(
        token.split('.').next().unwrap(),
        &encode(json!({"alg": "dir", "enc": "A128CBC-HS256"}).to_string()),
        1,
    );
    assert_eq!(open(&other, &direct), Err(Rejection::NotDecrypted));

    let rsa = Recipient::rsa();
    let only = key(&rsa, &[KeyManagement::RsaOaep256]).unwrap();
    let token = rsa.encrypt("RSA-OAEP", "A256GCM", &json!({}), CONTENT);
    assert_eq!(open(&token, &only), Err(Rejection::AlgorithmNotAllowed));
    assert_eq!(open(&token, &key(&rsa, &[]).unwrap()).as_deref(), Ok(CONTENT), "both if nothing is said");
    let p256 = key(&Recipient::p256(), &[]).unwrap();
    assert_eq!(open(&token, &p256), Err(Rejection::AlgorithmNotAllowed), "a key of another kind");
}

#[test]
fn a_key_that_does_not_fit_its_algorithms_is_none() {
    let (rsa, p256) = (Recipient::rsa(), Recipient::p256());
    let other = |recipient: &Recipient, algorithm| {
        let said = key(recipient, &[algorithm]).err();
        assert_eq!(said, Some(BadDecryptionKey::OtherAlgorithm(algorithm)));
    };
    other(&rsa, KeyManagement::EcdhEs);
    other(&rsa, KeyManagement::Direct);
    other(&p256, KeyManagement::RsaOaep);
    for bytes in [0, 1, 15, 17, 24, 31, 33, 48, 63, 65] {
        other(&Recipient::symmetric(bytes), KeyManagement::Direct);
    }
    other(&Recipient::symmetric(32), KeyManagement::A128Kw);
    other(&Recipient::symmetric(16), KeyManagement::A256Kw);
    other(&Recipient::symmetric(32), KeyManagement::RsaOaep);
    let message = key(&Recipient::symmetric(24), &[]).unwrap_err().to_string();
    assert_eq!(message, "the key is not one for dir, which takes 16, 32 or 64 bytes");
    let pem = DecryptionKey::from_base64(&rsa.secret(), &[]);
    assert!(matches!(pem, Err(BadDecryptionKey::Symmetric(_))), "a PEM text is no symmetric key");
    let base64 = DecryptionKey::from_pem(&Recipient::symmetric(32).secret(), &[]);
    assert!(matches!(base64, Err(BadDecryptionKey::Private(_))), "nor is base64 a private one");
    assert_eq!(
        format!("{:?}", key(&p256, &[KeyManagement::EcdhEs]).unwrap()),
        "DecryptionKey { algorithms: [EcdhEs], .. }"
    );
}

#[test]
fn a_header_that_asks_for_more_is_refused_before_any_key() {
    let good = json!({"alg": "dir", "enc": "A256GCM", "typ": "JWT", "cty": "JWT", "kid": "k"});
    let symmetric = Recipient::symmetric(32);
    let Recipient::Symmetric(bytes) = &symmetric else { unreachable!() };
    let own = key(&symmetric, &[]).unwrap();
    let said = |changes: Value| {
        let mut header = good.clone();
        header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        header.as_object_mut().unwrap().retain(|_, value| *value != json!("remove"));
        open(&seal(&header.to_string(), &[], "A256GCM", bytes, CONTENT.as_bytes()), &own)
    };
    for changes in [
        json!({}),
        json!({"typ": "remove", "cty": "remove", "kid": "remove"}),
        json!({"cty": "jwt"}),
        json!({"cty": "application/JWT"}),
        json!({"typ": "at+jwt"}),
        json!({"jku": "https://attacker.example"}),
    ] {
        assert_eq!(said(changes.clone()).as_deref(), Ok(CONTENT), "{changes}");
    }
    for (changes, rejection) in [
        (json!({"zip": "DEF"}), Rejection::TypeNotAllowed),
        (json!({"zip": null}), Rejection::TypeNotAllowed),
        (json!({"cty": "text/plain"}), Rejection::TypeNotAllowed),
        (json!({"cty": ""}), Rejection::TypeNotAllowed),
        (json!({"cty": "at+jwt"}), Rejection::TypeNotAllowed),
        (json!({"cty": 1}), Rejection::Malformed),
        (json!({"typ": "JWE"}), Rejection::TypeNotAllowed),
        (json!({"crit": []}), Rejection::CriticalHeader),
        (json!({"crit": ["exp"]}), Rejection::CriticalHeader),
        (json!({"b64": false}), Rejection::CriticalHeader),
        (json!({"alg": "RSA1_5"}), Rejection::AlgorithmNotAllowed),
        (json!({"alg": "PBES2-HS256+A128KW", "p2s": "AAAA", "p2c": 1}), Rejection::AlgorithmNotAllowed),
        (json!({"alg": "A256GCMKW"}), Rejection::AlgorithmNotAllowed),
        (json!({"alg": "A192KW"}), Rejection::AlgorithmNotAllowed),
        (json!({"alg": "none"}), Rejection::AlgorithmNotAllowed),
        (json!({"alg": "RS256"}), Rejection::AlgorithmNotAllowed),
        (json!({"alg": "DIR"}), Rejection::AlgorithmNotAllowed),
        (json!({"alg": "remove"}), Rejection::Malformed),
        (json!({"alg": ["dir"]}), Rejection::Malformed),
        (json!({"enc": "A192GCM"}), Rejection::AlgorithmNotAllowed),
        (json!({"enc": "none"}), Rejection::AlgorithmNotAllowed),
        (json!({"enc": "remove"}), Rejection::Malformed),
        (json!({"enc": 1}), Rejection::Malformed),
        (json!({"kid": 1}), Rejection::Malformed),
        (json!({"alg": "ECDH-ES"}), Rejection::Malformed),
    ] {
        assert_eq!(said(changes.clone()), Err(rejection), "{changes}");
    }
}

#[test]
fn a_text_that_is_no_token_is_refused() {
    let header = encode(r#"{"alg":"dir","enc":"A256GCM"}"#);
    for text in [
        "",
        ".",
        "....",
        ".....",
        "a.b.c",
        &format!("{header}..."),
        &format!("{header}....."),
        &format!("{header}.=...."),
        &format!("{header}. ..."),
        &format!("{header}=...."),
        &format!("{}....", encode("[]")),
        &format!("{}....", encode(r#"{"alg":"dir","alg":"dir","enc":"A256GCM"}"#)),
        &format!("{}....", encode("[".repeat(1000))),
        &format!("{}....", encode([0xff])),
    ] {
        assert_eq!(EncryptedToken::parse(text).err(), Some(Rejection::Malformed), "{text}");
    }
    let large = format!("{header}...{}.", "A".repeat(MAX_TOKEN_BYTES));
    assert_eq!(EncryptedToken::parse(&large).err(), Some(Rejection::TooLarge));
    // Empty parts are none of the lengths that the algorithms have.
    let own = key(&Recipient::symmetric(32), &[]).unwrap();
    assert_eq!(open(&format!("{header}...."), &own), Err(Rejection::NotDecrypted));
    for (text, is_one) in [("a.b.c.d.e", true), ("....", true), ("a.b.c", false), ("a.b.c.d.e.f", false)] {
        assert_eq!(EncryptedToken::is_one(text.as_bytes()), is_one);
    }
}

#[test]
fn the_place_of_the_key_is_empty_where_none_is_sent() {
    let symmetric = Recipient::symmetric(32);
    let p256 = Recipient::p256();
    for (token, key) in [
        (symmetric.encrypt("dir", "A256GCM", &json!({}), CONTENT), key(&symmetric, &[]).unwrap()),
        (p256.encrypt("ECDH-ES", "A256GCM", &json!({}), CONTENT), key(&p256, &[]).unwrap()),
    ] {
        assert_eq!(open(&token, &key).as_deref(), Ok(CONTENT));
        assert_eq!(open(&token.replacen("..", ".AAAA.", 1), &key), Err(Rejection::NotDecrypted));
    }
}

#[test]
fn an_ephemeral_key_is_a_public_one_on_the_curve() {
    let p256 = Recipient::p256();
    let own = key(&p256, &[]).unwrap();
    let token = p256.encrypt("ECDH-ES", "A256GCM", &json!({}), CONTENT);
    let header: Value =
        serde_json::from_slice(&base64url(token.split('.').next().unwrap()).unwrap()).unwrap();
    let with = |epk: Value| {
        let mut header = header.clone();
        header["epk"] = epk;
        open(&token.replacen(token.split('.').next().unwrap(), &encode(header.to_string()), 1), &own)
    };
    let good = header["epk"].clone();
    let odd = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    assert_eq!(with(good.clone()).as_deref(), Ok(CONTENT), "the control");
    assert_eq!(with(odd("y", good["x"].clone())), Err(Rejection::NotDecrypted), "not on the curve");
    assert_eq!(with(odd("x", json!(encode([0; 32])))), Err(Rejection::NotDecrypted));
    for bad in [
        json!(null),
        json!("x"),
        json!({}),
        odd("crv", json!("P-384")),
        odd("kty", json!("OKP")),
        odd("d", json!("AAAA")),
        odd("x", json!(encode([1; 31]))),
        odd("x", json!(1)),
        json!({"kty": "OKP", "crv": "X25519", "x": good["x"]}),
        json!({"kty": "oct", "k": "AAAA"}),
    ] {
        assert_eq!(with(bad.clone()), Err(Rejection::Malformed), "{bad}");
    }
    for (name, value) in [("apu", json!("=")), ("apv", json!(1))] {
        let token = p256.encrypt("ECDH-ES", "A256GCM", &json!({ name: value }), CONTENT);
        assert_eq!(open(&token, &own), Err(Rejection::Malformed));
    }
}

#[test]
fn what_comes_out_is_text() {
    let symmetric = Recipient::symmetric(16);
    let Recipient::Symmetric(bytes) = &symmetric else { unreachable!() };
    let header = r#"{"alg":"dir","enc":"A128GCM"}"#;
    let token = seal(header, &[], "A128GCM", bytes, &[0xff, 0xfe]);
    assert_eq!(open(&token, &key(&symmetric, &[]).unwrap()), Err(Rejection::NotDecrypted));
}

#[test]
fn without_randomness_no_rsa_key_is_used() {
    struct None;
    impl Random for None {
        fn seed(&mut self) -> Option<[u8; 32]> {
            Option::None
        }
    }
    let rsa = Recipient::rsa();
    let token = rsa.encrypt("RSA-OAEP-256", "A256GCM", &json!({}), CONTENT);
    let said = EncryptedToken::parse(&token).unwrap().decrypt(&key(&rsa, &[]).unwrap(), &mut None);
    assert_eq!(said.err(), Some(DecryptFailure::NoRandomness));
}

#[test]
fn a_wrapped_key_of_another_length_is_none() {
    let wrapping = fresh(32);
    let own = key(&Recipient::Symmetric(wrapping.clone()), &[KeyManagement::A256Kw]).unwrap();
    for bytes in [16, 24, 40, 64] {
        let wrapped = Aes256KeyWrapAligned::new(wrapping.as_slice().try_into().unwrap());
        let wrapped = wrapped.encapsulate(&fresh(bytes)).unwrap();
        let header = r#"{"alg":"A256KW","enc":"A256GCM"}"#;
        let token = seal(header, &wrapped, "A256GCM", &fresh(32), b"x");
        assert_eq!(open(&token, &own), Err(Rejection::NotDecrypted), "{bytes}");
    }
}
