//! What a backend says about the token that it refuses: `WWW-Authenticate` (RFC 9110, section 11.6.1; RFC 6750,
//! section 3).

use crate::json::Json;
use crate::jwt::base64url;

/// More of the header than this is not read.
const MAX_BYTES: usize = 8 * 1024;
/// The largest `claims` that is passed on.
const MAX_CLAIMS_BYTES: usize = 4 * 1024;

/// What a refusal of the backend asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Another token of the same kind may do: the refusal calls it invalid, or says nothing.
    AnotherToken,
    /// A token for which these claims, a JSON object, are asked for.
    Claims(String),
    /// No token will do.
    None,
}

impl Remedy {
    /// Reads the challenges of a response: the values of every `WWW-Authenticate` in it.
    pub fn read<'v>(values: impl Iterator<Item = &'v [u8]>) -> Self {
        let mut errors = Vec::new();
        let mut claims = None;
        for value in values {
            let value = value.get(..MAX_BYTES).unwrap_or(value);
            for (name, value) in Parameters(value) {
                match name.to_ascii_lowercase().as_slice() {
                    b"error" => errors.push(value),
                    b"claims" => claims = claims.or(Some(value)),
                    _ => {}
                }
            }
        }
        let is_named = |name: &[u8]| errors.iter().any(|error| error == name);
        if is_named(b"insufficient_scope") {
            return Self::None;
        }
        if is_named(b"insufficient_claims") {
            return claims.and_then(|claims| decoded(&claims)).map_or(Self::None, Self::Claims);
        }
        if is_named(b"invalid_token") || errors.is_empty() { Self::AnotherToken } else { Self::None }
    }
}

/// Entra writes the claims as base64 of a JSON object.
fn decoded(claims: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(claims).ok().filter(|text| text.len() <= MAX_CLAIMS_BYTES)?;
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let json = base64url(&text)?;
    matches!(Json::parse(&json), Ok(Json::Object(_))).then(|| String::from_utf8(json).ok()).flatten()
}

/// The parameters of all challenges of a header, `name=value`, in order. Schemes, token68 credentials and whatever
/// cannot be read are passed over.
struct Parameters<'v>(&'v [u8]);

impl Iterator for Parameters<'_> {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.0.iter().position(|byte| is_token(*byte) || *byte == b'"')?;
            self.skip(start);
            if self.0.first() == Some(&b'"') {
                // Text where no text belongs: what is in it must not be taken for a parameter.
                self.quoted();
                continue;
            }
            let name = self.take_while(is_token);
            self.take_while(is_space);
            if self.0.first() != Some(&b'=') {
                continue;
            }
            self.skip(1);
            self.take_while(is_space);
            let value = match self.0.first() {
                Some(b'"') => self.quoted(),
                _ => self.take_while(|byte| is_token(byte) || byte == b'=' || byte == b'/').to_vec(),
            };
            return Some((name.to_vec(), value));
        }
    }
}

impl<'v> Parameters<'v> {
    fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or_default();
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'v [u8] {
        let length = self.0.iter().position(|byte| !accept(*byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or_default();
        self.0 = rest;
        taken
    }

    /// A quoted string (RFC 9110, section 5.6.4), which begins here. One that does not end takes all that is left.
    fn quoted(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut is_escaped = false;
        self.skip(1);
        while let Some((byte, rest)) = self.0.split_first() {
            self.0 = rest;
            match byte {
                b'\\' if !is_escaped => is_escaped = true,
                b'"' if !is_escaped => break,
                byte => {
                    is_escaped = false;
                    text.push(*byte);
                }
            }
        }
        text
    }
}

/// `tchar` of RFC 9110, section 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn read(values: &[&str]) -> Remedy {
        Remedy::read(values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn an_invalid_token_or_no_error_asks_for_another_token() {
        for values in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer realm=\"x\""],
            &["Bearer error=\"invalid_token\""],
            &["Bearer error=invalid_token"],
            &[
                "bearer realm=\"a, b\", ERROR = \"invalid_token\", error_description=\"error=insufficient_scope\"",
            ],
            &["Basic realm=\"x\", Bearer error=\"invalid_token\""],
            &["Negotiate YII=, Bearer authorization_uri=\"https://login.example/?a=b\""],
            &["Basic realm=\"x\"", "Bearer error=\"invalid\\_token\""],
        ] {
            assert_eq!(read(values), Remedy::AnotherToken, "{values:?}");
        }
    }

    #[test]
    fn any_other_error_asks_for_nothing() {
        for values in [
            &["Bearer error=\"insufficient_scope\""][..],
            &["Bearer realm=\"\\\"\", error=\"insufficient_scope\", scope=\"a b\""],
            &["Bearer error=\"invalid_token\"", "Bearer error=\"insufficient_scope\""],
            &["Bearer error=\"invalid_request\""],
            &["Bearer error=\"insufficient_claims\""],
            &["Bearer error=\"insufficient_claims\", claims=\"!\""],
            &["Bearer error=\"insufficient_claims\", claims=\"W10\""],
            &["Bearer error=\"Invalid_Token"],
            &["Bearer error="],
        ] {
            assert_eq!(read(values), Remedy::None, "{values:?}");
        }
    }

    #[test]
    fn claims_are_passed_on_as_json() {
        let json = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
        let encoded =
            "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNjA0MTA2NjUxIn19fQ";
        for padding in ["", "=="] {
            let value =
                format!("Bearer realm=\"\", error=\"insufficient_claims\", claims=\"{encoded}{padding}\"");
            assert_eq!(read(&[&value]), Remedy::Claims(json.into()));
        }
        let large = format!("Bearer error=\"insufficient_claims\", claims=\"{}\"", encoded.repeat(60));
        assert_eq!(read(&[&large]), Remedy::None);
    }

    #[test]
    fn what_is_not_a_challenge_at_all_is_read_without_harm() {
        let mut noise = b"Bearer error=\"invalid_token\"".to_vec();
        for length in 0..noise.len() {
            let _ = Remedy::read(std::iter::once(&noise[..length]));
        }
        for byte in 0..=255 {
            noise.push(byte);
            let _ = Remedy::read([&noise[..], &noise[noise.len() / 2..]].into_iter());
        }
        let endless = vec![b'"'; 1_000_000];
        assert_eq!(Remedy::read(std::iter::once(&endless[..])), Remedy::AnotherToken);
    }
}
