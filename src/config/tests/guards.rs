//! Faults in what an operation asks for beside a token.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const SUBSCRIPTION: &str = r#"{"primary": {"inline": "c4nary"}, "products": ["orders"]}"#;

/// The faults of a configuration with one operation, this subscription and these fields.
fn faults_of(subscription: &str, rest: &str) -> Vec<String> {
    let json = with_operation(rest);
    let subscriptions = format!(r#"{{"subscription_keys": {{"one": {subscription}}}, "#);
    let faults = faults(&json.replacen('{', &subscriptions, 1));
    assert!(!faults.iter().any(|fault| fault.contains("c4nary")), "{faults:?}");
    faults
}

#[test]
fn a_fault_in_a_subscription_says_where_it_is_and_quotes_no_key() {
    for (subscription, said) in [
        (
            r#"{"primary": {"inline": "c4nary"}, "products": []}"#,
            ".products: this is empty; name the products",
        ),
        (r#"{"primary": {"ref": "c4nary"}, "products": ["a"]}"#, ".primary.ref: "),
        (r#"{"primary": "c4nary", "products": ["a"]}"#, ".primary: expected an object with either `ref`"),
        (r#"{"primary": {"inline": ""}, "products": ["a"]}"#, ".primary: this is empty; a secret has"),
        (r#"{"products": ["a"]}"#, ": the field `primary` is missing"),
    ] {
        let faults = faults_of(subscription, "");
        let expected = format!("subscription_keys.one{said}");
        assert!(faults.len() == 1 && faults[0].starts_with(&expected), "{subscription}: {faults:?}");
    }
}

#[test]
fn a_fault_in_what_an_operation_asks_for_says_where_it_is() {
    for (rest, said) in [
        (
            r#", "subscription_key": {"products": ["order"]}"#,
            "subscription_key.products[0]: there is no product named `order`, did you mean `orders`?; defined: `orders`",
        ),
        (r#", "subscription_key": {"products": []}"#, "subscription_key.products: this is empty"),
        (
            r#", "subscription_key": {"products": ["orders"], "header": "a b"}"#,
            "subscription_key.header: not the name",
        ),
        (
            r#", "subscription_key": {"products": ["orders"], "query": ""}"#,
            "subscription_key.query: this is empty",
        ),
        (
            r#", "anonymous": true, "subscription_key": {"products": ["orders"]}"#,
            "subscription_key: `anonymous: true` asks for nothing",
        ),
        (r#", "validate": "none""#, "validate: `none` is for an operation with a `subscription_key`"),
        (r#", "validate": "nothing""#, "validate: expected an object with `issuer`"),
        (r#", "anonymous": true, "validate": "none""#, "validate: `anonymous: true` asks for no token"),
        (r#", "require_headers": []"#, "require_headers: this is empty"),
        (r#", "require_headers": [{"name": "host"}]"#, "require_headers[0].name: this header frames"),
        (r#", "require_headers": [{"name": "a", "values": []}]"#, "require_headers[0].values: this is empty"),
        (
            r#", "require_headers": [{"name": "a", "status": 200}]"#,
            "require_headers[0].status: a refusal has",
        ),
        (r#", "enforce": false, "anonymous": true"#, "enforce: nothing is validated here"),
        (
            r#", "enforce": false, "attach": [{"identity": "gateway", "resource": "r"}]"#,
            "enforce: whoever would be refused would get the gateway's own credentials",
        ),
        (r#", "validate": {"max_lifetime": "0s"}"#, "validate.max_lifetime: no token lives that short"),
        (r#", "validate": {"max_lifetime": "1 day"}"#, "validate.max_lifetime: not a duration"),
    ] {
        let faults = faults_of(SUBSCRIPTION, rest);
        let expected = format!("operations[0].{said}");
        assert!(faults.len() == 1 && faults[0].starts_with(&expected), "{rest}: {faults:?}");
    }
}

#[test]
fn what_the_defaults_say_of_lifetime_and_optional_tokens_applies() {
    let json = with_operations(
        r#"[{"match": {"path": {"exact": "/a"}}},
            {"match": {"path": {"exact": "/b"}}, "validate": {"max_lifetime": "5m", "optional": false}}]"#,
    )
    .replace(r#""audiences": ["api"]"#, r#""audiences": ["api"], "max_lifetime": "1h", "optional": true"#);
    let configuration = parse(&json);
    let rules = |number: usize| match &configuration.operations[number].inbound {
        Inbound::Validate(validate) => (validate.time.max_lifetime.unwrap().as_secs(), validate.optional),
        Inbound::Anonymous => panic!("anonymous"),
    };
    assert_eq!((rules(0), rules(1)), ((3_600, true), (300, false)));
}
