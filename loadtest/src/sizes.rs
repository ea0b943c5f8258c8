//! Payload sizes of messages: one size, or a distribution.

use std::fmt;
use std::str::FromStr;

use ringway::config::units;

/// The longest message that a user can request: 64 MiB.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// A distribution of payload sizes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// Every message has this size.
    Fixed(usize),
    /// Each size from the first to the second with equal probability.
    Uniform(usize, usize),
    /// Zipf's law with exponent 1: the probability of a size is inversely proportional to it, so that each doubling
    /// holds as many messages as the one before.
    Zipf(usize, usize),
}

impl Sizes {
    /// The largest size.
    #[must_use]
    pub fn max(self) -> usize {
        match self {
            Self::Fixed(size) => size,
            Self::Uniform(_, max) | Self::Zipf(_, max) => max,
        }
    }

    /// The smallest size.
    #[must_use]
    pub fn min(self) -> usize {
        match self {
            Self::Fixed(size) => size,
            Self::Uniform(min, _) | Self::Zipf(min, _) => min,
        }
    }

    /// Draws one size.
    pub fn draw(self, random: &mut fastrand::Rng) -> usize {
        match self {
            Self::Fixed(size) => size,
            Self::Uniform(min, max) => random.usize(min..=max),
            Self::Zipf(min, max) => log_uniform(min, max, random.f64()),
        }
    }
}

/// The inverse of the distribution function ln(x / min) / ln((max + 1) / min), rounded down to whole sizes.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes are far below 2^52, and the result is clamped"
)]
fn log_uniform(min: usize, max: usize, random: f64) -> usize {
    let (low, high) = (min as f64, max as f64 + 1.0);
    ((low * (high / low).powf(random)) as usize).clamp(min, max)
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (zipf, range) = text.strip_prefix("zipf:").map_or((false, text), |range| (true, range));
        let size = |text: &str| {
            let bytes = units::bytes(text.trim())?;
            match usize::try_from(bytes) {
                Ok(bytes) if bytes <= MAX_BYTES => Ok(bytes),
                _ => Err(format!("{bytes} bytes are too long; the most is 64MiB")),
            }
        };
        let Some((min, max)) = range.split_once("..") else {
            return if zipf {
                Err(format!("`{text}` has no range; write for example zipf:64..65536"))
            } else {
                size(range).map(Self::Fixed)
            };
        };
        match (size(min)?, size(max)?) {
            (min, max) if min > max => Err(format!("the range `{range}` runs backwards")),
            (min, max) if zipf => Ok(Self::Zipf(min, max)),
            (min, max) => Ok(Self::Uniform(min, max)),
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Uniform(min, max) => write!(f, "{min}..{max}"),
            Self::Zipf(min, max) => write!(f, "zipf:{min}..{max}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sizes;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for text in ["64", "64..4096", "zipf:64..65536"] {
            assert_eq!(text.parse::<Sizes>().unwrap().to_string(), text);
        }
        assert_eq!("4KiB".parse(), Ok(Sizes::Fixed(4096)));
        for (text, says) in [
            ("zipf:64", "no range"),
            ("9..1", "backwards"),
            ("0", "more than 0"),
            ("1GiB", "64MiB"),
            ("x", "whole number"),
            ("1..", "whole number"),
        ] {
            let error = text.parse::<Sizes>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_uniform_size_stays_in_its_range_and_reaches_its_ends() {
        let (mut random, sizes) = (fastrand::Rng::with_seed(1), Sizes::Uniform(3, 9));
        let drawn: Vec<usize> = (0..2000).map(|_| sizes.draw(&mut random)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&3), Some(&9)));
    }

    #[test]
    fn zipf_puts_as_many_messages_into_each_doubling() {
        let (mut random, sizes) = (fastrand::Rng::with_seed(7), Sizes::Zipf(64, 65_535));
        let mut doublings = [0_u32; 10];
        for _ in 0..100_000 {
            let size = sizes.draw(&mut random);
            assert!((64..=65_535).contains(&size));
            doublings[(size / 64).ilog2() as usize] += 1;
        }
        for count in doublings {
            assert!((9500..=10_500).contains(&count), "{doublings:?}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_sizes() {
        let draw = || {
            let mut random = fastrand::Rng::with_seed(42);
            (0..100).map(|_| Sizes::Zipf(64, 4096).draw(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
    }
}
