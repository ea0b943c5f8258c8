//! One frame header (RFC 6455 section 5.2), and the control frames that Ringway itself sends.

use super::mask::{self, Key};
use super::{Violation, close};
use crate::invariant::Invariant;

/// The most bytes a header can have: two, eight of length, four of mask.
pub const MAX_HEADER_BYTES: usize = 14;
/// The most bytes a control frame's payload can have (section 5.5).
pub const MAX_CONTROL_PAYLOAD_BYTES: usize = 125;
/// The most bytes a close frame's reason can have: the code before it takes two.
const MAX_REASON_BYTES: usize = 123;
/// The header of a control frame without a mask.
const UNMASKED_CONTROL_HEADER_BYTES: usize = 2;
/// The most bytes a whole control frame can have: a header of six at most, and its payload.
pub const MAX_CONTROL_BYTES: usize = 131;

/// The end of a WebSocket that sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A client: its frames are masked.
    Client,
    /// A server: its frames are not masked.
    Server,
}

/// The reserved bits that a peer may set after the negotiation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reserved {
    /// No extension, so no bit.
    #[default]
    None,
    /// Only permessage-deflate: RSV1 on the first frame of a data message (RFC 7692 section 6).
    Deflate,
    /// An extension that Ringway does not know: any bit, on any frame.
    Any,
}

/// A frame's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next part of a fragmented message.
    Continuation = 0x0,
    /// A text message, or its first part.
    Text = 0x1,
    /// A binary message, or its first part.
    Binary = 0x2,
    /// Begins or ends the close handshake.
    Close = 0x8,
    /// Asks for a pong.
    Ping = 0x9,
    /// Answers a ping, or is sent unasked as a sign of life.
    Pong = 0xA,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Close, ping and pong: never fragmented, at most 125 bytes, allowed inside a fragmented message.
    #[must_use]
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A header that is correct on its own. [`super::scan`] checks the order of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// True if this is the last frame of its message.
    pub fin: bool,
    /// The three reserved bits where they stand in the first byte (mask 0x70).
    pub reserved: u8,
    /// The frame's type.
    pub opcode: Opcode,
    /// The masking key, if a client sent the frame.
    pub mask: Option<Key>,
    /// Bytes that follow the header, up to 2^63 - 1.
    pub payload_len: u64,
    /// Bytes of the header itself, 2 to 14.
    pub header_len: u8,
}

/// Reads the header at the start of `bytes`; `None` if it is incomplete and correct so far.
///
/// # Errors
/// The first rule that the header breaks, as soon as the field that breaks it is whole.
pub fn parse(bytes: &[u8], sender: Sender, allowed: Reserved) -> Result<Option<Header>, Violation> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let bits = first & 0x0F;
    let opcode = Opcode::from_bits(bits).ok_or(Violation::UnknownOpcode(bits))?;
    let (fin, reserved) = (first & 0x80 != 0, first & 0x70);
    if reserved != 0 && !may_be_set(reserved, opcode, allowed) {
        return Err(Violation::ReservedBit);
    }
    if opcode.is_control() && !fin {
        return Err(Violation::FragmentedControl);
    }
    let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
    match (sender, second & 0x80 != 0) {
        (Sender::Client, false) => return Err(Violation::MissingMask),
        (Sender::Server, true) => return Err(Violation::UnexpectedMask),
        _ => {}
    }
    let short = second & 0x7F;
    if opcode.is_control() && short > 125 {
        return Err(Violation::ControlTooLong);
    }
    if opcode == Opcode::Close && short == 1 {
        return Err(Violation::CloseBodyTooShort);
    }
    let (payload_len, rest, unmasked_len) = match short {
        126 => {
            let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
            let length = u16::from_be_bytes(*length);
            if length < 126 {
                return Err(Violation::NonMinimalLength);
            }
            (u64::from(length), rest, 4)
        }
        127 => {
            let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
            let length = u64::from_be_bytes(*length);
            if length >> 63 != 0 {
                return Err(Violation::LengthHighBit);
            }
            if length < 0x1_0000 {
                return Err(Violation::NonMinimalLength);
            }
            (length, rest, 10)
        }
        short => (u64::from(short), rest, 2),
    };
    let (mask, header_len) = match sender {
        Sender::Server => (None, unmasked_len),
        Sender::Client => {
            let Some(key) = rest.first_chunk() else { return Ok(None) };
            (Some(*key), u8::saturating_add(unmasked_len, 4))
        }
    };
    Ok(Some(Header { fin, reserved, opcode, mask, payload_len, header_len }))
}

