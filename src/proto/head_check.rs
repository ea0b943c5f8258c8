//! The bytes and lines that a head may hold (RFC 9112 sections 2.2, 3, 4 and 5), checked in the order in which they arrive.
//!
//! A peer that does not speak HTTP/1.1, and a head that can never become a valid one, are refused at the byte or line that
//! shows it, not at the deadline. The first fault in the order of the bytes decides, so the verdict does not depend on where
//! the network cuts a head.

use super::head::{HeadError, HeadLimits, is_token, is_token_byte};
use crate::invariant::Invariant;

/// The direction of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// A client sends it.
    Request,
    /// A server sends it.
    Response,
}

/// The state of the check of one head. [`advance`](Self::advance) looks at each byte once.
#[derive(Clone, Debug)]
pub struct HeadCheck {
    kind: HeadKind,
    /// The number of bytes that were checked.
    checked: usize,
    /// The offset of the first line that is not complete.
    line_start: usize,
    /// Complete lines: the first line and header lines.
    lines: usize,
}

/// The state of the line whose bytes are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    /// The LF has arrived.
    Complete,
    /// The LF has not arrived.
    Awaited,
}

/// Bytes of a request's method that are checked before its line is complete.
const MAX_METHOD_BYTES: usize = 16;

/// The start of a response of any version that is spoken here.
const STATUS_LINE_START: &[u8] = b"HTTP/1.";

impl HeadCheck {
    /// The check of a head of which nothing has arrived.
    #[must_use]
    pub fn new(kind: HeadKind) -> Self {
        Self { kind, checked: 0, line_start: 0, lines: 0 }
    }

    /// Checks the bytes that are new in `head`: all bytes of the head so far, and none behind its empty line.
    ///
    /// RFC 9112 lets a recipient accept a lone LF as a line's end (section 2.2). Two parsers that disagree about that make
    /// request smuggling possible, so a lone CR or LF is refused, and so are a NUL and every other control byte but a tab.
    ///
    /// # Errors
    /// The first fault in the order of the bytes.
    pub fn advance(&mut self, head: &[u8], limits: &HeadLimits) -> Result<(), HeadError> {
        while let Some(before) = memchr::memchr(b'\n', head.get(self.checked..).expected_or_default()) {
            let line_feed = self.checked.saturating_add(before);
            let end = line_feed.saturating_add(1);
            self.check_text(head, line_feed, LineEnd::Complete)?;
            self.end_line(head, end, limits)?;
            self.checked = end;
        }
        self.check_text(head, head.len(), LineEnd::Awaited)?;
        self.checked = head.len();
        self.check_start(head)
    }

    /// Checks the bytes that are new in a line, up to the offset `end`, at which its LF stands if it is complete.
    #[inline]
    fn check_text(&self, head: &[u8], end: usize, line_end: LineEnd) -> Result<(), HeadError> {
        // The last byte that was checked may be a CR, which is right only before an LF.
        let from = self.line_start.max(self.checked.saturating_sub(1));
        let new = head.get(from..end).expected_or_default();
        let text = match (new.split_last(), line_end) {
            (Some((b'\r', text)), _) => text,
            (_, LineEnd::Complete) => return Err(HeadError::Malformed),
            (_, LineEnd::Awaited) => new,
        };
        if is_text(text) { Ok(()) } else { Err(HeadError::Malformed) }
    }

    /// Checks the line that ends at the offset `end`.
    fn end_line(&mut self, head: &[u8], end: usize, limits: &HeadLimits) -> Result<(), HeadError> {
        let line = head.get(self.line_start..end).expected_or_default();
        let is_first = self.line_start == 0;
        self.line_start = end;
        if line == b"\r\n" {
            // One empty line before a head is ignored (RFC 9112 section 2.2); any other one ends the head.
            return if self.lines > 0 || is_first { Ok(()) } else { Err(HeadError::Malformed) };
        }
        match self.lines {
            0 => check_first_line(self.kind, line)?,
            headers if headers > limits.max_lines => return Err(HeadError::TooManyLines),
            _ => check_header_line(line)?,
        }
        self.lines = self.lines.saturating_add(1);
        Ok(())
    }

