//! Shared data and queues of the VMs of one Envoy, as the lease wants them.

use std::collections::BTreeSet;

use super::abi::{self, Status};
use crate::collect::one_by_one;
use crate::observe::LogLevel;
use crate::tokens::lease::{Alone, SharedStore, Version};

/// The list of every root's queue.
const QUEUES: &str = "gatepass.queues";
/// The most queues that are known at once: workers times plugins.
const MAX_QUEUES: usize = 512;
/// Tries of one change to the list while others change it too.
const MAX_TRIES: usize = 16;

/// Where VMs meet: in shared data, or nowhere.
pub(super) enum Store {
    Shared,
    Alone(Alone),
}

impl SharedStore for Store {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, Version)> {
        match self {
            Self::Alone(alone) => alone.get(key),
            Self::Shared => abi::shared_data(key).ok().map(|(value, cas)| (value, Version(cas))),
        }
    }

    fn compare_and_set(&mut self, key: &str, value: &[u8], version: Version) -> bool {
        match self {
            Self::Alone(alone) => alone.compare_and_set(key, value, version),
            Self::Shared => abi::set_shared_data(key, value, version.0).is_ok(),
        }
    }

    fn wake_others(&mut self) {
        if let Self::Shared = self {
            let gone: Vec<u32> = queues()
                .0
                .into_iter()
                .filter(|queue| abi::enqueue(*queue, b"!") == Err(Status::NotFound))
                .collect();
            change_queues(|queues| queues.retain(|queue| !gone.contains(queue)));
        }
    }
}

impl Store {
    /// Gives a root a queue of its own and, where VMs share, makes it known to the others.
    pub(super) fn open_queue(&self, owner: u64, root: u32) -> Option<u32> {
        match abi::register_queue(&format!("gatepass.{owner:016x}.{root}")) {
            Ok(queue) if matches!(self, Self::Shared) => {
                change_queues(|queues| {
                    if queues.len() < MAX_QUEUES {
                        queues.insert(queue);
                    }
                });
                Some(queue)
            }
            Ok(queue) => Some(queue),
            Err(status) => {
                let text = format!("no queue to be had ({status:?}); waiting requests go on by tick");
                abi::log(LogLevel::Warn, &text);
                None
            }
        }
    }
}

/// Puts a message into a queue: its root is called as soon as this callback is over. Whether that worked.
pub(super) fn ring(queue: u32) -> bool {
    abi::enqueue(queue, b"!").is_ok()
}

/// A root goes away: nobody needs to wake it any more.
pub(super) fn close_queue(queue: u32) {
    change_queues(|queues| {
        queues.remove(&queue);
    });
}

fn change_queues(change: impl Fn(&mut BTreeSet<u32>)) {
    for _ in 0..MAX_TRIES {
        let (before, version) = queues();
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return;
        }
        let bytes: Vec<u8> = after.iter().flat_map(|queue| queue.to_le_bytes()).collect();
        if abi::set_shared_data(QUEUES, &bytes, version) != Err(Status::CasMismatch) {
            return;
        }
    }
}

/// The list and its version. Its entries are plain numbers: whatever somebody else writes, the worst is a
/// message to a queue that is not ours.
fn queues() -> (BTreeSet<u32>, u32) {
    match abi::shared_data(QUEUES) {
        Ok((bytes, version)) => {
            let queues = bytes.chunks_exact(4).take(MAX_QUEUES).filter_map(|chunk| chunk.try_into().ok());
            (one_by_one(queues.map(u32::from_le_bytes)), version)
        }
        Err(_) => (BTreeSet::new(), Version::ABSENT.0),
    }
}
