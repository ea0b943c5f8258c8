//! The health of the process as the admin API shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the process fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// In a word.
    pub status: HealthStatus,
    /// The program's version.
    pub version: String,
    /// The number of the snapshot that was published last.
    pub snapshot: u64,
    /// The store.
    pub store: StoreHealth,
    /// Each shard.
    pub shards: Vec<ShardHealth>,
    /// What is wrong, and what to do; empty if nothing is.
    pub problems: Vec<String>,
}

/// How the process fares, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Nothing is wrong.
    Ok,
    /// Traffic flows; something is wrong all the same.
    Degraded,
}

/// How a shard fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShardHealth {
    /// Its number.
    pub shard: usize,
    /// Whether it answers.
    pub answers: bool,
    /// Whether it has ended, and with it its connections: the process is about to end.
    pub ended: bool,
    /// The number of the snapshot it goes by.
    pub snapshot: Option<u64>,
    /// Connections that it holds.
    pub connections: Option<usize>,
}

/// A sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alive {
    /// Always.
    pub alive: bool,
}

/// How the store is, for the health page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreHealth {
    /// What can be done.
    pub state: StoreState,
    /// What is wrong, if something is.
    pub detail: Option<String>,
}

/// What can be done with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StoreState {
    /// Everything.
    Ok,
    /// It can be read; the disk takes no changes.
    ReadOnly,
    /// It can be read; the disk is full.
    Full,
    /// Nothing, or not for sure: what was deployed goes on.
    Unavailable,
}
