//! The client's half of the opening handshake, as a server reads it (RFC 6455 section 4.2.1, RFC 9112).
//!
//! [`Request::parse`] turns a whole head into values, or names the first rule that it breaks. [`super::forward`] writes
//! the upstream's request from these values alone.

use std::borrow::Cow;

use httparse::Header;

use super::accept::Accept;
use super::authority::Authority;
use super::extension::Element;
use super::head::{self, HeadError, HeadLimits};
use super::refusal::Refusal;
use super::{accept, extension, whole_head};
use crate::invariant::Invariant;

/// A valid handshake, borrowed from its head.
#[derive(Debug)]
pub struct Request<'a> {
    /// Path and query, beginning with `/`.
    pub path_and_query: &'a str,
    /// The host the client asked for, with its port if it gave one.
    pub host: Authority<'a>,
    /// The client's key; `None` if it sent none, which the RFC does not allow: the caller refuses it
    /// ([`Refusal::KEY_MISSING`]) unless an option says otherwise.
    pub key: Option<&'a [u8]>,
    /// Subprotocols in the client's order.
    pub protocols: Vec<&'a [u8]>,
    /// Names of the extensions offered.
    pub extensions: Vec<&'a [u8]>,
    /// The end-to-end headers, in order: all but the hop-by-hop ones, `Host`, and those of the handshake itself. Lists of
    /// subprotocols and extensions are as the client sent them, unless they hold something that no upstream could use.
    pub end_to_end: Vec<(&'a str, Cow<'a, [u8]>)>,
}

impl<'a> Request<'a> {
    /// Reads a whole head, which ends with its empty line.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn parse(head: &'a [u8], limits: &HeadLimits) -> Result<Self, Refusal> {
        let head = head::without_empty_line(head);
        let mut lines = whole_head::NO_LINES;
        let parsed = whole_head::request(head, limits, &mut lines)?;
        if parsed.version != Some(1) {
            return Err(Refusal::HTTP_VERSION);
        }
        if parsed.method != Some("GET") {
            return Err(Refusal::METHOD);
        }
        let (path_and_query, authority) = target(parsed.path.expected_or_default())?;
        let mut host = None;
        let mut fields = Fields::default();
        let lines: &[Header<'a>] = parsed.headers;
        if head::names_too_many_connections(lines) {
            return Err(Refusal::CONNECTION_INVALID);
        }
        for line in lines {
            if line.name.eq_ignore_ascii_case("host") {
                once(&mut host, line.value, Refusal::HOST_DUPLICATE)?;
            } else {
                fields.take(line)?;
            }
        }
        let host = host.ok_or(Refusal::HOST_MISSING)?;
        let host =
            std::str::from_utf8(host).ok().and_then(|host| Authority::parse(host).ok()).ok_or(Refusal::HOST_INVALID)?;
        fields.check()?;
        // Headers that Connection names do not reach the upstream, so they offer nothing there.
        let end_to_end = end_to_end(lines, &fields);
        let passed = |names: Names<'a>, header| {
            if head::is_named_by_connection(lines, header) { Vec::new() } else { names.names }
        };
        Ok(Self {
            path_and_query,
            // RFC 9112 section 3.2.2: the target's authority replaces Host.
            host: authority.unwrap_or(host),
            key: fields.key,
            protocols: passed(fields.protocols, PROTOCOL),
            extensions: passed(fields.extensions, EXTENSIONS),
            end_to_end,
        })
    }
}

/// Checks a request whose head an HTTP server has parsed: for listeners where not every request is a handshake. Returns
/// the accept value that the client waits for.
///
/// # Errors
/// The refusal to answer with.
pub fn check_parsed<'a>(method: &str, lines: impl Iterator<Item = Header<'a>>) -> Result<Accept, Refusal> {
    if method != "GET" {
        return Err(Refusal::METHOD);
    }
    let mut fields = Fields::default();
    for line in lines {
        fields.take(&line)?;
    }
    fields.check()?;
    fields.key.map(accept::accept_for).ok_or(Refusal::KEY_MISSING)
}

/// The most subprotocols, and the most extensions, that a client may offer. They are kept until the upstream has
/// answered.
const MAX_NAMES: usize = 64;

const PROTOCOL: &str = "sec-websocket-protocol";
const EXTENSIONS: &str = "sec-websocket-extensions";

/// The names that a list offers, over all its lines.
#[derive(Debug, Default)]
struct Names<'a> {
    names: Vec<&'a [u8]>,
    /// True if the lines hold something that is not passed on: nothing at all, a word twice, or an element without a meaning.
    is_rewritten: bool,
}

