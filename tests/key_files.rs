//! Keys and certificates as operators have them: PEM in every form, and what is refused of it.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at a surprise")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatepass::jwt::{
    Algorithm, BadKey, Certificate, KeyReference, PrivateKey, PublicJwk, Random, SignFailure, Signer,
    Software, Verifier, sha256, verify_jws,
};
use gatepass::secret::SecretString;
use rcgen::{CertificateParams, KeyPair};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::rand_core::OsRng;

struct Seed(Option<[u8; 32]>);

impl Random for Seed {
    fn seed(&mut self) -> Option<[u8; 32]> {
        self.0
    }
}

/// One private key in all of its forms, and its certificate.
struct Forms {
    private: Vec<String>,
    public: Vec<String>,
    certificate: String,
}

fn rsa(bits: usize) -> Forms {
    let key = rsa::RsaPrivateKey::new(&mut OsRng, bits).unwrap();
    let (pkcs8, pkcs1) =
        (key.to_pkcs8_pem(LineEnding::LF).unwrap(), key.to_pkcs1_pem(LineEnding::CRLF).unwrap());
    let public = key.to_public_key();
    Forms {
        public: vec![
            public.to_public_key_pem(LineEnding::LF).unwrap(),
            public.to_pkcs1_pem(LineEnding::LF).unwrap(),
        ],
        certificate: certificate(&pkcs8),
        private: vec![pkcs8.to_string(), pkcs1.to_string()],
    }
}

fn p256() -> Forms {
    let key = jwt_simple::algorithms::ES256KeyPair::generate();
    let secret = p256::SecretKey::from_slice(&key.to_bytes()).unwrap();
    let pkcs8 = key.to_pem().unwrap();
    Forms {
        public: vec![
            jwt_simple::algorithms::ECDSAP256KeyPairLike::key_pair(&key).public_key().to_pem().unwrap(),
        ],
        certificate: certificate(&pkcs8),
        private: vec![pkcs8, secret.to_sec1_pem(p256::pkcs8::LineEnding::LF).unwrap().to_string()],
    }
}

fn certificate(pkcs8: &str) -> String {
    let key = KeyPair::from_pem(pkcs8).unwrap();
    CertificateParams::new(vec!["client.example".to_owned()]).unwrap().self_signed(&key).unwrap().pem()
}

fn private(text: &str) -> Result<PrivateKey, BadKey> {
    PrivateKey::from_pem(&SecretString::new(text.to_owned()))
}

fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

fn header(token: &str) -> serde_json::Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

#[test]
fn every_form_of_a_key_is_the_same_key() {
    for forms in [rsa(2048), p256()] {
        let expected = Certificate::from_pem(&forms.certificate).unwrap().key().clone();
        for text in &forms.private {
            // As openssl and Key Vault write it, with the certificate beside it, and as it survives a JSON string.
            let with_certificate = format!("Bag Attributes\n  friendlyName: x\n{text}{}", forms.certificate);
            let one_line = text.replace(['\r', '\n'], " ");
            for text in [text, &with_certificate, &one_line] {
                assert_eq!(private(text).unwrap().public_key(), expected);
            }
        }
        for text in forms.public.iter().chain([&forms.certificate]) {
            assert_eq!(PublicJwk::from_pem(text).unwrap(), expected, "{text}");
            assert!(Software.prepare(&expected).is_ok());
        }
    }
}

#[test]
fn public_keys_of_the_other_kinds_are_read_too() {
    for (algorithm, pem) in
        [(&rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::Es384), (&rcgen::PKCS_ED25519, Algorithm::EdDsa)]
    {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let jwk = PublicJwk::from_pem(&key.public_key_pem()).unwrap();
        assert_eq!(jwk.family(), pem.family());
        assert!(Software.prepare(&jwk).is_ok());
    }
}

