//! The table of keys that the shards have, kept up to date application by application, and what each change ends.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use super::ChangedApplication;
use crate::api::consumers::{ApiFamily, ApplicationState};
use crate::routing::consumers::{
    self as shared, Application, ApplicationId, Key, KeyHash, KeyId, KeyTable, Plan, Revoked, Subscription, UnixSeconds,
};

/// The number of distinct names from which on those that nothing uses any more are looked for.
const MANY_NAMES: usize = 1024;

/// The table that was built last, and the keys of each application in it.
#[derive(Debug, Default)]
pub(super) struct PublishedKeys {
    table: KeyTable,
    keys_of: HashMap<ApplicationId, Box<[KeyHash]>>,
    /// Keys that were given another end, by that end. A shard closes a connection at the end that its key had when it was
    /// admitted; connections that were admitted before are closed from here.
    new_ends: BTreeSet<(UnixSeconds, ApplicationId, KeyId)>,
    environments: Names<str>,
    plans: Names<Plan>,
    families: Names<shared::ApiFamily>,
}

/// Values that many keys and subscriptions share.
#[derive(Debug)]
struct Names<T: ?Sized>(HashSet<Arc<T>>);

impl<T: ?Sized> Default for Names<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: Eq + Hash + ?Sized> Names<T> {
    /// The shared value that equals this one.
    fn share(&mut self, value: Arc<T>) -> Arc<T> {
        if let Some(known) = self.0.get(&value) {
            return Arc::clone(known);
        }
        if self.0.len() >= MANY_NAMES && self.0.len().is_power_of_two() {
            self.0.retain(|known| Arc::strong_count(known) > 1);
        }
        self.0.insert(Arc::clone(&value));
        value
    }
}

impl PublishedKeys {
    /// A copy of the table. Nothing is copied before the next change.
    pub(super) fn table(&self) -> KeyTable {
        self.table.clone()
    }

    /// Makes the table that of these applications. Returns what opened something before and does not any more.
    pub(super) fn replace(&mut self, all: Vec<ApplicationState>) -> Revoked {
        let left: HashSet<ApplicationId> = all.iter().map(|state| ApplicationId(state.id)).collect();
        let gone: Vec<ApplicationId> = self.keys_of.keys().copied().filter(|id| !left.contains(id)).collect();
        let mut changed: Vec<ChangedApplication> =
            gone.into_iter().map(|id| ChangedApplication { id: id.0, state: None }).collect();
        changed.extend(all.into_iter().map(|state| ChangedApplication { id: state.id, state: Some(state) }));
        self.apply(changed)
    }

    /// Changes applications. Returns what opened something before and does not any more.
    pub(super) fn apply(&mut self, changed: Vec<ChangedApplication>) -> Revoked {
        let mut revoked = Revoked::default();
        for ChangedApplication { id, state } in changed {
            let id = ApplicationId(id);
            match state {
                None => self.remove(id, &mut revoked),
                Some(state) => self.put(id, state, &mut revoked),
            }
        }
        revoked
    }

    /// The time at which [`take_ended`](Self::take_ended) has something to add.
    pub(super) fn next_end(&self) -> Option<UnixSeconds> {
        self.new_ends.first().map(|(end, ..)| *end)
    }

    /// Adds the keys whose new end has come.
    pub(super) fn take_ended(&mut self, now: UnixSeconds, revoked: &mut Revoked) {
        while let Some(first) = self.new_ends.first().copied().filter(|(end, ..)| *end <= now) {
            self.new_ends.remove(&first);
            let (_, application, key) = first;
            revoked.key(application, key);
        }
    }

    fn remove(&mut self, id: ApplicationId, revoked: &mut Revoked) {
        for hash in self.keys_of.remove(&id).unwrap_or_default() {
            self.table.remove(&hash);
        }
        if self.table.remove_application(id).is_some() {
            revoked.application(id);
        }
    }

    fn put(&mut self, id: ApplicationId, state: ApplicationState, revoked: &mut Revoked) {
        let subscriptions: Vec<Subscription> = state
            .subscriptions
            .into_iter()
            .map(|it| Subscription {
                family: self.families.share(Arc::new(shared_family(&it.api))),
                plan: self.plans.share(Arc::new(Plan { name: it.plan.as_str().into() })),
                is_open: it.is_open,
            })
            .collect();
        let application = Application::new(id, state.name.name.as_str(), state.name.consumer.as_str(), subscriptions);
        if let Some(before) = self.table.application(id) {
            for subscription in before.subscriptions().iter().filter(|before| before.is_open) {
                let is_open = application.subscription(&subscription.family).is_some_and(|after| after.is_open);
                if !is_open {
                    revoked.subscription(id, Arc::clone(&subscription.family));
                }
            }
        }
        let mut hashes = Vec::with_capacity(state.keys.len());
        for key in state.keys {
            let hash = KeyHash::from(key.digest);
            let expires_at = key.expires_at.map(|end| UnixSeconds(u64::try_from(end.as_second()).unwrap_or_default()));
            let environment = self.environments.share(key.environment.as_str().into());
            let key = Key { id: KeyId(key.id), environment, application: id, expires_at };
            let before = self.table.find(&hash).map(|found| found.key);
            // An equal key is left where it is: a change copies its part of the table.
            if before != Some(&key) {
                if before.is_some()
                    && let Some(end) = expires_at
                {
                    self.new_ends.insert((end, id, key.id));
                }
                self.table.insert(hash, key);
            }
            hashes.push(hash);
        }
        let before = self.keys_of.insert(id, hashes.clone().into()).unwrap_or_default();
        for hash in before.iter().filter(|hash| !hashes.contains(hash)) {
            if let Some(key) = self.table.remove(hash) {
                revoked.key(id, key.id);
            }
        }
        self.table.replace_application(Arc::new(application));
    }
}

