//! The paths of data listeners that Ringway answers itself, in plain HTTP.

use std::fmt;
use std::str::FromStr;

use crate::proto::plain::Method;

/// The paths and their services. Without any, every request is a handshake or refused as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainPaths {
    /// The path that says whether the process takes new clients.
    pub health: Option<PlainPath>,
}

/// A service that answers plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainService {
    /// Says whether the process takes new clients.
    Health,
}

/// The most bytes of a path.
const MAX_PATH_BYTES: usize = 256;

/// A path that is compared byte for byte: it needs no percent-encoding, and has no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainPath(Box<str>);

impl PlainPaths {
    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.health.is_none()
    }

    /// The service of a request; `None` if it is for nobody here. HAProxy's `option httpchk` asks `OPTIONS /` unless it is
    /// told otherwise, so this and `OPTIONS *`, which is about the server as a whole, ask for the health.
    #[must_use]
    pub fn find(&self, method: Method, path: &str) -> Option<PlainService> {
        let health = self.health.as_ref()?;
        let is_health = match method {
            Method::Get | Method::Head => *path == *health.0,
            Method::Options => *path == *health.0 || matches!(path, "/" | "*"),
            Method::Post => false,
        };
        is_health.then_some(PlainService::Health)
    }
}

/// The reason why a text is no such path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPlainPath;

impl fmt::Display for NotPlainPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it must begin with a slash, have 256 bytes at most, and hold letters, digits, and / - . _ ~ only, without . and .. as segments")
    }
}

impl std::error::Error for NotPlainPath {}

impl FromStr for PlainPath {
    type Err = NotPlainPath;

    fn from_str(path: &str) -> Result<Self, NotPlainPath> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let is_plain = path.starts_with('/')
            && path.len() <= MAX_PATH_BYTES
            && path.bytes().all(plain)
            && !path.split('/').any(|segment| matches!(segment, "." | ".."));
        if is_plain { Ok(Self(path.into())) } else { Err(NotPlainPath) }
    }
}

impl fmt::Display for PlainPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{PlainPath, PlainPaths, PlainService};
    use crate::proto::plain::Method::{Get, Head, Options, Post};

    #[test]
    fn c5_the_health_path_is_found_by_the_methods_that_checks_use() {
        let paths = PlainPaths { health: Some("/healthz".parse().unwrap()) };
        for (method, path) in
            [(Get, "/healthz"), (Head, "/healthz"), (Options, "/healthz"), (Options, "/"), (Options, "*")]
        {
            assert_eq!(paths.find(method, path), Some(PlainService::Health), "{method:?} {path}");
        }
        for (method, path) in [(Post, "/healthz"), (Get, "/"), (Get, "/healthz/"), (Get, "/Healthz"), (Get, "*")] {
            assert_eq!(paths.find(method, path), None, "{method:?} {path}");
        }
        assert_eq!(PlainPaths::default().find(Get, "/healthz"), None);
        assert_eq!(PlainPaths::default().find(Options, "*"), None);
    }

    #[test]
    fn a_path_needs_no_second_reading() {
        for path in ["/", "/healthz", "/a-b/c.d/~e_F9"] {
            assert_eq!(path.parse::<PlainPath>().map(|path| path.to_string()).as_deref(), Ok(path));
        }
        for path in
            ["", "healthz", "/a?b", "/a#b", "/a%20b", "/a b", "/..", "/a/./b", "/é", &format!("/{}", "a".repeat(256))]
        {
            assert!(path.parse::<PlainPath>().is_err(), "{path}");
        }
    }
}
