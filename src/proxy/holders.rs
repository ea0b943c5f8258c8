//! The connections of a shard that were admitted with a key: found by their application and key when a change revokes some,
//! and in the order in which their keys expire.
//!
//! In: the connection when it is admitted, and when it is gone. Out: the connections that a change or the clock ends. A
//! connection that was admitted without a key is not here and costs nothing.

use std::collections::BTreeSet;

use crate::engine::{Slot, Time};
use crate::routing::consumers::{ApplicationId, KeyHolder, KeyId, Revoked};

const FIRST: Slot = Slot(0);
const LAST: Slot = Slot(u32::MAX);

/// The connections, by their slots.
#[derive(Debug, Default)]
pub(super) struct Holders {
    by_key: BTreeSet<(ApplicationId, KeyId, Slot)>,
    /// With the time at which the key expires; without those whose keys do not.
    by_end: BTreeSet<(Time, Slot)>,
}

impl Holders {
    /// Adds a connection. Its key expires at `expires_at`, if ever.
    pub(super) fn enter(&mut self, slot: Slot, holder: &KeyHolder, expires_at: Option<Time>) {
        self.by_key.insert((holder.application.id, holder.key, slot));
        if let Some(at) = expires_at {
            self.by_end.insert((at, slot));
        }
    }

    /// Removes a connection, with the values that it was added with.
    pub(super) fn leave(&mut self, slot: Slot, holder: &KeyHolder, expires_at: Option<Time>) {
        let was_there = self.by_key.remove(&(holder.application.id, holder.key, slot));
        debug_assert!(was_there, "a connection that leaves has entered");
        if let Some(at) = expires_at {
            self.by_end.remove(&(at, slot));
        }
    }

    /// The connections that a change may end: those of its keys, and those of its applications, whose APIs the caller compares.
    pub(super) fn concerned(&self, revoked: &Revoked) -> BTreeSet<Slot> {
        let keys = revoked.keys().map(|(application, key)| (application, key, FIRST)..=(application, key, LAST));
        let applications = revoked
            .applications()
            .map(|application| (application, KeyId(u64::MIN), FIRST)..=(application, KeyId(u64::MAX), LAST));
        keys.chain(applications).flat_map(|range| self.by_key.range(range)).map(|(_, _, slot)| *slot).collect()
    }

    /// The next moment at which a key expires.
    #[inline]
    pub(super) fn due(&self) -> Option<Time> {
        self.by_end.first().map(|(at, _)| *at)
    }

    /// Takes a connection whose key has expired.
    pub(super) fn next_expired(&mut self, now: Time) -> Option<Slot> {
        self.by_end.first().filter(|(at, _)| *at <= now)?;
        self.by_end.pop_first().map(|(_, slot)| slot)
    }

    /// True if no connection is here.
    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty() && self.by_end.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::Holders;
    use crate::engine::{Slot, Time};
    use crate::routing::consumers::{ApiFamily, Application, ApplicationId, KeyHolder, KeyId, Plan, Revoked};

    fn holder(application: u64, key: u64) -> KeyHolder {
        KeyHolder {
            key: KeyId(key),
            application: Arc::new(Application::new(ApplicationId(application), "desk", "acme", Vec::new())),
            family: Arc::new(ApiFamily { project: "default".into(), identifier: "chat".into(), major: 1 }),
            plan: Arc::new(Plan { name: "free".into() }),
        }
    }

    fn slots(of: &[u32]) -> BTreeSet<Slot> {
        of.iter().map(|slot| Slot(*slot)).collect()
    }

    #[test]
    fn a_change_concerns_the_connections_of_its_keys_and_applications() {
        let mut holders = Holders::default();
        for (slot, application, key) in [(0, 1, 10), (1, 1, 11), (2, 2, 20), (u32::MAX, 2, 21), (4, 3, 30), (5, 1, 10)]
        {
            holders.enter(Slot(slot), &holder(application, key), None);
        }
        let concerned = |fill: &dyn Fn(&mut Revoked)| {
            let mut revoked = Revoked::default();
            fill(&mut revoked);
            holders.concerned(&revoked)
        };
        assert_eq!(concerned(&|_| {}), slots(&[]));
        assert_eq!(concerned(&|revoked| revoked.key(ApplicationId(1), KeyId(10))), slots(&[0, 5]));
        assert_eq!(concerned(&|revoked| revoked.key(ApplicationId(2), KeyId(10))), slots(&[]));
        assert_eq!(concerned(&|revoked| revoked.application(ApplicationId(2))), slots(&[2, u32::MAX]));
        let family = Arc::clone(&holder(3, 30).family);
        let both = concerned(&|revoked| {
            revoked.subscription(ApplicationId(3), Arc::clone(&family));
            revoked.key(ApplicationId(1), KeyId(11));
        });
        assert_eq!(both, slots(&[1, 4]));
        holders.leave(Slot(4), &holder(3, 30), None);
        assert!(!holders.is_empty());
    }

    #[test]
    fn connections_are_taken_in_the_order_in_which_their_keys_expire() {
        let mut holders = Holders::default();
        let at = Time::from_millis;
        holders.enter(Slot(1), &holder(1, 10), Some(at(300)));
        holders.enter(Slot(2), &holder(1, 10), Some(at(200)));
        holders.enter(Slot(3), &holder(1, 11), None);
        holders.enter(Slot(4), &holder(1, 12), Some(at(100)));
        holders.leave(Slot(4), &holder(1, 12), Some(at(100)));
        assert_eq!(holders.due(), Some(at(200)));
        assert_eq!(holders.next_expired(at(199)), None);
        assert_eq!(holders.next_expired(at(300)), Some(Slot(2)));
        assert_eq!(holders.next_expired(at(300)), Some(Slot(1)));
        assert_eq!((holders.next_expired(at(300)), holders.due()), (None, None));
        for (slot, key, at) in [(1, 10, Some(at(300))), (2, 10, Some(at(200))), (3, 11, None)] {
            holders.leave(Slot(slot), &holder(1, key), at);
        }
        assert!(holders.is_empty());
    }
}
