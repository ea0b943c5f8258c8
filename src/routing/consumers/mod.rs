//! Consumers: who may connect to an API, as pure data.
//!
//! In: applications with their subscriptions, and keys as hashes, from the control plane. Out: the key that a client presents
//! ([`KeyTable::find`]), the subscription that it has ([`Application::subscription`]), and the connections that a change ends
//! ([`Revoked`]). This folder must never hold the text of a key, and never reads a clock.

mod application;
mod buckets;
mod consumer;
mod key;
mod revoked;
mod table;

pub use self::application::{ApiFamily, Application, ApplicationId, Plan, Subscription};
pub use self::consumer::{Consumer, KeyHolder};
pub use self::key::{Key, KeyHash, KeyId, UnixSeconds, key_text};
pub use self::revoked::{Revocation, Revoked};
pub use self::table::{FoundKey, KeyTable};
