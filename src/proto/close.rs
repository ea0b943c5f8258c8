//! Close codes and close bodies (RFC 6455 sections 5.5.1 and 7.4).

use super::Violation;

/// The purpose of the connection was fulfilled.
pub const NORMAL: u16 = 1000;
/// An endpoint leaves: a server shuts down, or a client closes its page.
pub const GOING_AWAY: u16 = 1001;
/// A peer broke the protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// An endpoint accepts no message of this type.
pub const UNSUPPORTED: u16 = 1003;
/// The code in records of a close frame without one. Never sent (RFC 6455 section 7.1.5).
pub const NO_STATUS: u16 = 1005;
/// A message's content does not match its type, such as text that is not UTF-8.
pub const INVALID_PAYLOAD: u16 = 1007;
/// A peer broke a policy that no other code names.
pub const POLICY: u16 = 1008;
/// A message is too big to process.
pub const MESSAGE_TOO_BIG: u16 = 1009;
/// A server restarts, and the client may reconnect (IANA's registry of close codes).
pub const SERVICE_RESTART: u16 = 1012;
/// A gateway received an invalid response from the server behind it (IANA's registry of close codes).
pub const BAD_GATEWAY: u16 = 1014;
/// A client is not authenticated, or no longer (IANA's registry of close codes).
pub const UNAUTHORIZED: u16 = 3000;
/// A client is authenticated and must not do what it wants (IANA's registry of close codes).
pub const FORBIDDEN: u16 = 3003;

impl Violation {
    /// The close code for the peer that broke the rule (RFC 6455 section 7.4.1).
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::FrameTooBig | Self::MessageTooBig | Self::NotChecked => MESSAGE_TOO_BIG,
            Self::BreaksContract => POLICY,
            Self::NotUtf8 => INVALID_PAYLOAD,
            Self::UnknownOpcode(_)
            | Self::ReservedBit
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::MissingMask
            | Self::UnexpectedMask
            | Self::NonMinimalLength
            | Self::LengthHighBit
            | Self::NothingToContinue
            | Self::InterleavedMessage
            | Self::CloseBodyTooShort
            | Self::CloseCode(_) => PROTOCOL_ERROR,
        }
    }
}

/// True if a close frame may hold a code: those that RFC 6455 section 7.4.1 and IANA's registry define for the wire
/// (1000-1003, 1007-1014), and 3000-4999, which section 7.4.2 leaves to libraries and applications.
#[must_use]
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Reads the code of an unmasked close body; `None` for an empty body. Endpoints check the reason themselves.
///
/// # Errors
/// A body of one byte, or a code that must not be sent.
pub fn code_of(body: &[u8]) -> Result<Option<u16>, Violation> {
    match body {
        [] => Ok(None),
        [_] => Err(Violation::CloseBodyTooShort),
        [high, low, ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if may_be_sent(code) { Ok(Some(code)) } else { Err(Violation::CloseCode(code)) }
        }
    }
}
