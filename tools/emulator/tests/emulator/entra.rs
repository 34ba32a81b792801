//! The login host: from discovery to keys to a signature, rotation, client credentials.

use gatepass_emulator::{
    Algorithm, Rotation, SigningKey, TokenSpec,
    directory::{CALLER, CONTOSO_API, STRANGER, TENANT, TENANT_DOMAIN},
};
use serde_json::{Value, json};

use crate::support::{
    Form, Running, client_credentials, json, list, now, part, post_form, refused, start, verifies,
};

#[tokio::test]
async fn discovery_leads_to_the_keys_that_verify_a_token() {
    let emulator = start().await;
    for (version, spec) in [("v2.0/", TokenSpec::entra_v2()), ("", TokenSpec::entra_v1())] {
        let path = format!("/{TENANT}/{version}.well-known/openid-configuration");
        let document = emulator.get(emulator.login_url(&path)).await;
        let jwks_path = document["jwks_uri"]
            .as_str()
            .unwrap()
            .strip_prefix("https://login.microsoftonline.com")
            .unwrap()
            .to_owned();
        let keys = list(&emulator.get(emulator.login_url(&jwks_path)).await["keys"]);
        let token = emulator.issue(&spec);
        assert_eq!(part(&token, 1)["iss"], document["issuer"]);
        assert!(verifies(&token, &keys), "{version}");
    }
}

#[tokio::test]
async fn the_documents_have_the_shape_of_entras() {
    let emulator = start().await;
    let v2 = format!("/{TENANT}/v2.0/.well-known/openid-configuration");
    let v2 = emulator.get(emulator.login_url(&v2)).await;
    let host = "https://login.microsoftonline.com";
    for (name, value) in [
        ("issuer", json!(format!("{host}/{TENANT}/v2.0"))),
        ("jwks_uri", json!(format!("{host}/{TENANT}/discovery/v2.0/keys"))),
        ("token_endpoint", json!(format!("{host}/{TENANT}/oauth2/v2.0/token"))),
        ("id_token_signing_alg_values_supported", json!(["RS256"])),
        ("cloud_instance_name", json!("microsoftonline.com")),
    ] {
        assert_eq!(v2[name], value, "{name}");
    }
    let v1 = format!("/{TENANT}/.well-known/openid-configuration");
    let v1 = emulator.get(emulator.login_url(&v1)).await;
    assert_eq!(v1["issuer"], format!("https://sts.windows.net/{TENANT}/"));
    assert_eq!(v1["jwks_uri"], format!("{host}/{TENANT}/discovery/keys"));

    let by_domain = format!("/{TENANT_DOMAIN}/v2.0/.well-known/openid-configuration");
    assert_eq!(emulator.get(emulator.login_url(&by_domain)).await, v2);
    let common = emulator.login_url("/common/v2.0/.well-known/openid-configuration");
    let common = emulator.get(common).await;
    assert_eq!(common["issuer"], format!("{host}/{{tenantid}}/v2.0"));
}

#[tokio::test]
async fn keys_have_the_members_that_entras_have() {
    let emulator = start().await;
    let members = |key: &Value| {
        let names: Vec<_> = key.as_object().unwrap().keys().cloned().collect();
        names.join(" ")
    };
    let v2 = emulator.entra_keys().await;
    assert_eq!(v2.len(), 2);
    for key in &v2 {
        assert_eq!(members(key), "cloud_instance_name e issuer kid kty n use x5c x5t");
        assert_eq!(key["kty"], "RSA");
        assert_eq!(key["use"], "sig");
        assert_eq!(key["kid"], key["x5t"]);
        assert_eq!(key["issuer"], format!("https://login.microsoftonline.com/{TENANT}/v2.0"));
        assert_eq!(key["x5c"].as_array().unwrap().len(), 1);
        assert_eq!(key["n"].as_str().unwrap().len(), 342, "2048 bits");
    }
    assert_ne!(v2[0]["kid"], v2[1]["kid"]);
    let path = format!("/{TENANT}/discovery/keys");
    let v1 = list(&emulator.get(emulator.login_url(&path)).await["keys"]);
    assert!(v1.iter().all(|key| members(key) == "cloud_instance_name e kid kty n use x5c x5t"));
}