/// The values of the handshake's own headers, filled in line by line.
#[derive(Default)]
struct Fields<'a> {
    upgrade: bool,
    connection: bool,
    key: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    protocols: Names<'a>,
    extensions: Names<'a>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, line: &Header<'a>) -> Result<(), Refusal> {
        let (name, value) = (line.name, line.value);
        if name.eq_ignore_ascii_case("upgrade") {
            self.upgrade |= head::has_element(value, b"websocket");
        } else if name.eq_ignore_ascii_case("connection") {
            if !head::elements(value).all(head::is_token) {
                return Err(Refusal::CONNECTION_INVALID);
            }
            self.connection |= head::has_element(value, b"upgrade");
        } else if name.eq_ignore_ascii_case("sec-websocket-key") {
            once(&mut self.key, value, Refusal::KEY_DUPLICATE)?;
        } else if name.eq_ignore_ascii_case("sec-websocket-version") {
            once(&mut self.version, value, Refusal::VERSION_DUPLICATE)?;
        } else if name.eq_ignore_ascii_case("content-length") {
            once(&mut self.length, value, Refusal::LENGTH_INVALID)?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Refusal::TRANSFER_ENCODING);
        } else if name.eq_ignore_ascii_case(PROTOCOL) {
            self.protocols.take_protocols(value)?;
        } else if name.eq_ignore_ascii_case(EXTENSIONS) {
            self.extensions.take_extensions(value)?;
        }
        Ok(())
    }

    /// Checks the values. The most useful refusal comes first: a browser that opens the address must read that it needs
    /// a WebSocket, not that it lacks a key.
    fn check(&self) -> Result<(), Refusal> {
        match self.length {
            None => {}
            Some(digits) if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) => {
                return Err(Refusal::LENGTH_INVALID);
            }
            Some(digits) if digits.iter().any(|digit| *digit != b'0') => return Err(Refusal::BODY),
            Some(_) => {}
        }
        if !self.upgrade {
            return Err(Refusal::UPGRADE_REQUIRED);
        }
        if !self.connection {
            return Err(Refusal::CONNECTION_NOT_UPGRADE);
        }
        if self.version != Some(b"13") {
            return Err(Refusal::VERSION_UNSUPPORTED);
        }
        if self.key.is_none_or(accept::is_key) { Ok(()) } else { Err(Refusal::KEY_INVALID) }
    }
}

impl<'a> Names<'a> {
    /// Takes the subprotocols of a line. A list that names nothing is none (RFC 9110 section 5.6.1.2), and a word that is
    /// named again says nothing new.
    fn take_protocols(&mut self, value: &'a [u8]) -> Result<(), Refusal> {
        let names = extension::protocol_names(value).ok_or(Refusal::PROTOCOL_INVALID)?;
        self.is_rewritten |= names.is_empty();
        for name in names {
            if self.names.contains(&name) {
                self.is_rewritten = true;
            } else if self.names.len() < MAX_NAMES {
                self.names.push(name);
            } else {
                return Err(Refusal::PROTOCOL_INVALID);
            }
        }
        Ok(())
    }

    /// Takes the extensions of a line. An element without a meaning is not offered to the upstream.
    fn take_extensions(&mut self, value: &'a [u8]) -> Result<(), Refusal> {
        let before = self.names.len();
        for element in extension::elements(value) {
            match element {
                Element::Malformed => self.is_rewritten = true,
                Element::Extension { .. } if self.names.len() >= MAX_NAMES => return Err(Refusal::EXTENSIONS_INVALID),
                Element::Extension { name, has_empty_parameters, .. } => {
                    self.is_rewritten |= has_empty_parameters;
                    self.names.push(name);
                }
            }
        }
        self.is_rewritten |= self.names.len() == before;
        Ok(())
    }

    /// The subprotocols as one list; empty if the client's own lines are passed on.
    fn rewritten_protocols(&self) -> Vec<u8> {
        if self.is_rewritten { self.names.join(&b", "[..]) } else { Vec::new() }
    }

    /// The extensions of the lines as one list; empty if the client's own lines are passed on.
    fn rewritten_extensions(&self, lines: &[Header<'_>]) -> Vec<u8> {
        let mut list = Vec::new();
        if self.is_rewritten {
            let lines = lines.iter().filter(|line| line.name.eq_ignore_ascii_case(EXTENSIONS));
            extension::write_extensions(lines.map(|line| line.value), &mut list);
        }
        list
    }
}

fn once<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8], duplicate: Refusal) -> Result<(), Refusal> {
    if place.replace(value).is_some() { Err(duplicate) } else { Ok(()) }
}