fn may_be_set(reserved: u8, opcode: Opcode, allowed: Reserved) -> bool {
    match allowed {
        Reserved::None => false,
        Reserved::Deflate => reserved == 0x40 && matches!(opcode, Opcode::Text | Opcode::Binary),
        Reserved::Any => true,
    }
}

/// A whole control frame that Ringway sends.
#[derive(Clone, Copy, Debug)]
pub struct ControlFrame {
    bytes: [u8; MAX_CONTROL_BYTES],
    len: u8,
}

impl ControlFrame {
    /// A ping or pong. A payload above 125 bytes is cut. A client gives `mask`.
    #[must_use]
    pub fn new(opcode: Opcode, payload: &[u8], mask: Option<Key>) -> Self {
        let payload = payload.get(..MAX_CONTROL_PAYLOAD_BYTES).unwrap_or(payload);
        let length = u8::try_from(payload.len()).expected_or_default();
        let mut frame = Self { bytes: [0; MAX_CONTROL_BYTES], len: 0 };
        frame.put(&[0x80 | opcode as u8, length]);
        frame.put(payload);
        match mask {
            Some(key) => frame.masked(key),
            None => frame,
        }
    }

    /// A close frame with a code and a short reason. A reason above 123 bytes is cut between two characters: the peer
    /// must fail the connection over one that is not UTF-8 (RFC 6455 sections 5.5.1 and 8.1).
    #[must_use]
    pub fn close(code: u16, reason: &str, mask: Option<Key>) -> Self {
        debug_assert!(close::may_be_sent(code));
        let mut body = [0; MAX_CONTROL_PAYLOAD_BYTES];
        let room = reason.len().min(MAX_REASON_BYTES);
        let fits = (0..=room).rev().find(|end| reason.is_char_boundary(*end)).expected_or_default();
        let content = code.to_be_bytes().into_iter().chain(reason.bytes().take(fits));
        let mut len = 0;
        for (to, from) in body.iter_mut().zip(content) {
            *to = from;
            len = usize::saturating_add(len, 1);
        }
        Self::new(Opcode::Close, body.get(..len).expected_or_default(), mask)
    }

    /// This frame, which has no mask yet, as a client must send it.
    #[must_use]
    pub fn masked(&self, key: Key) -> Self {
        let mut masked = Self { bytes: [0; MAX_CONTROL_BYTES], len: 0 };
        let (header, payload) = self.as_bytes().split_at_checked(UNMASKED_CONTROL_HEADER_BYTES).expected_or_default();
        let [first, second] = header.first_chunk().copied().expected_or_default();
        debug_assert!(second & 0x80 == 0, "masked twice");
        masked.put(&[first, 0x80 | second]);
        masked.put(&key);
        let start = usize::from(masked.len);
        masked.put(payload);
        if let Some(body) = masked.bytes.get_mut(start..usize::from(masked.len)) {
            mask::apply(body, key, 0);
        }
        masked
    }

    /// The code of a close frame that has one and no mask.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        let body = self.as_bytes().get(UNMASKED_CONTROL_HEADER_BYTES..).unwrap_or_default();
        close::code_of(body).ok().flatten()
    }

    /// The bytes of the frame.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).expected_or_default()
    }

    fn put(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.bytes.get_mut(usize::from(self.len)) {
                *place = *byte;
                self.len = self.len.saturating_add(1);
            }
        }
    }
}