#[tokio::test]
async fn an_unknown_tenant_is_refused_in_entras_words() {
    let emulator = start().await;
    for path in [
        "/nobody.example/v2.0/.well-known/openid-configuration",
        "/nobody.example/.well-known/openid-configuration",
        "/nobody.example/discovery/v2.0/keys",
        "/nobody.example/discovery/keys",
    ] {
        let refusal = json(emulator.client().get(emulator.login_url(path)), 400).await;
        refused(&refusal, "invalid_tenant", 90_002);
    }
}

#[tokio::test]
async fn v1_tokens_have_the_claims_and_the_header_of_v1() {
    let emulator = start().await;
    let token = emulator.issue(&TokenSpec::entra_v1());
    let (header, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!(header["x5t"], header["kid"]);
    assert_eq!(claims["ver"], "1.0");
    assert_eq!(claims["appid"], CALLER.client_id);
    assert_eq!(claims["appidacr"], "1");
    assert!(claims.get("azp").is_none());
}

#[tokio::test]
async fn every_part_of_a_token_can_be_made_wrong() {
    let emulator = start().await;
    let token = emulator.issue(
        &TokenSpec::entra_v2()
            .claim("aud", "someone-else")
            .roles(&["Sample.Delete"])
            .without_claim("tid")
            .header("alg", "none")
            .header("crit", json!(["exp"]))
            .without_header("kid")
            .lifetime(-60)
            .not_before(-120),
    );
    let (header, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!(header, json!({"alg": "none", "crit": ["exp"], "typ": "JWT"}));
    assert_eq!(claims["aud"], "someone-else");
    assert_eq!(claims["roles"], json!(["Sample.Delete"]));
    assert!(claims.get("tid").is_none());
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(), 60);
    assert!(claims["exp"].as_i64().unwrap() < now());
}

#[tokio::test]
async fn a_foreign_key_and_a_foreign_algorithm_do_not_verify() {
    let emulator = start().await;
    let keys = emulator.entra_keys().await;
    let good = emulator.issue(&TokenSpec::entra_v2());
    assert!(verifies(&good, &keys));
    let kid = part(&good, 0)["kid"].clone();
    for spec in [
        TokenSpec::entra_v2().signed_by(SigningKey::Foreign),
        TokenSpec::entra_v2().signed_by(SigningKey::Foreign).header("kid", kid.clone()),
        TokenSpec::entra_v2().algorithm(Algorithm::Es256),
        TokenSpec::entra_v2().algorithm(Algorithm::Hs256),
        TokenSpec::entra_v2().algorithm(Algorithm::None),
        TokenSpec::entra_v2().lifetime(-1000),
    ] {
        assert!(!verifies(&emulator.issue(&spec), &keys), "{spec:?}");
    }
    let unsigned = emulator.issue(&TokenSpec::entra_v2().algorithm(Algorithm::None));
    assert!(unsigned.ends_with('.'));
    assert_eq!(part(&unsigned, 0)["alg"], "none");
    let previous = emulator.issue(&TokenSpec::entra_v2().signed_by(SigningKey::Previous));
    assert!(verifies(&previous, &keys), "both keys are published");
    assert_ne!(part(&previous, 0)["kid"], kid);
}

#[tokio::test]
async fn pss_signatures_verify_too() {
    use jwt_simple::prelude::*;

    let emulator = start().await;
    let token = emulator.issue(&TokenSpec::entra_v2().algorithm(Algorithm::Ps256));
    let keys = emulator.entra_keys().await;
    let key = keys.iter().find(|key| key["kid"] == part(&token, 0)["kid"]).unwrap();
    let member =
        |name: &str| Base64UrlSafeNoPadding::decode_to_vec(key[name].as_str().unwrap(), None).unwrap();
    PS256PublicKey::from_components(&member("n"), &member("e"))
        .unwrap()
        .verify_token::<NoCustomClaims>(&token, None)
        .unwrap();
}

#[tokio::test]
async fn adding_a_key_keeps_old_tokens_good_and_replacing_it_does_not() {
    let emulator = start().await;
    let old = emulator.issue(&TokenSpec::entra_v2());

    emulator.rotate_keys(Rotation::Add);
    let keys = emulator.entra_keys().await;
    let new = emulator.issue(&TokenSpec::entra_v2());
    assert_eq!(keys.len(), 3);
    assert!(verifies(&old, &keys) && verifies(&new, &keys));
    assert_ne!(part(&old, 0)["kid"], part(&new, 0)["kid"]);

    emulator.rotate_keys(Rotation::Replace);
    let keys = emulator.entra_keys().await;
    assert_eq!(keys.len(), 1);
    assert!(!verifies(&new, &keys));
    assert!(verifies(&emulator.issue(&TokenSpec::entra_v2()), &keys));
    let previous = emulator.issue(&TokenSpec::entra_v2().signed_by(SigningKey::Previous));
    assert_eq!(part(&previous, 0)["kid"], part(&new, 0)["kid"]);
}

#[tokio::test]
async fn client_credentials_give_a_token_with_numbers_around_it() {
    let emulator = start().await;
    let secret = emulator.client_secret(CALLER.client_id).unwrap();
    let answer = ask(&emulator, TENANT, &client_credentials(CALLER.client_id, secret), 200).await;
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3599);
    assert_eq!(answer["ext_expires_in"], 3599);
    let token = answer["access_token"].as_str().unwrap();
    assert!(verifies(token, &emulator.entra_keys().await));
    let claims = part(token, 1);
    assert_eq!(claims["azp"], CALLER.client_id);
    assert_eq!(claims["azpacr"], "1");
    assert_eq!(claims["aud"], CONTOSO_API.client_id);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3899);
}

