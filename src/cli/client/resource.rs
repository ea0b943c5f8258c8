//! The path and query of a resource in the admin API, encoded.

use std::fmt::{self, Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters of a path segment that need encoding.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path and query of a resource in the admin API.
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

    /// Appends a path segment, encoded.
    pub(in crate::cli) fn at(&self, segment: &str) -> Self {
        Self { path: format!("{}/{}", self.path, utf8_percent_encode(segment, SEGMENT)), query: self.query.clone() }
    }

    /// Adds a query parameter, encoded.
    pub(in crate::cli) fn with(mut self, name: &str, value: &str) -> Self {
        let separator = if self.query.is_empty() { '?' } else { '&' };
        let _ = write!(self.query, "{separator}{name}={}", utf8_percent_encode(value, SEGMENT));
        self
    }

    /// Adds a query parameter if it has a value.
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
