//! The demo's upstream: a chat. Every guest receives each message as `name: text`, and a line when a guest comes or goes. `?name=ada`
//! sets the name.
//!
//! One thread serves one room. The messages that wait for a guest are bounded: a guest that does not read is closed with 1008. The
//! length of a message and the number of guests are bounded too.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError::Closed;
use tokio::sync::{broadcast, watch};
use tokio::time::{sleep, timeout};

use crate::control::http::websocket::{self, Incoming, Upgrade, Upgraded, WebSocketStream};
use crate::proto::close;
use crate::proto::frame::Opcode;
use crate::proto::terminated::Timeouts;

/// Limits of the chat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Guests at one time.
    clients: usize,
    /// Messages that may wait for a guest.
    queue: usize,
    /// Bytes of a message.
    message_bytes: u64,
    /// The longest that sending one message to a guest may take.
    patience: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { clients: 1000, queue: 256, message_bytes: 16 * 1024, patience: Duration::from_secs(10) }
    }
}

/// Characters of a name.
const MAX_NAME: usize = 32;
/// The longest that the closing handshake with a guest may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A chat that runs until it is dropped.
#[derive(Debug)]
pub(super) struct Chat {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

struct Room {
    said: broadcast::Sender<Arc<str>>,
    here: AtomicUsize,
    guests: AtomicU64,
    bounds: Bounds,
    stop: watch::Receiver<bool>,
}

#[derive(Deserialize)]
struct Asked {
    name: Option<String>,
}

impl Chat {
    /// Opens a chat on a free port of loopback.
    ///
    /// # Errors
    /// There is no port, or no thread.
    pub(super) fn open(bounds: Bounds) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (stop, stopped) = watch::channel(false);
        let room = Room {
            said: broadcast::channel(bounds.queue).0,
            here: AtomicUsize::new(0),
            guests: AtomicU64::new(0),
            bounds,
            stop: stopped,
        };
        let thread = std::thread::Builder::new().name("chat".to_owned()).spawn(move || {
            // A listener that fails ends the chat early; the node then answers clients with 502.
            let _ = runtime.block_on(serve(listener, room));
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// The address that the chat listens on.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, room: Room) -> io::Result<()> {
    let mut heard = room.said.subscribe();
    let room = Arc::new(room);
    let (mut stop, mut stopping) = (room.stop.clone(), room.stop.clone());
    let told = async move { drop(stop.wait_for(|stop| *stop).await) };
    let app = Router::new().fallback(enter).with_state(Arc::clone(&room));
    let serving = axum::serve(TcpListener::from_std(listener)?, app).with_graceful_shutdown(told);
    let late = async {
        drop(stopping.wait_for(|stop| *stop).await);
        sleep(LAST_WORDS).await;
    };
    tokio::select! {
        served = serving => served?,
        // A client that has not finished its request.
        () = late => {}
    }
    // Every guest is closed, and says so to the room when it is gone.
    let all_gone =
        async { while room.here.load(Ordering::Relaxed) > 0 && !matches!(heard.recv().await, Err(Closed)) {} };
    let _ = timeout(LAST_WORDS * 2, all_gone).await;
    Ok(())
}

/// A handshake, whatever its path.
async fn enter(State(room): State<Arc<Room>>, Query(asked): Query<Asked>, mut request: Request) -> Response {
    let upgrade = match Upgrade::new(&mut request, &[]) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return (status(refusal.status), format!("{}\n", refusal.detail)).into_response(),
    };
    if room.here.fetch_add(1, Ordering::Relaxed) >= room.bounds.clients {
        room.here.fetch_sub(1, Ordering::Relaxed);
        return (StatusCode::SERVICE_UNAVAILABLE, "the chat is full\n").into_response();
    }
    let guest = Guest::new(asked.name, room);
    let bounds = websocket::Bounds {
        max_message_bytes: guest.room.bounds.message_bytes,
        timeouts: Timeouts { idle: None, close: LAST_WORDS },
    };
    let (response, session) = upgrade.accept(bounds, |socket| guest.talk(socket));
    tokio::spawn(session);
    response
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST)
}

/// A guest, counted until this value is dropped: also when its handshake fails.
struct Guest {
    name: String,
    room: Arc<Room>,
}

impl Guest {
    fn new(name: Option<String>, room: Arc<Room>) -> Self {
        let fit = |c: &char| c.is_alphanumeric() || "-_. ".contains(*c);
        let name: String = name.unwrap_or_default().chars().filter(fit).take(MAX_NAME).collect();
        let name = match name.trim() {
            "" => format!("guest-{}", room.guests.fetch_add(1, Ordering::Relaxed).saturating_add(1)),
            name => name.to_owned(),
        };
        Self { name, room }
    }

