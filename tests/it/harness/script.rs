//! An upstream that plays a script: each connection that it accepts goes through the script's steps, in a thread of its
//! own, and what came is remembered.

#![allow(unsafe_code, reason = "system calls without a safe wrapper")]

use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::ServerConfig;

use super::patient::again;
use super::peer::{Ended, Wire, switching};
use super::secure::Tls;
use super::wait::until;

/// The interval at which a step that waits looks whether the test is over.
const A_LOOK: Duration = Duration::from_millis(20);

/// The most bytes of a connection that are remembered.
const MAX_REMEMBERED: usize = 4 << 20;

/// An upstream's steps on one connection. After the last step it reads until the other end ends its sending, and then ends its
/// own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Head,
    Read(usize),
    Send(Vec<u8>),
    Forever(Vec<u8>),
    Switch(String),
    Wait(Gate),
    Stall,
    Fin,
    Reset,
    Close,
}

impl Script {
    /// Accepts, and then reads without a word.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reads a request, and answers it with these bytes.
    pub(crate) fn answers(bytes: impl AsRef<[u8]>) -> Self {
        Self::new().head().send(bytes)
    }

    /// Reads a request's head, and remembers it.
    pub(crate) fn head(self) -> Self {
        self.then(Step::Head)
    }

    /// Reads until so many bytes have come behind the last head.
    pub(crate) fn read(self, bytes: usize) -> Self {
        self.then(Step::Read(bytes))
    }

    pub(crate) fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Send(bytes.as_ref().to_vec()))
    }

    /// Sends a chunk of the chunked coding; an empty one is the last.
    pub(crate) fn chunk(self, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        self.send([format!("{:x}\r\n", content.len()).as_bytes(), content, b"\r\n"].concat())
    }

    /// Sends these bytes again and again, as long as they are taken.
    pub(crate) fn forever(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Forever(bytes.as_ref().to_vec()))
    }

    /// Answers the request that was read with a right 101, with `lines` besides.
    pub(crate) fn switch(self, lines: &str) -> Self {
        self.then(Step::Switch(lines.to_owned()))
    }

    /// Waits until the test opens the gate.
    pub(crate) fn wait(self, gate: &Gate) -> Self {
        self.then(Step::Wait(gate.clone()))
    }

    /// Reads nothing more, and says nothing, until the other end is gone.
    pub(crate) fn stall(self) -> Self {
        self.then(Step::Stall)
    }

    /// Ends the sending direction. Over TLS: without a word of it (close_notify).
    pub(crate) fn fin(self) -> Self {
        self.then(Step::Fin)
    }

    /// Resets the connection.
    pub(crate) fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// Closes the connection at once. If bytes came that were not read, the kernel makes a reset of it.
    pub(crate) fn close(self) -> Self {
        self.then(Step::Close)
    }

    fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// Plays it for each connection to a port of its own.
    pub(crate) fn plays(self) -> Played {
        Self::in_turn([self])
    }

    /// Plays the first script on the first connection, the second on the second, and so on; the last one on all others.
    pub(crate) fn in_turn(scripts: impl IntoIterator<Item = Self>) -> Played {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), scripts)
    }

    /// Like [`in_turn`](Self::in_turn), at an address of the test's choice, such as that of an upstream that was dropped.
    #[track_caller]
    pub(crate) fn at(address: SocketAddr, scripts: impl IntoIterator<Item = Self>) -> Played {
        Played::start(address, scripts.into_iter().collect(), |stream, player| player.play(stream))
    }

    /// Plays it over TLS.
    pub(crate) fn plays_tls(self, config: Arc<ServerConfig>) -> Played {
        Played::start(SocketAddr::from(([127, 0, 0, 1], 0)), vec![self], move |stream, player| {
            let mut tls = Tls::server(stream, Arc::clone(&config));
            if tls.shake_hands().is_ok() {
                player.play(tls);
            }
        })
    }
}

/// Closed until the test opens it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An upstream's view of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) heads: Vec<String>,
    /// The bytes after the last head.
    pub(crate) bytes: Vec<u8>,
    /// The other end's end, if the script read that far.
    pub(crate) ended: Option<Ended>,
    over: bool,
}

