//! Child processes of a benchmark: pinned to CPUs, watched until they listen, and ended when the benchmark ends. Only
//! SIGKILL or an abort of the benchmark leaves its children behind.
//!
//! Each child leads its own process group, so that its workers end with it and Ctrl-C reaches only the benchmark. A
//! shell sends signals and raises limits, because the standard library does neither.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;

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
        self.wait_for(&format!("listened on {port}"), within, stop, || listens(port))
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
        self.wait_for("had its routes", within, stop, || answer(port, tls).is_some_and(|line| !line.contains(" 404")))
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

/// Ports for peers are below the range of local ports for connections (net.ipv4.ip_local_port_range): in that range,
/// one of the benchmark's many connections may use the port before the peer does.
const PORTS: std::ops::Range<u16> = 19_000..32_000;
/// The distance between the first ports that two consecutively started processes try.
const STRIDE: u32 = 997;

/// Returns a port that was free a moment ago and was not returned before.
///
/// # Errors
/// Fails if there is no free port.
pub fn free_port() -> Result<u16, String> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Two benchmarks at once would otherwise get the same port, and programs that share a port share its clients.
    let first = std::process::id().wrapping_mul(STRIDE) % count;
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from((first + given % count) % count).ok().and_then(|place| PORTS.start.checked_add(place));
        let Some(port) = port.filter(|_| given < count) else {
            return Err(format!("no free port from {} to {}", PORTS.start, PORTS.end));
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
}

fn listens(port: u16) -> bool {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .any(|path| fs::read_to_string(path).is_ok_and(|table| listens_in(&table, port)))
}

/// Searches the kernel's table for a socket in the state LISTEN: a test connection would count as a client.
fn listens_in(table: &str, port: u16) -> bool {
    const LISTEN: &str = "0A";
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next().and_then(|address| address.rsplit_once(':')).map(|(_, port)| port);
        let state = words.nth(1);
        state == Some(LISTEN) && local.and_then(|hex| u16::from_str_radix(hex, 16).ok()) == Some(port)
    })
}

/// The status line of the answer to a plain request.
fn answer(port: u16, tls: Option<&Arc<ClientConfig>>) -> Option<String> {
    let wait = Some(Duration::from_secs(1));
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(wait).ok()?;
    stream.set_write_timeout(wait).ok()?;
    match tls {
        None => asked(&mut stream),
        Some(config) => {
            let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
            let mut session = rustls::ClientConnection::new(Arc::clone(config), name).ok()?;
            asked(&mut rustls::Stream::new(&mut session, &mut stream))
        }
    }
}

fn asked(stream: &mut (impl Read + Write)) -> Option<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut head = [0; 64];
    let length = stream.read(&mut head).ok().filter(|&length| length > 0)?;
    let text = String::from_utf8_lossy(head.get(..length)?).into_owned();
    text.lines().next().map(str::to_owned)
}

