//! The limits and deadlines that a shard applies to the connections of a route.

use std::time::Duration;

use crate::proto::scan::FrameLimits;

/// Limits and deadlines of a route, or of connections that have no route yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Limits on frames and messages.
    pub frames: FrameLimits,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// The time over which connections are closed if many must be closed for one reason, so that their clients do not all
    /// reconnect at once. Zero closes them at once.
    pub drain_window: Duration,
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
    /// Silence of a side after which it is sent a ping.
    pub ping_interval: Option<Duration>,
    /// Silence after the ping after which the side is taken for dead.
    pub pong: Duration,
    /// From the beginning of a close to its end by force.
    pub close: Duration,
}
