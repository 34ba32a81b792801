//! Microsoft Entra ID: versions, tenants, keys of single issuers.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const TENANT: &str = "7f3c9a52-1d0e-4b68-9c47-2a5d8e6b1f90";
const OTHER: &str = "0d5e3a8c-77f1-4c2a-a1b9-5f6e7d8c9b0a";
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const V1: &str = "https://sts.example/TENANT/";
const V2: &str = "https://login.example/TENANT/v2.0";

/// The documents of an authority: a tenant, `organizations` or `common`.
struct Authority {
    world: World,
    v1_key: TestKey,
}

impl Authority {
    /// An issuer with this `entra`, whose documents are for `issuer_of`, a tenant's id or `{tenantid}`.
    fn new(entra: &str, segment: &str, issuer_of: &str) -> Self {
        let issuer =
            format!(r#"{{"entra": {entra}, "algorithms": ["ES256"], "hosts": {{"sts.example": "sts"}}}}"#);
        let issuer = issuer.replacen("{\"tenant\"", "{\"cluster\": \"login\", \"tenant\"", 1);
        let mut world = World::with(&with_issuer(&issuer), TestKey::p256());
        let v1_key = TestKey::p256();
        let document = |version: &str, issuer: &str, keys: &str| {
            let place = format!("/{segment}{version}/.well-known/openid-configuration");
            let issuer = issuer.replace("TENANT", issuer_of);
            let jwks_uri = format!("https://login.microsoftonline.com/{keys}");
            let cloud = "microsoftonline.com";
            (place, json!({"issuer": issuer, "jwks_uri": jwks_uri, "cloud_instance_name": cloud}).to_string())
        };
        let documents = [document("", V1, "keys1"), document("/v2.0", V2, "keys2")];
        for (place, body) in documents {
            world.answers.insert(place.leak(), (200, body));
        }
        let v2_keys = json!({"keys": [changed(world.key.jwk("k1"), json!({"issuer": V2.replace("TENANT", "{tenantid}")}))]});
        world.answers.insert("/keys2", (200, v2_keys.to_string()));
        world.answers.insert("/keys1", (200, json!({"keys": [v1_key.jwk("k1")]}).to_string()));
        Self { world, v1_key }
    }

    fn v2(&mut self, tenant: &str, changes: Value) -> String {
        let own = json!({"iss": V2.replace("TENANT", tenant), "tid": tenant, "ver": "2.0", "azp": OTHER});
        let token = self.world.token(changed(own, Value::Object(changes.as_object().unwrap().clone())));
        self.world.with_token("GET", "/any", &token)
    }

    fn v1(&mut self, tenant: &str, changes: Value) -> String {
        let own = json!({"iss": V1.replace("TENANT", tenant), "tid": tenant, "ver": "1.0", "appid": OTHER});
        let claims = changed(self.world.claims(), own);
        let token =
            self.v1_key.token(&self.world.header().to_string(), &changed(claims, changes).to_string());
        self.world.with_token("GET", "/any", &token)
    }
}

/// The usual configuration with another issuer in the partner's place.
fn with_issuer(issuer: &str) -> String {
    let (before, rest) = CONFIGURATION.split_once(r#""partner": "#).unwrap();
    let (_, after) = rest.split_once("}},").unwrap();
    format!(r#"{before}"partner": {issuer}}},{after}"#)
}

fn one_tenant() -> Authority {
    Authority::new(&format!(r#"{{"tenant": "{TENANT}"}}"#), TENANT, TENANT)
}

#[test]
fn tokens_of_each_version_are_held_to_the_issuer_and_the_keys_of_their_version() {
    let mut entra = one_tenant();
    assert_eq!(entra.v2(TENANT, json!({})), "forwarded");
    assert_eq!(entra.v1(TENANT, json!({})), "forwarded");
    let (v1, v2) = (V1.replace("TENANT", TENANT), V2.replace("TENANT", TENANT));
    // A key or an issuer of the other version.
    assert_eq!(entra.v2(TENANT, json!({"iss": v1})), "401 issuer_not_allowed");
    assert_eq!(entra.v1(TENANT, json!({"iss": v2})), "401 issuer_not_allowed");
    assert_eq!(entra.v2(TENANT, json!({"iss": v1, "ver": "1.0"})), "401 signature_invalid");
    assert_eq!(entra.v1(TENANT, json!({"iss": v2, "ver": "2.0"})), "401 signature_invalid");
    for ver in [json!(null), json!("3.0"), json!("2"), json!(2), json!(2.0), json!(["2.0"])] {
        assert_eq!(entra.v2(TENANT, json!({ "ver": ver })), "401 token_version_not_allowed", "{ver}");
    }
}

#[test]
fn keys_of_version_1_are_fetched_when_the_first_token_comes_that_could_be_good() {
    let mut entra = one_tenant();
    entra.world.pump();
    assert_eq!(entra.v2(TENANT, json!({})), "forwarded");
    for changes in [
        json!({"aud": "other"}),
        json!({"exp": 1}),
        json!({"tid": OTHER}),
        json!({"iss": "https://evil.example/"}),
        json!({"ver": "4.0"}),
    ] {
        assert!(entra.v1(TENANT, changes.clone()).starts_with("401"), "{changes}");
    }
    assert_eq!(entra.world.asked_for("/keys1"), 0);
    for _ in 0..3 {
        assert_eq!(entra.v1(TENANT, json!({})), "forwarded");
    }
    assert_eq!((entra.world.asked_for("/keys1"), entra.world.asked_for("/keys2")), (1, 1));
    entra.world.advance(3_600);
    entra.world.pump();
    assert_eq!((entra.world.asked_for("/keys1"), entra.world.asked_for("/keys2")), (2, 2));
}

#[test]
fn a_version_that_is_not_configured_is_refused_and_never_fetched() {
    for (versions, good) in [("v1", "/keys1"), ("v2", "/keys2")] {
        let entra = format!(r#"{{"tenant": "{TENANT}", "versions": ["{versions}"]}}"#);
        let mut entra = Authority::new(&entra, TENANT, TENANT);
        entra.world.pump();
        assert_eq!(entra.world.asked_for("/keys"), 1, "the only version is fetched at once");
        let answers = (entra.v1(TENANT, json!({})), entra.v2(TENANT, json!({})));
        let (accepted, refused) = if versions == "v1" { answers } else { (answers.1, answers.0) };
        assert_eq!((accepted.as_str(), refused.as_str()), ("forwarded", "401 token_version_not_allowed"));
        assert_eq!(entra.world.asked_for(good), 1);
        assert_eq!(entra.world.asked_for("/keys"), 1);
    }
}

#[test]
fn the_tenant_is_the_one_of_the_issuer_and_a_guid() {
    let mut entra = one_tenant();
    for tid in [json!(null), json!(""), json!("contoso.example"), json!([TENANT]), json!("{tenantid}")] {
        assert_eq!(entra.v2(TENANT, json!({ "tid": tid })), "401 issuer_not_allowed", "{tid}");
    }
    assert_eq!(entra.v2(TENANT, json!({ "tid": OTHER })), "401 issuer_not_allowed");
    assert_eq!(entra.v2(OTHER, json!({})), "401 tenant_not_allowed");
    let evil = V2.replace("TENANT", &format!("x/{TENANT}"));
    assert_eq!(entra.v2(TENANT, json!({ "iss": evil })), "401 issuer_not_allowed");
}

#[test]
fn a_tenant_may_be_named_by_a_domain_and_its_document_tells_the_id() {
    let mut entra = Authority::new(r#"{"tenant": "contoso.example"}"#, "contoso.example", TENANT);
    assert_eq!(entra.v2(TENANT, json!({})), "forwarded");
    assert_eq!(entra.v1(TENANT, json!({})), "forwarded");
    assert_eq!(entra.v2(OTHER, json!({})), "401 issuer_not_allowed");
    // A document that names no tenant proves nothing about one.
    let mut entra = Authority::new(r#"{"tenant": "contoso.example"}"#, "contoso.example", "{tenantid}");
    assert_eq!(entra.v2(TENANT, json!({})), "waits");
}

#[test]
fn a_document_of_another_tenant_is_not_used() {
    let mut entra = Authority::new(&format!(r#"{{"tenant": "{TENANT}"}}"#), TENANT, OTHER);
    assert_eq!(entra.v2(TENANT, json!({})), "waits");
    assert_eq!(entra.world.asked_for("/keys"), 0);
}

#[test]
fn many_tenants_are_those_that_are_listed() {
    for (segment, mine, personal) in [
        ("organizations", format!(r#"["{TENANT}"]"#), "401 tenant_not_allowed"),
        ("common", format!(r#"["{TENANT}", "{CONSUMERS}"]"#), "forwarded"),
    ] {
        let entra = format!(r#"{{"tenant": "{segment}", "tenants": {mine}}}"#);
        let mut entra = Authority::new(&entra, segment, "{tenantid}");
        assert_eq!(entra.v2(TENANT, json!({})), "forwarded");
        assert_eq!(entra.v1(TENANT, json!({})), "forwarded");
        assert_eq!(entra.v2(CONSUMERS, json!({})), personal, "{segment}");
        assert_eq!(entra.v2(OTHER, json!({})), "401 tenant_not_allowed");
        assert_eq!(entra.v2(OTHER, json!({"tid": TENANT})), "401 issuer_not_allowed");
    }
}

#[test]
fn any_tenant_is_any_organisation_and_with_common_a_person_too() {
    for (segment, personal) in [("organizations", "401 tenant_not_allowed"), ("common", "forwarded")] {
        let entra = format!(r#"{{"tenant": "{segment}", "tenants": "any"}}"#);
        let mut entra = Authority::new(&entra, segment, "{tenantid}");
        for tenant in [TENANT, OTHER] {
            assert_eq!(entra.v2(tenant, json!({})), "forwarded");
            assert_eq!(entra.v1(tenant, json!({})), "forwarded");
        }
        assert_eq!(entra.v2(CONSUMERS, json!({})), personal, "{segment}");
        assert_eq!(entra.v2(&CONSUMERS.to_uppercase(), json!({})), personal, "{segment}");
        let template = V2.replace("TENANT", "{tenantid}");
        assert_eq!(entra.v2(TENANT, json!({ "iss": template })), "401 issuer_not_allowed");
        assert_eq!(entra.v2("contoso", json!({})), "401 issuer_not_allowed");
    }
}

#[test]
fn a_key_signs_only_for_the_issuer_that_it_names() {
    let mut entra = Authority::new(r#"{"tenant": "common", "tenants": "any"}"#, "common", "{tenantid}");
    let of = |kid: &str, issuer: Value| changed(entra.world.key.jwk(kid), json!({ "issuer": issuer }));
    let keys = [
        of("k1", json!(V2.replace("TENANT", CONSUMERS))),
        of("k2", json!(V2.replace("TENANT", "{tenantid}"))),
        of("k3", json!("https://login.elsewhere/{tenantid}/v2.0")),
        of("k4", json!(null)),
    ];
    entra.world.answers.insert("/keys2", (200, json!({ "keys": keys }).to_string()));
    let mut signed_with = |kid: &str, tenant: &str| {
        let header = changed(entra.world.header(), json!({ "kid": kid }));
        let own = json!({"iss": V2.replace("TENANT", tenant), "tid": tenant, "ver": "2.0"});
        let token =
            entra.world.key.token(&header.to_string(), &changed(entra.world.claims(), own).to_string());
        entra.world.with_token("GET", "/any", &token)
    };
    for (kid, tenant, said) in [
        ("k1", CONSUMERS, "forwarded"),
        ("k1", TENANT, "401 key_not_found"),
        ("k2", TENANT, "forwarded"),
        ("k2", CONSUMERS, "forwarded"),
        ("k3", TENANT, "401 key_not_found"),
        ("k4", TENANT, "forwarded"),
    ] {
        assert_eq!(signed_with(kid, tenant), said, "{kid} {tenant}");
    }
}

#[test]
fn two_keys_of_one_kid_are_told_apart_by_their_issuers() {
    let mut entra = Authority::new(r#"{"tenant": "common", "tenants": "any"}"#, "common", "{tenantid}");
    let of =
        |key: &TestKey, tenant: &str| changed(key.jwk("k1"), json!({"issuer": V2.replace("TENANT", tenant)}));
    let keys = [of(&TestKey::p256(), CONSUMERS), of(&entra.world.key, TENANT)];
    entra.world.answers.insert("/keys2", (200, json!({ "keys": keys }).to_string()));
    assert_eq!(entra.v2(TENANT, json!({})), "forwarded");
    assert_eq!(entra.v2(CONSUMERS, json!({})), "401 signature_invalid");
    assert_eq!(entra.v2(OTHER, json!({})), "401 key_not_found");
}

#[test]
fn a_key_of_another_cloud_is_not_used() {
    for (cloud, said) in [
        (json!("microsoftonline.com"), "forwarded"),
        (json!(null), "forwarded"),
        (json!("microsoftonline.us"), "401 key_not_found"),
    ] {
        let mut entra = one_tenant();
        let key = changed(entra.world.key.jwk("k1"), json!({ "cloud_instance_name": cloud }));
        let keys = [key, entra.world.key.jwk("k2")];
        entra.world.answers.insert("/keys2", (200, json!({ "keys": keys }).to_string()));
        assert_eq!(entra.v2(TENANT, json!({})), said, "{cloud}");
    }
}

#[test]
fn what_is_remembered_is_looked_at_with_each_operations_tenants_and_versions() {
    let configuration = |narrow: &str| {
        with_issuer(r#"{"entra": {"cluster": "l", "tenant": "common", "tenants": "any"}, "algorithms": ["ES256"]}"#)
            .replace(
                r#""issuers": {"#,
                &format!(r#""issuers": {{"narrow": {{"entra": {{"cluster": "l", {narrow}}}, "algorithms": ["ES256"]}},"#),
            )
            .replace(
                r#""operations": ["#,
                r#""operations": [{"match": {"path": {"exact": "/narrow"}}, "validate": {"issuer": "narrow"}},"#,
            )
    };
    for (narrow, said) in [
        (format!(r#""tenant": "common", "tenants": ["{OTHER}"]"#), "401 tenant_not_allowed"),
        (
            r#""tenant": "common", "tenants": "any", "versions": ["v1"]"#.to_owned(),
            "401 token_version_not_allowed",
        ),
    ] {
        let mut entra = Authority::new(r#"{"tenant": "common", "tenants": "any"}"#, "common", "{tenantid}");
        entra.world.begin_anew(&configuration(&narrow));
        let own = json!({"iss": V2.replace("TENANT", TENANT), "tid": TENANT, "ver": "2.0"});
        let token = entra.world.token(own);
        assert_eq!(entra.world.with_token("GET", "/any", &token), "forwarded");
        assert_eq!(entra.world.state.verdicts.len(), 1);
        assert_eq!(entra.world.with_token("GET", "/narrow", &token), said);
        assert_eq!(entra.world.with_token("GET", "/any", &token), "forwarded");
    }
}
