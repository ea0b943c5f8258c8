//! The content of messages, which makes every received message checkable: its sender, its number, the moment it was
//! due, and a filler that both ends know.
//!
//! A payload is a stamp and the filler. The stamp is 24 bytes (tag 4, sender 4, number 8, moment 8, big-endian), or in
//! text their base64, 32 characters. The tag covers the other three fields and the length, so that damage to any of
//! them is detected.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ringway::engine::Time;
use ringway::proto::frame::Opcode;
use ringway::proto::mask::Key;

use crate::filler::Filler;

/// Bytes of a binary stamp.
const STAMP_BYTES: usize = 24;
/// Characters of a stamp in text.
pub(crate) const STAMP_CHARS: usize = 32;

/// The offset at which a message's filler begins. Consecutive messages of a connection, and adjacent connections, have
/// different bytes in the same place, so that repeated bytes of an earlier message are detected as wrong.
pub(crate) fn shift(from: u32, number: u64) -> u8 {
    let [.., from] = from.to_be_bytes();
    let [.., number] = number.to_be_bytes();
    from.wrapping_mul(37).wrapping_add(number)
}

/// The fields of a message's stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the connection that sent it, over all shards.
    pub from: u32,
    /// The message's number among that connection's messages.
    pub number: u64,
    /// The moment it was due.
    pub at: Time,
}

/// The form of messages: text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Binary messages.
    Binary,
    /// Text messages, of ASCII.
    Text,
}

impl Form {
    /// Bytes of a stamp, which is the length of the shortest message.
    #[must_use]
    pub fn stamp_len(self) -> usize {
        match self {
            Self::Binary => STAMP_BYTES,
            Self::Text => STAMP_CHARS,
        }
    }

    pub(crate) fn opcode(self) -> Opcode {
        match self {
            Self::Binary => Opcode::Binary,
            Self::Text => Opcode::Text,
        }
    }
}

/// Knowledge that both ends share: the form, the run's tag, and the filler.
#[derive(Clone, Debug)]
pub struct Format {
    form: Form,
    seed: u64,
    max_bytes: usize,
    filler: Arc<Filler>,
}

impl Format {
    /// Creates a format for payloads of up to `max_bytes`. The same seed gives the same format.
    #[must_use]
    pub fn new(form: Form, seed: u64, max_bytes: usize) -> Self {
        Self { form, seed, max_bytes, filler: Arc::new(Filler::new(seed)) }
    }

    /// Text or binary.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// The tag: FNV-1a, which is fast on few bytes, over the stamp and the length. It must detect faults, not forgery.
    fn tag(&self, stamp: &Stamp, payload_len: usize) -> u32 {
        let mut hash = 0xcbf2_9ce4_8422_2325 ^ self.seed;
        for word in [u64::from(stamp.from), stamp.number, stamp.at.as_nanos(), payload_len as u64] {
            hash = (hash ^ word).wrapping_mul(0x0100_0000_01b3);
            hash ^= hash >> 29;
        }
        u32::try_from(hash >> 32).unwrap_or_default()
    }

    /// Encodes the stamp for a payload.
    #[must_use]
    pub fn write_stamp(&self, stamp: &Stamp, payload_len: usize) -> ([u8; STAMP_CHARS], usize) {
        let mut raw = [0; STAMP_BYTES];
        let (tag, rest) = raw.split_at_mut(4);
        tag.copy_from_slice(&self.tag(stamp, payload_len).to_be_bytes());
        let (from, rest) = rest.split_at_mut(4);
        from.copy_from_slice(&stamp.from.to_be_bytes());
        let (number, at) = rest.split_at_mut(8);
        number.copy_from_slice(&stamp.number.to_be_bytes());
        at.copy_from_slice(&stamp.at.as_nanos().to_be_bytes());
        let mut out = [0; STAMP_CHARS];
        match self.form {
            Form::Binary => out[..STAMP_BYTES].copy_from_slice(&raw),
            Form::Text => {
                // 24 bytes are 32 characters, always.
                let _ = STANDARD_NO_PAD.encode_slice(raw, &mut out);
            }
        }
        (out, self.form.stamp_len())
    }

