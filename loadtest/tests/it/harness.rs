//! What the tests share: the program under test as a process, and servers that are not ours.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ringway-load");
/// How long anything may take: a hang is to fail, a slow host is not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A `ringway-load` under way. It does not outlive its test.
pub(crate) struct Load {
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    told: Arc<Mutex<Vec<u8>>>,
}

/// How one ended.
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

    /// The same, under another limit on file descriptors.
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

/// A report, as its readers see it.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) Value);

impl Seen {
    /// A number under `part.name`.
    #[track_caller]
    pub(crate) fn number(&self, part: &str, name: &str) -> u64 {
        self.0[part][name].as_u64().unwrap_or_else(|| panic!("no {part}.{name}: {self}"))
    }

    #[track_caller]
    pub(crate) fn messages(&self, name: &str) -> u64 {
        self.number("messages", name)
    }

    #[track_caller]
    pub(crate) fn connections(&self, name: &str) -> u64 {
        self.number("connections", name)
    }

    pub(crate) fn outcome(&self) -> &str {
        self.0["verdict"]["outcome"].as_str().unwrap()
    }

    pub(crate) fn reasons(&self) -> Vec<&str> {
        self.0["verdict"]["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap()).collect()
    }

    /// How often each reason was given, whatever was being done.
    pub(crate) fn errors(&self) -> HashMap<String, u64> {
        let errors = self.0["errors"].as_array().unwrap().iter();
        errors.map(|one| (one["reason"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap())).collect()
    }

    /// Nothing was wrong with the target. On a host that is busy with other things, the generator may have been slow.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        assert_ne!(self.outcome(), "failed", "{self}");
        let blamed = |reason: &&str| reason.contains("generator");
        assert!(self.reasons().iter().all(blamed), "{self}");
        assert_eq!(self.errors(), HashMap::new(), "{self}");
        if self.0["messages"].is_object() {
            for name in ["lost", "unsent", "duplicates", "out_of_order", "mismatched"] {
                assert_eq!(self.messages(name), 0, "{name}: {self}");
            }
        }
    }

    /// Something was wrong with the target, and the report says so.
    #[track_caller]
    pub(crate) fn has_failed(&self) {
        assert_eq!(self.outcome(), "failed", "{self}");
        assert_ne!(self.reasons(), [""; 0], "{self}");
    }

    /// What of `messages` is not zero, of the things that must be.
    pub(crate) fn faults(&self) -> Vec<(&'static str, u64)> {
        ["lost", "duplicates", "out_of_order", "mismatched", "unsent"]
            .map(|name| (name, self.messages(name)))
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// The distribution that is kept under `name`, decoded by HdrHistogram's own library.
    pub(crate) fn histogram(&self, name: &str) -> hdrhistogram::Histogram<u64> {
        use base64::Engine;
        let text = self.0[name]["histogram"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        hdrhistogram::serialization::Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap()
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = self.0.clone();
        for part in ["latency", "handshake"] {
            if let Some(part) = shown[part].as_object_mut() {
                part.remove("histogram");
            }
        }
        write!(f, "{shown:#}")
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
        // What a test gives itself takes the place of what is usual.
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

/// A server: each connection has a thread and its number, from 0.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(serve: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopping, serving, serve) = (Arc::clone(&stop), Arc::clone(&served), Arc::new(serve));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let number = serving.fetch_add(1, Ordering::Relaxed);
                let serve = Arc::clone(&serve);
                // Without a deadline: who hangs is the generator, whose end is waited for, and which does not outlive its test.
                let _ = stream.set_nodelay(true);
                thread::Builder::new().stack_size(256 * 1024).spawn(move || serve(number, stream)).unwrap();
            }
        });
        Self { address, stop, served, thread: Some(thread) }
    }

    /// tungstenite, with the socket of each connection.
    pub(crate) fn websocket(serve: impl Fn(usize, &mut Socket) + Send + Sync + 'static) -> Self {
        Self::start(move |number, stream| {
            if let Ok(mut socket) = tungstenite::accept_with_config(stream, Some(unlimited())) {
                serve(number, &mut socket);
            }
        })
    }

    /// tungstenite, with each message of each connection and its number, from 0. Who answers nothing ends nothing.
    pub(crate) fn answering(
        answer: impl Fn(&mut Socket, usize, u64, Message) -> tungstenite::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::websocket(move |connection, socket| {
            each_message(socket, |socket, number, message| answer(socket, connection, number, message));
        })
    }

    /// tungstenite as an echo.
    pub(crate) fn echo() -> Self {
        Self::answering(|socket, _, _, message| socket.send(message))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections came.
    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

pub(crate) type Socket = WebSocket<TcpStream>;

/// Reads to the end. tungstenite itself answers pings and closes.
pub(crate) fn each_message(
    socket: &mut Socket,
    mut answer: impl FnMut(&mut Socket, u64, Message) -> tungstenite::Result<()>,
) {
    let mut number = 0;
    while let Ok(message) = socket.read() {
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            if answer(socket, number, message).is_err() {
                return;
            }
            number += 1;
        }
    }
}

/// A frame as a server sends it.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        short @ 0..=125 => out.push(u8::try_from(short).unwrap()),
        middle @ 126..=65_535 => {
            out.push(126);
            out.extend(u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend((long as u64).to_be_bytes());
        }
    }
    out.extend(payload);
    out
}

/// Sends bytes past tungstenite.
pub(crate) fn send_raw(socket: &mut Socket, bytes: &[u8]) -> tungstenite::Result<()> {
    Ok(socket.get_mut().write_all(bytes)?)
}

/// Reads a request up to its empty line; `None` if the client went before.
pub(crate) fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) => return None,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(String::from_utf8(head).unwrap())
}

/// The value of a header of a request.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// A right 101 to a request, with more header lines.
pub(crate) fn switching(head: &str, lines: &str) -> String {
    let accept = derive_accept_key(header(head, "sec-websocket-key").unwrap().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
    )
}

/// No limit of its own.
pub(crate) fn unlimited() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(None).max_frame_size(None)
}

/// Reads whatever comes, until the client has gone.
pub(crate) fn swallow(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

/// An address where nobody listens, and nobody else will as long as the connection that has it is held.
pub(crate) fn nobody() -> (TcpStream, SocketAddr) {
    let held = TcpStream::connect(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()).unwrap();
    let address = held.local_addr().unwrap();
    (held, address)
}

/// A socket whose deadlines a stop of the process does not bring forward: then a read ends with EINTR (signal(7)), which
/// tungstenite takes for an end.
#[derive(Debug)]
pub(crate) struct Patient(pub(crate) TcpStream);

impl Patient {
    /// With this deadline for each read and write.
    pub(crate) fn new(stream: TcpStream, deadline: Duration) -> Self {
        stream.set_read_timeout(Some(deadline)).unwrap();
        stream.set_write_timeout(Some(deadline)).unwrap();
        Self(stream)
    }
}

impl Read for Patient {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.0.read(into) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A place for files, gone with its test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ringway-load-it-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until `look` gives something. The pause decides nothing but how soon it is seen.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let (mut left, mut looked) = (PATIENCE, Instant::now());
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(!left.is_zero(), "in {PATIENCE:?} it did not come to this: {what}");
        thread::sleep(Duration::from_millis(3));
        // Time in which this process did not run does not count: a host may freeze it, and what it waits for with it.
        let passed = looked.elapsed();
        looked += passed;
        left = left.saturating_sub(passed.min(Duration::from_secs(1)));
    }
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
