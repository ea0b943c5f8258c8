//! Frames for the tests, written byte by byte so that any rule can be broken.

pub(super) type Key = [u8; 4];

/// The key of RFC 6455 section 5.7's masked example.
pub(super) const KEY: Key = [0x37, 0xfa, 0x21, 0x3d];

pub(super) const FIN: u8 = 0x80;
pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xA;

/// How a length is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Short,
    Medium,
    Long,
}

impl Form {
    /// The one form that section 5.2 allows for a length.
    pub(super) fn minimal(length: u64) -> Self {
        match length {
            0..=125 => Self::Short,
            126..=65_535 => Self::Medium,
            _ => Self::Long,
        }
    }
}

/// A header with any length in any form. The mask bit is set if there is a key.
pub(super) fn header(first: u8, form: Form, length: u64, key: Option<Key>) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let bytes = length.to_be_bytes();
    let mut out = vec![first];
    match form {
        Form::Short => {
            assert!(length <= 125);
            out.push(mask | bytes[7]);
        }
        Form::Medium => {
            assert!(length <= 65_535);
            out.push(mask | 126);
            out.extend(&bytes[6..]);
        }
        Form::Long => {
            out.push(mask | 127);
            out.extend(bytes);
        }
    }
    out.extend(key.iter().flatten());
    out
}

/// A whole frame with the shortest header.
pub(super) fn frame(first: u8, payload: &[u8], key: Option<Key>) -> Vec<u8> {
    let length = payload.len() as u64;
    let mut out = header(first, Form::minimal(length), length, key);
    out.extend(masked(payload, key));
    out
}

/// RFC 6455 section 5.3, as it stands there: octet i XOR key octet i modulo 4.
pub(super) fn masked(payload: &[u8], key: Option<Key>) -> Vec<u8> {
    let key = key.unwrap_or([0; 4]);
    payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect()
}

/// A close body: the code, and a reason of so many bytes.
pub(super) fn close_body(code: u16, reason_len: usize) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.resize(2 + reason_len, b'r');
    body
}
