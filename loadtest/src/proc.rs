//! Process and machine figures of the kernel, read from `/proc`. Changes when the kernel's files do.
//!
//! A process is measured with its descendants: [`family`] finds them, [`cpu`] and [`anonymous_bytes`] add them up.
//! Callers read the last two before and after a window and subtract, so both functions continue when one of several
//! processes has ended.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::report::model::Machine;

/// The kernel's process directory.
const PROC: &str = "/proc";

/// The reason why a process could not be read; the inner error of every [`io::Error`] of this module.
#[derive(Debug)]
pub enum ProcError {
    /// The process has ended, or never existed.
    Gone {
        /// The process.
        pid: u32,
    },
    /// The process exists, and the kernel did not allow the read.
    Unreadable {
        /// The process.
        pid: u32,
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// A file of the process lacks an expected figure: another kernel, or one built without it.
    Unexpected {
        /// The process.
        pid: u32,
        /// The file.
        path: PathBuf,
        /// The missing figure.
        what: &'static str,
    },
}

impl fmt::Display for ProcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcError::Gone { pid } => write!(f, "process {pid} is gone"),
            ProcError::Unreadable { pid, path, source } => write!(f, "process {pid}: {}: {source}", path.display()),
            ProcError::Unexpected { pid, path, what } => write!(f, "process {pid}: {} has no {what}", path.display()),
        }
    }
}

impl Error for ProcError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ProcError::Unreadable { source, .. } => Some(source),
            ProcError::Gone { .. } | ProcError::Unexpected { .. } => None,
        }
    }
}

