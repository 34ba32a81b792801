use std::time::Duration;

use super::dates;
use crate::calls::Unusable;
use crate::json::{Json, Members};
use crate::jwt::base64url;
use crate::secret::SecretString;
use crate::time::UnixTime;

/// The longest life of a token that is believed.
const MAX_LIFE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// The largest token that is taken; Entra's have one to two kilobytes.
const MAX_TOKEN_BYTES: usize = 32 * 1024;

/// A token as an endpoint gave it.
#[derive(Debug)]
pub struct Fetched {
    /// The token.
    pub token: SecretString,
    /// How long it lives from now on.
    pub life: Duration,
    /// When the endpoint wants it to be refreshed, if it says so.
    pub refresh_in: Option<Duration>,
}

/// Reads the answer of a token endpoint (RFC 6749, section 5.1) as Azure's endpoints write it: numbers as
/// numbers or strings, the end as `expires_in` or `expires_on` (managed identities), or only within the token.
///
/// # Errors
/// What is wrong with it. An answer without an end is refused: a token must not live for ever. One without
/// `token_type` is refused where `names_type`.
pub fn read_answer(body: &[u8], names_type: bool, now: UnixTime) -> Result<Fetched, Unusable> {
    let Ok(Json::Object(members)) = Json::parse(body) else {
        return Err(Unusable::NotTheJson);
    };
    let token = members.get("access_token").and_then(Json::as_str).filter(|token| is_token(token));
    let token = token.ok_or(Unusable::NoToken)?;
    let is_bearer = |kind: &Json| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    if !members.get("token_type").map_or(!names_type, is_bearer) {
        return Err(Unusable::TokenType);
    }
    let life = seconds(&members, "expires_in")
        .or_else(|| expires_on(&members, now))
        .or_else(|| end_of_jwt(token).map(|end| now.until(end)))
        .filter(|life| !life.is_zero())
        .ok_or(Unusable::NoExpiry)?
        .min(MAX_LIFE);
    let refresh_in =
        seconds(&members, "refresh_in").filter(|refresh_in| *refresh_in < life && !refresh_in.is_zero());
    Ok(Fetched { token: SecretString::new(token.to_owned()), life, refresh_in })
}

/// How long until `expires_on`: seconds since 1970, or a date, or, as some endpoints have written it, seconds from now.
fn expires_on(members: &Members, now: UnixTime) -> Option<Duration> {
    match seconds(members, "expires_on") {
        Some(relative) if relative <= MAX_LIFE => Some(relative),
        Some(end) => Some(now.until(UnixTime::from_seconds(end.as_secs()))),
        None => dates::parse(members.get("expires_on")?.as_str()?).map(|end| now.until(end)),
    }
}

/// The `exp` of a token that is a JWT. Nothing is proved about it; it can only make the token's life shorter.
fn end_of_jwt(token: &str) -> Option<UnixTime> {
    let payload = token.split('.').nth(1).and_then(base64url)?;
    let Ok(Json::Object(claims)) = Json::parse(&payload) else { return None };
    seconds(&claims, "exp").map(|end| UnixTime::from_seconds(end.as_secs()))
}

/// `b64token` of RFC 6750, section 2.1: what may stand behind `Bearer`.
pub(super) fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty()
        && text.len() <= MAX_TOKEN_BYTES
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

