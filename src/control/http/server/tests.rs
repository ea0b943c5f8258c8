//! Callers that wait, drip, take nothing, or come when there is no place.

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
use crate::control::http::socket;

const SHORT: Bounds = Bounds {
    connections: 2,
    probes: 0,
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
        let thread = std::thread::spawn(move || runtime.block_on(serve(listener, router, None, bounds, stopped)));
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
fn c5_silent_clients_keep_nobody_out() {
    let served = Served::start(Bounds { head: Duration::from_secs(60), ..SHORT });
    let silent: Vec<TcpStream> = (0..50).map(|_| served.connect()).collect();
    assert!(served.says(b"GET /fine HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ends_with("fine"));
    // One that has begun its request is as silent.
    let mut begun = served.connect();
    begun.write_all(b"GET /fine HTTP/1.1\r\n").unwrap();
    drop((served.connect(), served.connect()));
    assert!(served.says(b"GET /fine HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ends_with("fine"));
    drop(silent);
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
    let short = socket::Bounds { write: Duration::from_secs(20), answer: Duration::from_millis(500), ..SHORT.socket };
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
