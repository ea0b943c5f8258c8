//! The requirements on the host, checked before anything listens. An error says what is missing, and how to get it.

use std::path::Path;
use std::{fmt, io};

use super::{cgroup, ring, sys};
use crate::invariant::Invariant;

/// The first kernel with every io_uring feature the ring uses (DEFER_TASKRUN).
const KERNEL: (u32, u32) = (6, 1);
/// The limit on locked memory without which glommio starts no executor. It looks at the limit alone: CAP_IPC_LOCK, which lifts
/// the limit, does not count. The buffers that each executor registers are beside the point, as a shard uses none of them.
const MEMLOCK_BYTES: u64 = 512 * 1024;
/// Descriptors that are not connections: the standard three, rings, listeners, bells and those that libraries open.
const DESCRIPTORS_BESIDE_CONNECTIONS: u64 = 64;

/// The resources that the process may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The limit on file descriptors, after the soft limit was raised to the hard one.
    pub max_descriptors: u64,
    /// CPUs it may run on.
    pub cpus: Vec<usize>,
    /// The CPUs that use up the process's quota of CPU time; `None` without a quota.
    pub quota_cpus: Option<usize>,
}

impl Host {
    /// Chooses the CPUs to run on: those in `asked`, or else all, but no more than the quota of CPU time keeps busy.
    ///
    /// # Errors
    /// `asked` names a CPU that the process may not use. The text continues the name of the operator's option.
    pub fn choose_cpus(&self, asked: Option<&[usize]>) -> Result<Vec<usize>, String> {
        let Some(asked) = asked else {
            return Ok(self.cpus.iter().copied().take(self.quota_cpus.unwrap_or(usize::MAX)).collect());
        };
        check_cpus(asked, &self.cpus)?;
        Ok(asked.to_vec())
    }

    /// Keeps this thread, and the threads that it starts, off the shards' CPUs, if the process has others. Shards still
    /// run on their own CPUs.
    pub fn keep_off(&self, shards: &[usize]) {
        let others: Vec<usize> = self.cpus.iter().copied().filter(|cpu| !shards.contains(cpu)).collect();
        if !others.is_empty() {
            // A sandbox may forbid it. Then the kernel chooses the CPUs.
            let _ = sys::run_on(&others);
        }
    }

    /// The number of connections that fit, if each takes `descriptors_each` descriptors.
    #[must_use]
    pub fn max_connections(&self, descriptors_each: u64, shards: usize) -> u64 {
        let others = beside_connections(shards);
        self.max_descriptors.saturating_sub(others).checked_div(descriptors_each).unwrap_or(0).max(1)
    }
}

/// Checks that the process may use these CPUs.
///
/// # Errors
/// A CPU that the process may not use, and those that it may use. The text continues the name of the operator's option.
pub fn check_cpus(asked: &[usize], allowed: &[usize]) -> Result<(), String> {
    let Some(cpu) = asked.iter().find(|cpu| !allowed.contains(cpu)) else { return Ok(()) };
    let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    Err(format!("names CPU {cpu}; this process may run on {}", allowed.join(", ")))
}

/// The CPUs that this thread may run on. Call this before [`Host::keep_off`]: it takes CPUs away from this thread.
///
/// # Errors
/// The kernel does not say.
pub fn allowed_cpus() -> Result<Vec<usize>, Missing> {
    sys::allowed_cpus().map_err(|error| Missing::Other("sched_getaffinity failed", error))
}

/// The number of descriptors that are not connections.
fn beside_connections(shards: usize) -> u64 {
    let shards = u64::try_from(shards).expected_or(u64::MAX);
    DESCRIPTORS_BESIDE_CONNECTIONS.saturating_add(shards.saturating_mul(16))
}

