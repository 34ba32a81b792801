use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Parameters;
use crate::json::document::Value;
use crate::jwt::Claims;

/// Why a caller with a good token may not do what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The claim is not in the token.
    #[error("the token has not a claim that this operation asks for")]
    ClaimMissing,
    /// The claim has not the values that are asked for.
    #[error("a claim of the token has not the values that this operation asks for")]
    ClaimNotAllowed,
    /// The application that asked for the token is none of those that may call, or the token does not tell it.
    #[error("the token was given to an application that may not call this operation")]
    ClientNotAllowed,
    /// An application's token where a user's is asked for, or the other way round, or neither.
    #[error("the token is not of the type that this operation asks for, an application's or a user's")]
    CallerTypeNotAllowed,
}

impl Denied {
    /// The stable code, as counters, logs and docs have it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ClaimMissing => "claim_missing",
            Self::ClaimNotAllowed => "claim_not_allowed",
            Self::ClientNotAllowed => "client_not_allowed",
            Self::CallerTypeNotAllowed => "caller_type_not_allowed",
        }
    }
}

/// One claim, and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredClaim {
    /// The claim's name; behind it the names of the members within it that lead to the value.
    pub path: Vec<String>,
    /// What a claim that is one string is split by. Items of a list are not split.
    pub separator: Option<String>,
    /// What is asked of it.
    pub condition: Condition,
}

/// What is asked of a claim's values: text is compared octet by octet, numbers and booleans as their JSON text.
/// `null`, objects and lists within lists have no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is there and not empty.
    Present,
    /// All of these are among its values.
    All(Vec<String>),
    /// At least one of these is among its values.
    Any(Vec<String>),
    /// None of these is among its values. It may be missing; where it holds what cannot be compared, it is refused.
    Not(Vec<String>),
    /// The path parameter of this name is among its values.
    EqualsParameter(String),
}

impl RequiredClaim {
    /// One of `roles` among the values of `roles`.
    pub fn roles(roles: Vec<String>) -> Self {
        Self { path: vec!["roles".to_owned()], separator: None, condition: Condition::Any(roles) }
    }

    fn check(&self, parameters: &Parameters, claims: &Claims) -> Result<(), Denied> {
        let claim = match (find(&self.path, claims), &self.condition) {
            (None, Condition::Not(_)) => return Ok(()),
            (None, _) => return Err(Denied::ClaimMissing),
            (Some(claim), _) => claim,
        };
        let values = self.values(claim);
        let has = |wanted: &str| values.iter().any(|value| value == wanted);
        let holds = match &self.condition {
            Condition::Present if is_empty(claim) => return Err(Denied::ClaimMissing),
            Condition::Present => true,
            Condition::All(wanted) => wanted.iter().all(|wanted| has(wanted)),
            Condition::Any(wanted) => wanted.iter().any(|wanted| has(wanted)),
            Condition::Not(barred) => is_comparable(claim) && !barred.iter().any(|barred| has(barred)),
            Condition::EqualsParameter(name) => parameters.get(name).is_some_and(has),
        };
        if holds { Ok(()) } else { Err(Denied::ClaimNotAllowed) }
    }

    fn values<'c>(&self, claim: Value<'c>) -> Vec<Cow<'c, str>> {
        match (claim, &self.separator) {
            (Value::String(text), Some(separator)) => {
                text.split(separator.as_str()).filter(|value| !value.is_empty()).map(Cow::Borrowed).collect()
            }
            (Value::Array(items), _) => items.iter().filter_map(scalar).collect(),
            (claim, _) => scalar(claim).into_iter().collect(),
        }
    }
}

/// The claim at `path`; `null` is none.
pub(super) fn find<'c>(path: &[String], claims: &'c Claims) -> Option<Value<'c>> {
    let (name, inner) = path.split_first()?;
    let claim = inner.iter().try_fold(claims.get(name)?, |outer, name| outer.as_object()?.get(name))?;
    Some(claim).filter(|claim| !matches!(claim, Value::Null))
}

