//! Threads beside the shards: one that shares a CPU with a shard yields to the shard.

use std::io;
use std::thread::{Builder, JoinHandle};

use super::sys;

/// Added to the process's nice value. Such a thread has a third of a shard's weight: with the shards' short
/// [slices](super::host) a shard runs whenever it wakes, and a shard that is always busy leaves a quarter of the CPU.
const NICER: i32 = 5;

/// Starts a thread.
///
/// # Errors
/// The kernel has no room for another thread.
pub fn start<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        yield_to_shards();
        work()
    })
}

/// Makes the calling thread nicer than the process's first thread, as [`start`] does with a thread of its own. Where that is
/// forbidden it competes with the shards as an equal.
pub fn yield_to_shards() {
    let _ = sys::be_nicer_than_the_process(NICER);
}

#[cfg(test)]
mod tests {
    use super::sys::{THIS_THREAD, nice_of};
    use super::{NICER, start, yield_to_shards};

    #[test]
    fn a_thread_that_a_nicer_one_starts_is_no_nicer_than_that() {
        let first = start("first", || {
            let second = std::thread::spawn(|| {
                yield_to_shards();
                nice_of(THIS_THREAD)
            });
            (nice_of(THIS_THREAD), second.join().unwrap())
        });
        let expected = (nice_of(std::process::id()) + NICER).min(19);
        assert_eq!(first.unwrap().join().unwrap(), (expected, expected));
    }
}
