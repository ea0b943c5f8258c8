//! `ringway-load upstream` as a process of its own, with tungstenite as the peer that knows nothing of our code.

#![allow(clippy::print_stderr, reason = "a test's output is shown when it fails")]

mod chat;
mod feed;
mod serving;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use crate::harness::{PATIENCE, Patient, patient};

/// A whole request, as a client writes it.
const REQUEST: &str = "GET /any?where HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringway-load"));
    command.arg("upstream").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// An upstream on a port of its own. Dropping it kills it.
struct Server {
    child: Option<Child>,
    address: SocketAddr,
}

impl Server {
    #[track_caller]
    fn start(arguments: &[&str]) -> Self {
        let mut child = program(arguments).args(["--listen", "127.0.0.1:0"]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        let Some(address) = address else {
            panic!("it did not listen: {line:?} {:?}", child.wait_with_output());
        };
        Self { child: Some(child), address }
    }

    fn signal(&self) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().unwrap().success());
    }

    /// Waits for its end, and gives its last line and whether it was content.
    fn ended(mut self) -> (String, bool) {
        let Output { status, stderr, .. } = self.child.take().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        (stderr.lines().last().unwrap_or_default().to_owned(), status.success())
    }

    /// Ends it, and gives the totals. It must have been content.
    #[track_caller]
    fn totals(self) -> Totals {
        self.signal();
        let (line, content) = self.ended();
        assert!(content, "{line}");
        Totals(line)
    }

    fn tcp(&self) -> Patient {
        patient(TcpStream::connect(self.address).unwrap(), PATIENCE)
    }

    /// A client with an open connection.
    #[track_caller]
    fn client(&self) -> Client {
        let (socket, _) = tungstenite::client(format!("ws://{}/", self.address), self.tcp()).unwrap();
        Client(socket)
    }

    /// The server's answer to these bytes, up to its end of the connection.
    fn answer(&self, bytes: &[u8]) -> String {
        let mut stream = self.tcp();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The last line.
struct Totals(String);

impl Totals {
    #[track_caller]
    fn get(&self, name: &str) -> u64 {
        let value = self.0.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in {:?}", self.0)).parse().unwrap()
    }
}

struct Client(WebSocket<Patient>);

impl Client {
    #[track_caller]
    fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    #[track_caller]
    fn hear(&mut self) -> String {
        match self.0.read().unwrap() {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// Reads up to the close frame, and gives its code and reason.
    #[track_caller]
    fn hear_close(&mut self) -> Option<(CloseCode, String)> {
        loop {
            if let Message::Close(frame) = self.0.read().unwrap() {
                return frame.map(|frame| (frame.code, frame.reason.to_string()));
            }
        }
    }

    /// Sends bytes as they are.
    fn raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// A round trip: all that was sent before has been read.
    #[track_caller]
    fn sync(&mut self) {
        self.0.send(Message::Ping("sync".into())).unwrap();
        loop {
            match self.0.read().unwrap() {
                Message::Pong(payload) if &payload[..] == b"sync" => return,
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                other => panic!("{other:?} before the pong"),
            }
        }
    }
}
