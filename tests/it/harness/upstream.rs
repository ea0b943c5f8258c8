//! Upstreams that the proxy dials: a listener whose connections the test answers itself, or tungstenite as an echo server.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use rustls::ServerConfig;
use tungstenite::Message;
use tungstenite::protocol::WebSocketConfig;

use super::peer::Peer;
use super::secure::Tls;
use super::wait::until;

/// A listener. Nothing is accepted unless the test says so.
pub(crate) struct Upstream {
    listener: TcpListener,
}

impl Upstream {
    pub(crate) fn listen() -> Self {
        Self::listen_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Not on loopback: for tests with a network of their own.
    pub(crate) fn listen_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next connection.
    #[track_caller]
    pub(crate) fn accept(&self) -> Peer {
        let stream = until("the proxy dials", || self.try_accept());
        Peer::over(stream)
    }

    /// The next connection, which must speak TLS.
    #[track_caller]
    pub(crate) fn accept_tls(&self, config: &Arc<ServerConfig>) -> Peer<Tls> {
        let mut tls = Tls::server(self.accept().stream, Arc::clone(config));
        tls.shake_hands().expect("TLS comes about");
        Peer::new(tls)
    }

    /// A connection, if there is one.
    pub(crate) fn try_accept(&self) -> Option<TcpStream> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                Some(stream)
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                None
            }
        }
    }
}

/// An address on which nothing listens. As long as the test holds the socket, only a program that shares ports, as Ringway does,
/// can bind it.
pub(crate) fn nobody() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    // Another process may bind the address only if it sets these options too. Without a listener it takes no connection.
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// tungstenite, sending every message back.
pub(crate) struct EchoServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl EchoServer {
    pub(crate) fn start() -> Self {
        Self::serving(echo)
    }

    /// Starts an echo server that speaks TLS.
    pub(crate) fn start_tls(config: Arc<ServerConfig>) -> Self {
        Self::serving(move |stream| echo_over(Tls::server(stream, Arc::clone(&config))))
    }

    fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let serve = Arc::new(serve);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let address = listener.local_addr().unwrap();
        let (stopping, serving) = (Arc::clone(&stop), Arc::clone(&served));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                serving.fetch_add(1, Ordering::Relaxed);
                // An accept can fail for a connection that is gone already.
                let Ok(stream) = stream else { continue };
                let serve = Arc::clone(&serve);
                thread::Builder::new().stack_size(256 * 1024).spawn(move || serve(stream)).unwrap();
            }
        });
        Self { address, stop, served, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections came.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// No limit of its own: those under test are the proxy's.
pub(crate) fn unlimited() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(None).max_frame_size(None)
}

fn echo(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    echo_over(stream);
}

fn echo_over<S: Read + Write>(stream: S) {
    let Ok(mut socket) = tungstenite::accept_with_config(stream, Some(unlimited())) else { return };
    while let Ok(message) = socket.read() {
        // A ping is answered by tungstenite itself, a close too: the next read then says that all is over.
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).is_err() {
            return;
        }
    }
}
