//! Frames, written byte by byte, and read back.

pub(crate) const FIN: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// The key of RFC 6455 section 5.7's masked example.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as a server sends it.
pub(crate) fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = header(first, payload.len(), false);
    out.extend(payload);
    out
}

/// A frame as a client sends it.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = header(first, payload.len(), true);
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// The body of a close frame.
pub(crate) fn close_body(code: u16, reason: &str) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend(reason.as_bytes());
    body
}

/// A header alone, with its key if there is to be one.
pub(crate) fn header(first: u8, length: usize, masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut out = vec![first];
    match length {
        0..=125 => out.push(mask | u8::try_from(length).unwrap()),
        126..=65_535 => {
            out.push(mask | 126);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            out.push(mask | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    if masked {
        out.extend(KEY);
    }
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
