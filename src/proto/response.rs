//! The upstream's half of the opening handshake, as a client reads it (RFC 6455 section 4.1), and the answer that
//! Ringway writes to its own client from it.
//!
//! A tunnel opens only after [`Response::verify`]: a proxy that forwards bytes before it has verified the upstream's
//! 101 lets requests be smuggled through it.

pub use super::content::BodyLength;
use httparse::Header;

use super::accept::Accept;
use super::extension::{self, Element};
use super::frame::Reserved;
use super::head::{self, HeadError, HeadLimits, write_line};
use super::outward::Outward;
use super::refusal::{self, Refusal};
use super::request::Request;
use super::whole_head;
use crate::invariant::Invariant;

const PROTOCOL: &str = "sec-websocket-protocol";
const EXTENSIONS: &str = "sec-websocket-extensions";

/// The answer that an upstream must give, kept from the request until the response.
#[derive(Debug)]
pub struct Expected {
    accept: Accept,
    is_accept_optional: bool,
    protocols: Vec<Box<[u8]>>,
    extensions: Vec<Box<[u8]>>,
}

/// An answer that no upstream can give.
impl Default for Expected {
    fn default() -> Self {
        Self { accept: [0; 28], is_accept_optional: false, protocols: Vec::new(), extensions: Vec::new() }
    }
}

impl Expected {
    /// The answer to the client's offer, and to the key that was sent to the upstream.
    #[must_use]
    pub fn new(request: &Request<'_>, accept: Accept) -> Self {
        let owned = |names: &[&[u8]]| names.iter().map(|name| Box::from(*name)).collect();
        let (protocols, extensions) = (owned(&request.protocols), owned(&request.extensions));
        Self { accept, is_accept_optional: false, protocols, extensions }
    }

    /// Accepts the expected answer, or one without an accept value: only by an option that says `insecure`.
    #[must_use]
    pub fn or_without_accept(self) -> Self {
        Self { is_accept_optional: true, ..self }
    }

    /// Expects the answer to another key: the request goes to another upstream.
    pub fn set_accept(&mut self, accept: Accept) {
        self.accept = accept;
    }

    /// The answer to the same request without its offer of extensions.
    #[must_use]
    pub fn offering_nothing(self) -> Self {
        Self { extensions: Vec::new(), ..self }
    }

    /// The answer to a client that offers no extension.
    #[must_use]
    pub fn without_extensions(accept: Accept, protocols: &[String]) -> Self {
        let protocols = protocols.iter().map(|name| Box::from(name.as_bytes())).collect();
        Self { accept, is_accept_optional: false, protocols, extensions: Vec::new() }
    }
}

/// A well-formed response head.
#[derive(Debug)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    reason: &'a str,
    lines: Vec<Header<'a>>,
}

/// The result of the negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The reserved bits that the agreed extensions use.
    pub reserved: Reserved,
    /// True if the upstream sent no accept value, and none was needed.
    pub is_accept_missing: bool,
}

impl<'a> Response<'a> {
    /// Reads a whole head, which ends with its empty line.
    ///
    /// # Errors
    /// The refusal to answer the client with.
    pub fn parse(head: &'a [u8], limits: &HeadLimits) -> Result<Self, Refusal> {
        let mut lines = whole_head::NO_LINES;
        let parsed = whole_head::response(head, limits, &mut lines).map_err(refusal_for)?;
        let status = parsed.code.filter(|code| (100..600).contains(code)).ok_or(Refusal::UPSTREAM_MALFORMED)?;
        if status == 101 && parsed.version != Some(1) {
            return Err(Refusal::UPSTREAM_HTTP_VERSION);
        }
        let lines = parsed.headers.to_vec();
        if head::names_too_many_connections(&lines) {
            return Err(Refusal::UPSTREAM_MALFORMED);
        }
        Ok(Self { status, reason: parsed.reason.unwrap_or_default(), lines })
    }

