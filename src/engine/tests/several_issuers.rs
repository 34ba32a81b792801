//! `any_of`: what is asked of one issuer's tokens holds for no other's.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const VALIDATE: &str = r#"{"required_claims": [{"name": "oid"}], "any_of": [
    {"issuer": "first", "audiences": ["one"], "client_application_ids": ["portal"], "roles": "Read"},
    {"issuer": "first", "audiences": ["admin"], "roles": "Admin"},
    {"issuer": "second", "audiences": ["two"], "required_claims": [{"name": "scp", "values": ["all"]}]}]}"#;

struct Two {
    world: World,
    second: TestKey,
}

impl Two {
    fn new(validate: &str) -> Self {
        let issuer = |name: &str| {
            format!(
                r#""{name}": {{"discovery": "https://{name}.example/{name}/.well-known/openid-configuration",
                    "cluster": "{name}", "algorithms": ["ES256"]}}"#
            )
        };
        let configuration = format!(
            r#"{{"issuers": {{{}, {}}}, "operations": [{{"match": {{"path": {{"exact": "/a"}}}}, "validate": {validate}}}]}}"#,
            issuer("first"),
            issuer("second")
        );
        let mut two = Self { world: World::with(&configuration, TestKey::p256()), second: TestKey::p256() };
        two.answer();
        two
    }

    fn answer(&mut self) {
        let documents = [("first", &self.world.key), ("second", &self.second)].map(|(name, key)| {
            let issuer = format!("https://{name}.example/{name}");
            let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")});
            let place = format!("/{name}/.well-known/openid-configuration");
            [(place, document), (format!("/{name}/jwks"), json!({"keys": [key.jwk("k1")]}))]
        });
        for (place, body) in documents.into_iter().flatten() {
            self.world.answers.insert(place.leak(), (200, body.to_string()));
        }
    }

    fn token_of(&self, issuer: &str, changes: Value) -> String {
        let key = if issuer == "first" { &self.world.key } else { &self.second };
        let own = json!({"iss": format!("https://{issuer}.example/{issuer}"), "oid": "o", "roles": null});
        let claims = changed(changed(self.world.claims(), own), changes);
        key.token(&self.world.header().to_string(), &claims.to_string())
    }

    fn with(&mut self, issuer: &str, changes: Value) -> String {
        let token = self.token_of(issuer, changes);
        self.world.with_token("GET", "/a", &token)
    }
}

#[test]
fn audiences_applications_and_claims_belong_to_their_issuer() {
    let mut two = Two::new(VALIDATE);
    let first = |changes| changed(json!({"aud": "one", "azp": "portal", "roles": ["Read"]}), changes);
    let second = |changes| changed(json!({"aud": "two", "scp": "all"}), changes);
    // Looked at twice: for the first time, and remembered.
    for _ in 0..2 {
        for (issuer, changes, said) in [
            ("first", first(json!({})), "forwarded"),
            ("second", second(json!({})), "forwarded"),
            ("first", json!({"aud": "admin", "roles": ["Admin"]}), "forwarded"),
            ("first", first(json!({"aud": ["admin", "one"]})), "forwarded"),
            ("first", first(json!({"aud": "two"})), "401 audience_not_allowed"),
            ("second", second(json!({"aud": "one"})), "401 audience_not_allowed"),
            ("first", first(json!({"azp": "other"})), "401 client_not_allowed"),
            ("first", first(json!({"azp": null})), "401 client_not_allowed"),
            ("first", first(json!({"roles": ["Admin"]})), "401 claim_not_allowed"),
            ("first", first(json!({"roles": null, "scp": "all"})), "401 claim_missing"),
            ("first", json!({"aud": "admin", "roles": ["Read"], "azp": "portal"}), "401 claim_not_allowed"),
            (
                "second",
                second(json!({"scp": null, "roles": ["Read", "Admin"], "azp": "portal"})),
                "401 claim_missing",
            ),
            (
                "first",
                json!({"aud": "one", "azp": "portal", "roles": ["Read"], "oid": null}),
                "401 claim_missing",
            ),
            ("second", json!({"aud": "two", "scp": "all", "oid": null}), "401 claim_missing"),
        ] {
            two.world.let_checks_come_back();
            assert_eq!(two.with(issuer, changes.clone()), said, "{issuer} {changes}");
        }
    }
}

#[test]
fn a_key_of_one_issuer_signs_nothing_for_another() {
    let mut two = Two::new(VALIDATE);
    let issuer = "https://second.example/second";
    let changes = json!({"aud": "two", "scp": "all", "iss": issuer});
    assert_eq!(two.with("first", changes), "401 signature_invalid");
}

#[test]
fn a_token_of_a_loaded_issuer_does_not_wait_for_another() {
    let mut two = Two::new(VALIDATE);
    two.world.answers.retain(|place, _| !place.starts_with("/second"));
    let good = json!({"aud": "one", "azp": "portal", "roles": ["Read"]});
    assert_eq!(two.with("first", good.clone()), "forwarded");
    assert_eq!(two.with("first", changed(good.clone(), json!({"roles": ["x"]}))), "401 claim_not_allowed");
    // An `iss` that no loaded issuer claims could be the other's.
    let foreign = json!({"aud": "two", "scp": "all", "iss": "https://evil.example"});
    assert_eq!(two.with("first", foreign.clone()), "waits");
    two.answer();
    two.world.advance(10);
    assert_eq!(two.with("first", foreign), "401 audience_not_allowed");
}

