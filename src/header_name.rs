//! Names of headers.

use std::rc::Rc;

/// The name of a header (RFC 9110, section 5.1), in lower case. The type of the crate `http` knows every standard name,
/// which is 17 kB of the module.
#[derive(Clone, Debug)]
pub struct HeaderName(Name);

#[derive(Clone, Debug)]
enum Name {
    Known(&'static str),
    Other(Rc<str>),
}

impl HeaderName {
    /// `Authorization`
    pub const AUTHORIZATION: Self = Self(Name::Known("authorization"));
    /// `Cookie`
    pub const COOKIE: Self = Self(Name::Known("cookie"));
    /// `Proxy-Authorization`
    pub const PROXY_AUTHORIZATION: Self = Self(Name::Known("proxy-authorization"));
    /// `Sec-WebSocket-Protocol`
    pub const SEC_WEBSOCKET_PROTOCOL: Self = Self(Name::Known("sec-websocket-protocol"));

    /// Reads a name, in any case of letters. No pseudo header is one.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| is_token(text))?;
        Some(Self(Name::Other(text.to_ascii_lowercase().into())))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(name) => name,
            Name::Other(name) => name,
        }
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for HeaderName {}

/// `token` of RFC 9110, section 5.6.2.
pub fn is_token(text: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(may_stand)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_name_is_a_token_in_lower_case() {
        assert_eq!(HeaderName::parse(b"AuthoriZation"), Some(HeaderName::AUTHORIZATION));
        assert_eq!(HeaderName::parse(b"X_a|~9").map(|name| name.as_str().to_owned()), Some("x_a|~9".into()));
        for text in [&b""[..], b":path", b"a b", b"a\n", b"a:", b"\xc3\xa9", b"\xff", b"a,b", b"a\0"] {
            assert_eq!(HeaderName::parse(text), None, "{text:?}");
        }
    }
}
