//! Times, sizes and counts as people write them: `500ms`, `64KiB`, `off`.

use std::time::Duration;

use crate::invariant::Invariant;

/// Reads a duration: a whole number and its unit, `ms`, `s`, `m` or `h`.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "" => return Err(format!("`{text}` has no unit; write {text}s or {text}ms")),
        _ => return Err(format!("`{unit}` is not a unit of time; use ms, s, m or h")),
    };
    match millis {
        Some(0) => Err("it must be more than 0".to_owned()),
        Some(millis) if millis <= MAX_DURATION_MS => Ok(Duration::from_millis(millis)),
        _ => Err("it must be 366 days at most".to_owned()),
    }
}

const MAX_DURATION_MS: u64 = 366 * 24 * 3_600_000;

/// A duration, or `off`.
///
/// # Errors
/// The errors of [`duration`].
pub fn optional_duration(text: &str) -> Result<Optional<Duration>, String> {
    optional(text, duration)
}

/// Reads a number of bytes: plain, or with `KiB`, `MiB` or `GiB`.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("`{unit}` is not a unit of size; use KiB, MiB or GiB")),
    };
    match number.checked_mul(factor) {
        Some(0) => Err("it must be more than 0".to_owned()),
        Some(bytes) if i64::try_from(bytes).is_ok() => Ok(bytes),
        _ => Err("it must be less than 2^63".to_owned()),
    }
}

/// A count above zero.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("it must be more than 0".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("`{text}` is not a whole number")),
    }
}

/// A count above zero, or `off`.
///
/// # Errors
/// The errors of [`count`].
pub fn optional_count(text: &str) -> Result<Optional<u64>, String> {
    optional(text, count)
}

/// A number with its noun: `1 step`, `2 steps`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A size, or `off`.
///
/// # Errors
/// The errors of [`bytes`].
pub fn optional_bytes(text: &str) -> Result<Optional<u64>, String> {
    optional(text, bytes)
}

/// A value that may be `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

/// The code of a close frame in Ringway's own name, for a client whose upstream was lost without one: 1001, 1011 to 1014,
/// or 3000 to 4999. No other code says of a lost upstream what is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossCode(pub u16);

/// A close code for a lost upstream, or `off`.
///
/// # Errors
/// A message for the person who wrote the text.
pub fn optional_loss_code(text: &str) -> Result<Optional<LossCode>, String> {
    optional(text, |text| match text.parse() {
        Ok(code @ (1001 | 1011..=1014 | 3000..=4999)) => Ok(LossCode(code)),
        Ok(code) => Err(format!("{code} is none of 1001, 1011 to 1014, and 3000 to 4999")),
        Err(_) => Err(format!("`{text}` is not a close code, nor off")),
    })
}

fn optional<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Optional<T>, String> {
    if text.eq_ignore_ascii_case("off") { Ok(Optional(None)) } else { read(text).map(|value| Optional(Some(value))) }
}

fn split(text: &str) -> Result<(u64, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).expected_or((text, ""));
    let number = number.parse().map_err(|_| format!("`{text}` does not begin with a whole number"))?;
    Ok((number, unit.trim()))
}

/// A duration as [`duration`] reads it.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis % 3_600_000 == 0 => format!("{}h", millis / 3_600_000),
        millis if millis % 60_000 == 0 => format!("{}m", millis / 60_000),
        millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        LossCode, Optional, bytes, duration, optional_count, optional_duration, optional_loss_code, show_duration,
    };

    #[test]
    fn values_are_read_with_their_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(optional_duration("off"), Ok(Optional(None)));
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert_eq!(bytes("70"), Ok(70));
        assert_eq!(optional_count("7"), Ok(Optional(Some(7))));
        for code in [1001, 1011, 1014, 3000, 4999] {
            assert_eq!(optional_loss_code(&code.to_string()), Ok(Optional(Some(LossCode(code)))));
        }
        assert_eq!(optional_loss_code("off"), Ok(Optional(None)));
        for text in ["1500ms", "90s", "5m", "1h"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (result, says) in [
            (duration("10").err(), "no unit"),
            (duration("10d").err(), "not a unit of time"),
            (duration("0s").err(), "more than 0"),
            (duration("99999999999999999h").err(), "366 days"),
            (duration("s").err(), "whole number"),
            (bytes("1KB").err(), "not a unit of size"),
            (bytes("9223372036854775808").err(), "2^63"),
            (optional_loss_code("1000").err(), "1000 is none of 1001, 1011 to 1014, and 3000 to 4999"),
            (optional_loss_code("1015").err(), "1015 is none of"),
            (optional_loss_code("70000").err(), "`70000` is not a close code, nor off"),
        ] {
            let message = result.unwrap_or_default();
            assert!(message.contains(says), "{message:?} does not say {says:?}");
        }
    }
}
