//! A request's path in the form in which base paths are matched: percent-encoding normalised once (RFC 3986 section 6.2.2),
//! so that `/a%2Db` is `/a-b`, and an encoded slash never ends a segment.

use std::borrow::Cow;
use std::fmt::Write;

use crate::invariant::Invariant;

/// The normalised beginning of a path, with the positions at which a base path may end.
#[derive(Debug, Default)]
pub(super) struct Normalised {
    text: String,
    /// The end of each segment: in the normalised text, and in the original path.
    ends: Vec<(usize, usize)>,
}

impl Normalised {
    /// Reads at most `max_segments` segments with `max_bytes` bytes. `path` begins with a slash and has no query.
    pub(super) fn read(path: &str, max_segments: usize, max_bytes: usize) -> Self {
        let mut normalised = Self::default();
        let mut at = 0_usize;
        while normalised.ends.len() < max_segments {
            let Some(segment) = path.get(at..).and_then(|rest| rest.strip_prefix('/')) else { break };
            let segment = segment.split('/').next().expected_or_default();
            // An encoded byte takes three.
            if normalised.text.len().saturating_add(segment.len()) > max_bytes.saturating_mul(3) {
                break;
            }
            normalised.text.push('/');
            push_normalised(segment, &mut normalised.text, |byte, text| {
                let _ = write!(text, "%{byte:02X}");
            });
            at = at.saturating_add(segment.len()).saturating_add(1);
            normalised.ends.push((normalised.text.len(), at));
        }
        normalised
    }

    /// The possible base paths, the longest first, each with its end in the original path.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = (&str, usize)> {
        let longest_first = self.ends.iter().rev();
        longest_first.filter_map(|(end, at)| self.text.get(..*end).map(|text| (text, *at)))
    }
}

/// A segment in the same form, with one character for each byte that stays encoded ([`encoded_unit`]): so no search ever
/// finds a part of an encoded byte. `segment` is ASCII.
pub(super) fn units(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut text = String::with_capacity(segment.len());
    push_normalised(segment, &mut text, |byte, text| text.push(encoded_unit(byte)));
    Cow::Owned(text)
}

/// The character that stands for an encoded byte among [`units`]. No request's path holds it: that is ASCII.
pub(super) fn encoded_unit(byte: u8) -> char {
    char::from_u32(ENCODED.saturating_add(u32::from(byte))).expected_or(char::REPLACEMENT_CHARACTER)
}

/// The bytes of a text of [`units`], decoded; `None` if it has a `%` that encodes nothing.
pub(super) fn decoded(units: &str) -> Option<Cow<'_, [u8]>> {
    if units.contains('%') {
        return None;
    }
    if units.is_ascii() {
        return Some(Cow::Borrowed(units.as_bytes()));
    }
    // The last byte of a unit's code is the byte itself, and so is that of ASCII.
    let byte = |unit: char| u8::try_from(u32::from(unit) & 0xFF).expected_or_default();
    Some(Cow::Owned(units.chars().map(byte).collect()))
}

/// The code of the character that stands for an encoded zero byte.
const ENCODED: u32 = 0x100;

/// Decodes characters that need no encoding. Each byte that stays encoded is written by `encoded`.
fn push_normalised(segment: &str, out: &mut String, encoded: impl Fn(u8, &mut String)) {
    let mut rest = segment;
    while let Some((before, behind)) = rest.split_once('%') {
        out.push_str(before);
        match behind.get(..2).and_then(hexadecimal) {
            Some(byte) => {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(char::from(byte));
                } else {
                    encoded(byte, out);
                }
                rest = behind.get(2..).expected_or_default();
            }
            None => {
                out.push('%');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
}

/// The value of hexadecimal digits alone: no sign.
fn hexadecimal(digits: &str) -> Option<u8> {
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    are_digits.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{Normalised, decoded, units};

    fn prefixes(path: &str, segments: usize) -> Vec<(String, usize)> {
        let read = Normalised::read(path, segments, 200);
        read.prefixes().map(|(text, at)| (text.to_owned(), at)).collect()
    }

    #[test]
    fn segments_end_at_slashes_and_nowhere_else() {
        assert_eq!(
            prefixes("/a/b%2Fc/v1.0/rest", 3),
            [("/a/b%2Fc/v1.0".to_owned(), 13), ("/a/b%2Fc".to_owned(), 8), ("/a".to_owned(), 2)]
        );
        assert_eq!(prefixes("/a/", 3), [("/a/".to_owned(), 3), ("/a".to_owned(), 2)]);
        assert_eq!(prefixes("/", 3), [("/".to_owned(), 1)]);
        assert_eq!(prefixes("//a", 3), [("//a".to_owned(), 3), ("/".to_owned(), 1)]);
    }

    #[test]
    fn encoding_is_undone_once_and_only_where_it_is_not_needed() {
        for (written, is) in [
            ("/%61%2db", "/a-b"),
            ("/%7Euser", "/~user"),
            ("/a%2fb", "/a%2Fb"),
            ("/%2561", "/%2561"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz%41", "/%zzA"),
            ("/%+1", "/%+1"),
        ] {
            assert_eq!(prefixes(written, 1), [(is.to_owned(), written.len())], "{written}");
        }
    }

    #[test]
    fn a_long_path_is_read_no_further_than_a_base_path_can_be() {
        let path = format!("/a/{}", "x".repeat(601));
        assert_eq!(prefixes(&path, 3), [("/a".to_owned(), 2)]);
    }

    #[test]
    fn an_encoded_byte_is_one_unit_that_can_be_decoded() {
        for (written, is) in [
            ("a-b", Some("a-b")),
            ("%61%2db", Some("a-b")),
            ("a%2Fb", Some("a/b")),
            ("%c3%a4", Some("ä")),
            ("%2561", Some("%61")),
            ("%", None),
            ("%zz", None),
            ("%20%", None),
        ] {
            let units = units(written);
            let bytes = decoded(&units).map(|bytes| String::from_utf8(bytes.into_owned()).unwrap());
            assert_eq!(bytes.as_deref(), is, "{written}");
        }
        assert_eq!(units("a%2f"), units("a%2F"));
        assert_eq!(units("a%2F").chars().count(), 2);
        assert!(!units("%32F").contains('%') && units("%2F") != units("2F"));
    }
}