#[test]
fn what_is_signed_verifies_with_the_certificates_key_and_no_other() {
    for (forms, other, algorithms) in [
        (rsa(2048), rsa(2048), &[Algorithm::Rs256, Algorithm::Ps256][..]),
        (p256(), p256(), &[Algorithm::Es256][..]),
    ] {
        let key = Software.prepare(&PublicJwk::from_pem(&forms.certificate).unwrap()).unwrap();
        let wrong = Software.prepare(&PublicJwk::from_pem(&other.certificate).unwrap()).unwrap();
        for &algorithm in algorithms {
            let signer =
                Signer::new(private(&forms.private[0]).unwrap(), algorithm, &KeyReference::None).unwrap();
            let token = signer.sign(r#"{"iss":"client"}"#, &mut Seed(Some([7; 32]))).unwrap();
            let token = token.expose();
            assert_eq!(verify_jws(token, algorithm, &key, &Software).unwrap(), br#"{"iss":"client"}"#);
            assert!(verify_jws(token, algorithm, &wrong, &Software).is_err());
            assert_eq!(header(token), serde_json::json!({"alg": algorithm.name(), "typ": "JWT"}));
            let again = signer.sign(r#"{"iss":"client"}"#, &mut Seed(Some([8; 32]))).unwrap();
            // The salt of PSS is the only randomness that can be seen.
            assert_eq!(again.expose() != token, algorithm == Algorithm::Ps256);
            let without = signer.sign("{}", &mut Seed(None));
            let is_rsa = algorithm != Algorithm::Es256;
            assert_eq!(without.err(), is_rsa.then_some(SignFailure::NoRandomness));
        }
        for algorithm in Algorithm::ALL.into_iter().chain(Algorithm::HMAC) {
            let signer = Signer::new(private(&forms.private[0]).unwrap(), algorithm, &KeyReference::None);
            assert_eq!(signer.is_ok(), algorithms.contains(&algorithm), "{algorithm:?}");
        }
    }
}

/// A host that can sign, and has no randomness to give; else what it answers.
struct Host {
    key: Option<rsa::RsaPrivateKey>,
    answer: Option<Vec<u8>>,
    seed: Option<[u8; 32]>,
    asked: usize,
}

impl Random for Host {
    fn seed(&mut self) -> Option<[u8; 32]> {
        self.seed
    }

    fn sign(&mut self, arguments: &[u8]) -> Option<Vec<u8>> {
        self.asked += 1;
        assert!(arguments.starts_with(b"\x0a\x06sha256\x12"), "the hash, then the key");
        let Some(key) = &self.key else { return self.answer.clone() };
        let text = arguments.windows(3).rposition(|window| window == b"eyJ").unwrap();
        let start = arguments[..text].windows(3).rposition(|window| window == b"eyJ").unwrap();
        let digest = sha256(&arguments[start..]);
        let signature = key.sign(rsa::Pkcs1v15Sign::new::<hmac_sha256::Hash>(), &digest).unwrap();
        // SignResult: `result` is true, and the signature has 256 bytes.
        Some([&[0x08, 0x01, 0x12, 0x80, 0x02], signature.as_slice()].concat())
    }
}

#[test]
fn a_host_signs_rs256_and_what_it_gives_counts_only_if_it_verifies() {
    let rsa_key = rsa::RsaPrivateKey::new(&mut OsRng, 2_048).unwrap();
    let pkcs8 = rsa_key.to_pkcs8_pem(LineEnding::LF).unwrap();
    let signer = |algorithm| Signer::new(private(&pkcs8).unwrap(), algorithm, &KeyReference::None).unwrap();
    let sign = |algorithm, host: &mut Host| signer(algorithm).sign(r#"{"a":1}"#, host);
    let vm = sign(Algorithm::Rs256, &mut Host { key: None, answer: None, seed: Some([7; 32]), asked: 0 });
    let mut host = Host { key: Some(rsa_key.clone()), answer: None, seed: None, asked: 0 };
    assert_eq!(sign(Algorithm::Rs256, &mut host), vm, "without randomness: the VM had no part in it");
    assert_eq!(sign(Algorithm::Ps256, &mut host), Err(SignFailure::NoRandomness));
    assert_eq!(host.asked, 1);
    for answer in [None, Some(Vec::new()), Some(vec![0x08, 0x01]), Some(vec![7; 261]), Some(vec![0; 4_096])] {
        let mut host = Host { key: None, answer, seed: Some([7; 32]), asked: 0 };
        assert_eq!((sign(Algorithm::Rs256, &mut host), host.asked), (vm.clone(), 1));
    }
    // Another key's signature.
    let other = rsa::RsaPrivateKey::new(&mut OsRng, 2_048).unwrap();
    let mut host = Host { key: Some(other), answer: None, seed: Some([7; 32]), asked: 0 };
    assert_eq!((sign(Algorithm::Rs256, &mut host), host.asked), (vm.clone(), 1));
}

#[test]
fn the_header_names_the_key_and_only_its_own_certificate() {
    let (forms, other) = (p256(), p256());
    let certificate = Certificate::from_pem(&forms.certificate).unwrap();
    let sha256 = URL_SAFE_NO_PAD.encode(sha256(&der(&forms.certificate)));
    let sha1 = URL_SAFE_NO_PAD.encode(hmac_sha1_compact::Hash::hash(&der(&forms.certificate)));
    for (reference, name, value) in [
        (KeyReference::Sha256(certificate.clone()), "x5t#S256", &sha256),
        (KeyReference::Sha1(certificate), "x5t", &sha1),
        (KeyReference::KeyId("a \"kid\"".into()), "kid", &"a \"kid\"".to_owned()),
    ] {
        let signer = Signer::new(private(&forms.private[0]).unwrap(), Algorithm::Es256, &reference).unwrap();
        let token = signer.sign("{}", &mut Seed(None)).unwrap();
        let expected = serde_json::json!({"alg": "ES256", "typ": "JWT", name: value});
        assert_eq!(header(token.expose()), expected);
    }
    let other = Certificate::from_pem(&other.certificate).unwrap();
    for reference in [KeyReference::Sha256(other.clone()), KeyReference::Sha1(other)] {
        let signer = Signer::new(private(&forms.private[0]).unwrap(), Algorithm::Es256, &reference);
        assert_eq!(signer.err(), Some(BadKey::OtherCertificate));
    }
}

#[test]
fn what_is_no_usable_private_key_is_refused_with_the_reason() {
    let (forms, p384) = (p256(), KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap());
    let good = &forms.private[0];
    let (label, cut) = (good.replace("BEGIN PRIVATE", "BEGIN EC PRIVATE"), good[..good.len() / 2].to_owned());
    let pfx = STANDARD.encode([&[0x30, 0x82, 0x0a, 0x10, 2, 1, 3, 0x30, 0x82][..], &[0; 64]].concat());
    let encrypted = good.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let old_encrypted =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----";
    let small = rsa::RsaPrivateKey::new(&mut OsRng, 1024).unwrap().to_pkcs8_pem(LineEnding::LF).unwrap();
    let not_base64 = good.replacen("\n", "\n!", 1);
    for (text, fault) in [
        ("", BadKey::NotPem),
        ("secret", BadKey::NotPem),
        (&pfx, BadKey::Pfx),
        (&forms.certificate, BadKey::NoPrivateKey),
        (&format!("{good}{good}"), BadKey::SeveralPrivateKeys),
        (&encrypted, BadKey::Encrypted),
        (old_encrypted, BadKey::Encrypted),
        (&label, BadKey::Damaged),
        (&cut, BadKey::Damaged),
        (&not_base64, BadKey::Damaged),
        (&p384.serialize_pem(), BadKey::Unsupported),
        (&KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem(), BadKey::Unsupported),
        (&small, BadKey::WrongSize),
    ] {
        assert_eq!(private(text).err(), Some(fault), "{text}");
    }
    assert_eq!(format!("{:?}", private(good).unwrap()), "PrivateKey(P256)");
}

#[test]
fn numbers_that_make_no_key_are_refused() {
    let forms = rsa(2048);
    let key = der(&forms.private[1]);
    // Within the private exponent, and within a prime.
    for place in [400, 600] {
        let mut changed = key.clone();
        changed[place] ^= 1;
        let text = format!(
            "-----BEGIN RSA PRIVATE KEY-----{}-----END RSA PRIVATE KEY-----",
            STANDARD.encode(changed)
        );
        assert_eq!(private(&text).err(), Some(BadKey::Impossible));
    }
}

#[test]
fn what_is_no_public_key_is_refused_with_the_reason() {
    let forms = p256();
    for (text, fault) in [
        (forms.private[0].as_str(), BadKey::Private),
        (&format!("{}{}", forms.certificate, forms.private[0]), BadKey::Private),
        ("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----", BadKey::NoPublicKey),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", BadKey::Damaged),
        ("text", BadKey::NotPem),
    ] {
        assert_eq!(PublicJwk::from_pem(text).err(), Some(fault), "{text}");
    }
    let certificate = der(&forms.certificate);
    // However a certificate is cut off, it is none.
    for length in 0..certificate.len() {
        let text = format!(
            "-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----",
            STANDARD.encode(&certificate[..length])
        );
        assert!(Certificate::from_pem(&text).is_err(), "{length}");
    }
    assert_eq!(Certificate::from_pem(&forms.public[0]).err(), Some(BadKey::NoCertificate));
}
