//! What the shards of a process have in common, decided before the first of them starts.

use super::keepalive::KeepAlive;

/// What every shard of a process has in common.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The CPUs to run on, one shard each.
    pub cpus: Vec<usize>,
    /// Completions a ring has room for, or the default. Small values are for tests of overflow.
    pub ring_completions: Option<u32>,
    /// What a shard does when there is nothing to do.
    pub wait: Wait,
    /// How sockets that are dialled find out that their peer is gone; those of a listener have it from
    /// [`bind`](super::listener::bind).
    pub keepalive: KeepAlive,
}

/// What a shard does when there is nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// It sleeps in its ring.
    #[default]
    Sleep,
    /// It goes on looking: ten microseconds of wake-up and more are saved, for a whole CPU. For instruments, which must not
    /// measure their own sleep.
    Poll,
}