    /// Decodes the stamp of a payload of this length; `None` if no composer of this format made it.
    #[must_use]
    pub fn read_stamp(&self, bytes: &[u8], payload_len: usize) -> Option<Stamp> {
        let mut raw = [0; STAMP_BYTES];
        match self.form {
            Form::Binary => raw = *bytes.first_chunk()?,
            Form::Text => {
                let chars: &[u8; STAMP_CHARS] = bytes.first_chunk()?;
                STANDARD_NO_PAD.decode_slice(chars, &mut raw).ok()?;
            }
        }
        let (tag, rest) = raw.split_first_chunk()?;
        let (from, rest) = rest.split_first_chunk()?;
        let (number, at) = rest.split_first_chunk()?;
        let stamp = Stamp {
            from: u32::from_be_bytes(*from),
            number: u64::from_be_bytes(*number),
            at: Time::from_nanos(u64::from_be_bytes(*at.first_chunk()?)),
        };
        (u32::from_be_bytes(*tag) == self.tag(&stamp, payload_len)).then_some(stamp)
    }

    /// Writes the complete payload, for callers that wrap it in something else.
    pub fn write_payload(&self, stamp: &Stamp, payload_len: usize, out: &mut Vec<u8>) {
        let (bytes, stamp_len) = self.write_stamp(stamp, payload_len);
        out.extend_from_slice(bytes.get(..stamp_len).unwrap_or_default());
        let start = out.len();
        out.resize(start.saturating_add(payload_len.saturating_sub(stamp_len)), 0);
        let body = out.get_mut(start..).unwrap_or_default();
        self.filler.write(body, usize::from(shift(stamp.from, stamp.number)), Key::default(), 0);
    }

    /// The fields that stand where a stamp would be, whether or not the tag is right.
    fn legible(&self, bytes: &[u8; STAMP_CHARS]) -> Stamp {
        let mut raw = [0; STAMP_BYTES];
        match self.form {
            Form::Binary => raw.copy_from_slice(&bytes[..STAMP_BYTES]),
            Form::Text => {
                // A character that base64 does not have makes only its own group illegible.
                let known = bytes
                    .map(|byte| if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') { byte } else { b'A' });
                let _ = STANDARD_NO_PAD.decode_slice(known, &mut raw);
            }
        }
        let [_, _, _, _, f0, f1, f2, f3, n0, n1, n2, n3, n4, n5, n6, n7, at @ ..] = raw;
        Stamp {
            from: u32::from_be_bytes([f0, f1, f2, f3]),
            number: u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
            at: Time::from_nanos(u64::from_be_bytes(at)),
        }
    }

    /// The largest payload, in bytes.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// The filler that both ends know.
    pub(crate) fn filler(&self) -> &Filler {
        &self.filler
    }

    /// The offset of the filler of a message with this stamp, even if the stamp is wrong.
    fn shift_of(&self, bytes: &[u8; STAMP_CHARS]) -> u8 {
        let mut raw = [0; STAMP_BYTES];
        match self.form {
            Form::Binary => raw.copy_from_slice(&bytes[..STAMP_BYTES]),
            // Invalid base64 is no stamp; `finish` detects that once the message is complete.
            Form::Text => drop(STANDARD_NO_PAD.decode_slice(bytes, &mut raw)),
        }
        shift(u32::from_be_bytes([raw[4], raw[5], raw[6], raw[7]]), raw[15].into())
    }
}

/// The reason why a message is not one that a composer of this format made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The payload is right, but came as text instead of binary or the other way round.
    OtherForm(Stamp),
    /// The payload is another one. With it come the fields that stand where a stamp would be, if the message is long enough to
    /// have one: they tell a changed message from one that the server made up itself.
    Other(Option<Stamp>),
}

