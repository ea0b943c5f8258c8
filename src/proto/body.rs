//! The body of an upstream's answer that is not a 101, as it is passed on (RFC 9112 sections 6 to 8).
//!
//! Every body keeps an end that its reader can see: one of known length keeps its length, any other is passed on in chunks. A
//! body that does not become whole is cut off before its last byte or its last chunk, so nobody takes a part for the whole.

use super::response::BodyLength;
use crate::invariant::Invariant;

/// The longest line with the size of a chunk, its extensions included. They are dropped.
const MAX_SIZE_LINE_BYTES: usize = 1024;

/// A body as it arrives.
#[derive(Debug)]
pub struct Body {
    state: State,
    /// The start of a line between chunks that has not arrived whole.
    line: Vec<u8>,
    passed: u64,
}

/// The next part of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// This many bytes of a body of known length are left.
    Known(u64),
    /// Bytes until the upstream closes.
    UntilClose,
    /// The line with a chunk's size.
    Size,
    /// This many bytes of a chunk are left.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Nothing.
    Whole,
}

/// The upstream's chunks do not fit their grammar (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Body {
    /// A body of which nothing has arrived.
    #[must_use]
    pub fn new(length: BodyLength) -> Self {
        let state = match length {
            BodyLength::None | BodyLength::Known(0) => State::Whole,
            BodyLength::Known(length) => State::Known(length),
            BodyLength::Chunked => State::Size,
            BodyLength::UntilClose => State::UntilClose,
        };
        Self { state, line: Vec::new(), passed: 0 }
    }

    /// True once the last byte of the body has arrived.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    /// The bytes of content that were passed on.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Appends what is passed on of the next bytes from the upstream. Bytes behind the body, and trailers, are dropped.
    ///
    /// # Errors
    /// The bytes break the grammar. What came before them was appended.
    pub fn take(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        while !bytes.is_empty() && !self.is_whole() {
            match self.state {
                State::Known(left) => {
                    let piece = take_up_to(&mut bytes, left);
                    out.extend(piece);
                    self.state = match self.count(piece, left) {
                        0 => State::Whole,
                        left => State::Known(left),
                    };
                }
                State::UntilClose => {
                    let piece = std::mem::take(&mut bytes);
                    self.count(piece, 0);
                    write_chunk(piece, out);
                }
                State::Chunk(left) => {
                    let piece = take_up_to(&mut bytes, left);
                    write_chunk(piece, out);
                    self.state = match self.count(piece, left) {
                        0 => State::ChunkEnd,
                        left => State::Chunk(left),
                    };
                }
                State::Size | State::ChunkEnd => self.take_line(&mut bytes, out)?,
                State::Whole => {}
            }
        }
        Ok(())
    }

    /// Notes that the upstream has ended its connection in order, and appends what that adds: `true` if the body is whole.
    pub fn end(&mut self, out: &mut Vec<u8>) -> bool {
        if self.state == State::UntilClose {
            self.finish(out);
        }
        self.is_whole()
    }

    /// Takes bytes of a line between chunks, up to its end.
    fn take_line(&mut self, bytes: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.line.extend_from_slice(std::mem::take(bytes));
            return if self.line.len() > MAX_SIZE_LINE_BYTES { Err(Malformed) } else { Ok(()) };
        };
        let (rest, behind) = bytes.split_at_checked(end.saturating_add(1)).expected_or_default();
        *bytes = behind;
        self.line.extend_from_slice(rest);
        let line = std::mem::take(&mut self.line);
        if line.len() > MAX_SIZE_LINE_BYTES {
            return Err(Malformed);
        }
        match self.state {
            State::ChunkEnd if line == b"\r\n" => self.state = State::Size,
            State::ChunkEnd => return Err(Malformed),
            // httparse reads a line without a digit as the size 0, which would end the body.
            _ if !line.first().is_some_and(u8::is_ascii_hexdigit) => return Err(Malformed),
            _ => match httparse::parse_chunk_size(&line) {
                Ok(httparse::Status::Complete((_, 0))) => self.finish(out),
                Ok(httparse::Status::Complete((_, size))) => self.state = State::Chunk(size),
                Ok(httparse::Status::Partial) | Err(_) => return Err(Malformed),
            },
        }
        Ok(())
    }

    /// Appends the last chunk.
    fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend(b"0\r\n\r\n");
        self.state = State::Whole;
    }

    /// Counts a piece that is passed on. Returns how many of `left` bytes are left.
    fn count(&mut self, piece: &[u8], left: u64) -> u64 {
        let length = u64::try_from(piece.len()).expected_or(u64::MAX);
        self.passed = self.passed.saturating_add(length);
        left.saturating_sub(length)
    }
}