    /// True if this is an interim response that another one follows (RFC 9110 section 15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// Checks the answer by all rules of RFC 6455 section 4.1.
    ///
    /// # Errors
    /// The refusal to answer the client with.
    pub fn verify(&self, expected: &Expected) -> Result<Agreed, Refusal> {
        // More than one protocol would mean layers (RFC 9110 section 7.8), not the requested WebSocket.
        let is_websocket = |name: &[u8]| name.eq_ignore_ascii_case(b"websocket");
        let mut upgrades = self.values("upgrade");
        let upgraded = upgrades.clone().any(|value| head::has_element(value, b"websocket"))
            && upgrades.all(|value| head::elements(value).all(is_websocket));
        let connected = self.values("connection").any(|value| head::has_element(value, b"upgrade"));
        if self.status != 101 || !upgraded || !connected {
            return Err(Refusal::UPSTREAM_NOT_WEBSOCKET);
        }
        let mut accepts = self.values("sec-websocket-accept");
        let is_accept_missing = match (accepts.next(), accepts.next()) {
            (Some(accept), None) if accept == expected.accept => false,
            (None, _) if expected.is_accept_optional => true,
            _ => return Err(Refusal::UPSTREAM_ACCEPT),
        };
        // RFC 9110 section 8.6 forbids a length here. A length of 0 cannot be misread, and nchan sends one. It is not
        // passed on.
        let mut lengths = self.values("content-length");
        let announced = lengths.next().is_some_and(|length| length != b"0") || lengths.next().is_some();
        if announced || self.values("transfer-encoding").next().is_some() {
            return Err(Refusal::UPSTREAM_BODY);
        }
        let chosen = self.chosen_protocol()?;
        let offered = |name: &[u8]| expected.protocols.iter().any(|offer| **offer == *name);
        // Headers that Connection names do not reach the client, who would not know what was agreed.
        let passed = |header| !head::is_named_by_connection(&self.lines, header);
        if !chosen.is_none_or(|name| offered(name) && passed(PROTOCOL)) {
            return Err(Refusal::UPSTREAM_PROTOCOL);
        }
        let mut agreed = Vec::new();
        for element in self.values(EXTENSIONS).flat_map(extension::elements) {
            match element {
                Element::Extension { name, .. } => agreed.push(name),
                // Nobody can know which reserved bits it uses.
                Element::Malformed => return Err(Refusal::UPSTREAM_EXTENSION),
            }
        }
        let offered = |name: &&[u8]| expected.extensions.iter().any(|offer| offer.eq_ignore_ascii_case(name));
        if !agreed.iter().all(offered) || (!agreed.is_empty() && !passed(EXTENSIONS)) {
            return Err(Refusal::UPSTREAM_EXTENSION);
        }
        Ok(Agreed { reserved: extension::reserved_for(agreed.into_iter()), is_accept_missing })
    }

