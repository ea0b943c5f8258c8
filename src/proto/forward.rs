//! The request to the upstream, rebuilt from parsed values. None of it is a copy of the client's bytes.

use std::net::IpAddr;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::accept::Key;
use super::head::write_line;
use super::request::Request;
use super::via::Pseudonym;

/// Values of the upstream's request that do not come from the client's request.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// The key of this connection's own handshake.
    pub key: &'a Key,
    /// The client's address.
    pub client: IpAddr,
    /// The scheme of the client's connection: `http` or `https`.
    pub scheme: &'static str,
    /// True if the proxy trusts what the client says about earlier hops.
    pub trusted: bool,
    /// The subject of the client's verified certificate, safe as a header's value.
    pub subject: Option<&'a str>,
    /// The name of this hop in the `Via` header.
    pub pseudonym: &'a Pseudonym,
    /// The extensions that the upstream is offered.
    pub extensions: Offer,
    /// The consumer that the upstream is told of.
    pub consumer: Option<ConsumerNames<'a>>,
}

/// The names that an upstream is told of the consumer whose key the client presented. They may hold any characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerNames<'a> {
    /// The consumer.
    pub consumer: &'a str,
    /// The application.
    pub application: &'a str,
    /// The plan.
    pub plan: &'a str,
}

/// The extensions that an upstream is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// The extensions that the client offers, unchanged.
    #[default]
    AsTheClient,
    /// None: Ringway has to read the payloads, which any extension may change.
    Nothing,
}

/// The header with the subject of the client's certificate. Only Ringway writes headers whose names begin with `Ringway-`: those
/// from a client are dropped, even from a trusted peer.
pub const CLIENT_SUBJECT: &str = "Ringway-Client-Subject";

/// Appends the part of the head that differs between the endpoints of a route: the request line and `Host`. `base_path`
/// is the target's own path, without a slash at its end. [`write_fields`] appends the rest.
pub fn write_start(base_path: &str, path_and_query: &str, host: &str, out: &mut Vec<u8>) {
    out.extend(b"GET ");
    out.extend(base_path.as_bytes());
    // After an API's base path there may be nothing, or a query alone, and the target's own path may be empty.
    if base_path.is_empty() && !path_and_query.starts_with('/') {
        out.push(b'/');
    }
    out.extend(path_and_query.as_bytes());
    out.extend(b" HTTP/1.1\r\n");
    write_line("Host", host.as_bytes(), out);
}

const EXTENSIONS: &str = "sec-websocket-extensions";

/// The lines before the key, which [`write_fields`] begins with.
const BEFORE_KEY: &[u8] =
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ";

/// Appends the rest of the head.
pub fn write_fields(request: &Request<'_>, via: &Via<'_>, out: &mut Vec<u8>) {
    out.extend(BEFORE_KEY);
    out.extend(via.key);
    out.extend(b"\r\n");
    for (name, value) in &request.end_to_end {
        let is_withheld = via.extensions == Offer::Nothing && name.eq_ignore_ascii_case(EXTENSIONS);
        if !is_withheld && !is_dropped(name, via.trusted) {
            write_line(name, value, out);
        }
    }
    // A line after the client's own is the end of one list (RFC 9110 section 5.2). The handshake came as HTTP/1.1.
    out.extend(b"Via: 1.1 ");
    out.extend(via.pseudonym.as_bytes());
    out.extend(b"\r\n");
    write_forwarded(request, via, out);
    if let Some(subject) = via.subject {
        write_line(CLIENT_SUBJECT, subject.as_bytes(), out);
    }
    if let Some(ConsumerNames { consumer, application, plan }) = via.consumer {
        write_encoded("Ringway-Consumer: ", consumer, out);
        write_encoded("Ringway-Application: ", application, out);
        write_encoded("Ringway-Plan: ", plan, out);
    }
    out.extend(b"\r\n");
}

/// Puts another key into what [`write_fields`] wrote: each connection has a key of its own (RFC 6455 section 4.1).
pub fn replace_key(fields: &mut [u8], key: &Key) {
    for (to, from) in fields.iter_mut().skip(BEFORE_KEY.len()).zip(key) {
        *to = *from;
    }
}

