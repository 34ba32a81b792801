use super::{Algorithm, Claims, Rejection, SymmetricKey, Verifier, base64url};
use crate::json::document::Document;

/// The largest token that is read.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A JWS in compact form, taken apart and decoded, with nothing proved.
struct Jws<'t> {
    header: Header,
    payload: Vec<u8>,
    /// What is signed: header and payload as they were sent, with the dot.
    signing_input: &'t str,
    signature: Vec<u8>,
}

struct Header {
    algorithm: String,
    key_id: Option<String>,
}

impl<'t> Jws<'t> {
    fn parse(text: &'t str) -> Result<Self, Rejection> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Rejection::TooLarge);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(Rejection::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Rejection::Malformed)?;
        if payload.contains('.') || header.is_empty() || signature.is_empty() {
            return Err(Rejection::Malformed);
        }
        Ok(Self {
            header: Header::parse(&base64url(header).ok_or(Rejection::Malformed)?)?,
            payload: base64url(payload).ok_or(Rejection::Malformed)?,
            signing_input,
            signature: base64url(signature).ok_or(Rejection::Malformed)?,
        })
    }

    fn check<V: Verifier>(&self, algorithm: Algorithm, key: &V::Key, verifier: &V) -> Result<(), Rejection> {
        self.check_by(algorithm, |message, signature| verifier.verify(algorithm, key, message, signature))
    }

    fn check_shared(&self, algorithm: Algorithm, key: &SymmetricKey) -> Result<(), Rejection> {
        self.check_by(algorithm, |message, code| key.verify(algorithm, message, code))
    }

    fn check_by(
        &self,
        algorithm: Algorithm,
        is_good: impl FnOnce(&[u8], &[u8]) -> bool,
    ) -> Result<(), Rejection> {
        if Algorithm::from_name(&self.header.algorithm) != Some(algorithm) {
            return Err(Rejection::AlgorithmNotAllowed);
        }
        match is_good(self.signing_input.as_bytes(), &self.signature) {
            true => Ok(()),
            false => Err(Rejection::SignatureInvalid),
        }
    }
}

impl Header {
    /// RFC 7515, section 4: a JSON object whose members occur once, with `alg`; no extension is understood,
    /// so `crit` is always a refusal, and so is the `b64` that it would have to name (RFC 7797).
    fn parse(json: &[u8]) -> Result<Self, Rejection> {
        let header = Document::parse(json).map_err(|_| Rejection::Malformed)?;
        let members = header.as_object().ok_or(Rejection::Malformed)?;
        if members.get("crit").is_some() || members.get("b64").is_some() {
            return Err(Rejection::CriticalHeader);
        }
        let text = |name| {
            let value = members.get(name);
            value.map(|value| value.as_str().ok_or(Rejection::Malformed)).transpose()
        };
        if !text("typ")?.is_none_or(is_jwt_type) || members.get("zip").is_some() {
            return Err(Rejection::TypeNotAllowed);
        }
        Ok(Self {
            algorithm: text("alg")?.ok_or(Rejection::Malformed)?.to_owned(),
            key_id: text("kid")?.map(ToOwned::to_owned),
        })
    }
}

/// `JWT` (RFC 7519, section 5.1) or `at+jwt` (RFC 9068, section 2.1), with or without `application/`.
pub(super) fn is_jwt_type(value: &str) -> bool {
    let short = match value.split_once('/') {
        Some((kind, rest)) if kind.eq_ignore_ascii_case("application") => rest,
        _ => value,
    };
    short.eq_ignore_ascii_case("JWT") || short.eq_ignore_ascii_case("at+jwt")
}

/// Checks one JWS with one key and returns its payload: the signature alone, no claim is looked at.
///
/// # Errors
/// The reason why it does not verify.
pub fn verify_jws<V: Verifier>(
    text: &str,
    algorithm: Algorithm,
    key: &V::Key,
    verifier: &V,
) -> Result<Vec<u8>, Rejection> {
    let jws = Jws::parse(text)?;
    jws.check(algorithm, key, verifier)?;
    Ok(jws.payload)
}

/// The same with a key that is shared.
///
/// # Errors
/// The reason why it does not verify.
pub fn verify_jws_with_shared_key(
    text: &str,
    algorithm: Algorithm,
    key: &SymmetricKey,
) -> Result<Vec<u8>, Rejection> {
    let jws = Jws::parse(text)?;
    jws.check_shared(algorithm, key)?;
    Ok(jws.payload)
}

/// A token that is well formed. Its claims are what somebody wrote, not yet what an issuer signed.
pub struct UnverifiedToken<'t> {
    jws: Jws<'t>,
    claims: Claims,
}

impl<'t> UnverifiedToken<'t> {
    /// Reads a token of at most [`MAX_TOKEN_BYTES`].
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(text: &'t str) -> Result<Self, Rejection> {
        let jws = Jws::parse(text)?;
        let claims = Claims::parse(&jws.payload)?;
        Ok(Self { jws, claims })
    }

    /// The claims, unproved: good for refusing, never for accepting.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The header's `kid`, where there is one.
    pub fn key_id(&self) -> Option<&str> {
        self.jws.header.key_id.as_deref()
    }

    /// The header's `alg`, if it is one of `allowed`.
    ///
    /// # Errors
    /// [`Rejection::AlgorithmNotAllowed`]
    pub fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, Rejection> {
        Algorithm::from_name(&self.jws.header.algorithm)
            .filter(|algorithm| allowed.contains(algorithm))
            .ok_or(Rejection::AlgorithmNotAllowed)
    }

    /// Checks the signature. `algorithm` is the key's, and the header must agree.
    ///
    /// # Errors
    /// [`Rejection::AlgorithmNotAllowed`] or [`Rejection::SignatureInvalid`]
    pub fn verify<V: Verifier>(
        self,
        algorithm: Algorithm,
        key: &V::Key,
        verifier: &V,
    ) -> Result<VerifiedToken, Rejection> {
        self.jws.check(algorithm, key, verifier)?;
        Ok(VerifiedToken { claims: self.claims })
    }

    /// Checks the code of HMAC with a key that issuer and verifier share. `algorithm` is one that the key was made
    /// for, and the header must agree.
    ///
    /// # Errors
    /// [`Rejection::AlgorithmNotAllowed`] or [`Rejection::SignatureInvalid`]
    pub fn verify_with_shared_key(
        self,
        algorithm: Algorithm,
        key: &SymmetricKey,
    ) -> Result<VerifiedToken, Rejection> {
        self.jws.check_shared(algorithm, key)?;
        Ok(VerifiedToken { claims: self.claims })
    }
}

/// A token whose signature has been checked with a key of an issuer.
pub struct VerifiedToken {
    claims: Claims,
}

impl VerifiedToken {
    /// What the issuer said.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_token_is_read_up_to_16_kib() {
        for (bytes, said) in [(16 * 1024, Rejection::Malformed), (16 * 1024 + 1, Rejection::TooLarge)] {
            assert_eq!(UnverifiedToken::parse(&"e".repeat(bytes)).map(|_| ()), Err(said), "{bytes}");
        }
    }

    #[test]
    fn a_type_is_jwt_or_at_jwt_with_or_without_application() {
        for good in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/jwt", "Application/at+jwt"] {
            assert!(is_jwt_type(good), "{good}");
        }
        for bad in
            ["", "application", "application/", "text/jwt", "/jwt", "application/application/jwt", "JWTs"]
        {
            assert!(!is_jwt_type(bad), "{bad}");
        }
    }
}
