//! One end of a WebSocket on a tokio stream.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::proto::Violation;
use crate::proto::frame::Opcode;
use crate::proto::mask::Key;
use crate::proto::scan::FrameLimits;
use crate::proto::terminated::{Event, Expired, Timeouts, WebSocket};

/// Bytes that one receive can bring.
const BUFFER_BYTES: usize = 16 * 1024;

/// Limits of one end.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Payload bytes of the longest message from the peer. A longer one closes the connection with 1009.
    pub max_message_bytes: u64,
    /// Limits on the time that this end waits for the peer.
    pub timeouts: Timeouts,
}

/// A message from the peer, or the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// The peer's close frame, with its code if it has one, and its reason, which may be empty. The answer is due: see
    /// [`WebSocketStream::flush`].
    Close(Option<u16>, String),
    /// The peer broke a rule. A close frame is due.
    Violation(Violation),
    /// The peer ended the connection without a close frame.
    End,
    /// The peer was waited for too long.
    Expired(Expired),
}

/// One end of a WebSocket on a stream.
///
/// All of its state is in this value, so that a future of its methods may be dropped at any time: no byte is lost.
#[derive(Debug)]
pub struct WebSocketStream<S> {
    stream: S,
    websocket: WebSocket,
    is_client: bool,
    frames: FrameLimits,
    timeouts: Timeouts,
    /// The moment that the protocol counts time from.
    started: Instant,
    timer: Pin<Box<Sleep>>,
    /// Received bytes; `at..end` are still to be read.
    input: Vec<u8>,
    at: usize,
    end: usize,
    /// The message so far.
    message: Vec<u8>,
    is_text: bool,
    /// Bytes to send, from `sent` on.
    output: Vec<u8>,
    sent: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketStream<S> {
    /// The server's end of a WebSocket whose opening handshake is over.
    pub fn server(stream: S, bounds: Bounds) -> Self {
        Self::new(stream, WebSocket::server(Duration::ZERO), false, bounds)
    }

    /// The client's end. `early` came after the server's head: at most 16 KiB.
    pub fn client(stream: S, early: &[u8], bounds: Bounds) -> Self {
        let mut websocket = WebSocket::client(Duration::ZERO);
        websocket.keep(early);
        Self::new(stream, websocket, true, bounds)
    }

    fn new(stream: S, websocket: WebSocket, is_client: bool, bounds: Bounds) -> Self {
        let Bounds { max_message_bytes, timeouts } = bounds;
        let mut input = vec![0; BUFFER_BYTES];
        let end = websocket.restore(&mut input);
        Self {
            stream,
            websocket,
            is_client,
            frames: FrameLimits { max_frame_bytes: max_message_bytes, max_message_bytes },
            timeouts,
            started: Instant::now(),
            timer: Box::pin(sleep(Duration::ZERO)),
            input,
            at: 0,
            end,
            message: Vec::new(),
            is_text: false,
            output: Vec::new(),
            sent: 0,
        }
    }

    /// Waits for the next message or the end, and sends what waits meanwhile.
    ///
    /// # Errors
    /// The stream is broken.
    pub async fn next(&mut self) -> io::Result<Incoming> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Polls for the next message or the end, and sends what waits meanwhile.
    ///
    /// # Errors
    /// The stream is broken.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Incoming>> {
        loop {
            if let Some(incoming) = self.read_buffered() {
                return Poll::Ready(Ok(incoming));
            }
            // Reading comes first: a peer that has closed takes nothing more, and what it said would be lost.
            match self.poll_receive(cx) {
                Poll::Ready(received) => {
                    if received? == 0 {
                        return Poll::Ready(Ok(Incoming::End));
                    }
                }
                Poll::Pending => {
                    let _: Poll<()> = self.poll_flush(cx)?;
                    return self.poll_expired(cx).map(|expired| Ok(Incoming::Expired(expired)));
                }
            }
        }
    }

    /// Sends a whole message, and returns once the stream has taken all of it.
    ///
    /// # Errors
    /// The stream is broken.
    pub async fn send(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        self.queue(opcode, payload)?;
        self.flush().await
    }

    /// Queues a whole message, which goes as the stream is polled. The owner queues one only when the last is gone: see
    /// [`is_flushed`](Self::is_flushed).
    ///
    /// # Errors
    /// There is no masking key.
    pub fn queue(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        let key = self.fresh_key()?;
        self.websocket.write_message(opcode, payload, || key, &mut self.output);
        Ok(())
    }

    /// Starts the closing handshake; the close frame goes as the stream is polled. Messages still come until the peer's
    /// close does.
    pub fn close(&mut self, code: u16, reason: &str) {
        self.websocket.close(code, reason, self.started.elapsed());
    }

