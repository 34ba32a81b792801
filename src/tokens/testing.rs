//! What tests of several VMs have in common.

use std::collections::BTreeMap;

use super::lease::{Lease, SharedStore, Taken, Version};
use crate::fingerprint::Fingerprint;
use crate::time::Now;

/// Random numbers that a seed determines.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Shared data of one Envoy: values with versions, as its host keeps them.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) values: BTreeMap<String, (Vec<u8>, u32)>,
    last_version: u32,
    pub(crate) wakes: usize,
    /// Whether somebody else's VM takes the lease just before the next write.
    pub(crate) rival: Option<Fingerprint>,
}

impl SharedStore for Memory {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.values.get(key).map(|(value, version)| (value.clone(), Version(*version)))
    }

    fn compare_and_set(&mut self, key: &str, value: &[u8], version: Version) -> bool {
        if let Some(of) = self.rival.take() {
            let seen = Lease::new(99).read(of, self, Now::default());
            assert_eq!(Lease::new(99).take(of, &seen, self, Now::default()), Taken::Won);
        }
        // The host ignores the version where there is no value.
        if self.values.get(key).is_some_and(|(_, current)| Version(*current) != version) {
            return false;
        }
        self.last_version += 1;
        self.values.insert(key.to_owned(), (value.to_vec(), self.last_version));
        true
    }

    fn wake_others(&mut self) {
        self.wakes += 1;
    }
}
