//! Tokens that were verified before: their claims are remembered, so that the signature is not checked again.
//!
//! The whole token is the key; a hash alone decides nothing. Time, audience and roles are looked at every time:
//! what is remembered is who signed what, not whether somebody may do something. Only verified tokens enter, so
//! nobody fills the cache with forged ones.

use std::rc::Rc;

use lru::LruCache;

use crate::fingerprint::Fingerprint;
use crate::jwt::VerifiedToken;
use crate::keys::{Decrypted, Generation};

/// Tokens that are remembered at the most.
pub const MAX_ENTRIES: usize = 16_384;

/// Memory that they may take together, in bytes, as estimated.
pub const MAX_BYTES: usize = 40 * 1024 * 1024;

/// The tokens that a VM remembers, the least recently used of which are forgotten first.
pub struct Verdicts {
    entries: LruCache<Box<str>, Verdict>,
    bytes: usize,
}

/// That a token was signed by an issuer, with a key of one generation of its key set.
#[derive(Clone)]
pub struct Verdict {
    /// What the issuer said.
    pub token: Rc<VerifiedToken>,
    /// The issuer.
    pub issuer: Fingerprint,
    /// Its keys at that time.
    pub generation: Generation,
    /// What was in it, where it was encrypted.
    pub decrypted: Option<Rc<Decrypted>>,
}

impl Default for Verdicts {
    fn default() -> Self {
        Self { entries: LruCache::unbounded(), bytes: 0 }
    }
}

impl Verdicts {
    /// What is remembered of a token.
    pub fn get(&mut self, token: &str) -> Option<&Verdict> {
        self.entries.get(token)
    }

    /// Remembers a token.
    pub fn insert(&mut self, token: &str, verdict: Verdict) {
        self.remove(token);
        self.bytes = self.bytes.saturating_add(cost(token));
        self.entries.push(token.into(), verdict);
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some((forgotten, _)) = self.entries.pop_lru() else { return };
            self.bytes = self.bytes.saturating_sub(cost(&forgotten));
        }
    }

    /// Forgets a token: it has expired, or the keys have changed.
    pub fn remove(&mut self, token: &str) {
        if self.entries.pop(token).is_some() {
            self.bytes = self.bytes.saturating_sub(cost(token));
        }
    }

    /// How many tokens are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The text, and its claims once more as a tree of small allocations.
const fn cost(token: &str) -> usize {
    token.len().saturating_mul(3).saturating_add(512)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::jwt::testing::TestKey;
    use crate::jwt::{Algorithm, Jwks, Software, UnverifiedToken, Verifier};

    fn verdict() -> Verdict {
        let key = TestKey::p256();
        let token = key.token(r#"{"alg":"ES256"}"#, "{}");
        let jwks = serde_json::json!({"keys": [key.jwk("k")]}).to_string();
        let key = Software.prepare(&Jwks::parse(jwks.as_bytes()).unwrap().keys[0].key).unwrap();
        let token = UnverifiedToken::parse(&token).unwrap().verify(Algorithm::Es256, &key, &Software);
        let issuer = Fingerprint::of(&["issuer"]);
        Verdict {
            token: Rc::new(token.ok().unwrap()),
            issuer,
            generation: Generation::default(),
            decrypted: None,
        }
    }

    #[test]
    fn the_cache_is_bounded_in_entries_and_bytes_and_forgets_the_oldest() {
        let (mut verdicts, verdict) = (Verdicts::default(), verdict());
        for size in [10, 10_000] {
            for index in 0..20_000 {
                verdicts.insert(&format!("{index}{}", "x".repeat(size)), verdict.clone());
                assert!(verdicts.len() <= MAX_ENTRIES && verdicts.bytes <= MAX_BYTES);
            }
            assert!(verdicts.get(&format!("0{}", "x".repeat(size))).is_none());
            assert!(verdicts.get(&format!("19999{}", "x".repeat(size))).is_some());
        }
        for index in 0..20_000 {
            verdicts.remove(&format!("{index}{}", "x".repeat(10)));
            verdicts.remove(&format!("{index}{}", "x".repeat(10_000)));
        }
        assert_eq!((verdicts.len(), verdicts.bytes), (0, 0));
    }
}