/// Appends the header of a frame to `out`. Endpoints send data with it.
pub fn write_header(opcode: Opcode, fin: bool, reserved: u8, payload_len: u64, mask: Option<Key>, out: &mut Vec<u8>) {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    out.push(if fin { 0x80 } else { 0 } | (reserved & 0x70) | opcode as u8);
    match (u8::try_from(payload_len), u16::try_from(payload_len)) {
        (Ok(short @ 0..=125), _) => out.push(masked | short),
        (_, Ok(medium)) => {
            out.push(masked | 126);
            out.extend(medium.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend(payload_len.to_be_bytes());
        }
    }
    if let Some(key) = mask {
        out.extend(key);
    }
}

#[cfg(test)]
mod tests {
    use super::{ControlFrame, Opcode, Reserved, Sender, parse, write_header};
    use crate::proto::Violation;

    fn server(bytes: &[u8]) -> Result<Option<super::Header>, Violation> {
        parse(bytes, Sender::Server, Reserved::None)
    }

    #[test]
    fn the_rfcs_examples_are_read() {
        let hello = server(&[0x81, 0x05, 0x48]).unwrap().unwrap();
        assert_eq!((hello.fin, hello.opcode, hello.payload_len, hello.header_len), (true, Opcode::Text, 5, 2));
        let masked =
            parse(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f], Sender::Client, Reserved::None).unwrap().unwrap();
        assert_eq!((masked.mask, masked.header_len), (Some([0x37, 0xfa, 0x21, 0x3d]), 6));
        let part = server(&[0x01, 0x03]).unwrap().unwrap();
        assert_eq!((part.fin, part.opcode), (false, Opcode::Text));
        let medium = server(&[0x82, 0x7E, 0x01, 0x00]).unwrap().unwrap();
        assert_eq!((medium.payload_len, medium.header_len), (256, 4));
        let large = server(&[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]).unwrap().unwrap();
        assert_eq!((large.payload_len, large.header_len), (65_536, 10));
    }

    #[test]
    fn every_header_length_is_counted() {
        for (length, mask, expected) in [
            (0, None, 2),
            (0, Some([1; 4]), 6),
            (126, None, 4),
            (126, Some([1; 4]), 8),
            (65_536, None, 10),
            (65_536, Some([1; 4]), 14),
        ] {
            let mut bytes = Vec::new();
            write_header(Opcode::Binary, true, 0, length, mask, &mut bytes);
            let sender = if mask.is_some() { Sender::Client } else { Sender::Server };
            let header = parse(&bytes, sender, Reserved::None).unwrap().unwrap();
            assert_eq!((usize::from(header.header_len), header.payload_len), (expected, length));
            assert_eq!(bytes.len(), expected);
        }
    }

    #[test]
    fn a_breach_is_seen_in_the_first_byte_that_shows_it() {
        assert_eq!(server(&[0x83]), Err(Violation::UnknownOpcode(3)));
        assert_eq!(server(&[0xC1]), Err(Violation::ReservedBit));
        assert_eq!(server(&[0x09]), Err(Violation::FragmentedControl));
        assert_eq!(server(&[0x81, 0x80]), Err(Violation::UnexpectedMask));
        assert_eq!(server(&[0x89, 126]), Err(Violation::ControlTooLong));
        assert_eq!(server(&[0x88, 1]), Err(Violation::CloseBodyTooShort));
        assert_eq!(server(&[0x82, 126, 0, 125]), Err(Violation::NonMinimalLength));
        assert_eq!(server(&[0x82, 127, 0, 0, 0, 0, 0, 0, 255, 255]), Err(Violation::NonMinimalLength));
        assert_eq!(server(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]), Err(Violation::LengthHighBit));
        assert_eq!(parse(&[0x81, 0x05], Sender::Client, Reserved::None), Err(Violation::MissingMask));
    }

    #[test]
    fn the_first_reserved_bit_belongs_to_deflate_only_where_a_message_begins() {
        assert!(parse(&[0xC1, 0], Sender::Server, Reserved::Deflate).is_ok());
        for first in [0xC0, 0xC9, 0xA1, 0x91, 0xF1] {
            assert_eq!(
                parse(&[first, 0], Sender::Server, Reserved::Deflate),
                Err(Violation::ReservedBit),
                "{first:#x}"
            );
        }
        assert!(parse(&[0xF0, 0], Sender::Server, Reserved::Any).is_ok());
    }

    #[test]
    fn a_close_of_ours_reads_back() {
        let frame = ControlFrame::close(1001, "going away", Some([9, 8, 7, 6]));
        let header = parse(frame.as_bytes(), Sender::Client, Reserved::None).unwrap().unwrap();
        let mut body = frame.as_bytes()[usize::from(header.header_len)..].to_vec();
        super::mask::apply(&mut body, [9, 8, 7, 6], 0);
        assert_eq!(body, b"\x03\xe9going away");
        assert_eq!(ControlFrame::close(1000, &"x".repeat(500), None).as_bytes().len(), 127);
    }

    #[test]
    fn a_reason_too_long_is_cut_between_two_characters() {
        for reason in ["é".repeat(80), "€".repeat(50), "a€".repeat(40), "\u{10FFFF}".repeat(40)] {
            let frame = ControlFrame::close(1000, &reason, None);
            let sent = std::str::from_utf8(&frame.as_bytes()[4..]).unwrap();
            assert!(reason.starts_with(sent) && sent.len() > 123 - 4, "{} bytes of {reason}", sent.len());
        }
    }
}
