//! Framing by RFC 6455 section 5.2 alone, without `ringway::proto`: the oracle of every test that writes or reads frames. Used
//! here, by the simulator (`tests/sim/wire.rs`) and by the tests of the load generator (`loadtest/tests/it/harness`).

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
/// The first bit of a frame: it ends its message.
pub(crate) const FIN: u8 = 0x80;

/// The masking key of a client's frame; `None` in a server's.
pub(crate) type Key = Option<[u8; 4]>;

/// Appends a header in its shortest form. The length need not be that of a payload.
pub(crate) fn header(first: u8, key: Key, len: u64, out: &mut Vec<u8>) {
    let masked = if key.is_some() { 0x80 } else { 0 };
    out.push(first);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ 0..126), _) => out.push(masked | short),
        (_, Ok(medium)) => {
            out.push(masked | 126);
            out.extend(medium.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend(len.to_be_bytes());
        }
    }
    out.extend(key.into_iter().flatten());
}

/// A whole frame, its payload masked with the key.
pub(crate) fn frame(first: u8, key: Key, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 14);
    header(first, key, payload.len() as u64, &mut out);
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(&mut out[start..], key);
    out
}

/// Masks or unmasks a payload (RFC 6455 section 5.3).
pub(crate) fn unmask(payload: &mut [u8], key: Key) {
    if let Some(key) = key {
        for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
    }
}
