//! Frames as tests of the real binary write and read them, over the oracle in `framing`.

use super::framing;
pub(crate) use super::framing::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT};

/// The first of the reserved bits.
pub(crate) const RSV1: u8 = 0x40;

/// The key of RFC 6455 section 5.7's masked example.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as a server sends it.
pub(crate) fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    framing::frame(first, None, payload)
}

/// A frame as a client sends it.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    framing::frame(first, Some(KEY), payload)
}

/// The body of a close frame.
pub(crate) fn close_body(code: u16, reason: &str) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend(reason.as_bytes());
    body
}

/// A header alone, with [`KEY`] if it is masked.
pub(crate) fn header(first: u8, length: usize, masked: bool) -> Vec<u8> {
    let mut out = Vec::new();
    framing::header(first, masked.then_some(KEY), length as u64, &mut out);
    out
}

/// A frame as it was read, unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn opcode(&self) -> u8 {
        self.first & 0x0F
    }

    /// The code and reason of a close frame.
    #[track_caller]
    pub(crate) fn close(&self) -> (Option<u16>, String) {
        assert_eq!(self.first, FIN | CLOSE, "not a close frame: {self:?}");
        let code = self.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        (code, String::from_utf8(self.payload.get(2..).unwrap_or_default().to_vec()).unwrap())
    }
}
