use http::StatusCode;

use crate::header_name::HeaderName;

/// A header that a request must have: API Management's `check-header`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its name as the operator writes it, for messages.
    pub written: String,
    /// The values, one of which it must have; none of them where it must merely be there and not be empty.
    pub values: Vec<String>,
    /// Whether letters' case makes no difference in the value.
    pub ignore_case: bool,
    /// The status of a refusal, where it is another than a bad token's.
    pub status: Option<StatusCode>,
    /// The message of a refusal, where it is not API Management's.
    pub message: Option<String>,
}

/// Why a request's header is not as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderDenied {
    /// It is not there, or empty.
    #[error("a header that this operation asks for is not there")]
    Missing,
    /// It has another value.
    #[error("a header has not the value that this operation asks for")]
    NotAllowed,
    /// It is there more than once: two programs may read two values.
    #[error("a header that this operation asks for occurs more than once")]
    Multiple,
}

impl HeaderDenied {
    /// The stable code, as counters, logs and docs have it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "header_missing",
            Self::NotAllowed => "header_not_allowed",
            Self::Multiple => "header_multiple",
        }
    }
}

impl RequiredHeader {
    /// Whether these are the values of the header that a request must have.
    ///
    /// # Errors
    /// Why they are not.
    pub fn check<'h>(&self, mut values: impl Iterator<Item = &'h [u8]>) -> Result<(), HeaderDenied> {
        let value = values.next().filter(|value| !value.is_empty()).ok_or(HeaderDenied::Missing)?;
        if values.next().is_some() {
            return Err(HeaderDenied::Multiple);
        }
        let is_it = |own: &String| match self.ignore_case {
            true => own.as_bytes().eq_ignore_ascii_case(value),
            false => own.as_bytes() == value,
        };
        match self.values.is_empty() || self.values.iter().any(is_it) {
            true => Ok(()),
            false => Err(HeaderDenied::NotAllowed),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_header_is_there_once_with_one_of_the_values() {
        let header = |values: &[&str], ignore_case| RequiredHeader {
            name: HeaderName::parse(b"x-client").unwrap(),
            written: "X-Client".into(),
            values: values.iter().map(ToString::to_string).collect(),
            ignore_case,
            status: None,
            message: None,
        };
        for (required, sent, said) in [
            (header(&[], false), &[&b"anything\xff"[..]][..], Ok(())),
            (header(&[], false), &[], Err(HeaderDenied::Missing)),
            (header(&[], false), &[b""], Err(HeaderDenied::Missing)),
            (header(&[], false), &[b"a", b"a"], Err(HeaderDenied::Multiple)),
            (header(&["a", "b"], false), &[b"b"], Ok(())),
            (header(&["a", "b"], false), &[b"B"], Err(HeaderDenied::NotAllowed)),
            (header(&["a", "b"], true), &[b"B"], Ok(())),
            (header(&["a", "b"], true), &[b"b "], Err(HeaderDenied::NotAllowed)),
            (header(&["a", "b"], true), &[b"a", b"b"], Err(HeaderDenied::Multiple)),
        ] {
            assert_eq!(required.check(sent.iter().copied()), said, "{required:?} {sent:?}");
        }
    }
}
