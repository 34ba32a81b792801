use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Algorithm, Family};
use crate::secret::SecretString;

/// A key that issuer and verifier share, for HMAC (RFC 7518, section 3.2). It comes from the configuration and from
/// nowhere else: no key set and no certificate makes one, so a public key is never taken for one. `Debug` prints
/// its length only.
#[derive(Clone)]
pub struct SymmetricKey {
    bytes: Vec<u8>,
    algorithms: Vec<Algorithm>,
}

/// Why a shared key cannot be used. No message quotes any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSymmetricKey {
    /// Not base64 in either alphabet.
    #[error("not base64 (either alphabet, with or without padding)")]
    NotBase64,
    /// Shorter than the algorithm's hash (RFC 7518, section 3.2).
    #[error("{bytes} bytes are too few for {}: at least {at_least} are expected", algorithm.name())]
    TooShort {
        /// The key's length.
        bytes: usize,
        /// The algorithm for which that is too few.
        algorithm: Algorithm,
        /// What the algorithm asks for.
        at_least: usize,
    },
    /// Not an algorithm for shared keys.
    #[error("{} is not for a shared key: HS256, HS384 or HS512 is expected", .0.name())]
    OtherAlgorithm(Algorithm),
}

impl std::fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SymmetricKey({} bytes)", self.bytes.len())
    }
}

impl SymmetricKey {
    /// Reads a key for these algorithms, written in base64 or base64url, with or without padding.
    ///
    /// # Errors
    /// [`BadSymmetricKey`]
    pub fn from_base64(text: &SecretString, algorithms: &[Algorithm]) -> Result<Self, BadSymmetricKey> {
        Self::from_bytes(decode(text)?, algorithms)
    }

    /// Takes a key as it is.
    ///
    /// # Errors
    /// [`BadSymmetricKey::TooShort`], [`BadSymmetricKey::OtherAlgorithm`]
    pub fn from_bytes(bytes: Vec<u8>, algorithms: &[Algorithm]) -> Result<Self, BadSymmetricKey> {
        for &algorithm in algorithms {
            let at_least = hash_length(algorithm).ok_or(BadSymmetricKey::OtherAlgorithm(algorithm))?;
            if bytes.len() < at_least {
                return Err(BadSymmetricKey::TooShort { bytes: bytes.len(), algorithm, at_least });
            }
        }
        Ok(Self { bytes, algorithms: algorithms.to_vec() })
    }

    /// Whether the key was made for `algorithm`.
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether `code` is the key's over `message`, compared in constant time. It takes microseconds.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], code: &[u8]) -> bool {
        match algorithm {
            _ if !self.is_for(algorithm) => false,
            Algorithm::Hs256 => {
                code.try_into().is_ok_and(|code| hmac_sha256::HMAC::verify(message, &self.bytes, code))
            }
            Algorithm::Hs384 => code
                .try_into()
                .is_ok_and(|code| hmac_sha512::sha384::HMAC::verify(message, &self.bytes, code)),
            Algorithm::Hs512 => {
                code.try_into().is_ok_and(|code| hmac_sha512::HMAC::verify(message, &self.bytes, code))
            }
            _ => false,
        }
    }
}

/// The bytes of a key that is written in base64 or base64url, with or without padding.
pub(super) fn decode(text: &SecretString) -> Result<Vec<u8>, BadSymmetricKey> {
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.expose().trim_ascii();
    let decode = |alphabet| GeneralPurpose::new(alphabet, padding).decode(text);
    decode(&STANDARD).or_else(|_| decode(&URL_SAFE)).map_err(|_| BadSymmetricKey::NotBase64)
}

