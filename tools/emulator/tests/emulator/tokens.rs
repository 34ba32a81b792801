//! Tokens to order: every member, every algorithm, every key.

use gatepass_emulator::{Algorithm, SigningKey, TokenSpec, directory::OTHER_TENANT};
use jwt_simple::prelude::*;
use serde_json::{Value, json};

use crate::support::{part, start};

#[tokio::test]
async fn every_algorithm_signs_and_its_public_key_verifies() {
    let emulator = start().await;
    for (algorithm, name) in [
        (Algorithm::Rs384, "RS384"),
        (Algorithm::Rs512, "RS512"),
        (Algorithm::Ps384, "PS384"),
        (Algorithm::Ps512, "PS512"),
        (Algorithm::Es256, "ES256"),
        (Algorithm::Es384, "ES384"),
        (Algorithm::EdDsa, "EdDSA"),
    ] {
        let spec = TokenSpec::partner().algorithm(algorithm);
        let token = emulator.issue(&spec);
        let key = emulator.public_key(&spec);
        assert_eq!(part(&token, 0)["alg"], name);
        assert_eq!(part(&token, 0)["kid"], key["kid"]);
        assert!(emulator.partner_keys().await.contains(&key), "{name}");
        assert!(accepts(algorithm, &key, &token), "{name}");
        let foreign = emulator.issue(&spec.signed_by(SigningKey::Foreign));
        assert!(!accepts(algorithm, &key, &foreign), "{name}");
    }
}

#[tokio::test]
async fn es512_has_a_key_and_a_signature_of_the_right_length() {
    let emulator = start().await;
    let spec = TokenSpec::partner().algorithm(Algorithm::Es512);
    let key = emulator.public_key(&spec);
    assert_eq!((&key["crv"], member(&key, "x").len()), (&json!("P-521"), 66));
    let token = emulator.issue(&spec);
    let signature = token.rsplit('.').next().unwrap();
    assert_eq!(Base64UrlSafeNoPadding::decode_to_vec(signature, None).unwrap().len(), 132);
}

#[tokio::test]
async fn hmac_is_keyed_with_the_public_key_or_a_secret() {
    let emulator = start().await;
    let spec = TokenSpec::entra_v2().algorithm(Algorithm::Hs256);
    let with_secret = emulator.issue(&spec.clone().hmac_secret("a secret of the test"));
    let key = HS256Key::from_bytes(b"a secret of the test");
    assert!(key.verify_token::<NoCustomClaims>(&with_secret, None).is_ok());
    let confused = emulator.issue(&spec.clone());
    assert!(key.verify_token::<NoCustomClaims>(&confused, None).is_err());
    let public = emulator.public_key(&spec);
    let pem = RS256PublicKey::from_components(&member(&public, "n"), &member(&public, "e")).unwrap();
    let key = HS256Key::from_bytes(pem.to_pem().unwrap().as_bytes());
    assert!(key.verify_token::<NoCustomClaims>(&confused, None).is_ok());
}

#[tokio::test]
async fn clients_and_users_are_named_as_the_version_names_them() {
    let emulator = start().await;
    for (spec, id, strength) in
        [(TokenSpec::entra_v1(), "appid", "appidacr"), (TokenSpec::entra_v2(), "azp", "azpacr")]
    {
        let token = emulator.issue(&spec.client("somebody").client_strength("2").delegated("a b"));
        let claims = part(&token, 1);
        assert_eq!((&claims[id], &claims[strength]), (&json!("somebody"), &json!("2")));
        assert_eq!(claims["scp"], "a b");
        assert_ne!(claims["oid"], claims["sub"]);
        assert!(claims.get("roles").is_none() && claims.get("idtyp").is_none());
    }
}

#[tokio::test]
async fn members_come_twice_and_texts_are_taken_as_they_are() {
    let emulator = start().await;
    let texts = |spec: TokenSpec| {
        let token = emulator.issue(&spec);
        [0, 1].map(|index| {
            let part = token.split('.').nth(index).unwrap();
            String::from_utf8(Base64UrlSafeNoPadding::decode_to_vec(part, None).unwrap()).unwrap()
        })
    };
    let [header, claims] = texts(
        TokenSpec::entra_v2()
            .appended_header("alg", "none")
            .appended_claim("tid", OTHER_TENANT)
            .appended_claim("tid", 5),
    );
    assert_eq!(header.matches("\"alg\":").count(), 2, "{header}");
    assert!(header.ends_with(",\"alg\":\"none\"}"), "{header}");
    assert!(claims.ends_with(&format!(",\"tid\":\"{OTHER_TENANT}\",\"tid\":5}}")), "{claims}");
    assert!(serde_json::from_str::<Value>(&claims).is_ok());
    assert_eq!(texts(TokenSpec::partner().raw_header("{").raw_claims("no JSON")), ["{", "no JSON"]);
}

fn member(key: &Value, name: &str) -> Vec<u8> {
    Base64UrlSafeNoPadding::decode_to_vec(key[name].as_str().unwrap(), None).unwrap()
}

fn accepts(algorithm: Algorithm, key: &Value, token: &str) -> bool {
    let rsa = |name| member(key, name);
    let point = || [vec![4], member(key, "x"), member(key, "y")].concat();
    macro_rules! verify {
        ($key:expr) => {
            $key.unwrap().verify_token::<NoCustomClaims>(token, None).is_ok()
        };
    }
    match algorithm {
        Algorithm::Rs384 => verify!(RS384PublicKey::from_components(&rsa("n"), &rsa("e"))),
        Algorithm::Rs512 => verify!(RS512PublicKey::from_components(&rsa("n"), &rsa("e"))),
        Algorithm::Ps384 => verify!(PS384PublicKey::from_components(&rsa("n"), &rsa("e"))),
        Algorithm::Ps512 => verify!(PS512PublicKey::from_components(&rsa("n"), &rsa("e"))),
        Algorithm::Es256 => verify!(ES256PublicKey::from_bytes(&point())),
        Algorithm::Es384 => verify!(ES384PublicKey::from_bytes(&point())),
        Algorithm::EdDsa => verify!(Ed25519PublicKey::from_bytes(&member(key, "x"))),
        other => unreachable!("{other:?}"),
    }
}
