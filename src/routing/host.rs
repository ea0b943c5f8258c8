//! Patterns of host names that an environment answers to.

use std::fmt;

use super::name::{self, NameError};
use crate::proto::authority::canonical;

/// A host name, or `*.` and a name for all names below it. In lower case, without a dot at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPattern {
    name: Box<str>,
    any_below: bool,
}

impl HostPattern {
    /// Reads `name` or `*.name`.
    ///
    /// # Errors
    /// The name's fault.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (name, any_below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        name::check(name)?;
        Ok(Self { name: canonical(name).into(), any_below })
    }

    pub(super) fn parts(&self) -> (&str, bool) {
        (&self.name, self.any_below)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.any_below { "*." } else { "" }, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::HostPattern;

    #[test]
    fn a_pattern_is_a_name_or_all_below_one() {
        for (text, is) in [("Chat.Example.COM.", "chat.example.com"), ("*.Example.com", "*.example.com"), ("a", "a")] {
            assert_eq!(HostPattern::parse(text).map(|pattern| pattern.to_string()).as_deref(), Ok(is));
        }
        for text in ["", "*", "*.", "a.*.b", "a:80", "**.a", "a b"] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }
}
