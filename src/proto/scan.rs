//! Follows one direction of a WebSocket by its frame headers alone (RFC 6455 section 5).
//!
//! The caller passes the bytes at hand to [`Scanner::scan`], and forwards the prefix that the scanner declares good. A
//! header is forwarded only once it is whole and valid. So the bytes forwarded always end inside a frame whose header
//! the other side knows, or between two frames, the only place for a frame that Ringway inserts. The caller keeps the
//! bytes left over, at most 13 of a header or 130 of a control frame, and passes them again with the bytes that follow.
//! The scanner never reads payloads of data frames, and its state does not grow with them.

use super::frame::{self, Header, Opcode, Reserved, Sender};
use super::{Violation, close, mask};
use crate::invariant::Invariant;

/// Limits that a scanner enforces by the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// The most payload bytes of one data frame.
    pub max_frame_bytes: u64,
    /// The most payload bytes of one message, over all its frames, as they are on the wire.
    pub max_message_bytes: u64,
}

/// The state of one direction: the payload still to come after the last header, and the position in a message.
#[derive(Clone, Copy, Debug)]
pub struct Scanner {
    remaining: u64,
    message_bytes: u64,
    messages: u64,
    sender: Sender,
    reserved: Reserved,
    in_message: bool,
}

/// The length of the good prefix, and the reason why the scan stopped there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Bytes from the start that may be forwarded.
    pub used: usize,
    /// The reason.
    pub stop: Stop,
}

/// The reason why a scan stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// More bytes are needed: nothing follows, or the start of a header or of a control frame.
    NeedMore,
    /// A whole and valid control frame follows. The caller forwards it or not, and continues the scan after it.
    Control(Control),
    /// A frame that breaks a rule.
    Violation(Violation),
}

/// The first part of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A data frame's header, now used up.
    Header(Header),
    /// The number of bytes of the current frame's payload, now used up.
    Payload(usize),
    /// A whole and valid control frame. The caller continues after it.
    Control(Control),
    /// More bytes are needed: nothing follows, or the start of a header or of a control frame.
    NeedMore,
    /// A frame that breaks a rule.
    Violation(Violation),
}

/// A control frame that is whole in the scanned bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// The frame's type.
    pub opcode: Opcode,
    /// Bytes of its header.
    pub header_len: usize,
    /// Bytes of the whole frame.
    pub frame_len: usize,
    /// The masking key, if a client sent the frame.
    pub mask: Option<mask::Key>,
    /// The code of a close frame, if it has one.
    pub close_code: Option<u16>,
}

impl Scanner {
    /// A scanner at the first frame after the handshake.
    #[must_use]
    pub fn new(sender: Sender, reserved: Reserved) -> Self {
        Self { remaining: 0, message_bytes: 0, messages: 0, sender, reserved, in_message: false }
    }

    /// The reserved bits that the negotiated extensions may set.
    #[must_use]
    pub fn reserved(&self) -> Reserved {
        self.reserved
    }

    /// True if the bytes used so far end between two frames.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.remaining == 0
    }

    /// True if the bytes used so far end between two messages, or after a control frame between two.
    #[must_use]
    pub fn between_messages(&self) -> bool {
        self.remaining == 0 && !self.in_message
    }

    /// True if the last frame that has begun is the last of its message.
    #[must_use]
    pub fn ends_message(&self) -> bool {
        !self.in_message
    }

    /// Payload bytes of the current frame that are still to come.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Data messages whose last frame has begun.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Scans `bytes`, which begin where the last scan's `used`, and the control frame after it, ended.
    pub fn scan(&mut self, bytes: &[u8], limits: &FrameLimits) -> Scan {
        let mut used = 0_usize;
        loop {
            let stop = match self.step(bytes.get(used..).expected_or_default(), limits) {
                Step::Payload(length) => {
                    used = used.saturating_add(length);
                    continue;
                }
                Step::Header(header) => {
                    used = used.saturating_add(usize::from(header.header_len));
                    continue;
                }
                Step::NeedMore => Stop::NeedMore,
                Step::Control(control) => Stop::Control(control),
                Step::Violation(violation) => Stop::Violation(violation),
            };
            return Scan { used, stop };
        }
    }

    /// Reads the first part of `bytes`. For endpoints, which need the payloads.
    #[inline]
    pub fn step(&mut self, bytes: &[u8], limits: &FrameLimits) -> Step {
        if bytes.is_empty() {
            return Step::NeedMore;
        }
        if self.remaining > 0 {
            let take = usize::try_from(self.remaining).expected_or(usize::MAX).min(bytes.len());
            self.remaining = self.remaining.saturating_sub(take as u64);
            return Step::Payload(take);
        }
        let header = match frame::parse(bytes, self.sender, self.reserved) {
            Ok(Some(header)) => header,
            Ok(None) => return Step::NeedMore,
            Err(violation) => return Step::Violation(violation),
        };
        if header.opcode.is_control() {
            return whole_control(bytes, &header).unwrap_or_else(Step::Violation);
        }
        match self.begin(&header, limits) {
            Ok(()) => Step::Header(header),
            Err(violation) => Step::Violation(violation),
        }
    }

    fn begin(&mut self, header: &Header, limits: &FrameLimits) -> Result<(), Violation> {
        match (header.opcode, self.in_message) {
            (Opcode::Continuation, false) => return Err(Violation::NothingToContinue),
            (Opcode::Text | Opcode::Binary, true) => return Err(Violation::InterleavedMessage),
            _ => {}
        }
        if header.payload_len > limits.max_frame_bytes {
            return Err(Violation::FrameTooBig);
        }
        let before = if self.in_message { self.message_bytes } else { 0 };
        let message_bytes = before.saturating_add(header.payload_len);
        if message_bytes > limits.max_message_bytes {
            return Err(Violation::MessageTooBig);
        }
        self.message_bytes = message_bytes;
        self.in_message = !header.fin;
        self.messages = self.messages.saturating_add(u64::from(header.fin));
        self.remaining = header.payload_len;
        Ok(())
    }
}

/// Reads a whole control frame. It is forwarded whole or not at all: a close must be checked, and the pong to a ping of
/// Ringway's is taken out.
fn whole_control(bytes: &[u8], header: &Header) -> Result<Step, Violation> {
    let header_len = usize::from(header.header_len);
    let payload_len = usize::try_from(header.payload_len).unwrap_or(frame::MAX_CONTROL_PAYLOAD_BYTES);
    let frame_len = header_len.saturating_add(payload_len);
    let Some(payload) = bytes.get(header_len..frame_len) else { return Ok(Step::NeedMore) };
    let close_code = if header.opcode == Opcode::Close { close_code(payload, header.mask)? } else { None };
    Ok(Step::Control(Control { opcode: header.opcode, header_len, frame_len, mask: header.mask, close_code }))
}

fn close_code(payload: &[u8], key: Option<mask::Key>) -> Result<Option<u16>, Violation> {
    let Some(code) = payload.first_chunk::<2>() else { return close::code_of(payload) };
    let mut code = *code;
    if let Some(key) = key {
        mask::apply(&mut code, key, 0);
    }
    close::code_of(&code)
}
