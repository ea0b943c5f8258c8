//! First answers: the start of a process waits until each name has had one.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Names whose first answer is still waited for. Clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstAnswers(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    waiting: Mutex<usize>,
    none: Condvar,
}

impl FirstAnswers {
    /// Counts one more name, until what is returned is dropped.
    pub(super) fn expect_one(&self) -> Waiting {
        let mut waiting = lock(&self.0.waiting);
        *waiting = waiting.saturating_add(1);
        Waiting(Arc::clone(&self.0))
    }

    /// Waits until each name has had its first answer, or `patience` is over.
    pub(super) fn wait(&self, patience: Duration) {
        let Counted { waiting, none } = &*self.0;
        // The answers themselves are in the address cells.
        let _ = none.wait_timeout_while(lock(waiting), patience, |waiting| *waiting > 0);
    }
}

/// A name without its first answer, until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting(Arc<Counted>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = lock(&self.0.waiting);
        *waiting = waiting.saturating_sub(1);
        if *waiting == 0 {
            self.0.none.notify_all();
        }
    }
}

fn lock(waiting: &Mutex<usize>) -> MutexGuard<'_, usize> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
