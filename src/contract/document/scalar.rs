//! Plain scalars by YAML 1.2's core schema: `on`, `yes` and `1_000` are text, and a number keeps its text, because `1.10` may be
//! a version.

use serde_json::{Number, Value as Json};

/// The kind of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; the text keeps its digits.
    Number,
    /// Everything else.
    Text,
}

/// The kind of a plain scalar.
#[must_use]
pub fn kind(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        _ if is_number(text) => Scalar::Number,
        _ => Scalar::Text,
    }
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return !digits.is_empty() && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_mantissa = !(whole.is_empty() && fraction.is_empty()) && digits(whole) && digits(fraction);
    let has_exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    has_mantissa && has_exponent
}

/// A number as JSON has it. What JSON cannot hold (`.inf`, `1e999`) stays text.
#[must_use]
pub fn number(text: &str) -> Json {
    let integer = if let Some(digits) = text.strip_prefix("0x") {
        u64::from_str_radix(digits, 16).ok().map(Number::from)
    } else if let Some(digits) = text.strip_prefix("0o") {
        u64::from_str_radix(digits, 8).ok().map(Number::from)
    } else {
        let plain = text.strip_prefix('+').unwrap_or(text);
        plain.parse::<u64>().ok().map(Number::from).or_else(|| plain.parse::<i64>().ok().map(Number::from))
    };
    let number = integer.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64));
    number.map_or_else(|| Json::String(text.to_owned()), Json::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Scalar, kind, number};

    #[test]
    fn plain_scalars_are_those_of_yaml_1_2() {
        for text in
            ["on", "off", "yes", "no", "1_000", "0b1", "1.0.0", "2.6.x", "-", "+", ".", "e1", "1e", "0x", "1:30", "x"]
        {
            assert_eq!(kind(text), Scalar::Text, "{text}");
        }
        for (text, value) in [
            ("1", json!(1)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("1.10", json!(1.1)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("1e3", json!(1000.0)),
            ("0x1f", json!(31)),
            ("0o17", json!(15)),
            ("18446744073709551615", json!(u64::MAX)),
            (".inf", json!(".inf")),
            ("1e999", json!("1e999")),
        ] {
            assert_eq!(kind(text), Scalar::Number, "{text}");
            assert_eq!(number(text), value, "{text}");
        }
        assert_eq!((kind("~"), kind("True")), (Scalar::Null, Scalar::Bool(true)));
    }
}