fn shared_family(family: &ApiFamily) -> shared::ApiFamily {
    shared::ApiFamily {
        project: family.project.as_str().into(),
        identifier: family.identifier.as_str().into(),
        major: family.major,
    }
}

#[cfg(test)]
mod tests {
    use super::{ChangedApplication, PublishedKeys};
    use crate::api::consumers::ApplicationState;
    use crate::api::consumers::state::{KeyState, SubscriptionState};
    use crate::routing::consumers::{ApplicationId, KeyHash, KeyId, Revoked};

    fn digest(id: u64) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&id.to_be_bytes());
        bytes
    }

    /// An application with these keys, and subscriptions to these APIs, the open ones without a mark.
    fn state(id: u64, keys: &[u64], apis: &[&str]) -> ApplicationState {
        let keys = keys.iter().map(|id| KeyState {
            id: *id,
            environment: "production".parse().unwrap(),
            digest: digest(*id).into(),
            expires_at: None,
        });
        let subscriptions = apis.iter().map(|api| SubscriptionState {
            api: api.trim_end_matches('!').parse().unwrap(),
            plan: "gold".parse().unwrap(),
            is_open: !api.ends_with('!'),
        });
        let name = format!("acme/app-{id}").parse().unwrap();
        ApplicationState { id, name, subscriptions: subscriptions.collect(), keys: keys.collect() }
    }

    fn put(state: ApplicationState) -> Vec<ChangedApplication> {
        vec![ChangedApplication { id: state.id, state: Some(state) }]
    }

    /// Every key with what it opens: `key application api`.
    fn opens(keys: &PublishedKeys) -> Vec<String> {
        let table = keys.table();
        let mut all = Vec::new();
        for (hash, key) in table.keys() {
            let Some(found) = table.find(hash) else { continue };
            for subscription in found.application.subscriptions().iter().filter(|it| it.is_open) {
                all.push(format!("{} {} {}", key.id.0, found.application.name, subscription.family));
            }
        }
        all.sort();
        all
    }

    #[test]
    fn a_change_ends_exactly_what_it_takes_away() {
        let mut keys = PublishedKeys::default();
        let all = vec![state(1, &[1, 2], &["default/chat:1", "default/news:1"]), state(2, &[3], &["default/chat:1"])];
        assert!(keys.replace(all).is_empty());
        let before = keys.table();
        assert_eq!(
            opens(&keys),
            [
                "1 app-1 default/chat:1",
                "1 app-1 default/news:1",
                "2 app-1 default/chat:1",
                "2 app-1 default/news:1",
                "3 app-2 default/chat:1"
            ]
        );
        let mut expected = Revoked::default();
        expected.key(ApplicationId(1), KeyId(1));
        assert_eq!(keys.apply(put(state(1, &[2, 4], &["default/chat:1", "default/news:1"]))), expected);
        let mut expected = Revoked::default();
        let family = before.application(ApplicationId(1)).unwrap().subscriptions()[1].family.clone();
        expected.subscription(ApplicationId(1), family.clone());
        assert_eq!(keys.apply(put(state(1, &[2, 4], &["default/chat:1", "default/news:1!"]))), expected);
        assert!(keys.apply(put(state(1, &[2, 4], &["default/chat:1"]))).is_empty(), "it was closed before");
        assert_eq!(opens(&keys), ["2 app-1 default/chat:1", "3 app-2 default/chat:1", "4 app-1 default/chat:1"]);
        let mut expected = Revoked::default();
        expected.application(ApplicationId(2));
        assert_eq!(keys.apply(vec![ChangedApplication { id: 2, state: None }]), expected);
        assert!(keys.apply(vec![ChangedApplication { id: 2, state: None }]).is_empty());
        assert_eq!(opens(&keys), ["2 app-1 default/chat:1", "4 app-1 default/chat:1"]);
        assert!(before.find(&KeyHash::from_bytes(digest(3))).is_some(), "a copy stays as it was");
    }

    #[test]
    fn a_table_that_is_replaced_ends_what_is_not_in_it_any_more() {
        let mut keys = PublishedKeys::default();
        keys.replace(vec![state(1, &[1], &["default/chat:1"]), state(2, &[2], &["default/chat:1"])]);
        let mut expected = Revoked::default();
        expected.application(ApplicationId(2));
        assert_eq!(keys.replace(vec![state(1, &[1], &["default/chat:1"])]), expected);
        assert_eq!(opens(&keys), ["1 app-1 default/chat:1"]);
        assert!(keys.replace(vec![state(1, &[1], &["default/chat:1"])]).is_empty());
    }

    #[test]
    fn names_that_keys_share_are_kept_once_and_forgotten_when_none_uses_them() {
        let mut keys = PublishedKeys::default();
        for number in 0..20_000_u64 {
            let api = format!("default/api-{number}:1");
            keys.apply(put(state(1, &[1], &[api.as_str()])));
        }
        assert!(keys.families.0.len() <= 2048, "{}", keys.families.0.len());
        assert_eq!((keys.plans.0.len(), keys.environments.0.len()), (1, 1));
    }
}
