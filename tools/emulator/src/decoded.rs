//! A token taken apart without a check, in the shape of API Management's `Jwt` object.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value, json};

use crate::clock::iso_8601;

/// The header and the claims of a compact JWS; the signature is not looked at.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded {
    /// The header parameters.
    pub(crate) header: Map<String, Value>,
    /// The claims.
    pub(crate) claims: Map<String, Value>,
}

impl Decoded {
    /// Takes the token from the value of `Authorization`, with or without `Bearer` before it, as
    /// API Management's `AsJwt` does. None if it is no JWT.
    pub(crate) fn from_authorization(value: &str) -> Option<Self> {
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => value,
        };
        let mut parts = token.split('.');
        let (header, claims) = (parts.next()?, parts.next()?);
        parts.next()?;
        Some(Self { header: object(header)?, claims: object(claims)? })
    }

    /// The members of API Management's `Jwt` object: Id, Algorithm, Issuer, Subject, Type,
    /// Audiences, Claims (each a list of strings), ExpirationTime, NotBefore, IssuedAt (ISO 8601).
    pub(crate) fn as_jwt_object(&self) -> Map<String, Value> {
        let claim = |name: &str| self.claims.get(name).cloned();
        let date = |name: &str| claim(name)?.as_i64().and_then(iso_8601);
        let claims: Map<_, _> =
            self.claims.iter().map(|(name, value)| (name.clone(), strings(value).into())).collect();
        let members = json!({
            "Id": claim("jti"),
            "Algorithm": self.header.get("alg"),
            "Issuer": claim("iss"),
            "Subject": claim("sub"),
            "Type": self.header.get("typ"),
            "Audiences": self.claims.get("aud").map(strings).unwrap_or_default(),
            "Claims": claims,
            "ExpirationTime": date("exp"),
            "NotBefore": date("nbf"),
            "IssuedAt": date("iat"),
        });
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let part = part.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(part).or_else(|_| STANDARD_NO_PAD.decode(part)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    #[test]
    fn a_token_is_shown_as_a_jwt_object() {
        let token = token(
            &json!({"alg": "RS256", "typ": "JWT"}),
            &json!({
                "jti": "id", "iss": "i", "sub": "s", "aud": ["a", "b"], "iat": 1_700_000_000,
                "roles": ["r"], "n": 5, "yes": true, "nothing": null, "deep": {"x": 1},
            }),
        );
        let shown = Decoded::from_authorization(&format!("bearer {token}")).unwrap().as_jwt_object();
        assert_eq!(
            Value::Object(shown),
            json!({
                "Id": "id", "Algorithm": "RS256", "Issuer": "i", "Subject": "s", "Type": "JWT",
                "Audiences": ["a", "b"],
                "Claims": {
                    "jti": ["id"], "iss": ["i"], "sub": ["s"], "aud": ["a", "b"],
                    "iat": ["1700000000"], "roles": ["r"], "n": ["5"], "yes": ["true"],
                    "nothing": [], "deep": ["{\"x\":1}"],
                },
                "ExpirationTime": null, "NotBefore": null, "IssuedAt": "2023-11-14T22:13:20Z",
            })
        );
    }

    #[test]
    fn the_scheme_may_be_missing_and_what_is_no_token_is_none() {
        let token = token(&json!({}), &json!({"sub": "s"}));
        assert!(Decoded::from_authorization(&token).is_some());
        for value in ["", "Bearer", "Bearer ", "Basic YTpi", "a.b", "a.b.c", "eyJ9.eyJ9.x"] {
            assert_eq!(Decoded::from_authorization(value), None, "{value}");
        }
    }
}
