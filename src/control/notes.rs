//! The lasting conditions for the health page: problems, and options that wait for a restart. The log shows them only once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// At most one problem a topic, and the options of the configuration file whose new values wait for a restart. Clones share
/// them.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    problems: BTreeMap<&'static str, String>,
    restart_pending: Vec<String>,
}

impl Notes {
    /// Sets the problem of a topic. Returns `true` if it differs from the one before.
    pub fn set(&self, topic: &'static str, problem: String) -> bool {
        let before = self.lock().problems.insert(topic, problem.clone());
        before != Some(problem)
    }

    /// Removes the problem of a topic. Returns `true` if there was one.
    pub fn clear(&self, topic: &'static str) -> bool {
        self.lock().problems.remove(topic).is_some()
    }

    /// All problems, by topic.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.lock().problems.values().cloned().collect()
    }

    /// Sets the options that wait for a restart.
    pub fn set_restart_pending(&self, options: Vec<String>) {
        self.lock().restart_pending = options;
    }

    /// The options that wait for a restart.
    #[must_use]
    pub fn restart_pending(&self) -> Vec<String> {
        self.lock().restart_pending.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