fn hash_length(algorithm: Algorithm) -> Option<usize> {
    (algorithm.family() == Family::Hmac).then_some(match algorithm {
        Algorithm::Hs256 => 32,
        Algorithm::Hs384 => 48,
        _ => 64,
    })
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::jwt::testing::{TestKey, encode, hmac};
    use crate::jwt::{Rejection, Software, UnverifiedToken, Verifier};

    const KEY: &[u8; 64] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn key(algorithms: &[Algorithm]) -> SymmetricKey {
        SymmetricKey::from_bytes(KEY.to_vec(), algorithms).unwrap()
    }

    fn code(algorithm: Algorithm, message: &str) -> Vec<u8> {
        hmac(algorithm, KEY, message)
    }

    fn token(algorithm: Algorithm) -> String {
        let header = format!(r#"{{"alg":"{}"}}"#, algorithm.name());
        let signing_input = format!("{}.{}", encode(header), encode(r#"{"iss":"i"}"#));
        format!("{signing_input}.{}", encode(code(algorithm, &signing_input)))
    }

    #[test]
    fn a_code_is_good_for_its_algorithm_key_and_message_alone() {
        for algorithm in Algorithm::HMAC {
            let good = code(algorithm, "message");
            for asked in Algorithm::HMAC {
                assert_eq!(key(&Algorithm::HMAC).verify(asked, b"message", &good), asked == algorithm);
            }
            let key = key(&[algorithm]);
            assert!(key.verify(algorithm, b"message", &good));
            assert!(!key.verify(algorithm, b"messagE", &good));
            for bad in [&good[1..], &[good.as_slice(), &[0]].concat(), &[], &vec![0; good.len()]] {
                assert!(!key.verify(algorithm, b"message", bad));
            }
            let other = SymmetricKey::from_bytes(vec![1; 64], &[algorithm]).unwrap();
            assert!(!other.verify(algorithm, b"message", &good));
        }
    }

    #[test]
    fn a_key_is_for_the_algorithms_that_it_was_made_for() {
        for algorithm in Algorithm::HMAC {
            let text = token(algorithm);
            let verify = |asked: Algorithm, made_for: &[Algorithm]| {
                UnverifiedToken::parse(&text)
                    .unwrap()
                    .verify_with_shared_key(asked, &key(made_for))
                    .map(|_| ())
            };
            assert_eq!(verify(algorithm, &[algorithm]), Ok(()));
            for other in Algorithm::HMAC.into_iter().filter(|other| *other != algorithm) {
                assert_eq!(verify(other, &Algorithm::HMAC), Err(Rejection::AlgorithmNotAllowed));
                assert_eq!(verify(algorithm, &[other]), Err(Rejection::SignatureInvalid));
            }
        }
    }

    #[test]
    fn no_public_key_checks_a_code() {
        for public in TestKey::all() {
            let jwk = public.jwk("k").to_string();
            let set = crate::jwt::Jwks::parse(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes()).unwrap();
            let jwk = &set.keys[0];
            let prepared = Software.prepare(&jwk.key).unwrap();
            for algorithm in Algorithm::HMAC {
                assert!(!jwk.is_for(algorithm));
                let code = code(algorithm, "message");
                assert!(!Software.verify(algorithm, &prepared, b"message", &code));
            }
        }
    }

    #[test]
    fn a_key_is_at_least_as_long_as_the_hash() {
        for (algorithm, at_least) in Algorithm::HMAC.into_iter().zip([32, 48, 64]) {
            let make = |bytes| SymmetricKey::from_bytes(vec![7; bytes], &[algorithm]).map(|_| ());
            assert_eq!(make(at_least), Ok(()));
            let bytes = at_least - 1;
            assert_eq!(make(bytes), Err(BadSymmetricKey::TooShort { bytes, algorithm, at_least }));
        }
        let fault = SymmetricKey::from_bytes(KEY.to_vec(), &[Algorithm::Rs256]).unwrap_err();
        assert_eq!(fault, BadSymmetricKey::OtherAlgorithm(Algorithm::Rs256));
    }

    #[test]
    fn a_key_is_written_in_either_base64_and_never_printed() {
        let bytes = [0xfb_u8; 32];
        for text in [
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s",
            "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s",
            "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=\n",
        ] {
            let key =
                SymmetricKey::from_base64(&SecretString::new(text.into()), &[Algorithm::Hs256]).unwrap();
            assert_eq!(key.bytes, bytes, "{text}");
            assert_eq!(format!("{key:?}"), "SymmetricKey(32 bytes)");
        }
        for text in ["", "not base64!", "+_v7"] {
            let key = SymmetricKey::from_base64(&SecretString::new(text.into()), &[Algorithm::Hs256]);
            assert!(key.is_err(), "{text}");
        }
    }
}
