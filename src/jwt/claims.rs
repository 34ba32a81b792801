use std::time::Duration;

use super::Rejection;
use crate::json::document::{Document, Members, Value};
use crate::time::UnixTime;

/// The claims of a token (RFC 7519, section 4). There is no `Debug` for them: they are about people.
pub struct Claims {
    expiration: Option<f64>,
    not_before: Option<f64>,
    /// An object, in which `iss` is a string and `aud` one or several.
    document: Document,
}

/// How a token's time is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRules {
    /// How far the issuer's clock may be from ours.
    pub clock_skew: Duration,
    /// Whether `exp` must be there.
    pub require_expiration: bool,
    /// How long a token may live at the most, from `iat` to `exp`, both of which must then be there.
    pub max_lifetime: Option<Duration>,
}

impl Claims {
    /// Reads a payload: a JSON object, no member of which occurs twice.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Rejection> {
        let document = Document::parse(payload).map_err(|_| Rejection::Malformed)?;
        let members = document.as_object().ok_or(Rejection::Malformed)?;
        let issuer_is_text = members.get("iss").is_none_or(|issuer| issuer.as_str().is_some());
        let audience_is_text = match members.get("aud") {
            None | Some(Value::String(_)) => true,
            Some(Value::Array(items)) => items.iter().all(|item| item.as_str().is_some()),
            Some(_) => false,
        };
        if !issuer_is_text || !audience_is_text {
            return Err(Rejection::ClaimType);
        }
        let (expiration, not_before) = (numeric_date(members, "exp")?, numeric_date(members, "nbf")?);
        Ok(Self { expiration, not_before, document })
    }

    /// `iss`, where it is there.
    pub fn issuer(&self) -> Option<&str> {
        self.get("iss").and_then(Value::as_str)
    }

    /// `aud`: none, one or several, compared as they are (RFC 7519, section 4.1.3).
    pub fn audiences(&self) -> Vec<&str> {
        match self.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).collect(),
            one => one.and_then(Value::as_str).into_iter().collect(),
        }
    }

    /// One claim.
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.document.as_object()?.get(name)
    }

    /// The memory that they take, in bytes.
    pub const fn size(&self) -> usize {
        self.document.size()
    }

    /// Checks `exp` and `nbf` (RFC 7519, sections 4.1.4 and 4.1.5): at `exp` a token has expired, at `nbf`
    /// it is valid.
    ///
    /// # Errors
    /// [`Rejection::ExpirationMissing`], [`Rejection::Expired`], [`Rejection::NotYetValid`]; where a longest life is
    /// asked for, [`Rejection::IssuedAtMissing`], [`Rejection::LifetimeNotAllowed`], [`Rejection::ClaimType`]
    pub fn check_time(&self, rules: &TimeRules, now: UnixTime) -> Result<(), Rejection> {
        let skew = rules.clock_skew.as_secs_f64();
        // Exact: a clock is far below 2^53 seconds.
        let now = now.seconds() as f64;
        match self.expiration {
            None if rules.require_expiration => return Err(Rejection::ExpirationMissing),
            Some(expiration) if now - skew >= expiration => return Err(Rejection::Expired),
            _ => {}
        }
        if self.not_before.is_some_and(|not_before| now + skew < not_before) {
            return Err(Rejection::NotYetValid);
        }
        rules.max_lifetime.map_or(Ok(()), |longest| self.check_lifetime(longest, now + skew))
    }

    /// A life that is said to begin after `latest` begins there: the token is here already.
    fn check_lifetime(&self, longest: Duration, latest: f64) -> Result<(), Rejection> {
        let expiration = self.expiration.ok_or(Rejection::ExpirationMissing)?;
        let issued_at = numeric_date(self.document.as_object().ok_or(Rejection::Malformed)?, "iat")?
            .ok_or(Rejection::IssuedAtMissing)?;
        match expiration - issued_at.min(latest) <= longest.as_secs_f64() {
            true => Ok(()),
            false => Err(Rejection::LifetimeNotAllowed),
        }
    }
}