    fn tell(&self, line: String) {
        // An error means that no guest is left to receive the line.
        let _ = self.room.said.send(line.into());
    }

    async fn talk(self, mut socket: WebSocketStream<Upgraded>) {
        let mut heard = self.room.said.subscribe();
        let mut stop = self.room.stop.clone();
        let here = self.room.here.load(Ordering::Relaxed);
        self.tell(format!("* {} is here ({here} in all)", self.name));
        let end = loop {
            tokio::select! {
                said = socket.next() => match said {
                    Ok(Incoming::Text(text)) => self.tell(format!("{}: {text}", self.name)),
                    Ok(Incoming::Binary(_)) => break Some((close::UNSUPPORTED, "text only, please")),
                    Ok(Incoming::Close(..) | Incoming::Violation(_) | Incoming::End | Incoming::Expired(_)) | Err(_) => {
                        break None;
                    }
                },
                line = heard.recv() => match line {
                    Ok(line) => {
                        let sent = timeout(self.room.bounds.patience, socket.send(Opcode::Text, line.as_bytes())).await;
                        match sent {
                            Ok(Ok(())) => {}
                            Ok(Err(_)) => break None,
                            Err(_) => break Some((close::POLICY, "too slow")),
                        }
                    }
                    // The client has fallen behind by more than may wait for it.
                    Err(_) => break Some((close::POLICY, "too slow")),
                },
                // The value changes once.
                _ = stop.changed() => break Some((close::GOING_AWAY, "the chat ends")),
            }
        };
        if let Some((code, reason)) = end {
            socket.close(code, reason);
        }
        socket.finish().await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let here = self.room.here.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
        self.tell(format!("* {} is gone ({here} left)", self.name));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use socket2::{Domain, Socket, Type};
    use tungstenite::protocol::frame::coding::CloseCode;
    use tungstenite::{Message, WebSocket};

    use super::{Bounds, Chat};

    type Client = WebSocket<Patient>;

    /// Repeats a read that a stopped and continued process ended with EINTR (signal(7)).
    #[derive(Debug)]
    struct Patient(TcpStream);

    impl Read for Patient {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            loop {
                match self.0.read(into) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    read => return read,
                }
            }
        }
    }

    impl Write for Patient {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn enter(chat: &Chat, query: &str) -> Result<Client, String> {
        enter_over(TcpStream::connect(chat.address()).unwrap(), chat, query)
    }

    fn enter_over(stream: TcpStream, chat: &Chat, query: &str) -> Result<Client, String> {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let url = format!("ws://{}/anywhere{query}", chat.address());
        tungstenite::client(url, Patient(stream)).map(|(client, _)| client).map_err(|error| error.to_string())
    }

    /// A guest whose socket buffers little.
    fn enter_narrow(chat: &Chat, query: &str) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.connect(&chat.address().into()).unwrap();
        enter_over(socket.into(), chat, query).unwrap()
    }

    /// Sends more than the sockets between the chat and a guest that does not read can buffer. The talker reads each message before it
    /// sends the next, and so is never behind.
    fn says_much(talker: &mut Client) {
        let text = "x".repeat(15_000);
        for _ in 0..1000 {
            talker.send(Message::text(text.clone())).unwrap();
            while !hear(talker).ends_with(&text) {}
        }
    }

