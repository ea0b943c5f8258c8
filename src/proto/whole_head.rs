//! Whole heads, read by the parser: its verdict, and that of [`super::head_check`], which follows a head while it arrives.
//!
//! The check refuses more than the parser does: lines that end in a lone LF, and empty lines before the first one. Most heads
//! show by their line ends alone that the check would pass them, so it runs over a whole head only if it may refuse it.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Request, Response, Status};

use super::head::{HeadError, HeadLimits, MAX_LINES, is_token_byte};
use super::head_check::{HeadCheck, HeadKind};

/// Space on the stack for the header lines of a head.
pub(super) type Lines<'a> = [MaybeUninit<Header<'a>>; MAX_LINES];

/// Unused space.
pub(super) const NO_LINES: Lines<'static> = [const { MaybeUninit::uninit() }; MAX_LINES];

/// Parses a request's head, which ends with its empty line.
///
/// # Errors
/// The first fault in the order of the bytes.
pub(super) fn request<'h, 'a>(
    head: &'a [u8],
    limits: &HeadLimits,
    lines: &'h mut Lines<'a>,
) -> Result<Request<'h, 'a>, HeadError> {
    let mut request = Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(head, lines);
    judge(HeadKind::Request, head, limits, parsed, request.headers.len())?;
    Ok(request)
}

/// Parses a response's head, which ends with its empty line.
///
/// # Errors
/// The first fault in the order of the bytes.
pub(super) fn response<'h, 'a>(
    head: &'a [u8],
    limits: &HeadLimits,
    lines: &'h mut Lines<'a>,
) -> Result<Response<'h, 'a>, HeadError> {
    let mut response = Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut response, head, lines);
    judge(HeadKind::Response, head, limits, parsed, response.headers.len())?;
    Ok(response)
}

/// Judges a head by what the parser says of it, and by the check.
fn judge(
    kind: HeadKind,
    head: &[u8],
    limits: &HeadLimits,
    parsed: httparse::Result<usize>,
    headers: usize,
) -> Result<(), HeadError> {
    let is_parsed = parsed == Ok(Status::Complete(head.len()));
    if is_parsed && headers <= limits.max_lines && has_plain_lines(head, headers) {
        return Ok(());
    }
    HeadCheck::new(kind).advance(head, limits)?;
    match parsed {
        Ok(_) if is_parsed => Ok(()),
        Ok(_) => Err(HeadError::Malformed),
        Err(error) => Err(error.into()),
    }
}

/// True if a head that the parser has accepted begins with its first line, and ends that line, its `headers` and the empty
/// line with CR LF. The parser accepts a CR only before an LF, so as many CRs as lines mean that no LF is alone.
fn has_plain_lines(head: &[u8], headers: usize) -> bool {
    let begins_with_a_line = head.first().copied().is_some_and(is_token_byte);
    begins_with_a_line && memchr::memchr_iter(b'\r', head).count() == headers.saturating_add(2)
}

#[cfg(test)]
mod tests {
    use httparse::Header;

    use super::{HeadCheck, HeadError, HeadKind, HeadLimits, NO_LINES};

    const LIMITS: HeadLimits = HeadLimits { max_bytes: 1024, max_lines: 4 };

    /// Heads with names and values that are longer than what the parser looks at in one step.
    const REQUEST: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: a\r\nA-Name-That-Is-Longer-Than-Thirty-Two-Bytes:  \
        a value that is longer than thirty-two bytes, too \r\nEmpty:\r\n\r\n";
    const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        A-Name-That-Is-Longer-Than-Thirty-Two-Bytes: a value that is longer than thirty-two bytes, too\r\n\r\n";

    /// The check of all bytes, and then the parser.
    fn one_after_the_other(kind: HeadKind, head: &[u8]) -> Result<(), HeadError> {
        HeadCheck::new(kind).advance(head, &LIMITS)?;
        let mut lines: [Header<'_>; 128] = [httparse::EMPTY_HEADER; 128];
        let parsed = match kind {
            HeadKind::Request => httparse::Request::new(&mut lines).parse(head),
            HeadKind::Response => httparse::Response::new(&mut lines).parse(head),
        };
        match parsed? {
            httparse::Status::Complete(length) if length == head.len() => Ok(()),
            _ => Err(HeadError::Malformed),
        }
    }

    fn verdict(kind: HeadKind, head: &[u8]) -> Result<(), HeadError> {
        let mut lines = NO_LINES;
        match kind {
            HeadKind::Request => super::request(head, &LIMITS, &mut lines).map(drop),
            HeadKind::Response => super::response(head, &LIMITS, &mut lines).map(drop),
        }
    }

    /// Compares the verdicts on a head, and returns them.
    fn compared(kind: HeadKind, head: &[u8]) -> Result<(), HeadError> {
        let is = verdict(kind, head);
        assert_eq!(is, one_after_the_other(kind, head), "{kind:?} {}", head.escape_ascii());
        is
    }

    #[test]
    fn any_byte_at_any_place_gets_the_verdict_of_the_check_and_then_of_the_parser() {
        for (kind, head) in [(HeadKind::Request, REQUEST), (HeadKind::Response, RESPONSE)] {
            assert_eq!(compared(kind, head), Ok(()));
            let (mut accepted, mut refused) = (0_usize, 0_usize);
            for place in 0..=head.len() {
                let (before, behind) = head.split_at(place);
                for byte in 0..=u8::MAX {
                    let inserted = [before, &[byte], behind].concat();
                    let replaced = [before, &[byte], behind.get(1..).unwrap_or_default()].concat();
                    for changed in [inserted, replaced] {
                        let count = if compared(kind, &changed).is_ok() { &mut accepted } else { &mut refused };
                        *count += 1;
                    }
                }
                let _ = compared(kind, &[before, behind.get(1..).unwrap_or_default()].concat());
            }
            assert!(accepted > 10_000 && refused > 10_000, "{kind:?}: {accepted} {refused}");
        }
    }

    #[test]
    fn odd_line_ends_and_too_many_lines_get_the_verdict_of_the_check_and_then_of_the_parser() {
        let line_ends: [&[u8]; 7] = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\r\n ", b""];
        for (kind, first) in [(HeadKind::Request, &b"GET / HTTP/1.1"[..]), (HeadKind::Response, b"HTTP/1.1 200 OK")] {
            // Each head has an empty line before the first one or none, two headers, and line ends of any kind.
            let all = |n: usize| line_ends[n % line_ends.len()];
            for n in 0..line_ends.len().pow(5) {
                let ends = [all(n), all(n / 7), all(n / 49), all(n / 343), all(n / 2401)];
                let head = [ends[0], first, ends[1], b"A: b", ends[2], b"C: d", ends[3], ends[4]].concat();
                let _ = compared(kind, &head);
            }
            for (headers, expected) in
                [(4, Ok(())), (5, Err(HeadError::TooManyLines)), (200, Err(HeadError::TooManyLines))]
            {
                let head = [first, b"\r\n", &b"A: b\r\n".repeat(headers), b"\r\n"].concat();
                assert_eq!(compared(kind, &head), expected);
                let folded = [first, b"\r\n", &b"A: b\r\n".repeat(headers), b" c\r\n\r\n"].concat();
                assert!(compared(kind, &folded).is_err());
            }
        }
    }
}
