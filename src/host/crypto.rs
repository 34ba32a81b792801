//! Signatures by Envoy's own crypto library: twenty microseconds for RS256 instead of a millisecond in the VM.
//!
//! Envoy's foreign function `verify_signature` is used for an algorithm only after it has answered a known
//! question right, a good signature and a tampered one. Everything else is checked in the VM, with the same
//! verdict. Keys pass the same rules either way: [`Software`] prepares them.

use super::abi;
use crate::jwt::{
    Algorithm, JwkFault, Jwks, PublicJwk, Software, SoftwareKey, Verifier, base64url, es256_to_der,
};

/// Checks signatures, by Envoy where it can.
pub(super) struct HostVerifier {
    by_host: Vec<Algorithm>,
}

/// A public key, ready for Envoy and for the VM.
pub(super) struct HostKey {
    software: SoftwareKey,
    /// SubjectPublicKeyInfo, DER.
    spki: Vec<u8>,
}

impl HostVerifier {
    /// Asks Envoy the known questions.
    pub(super) fn probe() -> Self {
        let mut verifier = Self { by_host: Algorithm::ALL.to_vec() };
        verifier.by_host.retain(|algorithm| {
            known_answer(*algorithm).is_some_and(|question| question.is_answered_right())
        });
        verifier
    }

    /// The algorithms that Envoy checks.
    pub(super) fn by_host(&self) -> &[Algorithm] {
        &self.by_host
    }
}

impl Verifier for HostVerifier {
    type Key = HostKey;

    fn prepare(&self, jwk: &PublicJwk) -> Result<HostKey, JwkFault> {
        let software = Software.prepare(jwk)?;
        let spki = software.to_spki().ok_or(JwkFault::Unusable)?;
        Ok(HostKey { software, spki })
    }

    fn is_slow(&self, algorithm: Algorithm) -> bool {
        !self.by_host.contains(&algorithm)
    }

    fn verify(&self, algorithm: Algorithm, key: &HostKey, message: &[u8], signature: &[u8]) -> bool {
        if key.software.algorithm() != algorithm {
            return false;
        }
        let by_host =
            self.by_host.contains(&algorithm).then(|| ask_host(algorithm, key, message, signature)).flatten();
        by_host.unwrap_or_else(|| Software.verify(algorithm, &key.software, message, signature))
    }
}

/// Envoy's verdict; `None` where it could not be asked.
fn ask_host(algorithm: Algorithm, key: &HostKey, message: &[u8], signature: &[u8]) -> Option<bool> {
    // JOSE has r || s (RFC 7518, section 3.4), BoringSSL wants DER. What is not a signature at all is refused.
    let der;
    let signature = match algorithm {
        Algorithm::Rs256 => signature,
        Algorithm::Es256 => match es256_to_der(signature) {
            Some(converted) => {
                der = converted;
                &der
            }
            None => return Some(false),
        },
    };
    let mut arguments = Vec::with_capacity(key.spki.len().saturating_add(message.len()).saturating_add(512));
    for (field, bytes) in [(1, b"sha256".as_slice()), (2, &key.spki), (3, signature), (4, message)] {
        write_bytes(&mut arguments, field, bytes);
    }
    let answer = abi::call_foreign_function("verify_signature", &arguments).ok()?;
    // VerifySignatureResult { bool result = 1; string error = 2; }: only this is a yes.
    Some(answer == [0x08, 0x01])
}

/// Appends a length-delimited field of a protobuf message.
fn write_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
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

impl KnownAnswer {
    fn is_answered_right(&self) -> bool {
        let ask = |message: &[u8]| ask_host(self.algorithm, &self.key, message, &self.signature);
        ask(b"gatepass") == Some(true) && ask(b"gatepasS") == Some(false)
    }
}

fn known_answer(algorithm: Algorithm) -> Option<KnownAnswer> {
    let (jwks, signature) = match algorithm {
        Algorithm::Rs256 => (
            concat!(
                r#"{"keys":[{"kty":"RSA","e":"AQAB","n":""#,
                "kpCXJGjCY3sVv1m5zaRKhRMKY7juwL8wmx5GNyqfxMNcUosjlWcgevmrErzqdLI7lt-RIATw267ctMm3yrjb03oiZo13Mrib",
                "2jInYvdd85NmxsyJkrq-em2bpQ6-jLAXiIp4Ay2YgyUHSoav1h4HB8vAS6GV4jvVFHRvtYKyAUrC1vD2QZvJC9BY9dfU2qah",
                "aPMlnasIssduhIL27VQPjtWU8u4sz5HXfxKH0xYCfjhSbFhlrTeevzuZVWrFZy8GtATddlrFxLLKltHG3y3d8Tg7xOL49wC8",
                r#"VLlG1DlHthzQ5WnZmTapGM2skwrEuSj5E0Q_WAp5Ak9KbGhTJsZGPQ"}]}"#
            ),
            concat!(
                "TNOGN0_MMbaScaF0pNMQvn57c_o2z8dKYRYfe-L3WZfJP9nt82FsBOCbUpmRkvutRxJ7T4QzH1Sr34iQ50r7j0ehyXspWt2Z",
                "9Iy7Zj1NV2tMgl-Sm8rN9RMPo1Qyf0pc7oBEFKO-JjdETs3EtBniuDUfZdH2qoHtqFV616WCHSf5J3wRvrzylOykfsaazYhI",
                "ZCBJCWbl-jxMubI08BCm6lejVs8qDuTVHASfcVFho3czThvTNYfeANheGMVCja94GAogHsEqFOb0aZUj9WsAYOlvHGaGaBtC",
                "p4XqepvmiiElkC5BmkcX7t7_JTeBNlC2Z-OwGBx2YVMllAGRDkKPdQ"
            ),
        ),
        Algorithm::Es256 => (
            concat!(
                r#"{"keys":[{"kty":"EC","crv":"P-256","x":"2siYuxGXQmf9v7PlxTCzZbYQc-9T1f6wx37xpMdQ9bs","#,
                r#""y":"17oZI-lcD9Eb-Ch3i3NPbt0q5pvzjksTRO0S6WD0y6s"}]}"#
            ),
            "mU_LwxiVN6Vbqt8KNgxW0EBQx-SHuv1JzR1GVmSpzIf-ZJj_w9YQOR4oz4qxXjNLPHv5wIlRIN3xNswrZQcM4g",
        ),
    };
    let jwk = Jwks::parse(jwks.as_bytes()).ok()?.keys.pop()?;
    let key = HostVerifier { by_host: Vec::new() }.prepare(&jwk.key).ok()?;
    Some(KnownAnswer { algorithm, key, signature: base64url(signature)? })
}
