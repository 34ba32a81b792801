//! Text that must never be printed.

use std::fmt;

/// A token or a secret. `Debug` prints its length only, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretString(String);

impl SecretString {
    /// Takes hold of `text`.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. Each use of this is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text, where it may be the value of a header (RFC 9110, section 5.5): visible ASCII, with spaces and tabs
    /// only within it.
    pub fn header_value(&self) -> Option<&str> {
        let is_visible = |byte: &u8| byte.is_ascii_graphic();
        let (first, last) = (self.0.as_bytes().first()?, self.0.as_bytes().last()?);
        let within = self.0.bytes().all(|byte| is_visible(&byte) || byte == b' ' || byte == b'\t');
        (within && is_visible(first) && is_visible(last)).then_some(&self.0)
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretString({} bytes)", self.0.len())
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
    fn only_what_can_stand_in_a_header_is_given_for_one() {
        for text in ["a", "Basic a b", "k=\tv", "a:b;c\"d"] {
            assert_eq!(SecretString::new(text.into()).header_value(), Some(text));
        }
        for text in ["", " a", "a ", "a\nb: c", "a\rb", "a\0", "\u{7f}", "ä", "\t"] {
            assert_eq!(SecretString::new(text.into()).header_value(), None, "{text:?}");
        }
    }
}
