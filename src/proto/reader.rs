//! The receiving end of a WebSocket: bytes in, frames and pieces of unmasked payload out.
//!
//! Each receive goes like this: [`Reader::restore`] puts what the last one left over at the start of a buffer, the new
//! bytes go behind it, and [`Reader::next`] is called until it says [`Piece::NeedMore`]. Payloads are unmasked where they
//! lie and given out as they come: nothing is gathered, however long a frame is. What is kept between two receives is
//! the start of a header, or a control frame that is not yet whole (130 bytes at most).

use super::frame::{Header, Opcode, Reserved, Sender};
use super::mask::{self, Key};
use super::scan::{FrameLimits, Scanner, Step};
use super::violation::Violation;
use crate::invariant::Invariant;

/// The most bytes of a piece of payload. What is unmasked in one go is still in the first cache when it is looked at.
const PIECE_BYTES: usize = 16 * 1024;

/// The state of one direction, at the end that reads it.
#[derive(Clone, Debug)]
pub struct Reader {
    scanner: Scanner,
    carry: Vec<u8>,
    key: Option<Key>,
    offset: u64,
    fin: bool,
}

/// What comes next in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'b> {
    /// A data frame's header.
    Frame(Header),
    /// Payload of that frame, unmasked, at least one byte.
    Payload(&'b mut [u8]),
    /// A whole control frame.
    Control {
        /// Which one.
        opcode: Opcode,
        /// The code of a close frame that has one.
        close_code: Option<u16>,
        /// Its payload, unmasked: for a close frame code and reason.
        payload: &'b [u8],
    },
    /// Nothing whole is left.
    NeedMore,
    /// A frame that breaks a rule. Nothing behind it counts.
    Violation(Violation),
}

impl Reader {
    /// A reader of what `sender` sends behind the handshake.
    #[must_use]
    pub fn new(sender: Sender, reserved: Reserved) -> Self {
        Self { scanner: Scanner::new(sender, reserved), carry: Vec::new(), key: None, offset: 0, fin: true }
    }

    /// Whether what was used so far ends between two frames.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.scanner.at_boundary()
    }

    /// Whether what was used so far ends between two messages, or with a control frame there.
    #[must_use]
    pub fn between_messages(&self) -> bool {
        self.scanner.between_messages()
    }

    /// Whether the data frame that was used last is its message's last, and is used up.
    #[must_use]
    pub fn is_message_whole(&self) -> bool {
        self.fin && self.scanner.at_boundary()
    }

    /// Data messages whose last frame has begun.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.scanner.messages()
    }

    /// Keeps bytes for the next [`restore`](Self::restore): those that came behind the handshake.
    pub fn keep(&mut self, bytes: &[u8]) {
        self.carry.clear();
        self.carry.extend_from_slice(bytes);
    }

    /// Puts what was left over at the start of `buffer`, and tells how many bytes that are.
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

    /// Takes the one thing that stands at `at`, and moves `at` behind it.
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

    /// Two frames of a text message with a ping between them, and a close behind.
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
