//! A server of files over TLS, on loopback, whose answers are the test's.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::ServerConfig;

use super::pki::{Authority, Pair};
use super::secure::{Tls, server_config};

/// The reaction to a request.
#[derive(Clone, Debug)]
pub(crate) enum Reaction {
    /// The bytes of an answer, after which the connection ends.
    Bytes(Vec<u8>),
    /// These bytes again and again, for as long as the client takes them.
    Endless(Vec<u8>),
    /// Nothing: the connection stays open.
    Silence,
}

/// A 200 with a body.
pub(crate) fn ok(body: &str) -> Reaction {
    Reaction::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// A 302.
pub(crate) fn redirect(location: &str) -> Reaction {
    Reaction::Bytes(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes())
}

/// An act of the test's.
type Act = Mutex<Option<Box<dyn Fn() + Send>>>;

type Paths = Arc<Mutex<HashMap<String, Reaction>>>;

/// The server. Its thread ends with the process.
pub(crate) struct Https {
    address: SocketAddr,
    paths: Paths,
    heads: Arc<Mutex<Vec<String>>>,
    on_request: Arc<Act>,
}

impl Https {
    /// A server with a certificate of `authority` for `names`.
    pub(crate) fn start(authority: &Authority, names: &[&str]) -> Self {
        Self::showing(&authority.server(names))
    }

    pub(crate) fn showing(pair: &Pair) -> Self {
        let config = server_config(pair);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            paths: Arc::default(),
            heads: Arc::default(),
            on_request: Arc::default(),
        };
        let (paths, heads, on_request) = (server.paths.clone(), server.heads.clone(), server.on_request.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, paths, heads, on_request) =
                    (Arc::clone(&config), paths.clone(), heads.clone(), on_request.clone());
                thread::spawn(move || {
                    // A client that does not like the certificate, or has enough, ends the connection.
                    let _ = serve(stream, config, &paths, &heads, &on_request);
                });
            }
        });
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn has(&self, path: &str, reaction: Reaction) {
        self.paths.lock().unwrap().insert(path.to_owned(), reaction);
    }

    /// Runs something whenever a request has come, before it is answered.
    pub(crate) fn on_request(&self, act: impl Fn() + Send + 'static) {
        *self.on_request.lock().unwrap() = Some(Box::new(act));
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    paths: &Paths,
    heads: &Mutex<Vec<String>>,
    on_request: &Act,
) -> std::io::Result<()> {
    let mut tls = Tls::server(stream, config);
    tls.shake_hands()?;
    let mut reader = BufReader::new(tls);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head);
    if let Some(act) = &*on_request.lock().unwrap() {
        act();
    }
    let reaction = paths.lock().unwrap().get(&path).cloned();
    let mut tls = reader.into_inner();
    match reaction {
        Some(Reaction::Bytes(bytes)) => tls.write_all(&bytes)?,
        Some(Reaction::Endless(bytes)) => loop {
            tls.write_all(&bytes)?;
        },
        Some(Reaction::Silence) => loop {
            thread::park();
        },
        None => tls.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
    }
    tls.session.send_close_notify();
    // Sends what is left to send.
    tls.shake_hands()
}
