//! The body of a plain request, gathered whole: [`MAX_BODY_BYTES`] of content at most.

use super::content::{BodyLength, Content};
use super::plain::MAX_BODY_BYTES;
use super::refusal::Refusal;

/// The most bytes that are received for a body: the framing of chunks may be longer than what they hold, and no longer than
/// this. Chunks of one byte need six.
const MAX_RECEIVED_BYTES: usize = 8 * MAX_BODY_BYTES;

/// A body as it arrives.
#[derive(Debug)]
pub struct PlainBody {
    content: Content,
    bytes: Vec<u8>,
    /// The bytes that may still be received.
    room: usize,
}

impl PlainBody {
    /// A body of which nothing has arrived.
    #[must_use]
    pub fn new(length: BodyLength) -> Self {
        let room = match length {
            BodyLength::None => 0,
            BodyLength::Known(length) => usize::try_from(length).unwrap_or(usize::MAX),
            BodyLength::Chunked | BodyLength::UntilClose => MAX_RECEIVED_BYTES,
        };
        Self { content: Content::new(length), bytes: Vec::new(), room }
    }

    /// True once the body is whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.content.is_whole()
    }

    /// The bytes that may still be received; above 0 until the body is whole.
    #[must_use]
    pub fn room(&self) -> usize {
        self.room
    }

    /// The content that has arrived.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes the next bytes from the client. Those behind the body are not looked at.
    ///
    /// # Errors
    /// The refusal to answer with: the body is too long, or its chunks break their grammar.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() && !self.is_whole() {
            let before = bytes.len();
            let piece = self.content.take(&mut bytes).map_err(|_| Refusal::BODY_MALFORMED)?;
            self.room = self.room.saturating_sub(before.saturating_sub(bytes.len()));
            if piece.len() > MAX_BODY_BYTES.saturating_sub(self.bytes.len()) {
                return Err(Refusal::BODY_TOO_LARGE);
            }
            self.bytes.extend_from_slice(piece);
        }
        if self.room == 0 && !self.is_whole() { Err(Refusal::BODY_TOO_LARGE) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_BODY_BYTES, MAX_RECEIVED_BYTES, PlainBody};
    use crate::proto::content::BodyLength;
    use crate::proto::refusal::Refusal;

    fn taken(length: BodyLength, pieces: &[&[u8]]) -> Result<PlainBody, Refusal> {
        let mut body = PlainBody::new(length);
        pieces.iter().try_for_each(|piece| body.take(piece)).map(|()| body)
    }

    #[test]
    fn c5_chunks_are_put_together_however_they_are_cut() {
        let whole = b"4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\nTrailer: x\r\n\r\nbehind";
        for cut in 0..=whole.len() {
            let (left, right) = whole.split_at(cut);
            let body = taken(BodyLength::Chunked, &[left, right]).unwrap();
            assert_eq!((body.bytes(), body.is_whole()), (&b"Wikipedia"[..], true), "{cut}");
        }
        for part in 0..26 {
            assert!(!taken(BodyLength::Chunked, &[&whole[..part]]).unwrap().is_whole(), "{part}");
        }
    }

    #[test]
    fn c5_a_body_is_bounded_however_it_is_framed() {
        let chunk = |size: usize| [format!("{size:x}\r\n").as_bytes(), &vec![b'x'; size], b"\r\n"].concat();
        let exact = [chunk(MAX_BODY_BYTES), b"0\r\n\r\n".to_vec()].concat();
        assert_eq!(taken(BodyLength::Chunked, &[&exact]).unwrap().bytes().len(), MAX_BODY_BYTES);
        let one_more = [chunk(MAX_BODY_BYTES), chunk(1)].concat();
        assert_eq!(taken(BodyLength::Chunked, &[&one_more]).unwrap_err(), Refusal::BODY_TOO_LARGE);
        let one_by_one = [chunk(1).repeat(MAX_BODY_BYTES), b"0\r\n\r\n".to_vec()].concat();
        assert!(taken(BodyLength::Chunked, &[&one_by_one]).unwrap().is_whole(), "the smallest chunks pass");
        // Little content in much framing.
        let padded = [format!("1;{}\r\nx\r\n", "e".repeat(1000)).into_bytes().as_slice()].concat();
        let mut body = PlainBody::new(BodyLength::Chunked);
        let refused = (0..).find(|_| body.take(&padded).is_err()).unwrap();
        assert!((100..200).contains(&refused), "{refused} of {} bytes, {MAX_RECEIVED_BYTES} allowed", padded.len());
        assert_eq!(taken(BodyLength::Chunked, &[b"g\r\n"]).unwrap_err(), Refusal::BODY_MALFORMED);
        assert_eq!(taken(BodyLength::Chunked, &[b"1\r\nxy\r\n"]).unwrap_err(), Refusal::BODY_MALFORMED);
    }

    #[test]
    fn c5_a_body_of_known_length_takes_no_more_than_that() {
        let body = taken(BodyLength::Known(4), &[b"Wi", b"kipedia"]).unwrap();
        assert_eq!((body.bytes(), body.is_whole()), (&b"Wiki"[..], true));
        let body = taken(BodyLength::Known(4), &[b"Wi"]).unwrap();
        assert_eq!((body.room(), body.is_whole()), (2, false));
        assert!(taken(BodyLength::None, &[b"x"]).unwrap().bytes().is_empty());
    }
}
