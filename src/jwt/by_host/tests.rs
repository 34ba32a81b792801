#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::cell::Cell;

use serde_json::json;

use super::*;
use crate::jwt::testing::TestKey;

/// A host that answers each call as `answer` says, which is given the number of the call.
struct Host<F> {
    calls: Cell<usize>,
    answer: F,
}

impl<F: Fn(usize, &[u8]) -> Option<Vec<u8>>> HostCrypto for Host<F> {
    fn verify_signature(&self, arguments: &[u8]) -> Option<Vec<u8>> {
        let call = self.calls.get();
        self.calls.set(call + 1);
        (self.answer)(call, arguments)
    }
}

fn host<F: Fn(usize, &[u8]) -> Option<Vec<u8>>>(answer: F) -> Host<F> {
    Host { calls: Cell::new(0), answer }
}

const YES: [u8; 2] = [0x08, 0x01];

/// The probe's good message ends in `gatepass`, its tampered one does not: enough for a host that is to pass it.
fn honest_in_the_probe(arguments: &[u8]) -> Option<Vec<u8>> {
    Some(if arguments.ends_with(b"gatepass") { YES.to_vec() } else { Vec::new() })
}

fn jwk(key: &TestKey) -> PublicJwk {
    Jwks::parse(json!({"keys": [key.jwk("k")]}).to_string().as_bytes()).unwrap().keys.pop().unwrap().key
}

/// Every algorithm's verdicts are those of the VM.
fn judges_as_the_vm<H: HostCrypto>(verifier: &HostVerifier<H>, what: &str) {
    for (key, algorithm) in TestKey::all().iter().zip(Algorithm::ALL) {
        let (ready, signature) = (verifier.prepare(&jwk(key)).unwrap(), key.sign("message"));
        assert!(verifier.verify(algorithm, &ready, b"message", &signature), "{what}: {algorithm:?}");
        assert!(!verifier.verify(algorithm, &ready, b"messagE", &signature), "{what}: {algorithm:?}");
        assert!(verifier.is_slow(algorithm) != verifier.by_host().contains(&algorithm));
    }
}

#[test]
fn a_host_that_cannot_or_answers_oddly_is_not_used() {
    let answers: [(&str, Option<Vec<u8>>); 10] = [
        ("no such function, or any other status", None),
        ("nothing", Some(vec![])),
        ("always yes", Some(YES.to_vec())),
        ("always no", Some(vec![0x08, 0x00])),
        ("cut off", Some(vec![0x08])),
        ("yes and more", Some(vec![0x08, 0x01, 0x00])),
        ("yes as two bytes", Some(vec![0x08, 0x81, 0x00])),
        ("another true", Some(vec![0x08, 0x02])),
        ("an error", Some(vec![0x12, 0x03, b'b', b'a', b'd'])),
        ("much", Some(vec![0xff; 100_000])),
    ];
    for (what, answer) in answers {
        let verifier = HostVerifier::probe(host(|_, _: &[u8]| answer.clone()));
        assert_eq!(verifier.by_host(), [], "{what}");
        judges_as_the_vm(&verifier, what);
    }
    let turned_round = HostVerifier::probe(host(|_, arguments: &[u8]| {
        Some(if arguments.ends_with(b"gatepass") { vec![] } else { YES.to_vec() })
    }));
    assert_eq!(turned_round.by_host(), []);
}

#[test]
fn a_host_is_asked_for_what_it_has_proved_and_nothing_else() {
    let verifier = HostVerifier::probe(host(|_, arguments: &[u8]| honest_in_the_probe(arguments)));
    use Algorithm::{Es256, Es384, Rs256, Rs384, Rs512};
    assert_eq!(verifier.by_host(), [Rs256, Rs384, Rs512, Es256, Es384]);
    for (key, algorithm) in TestKey::all().iter().zip(Algorithm::ALL) {
        let (ready, signature) = (verifier.prepare(&jwk(key)).unwrap(), key.sign("message"));
        let before = verifier.host.calls.get();
        // This host says no to what is not the probe's.
        let by_host = verifier.by_host().contains(&algorithm);
        assert_eq!(verifier.verify(algorithm, &ready, b"message", &signature), !by_host, "{algorithm:?}");
        assert_eq!(verifier.host.calls.get() - before, usize::from(by_host), "{algorithm:?}");
        // Nor is it asked about a key of another family.
        for other in Algorithm::ALL.into_iter().filter(|other| other.family() != algorithm.family()) {
            let before = verifier.host.calls.get();
            assert!(!verifier.verify(other, &ready, b"message", &signature));
            assert_eq!(verifier.host.calls.get(), before);
        }
    }
}

#[test]
fn the_vm_takes_over_from_a_host_that_stops_answering() {
    // Two questions for each of the five algorithms that it does.
    let verifier = HostVerifier::probe(host(
        |call, arguments: &[u8]| {
            if call < 10 { honest_in_the_probe(arguments) } else { None }
        },
    ));
    assert_eq!(verifier.by_host().len(), 5);
    judges_as_the_vm(&verifier, "stopped");
}

#[test]
fn the_known_answers_are_right() {
    for algorithm in Algorithm::ALL {
        let Some(KnownAnswer { key, signature, .. }) = known_answer(algorithm) else { continue };
        assert!(Software.verify(algorithm, key.software(), b"gatepass", &signature), "{algorithm:?}");
        assert!(!Software.verify(algorithm, key.software(), b"gatepasS", &signature), "{algorithm:?}");
    }
}
