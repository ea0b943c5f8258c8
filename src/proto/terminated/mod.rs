//! One end of an open WebSocket, for connections that Ringway terminates itself: echo, the chat of `ringway demo`,
//! `ringway ws`, the test page's socket and both ends of the load generator.
//!
//! In: received bytes and the time. Out: [`Event`]s, and the control frames that RFC 6455 asks for in return. Nothing
//! here reads a clock, touches a socket or gathers a message; payloads are unmasked and handed out where they lie.
//!
//! The folder lies in `proto` because both planes use it, and neither may import the other. Two drivers do the I/O:
//! `proxy::terminated` on a shard's transport, `control::http::websocket` on a tokio stream.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::close;
use super::frame::{self, ControlFrame, Header, Opcode, Reserved, Sender};
use super::mask::{self, Key};
use super::reader::{Piece, Reader};
use super::scan::FrameLimits;
use super::utf8;
use super::violation::Violation;

/// One end of a WebSocket whose opening handshake is over.
///
/// Times are durations since a moment that the owner chooses and keeps.
///
/// Inputs: [`keep`](Self::keep), [`restore`](Self::restore), [`received`](Self::received), [`next`](Self::next),
/// [`close`](Self::close), [`expired`](Self::expired). Outputs: [`next`](Self::next),
/// [`take_control`](Self::take_control), [`write_message`](Self::write_message),
/// [`next_deadline`](Self::next_deadline). All others are getters.
///
/// Order of calls for each receive: `restore`, the receive itself, `received`, then `next` until it returns
/// [`Event::NeedMore`]. After each event the owner may call `take_control`; a control frame that it takes must go out
/// between two frames of its own.
///
/// | received | event | waits in `take_control` |
/// |---|---|---|
/// | header of a data frame | `Frame` | |
/// | part of its payload | `Payload` | |
/// | last byte of a message | `MessageEnd`, after the `Frame` or `Payload` that it belongs to | |
/// | ping | `Ping` | a pong; replaces one that was not taken (RFC 6455 section 5.5.3) |
/// | pong | `Pong` | |
/// | close, before ours was taken | `Close` | a close with the same body (section 5.5.1) |
/// | close, after ours | `Close` | |
/// | a frame or text that breaks a rule | `Violation` | a close with the violation's code, unless ours was taken |
/// | anything after `Close` or `Violation` | `NeedMore`; the bytes are dropped | |
///
/// Memory is bounded: beside the reader's 130 bytes there are at most one pong and one close frame, however fast a peer
/// pings and however slowly it reads.
#[derive(Debug)]
pub struct WebSocket {
    reader: Reader,
    sender: Sender,
    text: Text,
    /// The last byte of a message was handed out and its `MessageEnd` was not.
    message_ended: bool,
    /// The peer's close or a violation was handed out: no later byte counts.
    input_over: bool,
    /// Frames that wait to be taken, without a mask.
    pong: Option<Box<ControlFrame>>,
    close: Option<Box<ControlFrame>>,
    close_received: Option<u16>,
    close_sent: Option<u16>,
    last_received: Duration,
    closing_since: Option<Duration>,
}

/// UTF-8 of the message that is being received.
#[derive(Clone, Copy, Debug)]
enum Text {
    Unchecked,
    Binary,
    Checked(utf8::Checker),
}

/// The next event in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// The header of a data frame.
    Frame(Header),
    /// Payload of that frame, unmasked, at least one byte. Text is valid UTF-8 so far; a character may be cut in two.
    Payload(&'b mut [u8]),
    /// The message is complete. A text message is valid UTF-8.
    MessageEnd,
    /// A ping and its payload. The pong waits in [`WebSocket::take_control`].
    Ping(&'b [u8]),
    /// A pong and its payload.
    Pong(&'b [u8]),
    /// The peer's close frame: its code, if it has one, and its reason.
    Close {
        /// The close code.
        code: Option<u16>,
        /// The reason, which may be empty.
        reason: &'b str,
    },
    /// The peer broke a rule. The cut of the bytes decides how much of a text before a bad character was handed out. A
    /// close frame waits in [`WebSocket::take_control`], then the connection must end.
    Violation(Violation),
    /// All bytes are used.
    NeedMore,
}

/// Limits on the time that an end waits for its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Time from the last receive to [`Expired::Idle`]; `None` for no limit.
    pub idle: Option<Duration>,
    /// Time from the start of the closing handshake to [`Expired::Close`].
    pub close: Duration,
}

/// A deadline that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// The peer sent nothing for too long.
    Idle,
    /// The peer did not finish the closing handshake in time.
    Close,
}