/// A requirement that the host does not meet.
#[derive(Debug)]
pub enum Missing {
    /// The kernel is older than 6.1.
    Kernel(String),
    /// The operator has switched io_uring off.
    Disabled(String),
    /// A seccomp filter refuses io_uring, or the kernel was built without.
    Refused(io::Error),
    /// The limit on locked memory is too small, in bytes.
    LockedMemory {
        /// The limit.
        have: u64,
        /// The least that is needed.
        need: u64,
    },
    /// The limit on file descriptors is too small to start with.
    Descriptors {
        /// The limit.
        have: u64,
        /// The least that is needed.
        need: u64,
    },
    /// A system call failed that should never fail.
    Other(&'static str, io::Error),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(release) => write!(
                f,
                "the kernel is {release}; Ringway needs Linux {}.{} or newer (io_uring with deferred task work)",
                KERNEL.0, KERNEL.1
            ),
            Self::Disabled(value) => write!(
                f,
                "io_uring is switched off (kernel.io_uring_disabled = {value}); switch it on with \
                 `sysctl -w kernel.io_uring_disabled=0`"
            ),
            Self::Refused(error) => write!(
                f,
                "the kernel refused to create an io_uring ({error}); in a container this is the runtime's default \
                 seccomp profile: run it with `--security-opt seccomp=ringway-seccomp.json` \
                 (config/ringway-seccomp.json in Ringway's repository)"
            ),
            Self::LockedMemory { have, need } => write!(
                f,
                "the limit on locked memory is {have} bytes; {need} are needed (CAP_IPC_LOCK does not replace them): \
                 raise it with `ulimit -l {}`, or LimitMEMLOCK={need} in the systemd unit",
                need.div_ceil(1024)
            ),
            Self::Descriptors { have, need } => write!(
                f,
                "the limit on file descriptors is {have}; at least {need} are needed: raise it with `ulimit -n`, or \
                 LimitNOFILE= in the systemd unit"
            ),
            Self::Other(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for Missing {}

/// Checks the host, and prepares the process: raises the soft limit on descriptors to the hard one, and switches huge
/// pages off for the process. An allocator keeps a whole huge page for a few small objects: an idle connection took
/// 1,047 bytes with them, and 496 without.
///
/// # Errors
/// The first requirement that is not met.
pub fn check() -> Result<Host, Missing> {
    let release = sys::kernel_release().map_err(|error| Missing::Other("uname failed", error))?;
    if version_of(&release) < KERNEL {
        return Err(Missing::Kernel(release));
    }
    if let Err(error) = ring::Ring::new(8) {
        return Err(why_no_ring(error));
    }
    // An old sandbox may forbid it. Then connections take more memory.
    let _ = sys::disable_huge_pages();
    let cpus = allowed_cpus()?;
    let quota_cpus = cgroup::cpu_quota(Path::new("/")).map(cgroup::Quota::cpus);
    let (soft, hard) =
        sys::limit(libc::RLIMIT_NOFILE).map_err(|error| Missing::Other("getrlimit(NOFILE) failed", error))?;
    // Where raising it is forbidden, the soft limit counts.
    let raised = soft == hard || sys::set_soft_limit(libc::RLIMIT_NOFILE, hard, hard).is_ok();
    Ok(Host { max_descriptors: if raised { hard } else { soft }, cpus, quota_cpus })
}

/// Checks that there are descriptors for the shards and for one connection, and that the limit on locked memory lets glommio
/// start its executors; raises that limit where the process may.
///
/// # Errors
/// A limit is too small.
pub fn check_limits(host: &Host, shards: usize) -> Result<(), Missing> {
    let need = beside_connections(shards).saturating_add(2);
    if host.max_descriptors < need {
        return Err(Missing::Descriptors { have: host.max_descriptors, need });
    }
    let (have, hard) =
        sys::limit(libc::RLIMIT_MEMLOCK).map_err(|error| Missing::Other("getrlimit(MEMLOCK) failed", error))?;
    let need = MEMLOCK_BYTES;
    // Above the hard limit the kernel asks for CAP_SYS_RESOURCE, which root mostly has.
    if have >= need || sys::set_soft_limit(libc::RLIMIT_MEMLOCK, need, hard.max(need)).is_ok() {
        return Ok(());
    }
    Err(Missing::LockedMemory { have: hard, need })
}

fn why_no_ring(error: io::Error) -> Missing {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    match (disabled.trim(), error.raw_os_error()) {
        (value @ ("1" | "2"), Some(libc::EPERM)) => Missing::Disabled(value.to_owned()),
        (_, Some(libc::EPERM | libc::EACCES | libc::ENOSYS)) => Missing::Refused(error),
        _ => Missing::Other("an io_uring could not be created", error),
    }
}

fn version_of(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Host, KERNEL, version_of};

    #[test]
    fn releases_are_compared_as_numbers() {
        assert!(version_of("6.1.0-18-amd64") >= KERNEL);
        assert!(version_of("10.0") >= KERNEL);
        assert!(version_of("5.15.0-91-generic") < KERNEL);
        assert!(version_of("6.0.19") < KERNEL);
        assert!(version_of("nonsense") < KERNEL);
    }

    #[test]
    fn the_connections_that_fit_leave_room_for_the_rest() {
        let host = |max_descriptors| Host { max_descriptors, cpus: vec![0], quota_cpus: None };
        assert_eq!(host(20_000).max_connections(2, 1), 9960);
        assert_eq!(host(10).max_connections(2, 1), 1);
    }

    #[test]
    fn c3_there_are_no_more_shards_than_the_quota_keeps_busy() {
        let host = |quota_cpus| Host { max_descriptors: 20_000, cpus: vec![1, 3, 5], quota_cpus };
        for (quota, asked, chosen) in [
            (None, None, &[1, 3, 5][..]),
            (Some(1), None, &[1]),
            (Some(2), None, &[1, 3]),
            (Some(9), None, &[1, 3, 5]),
            // The operator decides.
            (Some(1), Some(&[3, 5][..]), &[3, 5]),
        ] {
            assert_eq!(host(quota).choose_cpus(asked).as_deref(), Ok(chosen), "{quota:?}");
        }
        let told = host(None).choose_cpus(Some(&[1, 2])).unwrap_err();
        assert_eq!(told, "names CPU 2; this process may run on 1, 3, 5");
    }
}
