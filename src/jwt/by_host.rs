//! Signatures by the host's own crypto library: with Envoy, twenty microseconds for RS256 instead of a millisecond in
//! the VM.
//!
//! Envoy's foreign function `verify_signature` is used for an algorithm only after it has answered a known
//! question right, a good signature and a tampered one. Everything else is checked in the VM, with the same
//! verdict, and so is what a host does not answer later on. Keys pass the same rules either way: [`Software`] prepares
//! them.

use super::{
    Algorithm, Family, JwkFault, Jwks, PublicJwk, Software, SoftwareKey, Verifier, base64url, ecdsa_to_der,
};

/// What a host does for signatures.
pub trait HostCrypto {
    /// Calls the host's function `verify_signature`. `None` where there is none, or it has failed, however that was.
    fn verify_signature(&self, arguments: &[u8]) -> Option<Vec<u8>>;
}

/// Checks signatures, by the host where it can.
pub struct HostVerifier<H> {
    host: H,
    by_host: Vec<Algorithm>,
}

/// A public key, ready for the host and for the VM.
pub struct HostKey {
    software: SoftwareKey,
    /// SubjectPublicKeyInfo, DER.
    spki: Vec<u8>,
}

impl<H: HostCrypto> HostVerifier<H> {
    /// Asks the host the known questions.
    pub fn probe(host: H) -> Self {
        let mut verifier = Self { host, by_host: Vec::new() };
        for algorithm in Algorithm::ALL {
            if known_answer(algorithm).is_some_and(|question| verifier.answers_right(&question)) {
                verifier.by_host.push(algorithm);
            }
        }
        verifier
    }

    /// The algorithms that the host checks.
    pub fn by_host(&self) -> &[Algorithm] {
        &self.by_host
    }

    /// The host's verdict; `None` where it could not be asked, or has not answered.
    pub fn ask_host(
        &self,
        algorithm: Algorithm,
        key: &HostKey,
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        let hash = host_hash(algorithm)?;
        // JOSE has r || s (RFC 7518, section 3.4), the host wants DER. What is not a signature at all is refused.
        let der;
        let signature = match algorithm.family() {
            Family::P256 | Family::P384 | Family::P521 => match ecdsa_to_der(algorithm, signature) {
                Some(converted) => {
                    der = converted;
                    &der
                }
                None => return Some(false),
            },
            Family::Rsa | Family::Ed25519 | Family::Hmac => signature,
        };
        let size = key.spki.len().saturating_add(message.len()).saturating_add(512);
        let mut arguments = Vec::with_capacity(size);
        for (field, bytes) in [(1, hash), (2, &key.spki), (3, signature), (4, message)] {
            write_bytes(&mut arguments, field, bytes);
        }
        // VerifySignatureResult { bool result = 1; string error = 2; }: only this is a yes.
        Some(self.host.verify_signature(&arguments)? == [0x08, 0x01])
    }

    fn answers_right(&self, question: &KnownAnswer) -> bool {
        let KnownAnswer { algorithm, key, signature } = question;
        let ask = |message: &[u8]| self.ask_host(*algorithm, key, message, signature);
        ask(b"gatepass") == Some(true) && ask(b"gatepasS") == Some(false)
    }
}

impl<H: HostCrypto> Verifier for HostVerifier<H> {
    type Key = HostKey;

    fn prepare(&self, jwk: &PublicJwk) -> Result<HostKey, JwkFault> {
        HostKey::new(jwk)
    }

    fn is_slow(&self, algorithm: Algorithm) -> bool {
        !self.by_host.contains(&algorithm)
    }

    fn verify(&self, algorithm: Algorithm, key: &HostKey, message: &[u8], signature: &[u8]) -> bool {
        if key.software.family() != algorithm.family() {
            return false;
        }
        let asked = self.by_host.contains(&algorithm);
        let by_host = asked.then(|| self.ask_host(algorithm, key, message, signature)).flatten();
        by_host.unwrap_or_else(|| Software.verify(algorithm, &key.software, message, signature))
    }
}

impl HostKey {
    fn new(jwk: &PublicJwk) -> Result<Self, JwkFault> {
        let software = Software.prepare(jwk)?;
        let spki = software.to_spki().ok_or(JwkFault::Unusable)?;
        Ok(Self { software, spki })
    }

    /// The same key for the checks in the VM.
    pub const fn software(&self) -> &SoftwareKey {
        &self.software
    }
}

/// The hash that the host is told. It does PKCS #1 v1.5 and ECDSA; PSS and Ed25519 stay in the VM.
const fn host_hash(algorithm: Algorithm) -> Option<&'static [u8]> {
    match algorithm {
        Algorithm::Rs256 | Algorithm::Es256 => Some(b"sha256"),
        Algorithm::Rs384 | Algorithm::Es384 => Some(b"sha384"),
        Algorithm::Rs512 | Algorithm::Es512 => Some(b"sha512"),
        _ => None,
    }
}

