//! What went wrong and stays so, for the health page: the log told of it once, and scrolls away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One problem a topic. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Notes {
    /// Something is wrong, in place of what was wrong with this topic before. Whether that is news.
    pub fn set(&self, topic: &'static str, problem: String) -> bool {
        let before = self.lock().insert(topic, problem.clone());
        before != Some(problem)
    }

    /// Nothing is wrong with it any more. Whether something was.
    pub fn clear(&self, topic: &'static str) -> bool {
        self.lock().remove(topic).is_some()
    }

    /// What is wrong now.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
