//! Rules that the heads of HTTP/1.1 requests and responses share (RFC 9112): the end of a head, and lists (RFC 9110
//! section 5.6.1). [`super::head_check`] has the bytes and lines that a head may hold.

use httparse::Header;
use memchr::memmem;

/// Limits of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, its empty line included.
    pub max_bytes: usize,
    /// Header lines, up to [`MAX_LINES`].
    pub max_lines: usize,
}

/// The most header lines any configuration can allow.
pub const MAX_LINES: usize = 128;

/// The reason why bytes are not a valid head. The caller chooses the status to answer with: it differs between requests
/// and responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// Longer than the limit.
    TooLarge,
    /// More header lines than the limit.
    TooManyLines,
    /// A bare CR or LF, a NUL or another control byte, a folded line, white space before a colon, or no HTTP at all.
    Malformed,
    /// An HTTP version that is not 1.0 or 1.1.
    Version,
}

/// The length of the head at the start of `bytes`, with its empty line; `None` while it is incomplete. The first `seen`
/// bytes were searched before, and are not searched again.
///
/// # Errors
/// [`HeadError::TooLarge`] once it is certain that the head is longer than the limit.
pub fn find_end(bytes: &[u8], seen: usize, limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
    let within = bytes.get(..limits.max_bytes).unwrap_or(bytes);
    let from = seen.saturating_sub(3);
    match memmem::find(within.get(from..).unwrap_or_default(), b"\r\n\r\n") {
        Some(at) => Ok(Some(from.saturating_add(at).saturating_add(4))),
        None if bytes.len() >= limits.max_bytes => Err(HeadError::TooLarge),
        None => Ok(None),
    }
}

/// The bytes without one empty line before the request, which a server should ignore (RFC 9112 section 2.2).
#[must_use]
pub fn without_empty_line(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\r\n").unwrap_or(bytes)
}

/// The path of a request line that has come whole, for records: without the query, which may hold secrets, and without the
/// authority of an absolute target. `None` if the line is not one, or its target has no path. Says nothing of the rest of the
/// head.
#[must_use]
pub fn requested_path(bytes: &[u8]) -> Option<&str> {
    let bytes = without_empty_line(bytes);
    let line = bytes.get(..memchr::memchr(b'\n', bytes)?)?;
    let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).ok()?;
    let mut words = line.split(' ');
    let (Some(_), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return None;
    };
    let target = target.split(['?', '#']).next().unwrap_or_default();
    if !version.starts_with("HTTP/") || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    if target.starts_with('/') || target == "*" {
        return Some(target);
    }
    let (_, rest) = target.split_once("://")?;
    Some(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"))
}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyLines,
            httparse::Error::Version => Self::Version,
            _ => Self::Malformed,
        }
    }
}

/// True if a byte may be part of a token (RFC 9110 section 5.6.2).
#[must_use]
pub fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9')
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// True if a text is a token.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

/// The elements of a comma-separated list, without the white space around them, and without empty elements, as section
/// 5.6.1.2 requires of recipients. Not for lists whose elements may be quoted.
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// True if a list holds a token, compared without case.
#[must_use]
pub fn has_element(value: &[u8], token: &[u8]) -> bool {
    elements(value).any(|element| element.eq_ignore_ascii_case(token))
}

/// True if a header is for the next hop only and never passed on (RFC 9110 section 7.6.1), even if `Connection` does
/// not name it.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The most names that `Connection` may list. Each is compared with each header's name: without a limit a head of
/// commas would cost milliseconds.
const MAX_CONNECTION_NAMES: usize = 32;

/// True if the `Connection` lines of a head list more names than [`MAX_CONNECTION_NAMES`].
pub(super) fn names_too_many_connections(lines: &[Header<'_>]) -> bool {
    let connection = lines.iter().filter(|line| line.name.eq_ignore_ascii_case("connection"));
    let names = connection.map(|line| line.value.split(|byte| *byte == b',').count());
    names.fold(0, usize::saturating_add) > MAX_CONNECTION_NAMES
}

/// True if any `Connection` line of a head names this header as hop-by-hop.
pub(super) fn is_named_by_connection(lines: &[Header<'_>], name: &str) -> bool {
    lines
        .iter()
        .filter(|line| line.name.eq_ignore_ascii_case("connection"))
        .any(|line| has_element(line.value, name.as_bytes()))
}

/// Appends `name: value\r\n`.
pub(super) fn write_line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.as_bytes());
    out.extend(b": ");
    out.extend(value);
    out.extend(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::requested_path;

    #[test]
    fn c12_the_path_of_a_request_line_is_known_whatever_follows() {
        for (bytes, path) in [
            ("GET /chat HTTP/1.1\r\n", Some("/chat")),
            ("GET /chat?token=secret#x HTTP/1.1\r\nHost: ", Some("/chat")),
            ("\r\nPOST /a HTTP/1.0\r\n\r\n", Some("/a")),
            ("GET /lf HTTP/1.1\nHost: a\n\n", Some("/lf")),
            ("GET http://user:word@a.test/abs?q HTTP/1.1\r\n", Some("/abs")),
            ("GET http://a.test HTTP/1.1\r\n", Some("/")),
            ("OPTIONS * HTTP/1.1\r\n", Some("*")),
            ("GET /chat HTTP/1.1", None),
            ("GET /chat\r\n", None),
            ("GET  /chat HTTP/1.1\r\n", None),
            ("GET /a b HTTP/1.1\r\n", None),
            ("GET /\u{1b}[2J HTTP/1.1\r\n", None),
            ("CONNECT user:word@a.test:80 HTTP/1.1\r\n", None),
            ("\r\n", None),
            ("", None),
        ] {
            assert_eq!(requested_path(bytes.as_bytes()), path, "{bytes:?}");
        }
        assert_eq!(requested_path(b"GET /\xff HTTP/1.1\r\n"), None);
    }
}
