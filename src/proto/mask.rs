//! Masking (RFC 6455 section 5.3): XOR with a four-byte key. Applying it twice gives the original back.

/// A frame's masking key, as on the wire.
pub type Key = [u8; 4];

/// Masks or unmasks `payload` in place. `offset` is the position of its first byte in the frame's payload, so that a
/// payload can be worked on in pieces.
pub fn apply(payload: &mut [u8], key: Key, offset: u64) {
    // The key repeats every four bytes: only the offset's last two bits matter.
    let turn = u32::try_from(offset & 3).unwrap_or(0);
    let key = u32::from_ne_bytes(key);
    let key = if cfg!(target_endian = "little") {
        key.rotate_right(turn.wrapping_mul(8))
    } else {
        key.rotate_left(turn.wrapping_mul(8))
    };
    let word = (u64::from(key) << 32) | u64::from(key);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(word.to_ne_bytes()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::apply;

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