/// Appends a line whose value has only visible ASCII characters: all others, and `%`, are percent-encoded.
fn write_encoded(start: &str, value: &str, out: &mut Vec<u8>) {
    const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    out.extend(start.as_bytes());
    for part in utf8_percent_encode(value, ENCODED) {
        out.extend(part.as_bytes());
    }
    out.extend(b"\r\n");
}

/// True if a header is dropped because it tells an upstream who the client is. A client that may set such headers can
/// pose as anyone. Those of a trusted peer are passed on, except the four that are rebuilt from them. A header with
/// another byte in place of `-` counts as the same header: CGI programs read `X_Forwarded_For` as `X-Forwarded-For`,
/// and some read any byte that is neither letter nor digit so.
fn is_dropped(name: &str, trusted: bool) -> bool {
    const WRITTEN_ANEW: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
    if !name.starts_with(['x', 'X', 'f', 'F', 'r', 'R']) {
        return false;
    }
    let is_twin = name.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'-');
    let plain = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with("ringway-") {
        return true;
    }
    let is_claim = name == "x-real-ip" || name.starts_with("x-forwarded-");
    WRITTEN_ANEW.contains(&name.as_str()) || is_claim && (is_twin || !trusted)
}

fn write_forwarded(request: &Request<'_>, via: &Via<'_>, out: &mut Vec<u8>) {
    let client = via.client.to_canonical();
    let address = client.to_string();
    write_appended("X-Forwarded-For", address.as_bytes(), request, via, out);
    // Of the other two headers the first value counts: it is about the outermost client.
    write_first("X-Forwarded-Proto", via.scheme.as_bytes(), request, via, out);
    write_first("X-Forwarded-Host", request.host.as_str().as_bytes(), request, via, out);
    // RFC 7239 section 6: an IPv6 address stands in brackets and quotes.
    let (before, after) = match client {
        IpAddr::V4(_) => ("", ""),
        IpAddr::V6(_) => ("\"[", "]\""),
    };
    let host = request.host.as_str();
    // Joined, because `format!` costs some thousand instructions a handshake.
    let element = ["for=", before, &address, after, ";host=\"", host, "\";proto=", via.scheme].concat();
    write_appended("Forwarded", element.as_bytes(), request, via, out);
}

fn earlier<'r>(name: &'static str, request: &'r Request<'_>, via: &Via<'_>) -> impl Iterator<Item = &'r [u8]> {
    let trusted = via.trusted;
    request
        .end_to_end
        .iter()
        .filter(move |(given, value)| trusted && given.eq_ignore_ascii_case(name) && !value.is_empty())
        .map(|(_, value)| &**value)
}

fn write_appended(name: &'static str, ours: &[u8], request: &Request<'_>, via: &Via<'_>, out: &mut Vec<u8>) {
    out.extend(name.as_bytes());
    out.extend(b": ");
    for value in earlier(name, request, via) {
        out.extend(value);
        out.extend(b", ");
    }
    out.extend(ours);
    out.extend(b"\r\n");
}

fn write_first(name: &'static str, ours: &[u8], request: &Request<'_>, via: &Via<'_>, out: &mut Vec<u8>) {
    let value = earlier(name, request, via).next().unwrap_or(ours);
    write_line(name, value, out);
}

/// A handshake that Ringway makes as a client.
#[derive(Clone, Copy, Debug)]
pub struct ClientRequest<'a> {
    /// The `Host` to send.
    pub host: &'a str,
    /// Path and query, beginning with `/`.
    pub path_and_query: &'a str,
    /// The key of the handshake.
    pub key: &'a Key,
    /// Subprotocols to offer.
    pub protocols: &'a [String],
    /// Further headers.
    pub headers: &'a [(String, String)],
}

/// Appends the head of a client's handshake to `out`. The caller has checked names and values.
pub fn write_client_request(request: &ClientRequest<'_>, out: &mut Vec<u8>) {
    out.extend(b"GET ");
    out.extend(request.path_and_query.as_bytes());
    out.extend(b" HTTP/1.1\r\n");
    write_line("Host", request.host.as_bytes(), out);
    out.extend(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    write_line("Sec-WebSocket-Key", request.key, out);
    if !request.protocols.is_empty() {
        write_line("Sec-WebSocket-Protocol", request.protocols.join(", ").as_bytes(), out);
    }
    for (name, value) in request.headers {
        write_line(name, value.as_bytes(), out);
    }
    out.extend(b"\r\n");
}
