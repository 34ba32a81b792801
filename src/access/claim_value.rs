//! Claims as the backend and Envoy read them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;

use super::claims::{find, scalar};
use crate::json::document::Value;
use crate::jwt::Claims;

/// The longest value that is written.
const MAX_BYTES: usize = 4 * 1024;

/// A claim, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimValue {
    /// The claim's name; behind it the names of the members within it that lead to the value.
    pub path: Vec<String>,
    /// How it is written.
    pub encoding: ClaimEncoding,
}

/// How a claim is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimEncoding {
    /// A scalar as text, a list of scalars joined by `,`.
    Text,
    /// JSON in base64url without padding.
    JsonBase64Url,
}

/// A claim that is there and cannot be written so that it is read in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the claim cannot be written without ambiguity")]
pub struct Ambiguous;

impl ClaimValue {
    /// The claim's value; none where the claim is missing or empty.
    ///
    /// # Errors
    /// [`Ambiguous`]
    pub fn of(&self, claims: &Claims) -> Result<Option<HeaderValue>, Ambiguous> {
        let Some(claim) = find(&self.path, claims) else { return Ok(None) };
        let text = match self.encoding {
            ClaimEncoding::Text => text(claim).ok_or(Ambiguous)?,
            ClaimEncoding::JsonBase64Url => {
                let json = serde_json::to_vec(&claim).map_err(|_| Ambiguous)?;
                Cow::Owned(URL_SAFE_NO_PAD.encode(json))
            }
        };
        match text.len() {
            0 => Ok(None),
            1..=MAX_BYTES => HeaderValue::from_str(&text).map(Some).map_err(|_| Ambiguous),
            _ => Err(Ambiguous),
        }
    }
}

fn text(claim: Value<'_>) -> Option<Cow<'_, str>> {
    let Value::Array(items) = claim else { return scalar(claim).filter(|text| is_plain(text)) };
    let items: Option<Vec<_>> =
        items.iter().map(|item| scalar(item).filter(|text| !text.is_empty() && is_plain(text))).collect();
    Some(Cow::Owned(items?.join(",")))
}

/// Whether all readers of a header take this for the same one value.
fn is_plain(text: &str) -> bool {
    text.trim() == text && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b',')
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::jwt::UnverifiedToken;
    use crate::jwt::testing::encode;

    fn value(encoding: ClaimEncoding, path: &[&str], claims: &str) -> Result<Option<String>, Ambiguous> {
        let token = format!("{}.{}.AA", encode(r#"{"alg":"RS256"}"#), encode(claims));
        let path = path.iter().map(ToString::to_string).collect();
        let value = ClaimValue { path, encoding }.of(UnverifiedToken::parse(&token).unwrap().claims())?;
        Ok(value.map(|value| String::from_utf8(value.as_bytes().to_vec()).unwrap()))
    }

    fn as_text(claim: &str) -> Result<Option<String>, Ambiguous> {
        value(ClaimEncoding::Text, &["c"], &format!(r#"{{"c":{claim}}}"#))
    }

    #[test]
    fn scalars_are_their_text_and_lists_are_joined() {
        for (claim, expected) in [
            (r#""Ada L.""#, "Ada L."),
            ("7", "7"),
            ("-1.5", "-1.5"),
            ("false", "false"),
            (r#"["a","b c",3,true]"#, "a,b c,3,true"),
            (r#"["a"]"#, "a"),
        ] {
            assert_eq!(as_text(claim), Ok(Some(expected.to_owned())), "{claim}");
        }
    }

    #[test]
    fn what_is_missing_or_empty_is_not_written() {
        for claim in ["null", r#""""#, "[]"] {
            assert_eq!(as_text(claim), Ok(None), "{claim}");
        }
        assert_eq!(value(ClaimEncoding::Text, &["c", "x"], r#"{"c":{"y":1}}"#), Ok(None));
        assert_eq!(value(ClaimEncoding::JsonBase64Url, &["x"], r#"{"c":1}"#), Ok(None));
        assert_eq!(value(ClaimEncoding::Text, &["c", "x"], r#"{"c":{"x":1}}"#), Ok(Some("1".into())));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_written() {
        for claim in [
            r#""reader,admin""#,
            r#"["reader","x,admin"]"#,
            r#"["a",""]"#,
            r#"["a",null]"#,
            r#"["a",["b"]]"#,
            r#"{"a":1}"#,
            r#"[{"a":1}]"#,
            r#"" a""#,
            r#""a ""#,
            r#""a\r\nx-role: admin""#,
            r#""a\tb""#,
            r#""a\u0000""#,
            r#""Zoë""#,
        ] {
            assert_eq!(as_text(claim), Err(Ambiguous), "{claim}");
        }
    }

    #[test]
    fn json_carries_every_claim() {
        let json = |claim: &str| value(ClaimEncoding::JsonBase64Url, &["c"], &format!(r#"{{"c":{claim}}}"#));
        for claim in [r#"{"a":[1,null,true,"x,y"]}"#, r#""Zoë\n""#, "[]", "1.5"] {
            let value = json(claim).unwrap().unwrap();
            let decoded = URL_SAFE_NO_PAD.decode(value).unwrap();
            assert_eq!(String::from_utf8(decoded).unwrap(), claim);
        }
    }

    #[test]
    fn a_value_is_bounded() {
        let long = |length: usize| as_text(&format!("{:?}", "x".repeat(length)));
        assert_eq!(long(MAX_BYTES).map(|value| value.is_some()), Ok(true));
        assert_eq!(long(MAX_BYTES + 1), Err(Ambiguous));
    }
}