#[test]
fn an_issuer_that_is_not_to_be_had_is_told_with_503_and_only_its_tokens_suffer() {
    let mut two = Two::new(VALIDATE);
    for place in ["/second/.well-known/openid-configuration", "/second/jwks"] {
        two.world.answers.insert(place, (503, String::new()));
    }
    for _ in 0..12 {
        two.world.pump();
        two.world.advance(30);
    }
    two.world.pump();
    assert_eq!(two.with("second", json!({"aud": "two", "scp": "all"})), "503 keys_unavailable");
    assert_eq!(two.with("first", json!({"aud": "one", "azp": "portal", "roles": ["Read"]})), "forwarded");
}

#[test]
fn two_sets_of_keys_of_one_issuer_are_both_tried() {
    let validate = r#"{"any_of": [{"issuer": "first", "audiences": ["one"]}, {"issuer": "second", "audiences": ["one"]}]}"#;
    let mut two = Two::new(validate);
    // The second document says that it is the first issuer's: so is it configured.
    let configuration = format!(
        r#"{{"issuers": {{
            "first": {{"discovery": "https://first.example/first/.well-known/openid-configuration", "cluster": "c",
                "algorithms": ["ES256"]}},
            "second": {{"jwks_uri": "https://second.example/second/jwks", "issuer": "https://first.example/first",
                "cluster": "c", "algorithms": ["ES256"]}}}},
            "operations": [{{"match": {{"path": {{"exact": "/a"}}}}, "validate": {validate}}}]}}"#
    );
    two.world.begin_anew(&configuration);
    let issuer = json!({"iss": "https://first.example/first", "aud": "one"});
    for _ in 0..2 {
        assert_eq!(two.with("first", issuer.clone()), "forwarded");
        assert_eq!(two.with("second", issuer.clone()), "forwarded");
    }
    two.second = TestKey::p256();
    assert_eq!(two.with("second", issuer), "401 signature_invalid");
}

#[test]
fn a_forged_token_costs_one_signature_check_for_each_set_of_keys() {
    let validate = r#"{"any_of": [{"issuer": "first", "audiences": ["one"]}, {"issuer": "first", "audiences": ["one"]},
        {"issuer": "first", "audiences": "any"}]}"#;
    let mut two = Two::new(validate);
    let good = two.token_of("first", json!({"aud": "one"}));
    assert_eq!(two.world.with_token("GET", "/a", &good), "forwarded");
    let forged = format!("{}.{}", good.rsplit_once('.').unwrap().0, encode([7; 64]));
    for _ in 0..199 {
        assert_eq!(two.world.with_token("GET", "/a", &forged), "401 signature_invalid");
    }
    assert_eq!(two.world.with_token("GET", "/a", &forged), "503 keys_busy");
}

#[test]
fn a_key_set_without_a_discovery_document_is_refreshed_like_one_with() {
    let configuration = CONFIGURATION.replace(
        r#""discovery": "https://idp.example/.well-known/openid-configuration""#,
        r#""jwks_uri": "https://idp.example/jwks", "issuer": "https://idp.example""#,
    );
    let configuration = configuration.replace(r#", "hosts": {"keys.example": "keys"}"#, "");
    let mut world = World::with(&configuration, TestKey::p256());
    let token = world.token(json!({"exp": world.now.wall.seconds() + 1_000_000}));
    assert_eq!(world.with_token("GET", "/any", &token), "forwarded");
    assert_eq!(world.asked, [JWKS]);
    let unknown = world.token_with_header(json!({"kid": "k2"}));
    assert_eq!(world.with_token("GET", "/any", &unknown), "401 key_not_found");
    assert_eq!(world.asked, [JWKS, JWKS]);
    world.advance(3_600);
    world.pump();
    assert_eq!(world.asked, [JWKS, JWKS, JWKS]);
    world.answers.insert(JWKS, (500, String::new()));
    for _ in 0..23 {
        world.advance(3_600);
        world.pump();
        assert_eq!(world.with_token("GET", "/any", &token), "forwarded");
    }
    world.advance(3_600);
    world.pump();
    assert_eq!(world.with_token("GET", "/any", &token), "503 keys_unavailable");
}

#[test]
fn what_one_issuer_signed_never_passes_by_the_rules_of_another() {
    let mut two = Two::new(VALIDATE);
    // Of the first issuer, which lacks the role there, and meets all that is asked of the second's.
    let token = two.token_of("first", json!({"aud": ["admin", "two"], "scp": "all", "roles": ["none"]}));
    for _ in 0..2 {
        assert_eq!(two.world.with_token("GET", "/a", &token), "401 claim_not_allowed");
        assert_eq!(two.world.state.verdicts.len(), 1, "it is remembered as the first issuer's");
    }
}
