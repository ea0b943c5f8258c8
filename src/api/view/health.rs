//! The health of the process as the admin API shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The health of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// The health in a word.
    pub status: HealthStatus,
    /// The version of the program.
    pub version: String,
    /// The number of the snapshot that was published last.
    pub snapshot: u64,
    /// The store.
    pub store: StoreHealth,
    /// Every shard.
    pub shards: Vec<ShardHealth>,
    /// The faults, each with its remedy; empty if there is none.
    pub problems: Vec<String>,
    /// The options of the configuration file whose new values wait for a restart of the node, as `environments.staging`.
    pub restart_pending: Vec<String>,
}

/// The health of the process, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// There are no problems.
    Ok,
    /// Traffic is served, but there are problems.
    Degraded,
}

/// The health of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShardHealth {
    /// The number of the shard.
    pub shard: usize,
    /// The shard answers.
    pub answers: bool,
    /// The shard has ended, and its connections with it: the process is about to end.
    pub ended: bool,
    /// The number of the snapshot that the shard uses.
    pub snapshot: Option<u64>,
    /// Connections of the shard.
    pub connections: Option<usize>,
}

/// A sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alive {
    /// Always.
    pub alive: bool,
}

/// The answer to a balancer or a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The process takes new clients, and will for a while.
    pub ready: bool,
}

/// The health of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreHealth {
    /// The operations that the store takes.
    pub state: StoreState,
    /// The problem, if there is one.
    pub detail: Option<String>,
}

/// The operations that the store takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StoreState {
    /// Reads and changes.
    Ok,
    /// Reads; the disk is read-only.
    ReadOnly,
    /// Reads; the disk is full.
    Full,
    /// None, or none reliably: deployments are served all the same.
    Unavailable,
}
