//! Processes that a benchmark starts: pinned to CPUs, watched until they listen, ended however it itself ends, unless that
//! is by SIGKILL or an abort: those leave its children behind.
//!
//! Each is the leader of a process group of its own, so that its workers end with it and Ctrl-C reaches only us. Signals
//! are sent, and limits raised, by the shell: the standard library does neither.

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

/// How long a process has from SIGTERM to its end before it is killed.
const GRACE: Duration = Duration::from_secs(3);
/// How often something that has no event to wait for is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How much of a process's output an error quotes.
const QUOTED_BYTES: usize = 600;

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What messages call it.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What is added to its environment.
    pub environment: Vec<(String, String)>,
    /// The CPUs that it may use, as `taskset -c` takes them.
    pub cpus: String,
    /// The file that its output goes to.
    pub log: PathBuf,
}

/// Why a process is not, or no longer, what was hoped for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Something went wrong: a sentence with the end of the output.
    Failed(String),
    /// We were asked to stop.
    Interrupted,
}

/// A started process. Dropping it ends it and its group.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
    /// Whether the group was killed and its leader reaped. From then on the id may be that of others, and is not signalled.
    stopped: bool,
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// When the log or the process cannot be made. A program that is not there is noticed later, by its exit.
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

    /// Its process id, which is its group's as well.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until someone listens on the port.
    ///
    /// # Errors
    /// When it ends before, when the time is over, or when we are asked to stop.
    pub fn wait_listening(&mut self, port: u16, within: Duration, stop: &AtomicBool) -> Result<(), Trouble> {
        self.wait_for(&format!("listened on {port}"), within, stop, || listens(port))
    }

    /// Waits until it answers a plain request on the port with anything but 404, which some give until their routes are
    /// read. `tls` is for a port that speaks it.
    ///
    /// # Errors
    /// As [`Running::wait_listening`].
    pub fn wait_routed(
        &mut self,
        port: u16,
        tls: Option<&Arc<ClientConfig>>,
        within: Duration,
        stop: &AtomicBool,
    ) -> Result<(), Trouble> {
        self.wait_for("had its routes", within, stop, || answer(port, tls).is_some_and(|line| !line.contains(" 404")))
    }

    /// Waits until it ends by itself. Past the time it is ended and `None` is returned.
    ///
    /// # Errors
    /// When we are asked to stop: then it is ended as [`Running::stop`] does it, and what it wrote by then is not waited for.
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

    /// Ends it and its group: SIGTERM first, SIGKILL for whoever is left once the leader has ended, or has not in time.
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

    /// The end of what it wrote, in one line.
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

    /// Kills the group, once, and reaps the leader: in this order, since only a leader that was not reaped keeps its id from
    /// others.
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

/// To all of a group. One that is empty is not an error: it is what is wanted.
fn signal(name: &str, group: u32) {
    let _ = Command::new("sh")
        .args(["-c", r#"kill -s "$0" -- "-$1""#, name, &group.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Whether a process has ended, all its threads with it, and was not reaped. Asking the standard library would reap it.
fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| is_zombie_in(&stat))
}

/// The state comes behind the name, which may contain anything, and the number of threads 17 words further.
fn is_zombie_in(stat: &str) -> bool {
    let mut words = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ended = words.next() == Some("Z");
    let threads = words.nth(16).and_then(|count| count.parse::<u32>().ok());
    ended && threads.is_none_or(|count| count <= 1)
}

/// Ports for peers lie below the range that connections take their own from (net.ipv4.ip_local_port_range): one from
/// within it may be some connection's by the time a peer wants it, and loads of connections are what this is about.
const PORTS: std::ops::Range<u16> = 19_000..32_000;
/// How far apart processes that were started one after the other begin to look.
const STRIDE: u32 = 997;

/// A port that was free a moment ago, and was not given out before.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16, String> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Two benchmarks at once would else be given the same, and programs that share a port would share its clients.
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

/// Looks for a socket in the state LISTEN in the kernel's table: asking by connecting would count as a client.
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
    /// Makes one. Others may read it: nginx's workers are another user.
    ///
    /// # Errors
    /// When there is no place for it.
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

    /// Where it is.
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

    /// The numbers that the script wrote, once it wrote as many.
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
        // A process that another test starts holds a copy until it has become what it starts.
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
