//! Masking (RFC 6455 section 5.3): XOR with a four-byte key. Masking twice restores the original.

use crate::invariant::Invariant;

/// A frame's masking key, as on the wire.
pub type Key = [u8; 4];

/// Masks or unmasks `payload` in place. `offset` is the position of its first byte in the frame's payload: a payload
/// may come in pieces.
pub fn apply(payload: &mut [u8], key: Key, offset: u64) {
    let word = word_at(key, offset);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(word.to_ne_bytes()) {
        *byte ^= mask;
    }
}

/// Like [`apply`], but copies: masks `from` into the start of `to`, up to the length of the shorter one.
#[expect(clippy::disallowed_methods, reason = "neither slice is shorter than the shorter of the two")]
pub fn copy(from: &[u8], to: &mut [u8], key: Key, offset: u64) {
    let word = word_at(key, offset);
    let length = from.len().min(to.len());
    let (from, _) = from.split_at(length);
    let (to, _) = to.split_at_mut(length);
    let (from_words, from_tail) = from.as_chunks::<8>();
    let (to_words, to_tail) = to.as_chunks_mut::<8>();
    for (to, from) in to_words.iter_mut().zip(from_words) {
        *to = (u64::from_ne_bytes(*from) ^ word).to_ne_bytes();
    }
    for ((to, from), mask) in to_tail.iter_mut().zip(from_tail).zip(word.to_ne_bytes()) {
        *to = *from ^ mask;
    }
}

/// The key twice, aligned with the eight bytes from `offset` on.
fn word_at(key: Key, offset: u64) -> u64 {
    // The key repeats every four bytes: only the offset's last two bits matter.
    let turn = u32::try_from(offset & 3).expected_or(0);
    let key = u32::from_ne_bytes(key);
    let key = if cfg!(target_endian = "little") {
        key.rotate_right(turn.wrapping_mul(8))
    } else {
        key.rotate_left(turn.wrapping_mul(8))
    };
    (u64::from(key) << 32) | u64::from(key)
}

#[cfg(test)]
mod tests {
    use super::{apply, copy};

    #[test]
    fn a_masked_copy_equals_a_copy_that_is_masked() {
        let plain: Vec<u8> = (0..100).collect();
        for length in [0, 1, 7, 8, 9, 63, 100] {
            for offset in 0..8 {
                let mut expected = plain[..length].to_vec();
                apply(&mut expected, [9, 4, 2, 7], offset);
                let mut copied = vec![0xEE; 100];
                copy(&plain[..length], &mut copied, [9, 4, 2, 7], offset);
                assert_eq!(copied[..length], expected);
                assert!(copied[length..].iter().all(|byte| *byte == 0xEE));
            }
        }
    }

    #[test]
    fn the_rfcs_masked_hello_is_unmasked() {
        let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        apply(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(&payload, b"Hello");
    }

    #[test]
    fn a_payload_masked_in_pieces_equals_one_masked_at_once() {
        let plain: Vec<u8> = (0..=255).collect();
        let key = [1, 2, 3, 4];
        let expected: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
        for split in 0..plain.len() {
            let mut pieces = plain.clone();
            let (left, right) = pieces.split_at_mut(split);
            apply(left, key, 0);
            apply(right, key, split as u64);
            assert_eq!(pieces, expected, "split at {split}");
        }
    }
}
