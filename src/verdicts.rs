//! Tokens that were verified before: their claims are remembered, so that the signature is not checked again.
//!
//! The whole token is the key; a hash alone decides nothing. Only verified tokens enter, so nobody fills the cache with
//! forged ones. Beside who signed what it is remembered that the caller was permitted to use one method of one
//! operation; the token's time is looked at every time, and whether the keys are the same still.

use std::cell::RefCell;
use std::hash::BuildHasher;
use std::rc::{Rc, Weak};

use http::Method;
use lru::{DefaultHasher, LruCache};

use crate::access::Permit;
use crate::config::Validate;
use crate::fingerprint::Fingerprint;
use crate::jwt::VerifiedToken;
use crate::keys::{Decrypted, Generation};

/// Tokens that are remembered at the most.
pub const MAX_ENTRIES: usize = 16_384;

/// Memory that they may take together, in bytes, of 64 MiB that a VM may take in all: some fifteen thousand tokens of
/// Entra's.
pub const MAX_BYTES: usize = 48 * 1024 * 1024;

/// The tokens that a VM remembers, the least recently used of which are forgotten first. There is one for each hash: of
/// two with the same one the later is remembered.
pub struct Verdicts {
    entries: LruCache<u64, Entry>,
    hasher: DefaultHasher,
    bytes: usize,
}

struct Entry {
    token: Box<[u8]>,
    verdict: Rc<Verdict>,
}

/// That a token was signed by an issuer, with a key of one generation of its key set.
pub struct Verdict {
    /// What the issuer said.
    pub token: Rc<VerifiedToken>,
    /// The issuer.
    pub issuer: Fingerprint,
    /// Its keys at that time.
    pub generation: Generation,
    /// What was in it, where it was encrypted.
    pub decrypted: Option<Rc<Decrypted>>,
    permitted: RefCell<Option<Permitted>>,
}

/// What the caller was last permitted to do.
struct Permitted {
    permit: Permit,
    /// By these rules, and no others that come to stand in their place in memory: a weak reference holds it.
    by: Weak<Validate>,
    method: Method,
}

impl Entry {
    /// The memory that it takes, in bytes.
    fn size(&self) -> usize {
        /// For what is of the same size in each: its places in the lists, and the allocator's notes.
        const FIXED: usize = 384;
        let decrypted = self.verdict.decrypted.as_ref().map_or(0, |decrypted| decrypted.text.expose().len());
        let sizes = [self.token.len(), self.verdict.token.claims().size(), decrypted];
        sizes.into_iter().fold(FIXED, usize::saturating_add)
    }
}

impl Verdict {
    /// A token that was signed, and by whom.
    pub const fn new(
        token: Rc<VerifiedToken>,
        issuer: Fingerprint,
        generation: Generation,
        decrypted: Option<Rc<Decrypted>>,
    ) -> Self {
        Self { token, issuer, generation, decrypted, permitted: RefCell::new(None) }
    }

    /// Whether these rules have permitted this method before. They look at nothing else but the token's time, where the
    /// path has no parameters.
    pub fn permit(&self, rules: &Rc<Validate>, method: &Method) -> Option<Permit> {
        let permitted = self.permitted.try_borrow().ok()?;
        let permitted = permitted.as_ref().filter(|known| known.by.as_ptr() == Rc::as_ptr(rules))?;
        (permitted.method == *method).then_some(permitted.permit)
    }

    /// Remembers that these rules have permitted this method, for a path without parameters.
    pub fn note(&self, permit: Permit, rules: &Rc<Validate>, method: &Method) {
        if let Ok(mut permitted) = self.permitted.try_borrow_mut() {
            *permitted = Some(Permitted { permit, by: Rc::downgrade(rules), method: method.clone() });
        }
    }
}

impl Default for Verdicts {
    fn default() -> Self {
        Self { entries: LruCache::unbounded(), hasher: DefaultHasher::default(), bytes: 0 }
    }
}

impl Verdicts {
    /// What is remembered of a token.
    pub fn get(&mut self, token: &[u8]) -> Option<&Rc<Verdict>> {
        let entry = self.entries.get(&self.hash(token))?;
        is_same(&entry.token, token).then_some(&entry.verdict)
    }