fn seconds(members: &Members, name: &str) -> Option<Duration> {
    let seconds = match members.get(name)? {
        Json::Number(number) => number.as_u64()?,
        Json::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_000_000);

    fn life(body: &str) -> Result<u64, Unusable> {
        read_answer(body.as_bytes(), false, NOW).map(|fetched| fetched.life.as_secs())
    }

    #[test]
    fn numbers_are_numbers_or_strings() {
        let imds = r#"{"access_token":"a.b.c","client_id":"x","expires_in":"86400","expires_on":"1086400",
            "ext_expires_in":"86399","not_before":"1000000","resource":"r","token_type":"Bearer","refresh_token":""}"#;
        assert_eq!(life(imds), Ok(86_400));
        assert_eq!(life(r#"{"access_token":"a","expires_in":3599}"#), Ok(3_599));
        assert_eq!(life(r#"{"access_token":"a","expires_on":"1000060"}"#), Ok(60));
        assert_eq!(life(r#"{"access_token":"a","expires_on":1000060}"#), Ok(60));
        assert_eq!(life(r#"{"access_token":"a","expires_in":"","expires_on":"1000060"}"#), Ok(60));
        assert_eq!(life(r#"{"access_token":"a","expires_on":"3599"}"#), Ok(3_599), "seconds from now");
    }

    #[test]
    fn an_answer_without_a_token_or_an_end_is_refused() {
        for (body, reason) in [
            ("", Unusable::NotTheJson),
            ("<html>200</html>", Unusable::NotTheJson),
            (r#"{"access_token":"a","expires_in":36"#, Unusable::NotTheJson),
            ("[]", Unusable::NotTheJson),
            (r#"{"access_token":"a","access_token":"b","expires_in":1}"#, Unusable::NotTheJson),
            (r#"{"expires_in":3600}"#, Unusable::NoToken),
            (r#"{"access_token":"","expires_in":3600}"#, Unusable::NoToken),
            (r#"{"access_token":null,"expires_in":3600}"#, Unusable::NoToken),
            (r#"{"access_token":"a\r\nx: y","expires_in":3600}"#, Unusable::NoToken),
            (r#"{"access_token":"a b","expires_in":3600}"#, Unusable::NoToken),
            (r#"{"access_token":"===","expires_in":3600}"#, Unusable::NoToken),
            (r#"{"access_token":"a"}"#, Unusable::NoExpiry),
            (r#"{"access_token":"a","expires_in":0}"#, Unusable::NoExpiry),
            (r#"{"access_token":"a","expires_in":-5}"#, Unusable::NoExpiry),
            (r#"{"access_token":"a","expires_on":"15609740s28"}"#, Unusable::NoExpiry),
            (r#"{"access_token":"a","expires_on":"999999"}"#, Unusable::NoExpiry),
            (r#"{"access_token":"a","expires_in":3600,"token_type":"pop"}"#, Unusable::TokenType),
        ] {
            assert_eq!(life(body), Err(reason), "{body}");
        }
    }

    #[test]
    fn the_end_may_be_a_date_or_stand_in_the_token_alone() {
        let on = |end: &str| life(&format!(r#"{{"access_token":"a","expires_on":"{end}"}}"#));
        assert_eq!(on("1970-01-12T13:47:40.0000000+00:00"), Ok(60));
        assert_eq!(on("1/12/1970 1:47:40 PM +00:00"), Ok(60));
        assert_eq!(on("01/12/1970 13:47:40 +00:00"), Ok(60));
        assert_eq!(on("1970-01-12 13:46:00"), Err(Unusable::NoExpiry), "in the past");
        // {"exp":1000060}
        let jwt = r#"{"access_token":"e30.eyJleHAiOjEwMDAwNjB9.c2ln"}"#;
        assert_eq!(life(jwt), Ok(60));
        assert_eq!(life(r#"{"access_token":"e30.e30.c2ln"}"#), Err(Unusable::NoExpiry));
    }

    #[test]
    fn the_token_type_is_bearer_in_any_case_and_an_oauth_endpoint_names_it() {
        let read = |kind: &str, names_type| {
            let body = format!(r#"{{"access_token":"a","expires_in":60{kind}}}"#);
            read_answer(body.as_bytes(), names_type, NOW).map(|_| ())
        };
        for kind in [r#","token_type":"Bearer""#, r#","token_type":"bearer""#, r#","token_type":"BEARER""#] {
            assert_eq!(read(kind, true), Ok(()));
        }
        for kind in [r#","token_type":"pop""#, r#","token_type":"""#, r#","token_type":1"#] {
            assert_eq!(
                (read(kind, true), read(kind, false)),
                (Err(Unusable::TokenType), Err(Unusable::TokenType))
            );
        }
        assert_eq!((read("", true), read("", false)), (Err(Unusable::TokenType), Ok(())));
    }

    #[test]
    fn refresh_in_counts_where_it_is_within_the_life() {
        let read = |body: &str| {
            read_answer(body.as_bytes(), false, NOW).unwrap().refresh_in.map(|wait| wait.as_secs())
        };
        assert_eq!(read(r#"{"access_token":"a","expires_in":3600,"refresh_in":"1800"}"#), Some(1_800));
        assert_eq!(read(r#"{"access_token":"a","expires_in":3600,"refresh_in":7200}"#), None);
        assert_eq!(read(r#"{"access_token":"a","expires_in":3600}"#), None);
    }
}
