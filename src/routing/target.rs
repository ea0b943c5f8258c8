//! A target: the URL of an upstream, parsed once.

use std::fmt;
use std::str::FromStr;

use crate::invariant::Invariant;
use crate::proto::authority::{Authority, AuthorityError};

/// An upstream's URL. `http` is read as `ws` and `https` as `wss`: the first request of a WebSocket is an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host name or address, without brackets.
    pub host: String,
    /// The port; without one in the URL 443 with TLS and 80 otherwise.
    pub port: u16,
    /// Connections use TLS; plain text is then never tried.
    pub tls: bool,
    /// `host[:port]` for the `Host` header.
    pub authority: String,
    /// The path, without a slash at its end; empty for the root.
    pub base_path: String,
}

/// The reason why a URL is not a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// The scheme is missing, or none of the four.
    Scheme,
    /// The host is missing or invalid, or the port is not a number from 1 to 65535.
    Authority,
    /// The URL contains a user name or password.
    UserInfo,
    /// The URL has a query or fragment, which would collide with the client's own.
    Query,
    /// The URL to connect to has a fragment, which is never sent.
    Fragment,
    /// The path has a byte that paths cannot contain.
    Path,
    /// The path or the query has a `%` without two hexadecimal digits after it (RFC 3986 section 2.1).
    Percent,
    /// The URL is meant for a Unix socket, as some programs write them: `ws://unix:/run/chat.sock`.
    UnixSocket,
    /// The host has characters beyond ASCII; only its IDNA form goes into DNS and into `Host`.
    NotAscii,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "it must begin with ws://, wss://, http:// or https://",
            Self::Authority => "the host is missing or invalid, or the port is not a number from 1 to 65535",
            Self::UserInfo => "a user name or password in the URL is not sent; remove it",
            Self::Query => "it must not have a query or fragment; the client's own query is appended to the path",
            Self::Fragment => "a fragment (#...) is not sent; remove it",
            Self::Path => "path and query may hold visible ASCII only",
            Self::Percent => "a `%` in path and query must be followed by two hexadecimal digits; `%25` is a percent sign",
            Self::UnixSocket => "a Unix socket cannot be a target; give a host or an address, as in ws://127.0.0.1:9000",
            Self::NotAscii => {
                "the host must be ASCII; write the IDNA form of the name, such as xn--bcher-kva.example for bücher.example"
            }
        })
    }
}

impl std::error::Error for TargetError {}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(TargetError::Scheme),
        };
        let (authority, path) =
            rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len())).expected_or((rest, ""));
        if !authority.is_ascii() && !authority.contains('@') {
            return Err(TargetError::NotAscii);
        }
        let authority = Authority::parse(authority).map_err(|error| match error {
            AuthorityError::UserInfo => TargetError::UserInfo,
            AuthorityError::Host | AuthorityError::Port => TargetError::Authority,
        })?;
        if path.contains(['?', '#']) {
            return Err(TargetError::Query);
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TargetError::Path);
        }
        let port = authority.port().unwrap_or(if tls { 443 } else { 80 });
        if port == 0 {
            return Err(TargetError::Authority);
        }
        Ok(Self {
            host: authority.host().to_owned(),
            port,
            tls,
            authority: authority.as_str().to_owned(),
            base_path: path.trim_end_matches('/').to_owned(),
        })
    }
}

impl Target {
    /// Reads a URL that somebody writes now. One that was kept is read by [`FromStr`], which takes what earlier versions took.
    ///
    /// # Errors
    /// The rules of a target, a `%` without its two digits, and a Unix socket.
    pub fn written(url: &str) -> Result<Self, TargetError> {
        let target: Self = url.parse()?;
        if target.host.eq_ignore_ascii_case("unix") && target.authority.ends_with(':') {
            return Err(TargetError::UnixSocket);
        }
        if has_whole_percents(url) { Ok(target) } else { Err(TargetError::Percent) }
    }
}

/// True if each `%` has two hexadecimal digits after it.
fn has_whole_percents(text: &str) -> bool {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    text.split('%').skip(1).all(|rest| is_hex(rest.as_bytes().first()) && is_hex(rest.as_bytes().get(1)))
}

