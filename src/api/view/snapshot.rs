//! The active snapshot as the admin API shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::Page;

/// The active snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InForce {
    /// The number of the snapshot that was published last.
    pub number: u64,
    /// Every shard uses this snapshot.
    pub everywhere: bool,
    /// The number of deployments in it.
    pub deployed: usize,
    /// A page of its deployments, and of undeployed ones whose connections are still draining.
    pub deployments: Page<Served>,
}

/// A deployment as the shards serve it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Served {
    /// The deployment's number.
    pub id: u64,
    /// The API, as `project/identifier:version`.
    #[schema(examples("default/chat-app-api:1.0"))]
    pub api: String,
    /// The environment.
    pub environment: String,
    /// The gate: `open` if the deployment takes connections.
    pub state: ServedState,
    /// WebSockets that are open.
    pub open: u64,
    /// The drain that is under way; null if there is none.
    pub draining: Option<Draining>,
}

/// The state of a deployment on the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServedState {
    /// The deployment takes connections.
    Open,
    /// The API is blocked.
    Blocked,
    /// The deployment is stopped.
    Stopped,
    /// The rules of the API cannot be loaded: new handshakes get 503 `policy-unavailable`.
    Unavailable,
    /// The API is not deployed there any more.
    Undeployed,
}

/// The progress of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Draining {
    /// Connections that have still to be closed.
    pub left: u64,
    /// Connections that there were to close.
    pub of: u64,
}
