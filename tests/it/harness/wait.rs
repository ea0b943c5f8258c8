//! Waiting for a condition. The pause between two looks decides nothing but how soon it is seen.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that should take no time: generous, for a host that does other work too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` gives something.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "in {PATIENCE:?} it did not come to this: {what}");
        thread::sleep(Duration::from_millis(3));
    }
}
