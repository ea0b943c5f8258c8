//! Names and descriptions: text for people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Fault;

/// The most characters of a name.
pub const MAX_NAME_CHARS: usize = 60;
/// The most characters of a description.
pub const MAX_DESCRIPTION_CHARS: usize = 2000;

/// An API's name: 1 to 60 letters (of any script), digits, spaces and `-_.`, with no space at either end. A name is
/// kept exactly as it was sent, or refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 60, examples("Chat App API"))]
pub struct Name(String);

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let chars = text.chars().count();
        if chars == 0 {
            return Err(Fault::new("length", "it must have 1 to 60 characters, and is empty"));
        }
        if chars > MAX_NAME_CHARS {
            return Err(Fault::new(
                "length",
                format!("it must have 1 to {MAX_NAME_CHARS} characters, and has {chars}"),
            ));
        }
        if !text.chars().all(|c| c.is_alphanumeric() || " -_.".contains(c)) {
            return Err(Fault::new("characters", "it may hold letters, digits, spaces, `-`, `_` and `.` only"));
        }
        if text.starts_with(' ') || text.ends_with(' ') {
            return Err(Fault::new("spaces", "it must not begin or end with a space"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A description of an API or a project: up to 2,000 characters, without control characters other than line feeds and tabs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, max_length = 2000)]
pub struct Description(String);

impl Description {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let chars = text.chars().count();
        if chars > MAX_DESCRIPTION_CHARS {
            let most = format!("it must have {MAX_DESCRIPTION_CHARS} characters at most, and has {chars}");
            return Err(Fault::new("length", most));
        }
        if text.chars().any(|c| c.is_control() && !"\n\t".contains(c)) {
            return Err(Fault::new("characters", "it must not hold control characters other than line feeds and tabs"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Conversions between a checked text type and `String`.
macro_rules! plain {
    ($($name:ident)*) => {$(
        impl TryFrom<String> for $name {
            type Error = $crate::api::problem::Fault;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
pub(super) use plain;

plain! { Name Description }

#[cfg(test)]
mod tests {
    use super::{Description, Name};

    #[test]
    fn a_name_is_kept_as_it_is_or_refused() {
        for name in ["a", "Chat App API", "v2.0_beta-1", "...", "Räume für alle", "Чат 7", "一二三", &"x".repeat(60)]
        {
            assert_eq!(name.parse::<Name>().map(|name| name.to_string()).as_deref(), Ok(name));
        }
        for (name, rule) in [
            ("", "length"),
            (&"x".repeat(61), "length"),
            (&"ä".repeat(61), "length"),
            (" a", "spaces"),
            ("a ", "spaces"),
            (" ", "spaces"),
            ("a/b", "characters"),
            ("a\tb", "characters"),
            ("a\u{202e}b", "characters"),
            ("a\u{a0}b", "characters"),
            ("a\u{0}", "characters"),
        ] {
            assert_eq!(name.parse::<Name>().unwrap_err().rule, rule, "{name:?}");
        }
    }

    #[test]
    fn a_description_may_have_lines() {
        for text in ["", "one\n\ttwo", "\u{1f980}", &"ä".repeat(2000)] {
            assert!(text.parse::<Description>().is_ok(), "{text:?}");
        }
        for (text, rule) in [(&*"x".repeat(2001), "length"), ("\r", "characters"), ("\u{1b}[2J", "characters")] {
            assert_eq!(text.parse::<Description>().unwrap_err().rule, rule, "{text:?}");
        }
    }

    #[test]
    fn what_is_read_is_checked() {
        assert!(serde_json::from_str::<Name>("\"a/b\"").is_err());
        assert_eq!(serde_json::to_string(&"a b".parse::<Name>().unwrap()).unwrap(), "\"a b\"");
    }
}
