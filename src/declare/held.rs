//! The part of a node that documents are compared with.

use std::collections::BTreeMap;

use crate::api::{Api, ApiKey, Definition, EnvironmentName, Lifecycle};

/// The environments and APIs of a node.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The environments, in their order.
    pub environments: Vec<EnvironmentName>,
    /// The APIs that are not retired.
    pub apis: BTreeMap<ApiKey, HeldApi>,
}

/// An API that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldApi {
    /// The API.
    pub api: Api,
    /// The definitions of the revisions that are deployed somewhere.
    pub revisions: BTreeMap<u64, Definition>,
}

impl HeldApi {
    /// The key of the API.
    #[must_use]
    pub fn key(&self) -> ApiKey {
        key(&self.api)
    }
}

/// The key of an API.
#[must_use]
pub fn key(api: &Api) -> ApiKey {
    ApiKey { project: api.project.clone(), identifier: api.identifier.clone(), version: api.version }
}

/// True for an API that counts: a retired one has freed its key.
#[must_use]
pub fn counts(api: &Api) -> bool {
    api.lifecycle != Lifecycle::Retired
}
