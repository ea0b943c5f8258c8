//! The values of a handshake that a contract has rules for: whether one fits, and which names are missing.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use regex::Regex;

use super::pattern::Patterns;
use super::spec::ValueSpec;

/// The longest value that a pattern is tried on, in bytes. A longer one fits no pattern.
pub(super) const MAX_MATCHED_BYTES: usize = 1_024;
/// The most values of one repeated name that are looked at. More do not fit.
pub(super) const MAX_REPETITIONS: usize = 16;

/// A rule of a value, and its name.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) name: Arc<str>,
    is_required: bool,
    rule: Rule,
}

/// The values that are taken.
#[derive(Debug, Default)]
struct Rule {
    /// In order; `None` for any.
    allowed: Option<Box<[Box<str>]>>,
    pattern: Option<Arc<Regex>>,
}

impl Value {
    /// # Errors
    /// The fault of the pattern, for people.
    pub(super) fn new(spec: ValueSpec, patterns: &mut Patterns) -> Result<Self, String> {
        let compile = |pattern: String| patterns.compile(&pattern).map_err(|why| (pattern, why));
        let pattern = spec.pattern.map(compile).transpose().map_err(|(pattern, why)| {
            let shown: String = pattern.escape_debug().take(80).collect();
            format!("the pattern `{shown}` of `{}`: {why}", spec.name)
        })?;
        let allowed = (!spec.allowed.is_empty()).then(|| {
            let mut allowed: Vec<Box<str>> = spec.allowed.into_iter().map(String::into_boxed_str).collect();
            allowed.sort_unstable();
            allowed.into_boxed_slice()
        });
        Ok(Self { name: spec.name.into(), is_required: spec.is_required, rule: Rule { allowed, pattern } })
    }

    /// True if the value's absence or presence makes no difference.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_required && self.rule.is_free()
    }

    /// True if a query parameter's or header's value fits; `None` is one that is not UTF-8, or whose encoding is malformed.
    pub(super) fn fits(&self, value: Option<&str>) -> bool {
        self.rule.is_free() || value.is_some_and(|value| self.rule.fits(value))
    }

    /// True if the value of a path's parameter fits. A value that holds a separator once it is decoded does so only if it
    /// is listed: servers that decode a path before they split it would see another path.
    pub(super) fn fits_in_path(&self, value: Option<&str>) -> bool {
        match value {
            Some(value) if value.contains(['/', '\\']) => self.rule.lists(value) && self.rule.fits(value),
            value => self.fits(value),
        }
    }
}

impl Rule {
    fn is_free(&self) -> bool {
        self.allowed.is_none() && self.pattern.is_none()
    }

    fn lists(&self, value: &str) -> bool {
        let is_listed = |allowed: &[Box<str>]| allowed.binary_search_by(|one| (**one).cmp(value)).is_ok();
        self.allowed.as_deref().is_some_and(is_listed)
    }

    fn fits(&self, value: &str) -> bool {
        let matches = |pattern: &Regex| value.len() <= MAX_MATCHED_BYTES && pattern.is_match(value);
        (self.allowed.is_none() || self.lists(value)) && self.pattern.as_deref().is_none_or(matches)
    }
}

/// The fault of a named value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Missing,
    Invalid,
}

/// The values of a query or of the headers, found by name.
#[derive(Debug)]
pub(super) struct Values {
    /// In the order of their names.
    values: Box<[Value]>,
    compare: fn(&str, &str) -> Ordering,
}

impl Values {
    /// Values whose names are compared by `compare`.
    ///
    /// # Errors
    /// The fault, for people.
    pub(super) fn new(
        specs: Vec<ValueSpec>,
        compare: fn(&str, &str) -> Ordering,
        patterns: &mut Patterns,
    ) -> Result<Self, String> {
        let values: Result<Vec<Value>, String> = specs.into_iter().map(|spec| Value::new(spec, patterns)).collect();
        let mut values = values?;
        values.retain(|value| !value.is_idle());
        values.sort_by(|one, other| compare(&one.name, &other.name));
        let twice = values.windows(2).find_map(|pair| match pair {
            [one, other] if compare(&one.name, &other.name).is_eq() => Some(&other.name),
            _ => None,
        });
        match twice {
            Some(name) => Err(format!("`{name}` is described twice")),
            None => Ok(Self { values: values.into(), compare }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Checks the pairs of a request. Each value of a repeated name must fit, because the upstream may take any of them.
    ///
    /// # Errors
    /// The first name whose value does not fit; else the first one that is missing.
    pub(super) fn check<'r>(
        &self,
        pairs: impl Iterator<Item = (Cow<'r, str>, Option<Cow<'r, str>>)>,
    ) -> Result<(), (Broken, &Arc<str>)> {
        if self.is_empty() {
            return Ok(());
        }
        let mut seen = vec![0_usize; self.values.len()];
        for (name, value) in pairs {
            let Ok(at) = self.values.binary_search_by(|known| (self.compare)(&known.name, &name)) else { continue };
            let (Some(known), Some(count)) = (self.values.get(at), seen.get_mut(at)) else { continue };
            *count = count.saturating_add(1);
            if *count > MAX_REPETITIONS || !known.fits(value.as_deref()) {
                return Err((Broken::Invalid, &known.name));
            }
        }
        let missing = self.values.iter().zip(seen).find(|(known, count)| known.is_required && *count == 0);
        missing.map_or(Ok(()), |(known, _)| Err((Broken::Missing, &known.name)))
    }
}

/// Compares names byte for byte.
pub(super) fn exactly(one: &str, other: &str) -> Ordering {
    one.cmp(other)
}

/// Compares names without regard to ASCII case.
pub(super) fn without_case(one: &str, other: &str) -> Ordering {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    one.bytes().map(lower).cmp(other.bytes().map(lower))
}
