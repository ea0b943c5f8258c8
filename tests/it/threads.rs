//! How the kernel is to schedule the threads of the process.

use std::mem::MaybeUninit;
use std::path::Path;

use crate::harness::node::Node;

/// What the kernel grants at least, in nanoseconds.
const SLICE: u64 = 100_000;

/// What a thread is named, and its policy, nice value and slice.
fn scheduled(task: &Path) -> (String, u32, i32, u64) {
    let id: libc::pid_t = task.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let mut attributes = MaybeUninit::<libc::sched_attr>::zeroed();
    let size = u32::try_from(size_of::<libc::sched_attr>()).unwrap();
    // SAFETY: the pointer is to live memory of the size given.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, id, attributes.as_mut_ptr(), size, 0) };
    assert_eq!(got, 0, "{}: {}", task.display(), std::io::Error::last_os_error());
    // SAFETY: zeroed bytes are valid, whatever was written over them.
    let is = unsafe { attributes.assume_init() };
    let name = std::fs::read_to_string(task.join("comm")).unwrap();
    (name.trim_end().to_owned(), is.sched_policy, is.sched_nice, is.sched_runtime)
}

/// Kernels before 6.12 know no slices of a thread's own.
fn kernel_knows_slices() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 12)
}

#[test]
fn shards_run_before_whoever_shares_their_cpu_and_nobody_else_does() {
    let node = Node::start("");
    let tasks = std::fs::read_dir(format!("/proc/{}/task", node.pid())).unwrap();
    let threads: Vec<_> = tasks.map(|task| scheduled(&task.unwrap().path())).collect();
    let cpus = std::thread::available_parallelism().unwrap().get();
    let short: Vec<_> = threads.iter().filter(|(.., slice)| *slice == SLICE).collect();
    assert!(threads.iter().all(|(_, policy, nice, _)| (*policy, *nice) == (threads[0].1, threads[0].2)), "{threads:?}");
    if kernel_knows_slices() {
        // Each shard, and not the thread that glommio has beside it.
        assert!(short.len() == cpus && short.iter().all(|(name, ..)| name.starts_with("shard")), "{threads:?}");
    }
}
