//! The settings that all shards of a process share. They are fixed before the first shard starts.

use super::socket_options::SocketOptions;

/// Settings of all shards.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The CPUs to run on, one shard each.
    pub cpus: Vec<usize>,
    /// Completions that a ring has room for, if not the default. Tests of overflow set small values.
    pub ring_completions: Option<u32>,
    /// The way in which a shard waits for work.
    pub wait: Wait,
    /// Options of dialled sockets. Accepted ones get theirs from [`bind`](super::listener::bind).
    pub sockets: SocketOptions,
}

/// The way in which a shard waits for work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Sleeps in its ring.
    #[default]
    Sleep,
    /// Polls its ring without sleeping: saves ten microseconds or more of wake-up, at the price of a whole CPU. For the
    /// load generator, which must not measure its own sleep.
    Poll,
}
