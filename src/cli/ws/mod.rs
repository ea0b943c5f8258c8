//! `ringway ws`: a WebSocket from the terminal. Each line of standard input is sent as a message; each message that comes is
//! written to standard output ([`show`]). One task polls the socket ([`link`]) and the messages on it ([`talk`]) in both
//! directions, so that neither waits for the other; a thread reads the lines.

mod link;
mod show;
mod talk;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use self::link::Link;
use self::show::Mode;
use self::talk::Heard;
use super::{Failure, output};
use crate::config::units;
use crate::proto::accept::{accept_for, key_from};
use crate::proto::close;
use crate::proto::forward::{ClientRequest, write_client_request};
use crate::proto::head::{self, HeadLimits};
use crate::proto::head_check::{HeadCheck, HeadKind};
use crate::proto::response::{Expected, Response};
use crate::routing::target::{self, Target};
use crate::tls::client::{ClientFiles, ClientTls, Trust, server_name};
use crate::tls::pem::PemFile;

/// The longest wait for the server to connect, to answer the handshake, and to answer a close.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time and the number of bytes for which a refusal's body is read.
const LISTENING: Duration = Duration::from_secs(1);
const MAX_BODY_BYTES: usize = 4096;
/// Bytes of an answer that is not HTTP that a message repeats.
const MAX_SHOWN_BYTES: usize = 64;
const HEAD: HeadLimits = HeadLimits { max_bytes: 32 * 1024, max_lines: 128 };

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// URL to connect to: ws://host[:port]/path?query, or wss:// for TLS
    url: String,
    #[command(flatten)]
    options: Options,
}

/// Options of a connection, to whatever URL.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Options {
    /// Header to send, as `Name: value`; may be repeated. `Host: name` replaces the URL's
    #[arg(long, short = 'H', value_name = "HEADER", value_parser = header)]
    header: Vec<(String, String)>,
    /// Subprotocol to offer; may be repeated
    #[arg(long, value_name = "NAME")]
    subprotocol: Vec<String>,
    /// Send each line as a binary message, and write messages as they come, without line feeds between them
    #[arg(long)]
    binary: bool,
    /// Authorities to trust, in PEM [default: the host's store]
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Accept any certificate from anyone
    #[arg(long, conflicts_with = "tls_ca")]
    tls_insecure_skip_verify: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    open(&args.url, None, &args.options)
}

/// Connects to a URL and talks until it ends. With an address, the connection goes there, and the URL's host says only what is
/// asked for.
pub(super) fn open(url: &str, address: Option<&Target>, options: &Options) -> Result<ExitCode, Failure> {
    let (target, path) = target::client_url(url).map_err(|error| Failure::Configuration(format!("{url}: {error}")))?;
    let tls = options.tls(&target)?;
    let host = options.host()?.unwrap_or(target.authority.as_str());
    let socket = connect(address.unwrap_or(&target))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let socket = TcpStream::from_std(socket)?;
        let mut link = match tls {
            Some((config, name)) => Link::secured(socket, config, name)?,
            None => Link::plain(socket),
        };
        let early = shake_hands(&mut link, (host, &path), &target, options).await?;
        if io::stdin().is_terminal() {
            let _ = writeln!(io::stderr(), "connected to {url}; a line is a message, Ctrl-D closes");
        }
        told(talk::run(link, &early, options.mode()).await?)
    })
}

/// Headers that the opening handshake writes by itself, and the option that sets one, if any does.
const OF_THE_HANDSHAKE: [(&str, &str); 6] = [
    ("connection", ""),
    ("upgrade", ""),
    ("sec-websocket-extensions", ""),
    ("sec-websocket-key", ""),
    ("sec-websocket-protocol", "; --subprotocol offers one"),
    ("sec-websocket-version", ""),
];

/// Reads a header for clap: `Name: value`, and none that the handshake writes by itself.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = units::header(text)?;
    match OF_THE_HANDSHAKE.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)) {
        Some((_, instead)) => Err(format!("the handshake writes `{name}` by itself{instead}")),
        None => Ok((name, value)),
    }
}