/// A folder for configuration files and logs, removed with everything in it when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Creates a folder. Other users may read it: nginx's workers run as another user.
    ///
    /// # Errors
    /// Fails if the folder cannot be created.
    pub fn new() -> Result<Scratch, String> {
        use std::os::unix::fs::DirBuilderExt;
        let base = std::env::temp_dir();
        for attempt in 0..1_000 {
            let path = base.join(format!("ringway-bench-{}-{attempt}", std::process::id()));
            match fs::DirBuilder::new().mode(0o755).create(&path) {
                Ok(()) => return Ok(Scratch(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        Err(format!("{}: too many ringway-bench folders", base.display()))
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static GO_ON: AtomicBool = AtomicBool::new(false);
    const SOON: Duration = Duration::from_secs(10);

    fn shell(scratch: &Scratch, script: &str) -> Launch {
        Launch {
            name: "peer".to_owned(),
            program: PathBuf::from("sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: Vec::new(),
            cpus: "0".to_owned(),
            log: scratch.path().join("log"),
        }
    }

    /// Waits until the script has written `count` numbers, and returns them.
    fn written(running: &Running, count: usize) -> Vec<u32> {
        let deadline = Instant::now() + SOON;
        loop {
            let pids: Vec<u32> = running.output().split(" | ").filter_map(|pid| pid.parse().ok()).collect();
            if pids.len() >= count || Instant::now() > deadline {
                return pids;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn runs(pid: u32) -> bool {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        !status.is_empty() && !status.contains("State:\tZ")
    }

    #[test]
    fn dropping_a_process_ends_its_whole_group_even_when_it_does_not_listen_to_signals() {
        let scratch = Scratch::new().expect("a folder");
        let script = "trap '' TERM; sleep 61 & echo $!; echo $$; wait; sleep 62";
        let running = Running::start(&shell(&scratch, script)).expect("a shell");
        let pids = written(&running, 2);
        assert_eq!(pids.len(), 2, "{}", running.output());
        assert!(pids.iter().all(|&pid| runs(pid)));
        drop(running);
        let deadline = Instant::now() + SOON;
        while pids.iter().any(|&pid| runs(pid)) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        assert!(pids.iter().all(|&pid| !runs(pid)), "{pids:?} still run");
    }

    #[test]
    fn a_leader_that_ends_by_itself_takes_its_group_along_and_its_id_is_not_signalled_again() {
        let scratch = Scratch::new().expect("a folder");
        let script = "sleep 65 & echo $!; exit 7";
        let mut running = Running::start(&shell(&scratch, script)).expect("a shell");
        let status = running.wait_ended(SOON, &GO_ON).expect("nobody interrupts");
        assert_eq!(status.and_then(|status| status.code()), Some(7));
        assert!(running.stopped);
        let pids = written(&running, 1);
        assert_eq!(pids.len(), 1, "{}", running.output());
        let deadline = Instant::now() + SOON;
        while pids.iter().any(|&pid| runs(pid)) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        assert!(pids.iter().all(|&pid| !runs(pid)), "{pids:?} still run");
        running.stop();
        assert_eq!(running.ended, status);
    }

    #[test]
    fn only_a_process_without_any_thread_left_is_a_zombie() {
        let stat = |state: &str, threads: u32| {
            format!("7 (odd) Z name) {state} 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 {threads} 0 99 0")
        };
        assert!(is_zombie_in(&stat("Z", 1)));
        assert!(!is_zombie_in(&stat("Z", 2)));
        assert!(!is_zombie_in(&stat("S", 1)));
        assert!(!is_zombie_in(""));
    }

    #[test]
    fn a_process_that_exits_at_once_is_quoted() {
        let scratch = Scratch::new().expect("a folder");
        let mut running = Running::start(&shell(&scratch, "echo unknown directive; exit 3")).expect("a shell");
        let Err(Trouble::Failed(why)) = running.wait_listening(1, SOON, &GO_ON) else { panic!("it cannot listen") };
        assert_eq!(why, "peer ended before it listened on 1 (exit status: 3); it said: unknown directive");
    }

    #[test]
    fn a_process_that_never_listens_runs_out_of_time() {
        let scratch = Scratch::new().expect("a folder");
        let mut running = Running::start(&shell(&scratch, "sleep 63")).expect("a shell");
        let short = Duration::from_millis(30);
        let Err(Trouble::Failed(why)) = running.wait_listening(1, short, &GO_ON) else { panic!("it cannot listen") };
        assert_eq!(why, "peer had not listened on 1 after 30ms, and said nothing");
        let stop = AtomicBool::new(true);
        assert_eq!(running.wait_listening(1, SOON, &stop), Err(Trouble::Interrupted));
        assert_eq!(running.wait_ended(SOON, &stop), Err(Trouble::Interrupted));
    }

    #[test]
    fn a_listener_is_seen_without_connecting_to_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        assert!(listens(port));
        drop(listener);
        // A process that another test starts holds a copy of the descriptor until its exec.
        let deadline = Instant::now() + SOON;
        while listens(port) {
            assert!(Instant::now() < deadline, "{port} is closed and seen listening");
            std::thread::sleep(LOOK);
        }
    }

    #[test]
    fn only_listening_sockets_count() {
        let table = "  sl  local_address rem_address   st\n\
            0: 0100007F:1F90 0100007F:9C40 01 0:0\n   1: 0100007F:1F91 00000000:0000 0A 0:0\n   2: odd\n 3: a b c\n";
        assert!(!listens_in(table, 0x1F90));
        assert!(listens_in(table, 0x1F91));
    }

    #[test]
    fn a_scratch_folder_is_gone_afterwards() {
        let scratch = Scratch::new().expect("a folder");
        let path = scratch.path().to_owned();
        fs::write(path.join("x"), "x").expect("a file");
        drop(scratch);
        assert!(!path.exists());
    }
}
