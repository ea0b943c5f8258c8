//! The origins of pages that may connect (RFC 6455 section 10.2): browsers send a page's origin (RFC 6454) with each handshake.
//!
//! A client that is no browser sends none, or any it likes, so a rule about origins keeps pages out and no program: a request
//! without an `Origin` passes every rule.

use std::fmt;
use std::str::FromStr;

use crate::proto::authority::{Authority, bracketed};

/// The rule of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Pages of all origins may connect.
    #[default]
    Any,
    /// Pages of the host that the request is for.
    SameHost,
    /// Pages of these origins.
    Listed(Box<[Origin]>),
}

/// An origin in its normal form: `scheme://host` or `scheme://host:port`, in lower case, without the port that the scheme has
/// anyway; or `null`, which pages without an origin of their own send, such as those of files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Box<str>);

/// The reason why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOrigin;

/// The most bytes of an origin: a scheme, a name of DNS and a port.
const MAX_BYTES: usize = 300;

impl fmt::Display for NotOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "it must be `scheme://host` or `scheme://host:port` in ASCII, without a path, a slash at the end or a `*`, as in \
             `https://app.example.com`; or `null`",
        )
    }
}

impl std::error::Error for NotOrigin {}

impl Origins {
    /// True if a request may pass. `given` are the values of its `Origin` lines, and `host` is the host that it is for.
    #[must_use]
    pub fn allow<'v>(&self, mut given: impl Iterator<Item = &'v [u8]>, host: Authority<'_>) -> bool {
        if *self == Self::Any {
            return true;
        }
        let Some(origin) = given.next() else { return true };
        // Browsers send one line with one origin.
        let Some(origin) = std::str::from_utf8(origin).ok().filter(|_| given.next().is_none()) else { return false };
        match self {
            Self::Any => true,
            Self::SameHost => is_of_host(origin, host),
            // Browsers send the normal form.
            Self::Listed(listed) => {
                listed.iter().any(|one| *one.0 == *origin)
                    || origin.parse::<Origin>().is_ok_and(|origin| listed.contains(&origin))
            }
        }
    }
}

/// True if an origin has the name and the port of a host. The port that the origin's scheme has anyway is the one of a host
/// without a port.
fn is_of_host(origin: &str, host: Authority<'_>) -> bool {
    let Some((scheme, authority)) = parts(origin) else { return false };
    let usual = usual_port(scheme);
    let port = |authority: Authority<'_>| authority.port().filter(|port| Some(*port) != usual);
    let is_same_host = match (authority.address(), host.address()) {
        (Some(one), Some(other)) => one == other,
        (None, None) => authority.is_named(host.host()),
        (Some(_), None) | (None, Some(_)) => false,
    };
    is_same_host && port(authority) == port(host)
}

/// The scheme and the authority of an origin.
fn parts(origin: &str) -> Option<(&str, Authority<'_>)> {
    let (scheme, rest) = origin.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let authority = Authority::parse(rest).ok().filter(|_| is_scheme)?;
    // A registered name may have marks that no origin has, and a wildcard would look as if it worked.
    let is_host = authority.address().is_some()
        || authority.host().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    (is_host && !rest.ends_with(':')).then_some((scheme, authority))
}

fn usual_port(scheme: &str) -> Option<u16> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("https") || is("wss") {
        Some(443)
    } else if is("http") || is("ws") {
        Some(80)
    } else {
        None
    }
}

impl Origin {
    /// True for the origin of pages that have none of their own. Any page can make one.
    #[must_use]
    pub fn is_null(&self) -> bool {
        *self.0 == *"null"
    }
}

impl FromStr for Origin {
    type Err = NotOrigin;

