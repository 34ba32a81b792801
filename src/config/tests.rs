mod attach;
mod guards;
mod limits;
mod position;
mod request;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Audiences, BodyForm, Configuration, FaultKind, Inbound, OnFailure, Path};
use crate::access::{Condition, RequiredClaim, Requirement};
use crate::environment::Environment;
use crate::jwt::Algorithm;

mod identities;
mod secrets;

const TENANT: &str = "7f3c9a52-1d0e-4b68-9c47-2a5d8e6b1f90";

/// A configuration with these `operations`, under an issuer, an identity and defaults.
fn with_operations(operations: &str) -> String {
    format!(
        r#"{{"issuers": {{"contoso": {{"entra": {{"tenant": "{TENANT}", "cluster": "login"}}}}}},
            "identities": {{"gateway": {{"managed_identity": {{"source": "imds", "cluster": "imds"}}}}}},
            "defaults": {{"validate": {{"issuer": "contoso", "audiences": ["api"]}}}},
            "operations": {operations}}}"#
    )
}

fn with_operation(rest: &str) -> String {
    with_operations(&format!(r#"[{{"match": {{"path": {{"exact": "/a"}}}}{rest}}}]"#))
}

fn parse(json: &str) -> Configuration {
    Configuration::parse(json.as_bytes(), &Environment::default())
        .unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn faults(json: &str) -> Vec<String> {
    match Configuration::parse(json.as_bytes(), &Environment::default()) {
        Ok(_) => panic!("accepted: {json}"),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn defaults_apply_and_an_operations_fields_replace_them() {
    let configuration = parse(&with_operations(
        r#"[{"match": {"path": {"exact": "/a"}}},
            {"match": {"path": {"exact": "/b"}}, "validate": {"audiences": ["other"], "clock_skew": "2m"}}]"#,
    ));
    let validate = |index: usize| match &configuration.operations[index].inbound {
        Inbound::Validate(validate) => super::Validate::clone(validate),
        Inbound::Anonymous => panic!("anonymous"),
    };
    let audiences = |index: usize| validate(index).any_of[0].audiences.clone();
    let one_of = |audience: &str| Audiences { one_of: Some(vec![audience.into()]), applications: None };
    assert_eq!(audiences(0), one_of("api"));
    assert_eq!(validate(0).time.clock_skew.as_secs(), 0);
    assert!(validate(0).time.require_expiration);
    for definition in validate(0).any_of[0].issuer.definitions() {
        assert_eq!(definition.algorithms, [Algorithm::Rs256]);
    }
    assert_eq!(audiences(1), one_of("other"));
    assert_eq!(validate(1).time.clock_skew.as_secs(), 120);
}

#[test]
fn roles_of_an_operation_add_to_the_defaults() {
    let json = with_operation(r#", "validate": {"roles": "Writer"}"#)
        .replace(r#""audiences": ["api"]"#, r#""audiences": ["api"], "roles": ["Reader"]"#);
    match &parse(&json).operations[0].inbound {
        Inbound::Validate(validate) => assert_eq!(validate.any_of[0].callers.required.len(), 2),
        Inbound::Anonymous => panic!("anonymous"),
    }
}

#[test]
fn required_claims_of_an_operation_add_to_the_defaults() {
    let json = with_operations(
        r#"[{"match": {"path": {"template": "/tenants/{tid}"}}, "validate": {"roles": "R", "required_claims": [
               {"name": "scp", "separator": " ", "values": ["a", "b"]},
               {"path": ["realm_access", "roles"], "match": "any", "values": ["c"]},
               {"name": "amr", "match": "not", "values": ["pwd"]},
               {"name": "tid", "equals_parameter": "tid"}]}}]"#,
    )
    .replace(r#""audiences": ["api"]"#, r#""audiences": ["api"], "required_claims": [{"name": "oid"}]"#);
    let claim = |path: &[&str], separator: Option<&str>, condition| {
        let path = path.iter().map(ToString::to_string).collect();
        Requirement::same(RequiredClaim { path, separator: separator.map(ToOwned::to_owned), condition })
    };
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    match &parse(&json).operations[0].inbound {
        Inbound::Validate(validate) => assert_eq!(
            validate.any_of[0].callers.required,
            [
                claim(&["roles"], None, Condition::Any(words(&["R"]))),
                claim(&["oid"], None, Condition::Present),
                claim(&["scp"], Some(" "), Condition::All(words(&["a", "b"]))),
                claim(&["realm_access", "roles"], None, Condition::Any(words(&["c"]))),
                claim(&["amr"], None, Condition::Not(words(&["pwd"]))),
                claim(&["tid"], None, Condition::EqualsParameter("tid".into())),
            ]
        ),
        Inbound::Anonymous => panic!("anonymous"),
    }
}

#[test]
fn a_fault_in_a_required_claim_says_where_it_is_and_what_to_do() {
    for (claims, said) in [
        ("[]", ": this is empty; leave it out where no claim is required"),
        (r#"{"name": "a"}"#, ": expected a sequence, found an object"),
        (r#"["a"]"#, "[0]: expected a required claim: an object with `name` or `path`, found a string"),
        ("[{}]", "[0]: exactly one of `name`, `path` belongs here"),
        (r#"[{"name": "a", "path": ["a"]}]"#, "[0]: exactly one of `name`, `path` belongs here"),
        (r#"[{"name": ""}]"#, "[0].name: this is empty"),
        (r#"[{"path": []}]"#, "[0].path: this is empty; a claim's name, and the names within it"),
        (r#"[{"path": ["a", ""]}]"#, "[0].path: this is empty"),
        (r#"[{"path": "a.b"}]"#, "[0].path: expected a sequence, found a string"),
        (r#"[{"name": "a", "value": ["b"]}]"#, "[0]: unknown field `value`, did you mean `values`?"),
        (r#"[{"name": "a", "values": []}]"#, "[0].values: this is empty; name the values, or leave it out"),
        (r#"[{"name": "a", "values": [""]}]"#, "[0].values: this is empty"),
        (r#"[{"name": "a", "values": [7]}]"#, "[0].values[0]: expected a string, found a number"),
        (r#"[{"name": "a", "match": "none", "values": ["b"]}]"#, "[0].match: unknown word"),
        (r#"[{"name": "a", "match": "any"}]"#, "[0].match: without `values` there is nothing to match"),
        (
            r#"[{"name": "a", "match": "not", "equals_parameter": "p"}]"#,
            "[0].match: without `values` there is nothing to match",
        ),
        (r#"[{"name": "a", "separator": "", "values": ["b"]}]"#, "[0].separator: this is empty"),
        (r#"[{"name": "a", "separator": " "}]"#, "[0].separator: it splits a claim into values, and none"),
        (
            r#"[{"name": "a", "separator": " ", "match": "not", "values": ["x", "b c"]}]"#,
            "[0].separator: one of `values` holds the separator",
        ),
        (
            r#"[{"name": "scp", "match": "not", "values": ["b"]}]"#,
            "[0].separator: this claim has several values in one string",
        ),
        (
            r#"[{"name": "a", "values": ["b"], "equals_parameter": "p"}]"#,
            "[0].equals_parameter: `values` and `equals_parameter` are two conditions",
        ),
        (
            r#"[{"name": "b"}, {"name": "a", "equals_parameter": "tenant"}]"#,
            "[1].equals_parameter: the operation's path has no parameters; name them by",
        ),
    ] {
        let faults = faults(&with_operation(&format!(r#", "validate": {{"required_claims": {claims}}}"#)));
        let said = format!("operations[0].validate.required_claims{said}");
        assert!(
            faults.iter().any(|fault| fault.starts_with(&said)),
            "{claims}\n  said {faults:#?}\n  not  {said}"
        );
    }
}

#[test]
fn a_claim_is_compared_with_a_parameter_that_the_path_has() {
    let json = |claims: &str| {
        with_operations(&format!(
            r#"[{{"match": {{"path": {{"template": "/tenants/{{tenant}}"}}}}, "validate": {{"required_claims": {claims}}}}}]"#
        ))
    };
    parse(&json(r#"[{"name": "tid", "equals_parameter": "tenant"}]"#));
    assert_eq!(
        faults(&json(r#"[{"name": "tid", "equals_parameter": "tenants"}]"#)),
        [
            "operations[0].validate.required_claims[0].equals_parameter: unknown word, did you mean `tenant`?; expected `tenant`"
        ]
    );
    let in_defaults = |json: String| {
        json.replace(
            r#""audiences": ["api"]"#,
            r#""audiences": ["api"], "required_claims": [{"name": "tid", "equals_parameter": "tenant"}]"#,
        )
    };
    parse(&in_defaults(json(r#"[{"name": "oid"}]"#)));
    parse(&in_defaults(with_operation(r#", "anonymous": true"#)));
    let faults = faults(&in_defaults(with_operation("")));
    assert!(
        faults[0].starts_with("operations[0].match.path: `defaults.validate.required_claims` compares"),
        "{faults:?}"
    );
}

#[test]
fn a_fault_in_the_defaults_is_told_once() {
    let json =
        with_operations(r#"[{"match": {"path": {"exact": "/a"}}}, {"match": {"path": {"exact": "/b"}}}]"#)
            .replace(r#""audiences": ["api"]"#, r#""audiences": ["api"], "required_claims": [{"name": ""}]"#);
    assert_eq!(
        faults(&json),
        ["defaults.validate.required_claims[0].name: this is empty; a name or a value belongs here"]
    );
}

#[test]
fn a_template_above_shadows_what_it_takes_and_not_what_it_leaves() {
    let paths = |one: &str, other: &str| {
        with_operations(&format!(r#"[{{"match": {{"path": {one}}}}}, {{"match": {{"path": {other}}}}}]"#))
    };
    let (template, exact, prefix) =
        (r#"{"template": "/a/{x}"}"#, r#"{"exact": "/a/b"}"#, r#"{"prefix": "/a/b"}"#);
    for (one, other) in [(template, exact), (r#"{"prefix": "/a"}"#, template), (template, template)] {
        assert!(faults(&paths(one, other))[0].contains("no request reaches this operation"), "{one} {other}");
    }
    for (one, other) in [(exact, template), (template, prefix), (template, r#"{"exact": "/a"}"#)] {
        parse(&paths(one, other));
    }
}

#[test]
fn only_anonymous_true_switches_the_check_off() {
    let validates = |rest| matches!(parse(&with_operation(rest)).operations[0].inbound, Inbound::Validate(_));
    assert!(!validates(r#", "anonymous": true"#));
    assert!(validates(r#", "anonymous": false"#) && validates(""));
}

#[test]
fn equal_definitions_under_two_names_are_one() {
    let json = with_operation("").replace(
        r#""issuers": {"#,
        &format!(
            r#""issuers": {{"other": {{"entra": {{"tenant": "{}", "cluster": "login"}}}}, "#,
            TENANT.to_uppercase()
        ),
    );
    let issuers = parse(&json).issuers;
    assert_eq!(issuers.len(), 2);
    let fingerprints = |index: usize| {
        issuers[index].definitions().map(|definition| definition.fingerprint).collect::<Vec<_>>()
    };
    assert_eq!(fingerprints(0), fingerprints(1));
    assert_ne!(fingerprints(0)[0], fingerprints(0)[1], "versions have keys of their own");
}

#[test]
fn a_fault_says_where_it_is_and_what_to_do() {
    for (json, said) in [
        ("", "configuration: not JSON, or a member that occurs twice, at line 1, column 0"),
        ("{\n  \"operations\": oops}", "line 2, column 17"),
        (
            "[]",
            "configuration: expected an object with `issuers`, `identities`, `defaults`, `operations`, found a list",
        ),
        ("{}", "configuration: the field `operations` is missing"),
        (
            r#"{"operations": []}"#,
            "operations: this is empty; without an operation every request is refused with 404",
        ),
        (r#"{"operation": []}"#, "configuration: unknown field `operation`, did you mean `operations`?"),
        (
            &with_operation(r#", "anonymos": true"#),
            "operations[0]: unknown field `anonymos`, did you mean `anonymous`?; expected `match`, `anonymous`",
        ),
        (
            &with_operation(r#", "anonymous": "true""#),
            "operations[0].anonymous: expected a boolean, found a string",
        ),
        (
            &with_operation(r#", "validate": {"issuer": "contos"}"#),
            "operations[0].validate.issuer: there is no issuer named `contos`, did you mean `contoso`?; defined: `contoso`",
        ),
        (
            &with_operation(r#", "attach": [{"identity": "pod", "resource": "r"}]"#),
            "operations[0].attach[0].identity: there is no identity named `pod`; defined: `gateway`",
        ),
        (
            &with_operation(r#", "attach": []"#),
            "operations[0].attach: this is empty; leave it out where nothing is attached",
        ),
        (
            &with_operation(r#", "attach": [{"identity": "gateway", "resource": ""}]"#),
            "operations[0].attach[0].resource: this is empty",
        ),
        (
            &with_operation(r#", "validate": {"audiences": []}"#),
            "operations[0].validate.audiences: this is empty; name the audiences, or say `audiences: any`",
        ),
        (
            &with_operation(r#", "validate": {"audiences": "api"}"#),
            "operations[0].validate.audiences: expected a list, or the word `any`, found a string",
        ),
        (
            &with_operation(r#", "validate": {"roles": {"GET": []}}"#),
            "operations[0].validate.roles.GET: this is empty",
        ),
        (
            &with_operation(r#", "validate": {"roles": {"get": "R"}}"#),
            "operations[0].validate.roles.get: not a method",
        ),
        (
            &with_operation(r#", "validate": {"roles": 7}"#),
            "operations[0].validate.roles: expected a role, a list of roles",
        ),
        (
            &with_operation(r#", "validate": {"roles": ["R", 7]}"#),
            "operations[0].validate.roles[1]: expected a string, found a number",
        ),
        (
            &with_operation(r#", "validate": {"clock_skew": "5"}"#),
            "operations[0].validate.clock_skew: not a duration",
        ),
        (&with_operation(r#", "validate": null"#), "operations[0].validate: expected an object"),
        (
            &with_operation(r#", "anonymous": true, "validate": {"roles": "R"}"#),
            "operations[0].validate: `anonymous: true` asks for no token",
        ),
        (
            &with_operations(r#"[{"match": {"path": {"exact": "/a", "prefix": "/b"}}}]"#),
            "operations[0].match.path: exactly one of `exact`, `prefix`, `template` belongs here",
        ),
        (
            &with_operations(r#"[{"match": {"path": {"exakt": "/a"}}}]"#),
            "operations[0].match.path: unknown field `exakt`, did you mean `exact`?; expected `exact`, `prefix`, `template`",
        ),
        (
            &with_operations(r#"[{"match": {"path": "/a"}}]"#),
            "operations[0].match.path: expected an object with `exact`, `prefix` or `template`, found a string",
        ),
        (
            &with_operations(r#"[{"match": {"path": {"exact": "a"}}}]"#),
            "operations[0].match.path.exact: no request reaches this path",
        ),
        (
            &with_operations(r#"[{"match": {"path": {"prefix": "/a/../b"}}}]"#),
            "operations[0].match.path.prefix: no request",
        ),
        (
            &with_operations(r#"[{"match": {"methods": [], "path": {"exact": "/a"}}}]"#),
            "operations[0].match.methods: this is empty; leave it out for every method",
        ),
        (
            &with_operations(r#"[{"match": {"methods": ["get"], "path": {"exact": "/a"}}}]"#),
            "operations[0].match.methods[0]: not a method; methods are written in capitals: `GET`",
        ),
        (
            &with_operations(
                r#"[{"match": {"path": {"prefix": "/"}}}, {"match": {"methods": ["GET"], "path": {"exact": "/a"}}}]"#,
            ),
            "operations[1].match: no request reaches this operation: `operations[0]` above it takes every one",
        ),
    ] {
        let faults = faults(json);
        assert!(faults.iter().any(|fault| fault.contains(said)), "{json}\n  said {faults:#?}\n  not  {said}");
    }
}

#[test]
fn a_guard_that_could_match_nothing_is_refused() {
    for (operation, said) in [
        (
            r#"{"methods": ["*"], "path": {"exact": "/a"}}"#,
            "methods[0]: leave `methods` out for every method",
        ),
        (
            r#"{"methods": ["ANY"], "path": {"exact": "/a"}}"#,
            "methods[0]: leave `methods` out for every method",
        ),
        (r#"{"path": {"exact": "/orders/{id}"}}"#, "path.exact: no request reaches this path"),
        (r#"{"path": {"exact": "/orders/{id}"}}"#, "a `{parameter}` (use `template`)"),
        (r#"{"path": {"prefix": "/admin/*"}}"#, "path.prefix: no request reaches this path"),
        (r#"{"path": {"template": "/admin/*"}}"#, "path.template: no request reaches this path"),
        (r#"{"path": {"template": "/orders/x{id}"}}"#, "path.template: a parameter is a whole segment"),
        (r#"{"path": {"template": "/{id}/{id}"}}"#, "path.template: two parameters have one name"),
    ] {
        let faults = faults(&with_operations(&format!(r#"[{{"match": {operation}}}]"#)));
        assert!(faults[0].starts_with("operations[0].match.") && faults[0].contains(said), "{faults:?}");
    }
}

#[test]
fn what_is_missing_is_told_with_the_word_that_says_so_on_purpose() {
    let json = with_operation("").replace(r#", "audiences": ["api"]"#, "");
    assert!(
        faults(&json)[0].contains("operations[0].validate: no audiences are named"),
        "{:?}",
        faults(&json)
    );
    assert!(faults(&json)[0].contains("`audiences: any`"));
    let json = with_operation("").replace(r#""issuer": "contoso", "#, "");
    assert!(faults(&json)[0].contains("`anonymous: true`"), "{:?}", faults(&json));
    let json = with_operation(r#", "validate": {"clock_skew": "11m"}"#);
    assert!(faults(&json)[0].contains("clocks may differ by `10m`"), "{:?}", faults(&json));
}

#[test]
fn a_fault_in_an_issuer_or_identity_says_where_it_is() {
    for (issuer, said) in [
        (
            r#"{"entra": {"tenant": "contoso", "cluster": "c"}}"#,
            "issuers.contoso.entra.tenant: not a tenant: write its id",
        ),
        (r#"{"entra": {"tenant": "T"}}"#, "issuers.contoso.entra: the field `cluster` is missing"),
        (r#"{"entra": {"tenant": "T", "cluster": ""}}"#, "issuers.contoso.entra.cluster: this is empty"),
        (
            r#"{"entra": {"tenant": "T", "cluster": "c", "cloud": "mars"}}"#,
            "issuers.contoso.entra.cloud: unknown word; expected `public`",
        ),
        (r#"{"discovery": "http://idp/", "cluster": "c"}"#, "issuers.contoso.discovery: not an https URL"),
        (r#"{"discovery": "https://idp/"}"#, "issuers.contoso: the field `cluster` is missing"),
        (
            r#"{"entra": {"tenant": "organizations", "cluster": "c"}}"#,
            "issuers.contoso.entra.tenants: the field is missing: list the ids",
        ),
        (
            r#"{"entra": {"tenant": "common", "tenants": [], "cluster": "c"}}"#,
            "issuers.contoso.entra.tenants: this is empty; list the ids",
        ),
        (
            r#"{"entra": {"tenant": "common", "tenants": "all", "cluster": "c"}}"#,
            "issuers.contoso.entra.tenants: expected a list, or the word `any`, found a string",
        ),
        (
            r#"{"entra": {"tenant": "common", "tenants": ["contoso.com"], "cluster": "c"}}"#,
            "issuers.contoso.entra.tenants[0]: not a GUID",
        ),
        (
            r#"{"entra": {"tenant": "organizations", "tenants": ["T", "9188040D-6c67-4c5b-b112-36a304b66dad"],
                "cluster": "c"}}"#,
            "issuers.contoso.entra.tenants[1]: the tenant of personal accounts is no organisation",
        ),
        (
            r#"{"entra": {"tenant": "T", "tenants": "any", "cluster": "c"}}"#,
            "issuers.contoso.entra.tenants: `tenants` goes with `tenant: organizations`",
        ),
        (
            r#"{"entra": {"tenant": "contoso.com/x", "cluster": "c"}}"#,
            "issuers.contoso.entra.tenant: not a tenant: write its id",
        ),
        (
            r#"{"entra": {"tenant": "consumers", "cluster": "c"}}"#,
            "issuers.contoso.entra.tenant: not a tenant",
        ),
        (
            r#"{"entra": {"tenant": "T", "cluster": "c", "versions": []}}"#,
            "issuers.contoso.entra.versions: this is empty; leave it out for both",
        ),
        (
            r#"{"entra": {"tenant": "T", "cluster": "c", "versions": ["2.0"]}}"#,
            "issuers.contoso.entra.versions[0]: unknown word; expected `v1`, `v2`",
        ),
        (
            r#"{"entra": {"tenant": "T", "cluster": "c", "app_id": "api://x"}}"#,
            "issuers.contoso.entra.app_id: not a GUID",
        ),
        (
            r#"{"entra": {"tenant": "T", "cluster": "c"}, "cluster": "c"}"#,
            "issuers.contoso.cluster: the cluster of `entra` belongs into `entra`",
        ),
        (
            r#"{"entra": {"tenant": "T", "cluster": "c"}, "issuer": "https://sts.windows.net/T/"}"#,
            "issuers.contoso.issuer: what Entra's issuers call themselves is in their discovery documents",
        ),
        (r#"{"jwks_uri": "http://idp/k", "issuer": "i", "cluster": "c"}"#, "jwks_uri: not an https URL"),
        (
            r#"{"jwks_uri": "https://idp/k", "issuer": "i"}"#,
            "issuers.contoso: the field `cluster` is missing",
        ),
        (
            r#"{"jwks_uri": "https://idp/k", "cluster": "c"}"#,
            "issuers.contoso: the field `issuer` is missing",
        ),
        (
            r#"{"jwks_uri": "https://idp/k", "issuer": "i", "cluster": "c", "hosts": {"a": "b"}}"#,
            "issuers.contoso.hosts: only a discovery document names further hosts",
        ),
        (
            r#"{"discovery": "https://idp/", "issuer": "https://idp/{tenantid}/v2.0", "cluster": "c"}"#,
            "issuers.contoso.issuer: an issuer's name has no parameters",
        ),
        (
            r#"{"discovery": "https://idp/", "cluster": "c", "entra": {"tenant": "T", "cluster": "c"}}"#,
            "exactly one of `entra`",
        ),
        (
            r#"{"discovery": "https://idp/x", "cluster": "c"}"#,
            "issuers.contoso: the field `issuer` is missing",
        ),
        (
            "{}",
            "issuers.contoso: exactly one of `entra`, `discovery`, `jwks_uri`, `jwks`, `public_keys`, `symmetric_keys` belongs here",
        ),
        (
            r#"{"discovery": "https://idp/", "cluster": "c", "algorithms": ["none"]}"#,
            "issuers.contoso.algorithms[0]: unknown word; expected `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, \
             `ES256`, `ES384`, `EdDSA`",
        ),
        (r#"{"discovery": "https://idp/", "cluster": "c", "algorithms": []}"#, "algorithms: this is empty"),
    ] {
        let issuer = issuer.replace(r#""T""#, &format!("\"{TENANT}\""));
        let json = format!(
            r#"{{"issuers": {{"contoso": {issuer}}}, "operations": [{{"match": {{"path": {{"exact": "/"}}}}, "anonymous": true}}]}}"#
        );
        let faults = faults(&json);
        assert!(
            faults.iter().any(|fault| fault.contains(said)),
            "{issuer}\n  said {faults:#?}\n  not  {said}"
        );
    }
}

#[test]
fn clouds_and_authorities_of_entra_are_asked_at_their_login_hosts() {
    let request = |entra: &str| {
        let json =
            with_operation("").replace(&format!(r#"{{"tenant": "{TENANT}", "#), &format!("{{{entra}, "));
        let mut keys = crate::keys::Keys::<crate::jwt::Software>::default();
        for definition in parse(&json).issuers[0].definitions() {
            // Both versions are wanted.
            keys.is_issuer(definition, "", &crate::jwt::Software, crate::time::Now::default());
        }
        let configuration = parse(&json);
        for definition in configuration.issuers[0].definitions() {
            keys.install(definition, &crate::jwt::Software);
        }
        let due = keys.due(crate::time::Now::default());
        let mut urls: Vec<_> =
            due.iter().map(|(_, call)| format!("{}{}", call.url.authority, call.url.path)).collect();
        urls.sort();
        urls
    };
    for (cloud, host) in [
        ("public", "login.microsoftonline.com"),
        ("us_government", "login.microsoftonline.us"),
        ("china", "login.partner.microsoftonline.cn"),
        ("bleu", "login.sovcloud-identity.fr"),
        ("delos", "login.sovcloud-identity.de"),
        ("gov_sg", "login.sovcloud-identity.sg"),
    ] {
        for (entra, authority, query) in [
            (format!(r#""tenant": "{}""#, TENANT.to_uppercase()), TENANT, ""),
            (r#""tenant": "Contoso.onmicrosoft.com""#.to_owned(), "contoso.onmicrosoft.com", ""),
            (r#""tenant": "organizations", "tenants": "any""#.to_owned(), "organizations", ""),
            (format!(r#""tenant": "common", "tenants": ["{TENANT}"]"#), "common", ""),
            (format!(r#""tenant": "{TENANT}", "app_id": "{TENANT}""#), TENANT, "?appid="),
        ] {
            let query = if query.is_empty() { String::new() } else { format!("{query}{TENANT}") };
            assert_eq!(
                request(&format!(r#"{entra}, "cloud": "{cloud}""#)),
                [
                    format!("{host}/{authority}/.well-known/openid-configuration{query}"),
                    format!("{host}/{authority}/v2.0/.well-known/openid-configuration{query}"),
                ]
            );
        }
    }
}

#[test]
fn the_name_of_an_issuer_is_the_place_of_its_document_without_a_query() {
    for (discovery, is_enough) in [
        ("https://idp.example/t/.well-known/openid-configuration", true),
        ("https://login.microsoftonline.com/t/v2.0/.well-known/openid-configuration?appid=a", true),
        ("https://idp.example/t/openid-configuration?x=/.well-known/openid-configuration", false),
    ] {
        let json = format!(
            r#"{{"issuers": {{"i": {{"discovery": "{discovery}", "cluster": "c"}}}},
                "operations": [{{"match": {{"path": {{"exact": "/"}}}}, "anonymous": true}}]}}"#
        );
        assert_eq!(Configuration::parse(json.as_bytes(), &Environment::default()).is_ok(), is_enough);
    }
}

/// A configuration with a partner beside the tenant, these defaults and this `validate`.
fn with_validate(defaults: &str, validate: &str) -> String {
    with_operation(&format!(r#", "validate": {validate}"#))
        .replace(
            r#""issuers": {"#,
            r#""issuers": {"partner": {"jwks_uri": "https://idp/k", "issuer": "https://idp", "cluster": "c"}, "#,
        )
        .replacen(r#"{"issuer": "contoso", "audiences": ["api"]}"#, defaults, 1)
}

#[test]
fn any_of_and_the_short_form_are_not_mixed() {
    const ONE: &str = r#"{"issuer": "contoso", "audiences": ["api"]}"#;
    const BOTH: &str = r#"{"any_of": [{"issuer": "contoso", "audiences": ["api"], "roles": "R"},
        {"issuer": "partner", "audiences": "any", "required_claims": [{"name": "sub"}]}], "roles": "All"}"#;
    let any_of = |defaults: &str, validate: &str| match &parse(&with_validate(defaults, validate)).operations
        [0]
    .inbound
    {
        Inbound::Validate(validate) => validate.any_of.clone(),
        Inbound::Anonymous => panic!("anonymous"),
    };
    let required = |any_of: &[super::Alternative]| {
        any_of.iter().map(|alternative| alternative.callers.required.len()).collect::<Vec<_>>()
    };
    assert_eq!(required(&any_of(ONE, "{}")), [0]);
    assert_eq!(required(&any_of(ONE, BOTH)), [2, 2], "in place of the issuer of the defaults");
    assert_eq!(required(&any_of(BOTH, "{}")), [2, 2]);
    assert_eq!(required(&any_of(BOTH, r#"{"roles": "More"}"#)), [3, 3], "roles add");
    assert_eq!(required(&any_of(BOTH, ONE)), [1], "one issuer in place of several");
    let audiences = any_of(r#"{"audiences": ["api"]}"#, BOTH)[1].audiences.clone();
    assert_eq!(audiences, Audiences { one_of: None, applications: None }, "no union with the defaults'");
    for (defaults, validate, said) in [
        (BOTH, r#"{"audiences": ["x"]}"#, "operations[0].validate: `defaults.validate` has `any_of`"),
        (BOTH, r#"{"issuer": "contoso"}"#, "operations[0].validate: no audiences are named"),
        (
            ONE,
            r#"{"issuer": "contoso", "any_of": [{"issuer": "contoso", "audiences": "any"}]}"#,
            "operations[0].validate.any_of: `any_of` stands in place of",
        ),
        (ONE, r#"{"any_of": []}"#, "operations[0].validate.any_of: this is empty"),
        (
            ONE,
            r#"{"any_of": [{"audiences": ["x"]}]}"#,
            "operations[0].validate.any_of[0]: no issuer is named",
        ),
        (
            ONE,
            r#"{"any_of": [{"issuer": "contoso"}]}"#,
            "operations[0].validate.any_of[0]: no audiences are named",
        ),
        (
            ONE,
            r#"{"any_of": [{"issuer": "contoso", "audiences": "any", "clock_skew": "1s"}]}"#,
            "operations[0].validate.any_of[0]: unknown field `clock_skew`",
        ),
        (
            ONE,
            r#"{"any_of": [{"issuer": "contosa", "audiences": "any"}]}"#,
            "operations[0].validate.any_of[0].issuer: there is no issuer named `contosa`, did you mean `contoso`",
        ),
        (
            ONE,
            r#"{"any_of": [{"issuer": "contoso", "audiences": "any", "roles": []}]}"#,
            "operations[0].validate.any_of[0].roles: this is empty",
        ),
        (
            ONE,
            r#"{"any_of": [{"issuer": "contoso", "audiences": "any",
                "required_claims": [{"name": "tid", "equals_parameter": "p"}]}]}"#,
            "operations[0].validate.any_of[0].required_claims[0].equals_parameter: the operation's path has no",
        ),
    ] {
        let faults = faults(&with_validate(defaults, validate));
        assert!(
            faults[0].starts_with(said),
            "{validate}
  said {faults:#?}
  not  {said}"
        );
        assert_eq!(faults.len(), 1, "{faults:#?}");
    }
}

#[test]
fn audiences_are_named_or_are_any_on_purpose() {
    const ISSUER: &str = r#"{"issuer": "contoso"}"#;
    for validate in [
        r#"{"audiences": ["api"]}"#.to_owned(),
        r#"{"audiences": "any"}"#.to_owned(),
        format!(r#"{{"backend_application_ids": ["{TENANT}"]}}"#),
    ] {
        parse(&with_validate(ISSUER, &validate));
    }
    let clients = format!(r#"{{"client_application_ids": ["{TENANT}"]}}"#);
    for validate in ["{}", r#"{"roles": "R"}"#, &clients] {
        let faults = faults(&with_validate(ISSUER, validate));
        assert!(faults[0].starts_with("operations[0].validate: no audiences are named"), "{faults:?}");
    }
}

#[test]
fn applications_of_entra_are_guids_and_only_entra_tells_a_tokens_type() {
    for field in ["client_application_ids", "backend_application_ids"] {
        let validate = |issuer: &str, ids: &str| {
            with_validate(
                r#"{"audiences": "any"}"#,
                &format!(r#"{{"issuer": "{issuer}", "{field}": {ids}}}"#),
            )
        };
        parse(&validate("contoso", &format!(r#"["{TENANT}"]"#)));
        parse(&validate("partner", r#"["portal"]"#));
        assert_eq!(
            faults(&validate("contoso", r#"["api://portal"]"#)),
            [format!("operations[0].validate.{field}[0]: not a GUID (00000000-0000-0000-0000-000000000000)")]
        );
        for ids in ["[]", r#"[""]"#] {
            let faults = faults(&validate("partner", ids));
            assert!(
                faults[0].starts_with(&format!("operations[0].validate.{field}: this is empty")),
                "{faults:?}"
            );
        }
    }
    let token_type = |issuer: &str| {
        with_validate(r#"{"audiences": "any"}"#, &format!(r#"{{"issuer": "{issuer}", "token_type": "app"}}"#))
    };
    parse(&token_type("contoso"));
    let faults = faults(&token_type("partner"));
    assert!(faults[0].starts_with("operations[0].validate.token_type: only tokens of Entra"), "{faults:?}");
}

#[test]
fn a_backend_application_is_its_id_or_its_default_uri() {
    let other = TENANT.replace('7', "8");
    let ids = crate::access::ApplicationIds::new(vec![TENANT.to_owned()]);
    let audiences = Audiences { one_of: None, applications: Some(ids.clone()) };
    let accept = |audiences: &Audiences, text: &str| audiences.accept(&[text]);
    for (text, is_accepted) in [
        (TENANT.to_owned(), true),
        (TENANT.to_uppercase(), true),
        (format!("api://{TENANT}"), true),
        (format!("api://{TENANT}/"), false),
        (format!("api://api://{TENANT}"), false),
        (format!("https://{TENANT}"), false),
        (other, false),
        (String::new(), false),
    ] {
        assert_eq!(accept(&audiences, &text), is_accepted, "{text}");
    }
    assert!(!audiences.accept(&[]));
    let both = Audiences { one_of: Some(vec![format!("api://{TENANT}")]), applications: Some(ids) };
    assert!(accept(&both, &format!("api://{TENANT}")));
    assert!(!accept(&both, TENANT));
}

#[test]
fn all_faults_are_told_at_once() {
    let json = with_operation(
        r#", "validate": {"issuer": "x", "roles": []}, "attach": [{"identity": "y", "resource": "r"}]"#,
    );
    assert_eq!(faults(&json).len(), 3);
}

#[test]
fn a_member_that_occurs_twice_is_a_fault() {
    let json = with_operation(r#", "anonymous": false, "anonymous": true"#);
    assert!(faults(&json)[0].contains("occurs twice"));
}

#[test]
fn no_fault_quotes_a_value() {
    // Every value of a good configuration in turn is replaced by one of each type that holds a canary.
    let good = with_operations(
        r#"[{"match": {"methods": ["GET"], "path": {"template": "/tenants/{tid}"}},
             "validate": {"roles": {"GET": "R"}, "required_claims": [
               {"name": "scp", "match": "any", "separator": " ", "values": ["a", "b"]},
               {"path": ["realm_access", "roles"], "values": ["c"]},
               {"name": "tid", "equals_parameter": "tid"}]},
             "attach": [{"identity": "gateway", "resource": "r"}]}]"#,
    );
    let good = good.replace(
        r#""issuers": {"#,
        &format!(
            r#""issuers": {{"all": {{"entra": {{"tenant": "common", "tenants": ["{TENANT}"], "cluster": "login",
                "versions": ["v2"], "app_id": "{TENANT}"}}}},
              "keys": {{"jwks_uri": "https://idp/k", "issuer": "https://idp", "cluster": "c"}},
              "shared": {{"issuer": "https://idp", "algorithms": ["HS256"],
                "symmetric_keys": [{{"key": {{"inline": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}}, "id": "k"}}]}}, "#
        ),
    );
    let good = good.replace(
        r#""validate": {"roles""#,
        &format!(
            r#""validate": {{"any_of": [{{"issuer": "all", "backend_application_ids": ["{TENANT}"], "token_type": "app",
                "client_application_ids": ["{TENANT}"]}}, {{"issuer": "keys", "audiences": ["a"]}}], "roles""#
        ),
    );
    parse(&good);
    let good = crate::json::Json::parse(good.as_bytes()).unwrap();
    let mut tried = 0;
    for canary in [r#""CANARY""#, r#"["CANARY"]"#, r#"{"x": "CANARY"}"#] {
        let canary = crate::json::Json::parse(canary.as_bytes()).unwrap();
        for place in 0.. {
            let mut left = place;
            let Some(tree) = replaced(&good, &canary, &mut left) else { break };
            let faults = match super::tree::read::<super::raw::Configuration>(&tree, Path::root()) {
                Ok(raw) => super::compile::compile(raw, &Environment::default()).err().unwrap_or_default(),
                Err(fault) => vec![fault],
            };
            // A reference to an issuer or an identity is a name, and is told.
            for fault in faults.iter().filter(|fault| !matches!(fault.kind, FaultKind::UnknownName { .. })) {
                let said = fault.to_string();
                assert!(!said.contains("CANARY"), "{said}");
            }
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried}");
}

/// The tree with its `left`-th value replaced, counted in depth-first order.
fn replaced(tree: &crate::json::Json, by: &crate::json::Json, left: &mut usize) -> Option<crate::json::Json> {
    use crate::json::Json;
    if *left == 0 {
        *left = usize::MAX;
        return Some(by.clone());
    }
    *left -= 1;
    match tree {
        Json::Object(members) => {
            let mut members = members.clone();
            let (name, new) = members
                .iter()
                .find_map(|(name, member)| Some((name.clone(), replaced(member, by, left)?)))?;
            members.insert(name, new);
            Some(Json::Object(members))
        }
        Json::Array(items) => {
            let mut items = items.clone();
            let (index, new) = items
                .iter()
                .enumerate()
                .find_map(|(index, item)| Some((index, replaced(item, by, left)?)))?;
            items[index] = new;
            Some(Json::Array(items))
        }
        _ => None,
    }
}

#[test]
fn a_value_from_the_environment_is_never_quoted() {
    let environment = [("CANARY".to_owned(), "c4nary".to_owned())].into_iter().collect();
    let whole = with_operation(r#", "attach": [{"identity": "gateway", "resource": "r"}]"#);
    let mut faulty = 0;
    for place in whole.match_indices(": \"").map(|(at, _)| at) {
        let (before, rest) = whole.split_at(place + 2);
        let rest = &rest[rest[1..].find('"').unwrap() + 2..];
        let json = format!("{before}\"x${{canary}}\"{rest}");
        let json = json.replacen('{', r#"{"values": {"canary": {"env": "CANARY"}}, "#, 1);
        if let Err(faults) = Configuration::parse(json.as_bytes(), &environment) {
            faulty += 1;
            let said: Vec<_> = faults.iter().map(ToString::to_string).collect();
            assert!(!said.iter().any(|said| said.contains("c4nary")), "{json}: {said:?}");
        }
    }
    assert!(faulty > 3, "{faulty}");
}

#[test]
fn one_look_shows_every_field_that_does_not_exist() {
    let text =
        r#"{"isuers": {}, "operations": [{"match": {"path": {"exacct": "/a"}, "metods": []}}], "wat": 1}"#;
    let faults = Configuration::parse(text.as_bytes(), &Environment::default()).unwrap_err();
    let paths: Vec<_> = faults.iter().map(|fault| fault.path.to_string()).collect();
    assert_eq!(paths, ["configuration", "operations[0].match", "operations[0].match.path", "configuration"]);
}

#[test]
fn an_operations_rules_for_refusals_replace_those_of_the_whole() {
    let json = with_operations(
        r#"[{"match": {"path": {"exact": "/a"}}},
            {"match": {"path": {"exact": "/b"}}, "on_failure": {"status": 403, "body": "apim"}},
            {"match": {"path": {"exact": "/c"}}, "on_failure": {"forbidden_status": 404, "expose_reason": false}}]"#,
    );
    let whole = r#"{"on_failure": {"message": "No.", "body": "problem", "expose_reason": true}, "#;
    let configuration = parse(&json.replacen('{', whole, 1));
    let look = |on_failure: &OnFailure| {
        let OnFailure { status, forbidden_status, message, body, expose_reason } = on_failure.clone();
        assert_eq!(message.as_deref(), Some("No."));
        (status.as_u16(), forbidden_status.as_u16(), body, expose_reason)
    };
    assert_eq!(look(&configuration.on_failure), (401, 401, BodyForm::Problem, true));
    let looks: Vec<_> =
        configuration.operations.iter().map(|operation| look(&operation.on_failure)).collect();
    let expected = [
        (401, 401, BodyForm::Problem, true),
        (403, 403, BodyForm::Apim, true),
        (401, 404, BodyForm::Problem, false),
    ];
    assert_eq!(looks, expected);
}

#[test]
fn a_fault_in_on_failure_is_told_once_and_where_it_is() {
    let whole = with_operation("").replacen('{', r#"{"on_failure": {"status": 200}, "#, 1);
    assert_eq!(faults(&whole), ["on_failure.status: a refusal has a status from 400 to 599"]);
    let own = with_operation(r#", "on_failure": {"forbidden_status": 600}"#);
    assert_eq!(
        faults(&own),
        ["operations[0].on_failure.forbidden_status: a refusal has a status from 400 to 599"]
    );
    let own = with_operation(r#", "on_failure": {"body": "html"}"#);
    assert_eq!(faults(&own), ["operations[0].on_failure.body: unknown word; expected `apim`, `problem`"]);
}

#[test]
fn a_fault_in_what_an_operation_matches_says_where_it_is() {
    for (matches, rest, said) in [
        (r#""hosts": []"#, "", ".hosts: this is empty; leave it out for every host"),
        (
            r#""hosts": ["a.example", "https://a"]"#,
            "",
            ".hosts[1]: not a host: `api.example`, or `*.example`",
        ),
        (r#""hosts": ["a.example:443"]"#, "", ".hosts[0]: not a host"),
        (r#""hosts": ["*"]"#, "", ".hosts[0]: not a host"),
        (r#""cors_preflight": true"#, "", ".cors_preflight: a browser asks beforehand without a token"),
        (
            r#""cors_preflight": true, "methods": ["GET"]"#,
            r#", "anonymous": true"#,
            ".methods: what a browser asks",
        ),
        (r#""allow": []"#, "", ".allow: this is empty"),
        (r#""allow": ["slash"]"#, "", ".allow[0]: unknown word"),
    ] {
        let operations = format!(r#"[{{"match": {{"path": {{"exact": "/a"}}, {matches}}}{rest}}}]"#);
        let faults = faults(&with_operations(&operations));
        let expected = format!("operations[0].match{said}");
        assert!(faults.len() == 1 && faults[0].starts_with(&expected), "{matches}: {faults:?}");
    }
    let exact = |allow| {
        let paths = r#"{"path": {"exact": "/a%2fb;c"}"#;
        with_operations(&format!(r#"[{{"match": {paths}, "allow": {allow}}}}}]"#))
    };
    parse(&exact(r#"["encoded_slash", "semicolon"]"#));
    assert!(
        faults(&exact(r#"["encoded_slash"]"#))[0].starts_with("operations[0].match.path.exact: no request")
    );
}

#[test]
fn ten_thousand_operations_are_compiled_in_no_time() {
    let operations: Vec<_> = (0..10_000)
        .map(|index| {
            let (service, kind) = (index / 10, index % 10);
            format!(r#"{{"match": {{"path": {{"template": "/api/service{service}/{{id}}/kind{kind}"}}}}}}"#)
        })
        .collect();
    let json = with_operations(&format!("[{}]", operations.join(",")));
    let configuration = parse(&json);
    assert_eq!(configuration.operations.len(), 10_000);
    let last = json.trim_end_matches("]}").to_owned()
        + r#", {"match": {"path": {"template": "/api/service999/{other}/kind9"}}}]}"#;
    assert!(faults(&last)[0].contains("`operations[9999]` above it"));
}
