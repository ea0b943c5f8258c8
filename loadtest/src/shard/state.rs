//! The state that all connections of a shard share, and the context of a step.

use std::sync::Arc;

use ringway::engine::pool::Pool;
use ringway::proto::head::{self, HeadLimits};
use rustls::ClientConfig;

use crate::composer::Composer;
use crate::plan::Plan;
use crate::record::Recorder;

/// Limits on the head of a response.
pub(super) const HEAD: HeadLimits = HeadLimits { max_bytes: 32 * 1024, max_lines: head::MAX_LINES };

/// State that all connections of a shard share.
#[derive(Debug)]
pub struct ShardState {
    /// The plan of the run.
    pub plan: Arc<Plan>,
    /// Makes messages.
    pub composer: Composer,
    /// Records events and latencies.
    pub recorder: Recorder,
    /// Buffers.
    pub pool: Pool,
    /// The TLS client configuration, with this shard's cache of sessions.
    pub tls: Option<Arc<ClientConfig>>,
    /// The source of random numbers.
    pub random: fastrand::Rng,
    /// `true` once the run is over: connections then end on purpose.
    pub closing: bool,
}

/// The state that a call may use besides the connection.
pub struct Cx<'a, T> {
    /// The shard's network and clock.
    pub net: &'a mut T,
    /// State that all connections of a shard share.
    pub shard: &'a mut ShardState,
}
