//! A node: `ringway serve` with a configuration and a state directory of the test's own, all its ports its own.

#![allow(unsafe_code, reason = "system calls without a safe wrapper")]
#![allow(clippy::print_stderr, reason = "a test's output is shown when it fails")]

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::admin::Admin;
use super::process::{PROGRAM, collect, run, sockets_of};
use super::wait::until;
use super::{Peer, Upstream, client};

/// Where a node's files are: kept when it is killed, so that another may start there.
pub(crate) struct Home {
    folder: TempDir,
}

/// A node that serves. It is killed when it is dropped.
pub(crate) struct Node {
    pub(crate) admin: Admin,
    child: RefCell<Child>,
    log: Arc<Mutex<String>>,
    announced: String,
    /// By environment: its external and its internal listener.
    listeners: Vec<(String, [SocketAddr; 2])>,
    _home: Option<Home>,
}

/// Two environments on ports that are free, and nothing else.
pub(crate) const USUAL: &str = "
[[environments]]
name = \"development\"
external.listen = \"127.0.0.1:0\"
internal.listen = \"127.0.0.1:0\"
[[environments]]
name = \"production\"
external.listen = \"127.0.0.1:0\"
internal.listen = \"127.0.0.1:0\"
";

impl Home {
    pub(crate) fn new(configuration: &str) -> Self {
        // In memory where there is such a folder. A process that is killed leaves there what it leaves on a disk, and a host's
        // disk that is busy with other things would make each change take seconds.
        let memory = TempDir::new_in("/dev/shm");
        Self::in_folder(memory.or_else(|_| TempDir::new()).unwrap(), configuration)
    }

    /// In a folder of the test's choice.
    pub(crate) fn in_folder(folder: TempDir, configuration: &str) -> Self {
        let home = Self { folder };
        home.configure(configuration);
        home
    }

    /// Writes the configuration anew: options of the root first, then tables.
    pub(crate) fn configure(&self, configuration: &str) {
        self.configure_admin("", configuration);
    }

    /// As [`configure`](Self::configure), with more options of the admin API.
    pub(crate) fn configure_admin(&self, admin: &str, configuration: &str) {
        let (root, tables) = configuration.split_at(configuration.find("\n[").unwrap_or(configuration.len()));
        let text = format!("{root}\n[admin]\nlisten = \"127.0.0.1:0\"\n{admin}\n{tables}");
        fs::write(self.configuration(), text).unwrap();
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join("ringway.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A file of the state directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.state().join(name)
    }

    /// Runs a command of this node's: its exit code, standard output and standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        run(&[arguments, &["--state", self.state().to_str().unwrap()]].concat())
    }

    /// Runs a command that must succeed, and returns its output.
    #[track_caller]
    pub(crate) fn works(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {stderr}");
        stdout
    }

