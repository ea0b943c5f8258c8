//! The keys and rules that the tests here share.

use std::sync::Arc;

use ringway::proto::credential::Places;
use ringway::routing::consumers::{
    ApiFamily, Application, ApplicationId, Key, KeyHash, KeyId, KeyTable, Plan, Subscription, UnixSeconds, key_text,
};
use ringway::routing::entry::{Authentication, EntryRules, KeyRules};
use ringway::routing::origins::Origins;
use ringway::routing::route::Service;

use crate::harness::shard::Options;

/// Key 1 and 2 belong to the application 1, which subscribes; 3 to 2, whose subscription is closed; 4 to 3, which has none; 5 has
/// expired; 6 is of another environment. All others are unknown.
pub(crate) const GOOD: u8 = 1;
pub(crate) const OTHER: u8 = 2;
pub(crate) const CLOSED: u8 = 3;
pub(crate) const UNSUBSCRIBED: u8 = 4;
pub(crate) const EXPIRED: u8 = 5;
pub(crate) const FOREIGN: u8 = 6;
pub(crate) const UNKNOWN: u8 = 99;

pub(crate) fn text(key: u8) -> String {
    key_text(&[key; 32])
}

pub(crate) fn hash(key: u8) -> KeyHash {
    KeyHash::of(text(key).as_bytes()).unwrap()
}

pub(crate) fn family() -> Arc<ApiFamily> {
    Arc::new(ApiFamily { project: "default".into(), identifier: "chat".into(), major: 1 })
}

pub(crate) fn application_of(key: u8) -> ApplicationId {
    ApplicationId(match key {
        CLOSED => 2,
        UNSUBSCRIBED => 3,
        _ => 1,
    })
}

pub(crate) fn key(key: u8, environment: &str, expires_at: Option<u64>) -> Key {
    Key {
        id: KeyId(key.into()),
        environment: environment.into(),
        application: application_of(key),
        expires_at: expires_at.map(UnixSeconds),
    }
}

pub(crate) fn table() -> KeyTable {
    let plan = Arc::new(Plan { name: "free".into() });
    let subscription = |is_open| Subscription { family: family(), plan: Arc::clone(&plan), is_open };
    let mut table = KeyTable::default();
    for (id, subscriptions) in [(1, vec![subscription(true)]), (2, vec![subscription(false)]), (3, vec![])] {
        let application = Application::new(ApplicationId(id), format!("app {id}"), "acme", subscriptions);
        table.replace_application(Arc::new(application));
    }
    for (number, environment, expires_at) in [
        (GOOD, "production", None),
        (OTHER, "production", None),
        (CLOSED, "production", None),
        (UNSUBSCRIBED, "production", None),
        (EXPIRED, "production", Some(1_000_000_000)),
        (FOREIGN, "development", None),
    ] {
        table.insert(hash(number), key(number, environment, expires_at));
    }
    table
}

pub(crate) fn everywhere() -> Places {
    Places {
        header: Some("X-API-Key".into()),
        query: Some("apikey".into()),
        cookie: Some("ringway_key".into()),
        has_subprotocol: true,
    }
}

/// The places that an API takes keys from if it says nothing.
pub(crate) fn usual() -> Places {
    Places { query: None, cookie: None, ..everywhere() }
}

/// A shard whose route asks for a key.
pub(crate) fn with_keys(places: Places) -> Options {
    let keys = KeyRules { family: family(), environment: "production".into(), places };
    let entry =
        EntryRules { authentication: Authentication::Key(keys), origins: Origins::Any, forwards_identity: false };
    Options { entry, keys: Some(table()), service: Service::Relay, max_invalid_credentials: None, trusted_proxies: &[] }
}

/// These options with another service.
pub(crate) fn with_service(options: Options, service: Service) -> Options {
    Options { service, ..options }
}
