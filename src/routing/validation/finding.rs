//! The rules that a message can break, and what is told of it: never a value of the message.

use std::fmt;

/// The longest pointer or text of a finding, in characters.
const MAX_CHARS: usize = 200;
/// The most messages that a finding names.
const MAX_MESSAGES: usize = 5;

/// Keywords of schemas that are rules by their own name.
const KEYWORDS: &[&str] = &[
    "additionalItems",
    "additionalProperties",
    "anyOf",
    "const",
    "contains",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "falseSchema",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "propertyNames",
    "required",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

/// A rule: a keyword of schemas, or one of Ringway's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule(&'static str);

impl Rule {
    /// The text is no JSON.
    pub const NOT_JSON: Self = Self("not-json");
    /// An object has two fields of one name.
    pub const DUPLICATE_NAME: Self = Self("duplicate-name");
    /// The field that tells messages apart names none of them.
    pub const UNKNOWN_MESSAGE: Self = Self("unknown-message");
    /// Several messages fit.
    pub const MATCHES_SEVERAL: Self = Self("matches-several");
    /// A keyword without a name here.
    const OTHER: Self = Self("schema");

    /// The rule of a keyword of schemas.
    #[must_use]
    pub fn of_keyword(keyword: &str) -> Self {
        KEYWORDS.iter().find(|known| **known == keyword).map_or(Self::OTHER, |known| Self(known))
    }

    /// The name: one word out of a small set.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A rule that a message breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The JSON Pointer of the value that breaks it.
    pub pointer: Box<str>,
    /// The messages of the contract that the message was checked against, by id, the nearest first.
    pub messages: Vec<Box<str>>,
    /// The fault in one line.
    pub text: Box<str>,
}

impl Finding {
    /// A finding; what is long is cut, and control characters are replaced.
    #[must_use]
    pub fn new<'n>(
        rule: Rule,
        pointer: &str,
        messages: impl IntoIterator<Item = &'n str>,
        text: impl AsRef<str>,
    ) -> Self {
        let messages = messages.into_iter().take(MAX_MESSAGES).map(Box::from).collect();
        Self { rule, pointer: bounded(pointer), messages, text: bounded(text.as_ref()) }
    }

    /// The steps of the pointer.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.pointer.bytes().filter(|byte| *byte == b'/').count()
    }
}

/// The text without control characters, cut where it is long.
fn bounded(text: &str) -> Box<str> {
    let safe = text.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char });
    safe.take(MAX_CHARS).collect::<String>().into()
}
