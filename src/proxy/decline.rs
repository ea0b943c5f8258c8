//! The upstream answered something else than 101: its answer is gathered, with a bounded part of its body, and goes to
//! the client, so that a 401 stays a 401.

use super::context::Context;
use crate::engine::{Next, Received, Socket, Time, Transport};
use crate::proto::refusal::Refusal;
use crate::proto::response::{BodyLength, Response};

/// Bytes of a body that are passed on; the rest is cut off.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Bytes that are read for them: chunks bring their own lines.
const MAX_RAW_BYTES: usize = 2 * MAX_BODY_BYTES;

#[derive(Debug)]
pub(super) struct Decline {
    client: Socket,
    upstream: Socket,
    head: Vec<u8>,
    raw: Vec<u8>,
    deadline: Time,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    /// The status, and the whole answer for the client.
    Ready(u16, Vec<u8>),
    Refused(Refusal),
}

impl Decline {
    pub(super) fn new(client: Socket, upstream: Socket, head: Vec<u8>, raw: Vec<u8>, deadline: Time) -> Self {
        Self { client, upstream, head, raw, deadline }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn upstream(&self) -> Socket {
        self.upstream
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        let length = match Response::parse(&self.head, &cx.settings.head).and_then(|response| response.body_length()) {
            Ok(length) => length,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        loop {
            let (body, complete) = decode(&self.raw, length);
            if complete || self.raw.len() >= MAX_RAW_BYTES || body.len() >= MAX_BODY_BYTES {
                return self.ready(&body, cx);
            }
            match cx.net.recv(self.upstream, cx.scratch) {
                Received::Bytes(n) => {
                    self.raw.extend_from_slice(cx.scratch.get(..n).unwrap_or_default());
                    self.raw.truncate(MAX_RAW_BYTES);
                }
                Received::Blocked if cx.net.now() < self.deadline => {
                    return Outcome::Stay(Next::Wait(Some(self.deadline)));
                }
                // What there is of a body is better than none.
                Received::Blocked | Received::End | Received::Failed(_) => return self.ready(&body, cx),
            }
        }
    }

    fn ready<T: Transport>(&self, body: &[u8], cx: &Context<'_, T>) -> Outcome {
        let body = body.get(..MAX_BODY_BYTES).unwrap_or(body);
        match Response::parse(&self.head, &cx.settings.head) {
            Ok(response) => {
                let mut answer = Vec::with_capacity(self.head.len().saturating_add(body.len()).saturating_add(64));
                response.write_declined(body.len(), &mut answer);
                answer.extend_from_slice(body);
                Outcome::Ready(response.status, answer)
            }
            Err(refusal) => Outcome::Refused(refusal),
        }
    }
}

/// The body in the raw bytes, and whether it is whole.
fn decode(raw: &[u8], length: BodyLength) -> (Vec<u8>, bool) {
    match length {
        BodyLength::None => (Vec::new(), true),
        BodyLength::UntilClose => (raw.to_vec(), false),
        BodyLength::Known(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            (raw.get(..length).unwrap_or(raw).to_vec(), raw.len() >= length)
        }
        BodyLength::Chunked => unchunk(raw),
    }
}

/// RFC 9112 section 7.1. Chunk extensions and trailers are dropped.
fn unchunk(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(raw) {
        if size == 0 {
            return (body, true);
        }
        let rest = raw.get(line..).unwrap_or_default();
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let Some(chunk) = rest.get(..size) else {
            body.extend_from_slice(rest);
            return (body, false);
        };
        body.extend_from_slice(chunk);
        raw = rest.get(size.saturating_add(2)..).unwrap_or_default();
    }
    (body, false)
}

#[cfg(test)]
mod tests {
    use super::unchunk;

    #[test]
    fn chunks_are_joined_and_the_last_one_ends_the_body() {
        assert_eq!(unchunk(b"4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\n\r\n"), (b"Wikipedia".to_vec(), true));
        assert_eq!(unchunk(b"4\r\nWi"), (b"Wi".to_vec(), false));
        assert_eq!(unchunk(b"FFFFFFFFFFFFFFFF\r\nabc"), (b"abc".to_vec(), false));
        assert_eq!(unchunk(b"nonsense"), (Vec::new(), false));
    }
}
