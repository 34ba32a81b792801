use std::collections::BTreeSet;
use std::rc::Rc;

use http::HeaderValue;

use crate::access::ClaimValue;
use crate::collect::one_by_one;
use crate::header_name::HeaderName;

/// What the backend and Envoy learn of a caller's claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disclosure {
    /// Claims in headers.
    pub headers: Vec<(ClaimValue, HeaderName)>,
    /// Claims in Envoy's filter state, by key.
    pub filter_state: Vec<(ClaimValue, Rc<str>)>,
}

/// Headers that an operation writes or takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Headers that are put in place of whatever is there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Headers that are taken away.
    pub remove: Vec<HeaderName>,
}

/// Headers that only the gateway may write: no request brings them in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayHeaders(BTreeSet<String>);

impl GatewayHeaders {
    /// These headers.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n HeaderName>) -> Self {
        Self(one_by_one(names.into_iter().map(|name| name.as_str().to_owned())))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a backend may take a header of this name, in lower case, for one of these. Many read `_` as `-`.
    pub fn covers(&self, name: &[u8]) -> bool {
        let dash = |byte: u8| if byte == b'_' { b'-' } else { byte };
        self.0.iter().any(|known| {
            known.len() == name.len()
                && known.bytes().zip(name).all(|(known, byte)| dash(known) == dash(*byte))
        })
    }
}
