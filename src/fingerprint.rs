//! What a definition is known by, wherever it stands and whatever it is called.

use std::fmt;

use crate::jwt::sha256;

/// SHA-256 over the parts of a definition. Equal definitions share what is kept under their fingerprint
/// (keys, tokens); different ones never see each other's, even under the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of `parts`, in order. Each part's length goes in before it, so that no two lists of
    /// parts run together into the same bytes.
    pub fn of(parts: &[&str]) -> Self {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(sha256(&bytes))
    }

    /// The fingerprint of this one and further parts.
    #[must_use]
    pub fn with(self, parts: &[&str]) -> Self {
        let own = self.to_string();
        let mut all = vec![own.as_str()];
        all.extend_from_slice(parts);
        Self::of(&all)
    }

    /// The fingerprint of this one and `bytes`.
    #[must_use]
    pub fn with_bytes(self, bytes: &[u8]) -> Self {
        Self(sha256(&[&self.0, bytes].concat()))
    }

    /// Its first 64 bits.
    pub fn short(self) -> u64 {
        self.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(Fingerprint::of(&["ab", "c"]), Fingerprint::of(&["a", "bc"]));
        assert_ne!(Fingerprint::of(&["a"]), Fingerprint::of(&["a", ""]));
        assert_eq!(Fingerprint::of(&["a", "b"]), Fingerprint::of(&["a", "b"]));
    }
}