impl Options {
    /// True if the line has a key for the server: in this header, in `Authorization`, or as a subprotocol.
    pub(super) fn brings_key(&self, key_header: &str) -> bool {
        let is_for_it =
            |name: &str| [key_header, "authorization", "cookie"].iter().any(|it| name.eq_ignore_ascii_case(it));
        self.header.iter().any(|(name, _)| is_for_it(name))
            || self.subprotocol.iter().any(|name| name.contains("bearer"))
    }

    /// Adds a header.
    pub(super) fn add_header(&mut self, name: String, value: String) {
        self.header.push((name, value));
    }

    /// Offers subprotocols before those of the line.
    pub(super) fn offer_first(&mut self, names: impl IntoIterator<Item = String>) {
        let rest = std::mem::take(&mut self.subprotocol);
        self.subprotocol = names.into_iter().chain(rest).collect();
    }

    fn mode(&self) -> Mode {
        if self.binary { Mode::Binary } else { Mode::Text }
    }

    /// The value of a `Host` header that was given.
    fn host(&self) -> Result<Option<&str>, Failure> {
        let mut hosts = self.header.iter().filter(|(name, _)| is_host(name)).map(|(_, value)| value.as_str());
        match (hosts.next(), hosts.next()) {
            (host, None) => Ok(host),
            _ => Err(Failure::Usage("--header names Host more than once; a request has one".to_owned())),
        }
    }

    /// The headers besides `Host`.
    fn headers(&self) -> Vec<(String, String)> {
        self.header.iter().filter(|(name, _)| !is_host(name)).cloned().collect()
    }

    /// The TLS configuration and the server's name, for a `wss` target.
    fn tls(&self, target: &Target) -> Result<Option<(Arc<ClientConfig>, ServerName<'static>)>, Failure> {
        if !target.tls {
            if self.tls_ca.is_some() || self.tls_insecure_skip_verify {
                let why = "--tls-ca and --tls-insecure-skip-verify are for wss:// and https:// URLs";
                return Err(Failure::Configuration(why.to_owned()));
            }
            return Ok(None);
        }
        let name = server_name(&target.host).map_err(Failure::Configuration)?;
        let trust = match &self.tls_ca {
            _ if self.tls_insecure_skip_verify => Trust::Insecure,
            Some(path) => Trust::Authorities(vec![PemFile::new("--tls-ca", path)]),
            None => Trust::Host,
        };
        let client = ClientTls::load(&ClientFiles { trust, identity: None })
            .map_err(|error| Failure::Configuration(error.to_string()))?;
        if !client.is_verified() {
            let warning =
                "--tls-insecure-skip-verify: the server may be anyone, and anyone on the path reads everything";
            let _ = writeln!(io::stderr(), "ringway: {warning}");
        }
        Ok(Some((client.for_shard_without_resumption(), name)))
    }
}

fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host")
}