/// The beginning of a message that the server sent on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Text or binary; `None` if the scenario does not know.
    pub form: Option<Form>,
    /// Payload bytes of the whole message.
    pub len: usize,
    /// The first payload bytes.
    pub start: Vec<u8>,
}

/// Checks messages one after another as their pieces arrive.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    stamp: [u8; STAMP_CHARS],
    len: usize,
    /// The offset of the filler; known once the stamp is.
    shift: u8,
    damaged: bool,
    /// The opcode of the message's first frame, if one was noted.
    opcode: Option<Opcode>,
}

impl Checker {
    /// Notes the beginning of a frame. A message whose first frame has the other form is a mismatch.
    #[inline]
    pub fn begin(&mut self, opcode: Opcode) {
        if opcode != Opcode::Continuation {
            self.opcode = Some(opcode);
        }
    }

    /// Takes the next piece of the message.
    #[inline]
    pub fn push(&mut self, piece: &[u8], format: &Format) {
        let stamp_len = format.form.stamp_len();
        let into_stamp = stamp_len.saturating_sub(self.len).min(piece.len());
        let (head, body) = piece.split_at_checked(into_stamp).unwrap_or((piece, &[]));
        if let Some(place) = self.stamp.get_mut(self.len..self.len.saturating_add(into_stamp)) {
            place.copy_from_slice(head);
        }
        if into_stamp > 0 && self.len.saturating_add(into_stamp) == stamp_len {
            self.shift = format.shift_of(&self.stamp);
        }
        if !body.is_empty() {
            let at = self.len.saturating_add(into_stamp).saturating_sub(stamp_len);
            self.damaged |= !format.filler.matches(body, at.saturating_add(usize::from(self.shift)));
        }
        self.len = self.len.saturating_add(piece.len());
    }

    /// Payload bytes of the message received until now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns `true` if no bytes of a message have come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Ends the message and returns its stamp.
    ///
    /// # Errors
    /// No composer of this format made the message.
    #[inline]
    pub fn finish(&mut self, format: &Format) -> Result<Stamp, Wrong> {
        let (len, damaged) = (std::mem::take(&mut self.len), std::mem::take(&mut self.damaged));
        if len < format.form.stamp_len() {
            return Err(Wrong::Other(None));
        }
        match format.read_stamp(&self.stamp, len).filter(|_| !damaged) {
            Some(stamp) if self.opcode.is_none_or(|opcode| opcode == format.form.opcode()) => Ok(stamp),
            Some(stamp) => Err(Wrong::OtherForm(stamp)),
            None => Err(Wrong::Other(Some(format.legible(&self.stamp)))),
        }
    }

    /// The beginning of the message that was finished last, which had `len` bytes.
    #[must_use]
    pub fn sample(&self, len: usize, format: &Format) -> Sample {
        let form = self.opcode.map(|opcode| if opcode == Opcode::Text { Form::Text } else { Form::Binary });
        let start = self.stamp.get(..len.min(format.form.stamp_len())).unwrap_or_default().to_vec();
        Sample { form, len, start }
    }
}

#[cfg(test)]
mod tests {
    use super::{Checker, Form, Format, Stamp, Wrong};
    use crate::composer::Composer;
    use proptest::prelude::*;
    use ringway::engine::Time;
    use ringway::proto::frame::{Reserved, Sender};
    use ringway::proto::reader::{Piece, Reader};
    use ringway::proto::scan::FrameLimits;

    const STAMP: Stamp = Stamp { from: 7, number: 1 << 40, at: Time::from_nanos(1_234_567_890_123) };

    fn payload(format: &Format, len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        format.write_payload(&STAMP, len, &mut out);
        out
    }

    fn check(format: &Format, payload: &[u8], chunk: usize) -> Option<Stamp> {
        let mut checker = Checker::default();
        for piece in payload.chunks(chunk.max(1)) {
            checker.push(piece, format);
        }
        checker.finish(format).ok()
    }

