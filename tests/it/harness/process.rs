//! A `ringway` process, seen from outside: what it prints, its descriptors, its sockets, its memory and its time.

#![allow(unsafe_code, reason = "system calls without a safe wrapper")]
#![allow(clippy::print_stderr, reason = "a test's output is shown when it fails")]

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::upstream::Upstream;
use super::wait::{Patience, until};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ringway");

/// A serving process. Dropping it first checks that it has leaked nothing, then kills it.
pub(crate) struct Ringway {
    child: RefCell<Killed>,
    address: SocketAddr,
    /// Where it dials; its sockets there are looked at too.
    target: Option<SocketAddr>,
    descriptors: usize,
    announced: String,
    stderr: Arc<Mutex<String>>,
    kept: RefCell<Vec<Upstream>>,
    watched: bool,
}

impl Ringway {
    /// `ringway proxy` on a port of its own.
    #[track_caller]
    pub(crate) fn proxy(target: SocketAddr, options: &[&str]) -> Self {
        let url = format!("ws://{target}");
        Self::proxy_to(&url, Some(target), options)
    }

    /// Starts `ringway proxy` with a whole URL as its target.
    #[track_caller]
    pub(crate) fn proxy_to(url: &str, target: Option<SocketAddr>, options: &[&str]) -> Self {
        let mut arguments = vec!["proxy", "--listen", "127.0.0.1:0", "--target", url];
        arguments.extend(options);
        Self::start(&arguments, target, &[])
    }

    /// `ringway proxy` on an address of the test's choice.
    #[track_caller]
    pub(crate) fn proxy_at(listen: SocketAddr, url: &str, options: &[&str]) -> Self {
        let listen = listen.to_string();
        let arguments = [&["proxy", "--listen", &listen, "--target", url], options].concat();
        Self::start(&arguments, None, &[])
    }

    /// Starts `ringway proxy` with more environment variables.
    #[track_caller]
    pub(crate) fn proxy_in(environment: &[(&str, &str)], url: &str, target: SocketAddr, options: &[&str]) -> Self {
        let mut arguments = vec!["proxy", "--listen", "127.0.0.1:0", "--target", url];
        arguments.extend(options);
        Self::start(&arguments, Some(target), environment)
    }

    /// `ringway echo` on a port of its own.
    #[track_caller]
    pub(crate) fn echo(options: &[&str]) -> Self {
        let mut arguments = vec!["echo", "--listen", "127.0.0.1:0"];
        arguments.extend(options);
        Self::start(&arguments, None, &[])
    }