    /// `true` once the closing handshake has begun, on either side.
    pub fn is_closing(&self) -> bool {
        self.websocket.is_closing()
    }

    /// `true` if nothing waits to be sent.
    pub fn is_flushed(&self) -> bool {
        self.output.is_empty() && !self.websocket.is_control_due()
    }

    /// Sends what waits, the control frames that are due too.
    ///
    /// # Errors
    /// The stream is broken.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
                match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    n => self.sent = self.sent.saturating_add(n),
                }
            }
            self.output.clear();
            self.sent = 0;
            // Only now, so that a peer that pings and does not read is owed one pong, and not a queue of them.
            if !self.websocket.is_control_due() {
                return Pin::new(&mut self.stream).poll_flush(cx);
            }
            let key = self.fresh_key()?;
            if let Some(frame) = self.websocket.take_control(|| key) {
                self.output.extend_from_slice(frame.as_bytes());
            }
        }
    }

    /// Sends what waits and ends the sending direction.
    ///
    /// # Errors
    /// The stream is broken.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.flush().await?;
        poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await
    }

    /// Ends the server's end in order, within the close timeout: waits for the peer's close, then ends the sending
    /// direction first (RFC 6455 section 7.1.1). From a peer that broke a rule it reads until the end: a socket that is
    /// closed with bytes unread is reset, and that destroys the close frame on its way.
    pub async fn finish(mut self) {
        let patience = self.timeouts.close;
        let ending = async {
            self.flush().await?;
            while !self.websocket.is_input_over() {
                if matches!(self.next().await?, Incoming::End | Incoming::Expired(_)) {
                    break;
                }
            }
            self.shutdown().await?;
            // A peer that has sent its close sends nothing more; any other may.
            if self.websocket.close_received().is_none() {
                while self.stream.read(&mut self.input).await? > 0 {}
            }
            io::Result::Ok(())
        };
        // The connection ends, whether or not the peer takes part in it.
        let _ = timeout(patience, ending).await;
    }

    /// Reads received bytes up to the next message or the end.
    fn read_buffered(&mut self) -> Option<Incoming> {
        // Without bytes there is nothing to read, and the protocol must not be asked: it would forget what it keeps.
        while self.end > 0 {
            let bytes = self.input.get_mut(..self.end).unwrap_or_default();
            match self.websocket.next(bytes, &mut self.at, &self.frames) {
                Event::Frame(header) => match header.opcode {
                    Opcode::Text => self.is_text = true,
                    Opcode::Binary => self.is_text = false,
                    _ => {}
                },
                Event::Payload(payload) => self.message.extend_from_slice(payload),
                Event::MessageEnd => return Some(self.take_message()),
                Event::Ping(_) | Event::Pong(_) => {}
                Event::Close { code, reason } => return Some(Incoming::Close(code, reason.to_owned())),
                Event::Violation(violation) => return Some(Incoming::Violation(violation)),
                Event::NeedMore => {
                    (self.at, self.end) = (0, 0);
                }
            }
        }
        None
    }

    fn take_message(&mut self) -> Incoming {
        let message = std::mem::take(&mut self.message);
        if !self.is_text {
            return Incoming::Binary(message);
        }
        match String::from_utf8(message) {
            Ok(text) => Incoming::Text(text),
            Err(_) => {
                debug_assert!(false, "the protocol lets no such text through");
                Incoming::Violation(Violation::NotUtf8)
            }
        }
    }

    /// Receives once; 0 bytes are the peer's end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let start = self.websocket.restore(&mut self.input);
        let mut room = ReadBuf::new(self.input.get_mut(start..).unwrap_or_default());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let received = room.filled().len();
        self.websocket.received(self.started.elapsed());
        (self.at, self.end) = (0, start.saturating_add(received));
        Poll::Ready(Ok(received))
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        loop {
            if let Some(expired) = self.websocket.expired(self.started.elapsed(), &self.timeouts) {
                return Poll::Ready(expired);
            }
            let Some(deadline) = self.websocket.next_deadline(&self.timeouts) else { return Poll::Pending };
            let Some(deadline) = self.started.checked_add(deadline) else { return Poll::Pending };
            self.timer.as_mut().reset(deadline);
            ready!(self.timer.as_mut().poll(cx));
        }
    }

    /// A masking key that the server cannot foresee (RFC 6455 section 5.3); the server's end needs none.
    fn fresh_key(&self) -> io::Result<Key> {
        let mut key = [0; 4];
        if self.is_client {
            getrandom::fill(&mut key)?;
        }
        Ok(key)
    }
}
