//! An open WebSocket of `ringway ws`: each line of standard input goes out as a text message, each message that comes is
//! written to standard output.

use std::future::poll_fn;
use std::io::{self, BufRead, Write};
use std::task::Poll;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::PATIENCE;
use super::link::Link;
use crate::control::http::websocket::{Bounds, Incoming, WebSocketStream};
use crate::proto::frame::Opcode;
use crate::proto::terminated::Timeouts;
use crate::proto::{Violation, close};

/// A longer message is refused: a person is to read it.
const BOUNDS: Bounds =
    Bounds { max_message_bytes: 16 * 1024 * 1024, timeouts: Timeouts { idle: None, close: PATIENCE } };

/// The end of a connection.
pub(super) enum Heard {
    /// The server closed, with this code.
    Close(Option<u16>),
    /// The connection ended without a close frame.
    End,
    /// We closed, and the server did not answer.
    Silence,
    Violation(Violation),
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
pub(super) async fn run(link: Link, early: &[u8]) -> io::Result<Heard> {
    let mut lines = lines();
    let mut socket = WebSocketStream::client(link, early, BOUNDS);
    loop {
        match next(&mut socket, &mut lines).await? {
            Event::Incoming(Incoming::Text(text)) => show(format_args!("{text}"))?,
            Event::Incoming(Incoming::Binary(bytes)) => show(format_args!("({} bytes)", bytes.len()))?,
            Event::Incoming(Incoming::Close(code)) => {
                leave(&mut socket).await;
                return Ok(Heard::Close(code));
            }
            Event::Incoming(Incoming::Violation(violation)) => {
                leave(&mut socket).await;
                return Ok(Heard::Violation(violation));
            }
            Event::Incoming(Incoming::End) => return Ok(Heard::End),
            Event::Incoming(Incoming::Expired(_)) => return Ok(Heard::Silence),
            Event::Line(Some(payload)) => socket.queue(Opcode::Text, &payload)?,
            Event::Line(None) => socket.close(close::NORMAL, ""),
        }
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

fn show(message: std::fmt::Arguments<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{message}")?;
    out.flush()
}

/// The lines of standard input, read by a thread of their own: nothing else can wait for a terminal.
fn lines() -> mpsc::Receiver<Vec<u8>> {
    let (line, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for text in io::stdin().lock().lines() {
            // Input that is not text ends the connection, as the end of the input does.
            let Ok(text) = text else { return };
            if line.blocking_send(text.into_bytes()).is_err() {
                return;
            }
        }
    });
    lines
}
