//! `ringway ws`: a WebSocket from the terminal. A line of standard input is a text message; a message that comes is a
//! line of standard output. Two threads and blocking sockets: a person types at one end.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::mpsc::{RecvError, channel};
use std::time::Duration;

use super::Failure;
use crate::proto::accept::{accept_for, key_from};
use crate::proto::forward::{ClientRequest, write_client_request};
use crate::proto::frame::{self, ControlFrame, Opcode, Reserved, Sender};
use crate::proto::head::{self, HeadLimits};
use crate::proto::response::{Expected, Response};
use crate::proto::scan::{Control, FrameLimits, Scanner, Step};
use crate::proto::{Violation, close, mask};
use crate::routing::target::Target;

/// How long the server may take to connect, to answer the handshake, and to answer a close.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages longer than this are refused: they are to be read by a person.
const MAX_MESSAGE_BYTES: u64 = 16 * 1024 * 1024;
const FRAMES: FrameLimits = FrameLimits { max_frame_bytes: MAX_MESSAGE_BYTES, max_message_bytes: MAX_MESSAGE_BYTES };
const HEAD: HeadLimits = HeadLimits { max_bytes: 32 * 1024, max_lines: 128 };

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Where to connect: ws://host[:port]/path?query
    url: String,
    /// A header to send, as `Name: value`; may be repeated
    #[arg(long, short = 'H', value_name = "HEADER", value_parser = header)]
    header: Vec<(String, String)>,
    /// A subprotocol to offer; may be repeated
    #[arg(long, value_name = "NAME")]
    subprotocol: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let (base, query) = args.url.split_once('?').map_or((args.url.as_str(), None), |(base, query)| (base, Some(query)));
    let target: Target = base.parse().map_err(|error| Failure::Configuration(format!("{}: {error}", args.url)))?;
    let mut path = if base.ends_with('/') { format!("{}/", target.base_path) } else { target.base_path.clone() };
    if path.is_empty() {
        path.push('/');
    }
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    let mut stream = connect(&target)?;
    let early = shake_hands(&mut stream, &target, &path, args)?;
    if io::stdin().is_terminal() {
        let _ = writeln!(io::stderr(), "connected to {}; a line is a message, Ctrl-D closes", args.url);
    }
    converse(&stream, early)
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

fn converse(stream: &TcpStream, early: Vec<u8>) -> Result<ExitCode, Failure> {
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
    buffer: Vec<u8>,
    scanner: Scanner,
    kind: Opcode,
    fin: bool,
    message: Vec<u8>,
}

impl Reader {
    fn new(stream: TcpStream, early: Vec<u8>) -> Self {
        let scanner = Scanner::new(Sender::Server, Reserved::None);
        Self { stream, buffer: early, scanner, kind: Opcode::Text, fin: true, message: Vec::new() }
    }

    fn run(mut self) -> io::Result<Heard> {
        loop {
            let used = match self.scanner.step(&self.buffer, &FRAMES) {
                Step::Violation(violation) => {
                    let frame = ControlFrame::close(violation.close_code(), violation.code(), Some(fresh_mask()?));
                    // The server may be gone already.
                    let _ = self.stream.write_all(frame.as_bytes());
                    return Ok(Heard::Violation(violation));
                }
                Step::NeedMore => {
                    if !self.receive()? {
                        return Ok(Heard::End);
                    }
                    continue;
                }
                Step::Control(control) => {
                    if let Some(heard) = self.answer(&control)? {
                        return Ok(heard);
                    }
                    control.frame_len
                }
                Step::Header(header) => {
                    if header.opcode != Opcode::Continuation {
                        self.kind = header.opcode;
                    }
                    self.fin = header.fin;
                    self.show_if_whole()?;
                    usize::from(header.header_len)
                }
                Step::Payload(length) => {
                    self.message.extend(self.buffer.iter().take(length));
                    self.show_if_whole()?;
                    length
                }
            };
            self.buffer.drain(..used);
        }
    }

    fn receive(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let n = self.stream.read(&mut chunk)?;
        self.buffer.extend(chunk.iter().take(n));
        Ok(n > 0)
    }

    fn answer(&mut self, control: &Control) -> io::Result<Option<Heard>> {
        let payload = self.buffer.get(control.header_len..control.frame_len).unwrap_or_default();
        match control.opcode {
            Opcode::Close => {
                // The code comes back; the reason is the server's own, and may be anything.
                let payload = payload.get(..2).unwrap_or_default();
                let frame = ControlFrame::new(Opcode::Close, payload, Some(fresh_mask()?));
                // It may have closed its connection without waiting.
                let _ = self.stream.write_all(frame.as_bytes());
                return Ok(Some(Heard::Close(control.close_code)));
            }
            Opcode::Ping => {
                let frame = ControlFrame::new(Opcode::Pong, payload, Some(fresh_mask()?));
                self.stream.write_all(frame.as_bytes())?;
            }
            _ => {}
        }
        Ok(None)
    }

    /// A text message as it is, on a line; of any other, how long it is.
    fn show_if_whole(&mut self) -> io::Result<()> {
        if !self.fin || !self.scanner.at_boundary() {
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

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("`{text}` is not of the form `Name: value`"))?;
    let value = value.trim();
    if !head::is_token(name.as_bytes()) || value.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(format!("`{name}` is not a header name, or its value holds a control character"));
    }
    Ok((name.to_owned(), value.to_owned()))
}
