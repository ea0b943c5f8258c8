//! What a node holds, as far as documents are compared with it.

use std::collections::BTreeMap;

use crate::api::{Api, ApiKey, Definition, EnvironmentName, Lifecycle};

/// What a node holds.
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
    /// What each revision is that is deployed somewhere.
    pub revisions: BTreeMap<u64, Definition>,
}

impl HeldApi {
    /// What the API is found by.
    #[must_use]
    pub fn key(&self) -> ApiKey {
        key(&self.api)
    }
}

/// What an API is found by.
#[must_use]
pub fn key(api: &Api) -> ApiKey {
    ApiKey { project: api.project.clone(), identifier: api.identifier.clone(), version: api.version }
}

/// Whether an API counts: one that is retired has freed what it was found by.
#[must_use]
pub fn counts(api: &Api) -> bool {
    api.lifecycle != Lifecycle::Retired
}
