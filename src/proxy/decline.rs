//! Passes on an upstream's response that is not a 101, with a bounded part of its body: a 401 stays a 401.

use super::context::Context;
use crate::engine::{Fault, Next, Received, Socket, Time, Transport};
use crate::invariant::Invariant;
use crate::proto::refusal::Refusal;
use crate::proto::response::{BodyLength, Response};

/// The most bytes of a body that are passed on; the rest is cut off.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// The most bytes that are read for them: chunks have lines of their own.
const MAX_RAW_BYTES: usize = 2 * MAX_BODY_BYTES;

#[derive(Debug)]
pub(super) struct Decline {
    client: Socket,
    upstream: Socket,
    head: Vec<u8>,
    body: Body,
    deadline: Time,
}

/// A body as it arrives. Decoded bytes are not looked at again.
#[derive(Debug)]
struct Body {
    length: BodyLength,
    raw: Vec<u8>,
    /// The offset of the first incomplete chunk in the raw bytes.
    at: usize,
    content: Vec<u8>,
    complete: bool,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    /// The status, and the complete answer for the client.
    Ready(u16, Vec<u8>),
    Refused(Refusal),
}

impl Decline {
    /// Starts with the bytes that came after the head.
    ///
    /// # Errors
    /// The head does not say where the body ends.
    pub(super) fn new<T: Transport>(
        client: Socket,
        upstream: Socket,
        head: Vec<u8>,
        raw: &[u8],
        cx: &Context<'_, T>,
    ) -> Result<Self, Refusal> {
        let length = Response::parse(&head, &cx.config.settings.head)?.body_length()?;
        let mut body = Body { length, raw: Vec::new(), at: 0, content: Vec::new(), complete: false };
        body.take(raw);
        let deadline = cx.net.now().after(cx.policy().timeouts.connect);
        Ok(Self { client, upstream, head, body, deadline })
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn upstream(&self) -> Socket {
        self.upstream
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        while !self.body.is_enough() {
            match cx.net.recv(self.upstream, cx.scratch) {
                Received::Bytes(n) => self.body.take(cx.scratch.get(..n).expected_or_default()),
                Received::Blocked if cx.net.now() < self.deadline => {
                    return Outcome::Stay(Next::Wait(Some(self.deadline)));
                }
                // TLS shows that the body was cut off, or is not the upstream's.
                Received::Failed(Fault::Tls(_)) => return Outcome::Refused(Refusal::UPSTREAM_CLOSED),
                // A part of a body is better than none.
                Received::Blocked | Received::End | Received::Failed(_) => break,
            }
        }
        let body = self.body.finish();
        match Response::parse(&self.head, &cx.config.settings.head) {
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

impl Body {
    fn take(&mut self, bytes: &[u8]) {
        let room = MAX_RAW_BYTES.saturating_sub(self.raw.len());
        self.raw.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        match self.length {
            BodyLength::None => self.complete = true,
            BodyLength::UntilClose => {}
            BodyLength::Known(length) => {
                let length = usize::try_from(length).expected_or(usize::MAX);
                self.complete = self.raw.len() >= length;
                self.raw.truncate(length);
            }
            BodyLength::Chunked => self.take_chunks(),
        }
    }

    /// Decodes chunks (RFC 9112 section 7.1). Chunk extensions and trailers are dropped.
    fn take_chunks(&mut self) {
        while !self.complete
            && let Some((start, end)) = self.chunk()
            && let Some(chunk) = self.raw.get(start..end)
        {
            self.content.extend_from_slice(chunk);
            self.complete = chunk.is_empty();
            self.at = end.saturating_add(2);
        }
    }

    /// The range of the next chunk's content, by the chunk's size.
    fn chunk(&self) -> Option<(usize, usize)> {
        let rest = self.raw.get(self.at..)?;
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else { return None };
        let start = self.at.saturating_add(line);
        Some((start, start.saturating_add(usize::try_from(size).expected_or(usize::MAX))))
    }

    fn is_enough(&self) -> bool {
        self.complete || self.raw.len() >= MAX_RAW_BYTES || self.content.len() >= MAX_BODY_BYTES
    }

    /// The bytes to pass on, an incomplete last chunk included.
    fn finish(&mut self) -> &[u8] {
        match self.length {
            BodyLength::Chunked => {
                if !self.complete
                    && let Some((start, _)) = self.chunk()
                {
                    self.content.extend_from_slice(self.raw.get(start..).expected_or_default());
                }
            }
            BodyLength::None => {}
            BodyLength::Known(_) | BodyLength::UntilClose => self.content = std::mem::take(&mut self.raw),
        }
        self.content.get(..MAX_BODY_BYTES).unwrap_or(&self.content)
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, BodyLength, MAX_BODY_BYTES};

    fn body(length: BodyLength, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut body = Body { length, raw: Vec::new(), at: 0, content: Vec::new(), complete: false };
        for piece in pieces {
            body.take(piece);
        }
        (body.finish().to_vec(), body.complete)
    }

    #[test]
    fn chunks_are_joined_and_the_last_one_ends_the_body_however_they_are_cut() {
        let whole = b"4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\n\r\n";
        for cut in 0..=whole.len() {
            let (left, right) = whole.split_at(cut);
            assert_eq!(body(BodyLength::Chunked, &[left, right]), (b"Wikipedia".to_vec(), true), "cut at {cut}");
        }
    }

    #[test]
    fn the_part_of_a_body_that_came_before_the_end_is_kept() {
        assert_eq!(body(BodyLength::Chunked, &[b"4\r\nWi"]), (b"Wi".to_vec(), false));
        assert_eq!(body(BodyLength::Chunked, &[b"FFFFFFFFFFFFFFFF\r\nabc"]), (b"abc".to_vec(), false));
        assert_eq!(body(BodyLength::Chunked, &[b"nonsense"]), (Vec::new(), false));
        assert_eq!(body(BodyLength::Known(9), &[b"Wiki"]), (b"Wiki".to_vec(), false));
        assert_eq!(body(BodyLength::Known(4), &[b"Wiki", b"pedia"]), (b"Wiki".to_vec(), true));
        assert_eq!(body(BodyLength::None, &[b"Wiki"]), (Vec::new(), true));
        assert_eq!(body(BodyLength::UntilClose, &[&[b'x'; 200_000]]).0.len(), MAX_BODY_BYTES);
    }
}
