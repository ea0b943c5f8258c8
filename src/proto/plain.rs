//! A plain HTTP request, for the few paths that Ringway answers itself (RFC 9110, RFC 9112): HTTP/1.0 or 1.1, with a bounded
//! body (see [`plain_body`](super::plain_body)) or without one. The connection is closed after the answer.

use super::content::BodyLength;
use super::head::{self, HeadLimits};
use super::refusal::{self, Refusal};
use super::whole_head;
use crate::invariant::Invariant;

/// The longest body of a request, and of an answer.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// A method that a path may be answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Asks for the answer.
    Get,
    /// Asks for the answer's head.
    Head,
    /// Asks for what the path allows; balancers use it to check health.
    Options,
    /// Brings a body.
    Post,
}

/// A plain request without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainRequest {
    /// The method.
    pub method: Method,
    /// True if the request asks for a WebSocket: then it is a handshake, and not for this module.
    pub is_handshake: bool,
    /// How the body ends: without one at once, after a length of [`MAX_BODY_BYTES`] at most, or with its last chunk.
    pub body: BodyLength,
    /// True if the client waits for a 100 (Continue) before it sends the body (RFC 9110 section 10.1.1).
    pub awaits_continue: bool,
}

/// The method and the path of a head that may be a plain request, without its query; `None` if the method is another
/// one. Reads the first line alone, and checks nothing.
#[must_use]
pub fn method_and_path(head: &[u8]) -> Option<(Method, &str)> {
    let head = head::without_empty_line(head);
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = line.split(|byte| *byte == b' ');
    let method = match words.next()? {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"OPTIONS" => Method::Options,
        b"POST" => Method::Post,
        _ => return None,
    };
    let target = std::str::from_utf8(words.next()?).ok()?;
    Some((method, path_of(target)))
}

/// The path of a target in origin form or absolute form (RFC 9112 section 3.2), without its query.
fn path_of(target: &str) -> &str {
    let path = target.split('?').next().expected_or_default();
    match path.split_once("://") {
        Some((_, rest)) if !path.starts_with('/') => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        _ => path,
    }
}

impl PlainRequest {
    /// Reads a whole head, whose method is `method`.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn parse(method: Method, head: &[u8], limits: &HeadLimits) -> Result<Self, Refusal> {
        let head = head::without_empty_line(head);
        let mut lines = whole_head::NO_LINES;
        let parsed = whole_head::request(head, limits, &mut lines)?;
        let values = |name: &'static str| {
            parsed.headers.iter().filter(move |line| line.name.eq_ignore_ascii_case(name)).map(|line| line.value)
        };
        match (values("host").count(), parsed.version) {
            (1, _) | (0, Some(0)) => {}
            (0, _) => return Err(Refusal::HOST_MISSING),
            _ => return Err(Refusal::HOST_DUPLICATE),
        }
        let body = match (values("transfer-encoding").next(), values("content-length").next()) {
            (None, None) => BodyLength::None,
            (None, Some(_)) => BodyLength::Known(length(values("content-length"))?),
            // Two ways to find the end of a body, or one that old programs do not know, are how requests are smuggled.
            (Some(_), Some(_)) => return Err(Refusal::BODY_MALFORMED),
            (Some(coding), None) => {
                let is_only = values("transfer-encoding").count() == 1 && coding.eq_ignore_ascii_case(b"chunked");
                if parsed.version != Some(1) || !is_only {
                    return Err(Refusal::BODY_MALFORMED);
                }
                BodyLength::Chunked
            }
        };
        Ok(Self {
            method,
            is_handshake: method == Method::Get
                && values("upgrade").any(|value| head::has_element(value, b"websocket")),
            body,
            awaits_continue: parsed.version == Some(1)
                && values("expect").any(|value| head::has_element(value, b"100-continue")),
        })
    }
}

/// The one declared length, [`MAX_BODY_BYTES`] at most.
fn length<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<u64, Refusal> {
    let digits = values.next().unwrap_or_default();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) || values.next().is_some() {
        return Err(Refusal::LENGTH_INVALID);
    }
    let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    length.filter(|length| *length <= MAX_BODY_BYTES as u64).ok_or(Refusal::BODY_TOO_LARGE)
}

/// An answer to a plain request.
#[derive(Clone, Copy, Debug)]
pub struct PlainResponse<'a> {
    /// The status.
    pub status: u16,
    /// The media type of the body.
    pub content_type: &'a str,
    /// Further header lines, each with its line end.
    pub lines: &'a str,
    /// The body, [`MAX_BODY_BYTES`] at most.
    pub body: &'a [u8],
}

