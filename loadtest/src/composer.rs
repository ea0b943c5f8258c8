//! Builds the frames of messages, each in a reused buffer.

use ringway::proto::frame;
use ringway::proto::mask::{self, Key};

use crate::message::{Form, Format, STAMP_CHARS, Stamp, shift};

/// The largest difference between the filler offsets of two messages.
const MAX_SHIFT: usize = 255;
/// The most bytes before a message's filler.
const BEFORE_FILLER: usize = frame::MAX_HEADER_BYTES + STAMP_CHARS;

/// Builds frames.
#[derive(Debug)]
pub struct Composer {
    format: Format,
    header: Vec<u8>,
    /// A client's frame, rewritten for each message, since each has its own mask. The payload begins at
    /// [`frame::MAX_HEADER_BYTES`], whatever the length of the header.
    masked: Vec<u8>,
    /// A server's frame: the filler is written once, and each message is a window on it.
    plain: Vec<u8>,
    /// The bytes of that filler that the last message's header and stamp may have overwritten.
    overwritten: usize,
}

impl Composer {
    /// Creates a composer without a frame.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, header: Vec::new(), masked: Vec::new(), plain: Vec::new(), overwritten: 0 }
    }

    /// The format of the messages.
    #[must_use]
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// Builds a complete message as the body of a POST.
    pub fn post(&mut self, stamp: &Stamp, payload_len: usize, host: &str, path: &str) -> &[u8] {
        let payload_len = payload_len.max(self.format.form().stamp_len());
        let kind = match self.format.form() {
            Form::Binary => "application/octet-stream",
            Form::Text => "text/plain",
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {payload_len}\r\n\r\n"
        );
        self.header.clear();
        self.header.extend_from_slice(head.as_bytes());
        self.format.write_payload(stamp, payload_len, &mut self.header);
        &self.header
    }

    /// Builds a complete message in one frame, of at most as many bytes as the format allows. A payload shorter than a
    /// stamp is extended to a stamp's length. With a mask, the frame is a client's.
    pub fn compose(&mut self, stamp: &Stamp, payload_len: usize, key: Option<Key>) -> &[u8] {
        let payload_len = payload_len.max(self.format.form().stamp_len());
        self.header.clear();
        let opcode = self.format.form().opcode();
        frame::write_header(opcode, true, 0, payload_len as u64, key, &mut self.header);
        match key {
            Some(key) => self.write_masked(stamp, payload_len, key),
            None => self.write_plain(stamp, payload_len),
        }
    }

    fn write_masked(&mut self, stamp: &Stamp, payload_len: usize, key: Key) -> &[u8] {
        if self.masked.is_empty() {
            self.masked = vec![0; frame::MAX_HEADER_BYTES.saturating_add(self.format.max_bytes().max(STAMP_CHARS))];
        }
        let (head, payload) = self.masked.split_at_mut(frame::MAX_HEADER_BYTES);
        let start = head.len().saturating_sub(self.header.len());
        if let Some(place) = head.get_mut(start..) {
            place.copy_from_slice(&self.header);
        }
        let (bytes, stamp_len) = self.format.write_stamp(stamp, payload_len);
        let payload = payload.get_mut(..payload_len).unwrap_or_default();
        mask::copy(bytes.get(..stamp_len).unwrap_or_default(), payload, key, 0);
        let body = payload.get_mut(stamp_len..).unwrap_or_default();
        let shift = usize::from(shift(stamp.from, stamp.number));
        self.format.filler().write(body, shift, key, stamp_len as u64);
        self.masked.get(start..frame::MAX_HEADER_BYTES.saturating_add(payload_len)).unwrap_or_default()
    }

    fn write_plain(&mut self, stamp: &Stamp, payload_len: usize) -> &[u8] {
        if self.plain.is_empty() {
            self.plain = vec![0; BEFORE_FILLER.saturating_add(self.format.max_bytes()).saturating_add(MAX_SHIFT)];
            self.overwritten = self.plain.len();
        }
        let filler = self.plain.get_mut(BEFORE_FILLER..).unwrap_or_default();
        let spoilt = self.overwritten.min(filler.len());
        self.format.filler().write(filler.get_mut(..spoilt).unwrap_or_default(), 0, Key::default(), 0);
        self.overwritten = usize::from(shift(stamp.from, stamp.number));
        let (bytes, stamp_len) = self.format.write_stamp(stamp, payload_len);
        let body = BEFORE_FILLER.saturating_add(self.overwritten);
        let payload = body.saturating_sub(stamp_len);
        let start = payload.saturating_sub(self.header.len());
        if let Some(place) = self.plain.get_mut(start..payload) {
            place.copy_from_slice(&self.header);
        }
        if let Some(place) = self.plain.get_mut(payload..body) {
            place.copy_from_slice(bytes.get(..stamp_len).unwrap_or_default());
        }
        self.plain.get(start..payload.saturating_add(payload_len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Composer;
    use crate::message::{Checker, Form, Format, Stamp};
    use ringway::engine::Time;
    use ringway::proto::frame::{Reserved, Sender};
    use ringway::proto::reader::{Piece, Reader};
    use ringway::proto::scan::FrameLimits;

    fn read(frame: &[u8], sender: Sender, format: &Format) -> Option<Stamp> {
        let limits = FrameLimits { max_frame_bytes: 1 << 20, max_message_bytes: 1 << 20 };
        let (mut bytes, mut at) = (frame.to_vec(), 0);
        let (mut reader, mut checker) = (Reader::new(sender, Reserved::None), Checker::default());
        loop {
            match reader.next(&mut bytes, &mut at, &limits) {
                Piece::Payload(piece) => checker.push(piece, format),
                Piece::Frame(header) => assert!(header.fin),
                Piece::NeedMore => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(reader.is_message_whole());
        checker.finish(format).ok()
    }

    #[test]
    fn each_frame_is_right_whatever_was_composed_before() {
        for form in [Form::Binary, Form::Text] {
            let format = Format::new(form, 9, 70_000);
            let mut composer = Composer::new(format.clone());
            let mut random = fastrand::Rng::with_seed(3);
            for number in 0..600 {
                let stamp = Stamp { from: random.u32(..), number, at: Time::from_nanos(random.u64(..)) };
                let len = [1, 64, 126, 300, 5000, 65_535, 70_000][random.usize(0..7)];
                let key = random.bool().then(|| random.u32(..).to_be_bytes());
                let sender = if key.is_some() { Sender::Client } else { Sender::Server };
                let frame = composer.compose(&stamp, len, key).to_vec();
                assert_eq!(read(&frame, sender, &format), Some(stamp), "{form:?}, message {number} of {len}");
            }
        }
    }
}
