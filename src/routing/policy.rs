//! The limits and deadlines that a shard applies to the connections of a route.

use std::time::Duration;

use super::validation::ChannelValidation;
use crate::proto::scan::FrameLimits;

/// Limits and deadlines of a route, or of connections that have no route yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Limits on frames and messages.
    pub frames: FrameLimits,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// The code of the close frame for a client whose upstream was lost without one; `None` sends none.
    pub abnormal_close_code: Option<u16>,
    /// The time over which connections are closed if many must be closed for one reason, so that their clients do not all
    /// reconnect at once. Zero closes them at once.
    pub drain_window: Duration,
    /// The parts of the opening handshake that may be missing.
    pub tolerance: Tolerance,
    /// The check of messages against the contract.
    pub validation: ChannelValidation,
}

/// Parts of the opening handshake that the RFC asks for and old devices lack. Each may be missing only by an option whose name says
/// `insecure`: without them a peer that is no WebSocket, such as a cache, can be taken for one (RFC 6455 section 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// The client's `Sec-WebSocket-Key`. A client that sends none is sent no accept value.
    pub missing_key: bool,
    /// The upstream's `Sec-WebSocket-Accept`. A wrong one is never tolerated.
    pub missing_accept: bool,
}

/// Deadlines, each counted from the moment that its description names. `None` switches an optional one off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept to the 101. The wait begins before the route is known, so a shard uses the node's value.
    pub handshake: Duration,
    /// From the first dial to an established upstream connection, over all endpoints and addresses.
    pub connect: Duration,
    /// Time without a byte relayed in either direction.
    pub idle: Option<Duration>,
    /// Silence of a client after which it is sent a ping.
    pub ping_interval: Option<Duration>,
    /// Silence of an upstream after which it is sent a ping.
    pub upstream_ping_interval: Option<Duration>,
    /// Time after a ping after which a side is taken for dead that sent nothing, and whose host acknowledged nothing.
    pub pong: Duration,
    /// From the beginning of a close to its end by force.
    pub close: Duration,
}
