//! An open WebSocket of `ringway ws`: lines out, frames in, in one task.

use std::future::{Future, poll_fn};
use std::io::{self, BufRead, Write};
use std::pin::Pin;
use std::task::Poll;

use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep, timeout};

use super::link::Link;
use super::{PATIENCE, fresh_mask};
use crate::proto::frame::{self, ControlFrame, Opcode, Reserved, Sender};
use crate::proto::reader::{self as frames, Piece};
use crate::proto::scan::FrameLimits;
use crate::proto::{Violation, close, mask};

/// Messages longer than this are refused: they are to be read by a person.
const MAX_MESSAGE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes one receive can bring: more than what can come behind a head, or be left over.
const BUFFER_BYTES: usize = 64 * 1024;
const FRAMES: FrameLimits = FrameLimits { max_frame_bytes: MAX_MESSAGE_BYTES, max_message_bytes: MAX_MESSAGE_BYTES };

/// How it ended.
pub(super) enum Heard {
    /// The server closed, with this code.
    Close(Option<u16>),
    /// The connection ended without a close frame.
    End,
    /// We closed, and the server did not answer.
    Silence,
    Violation(Violation),
}

/// What has happened.
enum Event {
    /// So many bytes; none are the server's end.
    Received(usize),
    /// A line to send; `None` at the end of the input.
    Line(Option<Vec<u8>>),
    TimedOut,
}

pub(super) struct Talk {
    link: Link,
    reader: frames::Reader,
    kind: Opcode,
    message: Vec<u8>,
    /// A pong that waits for the server to read what was sent before. Only the last ping is owed one (RFC 6455 section
    /// 5.5.3), so that a server that does not read cannot fill the memory.
    pong: Option<ControlFrame>,
    /// Once we have closed.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Talk {
    /// `early` is what came behind the server's head.
    pub(super) fn new(link: Link, early: &[u8]) -> Self {
        let mut reader = frames::Reader::new(Sender::Server, Reserved::None);
        reader.keep(early);
        Self { link, reader, kind: Opcode::Text, message: Vec::new(), pong: None, deadline: None }
    }

    /// Talks until it ends.
    ///
    /// # Errors
    /// The connection broke, or standard output did.
    pub(super) async fn run(mut self) -> io::Result<Heard> {
        let mut lines = lines();
        let mut buffer = vec![0; BUFFER_BYTES];
        // What came behind the server's head, if anything did, is there to be read before more is received.
        let mut end = self.reader.restore(&mut buffer);
        loop {
            if let Some(heard) = self.read(buffer.get_mut(..end).unwrap_or_default())? {
                self.take_leave().await;
                return Ok(heard);
            }
            let start = self.reader.restore(&mut buffer);
            end = loop {
                match self.next(buffer.get_mut(start..).unwrap_or_default(), &mut lines).await? {
                    Event::Received(0) => return Ok(Heard::End),
                    Event::Received(n) => break start.saturating_add(n),
                    Event::Line(Some(payload)) => self.say(payload)?,
                    Event::Line(None) => {
                        self.link.send(ControlFrame::close(close::NORMAL, "", Some(fresh_mask()?)).as_bytes())?;
                        // From here on the server may take only so long.
                        self.deadline = Some(Box::pin(sleep(PATIENCE)));
                    }
                    Event::TimedOut => return Ok(Heard::Silence),
                }
            };
        }
    }

    /// What happens next. What was sent goes meanwhile, and no line is taken before all of it is gone.
    async fn next(&mut self, into: &mut [u8], lines: &mut mpsc::Receiver<Vec<u8>>) -> io::Result<Event> {
        poll_fn(|cx| {
            // What came is heard first: a server that has closed takes nothing more of what we send.
            if let Poll::Ready(received) = self.link.poll_recv(cx, into) {
                return Poll::Ready(received.map(Event::Received));
            }
            let mut is_gone = self.link.poll_flush(cx)?.is_ready();
            if is_gone && let Some(pong) = self.pong.take() {
                self.link.send(pong.as_bytes())?;
                is_gone = self.link.poll_flush(cx)?.is_ready();
            }
            match &mut self.deadline {
                Some(deadline) => deadline.as_mut().poll(cx).map(|()| Ok(Event::TimedOut)),
                None if is_gone => lines.poll_recv(cx).map(|line| Ok(Event::Line(line))),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn say(&mut self, mut payload: Vec<u8>) -> io::Result<()> {
        let key = fresh_mask()?;
        let mut frame = Vec::with_capacity(payload.len() + frame::MAX_HEADER_BYTES);
        frame::write_header(Opcode::Text, true, 0, payload.len() as u64, Some(key), &mut frame);
        mask::apply(&mut payload, key, 0);
        frame.extend(payload);
        self.link.send(&frame)
    }

    /// Sends what is still to go. The server may be gone already.
    async fn take_leave(&mut self) {
        self.link.finish();
        let _ = timeout(PATIENCE, poll_fn(|cx| self.link.poll_flush(cx))).await;
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<Option<Heard>> {
        let mut at = 0;
        loop {
            match self.reader.next(bytes, &mut at, &FRAMES) {
                Piece::NeedMore => return Ok(None),
                Piece::Violation(violation) => {
                    let frame = ControlFrame::close(violation.close_code(), violation.code(), Some(fresh_mask()?));
                    self.link.send(frame.as_bytes())?;
                    return Ok(Some(Heard::Violation(violation)));
                }
                Piece::Control { opcode: Opcode::Close, close_code, payload } => {
                    // The code comes back, if it is not the answer to ours; the reason is the server's own, and may be
                    // anything.
                    if self.deadline.is_none() {
                        let payload = payload.get(..2).unwrap_or_default();
                        let frame = ControlFrame::new(Opcode::Close, payload, Some(fresh_mask()?));
                        self.link.send(frame.as_bytes())?;
                    }
                    return Ok(Some(Heard::Close(close_code)));
                }
                Piece::Control { opcode: Opcode::Ping, payload, .. } => {
                    self.pong = Some(ControlFrame::new(Opcode::Pong, payload, Some(fresh_mask()?)));
                }
                Piece::Control { .. } => {}
                Piece::Frame(header) => {
                    if header.opcode != Opcode::Continuation {
                        self.kind = header.opcode;
                    }
                    self.show_if_whole()?;
                }
                Piece::Payload(payload) => {
                    self.message.extend_from_slice(payload);
                    self.show_if_whole()?;
                }
            }
        }
    }

    /// A text message as it is, on a line; of any other, how long it is.
    fn show_if_whole(&mut self) -> io::Result<()> {
        if !self.reader.is_message_whole() {
            return Ok(());
        }
        let message = std::mem::take(&mut self.message);
        let mut out = io::stdout().lock();
        match std::str::from_utf8(&message) {
            Ok(text) if self.kind == Opcode::Text => writeln!(out, "{text}")?,
            _ => writeln!(out, "({} bytes)", message.len())?,
        }
        out.flush()
    }
}

/// The lines of standard input, read by a thread of their own: nothing else can wait for a terminal.
fn lines() -> mpsc::Receiver<Vec<u8>> {
    let (line, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for text in io::stdin().lock().lines() {
            // What is not text ends it as its end does.
            let Ok(text) = text else { return };
            if line.blocking_send(text.into_bytes()).is_err() {
                return;
            }
        }
    });
    lines
}