/// Reads the URL that a client connects to: its target, and the path and query to request.
///
/// # Errors
/// The rules of a target, except that a query is allowed.
pub fn client_url(url: &str) -> Result<(Target, String), TargetError> {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    if url.contains('#') {
        return Err(TargetError::Fragment);
    }
    let target = Target::written(base)?;
    let mut path = if base.ends_with('/') { format!("{}/", target.base_path) } else { target.base_path.clone() };
    if path.is_empty() {
        path.push('/');
    }
    if let Some(query) = query {
        if !query.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TargetError::Path);
        }
        if !has_whole_percents(query) {
            return Err(TargetError::Percent);
        }
        path.push('?');
        path.push_str(query);
    }
    Ok((target, path))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority, self.base_path)
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, TargetError, client_url};

    #[test]
    fn a_clients_url_keeps_its_path_and_query() {
        for (url, path) in [
            ("ws://a", "/"),
            ("ws://a/", "/"),
            ("ws://a/b/", "/b/"),
            ("ws://a/b?c=d?e", "/b?c=d?e"),
            ("http://a?c", "/?c"),
        ] {
            assert_eq!(client_url(url).unwrap().1, path, "{url}");
        }
        assert_eq!(client_url("ws://a/?b c"), Err(TargetError::Path));
        assert_eq!(client_url("ws://a/?b#c"), Err(TargetError::Fragment));
        assert_eq!(client_url("ws://a/?b=%zz"), Err(TargetError::Percent));
        assert_eq!(client_url("ws://a/%2F?b=%2f").unwrap().1, "/%2F?b=%2f");
        assert_eq!(client_url("ws://unix:81/").unwrap().0.host, "unix", "a host may have this name");
    }

    #[test]
    fn a_url_is_read_into_its_parts() {
        let target: Target = "http://[::1]:9000/base/".parse().unwrap();
        assert_eq!((target.host.as_str(), target.port, target.base_path.as_str()), ("::1", 9000, "/base"));
        assert_eq!(target.authority, "[::1]:9000");
        let target: Target = "ws://example.test".parse().unwrap();
        assert_eq!((target.host.as_str(), target.port, target.base_path.as_str()), ("example.test", 80, ""));
        for (url, port, tls, shown) in [
            ("wss://a", 443, true, "wss://a"),
            ("HTTPS://a/b/", 443, true, "wss://a/b"),
            ("wss://[::1]", 443, true, "wss://[::1]"),
            ("https://a:80", 80, true, "wss://a:80"),
            ("http://a:443", 443, false, "ws://a:443"),
        ] {
            let target: Target = url.parse().unwrap();
            assert_eq!((target.port, target.tls, target.to_string().as_str()), (port, tls, shown), "{url}");
        }
    }

    #[test]
    fn d14_a_url_that_is_not_a_target_says_why() {
        for (url, why) in [
            ("localhost:9000", TargetError::Scheme),
            ("ftp://a", TargetError::Scheme),
            ("wss://", TargetError::Authority),
            ("ws://", TargetError::Authority),
            ("ws://a:0", TargetError::Authority),
            ("ws://a:70000", TargetError::Authority),
            ("ws://a b", TargetError::Authority),
            ("ws://[::1", TargetError::Authority),
            ("ws://user:secret@a", TargetError::UserInfo),
            ("ws://a/?x=1", TargetError::Query),
            ("ws://a/#f", TargetError::Query),
            ("ws://a/é", TargetError::Path),
            ("ws://a/%zz", TargetError::Percent),
            ("ws://a/b%4", TargetError::Percent),
            ("ws://a/%", TargetError::Percent),
            ("ws://unix:/tmp/x.sock", TargetError::UnixSocket),
            ("http://UNIX:/run/x.sock:/path", TargetError::UnixSocket),
            ("ws://bücher.example", TargetError::NotAscii),
        ] {
            assert_eq!(Target::written(url), Err(why), "{url}");
        }
    }
}
