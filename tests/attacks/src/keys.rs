//! Keys made at run time, and every way to sign with them: right ones, and those that a verifier must refuse.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use rsa::BigUint;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use serde::Deserialize;
use serde_json::{Value, json};

/// Base64url without padding.
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// How a key is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeySpec {
    /// An RSA key with so many bits and this exponent.
    Rsa {
        /// The modulus's length.
        bits: usize,
        /// `e`; 65,537 if it is not given. With 1, everybody can sign.
        e: Option<u64>,
    },
    /// A key on P-256.
    P256,
    /// A key on P-384.
    P384,
    /// A key on Ed25519's curve.
    Ed25519,
    /// A key of 32 bytes that is shared.
    Symmetric,
}

/// How keys are made, by name.
pub type KeySpecs = BTreeMap<String, KeySpec>;

/// Keys by name.
pub type Keys = BTreeMap<String, Key>;

/// Makes them, several at once: large RSA keys take long.
pub fn generate(specs: &KeySpecs) -> Keys {
    std::thread::scope(|scope| {
        let made: Vec<_> =
            specs.iter().map(|(name, spec)| (name, scope.spawn(|| Key::generate(spec)))).collect();
        made.into_iter().map(|(name, key)| (name.clone(), key.join().unwrap())).collect()
    })
}

/// A key pair.
#[derive(Clone)]
pub enum Key {
    /// RSA.
    Rsa(RsaKey),
    /// P-256.
    P256(p256::ecdsa::SigningKey),
    /// P-384.
    P384(p384::ecdsa::SigningKey),
    /// Ed25519.
    Ed25519(ed25519_compact::KeyPair),
    /// Shared.
    Symmetric(Vec<u8>),
}

/// An RSA key, whose private operation takes any number: padding is the caller's business.
#[derive(Clone)]
pub struct RsaKey {
    n: BigUint,
    e: BigUint,
    d: BigUint,
    primes: Option<[BigUint; 2]>,
}

impl Key {
    fn generate(spec: &KeySpec) -> Self {
        let mut random = rand::thread_rng();
        match spec {
            KeySpec::Rsa { bits, e } => Self::Rsa(RsaKey::generate(*bits, e.unwrap_or(65_537))),
            KeySpec::P256 => loop {
                let bytes: [u8; 32] = rand::Rng::r#gen(&mut random);
                if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&bytes) {
                    return Self::P256(key);
                }
            },
            KeySpec::P384 => loop {
                let mut bytes = [0; 48];
                rand::RngCore::fill_bytes(&mut random, &mut bytes);
                if let Ok(key) = p384::ecdsa::SigningKey::from_slice(&bytes) {
                    return Self::P384(key);
                }
            },
            KeySpec::Ed25519 => Self::Ed25519(ed25519_compact::KeyPair::generate()),
            KeySpec::Symmetric => {
                let mut bytes = vec![0; 32];
                rand::RngCore::fill_bytes(&mut random, &mut bytes);
                Self::Symmetric(bytes)
            }
        }
    }

    /// The public key as a JWK, without `kid` and `alg`.
    pub fn jwk(&self) -> Value {
        match self {
            Self::Rsa(key) => json!({
                "kty": "RSA", "use": "sig",
                "n": base64url(key.n.to_bytes_be()), "e": base64url(key.e.to_bytes_be()),
            }),
            Self::P256(_) => {
                let point = self.point();
                let (x, y) = (base64url(&point[1..33]), base64url(&point[33..]));
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "x": x, "y": y})
            }
            Self::P384(_) => {
                let point = self.point();
                let (x, y) = (base64url(&point[1..49]), base64url(&point[49..]));
                json!({"kty": "EC", "crv": "P-384", "use": "sig", "x": x, "y": y})
            }
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "x": base64url(&pair.pk[..])})
            }
            Self::Symmetric(key) => json!({"kty": "oct", "k": base64url(key)}),
        }
    }

    /// The private members of the JWK.
    pub fn private(&self) -> Value {
        match self {
            Self::Rsa(key) => json!({"d": base64url(key.d.to_bytes_be())}),
            Self::P256(key) => json!({"d": base64url(key.to_bytes())}),
            Self::P384(key) => json!({"d": base64url(key.to_bytes())}),
            Self::Ed25519(pair) => json!({"d": base64url(&pair.sk.seed()[..])}),
            Self::Symmetric(_) => json!({}),
        }
    }

    /// A point uncompressed; for other keys what is public of them.
    pub fn point(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.n.to_bytes_be(),
            Self::P256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::P384(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Ed25519(pair) => pair.pk.to_vec(),
            Self::Symmetric(key) => key.clone(),
        }
    }

    /// The public key in a form that somebody could take for a secret.
    pub fn public_as(&self, form: PublicForm) -> Vec<u8> {
        match form {
            PublicForm::Pem => self.pem("PUBLIC KEY", &self.spki(), "\n"),
            PublicForm::PemWithoutNewline => self.pem("PUBLIC KEY", &self.spki(), ""),
            PublicForm::Der => self.spki(),
            PublicForm::Jwk => self.jwk().to_string().into_bytes(),
            PublicForm::Raw => self.point(),
            PublicForm::Empty => Vec::new(),
        }
    }

    fn spki(&self) -> Vec<u8> {
        use p256::pkcs8::EncodePublicKey as _;
        use rsa::pkcs8::EncodePublicKey as _;
        match self {
            Self::Rsa(key) => {
                let public = rsa::RsaPublicKey::new_unchecked(key.n.clone(), key.e.clone());
                public.to_public_key_der().unwrap().as_bytes().to_vec()
            }
            Self::P256(key) => key.verifying_key().to_public_key_der().unwrap().as_bytes().to_vec(),
            Self::P384(_) | Self::Ed25519(_) | Self::Symmetric(_) => self.point(),
        }
    }

    fn pem(&self, label: &str, der: &[u8], end: &str) -> Vec<u8> {
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----{end}", lines.join("\n")).into_bytes()
    }

    /// The signature over `message`, as a JWS of this algorithm has it.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let hash = Hash::of_algorithm(algorithm);
        match self {
            Self::Rsa(key) if algorithm.starts_with("PS") => {
                key.sign_pss(&Pss { hash, mgf: hash, salt: hash.length() }, message)
            }
            Self::Rsa(key) => key.sign_pkcs1(Pkcs1::Right, hash, message),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(&hash.digest(message)).unwrap();
                signature.to_bytes().to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature =
                    key.sign_prehash(&Hash::Sha384.digest(message)).unwrap();
                signature.to_bytes().to_vec()
            }
            Self::Ed25519(pair) => pair.sk.sign(message, None).to_vec(),
            Self::Symmetric(key) => hmac(algorithm, key, message),
        }
    }

    /// The key as it stands in a secret of the configuration: PEM, or base64.
    pub fn secret(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => self.pem("PRIVATE KEY", &key.pkcs8(), "\n"),
            Self::Symmetric(key) => STANDARD.encode(key).into_bytes(),
            _ => panic!("not a key that tokens are encrypted to"),
        }
    }

    /// The RSA key, for signatures that only RSA has.
    pub fn rsa(&self) -> &RsaKey {
        match self {
            Self::Rsa(key) => key,
            _ => panic!("the case needs an RSA key"),
        }
    }
}

