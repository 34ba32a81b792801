//! What a definition is known by, wherever it stands and whatever it is called.

use std::fmt;

use crate::jwt::sha256;

/// SHA-256 over the parts of a definition. Equal definitions share what is kept under their fingerprint
/// (keys, tokens); different ones never see each other's, even under the same name. Kept in words, because it is compared
/// several times for each request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u64; 4]);

impl Fingerprint {
    /// The fingerprint of `parts`, in order. Each part's length goes in before it, so that no two lists of
    /// parts run together into the same bytes.
    pub fn of(parts: &[&str]) -> Self {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self::of_bytes(&bytes)
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        let hash = sha256(bytes);
        let (words, _) = hash.as_chunks::<8>();
        let mut own = [0; 4];
        for (own, word) in own.iter_mut().zip(words) {
            *own = u64::from_be_bytes(*word);
        }
        Self(own)
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
        let [a, b, c, d] = self.0.map(u64::to_be_bytes);
        Self::of_bytes(&[&a, &b, &c, &d, bytes].concat())
    }

    /// Its first 64 bits.
    pub fn short(self) -> u64 {
        let [first, ..] = self.0;
        first.swap_bytes()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:016x}"))
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
    fn it_is_written_as_the_hash_is() {
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Fingerprint::of(&[]).to_string(), nothing, "SHA-256 of nothing");
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(Fingerprint::of(&["ab", "c"]), Fingerprint::of(&["a", "bc"]));
        assert_ne!(Fingerprint::of(&["a"]), Fingerprint::of(&["a", ""]));
        assert_eq!(Fingerprint::of(&["a", "b"]), Fingerprint::of(&["a", "b"]));
    }
}
