//! Where something is in the admin API: a path and a query that are right whatever stands in them.

use std::fmt::{self, Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a segment of a path as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where something is in the admin API: segments of a path, and a query.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct ResourcePath {
    path: String,
    query: String,
}

impl ResourcePath {
    /// A path below the prefix, each segment encoded.
    pub(in crate::cli) fn new<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut place = Self::default();
        for segment in segments {
            let _ = write!(place.path, "/{}", utf8_percent_encode(segment, SEGMENT));
        }
        place
    }

    /// The same, further down.
    pub(in crate::cli) fn at(&self, segment: &str) -> Self {
        Self { path: format!("{}/{}", self.path, utf8_percent_encode(segment, SEGMENT)), query: self.query.clone() }
    }

    /// The same with a parameter.
    pub(in crate::cli) fn with(mut self, name: &str, value: &str) -> Self {
        let separator = if self.query.is_empty() { '?' } else { '&' };
        let _ = write!(self.query, "{separator}{name}={}", utf8_percent_encode(value, SEGMENT));
        self
    }

    /// The same with a parameter if there is a value for it.
    pub(in crate::cli) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path, self.query)
    }
}