    #[track_caller]
    fn start(arguments: &[&str], target: Option<SocketAddr>, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut announced = String::new();
        let mut line = || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            announced.push_str(&line);
            line
        };
        let first = line();
        let shards = std::iter::repeat_with(line)
            .take(5)
            .find_map(|line| line.trim().strip_prefix("shards: ")?.split(' ').next()?.parse::<usize>().ok());
        std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        let stderr = collect(child.stderr.take().unwrap());
        let Some(address) = first.trim().strip_prefix("listening on ") else {
            let status = child.wait();
            panic!("it did not listen: {status:?} {}", stderr.lock().unwrap());
        };
        let address = address.parse().unwrap();
        let child = RefCell::new(Killed(child));
        let mut ringway =
            Self { child, address, target, descriptors: 0, announced, stderr, kept: RefCell::default(), watched: true };
        // All that starting opens is open.
        until("its shards sleep in their rings", || {
            let sleeping = ringway.threads().filter(|task| read(&format!("{task}/wchan")).contains("io_cqring_wait"));
            (Some(sleeping.count()) == shards).then_some(())
        });
        ringway.descriptors = ringway.open_descriptors();
        ringway
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.borrow().0.id()).unwrap()
    }

    /// Keeps an upstream listening as long as the process lives.
    pub(crate) fn keep(&self, upstream: Upstream) {
        self.kept.borrow_mut().push(upstream);
    }

    /// The lines on standard output at the start.
    pub(crate) fn announced(&self) -> &str {
        &self.announced
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits for a line of its log that holds `text`.
    #[track_caller]
    pub(crate) fn logged(&self, text: &str) -> String {
        until(&format!("{text:?} is logged"), || self.log().lines().find(|line| line.contains(text)).map(str::to_owned))
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: the process is a child that has not been waited for, so the number is its.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0);
    }

    /// Waits until it has ended by itself, and its log has been read to the end.
    #[track_caller]
    pub(crate) fn ended(&self) -> ExitStatus {
        let status = until("the process ends", || self.child.borrow_mut().0.try_wait().unwrap());
        // The thread that reads it holds the other reference.
        until("its log has been read", || (Arc::strong_count(&self.stderr) == 1).then_some(()));
        status
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.child.borrow_mut().0.try_wait().unwrap().is_some()
    }

    /// Stops the process until the returned value is dropped: what its peers do meanwhile it sees all at once.
    pub(crate) fn paused(&self) -> Paused<'_> {
        self.signal(libc::SIGSTOP);
        let is_stopped = |task: String| state(&read(&format!("{task}/stat"))).starts_with('T');
        until("every thread is stopped", || self.threads().all(is_stopped).then_some(()));
        Paused(self)
    }

    /// How many descriptors it has open.
    pub(crate) fn open_descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// The number that its next descriptor will have.
    pub(crate) fn lowest_free_descriptor(&self) -> u64 {
        (0..).find(|number| fs::symlink_metadata(format!("/proc/{}/fd/{number}", self.pid())).is_err()).unwrap()
    }

    /// How many it has more than when it had no connection.
    pub(crate) fn extra_descriptors(&self) -> usize {
        self.open_descriptors().saturating_sub(self.descriptors)
    }

    /// Processor time used so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = read(&format!("/proc/{}/stat", self.pid()));
        let ticks: u64 = state(&stat).split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        // USER_HZ is 100 on every Linux.
        Duration::from_millis(ticks * 10)
    }

    /// Bytes of memory it has resident.
    pub(crate) fn resident(&self) -> usize {
        let status = read(&format!("/proc/{}/status", self.pid()));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// Sets its limit on descriptors.
    pub(crate) fn limit_descriptors(&self, soft: u64) {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: 20_000.max(soft) };
        // SAFETY: the pointers are to a live limit, and to nothing.
        let done = unsafe { libc::prlimit(self.pid(), libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut()) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }

    /// Waits until it has no descriptor and no socket of a connection left.
    #[track_caller]
    pub(crate) fn settles(&self) {
        let ports: Vec<u16> = self.target.iter().chain([&self.address]).map(SocketAddr::port).collect();
        let mut patience = Patience::new();
        loop {
            let (extra, sockets) = (self.extra_descriptors(), sockets_of(&ports));
            if extra == 0 && sockets.is_empty() {
                return;
            }
            assert!(patience.is_left(), "{extra} descriptors are left open, and these sockets: {sockets:#?}");
        }
    }

    /// Waits until it has closed all it had open, though its peers still hold their ends.
    #[track_caller]
    pub(crate) fn closes_all(&self) {
        until("every descriptor of a connection is closed", || (self.extra_descriptors() == 0).then_some(()));
    }

    /// Does not check for leaks at the end: the test ends it another way.
    pub(crate) fn unwatched(mut self) -> Self {
        self.watched = false;
        self
    }

    fn threads(&self) -> impl Iterator<Item = String> {
        let tasks = format!("/proc/{}/task", self.pid());
        fs::read_dir(tasks).into_iter().flatten().map(|task| task.unwrap().path().display().to_string())
    }
}

impl Drop for Ringway {
    fn drop(&mut self) {
        if self.watched && !std::thread::panicking() && !self.has_ended() {
            self.settles();
        }
        if std::thread::panicking() {
            eprintln!("--- log of the process:\n{}", self.log());
        }
    }
}

/// A child that does not outlive its test, not even one whose check for leaks fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Paused<'p>(&'p Ringway);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.signal(libc::SIGCONT);
    }
}

/// A short-lived command: its exit code, standard output and standard error.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Runs a command that should end at once. If it does not, it is killed and has no exit code.
pub(crate) fn run_briefly(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Killed(command.spawn().unwrap());
    let (out, errors) = (collect(child.0.stdout.take().unwrap()), collect(child.0.stderr.take().unwrap()));
    let mut patience = Patience::new();
    let status = loop {
        match child.0.try_wait().unwrap() {
            Some(status) => break status.code().unwrap_or(-1),
            None if !patience.is_left() || out.lock().unwrap().contains("listening on") => break -1,
            None => {}
        }
    };
    drop(child);
    let text = |text: &Arc<Mutex<String>>| {
        until("its output has been read", || (Arc::strong_count(text) == 1).then_some(()));
        text.lock().unwrap().clone()
    };
    (status, text(&out), text(&errors))
}

pub(crate) fn collect(mut from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    std::thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(n @ 1..) = from.read(&mut chunk) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..n]));
        }
    });
    text
}

/// For `--cpus`: a shard on each of two CPUs, where this process may use two.
pub(crate) fn two_cpus() -> &'static str {
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1) { "0,1" } else { "0" }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A stat file from the state on.
fn state(stat: &str) -> &str {
    stat.rsplit_once(") ").map_or("", |(_, rest)| rest)
}

/// Lines of /proc/net/tcp that name one of the ports, other than listeners and TIME_WAIT.
pub(crate) fn sockets_of(ports: &[u16]) -> Vec<String> {
    let hex: Vec<String> = ports.iter().map(|port| format!(":{port:04X}")).collect();
    read("/proc/net/tcp")
        .lines()
        .skip(1)
        .filter(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, remote) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
            let state = fields.next().unwrap_or("");
            let ours = hex.iter().any(|port| local.ends_with(port) || remote.ends_with(port));
            ours && !matches!(state, "0A" | "06")
        })
        .map(str::to_owned)
        .collect()
}
