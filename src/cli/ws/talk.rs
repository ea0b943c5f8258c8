//! An open WebSocket of `ringway ws`: each line of standard input goes out as a message, each message that comes is written to
//! standard output.

use std::future::poll_fn;
use std::io::{self, BufRead, IsTerminal, Write};
use std::task::Poll;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::PATIENCE;
use super::link::Link;
use super::show::{Mode, Shown};
use crate::control::http::websocket::{Bounds, Incoming, WebSocketStream};
use crate::proto::frame::Opcode;
use crate::proto::terminated::Timeouts;
use crate::proto::{Violation, close};

/// A longer message is refused: a person is to read it.
const BOUNDS: Bounds =
    Bounds { max_message_bytes: 16 * 1024 * 1024, timeouts: Timeouts { idle: None, close: PATIENCE } };

/// The end of a connection.
pub(super) enum Heard {
    /// The server closed, with this code and reason.
    Close(Option<u16>, String),
    /// The connection ended without a close frame.
    End,
    /// We closed, and the server did not answer.
    Silence,
    Violation(Violation),
    /// A line of the input, by its number, is no text.
    NotText(u64),
    /// Nobody reads standard output any more.
    NoReader,
}

enum Event {
    Incoming(Incoming),
    /// A line to send; `None` at the end of the input.
    Line(Option<Vec<u8>>),
}

/// Talks until the connection ends. `early` came after the server's head.
///
/// # Errors
/// The connection broke, or standard output did.
pub(super) async fn run(link: Link, early: &[u8], mode: Mode) -> io::Result<Heard> {
    let mut lines = lines();
    let mut socket = WebSocketStream::client(link, early, BOUNDS);
    let shown = Shown { mode, is_terminal: io::stdout().is_terminal() };
    let mut sent: u64 = 0;
    // What ended the talk on our side, once it has.
    let mut ours = None;
    loop {
        match next(&mut socket, &mut lines).await? {
            Event::Incoming(Incoming::Text(text)) if ours.is_none() => {
                ours = written(&shown.text(&text), &mut socket)?;
            }
            Event::Incoming(Incoming::Binary(bytes)) if ours.is_none() => {
                ours = written(&shown.binary(&bytes), &mut socket)?;
            }
            Event::Incoming(Incoming::Text(_) | Incoming::Binary(_)) => {}
            Event::Incoming(Incoming::Close(code, reason)) => {
                leave(&mut socket).await;
                return Ok(ours.unwrap_or(Heard::Close(code, reason)));
            }
            Event::Incoming(Incoming::Violation(violation)) => {
                leave(&mut socket).await;
                return Ok(ours.unwrap_or(Heard::Violation(violation)));
            }
            Event::Incoming(Incoming::End) => return Ok(ours.unwrap_or(Heard::End)),
            Event::Incoming(Incoming::Expired(_)) => return Ok(ours.unwrap_or(Heard::Silence)),
            Event::Line(Some(payload)) => {
                sent = sent.saturating_add(1);
                match mode {
                    Mode::Binary => socket.queue(Opcode::Binary, &payload)?,
                    Mode::Text if std::str::from_utf8(&payload).is_ok() => socket.queue(Opcode::Text, &payload)?,
                    Mode::Text => {
                        ours = Some(Heard::NotText(sent));
                        socket.close(close::NORMAL, "");
                    }
                }
            }
            Event::Line(None) => socket.close(close::NORMAL, ""),
        }
    }
}

/// Writes a message to standard output. Without a reader, which is no failure, the connection is closed.
fn written(message: &[u8], socket: &mut WebSocketStream<Link>) -> io::Result<Option<Heard>> {
    let mut out = io::stdout().lock();
    match out.write_all(message).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            socket.close(close::NORMAL, "");
            Ok(Some(Heard::NoReader))
        }
        result => result.map(|()| None),
    }
}

/// Waits for a message or a line. No line is taken before the last one is gone: a server that does not read stops the
/// input, and not the memory.
async fn next(socket: &mut WebSocketStream<Link>, lines: &mut mpsc::Receiver<Vec<u8>>) -> io::Result<Event> {
    poll_fn(|cx| {
        if let Poll::Ready(incoming) = socket.poll_next(cx) {
            return Poll::Ready(incoming.map(Event::Incoming));
        }
        if socket.is_flushed() && !socket.is_closing() {
            return lines.poll_recv(cx).map(|line| Ok(Event::Line(line)));
        }
        Poll::Pending
    })
    .await
}

/// Sends the close frame that is due. The server may be gone already.
async fn leave(socket: &mut WebSocketStream<Link>) {
    let _ = timeout(PATIENCE, socket.shutdown()).await;
}

/// The lines of standard input, read by a thread of their own: nothing else can wait for a terminal.
fn lines() -> mpsc::Receiver<Vec<u8>> {
    let (line, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut bytes = Vec::new();
            // Input that cannot be read ends the connection, as the end of the input does.
            if !matches!(input.read_until(b'\n', &mut bytes), Ok(1..)) {
                return;
            }
            for end in [b'\n', b'\r'] {
                if bytes.last() == Some(&end) {
                    bytes.pop();
                }
            }
            if line.blocking_send(bytes).is_err() {
                return;
            }
        }
    });
    lines
}