#[tokio::test]
async fn the_token_endpoint_refuses_in_entras_words() {
    let emulator = start().await;
    let secret = emulator.client_secret(CALLER.client_id).unwrap();
    let strangers = emulator.client_secret(STRANGER.client_id).unwrap();
    let with = |name: &'static str, value: &'static str| {
        let mut fields = client_credentials(CALLER.client_id, secret);
        fields.retain(|(field, _)| *field != name);
        fields.push((name, value.to_owned()));
        fields
    };
    let without = |name: &'static str| {
        let mut fields = client_credentials(CALLER.client_id, secret);
        fields.retain(|(field, _)| *field != name);
        fields
    };
    for (fields, status, error, code) in [
        (with("client_secret", "wrong"), 401, "invalid_client", 7_000_215),
        (without("client_secret"), 401, "invalid_client", 7_000_218),
        (with("client_id", "nobody"), 400, "unauthorized_client", 700_016),
        (with("scope", "api://contoso-api"), 400, "invalid_scope", 70_011),
        (with("scope", "api://unknown/.default"), 400, "invalid_resource", 500_011),
        (with("grant_type", "password"), 400, "unsupported_grant_type", 70_003),
        (without("grant_type"), 400, "invalid_request", 900_144),
        (without("scope"), 400, "invalid_request", 900_144),
        (client_credentials(STRANGER.client_id, strangers), 400, "invalid_grant", 501_051),
    ] {
        let refusal = ask(&emulator, TENANT, &fields, status).await;
        refused(&refusal, error, code);
    }
    let good = client_credentials(CALLER.client_id, secret);
    refused(&ask(&emulator, "common", &good, 400).await, "invalid_request", 90_130);
    refused(&ask(&emulator, "nobody", &good, 400).await, "invalid_tenant", 90_002);
    let url = emulator.login_url(&format!("/{TENANT}/oauth2/v2.0/token"));
    refused(&json(emulator.client().get(url), 400).await, "invalid_request", 900_561);
}

#[tokio::test]
async fn two_emulators_share_no_key_and_no_secret() {
    let (one, other) = (start().await, start().await);
    let token = one.issue(&TokenSpec::entra_v2());
    assert!(!verifies(&token, &other.entra_keys().await));
    assert_ne!(one.client_secret(CALLER.client_id), other.client_secret(CALLER.client_id));
    assert_eq!(one.client_secret("nobody"), None);
}

async fn ask(emulator: &Running, tenant: &str, fields: &Form, status: u16) -> Value {
    json(post_form(emulator, emulator.login_url(&format!("/{tenant}/oauth2/v2.0/token")), fields), status)
        .await
}