fn take_up_to<'a>(bytes: &mut &'a [u8], left: u64) -> &'a [u8] {
    let end = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    let (piece, rest) = bytes.split_at_checked(end).expected_or_default();
    *bytes = rest;
    piece
}

fn write_chunk(content: &[u8], out: &mut Vec<u8>) {
    if !content.is_empty() {
        out.extend(format!("{:x}\r\n", content.len()).as_bytes());
        out.extend(content);
        out.extend(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, BodyLength, Malformed};

    /// The bytes that are passed on of pieces, whether the pieces were in order, and whether the body is whole.
    fn passed(length: BodyLength, pieces: &[&[u8]]) -> (Vec<u8>, bool, bool) {
        let (mut body, mut out) = (Body::new(length), Vec::new());
        let is_right = pieces.iter().all(|piece| body.take(piece, &mut out) != Err(Malformed));
        (out, is_right, body.is_whole())
    }

    /// The content of chunks, if they end.
    fn content(mut chunks: &[u8]) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(chunks) else { return None };
            let size = usize::try_from(size).unwrap();
            if size == 0 {
                return (&chunks[line..] == b"\r\n").then_some(content);
            }
            content.extend(chunks.get(line..line + size)?);
            chunks = chunks.get(line + size..)?.strip_prefix(b"\r\n")?;
        }
    }

    #[test]
    fn a5_chunks_are_passed_on_as_chunks_however_they_are_cut() {
        let whole = b"4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\nTrailer: x\r\n\r\nbehind";
        for cut in 0..=whole.len() {
            let (left, right) = whole.split_at(cut);
            let (out, is_right, is_whole) = passed(BodyLength::Chunked, &[left, right]);
            assert_eq!((content(&out).as_deref(), is_right, is_whole), (Some(&b"Wikipedia"[..]), true, true), "{cut}");
        }
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(content(&passed(BodyLength::Chunked, &bytes).0).as_deref(), Some(&b"Wikipedia"[..]));
    }

    #[test]
    fn a5_a_part_of_a_body_has_no_end() {
        for (length, bytes) in [
            (BodyLength::Chunked, &b"4\r\nWi"[..]),
            (BodyLength::Chunked, b"4\r\nWiki\r\n"),
            (BodyLength::Chunked, b"FFFFFFFFFFFFFFFF\r\nabc"),
            (BodyLength::Chunked, b"4\r\nWiki\r\n0"),
        ] {
            let (mut body, mut out) = (Body::new(length), Vec::new());
            assert_eq!(body.take(bytes, &mut out), Ok(()));
            assert!(!body.end(&mut out) && content(&out).is_none(), "{out:?}");
        }
        let (mut body, mut out) = (Body::new(BodyLength::Known(9)), Vec::new());
        assert_eq!(body.take(b"Wiki", &mut out), Ok(()));
        assert!(!body.end(&mut out) && out == b"Wiki");
    }

    #[test]
    fn a5_chunks_that_break_the_grammar_are_passed_on_up_to_the_fault() {
        for bytes in [&b"nonsense\r\n"[..], b"4\r\nWikipedia\r\n", b"-1\r\n", b"\r\n", b";x\r\n", &[b'1'; 1100]] {
            let (out, is_right, is_whole) = passed(BodyLength::Chunked, &[bytes]);
            assert!(!is_right && !is_whole && content(&out).is_none(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a5_a_body_of_known_length_passes_as_it_is_and_one_until_the_close_in_chunks() {
        assert_eq!(passed(BodyLength::Known(4), &[b"Wi", b"kipedia"]), (b"Wiki".to_vec(), true, true));
        assert_eq!(passed(BodyLength::Known(0), &[b"Wiki"]), (Vec::new(), true, true));
        assert_eq!(passed(BodyLength::None, &[b"Wiki"]), (Vec::new(), true, true));
        let (mut body, mut out) = (Body::new(BodyLength::UntilClose), Vec::new());
        assert_eq!(body.take(b"Wikipedia", &mut out), Ok(()));
        assert!(content(&out).is_none() && body.end(&mut out));
        assert_eq!((content(&out).as_deref(), body.passed()), (Some(&b"Wikipedia"[..]), 9));
    }
}
