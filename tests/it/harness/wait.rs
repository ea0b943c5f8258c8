//! Waiting for a condition. The pause between two checks decides only how soon a test sees it.

use std::thread;
use std::time::{Duration, Instant};

/// The longest time for anything that should happen at once: generous, because the host may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` returns something, and fails after [`PATIENCE`].
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut patience = Patience::new();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(patience.is_left(), "in {PATIENCE:?} it did not come to this: {what}");
    }
}

/// The rest of [`PATIENCE`]. Time in which this process did not run does not count: a host may freeze it together with whatever
/// it waits for.
pub(crate) struct Patience {
    left: Duration,
    looked: Instant,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { left: PATIENCE, looked: Instant::now() }
    }

    /// True if time is left. Pauses before the next check.
    pub(crate) fn is_left(&mut self) -> bool {
        thread::sleep(Duration::from_millis(3));
        let passed = self.looked.elapsed();
        self.looked += passed;
        self.left = self.left.saturating_sub(passed.min(A_TURN));
        !self.left.is_zero()
    }
}

/// More than a thread waits for a CPU on a busy host, or a check takes.
const A_TURN: Duration = Duration::from_secs(1);
