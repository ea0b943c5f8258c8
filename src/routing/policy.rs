//! What holds for a connection once its route is known: limits on what passes, and waits.

use std::time::Duration;

use crate::proto::scan::FrameLimits;

/// Limits and waits of a route, or of a connection that has none yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Limits on frames and messages.
    pub frames: FrameLimits,
    /// Waits.
    pub timeouts: Timeouts,
    /// Over how long the ends of many connections are spread that are to end for one reason: clients that all come back
    /// at once would be a storm. Zero ends them all at once.
    pub drain_window: Duration,
}

/// Waits, each absolute from the moment it names. Those that are optional are off when `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept to the 101. It begins before there is a route: only that of the listener counts.
    pub handshake: Duration,
    /// From the first dial to an established upstream connection, over all endpoints and addresses.
    pub connect: Duration,
    /// Without a byte relayed in either direction.
    pub idle: Option<Duration>,
    /// Silence of a side after which it is sent a ping.
    pub ping_interval: Option<Duration>,
    /// Silence after the ping after which the side is taken for dead.
    pub pong: Duration,
    /// From the beginning of a close to its end by force.
    pub close: Duration,
}
