//! `ringway-load` as a process.

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::report::Seen;
use super::until;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ringway-load");

/// A `ringway-load` under way. It does not outlive its test.
pub(crate) struct Load {
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    told: Arc<Mutex<Vec<u8>>>,
}

/// The end of a process.
#[derive(Debug)]
pub(crate) struct Done {
    /// -1 if a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Load {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(Command::new(PROGRAM).args(arguments))
    }

    /// Starts it under another limit on file descriptors.
    pub(crate) fn start_with_descriptors(limit: u32, arguments: &[&str]) -> Self {
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        Self::spawn(Command::new("sh").args(["-c", &script, PROGRAM]).args(arguments))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let told = Arc::new(Mutex::new(Vec::new()));
        let stdout = collect(child.stdout.take().unwrap(), Arc::default());
        let stderr = collect(child.stderr.take().unwrap(), Arc::clone(&told));
        Self { child, stdout: Some(stdout), stderr: Some(stderr), told }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for a line of its standard error.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        until(text, || String::from_utf8_lossy(&self.told.lock().unwrap()).contains(text).then_some(()));
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Bytes of anonymous memory that it has resident; `None` once it is gone.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024)
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn ends(mut self) -> Done {
        let status = until("the generator ends", || self.child.try_wait().unwrap());
        let text = |thread: Option<JoinHandle<Vec<u8>>>| String::from_utf8(thread.unwrap().join().unwrap()).unwrap();
        Done { code: status.code().unwrap_or(-1), stdout: text(self.stdout.take()), stderr: text(self.stderr.take()) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Done {
    /// The report on standard output.
    #[track_caller]
    pub(crate) fn report(&self) -> Seen {
        let report = serde_json::from_str(&self.stdout);
        Seen(report.unwrap_or_else(|error| panic!("no report: {error}: {self:?}")))
    }
}

/// Runs it to its end.
#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> Done {
    Load::start(arguments).ends()
}

/// The arguments of a scenario against a server, reported to standard output.
pub(crate) fn against(scenario: &str, address: SocketAddr, options: &[&str]) -> Vec<String> {
    let url = format!("ws://{address}/");
    let fixed = [scenario, "--url", &url, "--json", "-", "--no-progress", "--sleep", "--grace", "10s"];
    let given = |name: &str| options.contains(&name);
    let mut arguments: Vec<String> = Vec::new();
    let mut fixed = fixed.into_iter();
    while let Some(one) = fixed.next() {
        // An option that the test gives replaces the usual one.
        if given(one) {
            if one != "--sleep" {
                fixed.next();
            }
            continue;
        }
        arguments.push(one.to_owned());
    }
    arguments.extend(options.iter().map(|&option| option.to_owned()));
    arguments
}

/// Starts a scenario against a server.
pub(crate) fn start(scenario: &str, address: SocketAddr, options: &[&str]) -> Load {
    let arguments = against(scenario, address, options);
    Load::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Runs `echo` against a server to its end.
#[track_caller]
pub(crate) fn echo(address: SocketAddr, options: &[&str]) -> Done {
    start("echo", address, options).ends()
}

fn collect(mut from: impl Read + Send + 'static, also: Arc<Mutex<Vec<u8>>>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let (mut all, mut chunk) = (Vec::new(), [0; 8192]);
        while let Ok(n @ 1..) = from.read(&mut chunk) {
            all.extend(&chunk[..n]);
            also.lock().unwrap().extend(&chunk[..n]);
        }
        all
    })
}
