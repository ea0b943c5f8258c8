//! Problems that last, for the health page: the log shows them only once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// At most one problem a topic. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Notes {
    /// Sets the problem of a topic. Returns `true` if it differs from the one before.
    pub fn set(&self, topic: &'static str, problem: String) -> bool {
        let before = self.lock().insert(topic, problem.clone());
        before != Some(problem)
    }

    /// Removes the problem of a topic. Returns `true` if there was one.
    pub fn clear(&self, topic: &'static str) -> bool {
        self.lock().remove(topic).is_some()
    }

    /// All problems, by topic.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
