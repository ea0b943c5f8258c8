//! The query of a request, as forms and browsers write it (`application/x-www-form-urlencoded`): pairs between `&`, the name
//! before the first `=`, `+` for a space, and percent-encoding in both.

use std::borrow::Cow;

use crate::invariant::Invariant;

/// The pairs of a query, decoded. A name that is not UTF-8 is left out: no contract has it. A value that is not, or whose
/// encoding is malformed, is `None`.
pub fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> {
    query.split('&').filter(|text| !text.is_empty()).filter_map(pair)
}

/// A pair, decoded; `None` if its name is not UTF-8 or malformed.
#[must_use]
pub fn pair(text: &str) -> Option<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    Some((decoded(name)?, decoded(value)))
}

/// The decoded text; `None` if it is malformed.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let (high, low) = (digits.first().and_then(digit)?, digits.last().and_then(digit)?);
                high.checked_mul(16).and_then(|high| high.checked_add(low)).expected_or_default()
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn a_query_is_read_as_a_form() {
        let read = |query| {
            let text = |(name, value): (_, Option<_>)| {
                format!("{name}={}", value.as_deref().unwrap_or("<malformed>")) as String
            };
            pairs(query).map(text).collect::<Vec<_>>()
        };
        assert_eq!(read("a=1&b&&c=&=d"), ["a=1", "b=", "c=", "=d"]);
        assert_eq!(read("a=1=2&a=3"), ["a=1=2", "a=3"]);
        assert_eq!(read("%61+b=%C3%A4+%2B%26"), ["a b=ä +&"]);
        assert_eq!(
            read("a=%&b=%4&c=%zz&d=%+1&e=%C3"),
            ["a", "b", "c", "d", "e"].map(|name| format!("{name}=<malformed>"))
        );
        assert_eq!(read("%C3=1&a;b=2"), ["a;b=2"]);
        assert!(read("").is_empty());
    }
}
