//! What a token endpoint is sent: the form, and how the client shows who it is.

use std::collections::HashMap;

use axum::http::{
    HeaderMap,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// The type of a client assertion that is a JWT (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A request to a token endpoint (RFC 6749 section 4.4.2).
#[derive(Debug)]
pub(crate) struct TokenRequest {
    form: HashMap<String, String>,
    basic: Option<(String, String)>,
}

/// How the client shows who it is.
#[derive(Debug, PartialEq)]
pub(crate) enum Proof<'a> {
    /// A secret, in the body or in `Authorization`.
    Secret(&'a str),
    /// A JWT (RFC 7523).
    Assertion(&'a str),
}

/// Why it does not.
#[derive(Debug, PartialEq)]
pub(crate) enum NoProof {
    /// There is neither a secret nor an assertion.
    Missing,
    /// There is more than one of them (RFC 6749 section 2.3).
    Several,
    /// The type of the assertion is not the one for JWTs.
    AssertionType,
}

impl TokenRequest {
    /// Reads the form and `Authorization`. A body of another type is an empty form. The name of
    /// a parameter that comes twice is an error (RFC 6749 section 3.2).
    pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, String> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_form = text(CONTENT_TYPE).starts_with("application/x-www-form-urlencoded");
        let mut form = HashMap::new();
        for (name, value) in form_urlencoded::parse(if is_form { body } else { b"" }) {
            if form.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(name.into_owned());
            }
        }
        Ok(Self { form, basic: basic(text(AUTHORIZATION)) })
    }

    /// A parameter of the form; an empty one counts as missing (RFC 6749 section 3.2).
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The client's id, from `Authorization` or from the form.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.basic.as_ref().map(|(id, _)| id.as_str()).or_else(|| self.field("client_id"))
    }

    /// Whether the client has used `Authorization`.
    pub(crate) fn is_basic(&self) -> bool {
        self.basic.is_some()
    }

    /// How the client shows who it is.
    pub(crate) fn proof(&self) -> Result<Proof<'_>, NoProof> {
        let basic = self.basic.as_ref().map(|(_, secret)| Proof::Secret(secret));
        let secret = self.field("client_secret").map(Proof::Secret);
        let assertion = self.field("client_assertion").map(Proof::Assertion);
        let mut proofs = [basic, secret, assertion].into_iter().flatten();
        match (proofs.next(), proofs.next()) {
            (None, _) => Err(NoProof::Missing),
            (_, Some(_)) => Err(NoProof::Several),
            (Some(Proof::Assertion(_)), None) if self.field("client_assertion_type") != Some(JWT_BEARER) => {
                Err(NoProof::AssertionType)
            }
            (Some(proof), None) => Ok(proof),
        }
    }
}

/// The id and the secret of HTTP Basic, both form-encoded before (RFC 6749 section 2.3.1).
fn basic(authorization: &str) -> Option<(String, String)> {
    let (scheme, value) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    let pair = format!("={text}");
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(authorization: Option<&str>, body: &str) -> Result<TokenRequest, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/x-www-form-urlencoded;charset=utf-8".parse().unwrap());
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        TokenRequest::parse(&headers, body.as_bytes())
    }

    #[test]
    fn secrets_are_decoded_in_both_places() {
        let body = request(None, "client_id=me&client_secret=a%2Bb+%25").unwrap();
        assert_eq!((body.client_id(), body.proof()), (Some("me"), Ok(Proof::Secret("a+b %"))));
        let value = format!("Basic {}", STANDARD.encode("m%3Ae:a%2Bb+%25"));
        let basic = request(Some(&value), "").unwrap();
        assert_eq!((basic.client_id(), basic.proof()), (Some("m:e"), Ok(Proof::Secret("a+b %"))));
    }

    #[test]
    fn one_proof_is_wanted_and_of_the_right_type() {
        let of = |body: &str| request(None, body).unwrap().proof().map(|_| ()).unwrap_err();
        assert_eq!(of("client_id=me"), NoProof::Missing);
        assert_eq!(of("client_secret=a&client_assertion=b"), NoProof::Several);
        assert_eq!(of("client_assertion=b&client_assertion_type=saml"), NoProof::AssertionType);
        let value = format!("basic {}", STANDARD.encode("me:a"));
        assert_eq!(request(Some(&value), "client_secret=a").unwrap().proof(), Err(NoProof::Several));
    }

    #[test]
    fn what_comes_twice_is_named_and_what_is_no_form_is_empty() {
        assert_eq!(request(None, "scope=a&scope=b").unwrap_err(), "scope");
        let other = TokenRequest::parse(&HeaderMap::new(), b"scope=a").unwrap();
        assert_eq!(other.field("scope"), None);
    }
}