fn connect(target: &Target) -> Result<std::net::TcpStream, Failure> {
    use std::net::ToSocketAddrs;
    let failed = |error: io::Error| Failure::Failed(format!("{target}: {error}"));
    let mut last = io::Error::other("the name has no address");
    for address in (target.host.as_str(), target.port).to_socket_addrs().map_err(failed)? {
        match std::net::TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

/// Turns the end of a connection into an exit code or an error message.
fn told(heard: Heard) -> Result<ExitCode, Failure> {
    match heard {
        Heard::Close(Some(close::NORMAL) | None, reason) => {
            if !reason.is_empty() {
                output::note(&format!("the server closed: {}", output::escaped(&reason)));
            }
            Ok(ExitCode::SUCCESS)
        }
        Heard::Close(Some(code), reason) => {
            let colon = if reason.is_empty() { "" } else { ": " };
            let reason = output::escaped(&reason);
            Err(Failure::Failed(format!("the server closed with code {code}{colon}{reason}")))
        }
        Heard::NotText(line) => Err(Failure::Failed(format!(
            "line {line} of the input is not UTF-8, and a text message must be; --binary sends lines as binary messages"
        ))),
        // As with `ringway ws URL | head -1`.
        Heard::NoReader => Ok(ExitCode::SUCCESS),
        Heard::Violation(violation) => Err(Failure::Failed(format!("the server broke the protocol: {violation}"))),
        Heard::End => Err(Failure::Failed("the connection ended without a close frame".to_owned())),
        Heard::Silence => Err(Failure::Failed(format!("the server did not answer our close within {PATIENCE:?}"))),
    }
}

/// Gives back what came behind the server's head.
async fn shake_hands(
    link: &mut Link,
    (host, path): (&str, &str),
    target: &Target,
    options: &Options,
) -> Result<Vec<u8>, Failure> {
    let mut nonce = [0; 16];
    random(&mut nonce)?;
    let key = key_from(nonce);
    let mut request = Vec::new();
    let asked = ClientRequest {
        host,
        path_and_query: path,
        key: &key,
        protocols: &options.subprotocol,
        headers: &options.headers(),
    };
    write_client_request(&asked, &mut request);
    link.write_all(&request).await?;
    let deadline = Instant::now() + PATIENCE;
    let (mut bytes, mut check) = (Vec::new(), HeadCheck::new(HeadKind::Response));
    let end = loop {
        let seen = bytes.len();
        let mut chunk = [0; 4096];
        let received = timeout_at(deadline, link.read(&mut chunk)).await;
        let late = |_| Failure::Failed(format!("{target}: no answer within {PATIENCE:?}"));
        let n = received.map_err(late)?.map_err(|error| Failure::Failed(format!("{target}: {error}")))?;
        if n == 0 {
            return Err(Failure::Failed("the server closed the connection before it answered".to_owned()));
        }
        bytes.extend(chunk.iter().take(n));
        match head::find_end(&bytes, seen, &HEAD) {
            Ok(Some(end)) => break end,
            // A server of another protocol may wait for us: nothing that is still to come makes a head of this.
            Ok(None) => check.advance(&bytes, &HEAD).map_err(|_| not_http(&bytes))?,
            Err(_) => return Err(Failure::Failed("the server's answer is too long".to_owned())),
        }
    };
    let early = bytes.split_off(end);
    let refused = |refusal: crate::proto::refusal::Refusal| Failure::Failed(refusal.detail.to_owned());
    let response = Response::parse(&bytes, &HEAD).map_err(refused)?;
    if response.status != 101 {
        return Err(Failure::Failed(declined(response.status, early, link).await));
    }
    response.verify(&Expected::without_extensions(accept_for(&key), &options.subprotocol)).map_err(refused)?;
    Ok(early)
}

/// The failure of a server that does not speak HTTP, with the start of its first line.
fn not_http(answer: &[u8]) -> Failure {
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let shown = line.get(..MAX_SHOWN_BYTES).unwrap_or(line).escape_ascii();
    Failure::Failed(format!("the server does not speak HTTP/1.1: its answer begins with {shown}"))
}

async fn declined(status: u16, mut body: Vec<u8>, link: &mut Link) -> String {
    // The error shows what came in time, and no more than a screenful.
    let deadline = Instant::now() + LISTENING;
    let mut chunk = [0; MAX_BODY_BYTES];
    while body.len() < MAX_BODY_BYTES
        && let Ok(Ok(n @ 1..)) = timeout_at(deadline, link.read(&mut chunk)).await
    {
        body.extend(chunk.iter().take(n));
    }
    body.truncate(MAX_BODY_BYTES);
    let body: String = String::from_utf8_lossy(&body).chars().filter(|c| !c.is_control() || *c == '\n').collect();
    format!("the server answered {status}\n{body}").trim_end().to_owned()
}

fn random(into: &mut [u8]) -> io::Result<()> {
    getrandom::fill(into).map_err(|error| io::Error::other(error.to_string()))
}
