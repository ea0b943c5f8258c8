//! A `ringway serve` process with a state directory and ports of its own, and calls to its admin API in plain HTTP.

#![allow(clippy::print_stderr, reason = "a test's output is shown when it fails")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tungstenite::WebSocket;

use super::client;
use super::process::PROGRAM;
use super::wait::{PATIENCE, until};

/// Every listener on a port that the kernel chooses.
const ENVIRONMENTS: &str = r#"
[[environments]]
name = "development"
external.listen = "127.0.0.1:0"
internal.listen = "127.0.0.1:0"

[[environments]]
name = "production"
external.listen = "127.0.0.1:0"
internal.listen = "127.0.0.1:0"
"#;

/// The process. Dropping it kills it, and shows its log where a test has failed.
pub(crate) struct Node {
    child: Child,
    admin: SocketAddr,
    token: String,
    folder: TempDir,
}

/// What the admin API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The head as it came.
    pub(crate) head: String,
    pub(crate) text: String,
    /// Null where the text is no JSON.
    pub(crate) json: Value,
}

impl Node {
    /// With both environments, and the default for all else.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same, with more at the beginning of its configuration.
    #[track_caller]
    pub(crate) fn start_with(configuration: &str) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), configuration)
    }

    /// The same, in a folder that another one may have left: the state is in `state` there.
    #[track_caller]
    pub(crate) fn in_folder(folder: TempDir, configuration: &str) -> Self {
        let file = folder.path().join("ringway.toml");
        let admin = if configuration.contains("[admin]") { "" } else { "[admin]\nlisten = \"127.0.0.1:0\"\n" };
        fs::write(&file, format!("{configuration}\n{admin}{ENVIRONMENTS}")).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut child = Command::new(PROGRAM)
            .arg("serve")
            .args([Path::new("--config"), &file, Path::new("--state"), &folder.path().join("state")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let state = folder.path().join("state");
        let found = until("the node says where its admin API is, or ends", || {
            if let Some(status) = child.try_wait().unwrap() {
                return Some(Err(status));
            }
            let address = fs::read_to_string(state.join("admin.addr")).ok()?;
            Some(Ok(address.trim().parse().unwrap()))
        });
        let admin = match found {
            Ok(admin) => admin,
            Err(status) => panic!("it ended with {status}: {}", read(&folder.path().join("log"))),
        };
        let token = read(&state.join("admin-token")).trim().to_owned();
        Self { child, admin, token, folder }
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What it printed so far, on both outputs.
    pub(crate) fn log(&self) -> String {
        read(&self.folder.path().join("log"))
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: the process is a child that has not been waited for, so the number is its.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0);
    }

    /// Tells it to end, waits until it has, and gives its folder.
    #[track_caller]
    pub(crate) fn stop(mut self) -> (ExitStatus, TempDir) {
        self.signal(libc::SIGTERM);
        let status = until("the node ends", || self.child.try_wait().unwrap());
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (status, folder)
    }

    /// Where an environment's external listener is.
    #[track_caller]
    pub(crate) fn environment(&self, name: &str) -> SocketAddr {
        let environment = self.get(&format!("/environments/{name}")).is(200).json;
        environment["external"].as_str().unwrap().parse().unwrap()
    }

    /// An API with this name, version 1.0, deployed in development: where it is served.
    #[track_caller]
    pub(crate) fn deploy(&self, identifier: &str, target: SocketAddr) -> String {
        let definition = serde_json::json!({ "name": identifier, "targets": [format!("ws://{target}")] });
        let api = format!("/apis/default/{identifier}/1.0");
        let put = self.put(&api, &definition);
        assert!(matches!(put.status, 200 | 201), "{put:?}");
        let deployed = self.put(&format!("{api}/deployments/development"), &serde_json::json!({}));
        assert!(matches!(deployed.status, 200 | 201), "{deployed:?}");
        format!("/default/{identifier}/v1.0")
    }

    /// A WebSocket to a path in an environment.
    #[track_caller]
    pub(crate) fn connect(&self, environment: &str, path: &str) -> WebSocket<TcpStream> {
        client::connect_to(self.environment(environment), path)
    }

    /// Sends a request as it is and reads until the end: `lines` end with CR LF each, and `Host` and the token are added.
    #[track_caller]
    pub(crate) fn ask(&self, line: &str, lines: &str, body: &str) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let prefix = if path.starts_with("/metrics") { "" } else { "/api/v1" };
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.raw(&format!(
            "{method} {prefix}{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
             {lines}{length}\r\n{body}",
            self.admin, self.token
        ))
    }

    /// The same with nothing added. It must ask for the connection to be closed.
    #[track_caller]
    pub(crate) fn raw(&self, request: &str) -> Answer {
        Answer::to(self.admin, request)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), "", "")
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.ask(&format!("DELETE {path}"), "", "")
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask(&format!("PUT {path}"), JSON, &body.to_string())
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(&format!("POST {path}"), JSON, &body.to_string())
    }
}

const JSON: &str = "Content-Type: application/json\r\n";

impl Answer {
    /// What comes to a request, up to the end of the connection.
    #[track_caller]
    pub(crate) fn to(address: SocketAddr, request: &str) -> Self {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).expect("it takes the request");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("it answers and closes");
        let answer = String::from_utf8(bytes).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        let json = serde_json::from_str(text).unwrap_or_default();
        Self { status, head: head.to_ascii_lowercase(), text: text.to_owned(), json }
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the node's log:\n{}", self.log());
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
