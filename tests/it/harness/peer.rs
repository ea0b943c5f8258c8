//! One end of a TCP connection, whose bytes are the test's. Every wait has an end.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tungstenite::handshake::derive_accept_key;

use super::came::Came;
use super::frame::{self, Frame};
use super::patient::again;
use super::wait::PATIENCE;

/// A stream with the socket that its bytes go through.
pub(crate) trait Wire: Read + Write {
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

pub(crate) struct Peer<S = TcpStream> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Fin,
    Reset,
    /// A TLS connection ended without close_notify.
    Truncated,
    /// No end came in the time that it was given.
    Open,
}

impl Peer<TcpStream> {
    #[track_caller]
    pub(crate) fn connect(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&to, PATIENCE).expect("it listens"))
    }

    /// Connects from another address of this host.
    #[track_caller]
    pub(crate) fn connect_from(from: IpAddr, to: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
        socket.connect_timeout(&to.into(), PATIENCE).expect("it listens");
        Self::over(socket.into())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::new(stream)
    }

    /// Ends the sending direction, unless the other end is gone already.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// True if no unread bytes have arrived.
    pub(crate) fn is_quiet(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        self.buffer.is_empty() && matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

impl<S: Wire> Peer<S> {
    /// Sends slices, each with a write of its own and a moment between them, so that the other end most likely reads
    /// each by itself. A right answer must not depend on it. An end that takes no more ends the sending, and is seen by
    /// [`Peer::all`].
    pub(crate) fn send_slices<B: AsRef<[u8]>>(&mut self, slices: &[B]) {
        for slice in slices {
            if self.stream.write_all(slice.as_ref()).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Reads all that comes until the end, or until nothing has come for `patience`.
    #[track_caller]
    pub(crate) fn all(&mut self, patience: Duration) -> Came {
        // Pings keep a connection talking: the patience is for all of it.
        let until = Instant::now() + patience;
        let mut chunk = vec![0; 1 << 16];
        let ended = loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Ended::Open;
            }
            self.stream.socket().set_read_timeout(Some(left)).unwrap();
            match again(|| self.stream.read(&mut chunk)) {
                Ok(0) => break Ended::Fin,
                Ok(n) => self.buffer.extend(&chunk[..n]),
                Err(error) => match error.kind() {
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => break Ended::Reset,
                    ErrorKind::UnexpectedEof => break Ended::Truncated,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => break Ended::Open,
                    _ => panic!("{error}; so far {:?}", String::from_utf8_lossy(&self.buffer)),
                },
            }
        };
        self.stream.socket().set_read_timeout(Some(PATIENCE)).unwrap();
        Came { bytes: std::mem::take(&mut self.buffer), ended }
    }
}

impl<S: Read + Write> Peer<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the other end takes it");
    }

    /// Reads a head up to its empty line.
    #[track_caller]
    pub(crate) fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            self.more();
        }
    }

    /// As the upstream: answers a request with a right 101, and with `lines` besides.
    #[track_caller]
    pub(crate) fn switch(&mut self, request: &str, lines: &str) {
        self.send(switching(request, lines).as_bytes());
    }

    #[track_caller]
    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            self.more();
        }
        self.buffer.drain(..count).collect()
    }

    /// Reads a frame.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> Frame {
        let start = self.exactly(2);
        let (first, second) = (start[0], start[1]);
        let length = match second & 0x7F {
            126 => u16::from_be_bytes(self.exactly(2).try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.exactly(8).try_into().unwrap()),
            short => short.into(),
        };
        let key: Option<[u8; 4]> = (second & 0x80 != 0).then(|| self.exactly(4).try_into().unwrap());
        let mut payload = self.exactly(usize::try_from(length).unwrap());
        if let Some(key) = key {
            payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        }
        Frame { first, key, payload }
    }

    /// Reads a close frame: its code and reason.
    #[track_caller]
    pub(crate) fn close(&mut self) -> (Option<u16>, String) {
        self.frame().close()
    }

    /// Reads to the end, whichever way it comes.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> (Vec<u8>, Ended) {
        let mut chunk = vec![0; 1 << 16];
        loop {
            let ended = match again(|| self.stream.read(&mut chunk)) {
                Ok(0) => Ended::Fin,
                Ok(n) => {
                    self.buffer.extend(&chunk[..n]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => Ended::Reset,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ended::Truncated,
                Err(error) => panic!("no end came: {error}; so far {:?}", String::from_utf8_lossy(&self.buffer)),
            };
            return (std::mem::take(&mut self.buffer), ended);
        }
    }

    /// Nothing more comes but the end.
    #[track_caller]
    pub(crate) fn ends(&mut self) {
        let (rest, ended) = self.rest();
        assert_eq!((rest.as_slice(), ended), (&[][..], Ended::Fin));
    }

    /// As the client: sends a text message.
    #[track_caller]
    pub(crate) fn say(&mut self, text: &str) {
        self.send(&frame::masked(frame::FIN | frame::TEXT, text.as_bytes()));
    }

    /// As the upstream: sends a text message.
    #[track_caller]
    pub(crate) fn answer(&mut self, text: &str) {
        self.send(&frame::plain(frame::FIN | frame::TEXT, text.as_bytes()));
    }

    /// Reads a text message of one frame.
    #[track_caller]
    pub(crate) fn hears(&mut self, text: &str) {
        let frame = self.frame();
        assert_eq!((frame.first, String::from_utf8_lossy(&frame.payload)), (frame::FIN | frame::TEXT, text.into()));
    }

    #[track_caller]
    fn more(&mut self) {
        let mut chunk = [0; 16 * 1024];
        match again(|| self.stream.read(&mut chunk)) {
            Ok(n) if n > 0 => self.buffer.extend(&chunk[..n]),
            other => panic!("more was to come, not {other:?}; so far {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }
}

/// A right 101 to a request, with `lines` besides.
#[track_caller]
pub(crate) fn switching(request: &str, lines: &str) -> String {
    let accept = derive_accept_key(header(request, "sec-websocket-key").expect("a key").as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
    )
}

/// The value of a header line in a head.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    headers(head, name).next()
}

/// The values of all header lines of a name.
pub(crate) fn headers<'h>(head: &'h str, name: &str) -> impl Iterator<Item = &'h str> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}
