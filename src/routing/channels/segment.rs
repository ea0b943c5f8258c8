//! One segment of a channel's path: a text, a parameter, or parameters with text around them. Texts are in the form of
//! [`units`](crate::routing::path::units), as the segments of requests are.

use crate::routing::path::{encoded_unit, units};

/// A segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// A text.
    Literal(Box<str>),
    /// Parameters and text: `room-{id}.json`.
    Mixed(Mixed),
    /// One parameter and nothing else.
    Whole,
}

/// A segment with one or more parameters, and text before, between or after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mixed {
    /// The text before the first parameter.
    pub(super) prefix: Box<str>,
    /// The texts between parameters, none of them empty.
    pub(super) between: Vec<Box<str>>,
    /// The text after the last parameter.
    pub(super) suffix: Box<str>,
}

impl Segment {
    /// Reads a segment, and appends the names of its parameters.
    ///
    /// # Errors
    /// The fault, for people.
    pub(super) fn read<'t>(text: &'t str, names: &mut Vec<&'t str>) -> Result<Self, String> {
        let mut texts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let braces = || "the braces of its parameters do not fit together".to_owned();
            let (name, behind) = after.split_once('}').ok_or_else(braces)?;
            if name.is_empty() || name.contains('{') {
                return Err(braces());
            }
            if name.contains(char::is_control) {
                return Err("the name of a parameter has a control character".to_owned());
            }
            if names.contains(&name) {
                return Err(format!("it has the parameter `{name}` twice"));
            }
            if before.is_empty() && !texts.is_empty() {
                return Err(format!("nothing tells the value of `{name}` from the one before it"));
            }
            names.push(name);
            texts.push(literal(before)?);
            rest = behind;
        }
        let suffix = literal(rest)?;
        let mut texts = texts.into_iter();
        let Some(prefix) = texts.next() else {
            return match rest {
                "." | ".." => Err("a path with `.` or `..` is never matched".to_owned()),
                _ => Ok(Self::Literal(suffix)),
            };
        };
        let between: Vec<Box<str>> = texts.collect();
        if prefix.is_empty() && between.is_empty() && suffix.is_empty() {
            return Ok(Self::Whole);
        }
        Ok(Self::Mixed(Mixed { prefix, between, suffix }))
    }
}

/// The units of a template's own text. A character beyond ASCII stands for its percent-encoded UTF-8.
fn literal(text: &str) -> Result<Box<str>, String> {
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '}' => return Err("the braces of its parameters do not fit together".to_owned()),
            '?' | '#' => return Err(format!("`{character}` is never part of a path")),
            character if character.is_ascii_graphic() => ascii.push(character),
            character if character.is_ascii() => {
                return Err("it has a space or a control character, which no request's path has".to_owned());
            }
            character => {
                let mut bytes = [0; 4];
                character.encode_utf8(&mut bytes).bytes().for_each(|byte| ascii.push(encoded_unit(byte)));
            }
        }
    }
    let text = units(&ascii);
    if text.contains('%') {
        return Err("a `%` is not followed by two hexadecimal digits".to_owned());
    }
    Ok(text.into())
}

impl Mixed {
    /// Appends the parameters' values in `middle`, which is what is left of a request's segment once prefix and suffix are
    /// gone. Returns `false`, and appends nothing, if the texts between the parameters are not there.
    ///
    /// Each value but the last is as short as it can be, and none is empty. So each text is found at its first possible
    /// place, which leaves the most for the others: if the texts can be there at all, they are found, in one pass.
    pub(super) fn capture<'s>(&self, middle: &'s str, values: &mut Vec<&'s str>) -> bool {
        let before = values.len();
        let mut rest = middle;
        for text in &self.between {
            // A value has one character at least.
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let Some(at) = rest.get(first..).filter(|_| first > 0).and_then(|later| later.find(&**text)) else {
                values.truncate(before);
                return false;
            };
            let end = first.saturating_add(at);
            values.push(rest.get(..end).unwrap_or_default());
            rest = rest.get(end.saturating_add(text.len())..).unwrap_or_default();
        }
        if rest.is_empty() {
            values.truncate(before);
            return false;
        }
        values.push(rest);
        true
    }

    /// The order in which segments with the same prefix and suffix are tried: the most text first.
    pub(super) fn order(&self) -> impl Ord + '_ {
        let bytes = self.between.iter().map(|text| text.len()).sum::<usize>();
        (std::cmp::Reverse(bytes), &self.between)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mixed, Segment};
    use crate::routing::path::units;

    fn read(text: &str) -> Result<Segment, String> {
        Segment::read(text, &mut Vec::new())
    }

    fn mixed(text: &str) -> Mixed {
        match read(text) {
            Ok(Segment::Mixed(mixed)) => mixed,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_segment_is_text_a_parameter_or_both() {
        assert_eq!(read("rooms"), Ok(Segment::Literal("rooms".into())));
        assert_eq!(read("%72ooms"), Ok(Segment::Literal("rooms".into())));
        assert_eq!(read("ä"), Ok(Segment::Literal(units("%c3%A4").into())));
        assert_eq!(read(""), Ok(Segment::Literal("".into())));
        assert_eq!(read("{id}"), Ok(Segment::Whole));
        let Mixed { prefix, between, suffix } = mixed("room-{id}.{form}on");
        assert_eq!((&*prefix, between, &*suffix), ("room-", vec![".".into()], "on"));
        for (text, told) in [
            ("{", "braces"),
            ("}", "braces"),
            ("{}", "braces"),
            ("{a{b}", "braces"),
            ("{a}}", "braces"),
            ("{a}{b}", "`b`"),
            ("{a}-{a}", "twice"),
            ("a b", "space"),
            ("a?b", "`?`"),
            ("a#", "`#`"),
            ("..", "never matched"),
            ("100%", "hexadecimal"),
        ] {
            let fault = read(text).unwrap_err();
            assert!(fault.contains(told), "{text}: {fault}");
        }
    }

    #[test]
    fn values_are_the_shortest_that_leave_none_empty() {
        for (template, middle, is) in [
            ("{a}-{b}", "1-2", Some(vec!["1", "2"])),
            ("{a}-{b}", "1-2-3", Some(vec!["1", "2-3"])),
            ("{a}-{b}", "--2", Some(vec!["-", "2"])),
            ("{a}-{b}", "1-", None),
            ("{a}-{b}", "-1", None),
            ("{a}-{b}", "", None),
            ("{a}xx{b}x{c}", "1xxx2x3", Some(vec!["1", "x2", "3"])),
            ("{a}xx{b}x{c}", "1xx2x", None),
        ] {
            let mut values = vec!["before"];
            let found = mixed(template).capture(middle, &mut values);
            assert_eq!((found, &values[1..]), (is.is_some(), &*is.unwrap_or_default()), "{template} {middle}");
        }
    }
}
