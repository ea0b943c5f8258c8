//! Time on a shard: nanoseconds of the kernel's monotonic clock, which all processes of a host share.

use std::time::Duration;

use super::sys;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// A moment, in nanoseconds since a fixed point of this boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(u64);

impl Time {
    /// The latest moment.
    pub const MAX: Self = Self(u64::MAX);

    /// The present, read from the kernel's clock.
    #[must_use]
    pub fn of_the_clock() -> Self {
        Self(sys::monotonic_nanos())
    }

    /// The moment so many nanoseconds after the fixed point.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the fixed point.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment so many milliseconds after the fixed point.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(NANOS_PER_MILLI))
    }

    /// Whole milliseconds since the fixed point.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / NANOS_PER_MILLI
    }

    /// The moment `wait` later, at most [`MAX`](Self::MAX).
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The time since `earlier`; zero if that is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
