//! Named handshake cases, from RFC 6455 sections 4 and 9.1, RFC 9110 and RFC 9112: raw bytes, and what must come of
//! them.
//!
//! Every vector is run in one piece, in two pieces cut at every offset, and byte by byte. Where the network cuts a
//! head must never change what it means.

mod bodies;
mod extensions;
mod fields;
mod forwarding;
mod headers;
mod hosts;
mod limits;
mod requests;
mod responses;
mod targets;
mod written_answers;

use std::collections::HashSet;
use std::fmt::Debug;

use ringway::proto::accept::{self, Accept};
use ringway::proto::head::{self, HeadError, HeadLimits};
use ringway::proto::head_check::{HeadCheck, HeadKind};
use ringway::proto::refusal::Refusal;
use ringway::proto::request::Request;
use ringway::proto::response::{self, Agreed, BodyLength, Expected, Response};

/// Room for every vector that is not about limits.
const ROOMY: HeadLimits = HeadLimits { max_bytes: 4096, max_lines: 100 };

/// RFC 6455 section 1.3's key, which every vector that is not about keys sends.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The lines of a plain handshake, in an order of our own.
const PLAIN_LINES: [&str; 5] = [
    "Host: a.test",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// The result of parsing a request head.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome<T> {
    Good(T),
    Refused(Refusal),
    Incomplete,
}

/// The values of an accepted request. Bytes outside visible ASCII are escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parsed {
    path: String,
    host: String,
    key: String,
    protocols: Vec<String>,
    extensions: Vec<String>,
    end_to_end: Vec<String>,
}

/// The meaning of a response for a proxy that waits for a 101.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Switching(Agreed),
    Interim(u16),
    Other(u16, Result<BodyLength, Refusal>),
}

struct Vector<T> {
    name: String,
    bytes: Vec<u8>,
    limits: HeadLimits,
    expected: Outcome<T>,
}

impl<T> Vector<T> {
    fn within(self, max_bytes: usize, max_lines: usize) -> Self {
        Self { limits: HeadLimits { max_bytes, max_lines }, ..self }
    }
}

fn good<T>(name: impl Into<String>, bytes: impl Into<Vec<u8>>, expected: T) -> Vector<T> {
    Vector { name: name.into(), bytes: bytes.into(), limits: ROOMY, expected: Outcome::Good(expected) }
}

fn refused<T>(name: impl Into<String>, bytes: impl Into<Vec<u8>>, refusal: Refusal) -> Vector<T> {
    Vector { name: name.into(), bytes: bytes.into(), limits: ROOMY, expected: Outcome::Refused(refusal) }
}