    /// Checks the start of a first line that is not complete.
    fn check_start(&self, head: &[u8]) -> Result<(), HeadError> {
        let start = head.get(self.line_start..).expected_or_default();
        let may_go_on = self.lines > 0
            || start == b"\r"
            || match self.kind {
                HeadKind::Request => {
                    let method = start.iter().take(MAX_METHOD_BYTES).take_while(|byte| **byte != b' ');
                    method.copied().all(is_token_byte)
                }
                HeadKind::Response => start.iter().zip(STATUS_LINE_START).all(|(given, expected)| given == expected),
            };
        if may_go_on { Ok(()) } else { Err(HeadError::Malformed) }
    }
}

/// True if no byte is a control byte other than a tab. Looks at all bytes, whatever the first ones are, so that the compiler can
/// compare many at once.
#[inline]
fn is_text(bytes: &[u8]) -> bool {
    let is_control = |byte: u8| (byte < b' ' && byte != b'\t') || byte == 0x7F;
    !bytes.iter().fold(false, |found, byte| found | is_control(*byte))
}

/// Checks a request line or a status line, its line end included.
fn check_first_line(kind: HeadKind, line: &[u8]) -> Result<(), HeadError> {
    let parsed = match kind {
        HeadKind::Request => httparse::Request::new(&mut []).parse(line).map(drop),
        HeadKind::Response => httparse::Response::new(&mut []).parse(line).map(drop),
    };
    parsed.map_err(HeadError::from)
}

/// Checks that a header line has a name that is a token (RFC 9112 section 5.1). A folded line has none.
fn check_header_line(line: &[u8]) -> Result<(), HeadError> {
    let name = memchr::memchr(b':', line).and_then(|colon| line.get(..colon));
    if name.is_some_and(is_token) { Ok(()) } else { Err(HeadError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::{HeadCheck, HeadError, HeadKind, HeadLimits};

    const LIMITS: HeadLimits = HeadLimits { max_bytes: 1024, max_lines: 2 };

    /// The fault, and the number of bytes that had to arrive for it, byte by byte.
    fn fault(kind: HeadKind, bytes: &[u8]) -> Option<(HeadError, usize)> {
        let mut check = HeadCheck::new(kind);
        (1..=bytes.len())
            .find_map(|arrived| check.advance(&bytes[..arrived], &LIMITS).err().map(|fault| (fault, arrived)))
    }

    #[test]
    fn a2_a_request_that_can_never_be_right_is_known_at_its_first_wrong_byte_or_line() {
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\nHost: a\n\n"[..], Some((HeadError::Malformed, 15))),
            (b"GET / HTTP/1.1\r\nA\0: b", Some((HeadError::Malformed, 18))),
            (b"GET /\rx HTTP/1.1", Some((HeadError::Malformed, 7))),
            (b"GET / HTTP/1.1\r\nA: b\x7f", Some((HeadError::Malformed, 21))),
            (b"\x16\x03\x01", Some((HeadError::Malformed, 1))),
            (b"G@T", Some((HeadError::Malformed, 2))),
            (b"SSH-2.0-OpenSSH_9.9\r\n", Some((HeadError::Malformed, 21))),
            (b"EHLO mail.test\r\n", Some((HeadError::Malformed, 16))),
            (b"GET /\r\n", Some((HeadError::Malformed, 7))),
            (b"GET / HTTP/2.0\r\n", Some((HeadError::Version, 16))),
            (b"GET / HTTP/1.1\r\nA b: c\r\n", Some((HeadError::Malformed, 24))),
            (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n", Some((HeadError::Malformed, 26))),
            (b"GET / HTTP/1.1\r\nA: b\r\nA: b\r\nA: b\r\n", Some((HeadError::TooManyLines, 34))),
            (b"\r\n\r\n", Some((HeadError::Malformed, 4))),
            (b"\r\nGET / HTTP/1.1\r\nA:\tb\xE9\r\n\r\n", None),
            (b"GET", None),
        ] {
            assert_eq!(fault(HeadKind::Request, bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a17_an_upstream_that_does_not_speak_http_is_known_at_its_first_wrong_byte_or_line() {
        for (bytes, expected) in [
            (&b"foo"[..], Some((HeadError::Malformed, 1))),
            (b"SSH-2.0-OpenSSH_9.9\r\n", Some((HeadError::Malformed, 1))),
            (b"HTTPS", Some((HeadError::Malformed, 5))),
            (b"HTTP/2 101\r\n", Some((HeadError::Malformed, 6))),
            (b"HTTP/1.1 OK\r\n", Some((HeadError::Malformed, 13))),
            (b"HTTP/1.1 200 OK\nA: b", Some((HeadError::Malformed, 16))),
            (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", None),
            (b"HTT", None),
        ] {
            assert_eq!(fault(HeadKind::Response, bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
