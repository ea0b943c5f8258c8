//! The filler after the stamps of messages: letters that both ends know.
//!
//! The letters repeat after a prime number of bytes, small enough for the first-level cache. The number is prime
//! because the units that get lost or moved on the way are pages and buffers, and none of their sizes is a multiple of
//! it.

use ringway::proto::mask::{self, Key};

const PERIOD: usize = 4099;

/// The letters of the filler.
#[derive(Debug)]
pub struct Filler {
    /// Two periods, so that every stretch of one period's length is contiguous.
    letters: [u8; 2 * PERIOD],
}

impl Filler {
    /// Creates the letters. The same seed gives the same letters.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .";
        let mut random = fastrand::Rng::with_seed(seed);
        let mut letters = [b' '; 2 * PERIOD];
        let (first, second) = letters.split_at_mut(PERIOD);
        for letter in first.iter_mut() {
            *letter = ALPHABET.get(random.usize(0..64)).copied().unwrap_or(b' ');
        }
        second.copy_from_slice(first);
        Self { letters }
    }

    /// Returns `true` if `bytes` equal the filler at `at`.
    #[inline]
    #[must_use]
    pub fn matches(&self, bytes: &[u8], at: usize) -> bool {
        (at..).step_by(PERIOD).zip(bytes.chunks(PERIOD)).all(|(at, chunk)| self.stretch(at, chunk.len()) == chunk)
    }

    /// Writes the filler from `at` on, masked as payload bytes from `offset` on.
    #[inline]
    pub fn write(&self, into: &mut [u8], at: usize, key: Key, offset: u64) {
        for (done, chunk) in (0..).step_by(PERIOD).zip(into.chunks_mut(PERIOD)) {
            let letters = self.stretch(at.saturating_add(done), chunk.len());
            mask::copy(letters, chunk, key, offset.saturating_add(done as u64));
        }
    }

    /// The filler at `at`, up to `len` bytes or one period.
    #[inline]
    fn stretch(&self, at: usize, len: usize) -> &[u8] {
        let start = at % PERIOD;
        self.letters.get(start..start.saturating_add(len.min(PERIOD))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Filler, PERIOD};

    #[test]
    fn what_is_written_matches_wherever_it_is_cut() {
        let filler = Filler::new(5);
        let mut bytes = vec![0; 3 * PERIOD + 17];
        filler.write(&mut bytes, 200, [0; 4], 0);
        for cut in [0, 1, 4096, PERIOD, PERIOD + 1, bytes.len()] {
            let (left, right) = bytes.split_at(cut);
            assert!(filler.matches(left, 200) && filler.matches(right, 200 + cut), "cut at {cut}");
        }
        assert!(!filler.matches(&bytes, 201));
    }

    #[test]
    fn a_page_that_moved_or_was_left_out_is_noticed() {
        let filler = Filler::new(5);
        let mut bytes = vec![0; 64 * 1024];
        filler.write(&mut bytes, 0, [0; 4], 0);
        for page in [512, 1024, 4096, 8192, 16_384, 32_768] {
            let mut swapped = bytes.clone();
            swapped.rotate_left(page);
            assert!(!filler.matches(&swapped, 0), "{page}");
            assert!(!filler.matches(&bytes[page..], 0), "{page}");
        }
    }
}
