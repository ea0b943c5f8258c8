//! The active snapshot as the admin API shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::Page;

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InForce {
    /// The number of the snapshot that was published last.
    pub number: u64,
    /// Whether every shard goes by it.
    pub everywhere: bool,
    /// How many deployments it has.
    pub deployed: usize,
    /// A page of them, and of those that are gone and have connections still ending.
    pub deployments: Page<Served>,
}

/// A deployment as the shards know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Served {
    /// The deployment's number.
    pub id: u64,
    /// The API, as `project/identifier:version`.
    #[schema(examples("default/chat-app-api:1.0"))]
    pub api: String,
    /// The environment.
    pub environment: String,
    /// Whether it takes connections.
    pub state: ServedState,
    /// WebSockets that are open.
    pub open: u64,
    /// Connections that are to end; null if none is.
    pub draining: Option<Draining>,
}

/// Whether a deployment takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServedState {
    /// It does.
    Open,
    /// Its API is blocked.
    Blocked,
    /// It was stopped.
    Stopped,
    /// It is not deployed any more.
    Undeployed,
}

/// How far the ending of connections has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Draining {
    /// Connections that have still to be told.
    pub left: u64,
    /// How many there were to tell.
    pub of: u64,
}