/// A form of a public key.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublicForm {
    /// SubjectPublicKeyInfo as PEM, as most tools write it.
    Pem,
    /// The same without the last line's end.
    PemWithoutNewline,
    /// SubjectPublicKeyInfo.
    Der,
    /// The JWK's text.
    Jwk,
    /// The modulus, or the point.
    Raw,
    /// Nothing.
    Empty,
}

/// HMAC with SHA-256, SHA-384 or SHA-512.
pub fn hmac(algorithm: &str, key: &[u8], message: &[u8]) -> Vec<u8> {
    match Hash::of_algorithm(algorithm) {
        Hash::Sha384 => hmac_sha512::sha384::HMAC::mac(message, key).to_vec(),
        Hash::Sha512 => hmac_sha512::HMAC::mac(message, key).to_vec(),
        Hash::Sha256 | Hash::Sha1 => hmac_sha256::HMAC::mac(message, key).to_vec(),
    }
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hash {
    /// Broken, and in no algorithm of ours.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    fn of_algorithm(algorithm: &str) -> Self {
        match algorithm.get(2..).unwrap_or_default() {
            "1" => Self::Sha1,
            "384" => Self::Sha384,
            "512" => Self::Sha512,
            _ => Self::Sha256,
        }
    }

    fn length(self) -> usize {
        self.digest(b"").len()
    }

    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => hmac_sha1_compact::Hash::hash(message).to_vec(),
            Self::Sha256 => hmac_sha256::Hash::hash(message).to_vec(),
            Self::Sha384 => hmac_sha512::sha384::Hash::hash(message).to_vec(),
            Self::Sha512 => hmac_sha512::Hash::hash(message).to_vec(),
        }
    }

    /// The object identifier, as DER without tag and length.
    const fn oid(self) -> &'static [u8] {
        match self {
            Self::Sha1 => &[0x2b, 0x0e, 0x03, 0x02, 0x1a],
            Self::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
            Self::Sha384 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
            Self::Sha512 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
        }
    }
}

/// A PKCS#1 v1.5 signature (RFC 8017, section 9.2), right or with one thing wrong that careless verifiers do
/// not look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pkcs1 {
    /// As it must be.
    Right,
    /// The algorithm's parameters, a NULL, are left out.
    MissingNull,
    /// Short padding, and garbage behind the hash: what e = 3 lets everybody forge.
    GarbageAfterHash,
    /// The padding's bytes are not 0xff.
    WrongPadding,
    /// Block type 2, that of encryption.
    BlockType2,
    /// The hash's identifier is SHA-1's.
    WrongHashOid,
    /// No identifier at all: the bare hash.
    BareHash,
}

/// The parameters of a PSS signature (RFC 8017, section 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pss {
    /// The message's hash.
    pub hash: Hash,
    /// The mask's hash.
    pub mgf: Hash,
    /// The salt's length in bytes.
    pub salt: usize,
}

