//! What stands behind the stamps of messages: letters that both ends know.
//!
//! They repeat after a prime number of bytes, so few that they stay in the first cache. A prime, because what gets lost or
//! moved on its way are pages and buffers, and none of them is a multiple of it.

use ringway::proto::mask::{self, Key};

const PERIOD: usize = 4099;

/// The letters.
#[derive(Debug)]
pub struct Filler {
    /// Twice, so that each stretch of a period's length is in one piece.
    letters: [u8; 2 * PERIOD],
}

impl Filler {
    /// The same seed gives the same letters.
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

    /// Whether these bytes are what stands at `at`.
    #[inline]
    #[must_use]
    pub fn matches(&self, bytes: &[u8], at: usize) -> bool {
        (at..).step_by(PERIOD).zip(bytes.chunks(PERIOD)).all(|(at, chunk)| self.stretch(at, chunk.len()) == chunk)
    }

    /// Writes what stands at `at`, masked as bytes of a payload from `offset` on.
    #[inline]
    pub fn write(&self, into: &mut [u8], at: usize, key: Key, offset: u64) {
        for (done, chunk) in (0..).step_by(PERIOD).zip(into.chunks_mut(PERIOD)) {
            let letters = self.stretch(at.saturating_add(done), chunk.len());
            mask::copy(letters, chunk, key, offset.saturating_add(done as u64));
        }
    }

    /// What stands at `at`, up to the given length or a period's.
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