    fn from_str(text: &str) -> Result<Self, NotOrigin> {
        if text == "null" {
            return Ok(Self(text.into()));
        }
        if text.len() > MAX_BYTES {
            return Err(NotOrigin);
        }
        let (scheme, authority) = parts(text).ok_or(NotOrigin)?;
        // An address is written in one way, however it was given.
        let host =
            authority.address().map_or_else(|| authority.host().to_ascii_lowercase(), |address| address.to_string());
        let mut normal = format!("{}://{}", scheme.to_ascii_lowercase(), bracketed(&host));
        if let Some(port) = authority.port().filter(|port| Some(*port) != usual_port(scheme)) {
            normal.push_str(&format!(":{port}"));
        }
        Ok(Self(normal.into()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Origin, Origins};
    use crate::proto::authority::Authority;

    fn allowed(origins: &Origins, given: &[&str], host: &str) -> bool {
        origins.allow(given.iter().map(|line| line.as_bytes()), Authority::parse(host).unwrap())
    }

    #[test]
    fn an_origin_has_one_form() {
        for (text, normal) in [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.Example.COM:443", "https://app.example.com"),
            ("http://a:80", "http://a"),
            ("http://a:443", "http://a:443"),
            ("https://a.", "https://a."),
            ("https://a:08443", "https://a:8443"),
            ("https://[2001:DB8:0::1]:8443", "https://[2001:db8::1]:8443"),
            ("https://127.0.0.1", "https://127.0.0.1"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
            ("null", "null"),
        ] {
            assert_eq!(text.parse::<Origin>().map(|origin| origin.to_string()).as_deref(), Ok(normal), "{text}");
        }
        let long = format!("https://{}", "a".repeat(300));
        for text in [
            "",
            "*",
            "https://*",
            "https://*.a.test",
            "a.test",
            "//a.test",
            "https://",
            "https:///",
            "https://a/",
            "https://a?",
            "https://a#",
            "https://a:",
            "https://a:x",
            "https://a:70000",
            "https://u@a",
            "https://ä.test",
            "https://a b",
            " https://a",
            "https://a https://b",
            "https://a,https://b",
            "NULL",
            "://a",
            "1s://a",
            "h_s://a",
            "https://[::1",
            "https://a%2e",
            &long,
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_page_of_a_listed_origin_may_connect_and_no_other() {
        let listed = ["https://App.test", "http://[::1]:3000", "null"].map(|text| text.parse().unwrap());
        let listed = Origins::Listed(listed.into());
        for given in ["https://app.test", "https://app.test:443", "HTTPS://APP.TEST", "http://[0::1]:3000", "null"] {
            assert!(allowed(&listed, &[given], "api.test"), "{given}");
        }
        assert!(allowed(&listed, &[], "api.test"), "a program sends none");
        for given in [
            "http://app.test",
            "https://app.test:8443",
            "https://app.test.",
            "https://app.test.evil.test",
            "https://evil.test/app.test",
            "https://xapp.test",
            "http://[::1]",
            "Null",
            "",
            "https://app.test https://evil.test",
            "https://app.test, https://app.test",
            "https://user@app.test",
            "https://app.test/",
        ] {
            assert!(!allowed(&listed, &[given], "app.test"), "{given}");
        }
        assert!(
            !allowed(&listed, &["https://app.test", "https://app.test"], "api.test"),
            "two lines are from no browser"
        );
        let bytes: &[u8] = b"https://\xff";
        assert!(!listed.allow([bytes].into_iter(), Authority::parse("a").unwrap()));
        assert!(!allowed(&Origins::Listed(Box::default()), &["https://app.test"], "app.test"));
    }

    #[test]
    fn a_page_of_the_same_host_may_connect() {
        for (origin, host) in [
            ("https://a.test", "a.test"),
            ("https://A.test:443", "a.test."),
            ("http://a.test", "a.test:80"),
            ("https://a.test", "a.test:443"),
            ("http://a.test:8080", "a.test:8080"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://[::1]:8080", "[0:0::1]:8080"),
        ] {
            assert!(allowed(&Origins::SameHost, &[origin], host), "{origin} {host}");
        }
        for (origin, host) in [
            ("https://b.test", "a.test"),
            ("https://a.test.b.test", "a.test"),
            ("https://a.test:8443", "a.test"),
            ("https://a.test", "a.test:80"),
            ("http://a.test", "a.test:443"),
            ("http://a.test:8080", "a.test:8081"),
            ("http://127.0.0.1", "localhost"),
            ("null", "null"),
            ("", "a.test"),
            ("a.test", "a.test"),
            ("https://a.test/", "a.test"),
        ] {
            assert!(!allowed(&Origins::SameHost, &[origin], host), "{origin} {host}");
        }
        assert!(allowed(&Origins::SameHost, &[], "a.test"));
    }

    #[test]
    fn any_origin_is_any() {
        for given in [&[][..], &["https://evil.test"], &["null", "null"], &[""]] {
            assert!(allowed(&Origins::Any, given, "a.test"), "{given:?}");
        }
    }
}
