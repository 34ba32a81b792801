//! The partner's identity provider: from discovery to keys to a signature, of both kinds.

use gatepass_emulator::{Algorithm, Rotation, SigningKey, TokenSpec};

use crate::support::{part, start, verifies};

#[tokio::test]
async fn discovery_leads_to_the_keys_that_verify_rs256_and_es256() {
    let emulator = start().await;
    let url = emulator.partner_url("/.well-known/openid-configuration");
    let document = emulator.get(url).await;
    assert_eq!(document["issuer"], "https://idp.partner.example");
    assert_eq!(document["jwks_uri"], "https://idp.partner.example/jwks");
    let keys = emulator.partner_keys().await;
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let token = emulator.issue(&TokenSpec::partner().algorithm(algorithm));
        assert!(verifies(&token, &keys), "{algorithm:?}");
        assert_eq!(part(&token, 1)["iss"], document["issuer"]);
        let foreign = TokenSpec::partner().algorithm(algorithm).signed_by(SigningKey::Foreign);
        assert!(!verifies(&emulator.issue(&foreign), &keys), "{algorithm:?}");
    }
}

#[tokio::test]
async fn the_key_set_has_a_key_that_readers_must_skip() {
    let emulator = start().await;
    let keys = emulator.partner_keys().await;
    let column =
        |name: &str| keys.iter().map(|key| key[name].as_str().unwrap_or_default()).collect::<Vec<_>>();
    assert_eq!(column("kty"), ["CONTOSO-LATTICE", "RSA", "EC", "EC", "EC", "OKP"]);
    assert_eq!(column("alg"), ["CL1024", "", "ES256", "ES384", "ES512", "EdDSA"]);
}

#[tokio::test]
async fn rotation_reaches_the_partner_too() {
    let emulator = start().await;
    let specs = [TokenSpec::partner(), TokenSpec::partner().algorithm(Algorithm::Es256)];
    let old = specs.clone().map(|spec| emulator.issue(&spec));
    emulator.rotate_keys(Rotation::Add);
    let keys = emulator.partner_keys().await;
    assert_eq!(keys.len(), 11);
    assert!(old.iter().all(|token| verifies(token, &keys)));
    emulator.rotate_keys(Rotation::Replace);
    let keys = emulator.partner_keys().await;
    assert_eq!(keys.len(), 6);
    assert!(!old.iter().any(|token| verifies(token, &keys)));
    assert!(specs.iter().all(|spec| verifies(&emulator.issue(spec), &keys)));
}
