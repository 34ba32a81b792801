//! The two clocks, always handed in.
//!
//! Leases, back-off, deadlines and a token's remaining life run on the monotonic clock; only dates that
//! other parties wrote (`exp`, `nbf`, `expires_on`, `Retry-After`) are compared with the wall clock.

use std::time::Duration;

/// A reading of the monotonic clock: time since a start that all VMs of one Envoy process share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// A reading of `nanoseconds`.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(Duration::from_nanos(nanoseconds))
    }

    /// This reading in nanoseconds; saturates after 584 years.
    pub fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The reading `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// The time from this reading until `later`; zero when that has passed.
    pub fn until(self, later: Self) -> Duration {
        later.0.saturating_sub(self.0)
    }
}

/// Seconds since 1970-01-01 UTC (`NumericDate` of RFC 7519, section 2), without fractions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The time `seconds` after the epoch.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds after the epoch.
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// The time from this one until `later`; zero when that has passed.
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_secs(later.0.saturating_sub(self.0))
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock.
    pub monotonic: Monotonic,
    /// The wall clock.
    pub wall: UnixTime,
}