impl WebSocket {
    /// The server's end: its frames are not masked, the peer's are.
    #[must_use]
    pub fn server(now: Duration) -> Self {
        Self::new(Sender::Server, Sender::Client, now)
    }

    /// The client's end: its frames are masked, the peer's are not.
    #[must_use]
    pub fn client(now: Duration) -> Self {
        Self::new(Sender::Client, Sender::Server, now)
    }

    fn new(sender: Sender, peer: Sender, now: Duration) -> Self {
        Self {
            reader: Reader::new(peer, Reserved::None),
            sender,
            text: Text::Binary,
            message_ended: false,
            input_over: false,
            pong: None,
            close: None,
            close_received: None,
            close_sent: None,
            last_received: now,
            closing_since: None,
        }
    }

    /// Accepts text that is not UTF-8: for an owner that compares each payload with the one it expects.
    pub fn skip_text_check(&mut self) {
        self.text = Text::Unchecked;
    }

    /// Keeps the bytes that came directly after the opening handshake for the first [`restore`](Self::restore).
    pub fn keep(&mut self, early: &[u8]) {
        self.reader.keep(early);
    }

    /// Copies the bytes that the last receive left over to the start of `buffer` and returns how many they are. New
    /// bytes must follow them.
    #[inline]
    pub fn restore(&self, buffer: &mut [u8]) -> usize {
        self.reader.restore(buffer)
    }

    /// Notes that the peer sent something: the idle time starts again.
    #[inline]
    pub fn received(&mut self, now: Duration) {
        self.last_received = now;
    }

