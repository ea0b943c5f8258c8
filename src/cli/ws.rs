//! `ringway ws`: a WebSocket from the terminal. A line of standard input is a text message; a message that comes is a
//! line of standard output. Two threads and blocking sockets: a person types at one end.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::mpsc::{RecvError, channel};
use std::time::Duration;

use super::Failure;
use crate::config::units;
use crate::proto::accept::{accept_for, key_from};
use crate::proto::forward::{ClientRequest, write_client_request};
use crate::proto::frame::{self, ControlFrame, Opcode, Reserved, Sender};
use crate::proto::head::{self, HeadLimits};
use crate::proto::reader::{self as frames, Piece};
use crate::proto::response::{Expected, Response};
use crate::proto::scan::FrameLimits;
use crate::proto::{Violation, close, mask};
use crate::routing::target::{self, Target};

/// How long the server may take to connect, to answer the handshake, and to answer a close.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages longer than this are refused: they are to be read by a person.
const MAX_MESSAGE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes one receive can bring: more than what can come behind a head, or be left over.
const BUFFER_BYTES: usize = 64 * 1024;
const FRAMES: FrameLimits = FrameLimits { max_frame_bytes: MAX_MESSAGE_BYTES, max_message_bytes: MAX_MESSAGE_BYTES };
const HEAD: HeadLimits = HeadLimits { max_bytes: 32 * 1024, max_lines: 128 };

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Where to connect: ws://host[:port]/path?query
    url: String,
    /// A header to send, as `Name: value`; may be repeated
    #[arg(long, short = 'H', value_name = "HEADER", value_parser = units::header)]
    header: Vec<(String, String)>,
    /// A subprotocol to offer; may be repeated
    #[arg(long, value_name = "NAME")]
    subprotocol: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let (target, path) =
        target::client_url(&args.url).map_err(|error| Failure::Configuration(format!("{}: {error}", args.url)))?;
    if target.tls {
        return Err(Failure::Configuration(format!("{}: TLS is not spoken yet; use ws:// or http://", args.url)));
    }
    let mut stream = connect(&target)?;
    let early = shake_hands(&mut stream, &target, &path, args)?;
    if io::stdin().is_terminal() {
        let _ = writeln!(io::stderr(), "connected to {}; a line is a message, Ctrl-D closes", args.url);
    }
    converse(&stream, &early)
}

fn connect(target: &Target) -> Result<TcpStream, Failure> {
    use std::net::ToSocketAddrs;
    let failed = |error: io::Error| Failure::Failed(format!("{target}: {error}"));
    let mut last = io::Error::other("the name has no address");
    for address in (target.host.as_str(), target.port).to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

/// Gives back what came behind the server's head.
fn shake_hands(stream: &mut TcpStream, target: &Target, path: &str, args: &Args) -> Result<Vec<u8>, Failure> {
    let mut nonce = [0; 16];
    random(&mut nonce)?;
    let key = key_from(nonce);
    let mut request = Vec::new();
    let asked = ClientRequest {
        host: &target.authority,
        path_and_query: path,
        key: &key,
        protocols: &args.subprotocol,
        headers: &args.header,
    };
    write_client_request(&asked, &mut request);
    stream.write_all(&request)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = Vec::new();
    let end = loop {
        let seen = bytes.len();
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            return Err(Failure::Failed("the server closed the connection before it answered".to_owned()));
        }
        bytes.extend(chunk.iter().take(n));
        match head::find_end(&bytes, seen, &HEAD) {
            Ok(Some(end)) => break end,
            Ok(None) => {}
            Err(_) => return Err(Failure::Failed("the server's answer is too long".to_owned())),
        }
    };
    let early = bytes.split_off(end);
    let refused = |refusal: crate::proto::refusal::Refusal| Failure::Failed(refusal.detail.to_owned());
    let response = Response::parse(&bytes, &HEAD).map_err(refused)?;
    if response.status != 101 {
        return Err(Failure::Failed(declined(response.status, early, stream)));
    }
    response.verify(&Expected::without_extensions(accept_for(&key), &args.subprotocol)).map_err(refused)?;
    stream.set_read_timeout(None)?;
    Ok(early)
}

fn declined(status: u16, mut body: Vec<u8>, stream: &mut TcpStream) -> String {
    // What does not come in time, or beyond a screenful, is not waited for.
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let _ = stream.take(4096).read_to_end(&mut body);
    let body: String = String::from_utf8_lossy(&body).chars().filter(|c| !c.is_control() || *c == '\n').collect();
    format!("the server answered {status}\n{body}").trim_end().to_owned()
}

