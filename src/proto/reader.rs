//! The receiving end of a WebSocket: bytes in, frames and pieces of unmasked payload out.
//!
//! For each receive, [`Reader::restore`] copies the bytes left over from the last one to the start of a buffer, the
//! caller receives more bytes after them, and calls [`Reader::next`] until it returns [`Piece::NeedMore`]. Payloads are
//! unmasked in place and returned in pieces, so that a frame of any length takes no memory. Between two receives the
//! reader keeps the start of a header, or an incomplete control frame: at most 130 bytes.

use super::frame::{Header, Opcode, Reserved, Sender};
use super::mask::{self, Key};
use super::scan::{FrameLimits, Scanner, Step};
use super::violation::Violation;
use crate::invariant::Invariant;

/// The most bytes of a piece of payload: few enough to be still in the CPU's first cache when the caller reads them.
const PIECE_BYTES: usize = 16 * 1024;

/// The state of the receiving end of one direction.
#[derive(Clone, Debug)]
pub struct Reader {
    scanner: Scanner,
    carry: Vec<u8>,
    key: Option<Key>,
    offset: u64,
    fin: bool,
}

/// The next part of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'b> {
    /// A data frame's header.
    Frame(Header),
    /// Payload of that frame, unmasked, at least one byte.
    Payload(&'b mut [u8]),
    /// A whole control frame.
    Control {
        /// The frame's type.
        opcode: Opcode,
        /// The code of a close frame, if it has one.
        close_code: Option<u16>,
        /// The payload, unmasked: of a close frame the code and the reason.
        payload: &'b [u8],
    },
    /// The rest is incomplete: more bytes are needed.
    NeedMore,
    /// A frame that breaks a rule. Bytes after it do not count.
    Violation(Violation),
}

impl Reader {
    /// A reader of the frames that `sender` sends after the handshake.
    #[must_use]
    pub fn new(sender: Sender, reserved: Reserved) -> Self {
        Self { scanner: Scanner::new(sender, reserved), carry: Vec::new(), key: None, offset: 0, fin: true }
    }

    /// True if the bytes used so far end between two frames.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.scanner.at_boundary()
    }

    /// True if the bytes used so far end between two messages, or after a control frame between two.
    #[must_use]
    pub fn between_messages(&self) -> bool {
        self.scanner.between_messages()
    }

    /// True if the message's last data frame is used up.
    #[must_use]
    pub fn is_message_whole(&self) -> bool {
        self.fin && self.scanner.at_boundary()
    }

    /// Data messages whose last frame has begun.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.scanner.messages()
    }

    /// Keeps bytes for the next [`restore`](Self::restore): those that came with the handshake.
    pub fn keep(&mut self, bytes: &[u8]) {
        self.carry.clear();
        self.carry.extend_from_slice(bytes);
    }

    /// Copies the bytes left over to the start of `buffer`, and returns their number.
    #[inline]
    #[expect(clippy::disallowed_methods, reason = "the start is as long as what is copied to it")]
    pub fn restore(&self, buffer: &mut [u8]) -> usize {
        match buffer.get_mut(..self.carry.len()) {
            Some(start) => {
                start.copy_from_slice(&self.carry);
                self.carry.len()
            }
            None => 0,
        }
    }

    /// Reads the next part from `at` on, and moves `at` after it.
    #[inline]
    pub fn next<'b>(&mut self, buffer: &'b mut [u8], at: &mut usize, limits: &FrameLimits) -> Piece<'b> {
        let rest = buffer.get_mut(*at..).expected_or_default();
        let within = if self.scanner.at_boundary() { rest.len() } else { rest.len().min(PIECE_BYTES) };
        match self.scanner.step(rest.get(..within).expected_or_default(), limits) {
            Step::NeedMore => {
                self.keep(rest);
                *at = at.saturating_add(rest.len());
                Piece::NeedMore
            }
            Step::Violation(violation) => Piece::Violation(violation),
            Step::Header(header) => {
                *at = at.saturating_add(usize::from(header.header_len));
                self.key = header.mask;
                self.offset = 0;
                self.fin = header.fin;
                Piece::Frame(header)
            }
            Step::Payload(length) => {
                *at = at.saturating_add(length);
                let payload = rest.get_mut(..length).expected_or_default();
                if let Some(key) = self.key {
                    mask::apply(payload, key, self.offset);
                    self.offset = self.offset.saturating_add(length as u64);
                }
                Piece::Payload(payload)
            }
            Step::Control(control) => {
                *at = at.saturating_add(control.frame_len);
                let payload = rest.get_mut(control.header_len..control.frame_len).expected_or_default();
                if let Some(key) = control.mask {
                    mask::apply(payload, key, 0);
                }
                Piece::Control { opcode: control.opcode, close_code: control.close_code, payload }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, Reader};
    use crate::proto::frame::{ControlFrame, Opcode, Reserved, Sender, write_header};
    use crate::proto::mask;
    use crate::proto::scan::FrameLimits;

    const LIMITS: FrameLimits = FrameLimits { max_frame_bytes: 1 << 20, max_message_bytes: 1 << 20 };

    /// Two frames of a text message with a ping between them, and a close after them.
    fn wire() -> Vec<u8> {
        let mut bytes = Vec::new();
        let part = |opcode, fin, text: &str, bytes: &mut Vec<u8>| {
            let key = [9, 8, 7, 6];
            write_header(opcode, fin, 0, text.len() as u64, Some(key), bytes);
            let start = bytes.len();
            bytes.extend(text.bytes());
            mask::apply(&mut bytes[start..], key, 0);
        };
        part(Opcode::Text, false, "hello, ", &mut bytes);
        bytes.extend(ControlFrame::new(Opcode::Ping, b"now", Some([1, 2, 3, 4])).as_bytes());
        part(Opcode::Continuation, true, "world", &mut bytes);
        bytes.extend(ControlFrame::close(1000, "bye", Some([5, 5, 5, 5])).as_bytes());
        bytes
    }

    fn read(chunks: &[&[u8]]) -> (String, Vec<String>) {
        let mut reader = Reader::new(Sender::Client, Reserved::None);
        let (mut text, mut controls, mut buffer) = (String::new(), Vec::new(), vec![0; 4096]);
        for chunk in chunks {
            let start = reader.restore(&mut buffer);
            buffer[start..start + chunk.len()].copy_from_slice(chunk);
            let mut at = 0;
            loop {
                match reader.next(&mut buffer[..start + chunk.len()], &mut at, &LIMITS) {
                    Piece::Frame(_) => {}
                    Piece::Payload(payload) => text.push_str(std::str::from_utf8(payload).unwrap()),
                    Piece::Control { opcode, close_code, payload } => {
                        controls.push(format!("{opcode:?} {close_code:?} {}", payload.len()));
                    }
                    Piece::NeedMore => break,
                    Piece::Violation(violation) => panic!("{violation:?}"),
                }
            }
        }
        (text, controls)
    }

    #[test]
    fn a_stream_split_anywhere_reads_the_same() {
        let bytes = wire();
        let expected = ("hello, world".to_owned(), vec!["Ping None 3".to_owned(), "Close Some(1000) 5".to_owned()]);
        assert_eq!(read(&[&bytes]), expected);
        for split in 0..=bytes.len() {
            let (left, right) = bytes.split_at(split);
            assert_eq!(read(&[left, right]), expected, "split at {split}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single), expected);
    }
}
