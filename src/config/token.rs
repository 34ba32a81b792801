use super::Disclosure;
use crate::header_name::HeaderName;

/// Where a caller's token stands. No other place is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// A header.
    Header {
        /// Its name.
        name: HeaderName,
        /// What stands before the token.
        scheme: Scheme,
    },
    /// The query parameter of this name.
    Query(String),
    /// The cookie of this name.
    Cookie(String),
    /// The WebSocket subprotocol that begins so; the rest of it is the token in base64url.
    WebSocketProtocol(String),
}

impl TokenPlace {
    /// Whether this is the header of this name, in lower case.
    pub fn is_header(&self, name: &[u8]) -> bool {
        matches!(self, Self::Header { name: own, .. } if own.as_str().as_bytes() == name)
    }
}

/// What stands before a token in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Bearer`.
    Bearer,
    /// `Bearer`, or nothing.
    Optional,
    /// Nothing.
    None,
}

/// How a caller's token is handled, apart from how it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHandling {
    /// Where it stands.
    pub place: TokenPlace,
    /// What becomes of it.
    pub inbound: InboundToken,
    /// Which of its claims go on.
    pub disclosure: Disclosure,
}

/// What becomes of a caller's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboundToken {
    /// It goes on to the backend as it came.
    Forward,
    /// It is taken away.
    Remove,
    /// It goes into this header.
    MoveTo(HeaderName),
}
