//! Tokens of identities as a change and the store have them: the digest of the secret, and the token's terms.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::moment;
use crate::api::text::Description;

/// The prefix of every token of an identity, so that a scanner of leaked secrets finds it.
pub const PREFIX: &str = "rwa_";

/// The most tokens that an identity may have.
pub const MAX_TOKENS: usize = 16;
/// The most identities of a node.
pub const MAX_IDENTITIES: u64 = 1000;

/// The SHA-256 digest of a token's text. A secret has 256 random bits, so that its digest tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenDigest(pub [u8; 32]);

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

impl FromStr for TokenDigest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "it must be 64 hexadecimal digits";
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() || pairs.len() != 32 {
            return Err(wrong);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(pairs) {
            let digits = std::str::from_utf8(pair).map_err(|_| wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong)?;
        }
        Ok(Self(digest))
    }
}

impl TryFrom<String> for TokenDigest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TokenDigest> for String {
    fn from(digest: TokenDigest) -> Self {
        digest.to_string()
    }
}

/// A day (UTC), counted from 1 January 1970. As text: `2026-12-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    const SECONDS: i64 = 24 * 3600;

    /// The day of a time.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.as_second().div_euclid(Self::SECONDS))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = Timestamp::from_second(self.0.saturating_mul(Self::SECONDS)).unwrap_or_default();
        f.write_str(begin.to_string().get(..10).unwrap_or_default())
    }
}

/// The terms of a token: what it is for, and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTerms {
    /// The purpose, for people.
    pub description: Description,
    /// The time from which on it is refused; never if `None`.
    #[serde(with = "moment::optional")]
    pub expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Day, TokenDigest};

    #[test]
    fn a_day_is_that_of_greenwich() {
        for (at, day) in [
            ("2026-12-01T00:00:00Z", "2026-12-01"),
            ("2026-12-01T23:59:59.999Z", "2026-12-01"),
            ("2026-12-02T00:30:00+02:00", "2026-12-01"),
            ("1969-12-31T23:00:00Z", "1969-12-31"),
        ] {
            assert_eq!(Day::of(at.parse::<Timestamp>().unwrap()).to_string(), day, "{at}");
        }
    }

    #[test]
    fn a_digest_is_read_as_it_is_written_and_not_shown_in_debug_output() {
        let digest = TokenDigest(std::array::from_fn(|at| u8::try_from(at * 8).unwrap()));
        let text = digest.to_string();
        assert_eq!((text.len(), text.parse()), (64, Ok(digest)));
        for wrong in ["", &text[..63], &format!("{text}0"), &"x".repeat(64)] {
            assert!(wrong.parse::<TokenDigest>().is_err(), "{wrong}");
        }
        assert_eq!(format!("{digest:?}"), "TokenDigest(..)");
    }
}
