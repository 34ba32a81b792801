//! Text that must never be printed.

use std::cell::OnceCell;
use std::fmt;
use std::hint::black_box;

use http::HeaderValue;
use http::header::InvalidHeaderValue;

use crate::jwt::sha256;

/// A token or a secret. `Debug` prints its length only, and there is no `Display`.
#[derive(Clone)]
pub struct SecretString {
    text: String,
    digest: OnceCell<[u8; 32]>,
    in_header: OnceCell<Box<InHeader>>,
}

/// How a secret was first written into a header.
#[derive(Clone)]
struct InHeader {
    prefix: Box<str>,
    value: HeaderValue,
}

impl SecretString {
    /// Takes hold of `text`.
    pub const fn new(text: String) -> Self {
        Self { text, digest: OnceCell::new(), in_header: OnceCell::new() }
    }

    /// The text itself. Each use of this is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The text, where it may be the value of a header (RFC 9110, section 5.5): visible ASCII, with spaces and tabs
    /// only within it.
    pub fn header_value(&self) -> Option<&str> {
        let is_visible = |byte: &u8| byte.is_ascii_graphic();
        let (first, last) = (self.text.as_bytes().first()?, self.text.as_bytes().last()?);
        let within = self.text.bytes().all(|byte| is_visible(&byte) || byte == b' ' || byte == b'\t');
        (within && is_visible(first) && is_visible(last)).then_some(&self.text)
    }
}

impl SecretString {
    /// The value of a header: `prefix`, and the text behind it. The first one that is made is kept, for what goes out
    /// with every request has the same prefix every time.
    ///
    /// # Errors
    /// It cannot stand in a header.
    pub fn behind(&self, prefix: &str) -> Result<HeaderValue, InvalidHeaderValue> {
        if let Some(known) = self.in_header.get().filter(|known| *known.prefix == *prefix) {
            return Ok(known.value.clone());
        }
        let mut value = HeaderValue::try_from([prefix, self.text.as_str()].concat())?;
        value.set_sensitive(true);
        self.in_header.get_or_init(|| Box::new(InHeader { prefix: prefix.into(), value: value.clone() }));
        Ok(value)
    }

    /// Whether both are the same text, in a time that does not depend on where they differ or on their lengths: their
    /// digests are compared, all of each.
    pub fn is_same(&self, other: &Self) -> bool {
        let pairs = self.digest().iter().zip(other.digest());
        black_box(pairs.fold(0, |different, (own, theirs)| different | (own ^ theirs))) == 0
    }

    fn digest(&self) -> &[u8; 32] {
        self.digest.get_or_init(|| sha256(self.text.as_bytes()))
    }
}

impl PartialEq for SecretString {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other)
    }
}

impl Eq for SecretString {}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretString({} bytes)", self.text.len())
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn debug_prints_the_length_only() {
        let secret = SecretString::new("canary".into());
        assert_eq!(format!("{secret:?}"), "SecretString(6 bytes)");
    }

    #[test]
    fn behind_each_prefix_stands_the_secret_itself() {
        let secret = SecretString::new("canary".into());
        for _ in 0..2 {
            for prefix in ["Bearer ", "", "Basic "] {
                let value = secret.behind(prefix).unwrap();
                assert_eq!(value.as_bytes(), format!("{prefix}canary").as_bytes());
                assert_eq!(format!("{value:?}"), "Sensitive");
            }
        }
        assert!(SecretString::new("a\nb".into()).behind("Bearer ").is_err());
    }

    #[test]
    fn only_the_same_text_is_the_same() {
        let secret = |text: &str| SecretString::new(text.to_owned());
        assert!(secret("canary").is_same(&secret("canary")));
        for other in ["", "canar", "canarz", "Canary", "canary "] {
            assert!(!secret("canary").is_same(&secret(other)), "{other}");
        }
    }

    #[test]
    fn only_what_can_stand_in_a_header_is_given_for_one() {
        for text in ["a", "Basic a b", "k=\tv", "a:b;c\"d"] {
            assert_eq!(SecretString::new(text.into()).header_value(), Some(text));
        }
        for text in ["", " a", "a ", "a\nb: c", "a\rb", "a\0", "\u{7f}", "ä", "\t"] {
            assert_eq!(SecretString::new(text.into()).header_value(), None, "{text:?}");
        }
    }
}
