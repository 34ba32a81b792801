//! A certificate and its key are rotated one after the other.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at a surprise")]

use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepass::calls::{Answer, CallFailure, Jitter, Url};
use gatepass::fingerprint::Fingerprint;
use gatepass::jwt::{Algorithm, BadKey, Random};
use gatepass::secret::SecretString;
use gatepass::time::{Monotonic, Now, UnixTime};
use gatepass::tokens::lease::{Alone, Lease};
use gatepass::tokens::{
    AssertionKeyId, ClientCredentials, Credential, Definition, Dialect, Due, Get, Inputs, Progress,
    SignedAssertion, Source, Target, Tokens,
};
use rcgen::{CertificateParams, KeyPair};

/// The files of a key and of its certificate.
#[derive(Clone)]
struct Files {
    key: String,
    certificate: String,
}

impl Files {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        Self { key: key.serialize_pem(), certificate: certificate.pem() }
    }
}

impl Random for Files {
    fn seed(&mut self) -> Option<[u8; 32]> {
        Some([7; 32])
    }
}

impl Inputs for Files {
    fn secret(&mut self, of: Fingerprint, _: Now) -> Result<SecretString, Option<Duration>> {
        let is_key = of == Fingerprint::of(&["key"]);
        Ok(SecretString::new(if is_key { self.key.clone() } else { self.certificate.clone() }))
    }
}

fn definition() -> Rc<Definition> {
    let assertion = SignedAssertion {
        private_key: Fingerprint::of(&["key"]),
        algorithm: Algorithm::Es256,
        key_id: AssertionKeyId::Certificate(Fingerprint::of(&["certificate"])),
        audience: "https://idp.example/token".to_owned(),
    };
    let client = ClientCredentials {
        cluster: "idp".to_owned(),
        token_url: Url::parse("https://idp.example/token").unwrap(),
        dialect: Dialect::Other,
        client_id: "client".to_owned(),
        credential: Credential::SignedAssertion(assertion),
        parameters: Vec::new(),
    };
    let source = Source::ClientCredentials(Box::new(client));
    Rc::new(Definition::new("partner", source, &Target::Scope("read".to_owned())).unwrap())
}

struct Vm {
    tokens: Tokens,
    definition: Rc<Definition>,
    now: u64,
}

impl Vm {
    fn now(&self) -> Now {
        let monotonic = Monotonic::from_nanoseconds(self.now * 1_000_000_000);
        Now { monotonic, wall: UnixTime::from_seconds(1_800_000_000 + self.now) }
    }

    /// What is due after a minute, while requests ask for the token.
    fn due(&mut self, files: &Files) -> Due {
        self.now += 60;
        let now = self.now();
        let _ = self.tokens.get(&self.definition, now);
        self.tokens.due(&Lease::new(1), &mut Alone, &mut files.clone(), now)
    }

    /// `x5t#S256` of the assertion that goes out; it brings a token for a minute.
    fn thumbprint(&mut self, files: &Files) -> String {
        let due = self.due(files);
        let mut form = form_urlencoded::parse(due.calls[0].1.body.expose().as_bytes());
        let assertion = form.find(|(name, _)| name == "client_assertion").unwrap().1;
        let header = URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        let body = format!(r#"{{"access_token":"t{}","expires_in":60,"token_type":"Bearer"}}"#, self.now);
        let answer = Answer { status: 200, retry_after: None, challenge: None, body: body.into_bytes() };
        let (of, now) = (self.definition.fingerprint, self.now());
        self.tokens.answered(of, Ok(&answer), &Lease::new(1), &mut Alone, now, &mut Jitter::new(1));
        header["x5t#S256"].as_str().unwrap().to_owned()
    }
}

#[test]
fn when_certificate_and_key_rotate_apart_the_last_pair_that_belonged_together_signs() {
    let mut vm = Vm { tokens: Tokens::default(), definition: definition(), now: 60 };
    let (old, new) = (Files::new(), Files::new());
    let first = vm.thumbprint(&old);
    let between = Files { key: old.key.clone(), certificate: new.certificate.clone() };
    assert_eq!(vm.thumbprint(&between), first);
    let damaged = Files { key: "-----BEGIN".to_owned(), certificate: new.certificate.clone() };
    assert_eq!(vm.thumbprint(&damaged), first);
    assert_ne!(vm.thumbprint(&new), first);
}

#[test]
fn without_such_a_pair_nothing_is_sent() {
    let mut vm = Vm { tokens: Tokens::default(), definition: definition(), now: 60 };
    let mixed = Files { key: Files::new().key, ..Files::new() };
    let due = vm.due(&mixed);
    assert!(due.calls.is_empty());
    assert_eq!(due.changed[0].1, Progress::Failed(CallFailure::BadKey(BadKey::OtherCertificate)));
    let now = vm.now();
    assert!(matches!(vm.tokens.get(&vm.definition, now), Get::Unavailable(_)));
    // The right files end the wait at once.
    let right = Files::new();
    let _ = vm.tokens.get(&vm.definition, now);
    let due = vm.tokens.due(&Lease::new(1), &mut Alone, &mut right.clone(), now);
    assert_eq!(due.calls.len(), 1);
}
