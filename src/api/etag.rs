//! Entity tags: a client says which state it has seen, and a change is refused if another came between.

use std::fmt;
use std::str::FromStr;

/// The state of a resource as a strong entity tag (RFC 9110 section 8.8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag {
    /// The resource's number. No other resource of its kind ever has it.
    pub id: u64,
    /// The number of changes so far.
    pub generation: u64,
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}-{}\"", self.id, self.generation)
    }
}

impl FromStr for ETag {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Self, NotOurs> {
        let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let (id, generation) = inner.and_then(|text| text.split_once('-')).ok_or(NotOurs)?;
        let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        Ok(Self { id: number(id).ok_or(NotOurs)?, generation: number(generation).ok_or(NotOurs)? })
    }
}

/// The error for an entity tag that this program did not make; such a tag matches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOurs;

/// The condition under which a change is made (RFC 9110 sections 13.1.1 and 13.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// The change is made in any state.
    #[default]
    Always,
    /// The resource must exist: `If-Match: *`.
    Exists,
    /// The resource must not exist: `If-None-Match: *`.
    Missing,
    /// The resource must be in one of these states: `If-Match: "1-7"`. Foreign tags are left out.
    Matches(Vec<ETag>),
}

impl Condition {
    /// True if a resource in this state may be changed; `None` stands for one that does not exist.
    #[must_use]
    pub fn holds(&self, current: Option<ETag>) -> bool {
        match self {
            Self::Always => true,
            Self::Exists => current.is_some(),
            Self::Missing => current.is_none(),
            Self::Matches(tags) => current.is_some_and(|current| tags.contains(&current)),
        }
    }
}

/// A resource and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged<T> {
    /// The resource.
    pub value: T,
    /// The resource's state.
    pub etag: ETag,
}

/// The result of a PUT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put<T> {
    /// The resource.
    pub value: T,
    /// The resource's state.
    pub etag: ETag,
    /// True if the PUT created the resource.
    pub is_new: bool,
}

#[cfg(test)]
mod tests {
    use super::{Condition, ETag};

    const NOW: ETag = ETag { id: 12, generation: 3 };

    #[test]
    fn a_tag_is_read_as_it_is_written() {
        assert_eq!(NOW.to_string(), "\"12-3\"");
        assert_eq!("\"12-3\"".parse(), Ok(NOW));
        for text in ["", "\"", "12-3", "W/\"12-3\"", "\"12\"", "\"12-\"", "\"+12-3\"", "\"a-b\"", "\"12-3-4\""] {
            assert!(text.parse::<ETag>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_condition_is_about_what_is_there() {
        let before = ETag { id: 12, generation: 2 };
        let another = ETag { id: 13, generation: 3 };
        for (condition, of_now, of_nothing) in [
            (Condition::Always, true, true),
            (Condition::Exists, true, false),
            (Condition::Missing, false, true),
            (Condition::Matches(vec![NOW]), true, false),
            (Condition::Matches(vec![before, NOW]), true, false),
            (Condition::Matches(vec![before, another]), false, false),
            (Condition::Matches(vec![]), false, false),
        ] {
            assert_eq!(condition.holds(Some(NOW)), of_now, "{condition:?}");
            assert_eq!(condition.holds(None), of_nothing, "{condition:?}");
        }
    }
}
