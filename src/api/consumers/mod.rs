//! Consumers of APIs: their applications, the subscriptions and keys of an application, and the plans of subscriptions.
//!
//! In: requests as clients wrote them ([`request`]), and random bytes for a key ([`secret`]). Out: checked values, the answers of
//! the admin API ([`view`]), and what the data plane needs to know ([`state`]). A key's text exists in [`secret`] and in the one
//! answer that shows it, and never in a change, a store or an entry of the audit. docs/applications.md defines the words.

pub mod family;
pub mod names;
pub mod request;
pub mod secret;
pub mod standing;
pub mod state;
#[cfg(test)]
mod tests;
pub mod view;

pub use family::ApiFamily;
pub use names::{ApplicationName, ConsumerName, PlanName, ShortApplicationName};
pub use secret::{KeyDigest, KeyText};
pub use standing::Standing;
pub use state::ApplicationState;
pub use view::{Application, Key, Plan, Subscription};

/// The most subscriptions that an application may have.
pub const MAX_SUBSCRIPTIONS: usize = 256;
/// The most keys that an application may have, expired ones included.
pub const MAX_KEYS: usize = 64;
/// The consumer that the node's own test keys belong to. No client may create applications of it.
pub const NODE_CONSUMER: &str = "ringway";
