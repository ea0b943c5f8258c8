//! The keys and applications that shards know: immutable, shared by all shards, and cheap to change by one key.

use std::sync::Arc;

use super::application::{Application, ApplicationId};
use super::buckets::{Buckets, Placed};
use super::key::{Key, KeyHash};

/// All keys and applications. To change it, clone it, change the clone, and give the shards that: a clone copies nothing, and
/// a change copies some 40 KiB, however many keys there are.
#[derive(Clone, Debug, Default)]
pub struct KeyTable {
    keys: Buckets<HashedKey>,
    applications: Buckets<Arc<Application>>,
}

/// A key that a client presented.
#[derive(Clone, Copy, Debug)]
pub struct FoundKey<'a> {
    /// The key.
    pub key: &'a Key,
    /// The key's application.
    pub application: &'a Arc<Application>,
}

#[derive(Clone, Debug)]
struct HashedKey {
    hash: KeyHash,
    key: Key,
}

impl Placed for HashedKey {
    fn order(&self) -> u64 {
        self.hash.order()
    }
}

impl Placed for Arc<Application> {
    fn order(&self) -> u64 {
        self.id.0
    }
}

impl KeyTable {
    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True if there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key with this hash, and its application; `None` also for a key whose application is not in the table. Expired keys
    /// and those of other environments are found as well.
    #[must_use]
    pub fn find(&self, hash: &KeyHash) -> Option<FoundKey<'_>> {
        let HashedKey { key, .. } = self.keys.find(hash.order(), |known| known.hash == *hash)?;
        Some(FoundKey { key, application: self.application(key.application)? })
    }

    /// The application with this identity.
    #[must_use]
    pub fn application(&self, id: ApplicationId) -> Option<&Arc<Application>> {
        self.applications.find(id.0, |known| known.id == id)
    }

    /// All keys with their hashes, in no order.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyHash, &Key)> {
        self.keys.iter().map(|HashedKey { hash, key }| (hash, key))
    }

    /// Adds a key, or replaces the one with this hash.
    pub fn insert(&mut self, hash: KeyHash, key: Key) {
        self.keys.insert(HashedKey { hash, key }, |known| known.hash == hash);
    }

    /// Removes a key.
    pub fn remove(&mut self, hash: &KeyHash) -> Option<Key> {
        self.keys.remove(hash.order(), |known| known.hash == *hash).map(|removed| removed.key)
    }

    /// Adds an application, or replaces the one with its identity. Its keys are untouched.
    pub fn replace_application(&mut self, application: Arc<Application>) {
        let id = application.id;
        self.applications.insert(application, |known| known.id == id);
    }

    /// Removes an application. Its keys are not found any more, and have to be removed as well.
    pub fn remove_application(&mut self, id: ApplicationId) -> Option<Arc<Application>> {
        self.applications.remove(id.0, |known| known.id == id)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;
    use std::sync::Arc;

    use super::{HashedKey, KeyTable};
    use crate::routing::consumers::{Application, ApplicationId, Key, KeyHash, KeyId, key_text};

    fn hash(number: u8) -> KeyHash {
        KeyHash::of(key_text(&[number; 32]).as_bytes()).unwrap()
    }

    fn key(id: u64, application: u64) -> Key {
        Key {
            id: KeyId(id),
            environment: "production".into(),
            application: ApplicationId(application),
            expires_at: None,
        }
    }

    fn application(id: u64, name: &str) -> Arc<Application> {
        Arc::new(Application::new(ApplicationId(id), name, "acme", Vec::new()))
    }

    #[test]
    fn a_key_is_found_by_its_hash_together_with_its_application() {
        let mut table = KeyTable::default();
        assert!(table.is_empty() && table.find(&hash(1)).is_none());
        table.replace_application(application(7, "desk"));
        table.insert(hash(1), key(1, 7));
        table.insert(hash(2), key(2, 8));
        let before = table.clone();
        let found = |table: &KeyTable, number| {
            table.find(&hash(number)).map(|found| (found.key.id.0, found.application.name.to_string()))
        };
        assert_eq!(found(&table, 1), Some((1, "desk".to_owned())));
        assert_eq!(found(&table, 2), None, "its application is not known");
        assert_eq!(found(&table, 3), None);

        table.replace_application(application(7, "counter"));
        table.insert(hash(1), key(4, 7));
        assert_eq!((found(&table, 1), table.len()), (Some((4, "counter".to_owned())), 2));
        assert_eq!(table.remove(&hash(1)).map(|key| key.id), Some(KeyId(4)));
        assert_eq!(table.remove(&hash(1)), None);
        assert!(table.remove_application(ApplicationId(7)).is_some());
        assert_eq!((found(&table, 1), table.len()), (None, 1));
        assert_eq!(found(&before, 1), Some((1, "desk".to_owned())), "a copy stays as it was");
    }

    #[test]
    fn a_key_takes_less_than_100_bytes() {
        assert!(size_of::<HashedKey>() <= 100, "{}", size_of::<HashedKey>());
    }
}
