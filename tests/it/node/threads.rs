//! How the kernel is to schedule the threads of the process.

#![allow(unsafe_code, reason = "system calls without a safe wrapper")]

use std::mem::MaybeUninit;
use std::path::Path;

use crate::harness::node::Node;
use crate::harness::until;

/// The shortest slice that the kernel grants, in nanoseconds.
const SLICE: u64 = 100_000;

/// Threads that have work to do, and come second to a shard.
const BEHIND: [&str; 2] = ["store", "control"];

/// A thread that is there only while a file is read or written; it comes second, too.
const FILES: &str = "control-files";

/// A thread's name, policy, nice value and slice; `None` if the thread has ended.
fn scheduled(task: &Path) -> Option<(String, u32, i32, u64)> {
    let id: libc::pid_t = task.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let mut attributes = MaybeUninit::<libc::sched_attr>::zeroed();
    let size = u32::try_from(size_of::<libc::sched_attr>()).unwrap();
    // SAFETY: the pointer is to live memory of the size given.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, id, attributes.as_mut_ptr(), size, 0) };
    let error = std::io::Error::last_os_error();
    if got != 0 && error.raw_os_error() == Some(libc::ESRCH) {
        return None;
    }
    assert_eq!(got, 0, "{}: {error}", task.display());
    // SAFETY: zeroed bytes are valid, whatever was written over them.
    let is = unsafe { attributes.assume_init() };
    let name = std::fs::read_to_string(task.join("comm")).ok()?;
    Some((name.trim_end().to_owned(), is.sched_policy, is.sched_nice, is.sched_runtime))
}

/// Kernels before 6.12 know no slices of a thread's own.
fn kernel_knows_slices() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 12)
}

/// True if all threads of a process are scheduled as intended.
fn is_so(threads: &[(String, u32, i32, u64)], shards: usize) -> bool {
    let Some((_, policy, nice, _)) = threads.iter().find(|(name, ..)| name == "ringway") else { return false };
    let is_usual = |(name, its_policy, its_nice, _): &(String, u32, i32, u64)| {
        let nicer = if BEHIND.contains(&name.as_str()) || name == FILES { 5 } else { 0 };
        (its_policy, *its_nice) == (policy, (nice + nicer).min(19))
    };
    let short: Vec<_> = threads.iter().filter(|(.., slice)| *slice == SLICE).collect();
    // Each shard, and not the thread that glommio has beside it.
    let shards_alone = short.len() == shards && short.iter().all(|(name, ..)| name.starts_with("shard"));
    BEHIND.iter().all(|name| threads.iter().any(|(is, ..)| is == name))
        && threads.iter().all(is_usual)
        && (shards_alone || !kernel_knows_slices())
}

#[test]
fn shards_run_before_whoever_shares_their_cpu_and_who_works_beside_them_comes_second() {
    let node = Node::start("");
    let tasks = format!("/proc/{}/task", node.pid());
    let shards = node.admin.get("/health").expect(200)["shards"].as_array().unwrap().len();
    // A thread that was just started has yet to name itself, and to step back.
    let mut last = Vec::new();
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        until("threads are scheduled as they should be", || {
            last = std::fs::read_dir(&tasks).unwrap().filter_map(|task| scheduled(&task.unwrap().path())).collect();
            is_so(&last, shards).then_some(())
        });
    }));
    assert!(seen.is_ok(), "{last:?}");
}