/// A script that is being played. Dropping it ends all of its connections, and frees its address.
pub(crate) struct Played {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Played {
    #[track_caller]
    fn start(
        address: SocketAddr,
        scripts: Vec<Script>,
        serve: impl Fn(TcpStream, Player) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, stop) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<AtomicBool>::default());
        let (seeing, stopping, serve) = (Arc::clone(&seen), Arc::clone(&stop), Arc::new(serve));
        let thread = thread::spawn(move || {
            let mut threads = Vec::new();
            for stream in listener.incoming() {
                if stopping.load(Ordering::Relaxed) {
                    break;
                }
                // An accept can fail for a connection that is gone already.
                let Ok(stream) = stream else { continue };
                let _ = stream.set_nodelay(true);
                let number = {
                    let mut seen = seeing.lock().unwrap();
                    seen.push(Seen::default());
                    seen.len() - 1
                };
                let steps = scripts[number.min(scripts.len() - 1)].0.clone();
                let player = Player { steps, number, seen: Arc::clone(&seeing), stop: Arc::clone(&stopping) };
                let serve = Arc::clone(&serve);
                threads.push(thread::spawn(move || {
                    let seen = Arc::clone(&player.seen);
                    serve(stream, player);
                    seen.lock().unwrap()[number].over = true;
                }));
            }
            threads.into_iter().for_each(|thread| thread.join().expect("the script can be played"));
        });
        Self { address, seen, stop, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of connections that came.
    pub(crate) fn accepts(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The heads of all requests so far, by connection.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().flat_map(|seen| seen.heads.clone()).collect()
    }

    /// The bytes and the end that the script has seen so far on one of its connections, which are numbered from zero.
    pub(crate) fn so_far(&self, number: usize) -> Option<Seen> {
        self.seen.lock().unwrap().get(number).cloned()
    }

    /// The bytes and the end that the script saw on one of its connections, once that is over.
    #[track_caller]
    pub(crate) fn saw(&self, number: usize) -> Seen {
        until(&format!("connection {number} is over"), || self.so_far(number).filter(|seen| seen.over))
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let joined = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(matches!(joined, Some(Ok(()))), "a script could not be played");
        }
    }
}

/// One connection's way through its script.
struct Player {
    steps: Vec<Step>,
    number: usize,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
}

/// The connection is over, or the test.
struct Over;

impl Player {
    fn play(self, mut stream: impl Wire) {
        let socket = stream.socket();
        socket.set_read_timeout(Some(A_LOOK)).unwrap();
        socket.set_write_timeout(Some(A_LOOK)).unwrap();
        let ended = self.steps.iter().try_for_each(|step| self.step(step, &mut stream));
        if ended.is_ok() {
            while self.more(&mut stream).is_ok() {}
        }
    }

    fn step(&self, step: &Step, stream: &mut impl Wire) -> Result<(), Over> {
        match step {
            Step::Head => self.head(stream),
            Step::Read(bytes) => {
                while self.with(|seen| seen.bytes.len()) < *bytes {
                    self.more(stream)?;
                }
                Ok(())
            }
            Step::Send(bytes) => self.send(bytes, stream),
            Step::Forever(bytes) => loop {
                self.send(bytes, stream)?;
            },
            Step::Switch(lines) => {
                let request = self.with(|seen| seen.heads.last().cloned()).expect("a script reads a head first");
                self.send(switching(&request, lines).as_bytes(), stream)
            }
            Step::Wait(Gate(gate)) => {
                while !gate.load(Ordering::Relaxed) {
                    self.goes_on()?;
                    thread::sleep(A_LOOK);
                }
                Ok(())
            }
            Step::Stall => {
                while !is_left(stream.socket()) {
                    self.goes_on()?;
                }
                Err(Over)
            }
            Step::Fin => {
                let _ = stream.socket().shutdown(Shutdown::Write);
                Ok(())
            }
            Step::Reset => {
                socket2::SockRef::from(stream.socket()).set_linger(Some(Duration::ZERO)).unwrap();
                Err(Over)
            }
            Step::Close => Err(Over),
        }
    }

    fn head(&self, stream: &mut impl Wire) -> Result<(), Over> {
        loop {
            let head = self.with(|seen| {
                let end = seen.bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
                Some(seen.bytes.drain(..end + 4).collect::<Vec<u8>>())
            });
            if let Some(head) = head {
                self.with(|seen| seen.heads.push(String::from_utf8_lossy(&head).into_owned()));
                return Ok(());
            }
            self.more(stream)?;
        }
    }

    /// Reads what is there, or waits a little for it.
    fn more(&self, stream: &mut impl Wire) -> Result<(), Over> {
        let mut chunk = [0; 16 * 1024];
        self.goes_on()?;
        let ended = match again(|| stream.read(&mut chunk)) {
            Ok(0) => Ended::Fin,
            Ok(n) => {
                self.with(|seen| {
                    let room = MAX_REMEMBERED.saturating_sub(seen.bytes.len());
                    seen.bytes.extend(&chunk[..n.min(room)]);
                });
                return Ok(());
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(()),
                ErrorKind::UnexpectedEof => Ended::Truncated,
                _ => Ended::Reset,
            },
        };
        self.with(|seen| seen.ended = Some(ended));
        Err(Over)
    }

    fn send(&self, mut bytes: &[u8], stream: &mut impl Wire) -> Result<(), Over> {
        while !bytes.is_empty() {
            self.goes_on()?;
            match again(|| stream.write(bytes)) {
                Ok(n) => bytes = &bytes[n..],
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => {
                    self.with(|seen| seen.ended = Some(Ended::Reset));
                    return Err(Over);
                }
            }
        }
        stream.flush().map_err(|_| Over)
    }

    fn goes_on(&self) -> Result<(), Over> {
        if self.stop.load(Ordering::Relaxed) { Err(Over) } else { Ok(()) }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap()[self.number])
    }
}

/// Waits a little: whether the other end has ended, though its bytes were not read.
fn is_left(socket: &TcpStream) -> bool {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    let look = i32::try_from(A_LOOK.as_millis()).unwrap();
    // SAFETY: the pointer is to one live entry.
    unsafe { libc::poll(&raw mut poll, 1, look) > 0 }
}