/// Appends a length-delimited field of a protobuf message.
pub(super) fn write_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(field << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        message.push(length as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(bytes);
}

/// A signature over `gatepass`, made once with a key that nobody has any more.
struct KnownAnswer {
    algorithm: Algorithm,
    key: HostKey,
    signature: Vec<u8>,
}

/// Keys of the known answers.
const RSA: &str = concat!(
    r#"{"keys":[{"kty":"RSA","e":"AQAB","n":""#,
    "pqSIweYuM2qkp708yo7is4XxnDDpdomcvGbUCbbFw09c92htNwB3URzZCC-RAHzL5Z-KjMerC8_mvuSWQgNjK6JHzwrIfmdzJz9e",
    "KnFLKA-g0uBes3qBfJtA2lA3lnqNBH8GVIFdAAUQZXiGOuFJUlPDdFMlKPKreTm7IhYkZKb_C92M1_18GMtBdV8QAyoevTkqLylf",
    "pBOaCopW3S5-T7uWcA4WjYiSUutlO0wQ62SXIBuxhLwbJgUVFxJVV4strpZVqP0N2oO8cOwc0TWcZn9px59bXGTpWdfmFi0HI75d",
    "2bO6wmFaP5m7XG2ic2j7OyrBc4vDOv5lWh0ik0OgEw",
    r#""}]}"#
);
const P256: &str = concat!(
    r#"{"keys":[{"kty":"EC","crv":"P-256","x":"2siYuxGXQmf9v7PlxTCzZbYQc-9T1f6wx37xpMdQ9bs","#,
    r#""y":"17oZI-lcD9Eb-Ch3i3NPbt0q5pvzjksTRO0S6WD0y6s"}]}"#
);
const P384: &str = concat!(
    r#"{"keys":[{"kty":"EC","crv":"P-384","x":"RooQYAcyIoZoXo1N5_7k28sgpOShSaNNasTsGLhve_PSSHSvf7KlmscdzPO-1V78","#,
    r#""y":"wF57O3fI37OTr4gNB8ZgaCvbUNg8oQKkLj3WGwhuTbm_1l1R2ksm8G-hqX_DdHH1"}]}"#
);

fn known_answer(algorithm: Algorithm) -> Option<KnownAnswer> {
    let (jwks, signature) = match algorithm {
        Algorithm::Rs256 => (
            RSA,
            concat!(
                "kT-H_iOcnLN3-P1bQJuwabtnzZdkncf61KOqMleHI_9mpo9cQARullYtP0vHehoK7u-JYVcMRxochsxpQaGyCPV-iOxBhhxdRBD6",
                "A98_qEkVIZubBiqxi_qbpvTs1QwiEbzUjJBQKiTT2ghyb4ZRl_95Im3sGJqW1imnQXpkm3gbwlsUGAeRmQCNjCw-L3PQC60pUvnF",
                "tQmES-KxLiMm93o7GzloWEkOR1NhNDFBkIj1kWM-KCGeHoxaA_5wfozHFFtw0cCuCEBUSBgDLl071_np3Q6OIudDzIjyoewySo7-",
                "TXxmu1uTM-dKxfnH1kwff2L0Sb_kx0EOngc1xeTEDA",
            ),
        ),
        Algorithm::Rs384 => (
            RSA,
            concat!(
                "J2JDhkYzgTTQnAws1FUt7Y1w-oypOiLY35KaseSbKumBflrC288ESTn7VQyVMQ4DVK3XnPGdgrhI0LQhqzDuvyuZqCaL793RirbU",
                "5jL9hrwF2Q2QmO5tLhEAQ0kDBxYVNR3uC7OVu0rOXgGmnMZNcDVOUKg-8vI6FIark2AavHmDZft6mEDK3BnDdPOeCbq_Yhjpc5Hk",
                "MkIZIW19vNYbTcZEp0Bfx1Rzg-yibvpvZUdgtvAB4ijv0rVRx3XDzvtf0SW2-OonDKHir8zynJfeuicqeB3FoKf5zo5JHPkpzSTg",
                "BPLbtp6C_Uz-B6Sr3TVkshuoFAmWaGBpf_pTm3_-4w",
            ),
        ),
        Algorithm::Rs512 => (
            RSA,
            concat!(
                "Lch4LZ_4k6D7q21tWue8-ituqiwCjt1w5LPZOUx8LnzkDJYJC3Hj7nWZDtDvUXmX5F3m4jEpsf9kZi-NBO-pN68483f8M88Fus8V",
                "BntCfJtscDL0YWu8E5Y7aMC9gdGd76tfb6MkRj_nGIBrBXFv2jyZ15z0kd58AkV5jjwS4NSOo9aDV8pRrufH99G8HdLJLKaC-t_l",
                "0ruLxB_2RD7Iy0KXOl-Dzd2jK9DM6l7mnqsRQR_vaXKPmxiXhB0MlTYdQ2Q-vZYuxYh-s-05YlVuWiWqI2jqfvanGcyCKBC5BTv5",
                "7i1yuZS1q35RrU0NYaYPwknjhXDsvXcBr7aJvxENmw",
            ),
        ),
        Algorithm::Es256 => {
            (P256, "mU_LwxiVN6Vbqt8KNgxW0EBQx-SHuv1JzR1GVmSpzIf-ZJj_w9YQOR4oz4qxXjNLPHv5wIlRIN3xNswrZQcM4g")
        }
        Algorithm::Es384 => (
            P384,
            concat!(
                "XUTIvyuQqfV6Nklg3TFOu7zRY9fOArjVliyBxpRUK80wwHhdT6y1Pv9jynNhDZBO3Ksk4uvKuLwyz_DKzUo7JcpjYLFta5NvTbeZ",
                "y8aqQYiSvyBxsNTFOAeDKkSpfeiQ",
            ),
        ),
        _ => return None,
    };
    let jwk = Jwks::parse(jwks.as_bytes()).ok()?.keys.pop()?;
    let key = HostKey::new(&jwk.key).ok()?;
    Some(KnownAnswer { algorithm, key, signature: base64url(signature)? })
}

#[cfg(test)]
mod tests;