impl From<ProcError> for io::Error {
    fn from(error: ProcError) -> io::Error {
        let kind = match &error {
            ProcError::Gone { .. } => io::ErrorKind::NotFound,
            ProcError::Unreadable { source, .. } => source.kind(),
            ProcError::Unexpected { .. } => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

/// Lists the process and all its descendants, the process first. A descendant that ends meanwhile is left out.
///
/// # Errors
/// Fails if the process itself has ended or cannot be read, or if the kernel does not list children
/// (`CONFIG_PROC_CHILDREN`).
pub fn family(pid: u32) -> io::Result<Vec<u32>> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&member) = found.get(next) {
        match children(member) {
            // A process has one parent at a time, but may move to another one during this walk.
            Ok(kids) => kids.into_iter().for_each(|kid| {
                if !found.contains(&kid) {
                    found.push(kid);
                }
            }),
            Err(ProcError::Gone { .. }) if member != pid => {}
            Err(error) => return Err(error.into()),
        }
        next += 1;
    }
    Ok(found)
}

/// CPU time that the processes' threads have used, user and system. Threads that have ended are no longer counted, so a
/// later sum may be smaller: subtract with care.
///
/// # Errors
/// Fails if none of the processes is left, or one that exists cannot be read.
pub fn cpu(pids: &[u32]) -> io::Result<Duration> {
    sum(pids, process_cpu_ns).map(Duration::from_nanos)
}

/// Anonymous resident bytes of the processes: memory that they allocated and touched, without file mappings.
///
/// # Errors
/// Fails if none of the processes is left, or one that exists cannot be read.
pub fn anonymous_bytes(pids: &[u32]) -> io::Result<u64> {
    sum(pids, process_anonymous_bytes)
}

/// Like [`cpu`], of this process.
///
/// # Errors
/// Fails if `/proc` cannot be read.
pub fn own_cpu() -> io::Result<Duration> {
    cpu(&[std::process::id()])
}

/// Like [`anonymous_bytes`], of this process.
///
/// # Errors
/// Fails if `/proc` cannot be read.
pub fn own_anonymous_bytes() -> io::Result<u64> {
    anonymous_bytes(&[std::process::id()])
}

/// The machine's figures, without anything that identifies it. Unreadable figures are left empty.
pub fn machine() -> Machine {
    let text = |path: &str| fs::read_to_string(Path::new(PROC).join(path)).unwrap_or_default();
    let cpuinfo = text("cpuinfo");
    let kernel = format!("{} {}", text("sys/kernel/ostype").trim(), text("sys/kernel/osrelease").trim());
    Machine {
        kernel: kernel.trim().to_owned(),
        cpu: field(&cpuinfo, "model name").unwrap_or(std::env::consts::ARCH).to_owned(),
        // Not `available_parallelism`: that counts the CPUs this process may use, and it may be pinned.
        cpus: cpuinfo.lines().filter(|line| line.starts_with("processor")).count() as u64,
        memory_bytes: kilobytes(&text("meminfo"), "MemTotal").unwrap_or(0),
    }
}

/// The most files that a process may have open, here and in its children; `None` if unknown or unlimited.
pub fn open_files_limit() -> Option<u64> {
    let limits = fs::read_to_string(Path::new(PROC).join("self/limits")).ok()?;
    hard_limit(&limits, "Max open files")
}

fn hard_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn sum(pids: &[u32], one: fn(u32) -> Result<u64, ProcError>) -> io::Result<u64> {
    let mut total = 0u64;
    let mut gone = None;
    let mut read = 0;
    for &pid in pids {
        match one(pid) {
            Ok(value) => {
                total = total.saturating_add(value);
                read += 1;
            }
            Err(error @ ProcError::Gone { .. }) => gone = gone.or(Some(error)),
            Err(error) => return Err(error.into()),
        }
    }
    match gone {
        Some(error) if read == 0 => Err(error.into()),
        _ => Ok(total),
    }
}

/// CPU time that each thread of the processes has used, by thread id: the parts of [`cpu`]'s sum.
///
/// # Errors
/// See [`cpu`].
pub fn threads(pids: &[u32]) -> io::Result<BTreeMap<u32, Duration>> {
    let mut found = BTreeMap::new();
    let mut gone = None;
    for &pid in pids {
        match process_threads(pid) {
            Ok(threads) => found.extend(threads),
            Err(error @ ProcError::Gone { .. }) => gone = gone.or(Some(error)),
            Err(error) => return Err(error.into()),
        }
    }
    match gone {
        Some(error) if found.is_empty() => Err(error.into()),
        _ => Ok(found),
    }
}

fn process_cpu_ns(pid: u32) -> Result<u64, ProcError> {
    let threads = process_threads(pid)?;
    let nanos = threads.iter().map(|(_, used)| u64::try_from(used.as_nanos()).unwrap_or(u64::MAX));
    Ok(nanos.fold(0, u64::saturating_add))
}

fn process_threads(pid: u32) -> Result<Vec<(u32, Duration)>, ProcError> {
    let mut threads = Vec::new();
    for task in tasks(pid)? {
        let path = task.join("schedstat");
        let text = match read(pid, &path) {
            Err(ProcError::Gone { .. }) => continue, // only this thread has ended
            text => text?,
        };
        let used = first_number(&text).ok_or(ProcError::Unexpected { pid, path, what: "CPU time" })?;
        let id = task.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        threads.push((id.unwrap_or(pid), Duration::from_nanos(used)));
    }
    Ok(threads)
}

fn process_anonymous_bytes(pid: u32) -> Result<u64, ProcError> {
    let status = read(pid, &Path::new(PROC).join(pid.to_string()).join("status"))?;
    // A process that has ended and was not yet waited for has no memory, and so no such line.
    kilobytes(&status, "RssAnon").ok_or(ProcError::Gone { pid })
}

fn children(pid: u32) -> Result<Vec<u32>, ProcError> {
    let listed = Path::new("/proc/thread-self/children");
    if !listed.exists() {
        return Err(ProcError::Unexpected { pid, path: listed.to_owned(), what: "list of children" });
    }
    let mut found = Vec::new();
    for task in tasks(pid)? {
        match read(pid, &task.join("children")) {
            Ok(text) => found.extend(text.split_whitespace().filter_map(|kid| kid.parse::<u32>().ok())),
            Err(ProcError::Gone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn tasks(pid: u32) -> Result<Vec<PathBuf>, ProcError> {
    let path = Path::new(PROC).join(pid.to_string()).join("task");
    let entries = fs::read_dir(&path).map_err(|source| failed(pid, &path, source))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
}

fn read(pid: u32, path: &Path) -> Result<String, ProcError> {
    fs::read_to_string(path).map_err(|source| failed(pid, path, source))
}

/// Reading a process that ends while its file is open gives ESRCH (3), not the "not found" of one that ended before.
fn failed(pid: u32, path: &Path, source: io::Error) -> ProcError {
    const ESRCH: i32 = 3;
    if source.kind() == io::ErrorKind::NotFound || source.raw_os_error() == Some(ESRCH) {
        ProcError::Gone { pid }
    } else {
        ProcError::Unreadable { pid, path: path.to_owned(), source }
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))?;
    Some(line.trim())
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    first_number(field(text, name)?)?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};
    use std::time::Instant;

    /// No process has this id: the largest that Linux assigns is 4,194,304.
    const NOBODY: u32 = 4_194_999;

    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn sleeper() -> Ended {
        Ended(Command::new("sleep").arg("60").spawn().expect("sleep"))
    }

    #[test]
    fn a_family_has_the_process_first_and_its_descendants() {
        let child = sleeper();
        let found = family(std::process::id()).expect("ourselves");
        assert_eq!(found.first(), Some(&std::process::id()));
        assert!(found.contains(&child.0.id()), "{found:?} lacks {}", child.0.id());
    }

    #[test]
    fn a_process_that_is_gone_is_named() {
        let errors = [family(NOBODY).err(), cpu(&[NOBODY]).err(), anonymous_bytes(&[NOBODY]).err()];
        for error in errors {
            let error = error.expect("nobody has that number");
            assert_eq!(error.to_string(), "process 4194999 is gone");
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert!(error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<ProcError>));
        }
    }

    #[test]
    fn a_process_that_ended_does_not_fail_the_others() {
        let both = [NOBODY, std::process::id()];
        assert!(cpu(&both).expect("we are there") > Duration::ZERO);
        assert!(anonymous_bytes(&both).expect("we are there") > 4096);
    }

    #[test]
    fn one_that_ended_and_was_not_waited_for_is_gone() {
        let mut child = Command::new("true").spawn().expect("true");
        let pid = child.id();
        let ended = || fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|text| text.contains("State:\tZ"));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !ended() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let error = anonymous_bytes(&[pid]).expect_err("it has no memory any more");
        assert_eq!(error.to_string(), format!("process {pid} is gone"));
        child.wait().expect("it has ended");
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let before = own_cpu().expect("ourselves");
        let deadline = Instant::now() + Duration::from_secs(10);
        while own_cpu().expect("ourselves").saturating_sub(before) < Duration::from_millis(5) {
            assert!(Instant::now() < deadline, "ten seconds of work and no CPU time");
        }
    }

    #[test]
    fn memory_grows_when_it_is_touched() {
        let before = own_anonymous_bytes().expect("ourselves");
        let touched = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(own_anonymous_bytes().expect("ourselves") > before + (32 << 20));
        drop(touched);
    }

    #[test]
    fn the_machine_is_described_without_its_name() {
        let machine = machine();
        assert!(machine.kernel.starts_with("Linux "), "{machine:?}");
        assert!(machine.cpus > 0 && machine.memory_bytes > 1 << 20 && !machine.cpu.is_empty(), "{machine:?}");
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        assert!(name.len() < 4 || !format!("{machine:?}").contains(name), "{machine:?}");
    }

    #[test]
    fn fields_are_found_whatever_surrounds_them() {
        assert_eq!(kilobytes("Name:\tx\nRssAnon:\t    12 kB\n", "RssAnon"), Some(12 * 1024));
        assert_eq!(kilobytes("RssAnonymous: 3 kB\n", "RssAnon"), None);
        assert_eq!(kilobytes("RssAnon:\tmany kB\n", "RssAnon"), None);
        assert_eq!(kilobytes("RssAnon: 18446744073709551615 kB\n", "RssAnon"), None);
        assert_eq!(field("processor\t: 0\nmodel name\t: Some CPU @ 2GHz\n", "model name"), Some("Some CPU @ 2GHz"));
        assert_eq!(first_number(""), None);
        let limits = "Limit  Soft  Hard  Units\nMax open files   1024    20000   files\n";
        assert_eq!(hard_limit(limits, "Max open files"), Some(20_000));
        assert_eq!(hard_limit("Max open files 1024 unlimited files", "Max open files"), None);
    }
}
