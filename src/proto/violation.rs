//! The framing rules of RFC 6455 that a peer can break, and the close code that answers each breach.

use std::fmt;

/// A rule that a peer broke. `Display` is written for a log: it names the rule and its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An opcode that no RFC defines (5.2).
    UnknownOpcode(u8),
    /// A reserved bit that no negotiated extension uses here (5.2; RFC 7692 section 6).
    ReservedBit,
    /// A control frame without FIN (5.5).
    FragmentedControl,
    /// A control frame of more than 125 bytes (5.5).
    ControlTooLong,
    /// A client's frame without a mask (5.1).
    MissingMask,
    /// A server's frame with a mask (5.1).
    UnexpectedMask,
    /// A length not in its shortest form (5.2).
    NonMinimalLength,
    /// A 64-bit length with the highest bit set (5.2).
    LengthHighBit,
    /// A continuation frame with no message to continue (5.4).
    NothingToContinue,
    /// A new data frame inside a fragmented message (5.4).
    InterleavedMessage,
    /// A close body of one byte: neither empty nor a code (5.5.1).
    CloseBodyTooShort,
    /// A close code that must not appear on the wire (7.4).
    CloseCode(u16),
    /// A frame above the configured limit.
    FrameTooBig,
    /// A message above the configured limit.
    MessageTooBig,
    /// A text message or close reason that is not UTF-8 (8.1). Only endpoints check it.
    NotUtf8,
    /// A message that breaks the API's contract, where that is enforced.
    BreaksContract,
    /// A message that exceeds a bound, so that nobody can say whether it breaks the API's contract.
    NotChecked,
}

impl Violation {
    /// A stable word for logs and counters.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownOpcode(_) => "unknown-opcode",
            Self::ReservedBit => "reserved-bit",
            Self::FragmentedControl => "fragmented-control",
            Self::ControlTooLong => "control-too-long",
            Self::MissingMask => "missing-mask",
            Self::UnexpectedMask => "unexpected-mask",
            Self::NonMinimalLength => "non-minimal-length",
            Self::LengthHighBit => "length-high-bit",
            Self::NothingToContinue => "nothing-to-continue",
            Self::InterleavedMessage => "interleaved-message",
            Self::CloseBodyTooShort => "close-body-too-short",
            Self::CloseCode(_) => "close-code",
            Self::FrameTooBig => "frame-too-big",
            Self::MessageTooBig => "message-too-big",
            Self::NotUtf8 => "not-utf8",
            Self::BreaksContract => "breaks-contract",
            Self::NotChecked => "not-checked",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOpcode(opcode) => write!(f, "unknown opcode {opcode:#x} (RFC 6455 5.2)"),
            Self::ReservedBit => f.write_str("reserved bit without an extension that uses it (RFC 6455 5.2)"),
            Self::FragmentedControl => f.write_str("fragmented control frame (RFC 6455 5.5)"),
            Self::ControlTooLong => f.write_str("control frame of more than 125 bytes (RFC 6455 5.5)"),
            Self::MissingMask => f.write_str("client frame without a mask (RFC 6455 5.1)"),
            Self::UnexpectedMask => f.write_str("server frame with a mask (RFC 6455 5.1)"),
            Self::NonMinimalLength => f.write_str("length not in its shortest form (RFC 6455 5.2)"),
            Self::LengthHighBit => f.write_str("length of 2^63 or more (RFC 6455 5.2)"),
            Self::NothingToContinue => f.write_str("continuation of no message (RFC 6455 5.4)"),
            Self::InterleavedMessage => f.write_str("new message inside a fragmented one (RFC 6455 5.4)"),
            Self::CloseBodyTooShort => f.write_str("close body of one byte (RFC 6455 5.5.1)"),
            Self::CloseCode(code) => write!(f, "close code {code} must not be sent (RFC 6455 7.4)"),
            Self::FrameTooBig => f.write_str("frame above the limit"),
            Self::MessageTooBig => f.write_str("message above the limit"),
            Self::NotUtf8 => f.write_str("text that is not UTF-8 (RFC 6455 8.1)"),
            Self::BreaksContract => f.write_str("message that breaks the contract"),
            Self::NotChecked => f.write_str("message that is too large to be checked against the contract"),
        }
    }
}
