//! Servers that are not ours: tungstenite, or whatever a test writes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

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

    /// The number of connections that came.
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