fn incomplete<T>(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Vector<T> {
    Vector { name: name.into(), bytes: bytes.into(), limits: ROOMY, expected: Outcome::Incomplete }
}

/// The result that [`Request::parse`] must give for the plain handshake of [`PLAIN_LINES`] to `/`.
fn plain() -> Parsed {
    Parsed { path: "/".into(), host: "a.test".into(), key: KEY.into(), ..Parsed::default() }
}

/// [`plain`], with these end-to-end headers.
fn keeping(end_to_end: &[&str]) -> Parsed {
    Parsed { end_to_end: owned(end_to_end), ..plain() }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A head of this first line and these lines.
fn head_of(first: impl AsRef<[u8]>, lines: &[&[u8]]) -> Vec<u8> {
    let mut head = first.as_ref().to_vec();
    for line in lines {
        head.extend(b"\r\n");
        head.extend(*line);
    }
    head.extend(b"\r\n\r\n");
    head
}

fn plain_lines() -> Vec<&'static [u8]> {
    PLAIN_LINES.iter().map(|line| line.as_bytes()).collect()
}

/// The plain handshake under another first line.
fn starting(first: impl AsRef<[u8]>) -> Vec<u8> {
    head_of(first, &plain_lines())
}

/// The plain handshake with more lines at its end.
fn with(more: impl AsRef<[u8]>) -> Vec<u8> {
    let mut lines = plain_lines();
    lines.push(more.as_ref());
    head_of("GET / HTTP/1.1", &lines)
}

/// The plain handshake with other lines in the place of the one named.
fn instead(name: &str, replacement: impl AsRef<[u8]>) -> Vec<u8> {
    let mut lines = plain_lines();
    let place = lines.iter_mut().find(|line| line.starts_with(name.as_bytes())).expect("the name of a plain line");
    *place = replacement.as_ref();
    head_of("GET / HTTP/1.1", &lines)
}

/// The plain handshake without the line named.
fn without(name: &str) -> Vec<u8> {
    let lines: Vec<_> = plain_lines().into_iter().filter(|line| !line.starts_with(name.as_bytes())).collect();
    assert_eq!(lines.len(), PLAIN_LINES.len() - 1);
    head_of("GET / HTTP/1.1", &lines)
}

fn run_requests(vectors: Vec<Vector<Parsed>>) {
    run(vectors, |bytes, arrivals, limits| {
        head_in_pieces(HeadKind::Request, bytes, arrivals, limits, Refusal::from, |head| {
            let request = Request::parse(head, limits)?;
            // What comes of it where no option allows a key to be missing.
            request.key.ok_or(Refusal::KEY_MISSING)?;
            Ok(parsed(&request))
        })
    });
}

fn parsed(request: &Request<'_>) -> Parsed {
    let escaped = |names: &[&[u8]]| names.iter().map(|name| shown(name)).collect();
    Parsed {
        path: request.path_and_query.to_owned(),
        host: request.host.as_str().to_owned(),
        key: shown(request.key.unwrap_or_default()),
        protocols: escaped(&request.protocols),
        extensions: escaped(&request.extensions),
        end_to_end: request.end_to_end.iter().map(|(name, value)| format!("{name}: {}", shown(value))).collect(),
    }
}

/// Runs responses to a request that offered what the `offer` lines say.
fn run_responses(offer: &str, vectors: Vec<Vector<Answer>>) {
    let request = if offer.is_empty() { with("X-Nothing: offered") } else { with(offer) };
    let request = Request::parse(&request, &ROOMY).expect("a valid offer");
    let expected = Expected::new(&request, accept_of_key());
    run(vectors, |bytes, arrivals, limits| {
        let refusal_for = response::refusal_for;
        head_in_pieces(HeadKind::Response, bytes, arrivals, limits, refusal_for, |head| judge(head, limits, &expected))
    });
}

fn accept_of_key() -> Accept {
    accept::accept_for(KEY.as_bytes())
}

fn judge(head: &[u8], limits: &HeadLimits, expected: &Expected) -> Result<Answer, Refusal> {
    let response = Response::parse(head, limits)?;
    let verified = response.verify(expected);
    if response.status == 101 {
        assert!(!response.is_interim(), "a 101 is final here");
        return verified.map(Answer::Switching);
    }
    assert_eq!(verified, Err(Refusal::UPSTREAM_NOT_WEBSOCKET), "only a 101 opens a tunnel");
    if response.is_interim() {
        return Ok(Answer::Interim(response.status));
    }
    Ok(Answer::Other(response.status, response.body_length()))
}

/// Feeds a head as the proxy does: what is not a whole head yet is checked, kept and looked at again with what follows.
fn head_in_pieces<T>(
    kind: HeadKind,
    bytes: &[u8],
    arrivals: &[usize],
    limits: &HeadLimits,
    refusal_for: impl Fn(HeadError) -> Refusal,
    parse: impl Fn(&[u8]) -> Result<T, Refusal>,
) -> Outcome<T> {
    let (mut check, mut seen) = (HeadCheck::new(kind), 0);
    for &arrived in arrivals {
        let so_far = &bytes[..arrived];
        let found = head::find_end(so_far, seen, limits);
        if let Ok(Some(length)) = found {
            return settled(parse(&so_far[..length]));
        }
        let within = so_far.get(..limits.max_bytes).unwrap_or(so_far);
        if let Err(error) = check.advance(within, limits).and(found) {
            return Outcome::Refused(refusal_for(error));
        }
        seen = arrived;
    }
    Outcome::Incomplete
}

fn settled<T>(result: Result<T, Refusal>) -> Outcome<T> {
    result.map_or_else(Outcome::Refused, Outcome::Good)
}

/// Runs every vector with every way to cut it, and reports all that fail by name.
fn run<T: Debug + PartialEq>(vectors: Vec<Vector<T>>, outcome: impl Fn(&[u8], &[usize], &HeadLimits) -> Outcome<T>) {
    let count = vectors.len();
    let mut names = HashSet::new();
    let mut failures = Vec::new();
    for vector in vectors {
        assert!(names.insert(vector.name.clone()), "two vectors are called {}", vector.name);
        let whole = vector.bytes.len();
        let in_one = outcome(&vector.bytes, &[whole], &vector.limits);
        if in_one != vector.expected {
            failures.push(format!("{}\n    expected {:?}\n    got      {in_one:?}", vector.name, vector.expected));
            continue;
        }
        let byte_by_byte: Vec<usize> = (1..=whole).collect();
        let cuts = (0..whole).map(|cut| vec![cut, whole]).chain([byte_by_byte]);
        for arrivals in cuts {
            let in_pieces = outcome(&vector.bytes, &arrivals, &vector.limits);
            if in_pieces != vector.expected {
                let cut = if arrivals.len() == 2 { format!("cut at {}", arrivals[0]) } else { "byte by byte".into() };
                failures.push(format!(
                    "{}, {cut}\n    expected {:?}\n    got      {in_pieces:?}",
                    vector.name, vector.expected
                ));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} vectors fail:\n{}", failures.len(), failures.join("\n"));
}

/// Bytes as text: whatever is not visible ASCII or a space is escaped.
fn shown(bytes: &[u8]) -> String {
    let visible = |byte: &u8| matches!(byte, b' '..=b'~');
    bytes
        .iter()
        .map(|byte| if visible(byte) { char::from(*byte).to_string() } else { byte.escape_ascii().to_string() })
        .collect()
}

/// A written head as text, its line ends shown as `\n`.
fn shown_head(head: &[u8]) -> String {
    shown(head).replace("\\r\\n", "\n")
}