impl PlainResponse<'_> {
    /// Appends the whole answer. After a [`Method::Head`] it has no body, and says how long that would be.
    pub fn write(&self, method: Method, out: &mut Vec<u8>) {
        refusal::write_status_line(self.status, refusal::reason_phrase(self.status).as_bytes(), out);
        let Self { content_type, lines, body, .. } = self;
        let length = body.len();
        let fields = format!(
            "Content-Type: {content_type}\r\nCache-Control: no-store\r\nConnection: close\r\n{lines}Content-Length: {length}\r\n\r\n"
        );
        out.extend(fields.as_bytes());
        if method != Method::Head {
            out.extend_from_slice(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, PlainRequest, PlainResponse, method_and_path};
    use crate::proto::content::BodyLength;
    use crate::proto::head::HeadLimits;
    use crate::proto::refusal::Refusal;

    const LIMITS: HeadLimits = HeadLimits { max_bytes: 16 * 1024, max_lines: 100 };

    #[test]
    fn the_first_line_says_what_is_asked_for() {
        for (line, read) in [
            ("GET /healthz HTTP/1.1\r\n", Some((Method::Get, "/healthz"))),
            ("\r\nHEAD /healthz?x=1 HTTP/1.0\r\n", Some((Method::Head, "/healthz"))),
            ("OPTIONS * HTTP/1.1\r\n", Some((Method::Options, "*"))),
            ("OPTIONS / HTTP/1.0\r\n", Some((Method::Options, "/"))),
            ("POST http://a.test/x/y?z HTTP/1.1\r\n", Some((Method::Post, "/x/y"))),
            ("GET http://a.test HTTP/1.1\r\n", Some((Method::Get, "/"))),
            ("GET /a://b HTTP/1.1\r\n", Some((Method::Get, "/a://b"))),
            ("get / HTTP/1.1\r\n", None),
            ("DELETE / HTTP/1.1\r\n", None),
            ("GET\r\n", None),
            ("", None),
        ] {
            assert_eq!(method_and_path(line.as_bytes()), read, "{line:?}");
        }
    }

    fn parse(method: Method, version: &str, lines: &str) -> Result<PlainRequest, Refusal> {
        PlainRequest::parse(method, format!("GET /x HTTP/{version}\r\n{lines}\r\n").as_bytes(), &LIMITS)
    }

    #[test]
    fn c5_old_and_new_requests_are_read_and_wrong_ones_are_refused() {
        let plain =
            PlainRequest { method: Method::Get, is_handshake: false, body: BodyLength::None, awaits_continue: false };
        assert_eq!(parse(Method::Get, "1.0", ""), Ok(plain));
        assert_eq!(parse(Method::Get, "1.1", "Host: a\r\n"), Ok(plain));
        assert_eq!(parse(Method::Get, "1.1", ""), Err(Refusal::HOST_MISSING));
        assert_eq!(parse(Method::Get, "1.0", "Host: a\r\nHost: a\r\n"), Err(Refusal::HOST_DUPLICATE));
        assert_eq!(parse(Method::Get, "1.1", "Host: a\r\nA b: c\r\n"), Err(Refusal::HEAD_MALFORMED));
        let handshake = parse(Method::Get, "1.1", "Host: a\r\nUpgrade: h2c, WebSocket\r\n").unwrap();
        assert!(handshake.is_handshake && !parse(Method::Head, "1.0", "Upgrade: websocket\r\n").unwrap().is_handshake);
    }

    #[test]
    fn c5_a_body_has_one_end_that_both_sides_know() {
        let with = |lines: &str| parse(Method::Post, "1.1", &format!("Host: a\r\n{lines}"));
        let body = |lines: &str| with(lines).map(|request| request.body);
        assert_eq!(body("Content-Length: 16384\r\n"), Ok(BodyLength::Known(16384)));
        assert_eq!(body("Transfer-Encoding: Chunked\r\n"), Ok(BodyLength::Chunked));
        for (lines, refusal) in [
            ("Content-Length: 16385\r\n", Refusal::BODY_TOO_LARGE),
            ("Content-Length: 99999999999999999999999\r\n", Refusal::BODY_TOO_LARGE),
            ("Content-Length: +1\r\n", Refusal::LENGTH_INVALID),
            ("Content-Length: 1\r\nContent-Length: 1\r\n", Refusal::LENGTH_INVALID),
            ("Content-Length: \r\n", Refusal::LENGTH_INVALID),
            ("Transfer-Encoding: gzip, chunked\r\n", Refusal::BODY_MALFORMED),
            ("Transfer-Encoding: chunked, identity\r\n", Refusal::BODY_MALFORMED),
            ("Transfer-Encoding: \r\n", Refusal::BODY_MALFORMED),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refusal::BODY_MALFORMED),
            ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", Refusal::BODY_MALFORMED),
            ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Refusal::BODY_MALFORMED),
        ] {
            assert_eq!(with(lines), Err(refusal), "{lines}");
        }
        let old = parse(Method::Post, "1.0", "Transfer-Encoding: chunked\r\n");
        assert_eq!(old, Err(Refusal::BODY_MALFORMED), "HTTP/1.0 has no chunks");
        assert!(with("Expect: 100-Continue\r\n").unwrap().awaits_continue);
        assert!(!parse(Method::Post, "1.0", "Expect: 100-continue\r\n").unwrap().awaits_continue);
    }

    #[test]
    fn an_answer_to_head_has_the_head_alone() {
        let response = PlainResponse { status: 503, content_type: "text/plain", lines: "A: b\r\n", body: b"no" };
        let (mut get, mut head) = (Vec::new(), Vec::new());
        response.write(Method::Get, &mut get);
        response.write(Method::Head, &mut head);
        let text = String::from_utf8(get).unwrap();
        assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && text.ends_with("\r\n\r\nno"), "{text}");
        assert!(text.contains("A: b\r\nContent-Length: 2\r\n"), "{text}");
        assert_eq!(String::from_utf8(head).unwrap() + "no", text);
    }
}