/// A `NumericDate` may have a fraction, but not a sign (RFC 7519, section 2).
fn numeric_date(members: Members<'_>, name: &str) -> Result<Option<f64>, Rejection> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            number.as_f64().filter(|date| *date >= 0.0).map(Some).ok_or(Rejection::ClaimType)
        }
        Some(_) => Err(Rejection::ClaimType),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn at(claims: &str, skew: u64, now: u64) -> Result<(), Rejection> {
        let clock_skew = Duration::from_secs(skew);
        let rules = TimeRules { clock_skew, require_expiration: true, max_lifetime: None };
        Claims::parse(claims.as_bytes())?.check_time(&rules, UnixTime::from_seconds(now))
    }

    #[test]
    fn a_token_ends_at_exp_and_begins_at_nbf() {
        assert_eq!(at(r#"{"exp":100}"#, 0, 99), Ok(()));
        assert_eq!(at(r#"{"exp":100}"#, 0, 100), Err(Rejection::Expired));
        assert_eq!(at(r#"{"exp":100,"nbf":50}"#, 0, 50), Ok(()));
        assert_eq!(at(r#"{"exp":100,"nbf":50}"#, 0, 49), Err(Rejection::NotYetValid));
        assert_eq!(at(r#"{"exp":100.5,"nbf":49.5}"#, 0, 100), Ok(()));
    }

    #[test]
    fn clock_skew_widens_both_ends() {
        assert_eq!(at(r#"{"exp":100}"#, 5, 104), Ok(()));
        assert_eq!(at(r#"{"exp":100}"#, 5, 105), Err(Rejection::Expired));
        assert_eq!(at(r#"{"exp":100,"nbf":50}"#, 5, 45), Ok(()));
        assert_eq!(at(r#"{"exp":100,"nbf":50}"#, 5, 44), Err(Rejection::NotYetValid));
    }

    #[test]
    fn exp_is_required_unless_said_otherwise() {
        assert_eq!(at("{}", 0, 0), Err(Rejection::ExpirationMissing));
        let rules = TimeRules { clock_skew: Duration::ZERO, require_expiration: false, max_lifetime: None };
        assert_eq!(Claims::parse(b"{}").unwrap().check_time(&rules, UnixTime::from_seconds(9)), Ok(()));
    }

    #[test]
    fn a_token_lives_no_longer_than_is_allowed() {
        let max_lifetime = Some(Duration::from_secs(60));
        let rules = TimeRules { clock_skew: Duration::from_secs(5), require_expiration: false, max_lifetime };
        for (claims, said) in [
            (r#"{"exp":100,"iat":40}"#, Ok(())),
            (r#"{"exp":100,"iat":39.9}"#, Err(Rejection::LifetimeNotAllowed)),
            (r#"{"exp":1e300,"iat":40}"#, Err(Rejection::LifetimeNotAllowed)),
            (r#"{"exp":125,"iat":70}"#, Ok(())),
            (r#"{"exp":126,"iat":70}"#, Err(Rejection::LifetimeNotAllowed)),
            (r#"{"exp":500,"iat":900}"#, Err(Rejection::LifetimeNotAllowed)),
            (r#"{"exp":100}"#, Err(Rejection::IssuedAtMissing)),
            (r#"{"exp":100,"iat":"40"}"#, Err(Rejection::ClaimType)),
            (r#"{"iat":40}"#, Err(Rejection::ExpirationMissing)),
            (r#"{"exp":50,"iat":40}"#, Err(Rejection::Expired)),
        ] {
            let claims_of = Claims::parse(claims.as_bytes()).unwrap();
            assert_eq!(claims_of.check_time(&rules, UnixTime::from_seconds(60)), said, "{claims}");
        }
    }

    #[test]
    fn registered_claims_of_a_wrong_type_are_refused() {
        for claims in [
            r#"{"exp":"100"}"#,
            r#"{"exp":null}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":true}"#,
            r#"{"nbf":[1]}"#,
            r#"{"iss":["a"]}"#,
            r#"{"iss":null}"#,
            r#"{"aud":1}"#,
            r#"{"aud":["a",1]}"#,
            r#"{"aud":[["a"]]}"#,
            r#"{"aud":null}"#,
        ] {
            assert_eq!(Claims::parse(claims.as_bytes()).map(|_| ()), Err(Rejection::ClaimType), "{claims}");
        }
    }

    #[test]
    fn a_payload_is_an_object_without_repeated_members() {
        for payload in
            ["", "null", "1", "[]", "\"x\"", r#"{"exp":1e400}"#, r#"{"roles":["r"],"roles":["Admin"]}"#]
        {
            assert_eq!(Claims::parse(payload.as_bytes()).map(|_| ()), Err(Rejection::Malformed), "{payload}");
        }
    }
}