fn end_to_end<'a>(lines: &[Header<'a>], fields: &Fields<'_>) -> Vec<(&'a str, Cow<'a, [u8]>)> {
    let mut passed = Vec::with_capacity(lines.len());
    let (mut protocols, mut extensions) =
        (fields.protocols.rewritten_protocols(), fields.extensions.rewritten_extensions(lines));
    for line in lines {
        if is_of_handshake(line.name) || head::is_named_by_connection(lines, line.name) {
            continue;
        }
        // A list that is rewritten stands in the place of its first line.
        let rewritten = if line.name.eq_ignore_ascii_case(PROTOCOL) {
            fields.protocols.is_rewritten.then_some(&mut protocols)
        } else if line.name.eq_ignore_ascii_case(EXTENSIONS) {
            fields.extensions.is_rewritten.then_some(&mut extensions)
        } else {
            None
        };
        match rewritten {
            None => passed.push((line.name, Cow::Borrowed(line.value))),
            Some(list) if list.is_empty() => {}
            Some(list) => passed.push((line.name, Cow::Owned(std::mem::take(list)))),
        }
    }
    passed
}

/// Headers that are rebuilt for the upstream, or that mean nothing there.
const OWN: [&str; 5] = ["host", "content-length", "sec-websocket-key", "sec-websocket-version", "sec-websocket-accept"];

/// True if a header is one of the handshake itself or of this hop alone: an upstream never gets the client's.
#[must_use]
pub fn is_of_handshake(name: &str) -> bool {
    head::is_hop_by_hop(name) || OWN.iter().any(|own| name.eq_ignore_ascii_case(own))
}

fn refusal_for(error: HeadError) -> Refusal {
    match error {
        HeadError::TooLarge => Refusal::HEAD_TOO_LARGE,
        HeadError::TooManyLines => Refusal::HEAD_TOO_MANY_LINES,
        HeadError::Malformed => Refusal::HEAD_MALFORMED,
        HeadError::Version => Refusal::HTTP_VERSION,
    }
}

impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        refusal_for(error)
    }
}

/// Reads a target in origin form, or in absolute form, which every server must accept (RFC 9112 section 3.2.2).
fn target(target: &str) -> Result<(&str, Option<Authority<'_>>), Refusal> {
    let (path, authority) = if target.starts_with('/') {
        (target, None)
    } else {
        let rest = strip_scheme(target).ok_or(Refusal::TARGET_INVALID)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(Refusal::TARGET_INVALID)?;
        let authority = Authority::parse(authority).map_err(|_| Refusal::TARGET_INVALID)?;
        (if path.is_empty() { "/" } else { path }, Some(authority))
    };
    let visible = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if path.starts_with('/') && visible && !has_dot_segment(path) {
        Ok((path, authority))
    } else {
        Err(Refusal::TARGET_INVALID)
    }
}

fn strip_scheme(target: &str) -> Option<&str> {
    ["http://", "https://", "ws://", "wss://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// True if a path has a segment `.` or `..`, percent-encoded or not. With those a client could leave the target's own
/// path. Clients remove them before they send (RFC 3986 section 5.2.4); a client that sends them is probing. Servers
/// that decode before they split take encoded separators for separators, so encoded separators count here, too.
fn has_dot_segment(path_and_query: &str) -> bool {
    const DECODED: [(&str, &str); 4] = [("%2e", "."), ("%2f", "/"), ("%3b", ";"), ("%5c", "\\")];
    let path = path_and_query.split('?').next().expected_or_default();
    let plain: Cow<'_, str> = if path.contains('%') {
        DECODED.iter().fold(path.to_ascii_lowercase(), |path, (encoded, byte)| path.replace(encoded, byte)).into()
    } else {
        path.into()
    };
    // A path parameter does not make a dot segment harmless: servers strip it.
    plain.split(['/', '\\']).any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

#[cfg(test)]
mod tests {
    use super::{HeadLimits, Refusal, Request};

    fn parse(line: &str) -> Result<(), Refusal> {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{line}\r\n\r\n"
        );
        Request::parse(head.as_bytes(), &HeadLimits { max_bytes: 16 * 1024, max_lines: 100 }).map(|_| ())
    }

    #[test]
    fn lists_that_nobody_needs_so_long_are_refused() {
        assert_eq!(parse(&format!("Connection: upgrade{}", ",".repeat(31))), Ok(()));
        assert_eq!(parse(&format!("Connection: upgrade{}", ",".repeat(32))), Err(Refusal::CONNECTION_INVALID));
        let extensions =
            |count| format!("Connection: upgrade\r\nSec-WebSocket-Extensions: {}", vec!["a"; count].join(","));
        assert_eq!(parse(&extensions(64)), Ok(()));
        assert_eq!(parse(&extensions(65)), Err(Refusal::EXTENSIONS_INVALID));
    }
}