pub(super) fn scalar(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(value) => Some(Cow::Borrowed(if value { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a claim says nothing, though it is there.
fn is_empty(claim: Value<'_>) -> bool {
    match claim {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_empty),
        Value::Object(members) => members.is_empty(),
    }
}

/// Whether all that a claim holds is among its values.
fn is_comparable(claim: Value<'_>) -> bool {
    let nested = |value| matches!(value, Value::Array(_) | Value::Object(_));
    match claim {
        Value::Array(items) => !items.iter().any(nested),
        claim => !nested(claim),
    }
}

/// What an operation asks of a claim, for all methods alike or by method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    by_method: BTreeMap<String, RequiredClaim>,
    otherwise: Option<RequiredClaim>,
}

impl Requirement {
    /// The same for every method.
    pub const fn same(claim: RequiredClaim) -> Self {
        Self { by_method: BTreeMap::new(), otherwise: Some(claim) }
    }

    /// By method; `otherwise` is for the methods that are not named, and where it is not given, they are refused.
    pub const fn by_method(
        by_method: BTreeMap<String, RequiredClaim>,
        otherwise: Option<RequiredClaim>,
    ) -> Self {
        Self { by_method, otherwise }
    }

    /// What is asked by method, and for the methods that are not named: nothing there means that they are refused.
    pub const fn parts(&self) -> (&BTreeMap<String, RequiredClaim>, Option<&RequiredClaim>) {
        (&self.by_method, self.otherwise.as_ref())
    }

    pub(super) fn check(&self, method: &str, parameters: &Parameters, claims: &Claims) -> Result<(), Denied> {
        let claim = self.by_method.get(method).or(self.otherwise.as_ref()).ok_or(Denied::ClaimNotAllowed)?;
        claim.check(parameters, claims)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::access::{CanonicalPath, PathPattern, PathRules};
    use crate::jwt::UnverifiedToken;
    use crate::jwt::testing::encode;

    fn claim(path: &[&str], separator: Option<&str>, condition: Condition) -> RequiredClaim {
        RequiredClaim {
            path: path.iter().map(ToString::to_string).collect(),
            separator: separator.map(ToOwned::to_owned),
            condition,
        }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    /// What is said of a token with this payload, for a request of `/tenants/…`.
    fn at(claim: &RequiredClaim, payload: &str, path: &str) -> &'static str {
        let token = format!("{}.{}.{}", encode(r#"{"alg":"RS256"}"#), encode(payload), encode("signature"));
        let token = UnverifiedToken::parse(&token).unwrap();
        let template = PathPattern::template("/tenants/{tid}", PathRules::default()).unwrap();
        let path = CanonicalPath::read(path.as_bytes()).unwrap();
        assert!(template.matches(&path));
        let parameters = template.parameters(&path);
        claim.check(&parameters, token.claims()).map_or_else(Denied::code, |()| "permitted")
    }

    fn of(claim: &RequiredClaim, payload: &str) -> &'static str {
        at(claim, payload, "/tenants/t")
    }

    fn every(claim: &RequiredClaim, cases: &[(&str, &str)]) {
        for (payload, said) in cases {
            assert_eq!(of(claim, payload), *said, "{claim:?} {payload}");
        }
    }

    #[test]
    fn all_wants_every_value_among_the_claims() {
        every(
            &claim(&["groups"], None, Condition::All(words(&["a", "b"]))),
            &[
                (r#"{"groups":["b","c","a"]}"#, "permitted"),
                (r#"{"groups":["a"]}"#, "claim_not_allowed"),
                (r#"{"groups":"a b"}"#, "claim_not_allowed"),
                (r#"{"groups":["a","B"]}"#, "claim_not_allowed"),
                (r#"{"groups":["a"," b"]}"#, "claim_not_allowed"),
                (r#"{"groups":[["a","b"]]}"#, "claim_not_allowed"),
                (r#"{"groups":{"a":"a","b":"b"}}"#, "claim_not_allowed"),
                (r#"{"Groups":["a","b"]}"#, "claim_missing"),
                (r#"{"groups":null}"#, "claim_missing"),
            ],
        );
    }

    #[test]
    fn any_wants_one_value_among_the_claims() {
        every(
            &claim(&["groups"], None, Condition::Any(words(&["a", "b"]))),
            &[
                (r#"{"groups":["b"]}"#, "permitted"),
                (r#"{"groups":"a"}"#, "permitted"),
                (r#"{"groups":["c"]}"#, "claim_not_allowed"),
                (r#"{"groups":"ab"}"#, "claim_not_allowed"),
                (r#"{"groups":[]}"#, "claim_not_allowed"),
                ("{}", "claim_missing"),
            ],
        );
    }

    #[test]
    fn not_wants_no_value_among_the_claims_and_takes_a_missing_claim() {
        every(
            &claim(&["groups"], None, Condition::Not(words(&["a", "b"]))),
            &[
                (r#"{"groups":["c"]}"#, "permitted"),
                (r#"{"groups":"A"}"#, "permitted"),
                (r#"{"groups":[]}"#, "permitted"),
                (r#"{"groups":null}"#, "permitted"),
                ("{}", "permitted"),
                (r#"{"groups":["c","a"]}"#, "claim_not_allowed"),
                (r#"{"groups":"b"}"#, "claim_not_allowed"),
            ],
        );
    }

    #[test]
    fn not_refuses_a_claim_that_holds_what_cannot_be_compared() {
        every(
            &claim(&["groups"], None, Condition::Not(words(&["a"]))),
            &[
                (r#"{"groups":[["c"]]}"#, "claim_not_allowed"),
                (r#"{"groups":[{"name":"c"}]}"#, "claim_not_allowed"),
                (r#"{"groups":{"a":true}}"#, "claim_not_allowed"),
                (r#"{"groups":["c",1,true,null]}"#, "permitted"),
            ],
        );
    }

    #[test]
    fn without_a_condition_a_claim_is_there_and_not_empty() {
        every(
            &claim(&["x"], None, Condition::Present),
            &[
                (r#"{"x":"y"}"#, "permitted"),
                (r#"{"x":0}"#, "permitted"),
                (r#"{"x":false}"#, "permitted"),
                (r#"{"x":{"y":null}}"#, "permitted"),
                (r#"{"x":[{"y":1}]}"#, "permitted"),
                ("{}", "claim_missing"),
                (r#"{"x":null}"#, "claim_missing"),
                (r#"{"x":""}"#, "claim_missing"),
                (r#"{"x":[]}"#, "claim_missing"),
                (r#"{"x":[null,""]}"#, "claim_missing"),
                (r#"{"x":{}}"#, "claim_missing"),
            ],
        );
    }

    #[test]
    fn a_separator_splits_one_string_and_nothing_else() {
        every(
            &claim(&["scp"], Some(" "), Condition::All(words(&["read", "write"]))),
            &[
                (r#"{"scp":"write read"}"#, "permitted"),
                (r#"{"scp":" read  write "}"#, "permitted"),
                (r#"{"scp":["read","write"]}"#, "permitted"),
                (r#"{"scp":["read write"]}"#, "claim_not_allowed"),
                (r#"{"scp":"read"}"#, "claim_not_allowed"),
                (r#"{"scp":"read,write"}"#, "claim_not_allowed"),
                (r#"{"scp":"readwrite"}"#, "claim_not_allowed"),
            ],
        );
        every(
            &claim(&["scp"], Some(" "), Condition::Not(words(&["admin"]))),
            &[(r#"{"scp":"read"}"#, "permitted"), (r#"{"scp":"read admin"}"#, "claim_not_allowed")],
        );
        every(
            &claim(&["scp"], None, Condition::Any(words(&["read"]))),
            &[(r#"{"scp":"read"}"#, "permitted"), (r#"{"scp":"read write"}"#, "claim_not_allowed")],
        );
    }

    #[test]
    fn numbers_and_booleans_are_compared_as_their_json_text() {
        let level = claim(&["x"], None, Condition::Any(words(&["2", "true", "1.5"])));
        every(
            &level,
            &[
                (r#"{"x":2}"#, "permitted"),
                (r#"{"x":"2"}"#, "permitted"),
                (r#"{"x":true}"#, "permitted"),
                (r#"{"x":[0,1.5]}"#, "permitted"),
                (r#"{"x":20}"#, "claim_not_allowed"),
                (r#"{"x":2.0}"#, "claim_not_allowed"),
                (r#"{"x":-2}"#, "claim_not_allowed"),
                (r#"{"x":"True"}"#, "claim_not_allowed"),
                (r#"{"x":false}"#, "claim_not_allowed"),
            ],
        );
        let null = claim(&["x"], None, Condition::Any(words(&["null"])));
        every(&null, &[(r#"{"x":"null"}"#, "permitted"), (r#"{"x":[null]}"#, "claim_not_allowed")]);
    }

    #[test]
    fn a_path_leads_into_objects_and_a_name_with_a_dot_does_not() {
        every(
            &claim(&["realm_access", "roles"], None, Condition::Any(words(&["a"]))),
            &[
                (r#"{"realm_access":{"roles":["a"]}}"#, "permitted"),
                (r#"{"realm_access":{"roles":["b"]}}"#, "claim_not_allowed"),
                (r#"{"realm_access":{}}"#, "claim_missing"),
                (r#"{"realm_access":[{"roles":["a"]}]}"#, "claim_missing"),
                (r#"{"realm_access":"roles"}"#, "claim_missing"),
                (r#"{"roles":["a"]}"#, "claim_missing"),
                (r#"{"realm_access.roles":["a"]}"#, "claim_missing"),
            ],
        );
        every(
            &claim(&["https://x.example/roles.list"], None, Condition::Any(words(&["a"]))),
            &[
                (r#"{"https://x.example/roles.list":["a"]}"#, "permitted"),
                (r#"{"https://x":{"example/roles":{"list":["a"]}}}"#, "claim_missing"),
            ],
        );
    }

    #[test]
    fn a_parameter_is_equal_to_a_value_of_the_claim_or_the_caller_may_not() {
        let own = claim(&["tid"], None, Condition::EqualsParameter("tid".into()));
        for (payload, path, said) in [
            (r#"{"tid":"t1"}"#, "/tenants/t1", "permitted"),
            (r#"{"tid":["t2","t1"]}"#, "/tenants/t1/", "permitted"),
            (r#"{"tid":17}"#, "/tenants/17", "permitted"),
            (r#"{"tid":"t1"}"#, "/tenants/%741?tid=t2", "permitted"),
            (r#"{"tid":"t1"}"#, "/tenants/t2", "claim_not_allowed"),
            (r#"{"tid":"t1"}"#, "/tenants/t2?tid=t1", "claim_not_allowed"),
            (r#"{"tid":"t1"}"#, "/tenants/T1", "claim_not_allowed"),
            (r#"{"tid":"t1"}"#, "/tenants/t", "claim_not_allowed"),
            (r#"{"tid":"t1 t2"}"#, "/tenants/t1", "claim_not_allowed"),
            (r#"{"tid":"*"}"#, "/tenants/t1", "claim_not_allowed"),
            (r#"{"tid":"{tid}"}"#, "/tenants/t1", "claim_not_allowed"),
            (r#"{"tid":""}"#, "/tenants/t1", "claim_not_allowed"),
            (r#"{"tid":{"t1":1}}"#, "/tenants/t1", "claim_not_allowed"),
            (r#"{"tid":null}"#, "/tenants/null", "claim_missing"),
            ("{}", "/tenants/t1", "claim_missing"),
        ] {
            assert_eq!(at(&own, payload, path), said, "{payload} {path}");
        }
        let several = claim(&["tid"], Some(" "), Condition::EqualsParameter("tid".into()));
        assert_eq!(at(&several, r#"{"tid":"t1 t2"}"#, "/tenants/t2"), "permitted");
        assert_eq!(at(&several, r#"{"tid":"t1 t2"}"#, "/tenants/t3"), "claim_not_allowed");
    }

    #[test]
    fn a_parameter_that_is_still_encoded_is_equal_to_nothing() {
        let own = claim(&["tid"], None, Condition::EqualsParameter("tid".into()));
        for tid in ["a b", "a%20b", "a+b"] {
            let payload = format!(r#"{{"tid":"{tid}"}}"#);
            assert_eq!(at(&own, &payload, "/tenants/a%20b"), "claim_not_allowed", "{tid}");
        }
        assert_eq!(at(&own, r#"{"tid":"a+b"}"#, "/tenants/a%2bb"), "permitted");
    }

    #[test]
    fn a_parameter_that_the_path_does_not_have_is_equal_to_nothing() {
        let other = claim(&["tid"], None, Condition::EqualsParameter("other".into()));
        assert_eq!(at(&other, r#"{"tid":"t1"}"#, "/tenants/t1"), "claim_not_allowed");
    }
}
