//! The rules of entry to a route: the credentials that it asks for, and the origins of pages that it takes.

use std::sync::Arc;

use super::consumers::ApiFamily;
use super::origins::Origins;
use crate::proto::credential::Places;

/// The rules of a route that does not take everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRules {
    /// The credential that a client must have.
    pub authentication: Authentication,
    /// The pages that may connect.
    pub origins: Origins,
    /// `true` if the upstream is told the names of the consumer, application and plan.
    pub forwards_identity: bool,
}

/// The credential that a client must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// None.
    #[default]
    None,
    /// A key of an application that has a subscription.
    Key(KeyRules),
    /// A TLS certificate that the listener has verified.
    Certificate,
}

/// The keys that a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRules {
    /// The API that the application must subscribe to.
    pub family: Arc<ApiFamily>,
    /// The environment that the key must belong to.
    pub environment: Box<str>,
    /// The places of a request that may hold the key.
    pub places: Places,
}

impl EntryRules {
    /// True if everybody may enter: a route has no rules then.
    #[must_use]
    pub fn are_open(&self) -> bool {
        self.authentication == Authentication::None && self.origins == Origins::Any
    }
}
