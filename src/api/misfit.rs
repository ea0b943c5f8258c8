//! Values that do not fit their field, in this program's words: serde and its formats describe Rust types, which a client,
//! or an operator who wrote a file, has never seen.

use super::nearest::nearest;

/// A misfit: the rule that the value breaks, and a message for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The rule: a stable word, for programs.
    pub rule: &'static str,
    /// The name that serde quotes: the unknown, missing or repeated field.
    pub name: Option<String>,
    /// The rule in words.
    pub message: String,
}

/// The starts of serde's messages, each with the rule that it means.
const STARTS: [(&str, &str); 6] = [
    ("unknown field", "unknown"),
    ("missing field", "required"),
    ("duplicate field", "duplicate"),
    ("unknown variant", "one-of"),
    ("invalid type: ", "type"),
    ("invalid value: ", "value"),
];

/// Says in our words what serde said. Any other message is one of ours already.
#[must_use]
pub fn misfit(said: &str) -> Misfit {
    let Some((_, rule)) = STARTS.into_iter().find(|(start, _)| said.starts_with(start)) else {
        return Misfit { rule: "value", name: None, message: said.to_owned() };
    };
    let mut quoted = said.split('`').skip(1).step_by(2);
    let name = quoted.next().filter(|_| matches!(rule, "unknown" | "required" | "duplicate")).map(str::to_owned);
    let message = match (rule, &name) {
        ("unknown", Some(name)) => format!("unknown field `{name}`: {}", hint(name, &quoted.collect::<Vec<_>>())),
        ("required", Some(name)) => format!("missing field `{name}`"),
        ("duplicate", Some(name)) => format!("`{name}` is given twice"),
        ("one-of", _) => one_of(&said.split_once("expected").map_or(Vec::new(), |(_, known)| names(known))),
        ("type" | "value", _) => mistyped(said),
        _ => said.to_owned(),
    };
    Misfit { rule, name, message }
}

/// The advice about an unknown name: the nearest known one, or all of them.
#[must_use]
pub fn hint(unknown: &str, known: &[&str]) -> String {
    match nearest(unknown, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "there are no fields here".to_owned(),
        None => format!("expected one of {}", known.join(", ")),
    }
}

fn names(quoted: &str) -> Vec<&str> {
    quoted.split('`').skip(1).step_by(2).collect()
}

fn one_of(known: &[&str]) -> String {
    match known {
        [only] => format!("it must be `{only}`"),
        [one, other] => format!("it must be `{one}` or `{other}`"),
        known => format!("it must be one of `{}`", known.join("`, `")),
    }
}

/// `invalid type: integer `5`, expected a string`, in our words. The value itself is not repeated: it may be a secret.
fn mistyped(said: &str) -> String {
    let (found, expected) = said.rsplit_once(", expected ").unwrap_or((said, ""));
    let found = found.split_once(": ").map_or(found, |(_, found)| found);
    match range(expected) {
        Some((least, most)) if found.starts_with("integer") => {
            format!("it must be a whole number from {least} to {most}")
        }
        Some(_) => format!("it must be a whole number, and is {}", kind(found)),
        None => format!("it must be {}, and is {}", wanted(expected), kind(found)),
    }
}

/// The range of an integer type.
fn range(of: &str) -> Option<(String, String)> {
    let both = |least: i64, most: u64| Some((least.to_string(), most.to_string()));
    match of {
        "u8" => both(0, u8::MAX.into()),
        "u16" => both(0, u16::MAX.into()),
        "u32" => both(0, u32::MAX.into()),
        "u64" | "usize" | "nonzero u64" => both(0, u64::MAX),
        "i64" | "isize" => both(i64::MIN, i64::MAX.unsigned_abs()),
        "i32" => both(i32::MIN.into(), i32::MAX.unsigned_abs().into()),
        _ => None,
    }
}

/// The expectation that serde names; a description of our own passes as it is.
fn wanted(expected: &str) -> &str {
    match expected {
        "a string" | "string" | "a borrowed string" => "text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "an object",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("enum ") || expected.starts_with("variant ") => "one of the known words",
        _ if expected.starts_with("tuple ") => "a list",
        "unit" => "empty",
        "" => "another value",
        other => other,
    }
}

/// The value that serde found.
fn kind(found: &str) -> &'static str {
    let first = found.split([' ', '`']).next().unwrap_or_default();
    match first {
        "string" | "character" => "text",
        "integer" => "a whole number",
        "floating" => "a number with a fraction",
        "boolean" if found.contains("true") => "`true`",
        "boolean" => "`false`",
        "null" | "unit" | "Option" => "empty",
        "sequence" | "array" => "a list",
        "map" | "table" | "struct" => "an object",
        "datetime" => "a time",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::misfit;

    #[test]
    fn d13_what_serde_says_is_said_in_our_words() {
        for (said, rule, expected) in [
            (
                "unknown field `verison`, expected one of `name`, `version`",
                "unknown",
                "unknown field `verison`: did you mean `version`?",
            ),
            (
                "unknown field `colour`, expected `name` or `version`",
                "unknown",
                "unknown field `colour`: expected one of name, version",
            ),
            ("unknown field `a`, there are no fields", "unknown", "unknown field `a`: there are no fields here"),
            ("missing field `name`", "required", "missing field `name`"),
            ("duplicate field `name`", "duplicate", "`name` is given twice"),
            ("unknown variant `fast`, expected `slow` or `off`", "one-of", "it must be `slow` or `off`"),
            ("unknown variant `x`, expected one of `a`, `b`, `c`", "one-of", "it must be one of `a`, `b`, `c`"),
            ("invalid type: integer `5`, expected a string", "type", "it must be text, and is a whole number"),
            (
                "invalid type: string \"hunter2, expected x\", expected u16",
                "type",
                "it must be a whole number, and is text",
            ),
            ("invalid type: null, expected struct NewApi", "type", "it must be an object, and is empty"),
            ("invalid value: integer `65536`, expected u16", "value", "it must be a whole number from 0 to 65535"),
            ("invalid type: map, expected a sequence", "type", "it must be a list, and is an object"),
            ("it is not a whole number, or too large", "value", "it is not a whole number, or too large"),
        ] {
            let is = misfit(said);
            assert_eq!((is.rule, is.message.as_str()), (rule, expected), "{said}");
            assert!(!is.message.contains("hunter2"), "{is:?}");
        }
    }
}
