//! The body of an upstream's answer that is not a 101, as it is passed on (RFC 9112 sections 6 to 8).
//!
//! Every body keeps an end that its reader can see: one of known length keeps its length, any other is passed on in chunks. A
//! body that does not become whole is cut off before its last byte or its last chunk, so nobody takes a part for the whole.

use super::content::{BodyLength, Content, Malformed};
use crate::invariant::Invariant;

/// A body as it arrives.
#[derive(Debug)]
pub struct Body {
    content: Content,
    outward: Outward,
    passed: u64,
}

/// The framing in which a body is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outward {
    /// By the length that the head tells.
    Length,
    /// In chunks.
    Chunks,
}

impl Body {
    /// A body of which nothing has arrived.
    #[must_use]
    pub fn new(length: BodyLength) -> Self {
        let outward = match length {
            BodyLength::None | BodyLength::Known(_) => Outward::Length,
            BodyLength::Chunked | BodyLength::UntilClose => Outward::Chunks,
        };
        Self { content: Content::new(length), outward, passed: 0 }
    }

    /// True once the last byte of the body has arrived.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.content.is_whole()
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
            let piece = self.content.take(&mut bytes)?;
            self.passed = self.passed.saturating_add(u64::try_from(piece.len()).expected_or(u64::MAX));
            match self.outward {
                Outward::Length => out.extend(piece),
                Outward::Chunks => write_chunk(piece, out),
            }
            self.finish(out);
        }
        Ok(())
    }

    /// Notes that the upstream has ended its connection in order, and appends what that adds: `true` if the body is whole.
    pub fn end(&mut self, out: &mut Vec<u8>) -> bool {
        if !self.is_whole() && self.content.end() {
            self.finish(out);
        }
        self.is_whole()
    }

    /// Appends the last chunk if the body has just become whole.
    fn finish(&self, out: &mut Vec<u8>) {
        if self.is_whole() && self.outward == Outward::Chunks {
            out.extend(b"0\r\n\r\n");
        }
    }
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
