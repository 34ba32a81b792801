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
}
