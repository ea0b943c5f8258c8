//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 sections 4.1 and 4.2.2).

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest, Sha1};

/// The text that section 1.3 appends to the key before hashing.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Accepts unused last bits that are not zero: RFC 4648 section 3.5 leaves that to the decoder, and nothing here
/// depends on them.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// A `Sec-WebSocket-Accept` value: the base64 of a SHA-1 hash, always 28 characters.
pub type Accept = [u8; 28];

/// A `Sec-WebSocket-Key` value: the base64 of 16 bytes, always 24 characters.
pub type Key = [u8; 24];

/// The accept value that answers a key.
#[must_use]
pub fn accept_for(key: &[u8]) -> Accept {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut out = [b'='; 28];
    // 20 bytes encode to exactly 28 characters: the slice always has room.
    let _ = STANDARD.encode_slice(digest, &mut out);
    out
}

/// Encodes 16 random bytes as a key.
#[must_use]
pub fn key_from(nonce: [u8; 16]) -> Key {
    let mut out = [b'='; 24];
    // 16 bytes encode to exactly 24 characters: the slice always has room.
    let _ = STANDARD.encode_slice(nonce, &mut out);
    out
}

/// True if a value is the base64 of exactly 16 bytes.
#[must_use]
pub fn is_key(value: &[u8]) -> bool {
    let mut nonce = [0; 18];
    value.len() == 24 && matches!(LENIENT.decode_slice(value, &mut nonce), Ok(16))
}

#[cfg(test)]
mod tests {
    use super::{accept_for, is_key, key_from};

    #[test]
    fn the_rfcs_key_gets_the_rfcs_answer() {
        assert_eq!(&accept_for(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_sixteen_bytes_of_base64_and_nothing_else() {
        assert!(is_key(&key_from([7; 16])));
        for bad in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub25jZ!==",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(!is_key(bad.as_bytes()), "{bad}");
        }
    }
}