    /// Remembers a token.
    pub fn insert(&mut self, token: &[u8], verdict: Rc<Verdict>) {
        let entry = Entry { token: token.into(), verdict };
        self.bytes = self.bytes.saturating_add(entry.size());
        if let Some((_, replaced)) = self.entries.push(self.hash(token), entry) {
            self.bytes = self.bytes.saturating_sub(replaced.size());
        }
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some((_, forgotten)) = self.entries.pop_lru() else { return };
            self.bytes = self.bytes.saturating_sub(forgotten.size());
        }
    }

    /// Forgets a token: it has expired, or the keys have changed.
    pub fn remove(&mut self, token: &[u8]) {
        let known = self.get(token).is_some().then(|| self.entries.pop(&self.hash(token))).flatten();
        if let Some(forgotten) = known {
            self.bytes = self.bytes.saturating_sub(forgotten.size());
        }
    }

    /// Tokens end with what no two of them have in common: a signature, or the tag of an encryption.
    fn hash(&self, token: &[u8]) -> u64 {
        const TAIL: usize = 32;
        self.hasher.hash_one(token.last_chunk::<TAIL>().map_or(token, |tail| tail))
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

/// Eight bytes at a time: the C library of WebAssembly compares one after the other, and a token has more than a thousand.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (words, rest) = one.as_chunks::<8>();
    let (other_words, other_rest) = other.as_chunks::<8>();
    let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    one.len() == other.len()
        && words.iter().zip(other_words).all(|(one, other)| word(one) == word(other))
        && rest == other_rest
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::jwt::testing::TestKey;
    use crate::jwt::{Algorithm, Jwks, Software, UnverifiedToken, Verifier};

    fn verdict() -> Rc<Verdict> {
        let key = TestKey::p256();
        let token = key.token(r#"{"alg":"ES256"}"#, "{}");
        let jwks = serde_json::json!({"keys": [key.jwk("k")]}).to_string();
        let key = Software.prepare(&Jwks::parse(jwks.as_bytes()).unwrap().keys[0].key).unwrap();
        let token = UnverifiedToken::parse(&token).unwrap().verify(Algorithm::Es256, &key, &Software);
        let issuer = Fingerprint::of(&["issuer"]);
        Rc::new(Verdict::new(Rc::new(token.ok().unwrap()), issuer, Generation::default(), None))
    }

    fn token(size: usize, index: usize) -> Vec<u8> {
        format!("{}{index}", "x".repeat(size)).into_bytes()
    }

    #[test]
    fn the_cache_is_bounded_in_entries_and_bytes_and_forgets_the_oldest() {
        let (mut verdicts, verdict) = (Verdicts::default(), verdict());
        for size in [10, 10_000] {
            for index in 0..20_000 {
                verdicts.insert(&token(size, index), verdict.clone());
                assert!(verdicts.len() <= MAX_ENTRIES && verdicts.bytes <= MAX_BYTES);
            }
            assert!(verdicts.get(&token(size, 0)).is_none());
            assert!(verdicts.get(&token(size, 19_999)).is_some());
        }
        for index in 0..20_000 {
            verdicts.remove(&token(10, index));
            verdicts.remove(&token(10_000, index));
        }
        assert_eq!((verdicts.len(), verdicts.bytes), (0, 0));
    }

    /// Each token is remembered as itself, wherever another one differs from it.
    #[test]
    fn a_token_that_differs_in_one_byte_is_another_one() {
        let (mut verdicts, verdict) = (Verdicts::default(), verdict());
        for length in [1, 7, 8, 9, 31, 32, 33, 100] {
            let token = vec![b'x'; length];
            verdicts.insert(&token, verdict.clone());
            for place in 0..length {
                let mut other = token.clone();
                other[place] = b'y';
                assert!(verdicts.get(&other).is_none(), "{length} {place}");
                verdicts.remove(&other);
            }
            assert!(verdicts.get(&token[1..]).is_none() && verdicts.get(&[&*token, b"x"].concat()).is_none());
            assert!(verdicts.get(&token).is_some());
            verdicts.remove(&token);
            assert!(verdicts.is_empty() && verdicts.bytes == 0);
        }
    }

    /// Of two tokens with one hash the later is remembered, and neither is taken for the other.
    #[test]
    fn tokens_that_end_alike_are_told_apart() {
        let (mut verdicts, verdict) = (Verdicts::default(), verdict());
        let [one, other] = [b"a", b"b"].map(|head| [head, &[b'x'; 100][..]].concat());
        verdicts.insert(&one, verdict.clone());
        assert!(verdicts.get(&other).is_none());
        verdicts.insert(&other, verdict);
        assert!(verdicts.get(&one).is_none() && verdicts.get(&other).is_some());
        verdicts.remove(&one);
        assert_eq!(verdicts.len(), 1);
        verdicts.remove(&other);
        assert_eq!((verdicts.len(), verdicts.bytes), (0, 0));
    }
}