    /// The subprotocol that the upstream chose. An empty list is none (RFC 9110 section 5.6.1.2), and the same word again says
    /// nothing new.
    fn chosen_protocol(&self) -> Result<Option<&'a [u8]>, Refusal> {
        let mut names = self.values(PROTOCOL).flat_map(head::elements);
        let chosen = names.next();
        if names.all(|name| Some(name) == chosen) { Ok(chosen) } else { Err(Refusal::UPSTREAM_PROTOCOL) }
    }

    /// Appends the client's 101: the accept value of its own key if it sent one, the upstream's other headers with addresses as the
    /// client knows them, the upstream's subprotocol or `fallback` if it chose none, and `lines`, each with its line end.
    pub fn write_switching(
        &self,
        accept: Option<&Accept>,
        fallback: Option<&[u8]>,
        outward: &Outward<'_>,
        lines: &[u8],
        out: &mut Vec<u8>,
    ) {
        write_switching_head(accept, out);
        self.write_end_to_end(&["sec-websocket-accept", "content-length", PROTOCOL, EXTENSIONS], outward, out);
        if let Some(chosen) = self.chosen_protocol().ok().flatten().or(fallback) {
            write_line("Sec-WebSocket-Protocol", chosen, out);
        }
        let mut agreed = Vec::new();
        extension::write_extensions(self.values(EXTENSIONS), &mut agreed);
        if !agreed.is_empty() {
            write_line("Sec-WebSocket-Extensions", &agreed, out);
        }
        out.extend(lines);
        out.extend(b"\r\n");
    }

    /// Appends the head of an answer that is not a 101, with addresses as the client knows them, for a body that [`super::body`]
    /// passes on.
    pub fn write_declined(&self, length: BodyLength, outward: &Outward<'_>, out: &mut Vec<u8>) {
        refusal::write_status_line(self.status, self.reason.as_bytes(), out);
        self.write_end_to_end(&["content-length"], outward, out);
        refusal::write_close(self.status, out);
        match length {
            // RFC 9110 section 8.6: a 204 must not have a length, and a 304 not this one.
            BodyLength::None => {}
            BodyLength::Known(length) => write_line("Content-Length", length.to_string().as_bytes(), out),
            BodyLength::Chunked | BodyLength::UntilClose => write_line("Transfer-Encoding", b"chunked", out),
        }
        out.extend(b"\r\n");
    }

    /// The length of the body of an answer that is not a 101.
    ///
    /// # Errors
    /// The head gives the length in two ways, or gives an invalid one: the end of the body is unknown.
    pub fn body_length(&self) -> Result<BodyLength, Refusal> {
        if is_bodiless(self.status) {
            return Ok(BodyLength::None);
        }
        let mut codings = self.values("transfer-encoding");
        let mut lengths = self.values("content-length");
        match (codings.next(), lengths.next()) {
            (None, None) => Ok(BodyLength::UntilClose),
            (Some(coding), None) if codings.next().is_none() && coding.eq_ignore_ascii_case(b"chunked") => {
                Ok(BodyLength::Chunked)
            }
            (None, Some(digits)) if lengths.next().is_none() && digits.iter().all(u8::is_ascii_digit) => {
                let digits = std::str::from_utf8(digits).expected_or_default();
                digits.parse().map(BodyLength::Known).map_err(|_| Refusal::UPSTREAM_MALFORMED)
            }
            _ => Err(Refusal::UPSTREAM_MALFORMED),
        }
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.lines.iter().filter(move |line| line.name.eq_ignore_ascii_case(name)).map(|line| line.value)
    }

    fn write_end_to_end(&self, without: &[&str], outward: &Outward<'_>, out: &mut Vec<u8>) {
        for line in &self.lines {
            let left_out = head::is_hop_by_hop(line.name)
                || without.iter().any(|name| line.name.eq_ignore_ascii_case(name))
                || head::is_named_by_connection(&self.lines, line.name);
            if !left_out {
                match outward.value(line.name, line.value) {
                    Some(value) => write_line(line.name, &value, out),
                    None => write_line(line.name, line.value, out),
                }
            }
        }
    }
}

/// True if answers with a status have no body, even if their headers say otherwise.
fn is_bodiless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

/// Appends a whole 101 that Ringway answers itself: without extensions, with one of the offered subprotocols, and with
/// `lines`, each with its line end.
pub fn write_switching(accept: Option<&Accept>, protocol: Option<&[u8]>, lines: &[u8], out: &mut Vec<u8>) {
    write_switching_head(accept, out);
    if let Some(protocol) = protocol {
        write_line("Sec-WebSocket-Protocol", protocol, out);
    }
    out.extend(lines);
    out.extend(b"\r\n");
}

fn write_switching_head(accept: Option<&Accept>, out: &mut Vec<u8>) {
    out.extend(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    if let Some(accept) = accept {
        write_line("Sec-WebSocket-Accept", accept, out);
    }
}

/// The refusal for an upstream whose head has a fault.
#[must_use]
pub fn refusal_for(error: HeadError) -> Refusal {
    match error {
        HeadError::TooLarge | HeadError::TooManyLines => Refusal::UPSTREAM_HEAD_TOO_LARGE,
        HeadError::Malformed | HeadError::Version => Refusal::UPSTREAM_MALFORMED,
    }
}
