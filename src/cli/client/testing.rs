//! A fake node for the tests of clients: a listener that answers each request as the test says, and records the requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clap::FromArgMatches;
use serde_json::{Value, json};

use super::Client;
use crate::api::ApiKey;
use crate::cli::Cli;
use crate::cli::global_options::{self, GlobalOptions};
use crate::tls::testing::Folder;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Asked {
    /// Method and target: `GET /api/v1/apis`.
    pub(in crate::cli) line: String,
    /// The header lines, in lower case up to the colon.
    pub(in crate::cli) headers: Vec<String>,
    pub(in crate::cli) body: String,
}

impl Asked {
    /// The value of a header.
    pub(in crate::cli) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// An answer: status, header lines, body.
pub(in crate::cli) struct Answer(pub(in crate::cli) u16, pub(in crate::cli) String, pub(in crate::cli) String);

impl Answer {
    /// An answer of 200 with JSON.
    pub(in crate::cli) fn json(body: &str) -> Self {
        Self(200, "content-type: application/json\r\n".to_owned(), body.to_owned())
    }

    /// A problem document.
    pub(in crate::cli) fn problem(status: u16, code: &str, detail: &str) -> Self {
        let body = serde_json::json!({"type": "about:blank", "status": status, "code": code, "detail": detail});
        Self(status, "content-type: application/problem+json\r\n".to_owned(), body.to_string())
    }

    /// A status alone.
    pub(in crate::cli) fn empty(status: u16) -> Self {
        Self(status, String::new(), String::new())
    }
}

/// A fake node. Its threads end with the process of the test.
pub(in crate::cli) struct FakeNode {
    pub(in crate::cli) folder: Folder,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakeNode {
    /// Starts a node that answers with `answer`. Its folder is its state directory.
    pub(in crate::cli) fn new(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = Folder::new();
        folder.write("admin.addr", &listener.local_addr().unwrap().to_string());
        folder.write("admin-token", "the-token");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream.unwrap(), &seen, &*answer));
            }
        });
        Self { folder, asked }
    }

    /// A client of this node.
    pub(in crate::cli) fn client(&self) -> Client {
        Client::new(&at_state(&self.folder.path(""))).unwrap()
    }

    /// The requests so far.
    pub(in crate::cli) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The request lines so far.
    pub(in crate::cli) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Asked>>, answer: &(impl Fn(&Asked) -> Answer + ?Sized)) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(asked) = read(&mut reader) {
        seen.lock().unwrap().push(asked.clone());
        let Answer(status, headers, body) = answer(&asked);
        let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        write!(writer, "HTTP/1.1 {status} x\r\n{length}{headers}\r\n{body}").unwrap();
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let mut asked = Asked { line: line()?.strip_suffix(" HTTP/1.1")?.to_owned(), ..Asked::default() };
    while let Some(header) = line().filter(|line| !line.is_empty()) {
        let (name, value) = header.split_once(':').unwrap();
        asked.headers.push(format!("{}: {}", name.to_lowercase(), value.trim()));
    }
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}

/// The command line without an option.
pub(in crate::cli) fn default_options() -> GlobalOptions {
    let matches = global_options::command("ringway").try_get_matches_from(["ringway", "env", "list"]).unwrap();
    Cli::from_arg_matches(&matches).unwrap().globals
}

/// With a state directory.
pub(in crate::cli) fn at_state(directory: &Path) -> GlobalOptions {
    GlobalOptions { state: Some(directory.to_owned()), ..default_options() }
}

/// With a URL.
pub(in crate::cli) fn at_url(url: &str, token: &Path) -> GlobalOptions {
    GlobalOptions { admin: Some(url.to_owned()), token_file: Some(PathBuf::from(token)), ..default_options() }
}

/// An API as the admin API shows it, with these fields instead.
pub(in crate::cli) fn api(key: &str, fields: &Value) -> Value {
    let key: ApiKey = key.parse().unwrap();
    let mut api = json!({
        "id": 1, "project": key.project, "identifier": key.identifier, "version": key.version, "name": "Chat App",
        "display_name": null, "description": "", "type": "WebSocket", "base_path": key.base_path(),
        "access": "external", "targets": ["ws://127.0.0.1:9000"], "lifecycle": "Created", "deprecated_at": null,
        "sunset_at": null, "created_at": "2026-01-01T00:00:00Z", "created_by": "me",
        "updated_at": "2026-01-01T00:00:00Z", "updated_by": "me", "latest_revision": null, "deployments": [],
    });
    for (name, value) in fields.as_object().unwrap() {
        api[name] = value.clone();
    }
    api
}

/// A deployment as the admin API shows it.
pub(in crate::cli) fn deployment(environment: &str, revision: u64) -> Value {
    json!({
        "environment": environment, "revision": revision, "targets": null, "effective_targets": ["ws://127.0.0.1:9000"],
        "status": "running", "deployed_at": "2026-01-01T00:00:00Z", "deployed_by": "me",
        "url": "ws://127.0.0.1:8081/default/chat-app/v1.0",
    })
}
