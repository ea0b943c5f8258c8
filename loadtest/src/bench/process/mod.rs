//! Child processes of a benchmark: pinned to CPUs, watched until they listen, and ended when the benchmark ends. Only
//! SIGKILL or an abort of the benchmark leaves its children behind.
//!
//! Each child leads its own process group, so that its workers end with it and Ctrl-C reaches only the benchmark. A
//! shell sends signals and raises limits, because the standard library does neither.

mod ports;
mod scratch;

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;

pub use ports::free_port;
pub use scratch::Scratch;

/// The time from SIGTERM until a process is killed.
const GRACE: Duration = Duration::from_secs(3);
/// The polling interval for conditions without an event.
const LOOK: Duration = Duration::from_millis(10);
/// The most bytes of a process's output that an error quotes.
const QUOTED_BYTES: usize = 600;

/// Parameters of a process to start.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The name in messages.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// The program's arguments.
    pub arguments: Vec<String>,
    /// Additional environment variables.
    pub environment: Vec<(String, String)>,
    /// The CPUs that the process may use, in the format of `taskset -c`.
    pub cpus: String,
    /// The file for the process's output.
    pub log: PathBuf,
}

/// The reason why waiting for a process failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A failure: a sentence with the end of the output.
    Failed(String),
    /// The user asked the benchmark to stop.
    Interrupted,
}

/// A started process. Dropping it ends the process and its group.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
    /// `true` once the group was killed and its leader reaped. From then on another process may have the id, and no
    /// signal is sent to it.
    stopped: bool,
}

impl Running {
    /// Starts the process.
    ///
    /// # Errors
    /// Fails if the log or the process cannot be created. A missing program is noticed later, by its exit.
    pub fn start(launch: &Launch) -> Result<Running, Trouble> {
        let failed = |what: &str, error: std::io::Error| Trouble::Failed(format!("{}: {what}: {error}", launch.name));
        let log = File::create(&launch.log).map_err(|error| failed("its log", error))?;
        let also = log.try_clone().map_err(|error| failed("its log", error))?;
        let child = Command::new("sh")
            .args(["-c", r#"ulimit -n "$(ulimit -Hn)"; exec taskset -c "$0" "$@""#, &launch.cpus])
            .arg(&launch.program)
            .args(&launch.arguments)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(also)
            .process_group(0)
            .spawn()
            .map_err(|error| failed("sh", error))?;
        Ok(Running { name: launch.name.clone(), child, log: launch.log.clone(), ended: None, stopped: false })
    }

    /// The process id, which is also the group's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a process listens on the port.
    ///
    /// # Errors
    /// Fails if this process ends before, if the time is over, or if the user asks to stop.
    pub fn wait_listening(&mut self, port: u16, within: Duration, stop: &AtomicBool) -> Result<(), Trouble> {
        self.wait_for(&format!("listened on {port}"), within, stop, || ports::listens(port))
    }

    /// Waits until the process answers a plain request on the port with anything but 404, which some programs answer
    /// until they have read their routes. `tls` is set for a TLS port.
    ///
    /// # Errors
    /// See [`Running::wait_listening`].
    pub fn wait_routed(
        &mut self,
        port: u16,
        tls: Option<&Arc<ClientConfig>>,
        within: Duration,
        stop: &AtomicBool,
    ) -> Result<(), Trouble> {
        self.wait_for("had its routes", within, stop, || {
            ports::answer(port, tls).is_some_and(|line| !line.contains(" 404"))
        })
    }

    /// Waits until the process ends by itself. After the time limit, ends it and returns `None`.
    ///
    /// # Errors
    /// Fails if the user asks to stop: the process is then ended like in [`Running::stop`], without waiting for more
    /// output.
    pub fn wait_ended(&mut self, within: Duration, stop: &AtomicBool) -> Result<Option<ExitStatus>, Trouble> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.ended() {
                return Ok(Some(status));
            }
            if stop.load(Ordering::Relaxed) {
                self.stop();
                return Err(Trouble::Interrupted);
            }
            if Instant::now() >= deadline {
                self.stop();
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Ends the process and its group: first with SIGTERM, then with SIGKILL for the rest, once the leader has ended or
    /// its time is over.
    pub fn stop(&mut self) {
        if self.ended().is_some() || self.stopped {
            return;
        }
        signal("TERM", self.pid());
        let deadline = Instant::now() + GRACE;
        while self.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        self.reap();
    }

    /// The end of the process's output, on one line.
    pub fn output(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let tail = text.get(text.len().saturating_sub(QUOTED_BYTES)..).unwrap_or_default();
        let text = String::from_utf8_lossy(tail);
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.join(" | ")
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        if !self.stopped && is_zombie(self.pid()) {
            self.reap();
        }
        self.ended
    }

    /// Kills the group, once, and then reaps the leader. The order matters: only an unreaped leader keeps its id from
    /// being reused.
    fn reap(&mut self) {
        if !self.stopped {
            self.stopped = true;
            signal("KILL", self.pid());
            self.ended = self.child.wait().ok();
        }
    }

    fn wait_for(
        &mut self,
        what: &str,
        within: Duration,
        stop: &AtomicBool,
        done: impl Fn() -> bool,
    ) -> Result<(), Trouble> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.ended() {
                let said = self.said();
                return Err(Trouble::Failed(format!("{} ended before it {what} ({status}){said}", self.name)));
            }
            if done() {
                return Ok(());
            }
            if stop.load(Ordering::Relaxed) {
                return Err(Trouble::Interrupted);
            }
            if Instant::now() >= deadline {
                let said = self.said();
                return Err(Trouble::Failed(format!("{} had not {what} after {within:?}{said}", self.name)));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn said(&self) -> String {
        match self.output() {
            text if text.is_empty() => ", and said nothing".to_owned(),
            text => format!("; it said: {text}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Sends a signal to all processes of a group. An empty group is no error: that is the desired result.
fn signal(name: &str, group: u32) {
    let _ = Command::new("sh")
        .args(["-c", r#"kill -s "$0" -- "-$1""#, name, &group.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Returns `true` if a process has ended with all its threads and was not reaped. Asking the standard library would
/// reap it.
fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| is_zombie_in(&stat))
}

/// The state follows the name, which may contain any characters, and the thread count comes 17 words later.
fn is_zombie_in(stat: &str) -> bool {
    let mut words = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ended = words.next() == Some("Z");
    let threads = words.nth(16).and_then(|count| count.parse::<u32>().ok());
    ended && threads.is_none_or(|count| count <= 1)
}

#[cfg(test)]
mod tests;
