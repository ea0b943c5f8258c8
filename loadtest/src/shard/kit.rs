//! What all connections of a shard share, and what every step of one is given.

use std::sync::Arc;

use ringway::engine::pool::Pool;
use ringway::proto::head::{self, HeadLimits};
use rustls::ClientConfig;

use crate::composer::Composer;
use crate::plan::Plan;
use crate::record::Recorder;

/// The most that the head of an answer may take up.
pub(super) const HEAD: HeadLimits = HeadLimits { max_bytes: 32 * 1024, max_lines: head::MAX_LINES };

/// What all connections of a shard share.
#[derive(Debug)]
pub struct Kit {
    /// The plan of the run.
    pub plan: Arc<Plan>,
    /// Makes messages.
    pub composer: Composer,
    /// Takes down what happens.
    pub recorder: Recorder,
    /// Buffers.
    pub pool: Pool,
    /// How TLS is spoken, with the sessions that this shard remembers.
    pub tls: Option<Arc<ClientConfig>>,
    /// For everything that is drawn.
    pub random: fastrand::Rng,
    /// Whether the run is over: connections end on purpose.
    pub closing: bool,
}

/// What a call may use besides the connection.
pub struct Cx<'a, T> {
    /// The shard's network and clock.
    pub net: &'a mut T,
    /// What all connections of a shard share.
    pub kit: &'a mut Kit,
}
