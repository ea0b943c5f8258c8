//! Waiting for a condition. The pause between two looks decides nothing but how soon it is seen.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that should take no time: generous, for a host that does other work too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` gives something.
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

/// What is left of [`PATIENCE`]. Time in which this process did not run does not count: a host may freeze it, and what it waits
/// for with it.
pub(crate) struct Patience {
    left: Duration,
    looked: Instant,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { left: PATIENCE, looked: Instant::now() }
    }

    /// Whether there is any. Pauses a moment before the next look.
    pub(crate) fn is_left(&mut self) -> bool {
        thread::sleep(Duration::from_millis(3));
        let passed = self.looked.elapsed();
        self.looked += passed;
        self.left = self.left.saturating_sub(passed.min(A_TURN));
        !self.left.is_zero()
    }
}

/// Longer than a thread waits for its turn on a busy host, or a look takes.
const A_TURN: Duration = Duration::from_secs(1);
