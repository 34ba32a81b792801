//! A token bucket: so many at once, then one per interval.

use std::time::Duration;

use crate::time::Monotonic;

/// How often something may still be done.
#[derive(Debug)]
pub struct Bucket {
    capacity: u32,
    interval: Duration,
    left: u32,
    since: Monotonic,
}

impl Bucket {
    /// A full bucket of `capacity`, into which one comes back per `interval`.
    pub const fn new(capacity: u32, interval: Duration) -> Self {
        Self { capacity, interval, left: capacity, since: Monotonic::from_nanoseconds(0) }
    }

    /// Takes one, if there is one.
    pub fn spend(&mut self, now: Monotonic) -> bool {
        self.spend_many(1, now)
    }

    /// Takes `count`, if there are as many.
    pub fn spend_many(&mut self, count: u32, now: Monotonic) -> bool {
        while self.left < self.capacity && self.since.after(self.interval) <= now {
            self.left = self.left.saturating_add(1);
            self.since = self.since.after(self.interval);
        }
        if self.left == self.capacity {
            self.since = now;
        }
        let left = self.left.checked_sub(count);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn so_many_at_once_then_one_per_interval() {
        let at = |seconds: u64| Monotonic::from_nanoseconds(seconds * 1_000_000_000);
        let mut bucket = Bucket::new(3, Duration::from_secs(30));
        let mut spent = |seconds, tries| (0..tries).filter(|_| bucket.spend(at(seconds))).count();
        assert_eq!(spent(1_000_000, 10), 3);
        assert_eq!(spent(1_000_029, 10), 0);
        assert_eq!(spent(1_000_030, 10), 1);
        assert_eq!(spent(1_000_095, 10), 2);
        assert_eq!(spent(9_000_000, 10), 3);
        assert!(!bucket.spend_many(4, at(19_000_000)), "more than it ever holds");
        assert!(bucket.spend_many(2, at(19_000_000)) && !bucket.spend_many(2, at(19_000_000)));
        assert!(bucket.spend_many(1, at(19_000_000)) && bucket.spend_many(0, at(19_000_000)));
    }
}
