//! HTTP/1.1 on a listener, with a bound on everything that a client can make it wait for or hold.

use crate::engine::background;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::guard::CameIn;
use super::socket::{self, Bounded};

/// What a listener bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections at one time.
    pub(super) connections: usize,
    /// Beyond these, how many may be told so at one time. Who comes then is closed without a word.
    pub(super) refusing: usize,
    /// How long a request's head may take to arrive, and how long a connection may be idle between two.
    pub(super) head: Duration,
    /// Of each connection's socket.
    pub(super) socket: socket::Bounds,
}

/// In all listeners of the control plane.
pub(super) const BOUNDS: Bounds =
    Bounds { connections: MAX_CALLERS, refusing: 64, head: Duration::from_secs(10), socket: socket::BOUNDS };

/// Header lines of a request, and bytes of its head.
const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 16 << 10;
/// What hyper buffers of a connection.
const BUFFER_BYTES: usize = 64 << 10;
/// How long what is being answered may still take when the process stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// After an accept that failed: with no descriptor left the next would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener, and what answers there.
#[derive(Debug)]
pub struct Listener {
    /// Bound already.
    pub socket: std::net::TcpListener,
    /// What answers.
    pub router: Router,
    /// Connections at one time.
    pub connections: usize,
}

/// Connections of an admin listener.
pub const MAX_CALLERS: usize = 256;
/// Connections of a listener of figures: each may hold a text of its own, which is long where there are many APIs.
pub const MAX_SCRAPERS: usize = 4;

/// The thread that serves listeners.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// Serves listeners on a thread named `admin`.
///
/// # Errors
/// No thread, or no descriptors for it.
pub fn start(listeners: Vec<Listener>) -> io::Result<Running> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let (stop, stopped) = watch::channel(false);
    let mut serving = JoinSet::new();
    for Listener { socket, router, connections } in listeners {
        let bounds = Bounds { connections, ..BOUNDS };
        socket.set_nonblocking(true)?;
        let _entered = runtime.enter();
        serving.spawn_on(serve(TcpListener::from_std(socket)?, router, bounds, stopped.clone()), runtime.handle());
    }
    let thread = background::start("admin", move || {
        runtime.block_on(async { while serving.join_next().await.is_some() {} });
    })?;
    Ok(Running { stop, thread })
}

impl Running {
    /// Takes no more connections, and waits, within bounds, until what was asked is answered.
    pub fn stop(self) {
        let Self { stop, thread } = self;
        drop(stop);
        // If it has panicked that was said already.
        let _ = thread.join();
    }
}

/// Serves until `stop` says so or is gone, and then for as long as the requests under way take, within bounds.
pub(super) async fn serve(listener: TcpListener, router: Router, bounds: Bounds, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let refusing = Arc::new(Semaphore::new(bounds.refusing));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            () = told(&mut stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, stop) = (router.clone(), stop.clone());
                if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                    connections.spawn(async move {
                        converse(stream, peer, router, bounds, stop).await;
                        drop(place);
                    });
                } else if let Ok(place) = Arc::clone(&refusing).try_acquire_owned() {
                    connections.spawn(async move {
                        refuse(Bounded::new(stream, bounds.socket)).await;
                        drop(place);
                    });
                }
            }
            Err(error) => {
                warn!(%error, "a connection to the admin listener was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(STOP_TIMEOUT, async { while connections.join_next().await.is_some() {} }).await.is_err() {
        debug!(left = connections.len(), "requests to the admin listener were cut off by the stop");
    }
}

/// Waits until the listener is to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // An error says that whoever could say it is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// One connection, from its first request to its last.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    bounds: Bounds,
    mut stop: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let service = service_fn(move |request: hyper::Request<Incoming>| answer(router.clone(), local, request));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES)
        // A client that ends its sending behind its request still gets its answer.
        .half_close(true);
    let conversation = http.serve_connection(TokioIo::new(Bounded::new(stream, bounds.socket)), service);
    tokio::pin!(conversation);
    let ended = tokio::select! {
        ended = &mut conversation => ended,
        () = told(&mut stop) => {
            conversation.as_mut().graceful_shutdown();
            conversation.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "a connection to the admin listener broke");
    }
}