    /// Uses the bytes at `at` for one event and moves `at` after them.
    ///
    /// `limits` may differ from call to call; each frame and message is judged when its header comes.
    #[inline]
    pub fn next<'b>(&mut self, buffer: &'b mut [u8], at: &mut usize, limits: &FrameLimits) -> Event<'b> {
        if std::mem::take(&mut self.message_ended) {
            return Event::MessageEnd;
        }
        if self.input_over {
            *at = buffer.len();
            self.reader.keep(&[]);
            return Event::NeedMore;
        }
        match self.reader.next(buffer, at, limits) {
            Piece::NeedMore => Event::NeedMore,
            Piece::Violation(violation) => self.violated(violation),
            Piece::Frame(header) => {
                self.begin(header.opcode);
                match self.check(&[]) {
                    Ok(()) => Event::Frame(header),
                    Err(violation) => self.violated(violation),
                }
            }
            Piece::Payload(payload) => match self.check(payload) {
                Ok(()) => Event::Payload(payload),
                Err(violation) => self.violated(violation),
            },
            Piece::Control { opcode: Opcode::Ping, payload, .. } => {
                if self.close_sent.is_none() {
                    self.pong = Some(Box::new(ControlFrame::new(Opcode::Pong, payload, None)));
                }
                Event::Ping(payload)
            }
            Piece::Control { opcode: Opcode::Close, close_code, payload } => self.closed(close_code, payload),
            Piece::Control { payload, .. } => Event::Pong(payload),
        }
    }

    #[inline]
    fn begin(&mut self, opcode: Opcode) {
        match (self.text, opcode) {
            (Text::Unchecked, _) => {}
            (_, Opcode::Text) => self.text = Text::Checked(utf8::Checker::default()),
            (_, Opcode::Binary) => self.text = Text::Binary,
            _ => {}
        }
    }

    /// Checks a part of a message. An empty last frame ends a text too, so a header counts as an empty part.
    #[inline]
    fn check(&mut self, part: &[u8]) -> Result<(), Violation> {
        self.message_ended = self.reader.is_message_whole();
        let Text::Checked(text) = &mut self.text else { return Ok(()) };
        if text.push(part) && (!self.message_ended || text.is_complete()) {
            return Ok(());
        }
        Err(Violation::NotUtf8)
    }

    fn closed<'b>(&mut self, code: Option<u16>, body: &'b [u8]) -> Event<'b> {
        let Ok(reason) = std::str::from_utf8(body.get(2..).unwrap_or_default()) else {
            return self.violated(Violation::NotUtf8);
        };
        self.end_input(ControlFrame::new(Opcode::Close, body, None));
        self.close_received = Some(code.unwrap_or(close::NO_STATUS));
        Event::Close { code, reason }
    }

    fn violated<'b>(&mut self, violation: Violation) -> Event<'b> {
        self.end_input(ControlFrame::close(violation.close_code(), violation.code(), None));
        Event::Violation(violation)
    }

    fn end_input(&mut self, close: ControlFrame) {
        self.input_over = true;
        self.message_ended = false;
        if self.close_sent.is_none() {
            self.close = Some(Box::new(close));
        }
        self.closing_since.get_or_insert(self.last_received);
    }

    /// Starts the closing handshake. A later call, and one after the peer's close, changes nothing.
    ///
    /// A reason above 123 bytes is cut between two characters. The peer's frames are handed out until its close comes.
    pub fn close(&mut self, code: u16, reason: &str, now: Duration) {
        if !self.is_closing() {
            self.close = Some(Box::new(ControlFrame::close(code, reason, None)));
            self.closing_since = Some(now);
        }
    }

    /// Takes a control frame that is due: first the pong, then the close. `key` gives a fresh masking key and is called
    /// on the client's end only. Nothing is due after a close.
    #[inline]
    pub fn take_control(&mut self, key: impl FnOnce() -> Key) -> Option<ControlFrame> {
        let frame = match self.pong.take() {
            Some(pong) => pong,
            None => {
                let close = self.close.take()?;
                self.close_sent = Some(close.close_code().unwrap_or(close::NO_STATUS));
                close
            }
        };
        Some(match self.sender {
            Sender::Client => frame.masked(key()),
            Sender::Server => *frame,
        })
    }

    /// `true` if [`take_control`](Self::take_control) has a frame.
    #[must_use]
    pub fn is_control_due(&self) -> bool {
        self.pong.is_some() || self.close.is_some()
    }

    /// Appends a whole message to `out`, in one frame. `key` as for [`take_control`](Self::take_control).
    ///
    /// After [`close_sent`](Self::close_sent) is known no message may follow (RFC 6455 section 5.5.1).
    pub fn write_message(&self, opcode: Opcode, payload: &[u8], key: impl FnOnce() -> Key, out: &mut Vec<u8>) {
        debug_assert!(matches!(opcode, Opcode::Text | Opcode::Binary) && self.close_sent.is_none());
        let key = (self.sender == Sender::Client).then(key);
        out.reserve(payload.len().saturating_add(frame::MAX_HEADER_BYTES));
        frame::write_header(opcode, true, 0, payload.len() as u64, key, out);
        let start = out.len();
        out.extend_from_slice(payload);
        if let (Some(key), Some(payload)) = (key, out.get_mut(start..)) {
            mask::apply(payload, key, 0);
        }
    }

    /// The next moment at which [`expired`](Self::expired) has an answer.
    #[must_use]
    pub fn next_deadline(&self, timeouts: &Timeouts) -> Option<Duration> {
        let close = self.closing_since.map(|since| since.saturating_add(timeouts.close));
        let idle = timeouts.idle.map(|idle| self.last_received.saturating_add(idle));
        close.into_iter().chain(idle).min()
    }

    /// The deadline that has passed by `now`. The connection must then end, without further frames.
    #[must_use]
    pub fn expired(&self, now: Duration, timeouts: &Timeouts) -> Option<Expired> {
        let has_passed = |since: Duration, wait: Duration| now >= since.saturating_add(wait);
        if self.closing_since.is_some_and(|since| has_passed(since, timeouts.close)) {
            return Some(Expired::Close);
        }
        timeouts.idle.filter(|idle| has_passed(self.last_received, *idle)).map(|_| Expired::Idle)
    }

    /// `true` once the closing handshake has begun, on either side.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing_since.is_some()
    }

    /// `true` once no later byte of the peer counts: its close came, or it broke a rule.
    #[must_use]
    pub fn is_input_over(&self) -> bool {
        self.input_over
    }

    /// The code of the peer's close frame; 1005 for one without.
    #[must_use]
    pub fn close_received(&self) -> Option<u16> {
        self.close_received
    }

    /// The code of the close frame that was taken from [`take_control`](Self::take_control); 1005 for one without.
    #[must_use]
    pub fn close_sent(&self) -> Option<u16> {
        self.close_sent
    }

    /// `true` if the bytes used so far end between two frames.
    #[inline]
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.reader.at_boundary()
    }

    /// `true` if the bytes used so far end between two messages.
    #[must_use]
    pub fn between_messages(&self) -> bool {
        self.reader.between_messages()
    }

    /// Data messages whose last frame has begun.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.reader.messages()
    }
}