impl RsaKey {
    fn generate(bits: usize, e: u64) -> Self {
        let random = &mut rand::thread_rng();
        // An exponent of which no key can be made is put to a common key.
        let exponent = if e > 1 && e % 2 == 1 { e } else { 65_537 };
        let key = rsa::RsaPrivateKey::new_with_exp(random, bits, &exponent.into()).unwrap();
        if exponent != e {
            return Self { n: key.n().clone(), e: e.into(), d: 1u8.into(), primes: None };
        }
        let primes = [key.primes()[0].clone(), key.primes()[1].clone()];
        Self { n: key.n().clone(), e: key.e().clone(), d: key.d().clone(), primes: Some(primes) }
    }

    fn pkcs8(&self) -> Vec<u8> {
        use rsa::pkcs8::EncodePrivateKey as _;
        let primes = self.primes.clone().unwrap().to_vec();
        let key = rsa::RsaPrivateKey::from_components(self.n.clone(), self.e.clone(), self.d.clone(), primes);
        key.unwrap().to_pkcs8_der().unwrap().as_bytes().to_vec()
    }

    /// A short message, encrypted to the key.
    pub fn encrypt(&self, padding: impl rsa::traits::PaddingScheme, message: &[u8]) -> Vec<u8> {
        let key = rsa::RsaPublicKey::new(self.n.clone(), self.e.clone()).unwrap();
        key.encrypt(&mut rand::thread_rng(), padding, message).unwrap()
    }

    /// A certificate of the key, signed by itself (DER).
    pub fn certificate(&self) -> Vec<u8> {
        let der = self.pkcs8();
        let key =
            rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der.as_slice().into(), &rcgen::PKCS_RSA_SHA256);
        let certificate = rcgen::CertificateParams::default().self_signed(&key.unwrap()).unwrap();
        certificate.der().to_vec()
    }

    /// The private operation, with the Chinese remainder theorem where the primes are known.
    fn private_operation(&self, encoded: &[u8]) -> Vec<u8> {
        let message = BigUint::from_bytes_be(encoded) % &self.n;
        let signature = match &self.primes {
            None => message.modpow(&self.d, &self.n),
            Some([p, q]) => {
                let one = BigUint::from(1u8);
                let (dp, dq) = (&self.d % (p - &one), &self.d % (q - &one));
                let (of_p, of_q) = (message.modpow(&dp, p), message.modpow(&dq, q));
                let inverse = q.modpow(&(p - BigUint::from(2u8)), p);
                let h = ((of_p + p - &of_q % p) * inverse) % p;
                of_q + h * q
            }
        };
        padded(&signature, self.length())
    }

    fn length(&self) -> usize {
        self.n.bits().div_ceil(8)
    }

    /// A PKCS#1 v1.5 signature of this kind.
    pub fn sign_pkcs1(&self, kind: Pkcs1, hash: Hash, message: &[u8]) -> Vec<u8> {
        let digest = hash.digest(message);
        let oid = if kind == Pkcs1::WrongHashOid { Hash::Sha1.oid() } else { hash.oid() };
        let null: &[u8] = if kind == Pkcs1::MissingNull { &[] } else { &[5, 0] };
        let info = match kind {
            Pkcs1::BareHash => digest,
            _ => sequence(&[&sequence(&[&tagged(6, oid), null]), &tagged(4, &digest)]),
        };
        let block = if kind == Pkcs1::BlockType2 { 2 } else { 1 };
        let byte = if kind == Pkcs1::WrongPadding { 0xfe } else { 0xff };
        let room = self.length() - info.len() - 3;
        let (padding, garbage) = if kind == Pkcs1::GarbageAfterHash { (8, room - 8) } else { (room, 0) };
        let encoded = [&[0, block], vec![byte; padding].as_slice(), &[0], &info, &vec![0; garbage]].concat();
        self.private_operation(&encoded)
    }

    /// A PSS signature with these parameters.
    pub fn sign_pss(&self, pss: &Pss, message: &[u8]) -> Vec<u8> {
        let mut salt = vec![0; pss.salt];
        rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut salt);
        let digest = pss.hash.digest(&[&[0; 8], pss.hash.digest(message).as_slice(), &salt].concat());
        let bits = self.n.bits() - 1;
        let length = bits.div_ceil(8);
        let zeros = vec![0; length - salt.len() - digest.len() - 2];
        let mut masked: Vec<u8> = [zeros.as_slice(), &[1], &salt].concat();
        let mask = (0u32..).flat_map(|n| pss.mgf.digest(&[digest.as_slice(), &n.to_be_bytes()].concat()));
        masked.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        masked[0] &= 0xff >> (8 * length - bits);
        self.private_operation(&[masked.as_slice(), &digest, &[0xbc]].concat())
    }
}

/// A number in so many bytes, or in as many as it needs.
pub fn padded(number: &BigUint, length: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; length.saturating_sub(bytes.len())], bytes].concat()
}

/// DER with a length below 128.
pub fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}

/// A DER sequence.
pub fn sequence(items: &[&[u8]]) -> Vec<u8> {
    tagged(0x30, &items.concat())
}