/// What the thread that reads the socket has to say.
enum Heard {
    /// The server closed, with this code.
    Close(Option<u16>),
    /// The connection ended without a close frame.
    End,
    Violation(Violation),
}

fn converse(stream: &TcpStream, early: &[u8]) -> Result<ExitCode, Failure> {
    let (heard, hears) = channel();
    let reader = Reader::new(stream.try_clone()?, early);
    std::thread::spawn(move || {
        let _ = heard.send(reader.run().unwrap_or(Heard::End));
    });
    let mut writer = stream.try_clone()?;
    std::thread::spawn(move || {
        // A failed write means that the connection is gone, and the reader says so.
        let _ = send_lines(&mut writer).and_then(|()| {
            let frame = ControlFrame::close(close::NORMAL, "", Some(fresh_mask()?));
            writer.write_all(frame.as_bytes())?;
            // From here on the server may take only so long.
            writer.set_read_timeout(Some(PATIENCE))
        });
    });
    match hears.recv() {
        Ok(Heard::Close(code)) => {
            let code_shown = code.map_or_else(|| "without a code".to_owned(), |code| format!("with code {code}"));
            if code == Some(close::NORMAL) || code.is_none() {
                return Ok(ExitCode::SUCCESS);
            }
            Err(Failure::Failed(format!("the server closed {code_shown}")))
        }
        Ok(Heard::Violation(violation)) => Err(Failure::Failed(format!("the server broke the protocol: {violation}"))),
        Ok(Heard::End) | Err(RecvError) => {
            Err(Failure::Failed("the connection ended without a close frame".to_owned()))
        }
    }
}

fn send_lines(writer: &mut TcpStream) -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let mut payload = line?.into_bytes();
        let key = fresh_mask()?;
        let mut frame = Vec::with_capacity(payload.len() + frame::MAX_HEADER_BYTES);
        frame::write_header(Opcode::Text, true, 0, payload.len() as u64, Some(key), &mut frame);
        mask::apply(&mut payload, key, 0);
        frame.extend(payload);
        writer.write_all(&frame)?;
    }
    Ok(())
}

/// The end that listens: frames in, lines out.
struct Reader {
    stream: TcpStream,
    reader: frames::Reader,
    kind: Opcode,
    message: Vec<u8>,
}

impl Reader {
    fn new(stream: TcpStream, early: &[u8]) -> Self {
        let mut reader = frames::Reader::new(Sender::Server, Reserved::None);
        reader.keep(early);
        Self { stream, reader, kind: Opcode::Text, message: Vec::new() }
    }

    fn run(mut self) -> io::Result<Heard> {
        let mut buffer = vec![0; BUFFER_BYTES];
        // What came behind the server's head, if anything did, is there to be read before more is received.
        let mut end = self.reader.restore(&mut buffer);
        loop {
            if let Some(heard) = self.read(buffer.get_mut(..end).unwrap_or_default())? {
                return Ok(heard);
            }
            let start = self.reader.restore(&mut buffer);
            let n = self.stream.read(buffer.get_mut(start..).unwrap_or_default())?;
            if n == 0 {
                return Ok(Heard::End);
            }
            end = start + n;
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<Option<Heard>> {
        let mut at = 0;
        loop {
            match self.reader.next(bytes, &mut at, &FRAMES) {
                Piece::NeedMore => return Ok(None),
                Piece::Violation(violation) => {
                    let frame = ControlFrame::close(violation.close_code(), violation.code(), Some(fresh_mask()?));
                    // The server may be gone already.
                    let _ = self.stream.write_all(frame.as_bytes());
                    return Ok(Some(Heard::Violation(violation)));
                }
                Piece::Control { opcode: Opcode::Close, close_code, payload } => {
                    // The code comes back; the reason is the server's own, and may be anything.
                    let payload = payload.get(..2).unwrap_or_default();
                    let frame = ControlFrame::new(Opcode::Close, payload, Some(fresh_mask()?));
                    // It may have closed its connection without waiting.
                    let _ = self.stream.write_all(frame.as_bytes());
                    return Ok(Some(Heard::Close(close_code)));
                }
                Piece::Control { opcode: Opcode::Ping, payload, .. } => {
                    let frame = ControlFrame::new(Opcode::Pong, payload, Some(fresh_mask()?));
                    self.stream.write_all(frame.as_bytes())?;
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

fn fresh_mask() -> io::Result<mask::Key> {
    let mut key = [0; 4];
    random(&mut key)?;
    Ok(key)
}

fn random(into: &mut [u8]) -> io::Result<()> {
    getrandom::fill(into).map_err(|error| io::Error::other(error.to_string()))
}
