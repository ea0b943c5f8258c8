//! A rate limit on a log message that many events may cause: one line for each key in a while, with the number of events
//! since the line before.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// The most keys that are remembered. Beyond them the key whose line is oldest is forgotten.
const MAX_KEYS: usize = 1024;

/// Decides whether an event may be logged.
#[derive(Debug)]
pub struct RepeatLimit<K> {
    pause: Duration,
    said: HashMap<K, Said>,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    at: Instant,
    unsaid: u64,
}

impl<K: Clone + Eq + Hash> RepeatLimit<K> {
    /// Allows one line for each key in every `pause`.
    #[must_use]
    pub fn new(pause: Duration) -> Self {
        Self { pause, said: HashMap::new() }
    }

    /// Counts an event. Returns the number of events that the line is about, this one included, if it may be logged.
    pub fn count(&mut self, key: &K, now: Instant) -> Option<u64> {
        if let Some(said) = self.said.get_mut(key) {
            said.unsaid = said.unsaid.saturating_add(1);
            if now.saturating_duration_since(said.at) < self.pause {
                return None;
            }
            let events = said.unsaid;
            *said = Said { at: now, unsaid: 0 };
            return Some(events);
        }
        if self.said.len() >= MAX_KEYS
            && let Some(oldest) = self.said.iter().min_by_key(|(_, said)| said.at).map(|(key, _)| key.clone())
        {
            self.said.remove(&oldest);
        }
        self.said.insert(key.clone(), Said { at: now, unsaid: 0 });
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{MAX_KEYS, RepeatLimit};

    const PAUSE: Duration = Duration::from_secs(10);

    #[test]
    fn the_first_event_of_a_key_is_logged_and_the_rest_are_counted() {
        let (mut limit, start) = (RepeatLimit::new(PAUSE), Instant::now());
        assert_eq!(limit.count(&"a", start), Some(1));
        for _ in 0..6000 {
            assert_eq!(limit.count(&"a", start + PAUSE / 2), None);
        }
        assert_eq!(limit.count(&"b", start), Some(1), "each key for itself");
        assert_eq!(limit.count(&"a", start + PAUSE), Some(6001));
        assert_eq!(limit.count(&"a", start + PAUSE), None);
    }

    #[test]
    fn many_keys_take_no_more_memory_than_a_few_times_the_bound() {
        let (mut limit, start) = (RepeatLimit::new(PAUSE), Instant::now());
        for key in 0..MAX_KEYS * 3 {
            assert_eq!(limit.count(&key, start + Duration::from_nanos(key as u64)), Some(1));
        }
        assert_eq!(limit.said.len(), MAX_KEYS);
        assert_eq!(limit.count(&(MAX_KEYS * 3 - 1), start + PAUSE / 2), None, "the newest are the ones that stay");
    }
}