    fn hear(client: &mut Client) -> String {
        client.read().unwrap().into_text().unwrap().to_string()
    }

    /// Reads until the end, and returns the close code.
    fn end(client: &mut Client) -> Option<CloseCode> {
        let mut code = None;
        loop {
            match client.read() {
                Ok(Message::Close(frame)) => code = frame.map(|frame| frame.code),
                Ok(_) => {}
                Err(_) => return code,
            }
        }
    }

    #[test]
    fn what_one_says_all_hear_and_who_comes_and_goes_is_told() {
        let chat = Chat::open(Bounds::default()).unwrap();
        let mut ada = enter(&chat, "?name=Ada").unwrap();
        assert_eq!(hear(&mut ada), "* Ada is here (1 in all)");
        let mut guest = enter(&chat, "?name=%1b%0a").unwrap();
        for client in [&mut ada, &mut guest] {
            assert_eq!(hear(client), "* guest-1 is here (2 in all)");
        }
        ada.send(Message::text("hello")).unwrap();
        for client in [&mut ada, &mut guest] {
            assert_eq!(hear(client), "Ada: hello");
        }
        drop(guest);
        assert_eq!(hear(&mut ada), "* guest-1 is gone (1 left)");
    }

    #[test]
    fn who_reads_too_slowly_is_closed_and_the_others_are_not() {
        // Few messages wait, and a slow guest is not given up before the test is over.
        let bounds = Bounds { queue: 8, patience: Duration::from_secs(600), ..Bounds::default() };
        let chat = Chat::open(bounds).unwrap();
        let (mut slow, mut ada) = (enter_narrow(&chat, "?name=slow"), enter(&chat, "?name=ada").unwrap());
        says_much(&mut ada);
        assert_eq!(end(&mut slow), Some(CloseCode::Policy));
        drop(slow);
        assert_eq!(hear(&mut ada), "* slow is gone (1 left)");
    }

    #[test]
    fn who_does_not_read_at_all_is_let_go_and_the_others_stay() {
        let bounds = Bounds { patience: Duration::from_millis(200), ..Bounds::default() };
        let chat = Chat::open(bounds).unwrap();
        let (_slow, mut ada) = (enter_narrow(&chat, "?name=slow"), enter(&chat, "?name=ada").unwrap());
        says_much(&mut ada);
        while hear(&mut ada) != "* slow is gone (1 left)" {}
    }

    #[test]
    fn what_is_no_text_or_too_long_ends_the_one_who_said_it() {
        let chat = Chat::open(Bounds::default()).unwrap();
        let mut ada = enter(&chat, "?name=ada").unwrap();
        hear(&mut ada);
        let mut other = enter(&chat, "?name=bin").unwrap();
        other.send(Message::binary(vec![0])).unwrap();
        assert_eq!(end(&mut other), Some(CloseCode::Unsupported));
        let mut other = enter(&chat, "?name=long").unwrap();
        // The chat may end it before all of it is sent.
        let _ = other.send(Message::text("x".repeat(20_000)));
        end(&mut other);
        let heard = [hear(&mut ada), hear(&mut ada), hear(&mut ada), hear(&mut ada)];
        let expected = ["bin is here (2", "bin is gone (1", "long is here (2", "long is gone (1"];
        for (heard, expected) in heard.iter().zip(expected) {
            assert!(heard.contains(expected), "{heard}");
        }
    }

    #[test]
    fn a_full_chat_says_so_and_one_that_ends_says_goodbye() {
        let chat = Chat::open(Bounds { clients: 1, ..Bounds::default() }).unwrap();
        let mut ada = enter(&chat, "").unwrap();
        assert!(enter(&chat, "").unwrap_err().contains("503"));
        assert_eq!(hear(&mut ada), "* guest-1 is here (1 in all)");
        let ended = std::thread::spawn(move || end(&mut ada));
        drop(chat);
        assert_eq!(ended.join().unwrap(), Some(CloseCode::Away));
    }
}
