//! `ringway ws` over TLS: against `ringway echo`, and against servers on rustls that do what no server should.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use ringway::tls::server::{ClientCertificates, ServerTls};
use rustls::{ServerConnection, StreamOwned};

use crate::harness::Ringway;
use crate::harness::patient::Patient;
use crate::harness::process::{PROGRAM, run};
use crate::harness::wait::PATIENCE;

type Stream = StreamOwned<ServerConnection, Patient>;

/// A certificate by `ringway tls dev-cert`, in a folder of a test's own.
struct Identity(PathBuf);

impl Identity {
    fn new(names: &[&str]) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ringway-it-ws-{}-{number}", std::process::id()));
        let identity = Self(path);
        let out = identity.0.display().to_string();
        let (code, _, stderr) = run(&[&["tls", "dev-cert", "--out", &out], names].concat());
        assert_eq!(code, 0, "{stderr}");
        identity
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// `ringway echo` with it.
    fn echo(&self) -> Ringway {
        Ringway::echo(&["--tls-cert", &self.file("cert.pem"), "--tls-key", &self.file("key.pem")])
    }

    /// A server with it, of one connection.
    fn serve<T: Send + 'static>(
        &self,
        serve: impl FnOnce(Stream) -> T + Send + 'static,
    ) -> (SocketAddr, JoinHandle<T>) {
        let pairs = vec![(self.0.join("cert.pem"), self.0.join("key.pem"))];
        let config = ServerTls::new(pairs, ClientCertificates::Off).load(None).unwrap().config;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            serve(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), Patient(socket)))
        });
        (address, thread)
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(url: &str, options: &[&str]) -> Child {
    Command::new(PROGRAM)
        .args([&["ws", url], options].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs it with its input open, until it ends by itself: exit code, and what it said.
fn ends(url: &str, options: &[&str]) -> (Option<i32>, String) {
    let mut child = start(url, options);
    let _input = child.stdin.take();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

/// Answers the upgrade, on a server's side.
fn upgrade(stream: Stream) -> tungstenite::WebSocket<Stream> {
    tungstenite::accept(stream).unwrap()
}

/// Lines there and back, one behind the other without waiting, and some so long that both directions fill up.
fn lines_come_back(url: &str, options: &[&str]) {
    let mut child = start(url, options);
    let (mut input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut lines = vec!["one".to_owned(), String::new(), "grüße".to_owned()];
    lines.extend((0..3).map(|number| format!("{number} ").repeat(2_000_000)));
    let sent = lines.clone();
    let writer = std::thread::spawn(move || {
        for line in sent {
            writeln!(input, "{line}").unwrap();
        }
        input
    });
    let mut came = output.lines();
    for line in lines {
        let came = came.next().unwrap().unwrap();
        assert!(came == line, "{} bytes came for {}", came.len(), line.len());
    }
    drop(writer.join().unwrap());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn lines_come_back_whatever_their_length_with_tls_and_without() {
    let identity = Identity::new(&[]);
    let (plain, tls) = (Ringway::echo(&[]), identity.echo());
    lines_come_back(&format!("ws://{}/", plain.address()), &[]);
    lines_come_back(&format!("wss://{}/", tls.address()), &["--tls-ca", &identity.file("ca.pem")]);
}

#[test]
fn a_server_is_believed_by_its_authority_and_name_alone() {
    let (identity, other) = (Identity::new(&["localhost"]), Identity::new(&[]));
    let echo = identity.echo();
    let by_address = format!("wss://{}/", echo.address());
    let (ours, theirs) = (identity.file("ca.pem"), other.file("ca.pem"));
    for (ca, says) in [(&theirs, "certificate-untrusted"), (&ours, "certificate-for-another-name")] {
        let (code, said) = ends(&by_address, &["--tls-ca", ca]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(says) && said.lines().count() == 1, "{said}");
    }
    let (code, said) = ends(&by_address, &["--tls-ca", "/nowhere.pem"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("--tls-ca /nowhere.pem"), "{said}");
    let (code, said) = ends("ws://127.0.0.1:1/", &["--tls-ca", &ours]);
    assert_eq!(code, Some(3), "{said}");
}

#[test]
fn a_server_that_is_not_verified_is_warned_of() {
    let identity = Identity::new(&["another.test"]);
    let echo = identity.echo();
    let mut child = start(&format!("wss://{}/", echo.address()), &["--tls-insecure-skip-verify"]);
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "hello").unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut came = String::new();
    output.read_line(&mut came).unwrap();
    assert_eq!(came, "hello\n");
    drop(input);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    assert!(said.contains("--tls-insecure-skip-verify"), "{said}");
}

#[test]
fn an_end_without_a_word_is_a_truncation_and_one_with_close_notify_is_not() {
    let identity = Identity::new(&[]);
    let ca = identity.file("ca.pem");
    let (address, cut) = identity.serve(|stream| drop(upgrade(stream)));
    let (code, said) = ends(&format!("wss://{address}/"), &["--tls-ca", &ca]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("tls-truncated"), "{said}");
    cut.join().unwrap();
    let (address, ended) = identity.serve(|stream| {
        let mut socket = upgrade(stream);
        socket.get_mut().conn.send_close_notify();
        socket.get_mut().flush().unwrap();
    });
    let (code, said) = ends(&format!("wss://{address}/"), &["--tls-ca", &ca]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("without a close frame") && !said.contains("truncated"), "{said}");
    ended.join().unwrap();
}

#[test]
fn it_says_goodbye_in_both_protocols() {
    let identity = Identity::new(&[]);
    let (address, server) = identity.serve(|stream| {
        let mut socket = upgrade(stream);
        let close = socket.read().unwrap();
        let _ = socket.flush();
        // Behind the close frame comes close_notify, without which the end is an error.
        let end = loop {
            match socket.get_mut().read(&mut [0; 64]) {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error.kind()),
            }
        };
        (close.is_close(), end)
    });
    let mut child = start(&format!("wss://{address}/"), &["--tls-ca", &identity.file("ca.pem")]);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(server.join().unwrap(), (true, Ok::<(), ErrorKind>(())));
}

#[test]
fn a_server_without_tls_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let identity = Identity::new(&[]);
    let (code, said) = ends(&format!("wss://{address}/"), &["--tls-ca", &identity.file("ca.pem")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not-tls") && said.contains(&address.to_string()), "{said}");
    server.join().unwrap();
}
