//! The test keys that may still be valid, for the shards to forget them once they are not.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::control::publish::ChangedApplication;

/// The applications of test keys, each with the end of its key, the oldest first.
#[derive(Debug, Default)]
pub(super) struct TestKeys(VecDeque<(u64, Timestamp)>);

impl TestKeys {
    /// The number of keys that were not taken yet.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds the application of a key that ends later than those before.
    pub(super) fn push(&mut self, application: u64, end: Timestamp) {
        self.0.push_back((application, end));
    }

    /// Takes the applications whose keys have ended.
    pub(super) fn take_ended(&mut self, now: Timestamp) -> Vec<ChangedApplication> {
        let mut ended = Vec::new();
        while let Some((id, _)) = self.0.front().copied().filter(|(_, end)| *end <= now) {
            self.0.pop_front();
            ended.push(ChangedApplication { id, state: None });
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::TestKeys;

    #[test]
    fn a_key_is_forgotten_when_it_has_ended() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut keys = TestKeys::default();
        keys.push(1, at(10));
        keys.push(2, at(20));
        let taken = |keys: &mut TestKeys, now| keys.take_ended(at(now)).iter().map(|it| it.id).collect::<Vec<_>>();
        assert_eq!((taken(&mut keys, 9), keys.len()), (vec![], 2));
        assert_eq!((taken(&mut keys, 10), keys.len()), (vec![1], 1));
        assert_eq!((taken(&mut keys, 99), keys.len()), (vec![2], 0));
    }
}