    /// `wrapper` is the program that starts the node, with its arguments; the node itself if empty.
    fn command(&self, wrapper: &[&str]) -> Command {
        let words = [wrapper, &[PROGRAM]].concat();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .arg("serve")
            .arg("--config")
            .arg(self.configuration())
            .arg("--state")
            .arg(self.state());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts a node here.
    #[track_caller]
    pub(crate) fn start(&self) -> Node {
        self.try_start().unwrap_or_else(|(code, log)| panic!("it does not serve: {code:?}\n{log}"))
    }

    /// Starts one, and waits for nothing.
    pub(crate) fn spawn(&self) -> Child {
        let mut command = self.command(&[]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts a node, or returns the exit code and the log of one that does not serve.
    pub(crate) fn try_start(&self) -> Result<Node, (Option<i32>, String)> {
        self.try_start_with(&[])
    }

    /// Starts a node with more options.
    pub(crate) fn try_start_with(&self, options: &[&str]) -> Result<Node, (Option<i32>, String)> {
        self.try_start_under(&[], options)
    }

    /// Starts the node by another program, which must replace itself by the node.
    pub(crate) fn try_start_under(&self, wrapper: &[&str], options: &[&str]) -> Result<Node, (Option<i32>, String)> {
        let mut child = self.command(wrapper).args(options).spawn().unwrap();
        let log = collect(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut announced = String::new();
        while !announced.contains("deadlines: ") {
            if stdout.read_line(&mut announced).unwrap() == 0 {
                let status = child.wait().unwrap();
                until("its log has been read", || (Arc::strong_count(&log) == 1).then_some(()));
                return Err((status.code(), log.lock().unwrap().clone()));
            }
        }
        std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        let (address, listeners) = announcement(&announced);
        let token = fs::read_to_string(self.file("admin-token")).unwrap_or_default();
        let admin = Admin::new(address, &token);
        Ok(Node { admin, child: RefCell::new(child), log, announced, listeners, _home: None })
    }
}

/// The admin listener, and the listeners of each environment.
fn announcement(text: &str) -> (SocketAddr, Vec<(String, [SocketAddr; 2])>) {
    let port = |url: &str| url.rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
    let at = |url: &str| SocketAddr::from(([127, 0, 0, 1], port(url)));
    let admin = text.lines().find_map(|line| line.trim().strip_prefix("admin API: ")).unwrap();
    let listeners = text.lines().filter_map(|line| {
        let (name, rest) = line.trim().split_once(": ")?;
        let (external, internal) = rest.strip_suffix(')')?.split_once(" (internal ")?;
        Some((name.to_owned(), [at(external), at(internal)]))
    });
    (at(admin), listeners.collect())
}

impl Node {
    /// One with two environments and a state directory of its own; `options` are the configuration's root.
    #[track_caller]
    pub(crate) fn start(options: &str) -> Self {
        Self::with(&format!("{options}{USUAL}"))
    }

    /// One with this configuration.
    #[track_caller]
    pub(crate) fn with(configuration: &str) -> Self {
        let home = Home::new(configuration);
        let mut node = home.start();
        node._home = Some(home);
        node
    }

    /// An environment's external listener.
    #[track_caller]
    pub(crate) fn external(&self, environment: &str) -> SocketAddr {
        self.listeners(environment)[0]
    }

    /// An environment's internal listener.
    #[track_caller]
    pub(crate) fn internal(&self, environment: &str) -> SocketAddr {
        self.listeners(environment)[1]
    }

    #[track_caller]
    fn listeners(&self, environment: &str) -> [SocketAddr; 2] {
        let found = self.listeners.iter().find(|(name, _)| name == environment);
        found.unwrap_or_else(|| panic!("there is no {environment} in {}", self.announced)).1
    }

    /// The lines on standard output at the start.
    pub(crate) fn announced(&self) -> &str {
        &self.announced
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.borrow().id()).unwrap()
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: the process is a child that has not been waited for, so the number is its.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0);
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line of its log that holds `text`.
    #[track_caller]
    pub(crate) fn logged(&self, text: &str) -> String {
        until(&format!("{text:?} is logged"), || self.log().lines().find(|line| line.contains(text)).map(str::to_owned))
    }

    /// Waits until it has ended by itself, and its log has been read to the end.
    #[track_caller]
    pub(crate) fn ended(&self) -> ExitStatus {
        let status = until("the node ends", || self.child.borrow_mut().try_wait().unwrap());
        until("its log has been read", || (Arc::strong_count(&self.log) == 1).then_some(()));
        status
    }

    /// Ends it in order.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.signal(libc::SIGTERM);
        assert_eq!(self.ended().code(), Some(0), "{}", self.log());
    }

    /// Kills it without a word.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Waits until none of its connections is left, and none of their sockets.
    #[track_caller]
    pub(crate) fn settles(&self) {
        until("no connection is left", || self.admin.all("/connections").is_empty().then_some(()));
        let ports: Vec<u16> = self.listeners.iter().flat_map(|(_, both)| both.map(|address| address.port())).collect();
        until("no socket of a connection is left", || sockets_of(&ports).is_empty().then_some(()));
    }

    /// Makes an API of version 1.0 of a name with a target, and gives its path.
    #[track_caller]
    pub(crate) fn make(&self, name: &str, targets: &[String]) -> String {
        self.make_with(&json!({ "name": name, "version": "1.0", "targets": targets }))
    }

    /// Makes an API, and gives its path.
    #[track_caller]
    pub(crate) fn make_with(&self, new: &Value) -> String {
        let answer = self.admin.post("/apis", new);
        let location = answer.header("location").unwrap_or_default().to_owned();
        answer.expect(201);
        location.strip_prefix("/api/v1").unwrap().to_owned()
    }

    /// Deploys an API: what it is now.
    #[track_caller]
    pub(crate) fn deploy(&self, api: &str, environment: &str) -> Value {
        let answer = self.admin.put(&format!("{api}/deployments/{environment}"), &json!({}));
        assert!([200, 201].contains(&answer.status), "{}{}", answer.head, answer.text);
        answer.json
    }

    /// Makes an API and deploys it in development: its path in the admin API, and its base path.
    #[track_caller]
    pub(crate) fn serve(&self, name: &str, targets: &[String]) -> (String, String) {
        let api = self.make(name, targets);
        self.deploy(&api, "development");
        let base = self.admin.get(&api).expect(200)["base_path"].as_str().unwrap().to_owned();
        (api, base)
    }

    /// Changes an API's lifecycle.
    #[track_caller]
    pub(crate) fn turn(&self, api: &str, state: &str) -> Value {
        self.admin.put(&format!("{api}/lifecycle"), &json!({ "state": state })).expect(200)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.borrow_mut().kill();
        let _ = self.child.borrow_mut().wait();
        if std::thread::panicking() {
            eprintln!("--- log of the node:\n{}", self.log());
        }
    }
}

/// The target of an upstream.
pub(crate) fn ws(address: SocketAddr) -> String {
    format!("ws://{address}")
}

/// The answer to a client's handshake for a path.
#[track_caller]
pub(crate) fn answered(at: SocketAddr, path: &str) -> (u16, Value) {
    let mut client = Peer::connect(at);
    client.send(client::handshake(path, "").as_bytes());
    let head = client.head();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if status == 101 {
        return (101, Value::Null);
    }
    let (body, _) = client.rest();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A client is refused at a path: with this status and code.
#[track_caller]
pub(crate) fn refuses(at: SocketAddr, path: &str, status: u16, code: &str) {
    let (got, problem) = answered(at, path);
    assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{path}: {problem}");
}

/// Opens a connection to an upstream through a path: both ends, the upstream's request and the client's answer.
#[track_caller]
pub(crate) fn through(at: SocketAddr, path: &str, upstream: &Upstream) -> (Peer, Peer, String, String) {
    let mut client = Peer::connect(at);
    client.send(client::handshake(path, "").as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "");
    let answer = client.head();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    (client, server, request, answer)
}

/// Both ends of a connection that is alive: they hear each other.
#[track_caller]
pub(crate) fn alive(client: &mut Peer, server: &mut Peer) {
    client.say("up");
    server.hears("up");
    server.answer("down");
    client.hears("down");
}

/// Both ends are told the end, answer it, and are closed.
#[track_caller]
pub(crate) fn told(mut client: Peer, mut server: Peer, codes: (u16, u16)) {
    use super::frame::{CLOSE, FIN, close_body, masked, plain};
    let (to_client, to_server) = (client.close(), server.close());
    assert_eq!((to_client.0, to_server.0), (Some(codes.0), Some(codes.1)), "{to_client:?} {to_server:?}");
    client.send(&masked(FIN | CLOSE, &close_body(codes.0, "")));
    server.send(&plain(FIN | CLOSE, &close_body(codes.1, "")));
    client.ends();
    server.ends();
}

/// The content of a file.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}
