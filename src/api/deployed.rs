//! A deployment as the data plane needs to know it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::definition::Access;
use super::key::{ApiKey, EnvironmentName};
use super::lifecycle::Lifecycle;
use super::target::TargetUrl;

/// A deployment's number: the same for as long as the API is deployed in that environment, and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct DeploymentId(pub u64);

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A revision of an API in an environment: all that is needed to serve it, but the environment's variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployed {
    /// Its number.
    pub id: DeploymentId,
    /// What the API is found by.
    pub key: ApiKey,
    /// The API's number, which no other API ever has.
    pub api_id: u64,
    /// Where it is deployed.
    pub environment: EnvironmentName,
    /// Which revision.
    pub revision: u64,
    /// Which of the environment's listeners serve it.
    pub access: Access,
    /// Where its connections go, as written: the environment's own targets, or the revision's. 1 to 16.
    pub targets: Vec<TargetUrl>,
    /// The API's state.
    pub lifecycle: Lifecycle,
    /// Since when the API is deprecated, if it is.
    pub deprecated_at: Option<Timestamp>,
    /// When a deprecated API ends.
    pub sunset_at: Option<Timestamp>,
    /// Whether it was stopped: new handshakes are refused (503 `api-stopped`), live connections drained.
    pub stopped: bool,
}
