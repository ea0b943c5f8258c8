//! Times in answers: RFC 3339 with milliseconds, always three digits, so that texts of equal length sort as times do.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes a time.
///
/// # Errors
/// The errors of the serializer.
pub fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&shown(*at))
}

/// Reads a time with any number of digits.
///
/// # Errors
/// The text is no time.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    Timestamp::deserialize(from)
}

/// A time as people and programs see it: `2026-11-30T19:39:45.900Z`.
#[must_use]
pub fn shown(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Writes a time that may be missing.
pub mod optional {
    use super::{Deserialize, Deserializer, Serializer, Timestamp, shown};

    /// Writes a time, or null.
    ///
    /// # Errors
    /// The errors of the serializer.
    #[allow(clippy::ref_option, reason = "serde gives the field as it is")]
    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => to.serialize_some(&shown(*at)),
            None => to.serialize_none(),
        }
    }

    /// Reads a time with any number of digits, or null.
    ///
    /// # Errors
    /// The text is no time.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        Option::deserialize(from)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::shown;

    #[test]
    fn c12_a_time_has_three_digits_of_a_second() {
        for (text, expected) in [
            ("2026-11-30T19:39:45Z", "2026-11-30T19:39:45.000Z"),
            ("2026-11-30T19:39:45.9Z", "2026-11-30T19:39:45.900Z"),
            ("2026-11-30T19:39:45.123456789Z", "2026-11-30T19:39:45.123Z"),
        ] {
            assert_eq!(shown(text.parse::<Timestamp>().unwrap()), expected);
        }
    }
}