    #[test]
    fn what_was_composed_reads_back_however_it_is_cut() {
        for form in [Form::Binary, Form::Text] {
            let format = Format::new(form, 3, 5000);
            for len in [form.stamp_len(), 33, 64, 126, 5000] {
                let payload = payload(&format, len);
                assert_eq!(payload.len(), len);
                for chunk in [1, 2, 23, 24, 25, 31, 32, 33, 4096, 9999] {
                    assert_eq!(check(&format, &payload, chunk), Some(STAMP), "{form:?} {len} by {chunk}");
                }
            }
            assert!(payload(&format, 200).is_ascii() || form == Form::Binary);
        }
    }

    #[test]
    fn a_frame_is_one_that_a_server_accepts() {
        for (key, sender) in [(Some([1, 2, 3, 4]), Sender::Client), (None, Sender::Server)] {
            for len in [1, 64, 126, 70_000] {
                let format = Format::new(Form::Text, 9, 70_000);
                let mut frame = Composer::new(format.clone()).compose(&STAMP, len, key).to_vec();
                let (mut reader, mut checker, mut at) = (Reader::new(sender, Reserved::None), Checker::default(), 0);
                let limits = FrameLimits { max_frame_bytes: 1 << 20, max_message_bytes: 1 << 20 };
                loop {
                    match reader.next(&mut frame, &mut at, &limits) {
                        Piece::Payload(piece) => checker.push(piece, &format),
                        Piece::NeedMore => break,
                        Piece::Frame(header) => assert!(header.fin),
                        other => panic!("{other:?}"),
                    }
                }
                assert_eq!(checker.finish(&format), Ok(STAMP));
            }
        }
    }

    proptest! {
        #[test]
        fn no_single_damage_passes(len in 24_usize..400, at in 0_usize..400, bit in 0_u32..8, text: bool) {
            let form = if text { Form::Text } else { Form::Binary };
            let format = Format::new(form, 11, 400);
            let len = len.max(form.stamp_len());
            let mut payload = payload(&format, len);
            payload[at % len] ^= 1 << bit;
            prop_assert_eq!(check(&format, &payload, 64), None);
        }

        #[test]
        fn a_message_cut_or_grown_does_not_pass(len in 33_usize..400, other in 0_usize..500) {
            let format = Format::new(Form::Binary, 11, 500);
            let mut payload = payload(&format, len);
            payload.resize(other, b'a');
            prop_assert_eq!(check(&format, &payload, 64).is_some(), other == len);
        }
    }

    #[test]
    fn a_message_of_another_run_does_not_pass() {
        let (ours, theirs) = (Format::new(Form::Binary, 1, 100), Format::new(Form::Binary, 2, 100));
        assert_eq!(check(&ours, &payload(&theirs, 24), 99), None);
    }

    #[test]
    fn a_changed_message_keeps_a_legible_field_and_one_of_the_servers_own_has_none() {
        for form in [Form::Binary, Form::Text] {
            let format = Format::new(form, 11, 400);
            let wrong = |bytes: &[u8]| {
                let mut checker = Checker::default();
                checker.push(bytes, &format);
                checker.finish(&format).unwrap_err()
            };
            for place in 0..form.stamp_len() {
                let mut payload = payload(&format, 64);
                payload[place] = if payload[place] == b'!' { b'?' } else { b'!' };
                let Wrong::Other(Some(seen)) = wrong(&payload) else { panic!("{form:?}, byte {place}") };
                assert!(seen.from == STAMP.from || seen.number == STAMP.number, "{form:?}, byte {place}: {seen:?}");
            }
            let Wrong::Other(Some(seen)) = wrong(b"Request served by 4ea2b1 on port 8080") else { panic!("{form:?}") };
            assert!(seen.from != STAMP.from && seen.number != STAMP.number, "{seen:?}");
            assert_eq!(wrong(b"hello"), Wrong::Other(None));
        }
    }
}
