//! A deployment as the data plane needs to know it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::contract::ContractRef;
use super::definition::Access;
use super::key::{ApiKey, EnvironmentName};
use super::lifecycle::Lifecycle;
use super::policy::Policies;
use super::target::TargetUrl;

/// A deployment's number. It stays for as long as the API is deployed in that environment, and is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct DeploymentId(pub u64);

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A revision of an API in an environment: everything needed to serve it except the environment's variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployed {
    /// The deployment's number.
    pub id: DeploymentId,
    /// The API's key.
    pub key: ApiKey,
    /// The API's number. No other API ever has it.
    pub api_id: u64,
    /// The environment.
    pub environment: EnvironmentName,
    /// The revision's number.
    pub revision: u64,
    /// The access mode: which of the environment's listeners serve the API.
    pub access: Access,
    /// The targets, as written: the environment's own, or the revision's. 1 to 16.
    pub targets: Vec<TargetUrl>,
    /// The policies that the revision names. A snapshot of a version without policies has none.
    #[serde(default, skip_serializing_if = "Policies::is_empty")]
    pub policies: Policies,
    /// The contract that the revision names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ContractRef>,
    /// The API's lifecycle state.
    pub lifecycle: Lifecycle,
    /// The time since which the API has been deprecated.
    pub deprecated_at: Option<Timestamp>,
    /// The end of a deprecated API.
    pub sunset_at: Option<Timestamp>,
    /// True if an operator stopped it: new handshakes are refused (503 `api-stopped`), live connections drained.
    pub stopped: bool,
}