async fn answer(router: Router, local: SocketAddr, request: hyper::Request<Incoming>) -> Result<Response, Infallible> {
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(CameIn(local));
    TowerToHyperService::new(router).call(request).await
}

/// Tells who comes when every place is taken.
async fn refuse(mut stream: Bounded) {
    if stream.write_all(NO_PLACE).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n\
    Cache-Control: no-store\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 164\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"code\":\"too-many-connections\",\
    \"detail\":\"This listener is at its limit of connections.\",\"errors\":[]}";

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::{get, post};
    use tokio::net::TcpListener;
    use tokio::runtime::Builder;
    use tokio::sync::watch;

    use super::{BOUNDS, Bounds, NO_PLACE, serve};
    use crate::control::admin::socket;

    const SHORT: Bounds = Bounds {
        connections: 2,
        refusing: 1,
        head: Duration::from_millis(300),
        socket: socket::Bounds {
            write: Duration::from_millis(300),
            answer: Duration::from_secs(20),
            linger: Duration::from_millis(300),
            linger_bytes: 8 << 20,
        },
    };
    const FINE: &[u8] = b"GET /fine HTTP/1.1\r\nHost: localhost\r\n\r\n";

    struct Served {
        address: std::net::SocketAddr,
        stop: watch::Sender<bool>,
        thread: std::thread::JoinHandle<()>,
        /// Hears of each request for /slow.
        asked: std::sync::mpsc::Receiver<()>,
    }

    impl Served {
        fn start(bounds: Bounds) -> Self {
            let (ask, asked) = std::sync::mpsc::channel();
            let router = Router::new()
                .route("/fine", get(|| async { "fine" }))
                .route("/large", get(|| async { Bytes::from(vec![b'x'; 64 << 20]) }))
                .route("/unread", post(|| async { (axum::http::StatusCode::UNAUTHORIZED, "who are you?") }))
                .route(
                    "/slow",
                    get(|| async move {
                        let _ = ask.send(());
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        "slow"
                    }),
                );
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, stopped) = watch::channel(false);
            let thread = std::thread::spawn(move || runtime.block_on(serve(listener, router, bounds, stopped)));
            Self { address, stop, thread, asked }
        }

        fn connect(&self) -> TcpStream {
            let stream = TcpStream::connect(self.address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream
        }

        fn says(&self, bytes: &[u8]) -> String {
            let mut stream = self.connect();
            stream.write_all(bytes).unwrap();
            rest(&mut stream)
        }
    }

    /// All that comes until the other end closes.
    fn rest(stream: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("it does not end: {error}"),
            _ => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    #[test]
    fn the_answer_to_who_finds_no_place_is_a_whole_one() {
        let text = std::str::from_utf8(NO_PLACE).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], 503);
    }

    #[test]
    fn a_head_that_does_not_come_ends_its_connection_however_it_drips() {
        let served = Served::start(SHORT);
        let started = Instant::now();
        assert_eq!(rest(&mut served.connect()), "");
        let mut dripping = served.connect();
        dripping.write_all(b"GET /fine HTTP/1.1\r\n").unwrap();
        let mut dripper = dripping.try_clone().unwrap();
        let drips = std::thread::spawn(move || {
            (0..1_000)
                .take_while(|n| {
                    std::thread::sleep(Duration::from_millis(20));
                    dripper.write_all(format!("X-{n}: x\r\n").as_bytes()).is_ok()
                })
                .count()
        });
        rest(&mut dripping);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        drop(dripping);
        assert!(drips.join().unwrap() < 500);
        // And one that is idle behind its first request. On a busy host that one may come too late as well.
        while !served.says(FINE).ends_with("fine") {
            assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        }
    }

    #[test]
    fn who_comes_when_every_place_is_taken_is_told_so() {
        let served = Served::start(Bounds { head: Duration::from_secs(20), ..SHORT });
        let mut first = served.connect();
        let mut second = served.connect();
        for stream in [&mut first, &mut second] {
            stream.write_all(FINE).unwrap();
            let mut answered = [0; 15];
            stream.read_exact(&mut answered).unwrap();
            assert_eq!(&answered, b"HTTP/1.1 200 OK");
        }
        let refused = served.says(FINE);
        assert!(refused.starts_with("HTTP/1.1 503") && refused.ends_with("\"errors\":[]}"), "{refused}");
        drop(first);
        // Its place is free as soon as the server has seen the end.
        let deadline = Instant::now() + Duration::from_secs(10);
        while !served.says(b"GET /fine HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ends_with("fine") {
            assert!(Instant::now() < deadline);
        }
    }

    #[test]
    fn a_client_that_takes_nothing_does_not_hold_its_place() {
        let served = Served::start(SHORT);
        let mut stream = served.connect();
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut some = [0; 1024];
        stream.read_exact(&mut some).unwrap();
        // Its socket's buffers are full, and it waits until the server has given up.
        let busy = Instant::now();
        let mut others = (served.connect(), served.connect());
        others.0.write_all(FINE).unwrap();
        while !served.says(b"GET /fine HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ends_with("fine") {
            assert!(busy.elapsed() < Duration::from_secs(10));
        }
        let got = rest(&mut stream).len();
        assert!(got < 64 << 20, "{got}");
    }

    #[test]
    fn a_client_that_takes_a_little_now_and_then_does_not_hold_its_place() {
        let short =
            socket::Bounds { write: Duration::from_secs(20), answer: Duration::from_millis(500), ..SHORT.socket };
        let served = Served::start(Bounds { socket: short, ..SHORT });
        let mut stream = served.connect();
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let (started, mut got, mut some) = (Instant::now(), 0, vec![0; 64 << 10]);
        while let Ok(1..) = stream.read(&mut some).inspect(|count| got += count) {
            std::thread::sleep(Duration::from_millis(10));
            assert!(started.elapsed() < Duration::from_secs(10), "{got}");
        }
        assert!(got < 64 << 20, "{got}");
    }

    #[test]
    fn an_answer_arrives_although_the_client_still_sends() {
        let served = Served::start(BOUNDS);
        let mut request = b"POST /unread HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n".to_vec();
        request.resize(request.len() + 4_000_000, b'x');
        for _ in 0..10 {
            let answer = served.says(&request);
            assert!(answer.starts_with("HTTP/1.1 401") && answer.ends_with("who are you?"), "{answer:?}");
        }
    }

    #[test]
    fn what_is_no_http_is_refused_and_the_rest_goes_on() {
        let served = Served::start(BOUNDS);
        let many: String = (0..100).map(|n| format!("X-{n}: x\r\n")).collect();
        let long = "x".repeat(20_000);
        for (sent, status) in [
            ("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03".to_owned(), "400"),
            ("GET /fine HTTP/9.9\r\n\r\n".to_owned(), "400"),
            (format!("GET /fine HTTP/1.1\r\n{many}\r\n"), "431"),
            (format!("GET /fine HTTP/1.1\r\nX: {long}\r\n\r\n"), "431"),
            (format!("GET /{long} HTTP/1.1\r\n\r\n"), "431"),
            ("POST /unread HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n".to_owned(), "400"),
            ("POST /unread HTTP/1.1\r\nContent-Length: -5\r\n\r\n".to_owned(), "400"),
            ("GET /fine HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(), "400"),
        ] {
            let answer = served.says(sent.as_bytes());
            let short: String = sent.chars().take(60).collect();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{short:?}: {answer:?}");
        }
        // What is pipelined is answered in its order, up to the junk.
        let answers = served.says(&[FINE, FINE, b"junk\r\n\r\n"].concat());
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
        assert!(answers.contains("HTTP/1.1 400"), "{answers}");
    }

    #[test]
    fn a_stop_lets_what_is_asked_be_answered_and_takes_nothing_new() {
        let served = Served::start(Bounds { head: Duration::from_secs(20), ..SHORT });
        let mut idle = served.connect();
        let mut asking = served.connect();
        asking.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        served.asked.recv_timeout(Duration::from_secs(10)).unwrap();
        served.stop.send(true).unwrap();
        assert!(rest(&mut asking).ends_with("slow"));
        assert_eq!(rest(&mut idle), "");
        served.thread.join().unwrap();
        assert!(TcpStream::connect(served.address).is_err());
    }
}
