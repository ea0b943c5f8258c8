//! Threads beside the shards that have work to do: where one shares a CPU with a shard, it comes second.

use std::io;
use std::thread::{Builder, JoinHandle};

use super::sys;

/// How much nicer they are than the process. A third of a shard's weight: together with the shards'
/// [slices](super::host) it suffices for a shard to run whenever it wakes, and a shard that is busy all the time still leaves
/// them a quarter of the CPU.
const NICER: i32 = 5;

/// Starts one.
///
/// # Errors
/// The kernel has no room for another thread.
pub fn start<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        yield_to_shards();
        work()
    })
}

/// Makes the calling thread nicer, as [`start`] does with a thread of its own. Where that is forbidden it competes with the
/// shards as an equal.
pub fn yield_to_shards() {
    let _ = sys::be_nicer(NICER);
}
