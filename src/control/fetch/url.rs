//! A URL that may be fetched: https, a host, and no credentials. Pure.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::config::contract_source::HTTPS_PORT;
use crate::proto::authority::{Authority, canonical};
use crate::routing::name;

/// The longest URL, in bytes.
const MAX_BYTES: usize = 2_048;

/// An https URL without its fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    /// The name in lower case and without a dot at its end, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path and the query; begins with `/`.
    pub path: String,
}

impl Url {
    /// The address, if the host is written as one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `host` or `host:port`, as the field `Host` has it.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == HTTPS_PORT { host } else { format!("{host}:{}", self.port) }
    }

    /// The URL that a `Location` means.
    ///
    /// # Errors
    /// The URL is none that may be fetched, or leads to another host.
    pub fn redirected(&self, location: &str) -> Result<Self, String> {
        let target: Self = if location.contains("://") {
            location.parse()?
        } else if let Some(rest) = location.strip_prefix("//") {
            format!("https://{rest}").parse()?
        } else if location.starts_with('/') {
            format!("https://{}{location}", self.authority()).parse()?
        } else {
            let folder = self.path.split('?').next().unwrap_or_default();
            let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("https://{}{folder}/{location}", self.authority()).parse()?
        };
        if (&target.host, target.port) != (&self.host, self.port) {
            return Err(format!(
                "{} redirects to {}, and redirects are followed within one host only",
                self.authority(),
                target.authority()
            ));
        }
        Ok(target)
    }

    /// The last step of the path, for a file's name.
    #[must_use]
    pub fn file(&self) -> &str {
        let path = self.path.split('?').next().unwrap_or_default();
        path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("asyncapi.yaml")
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority(), self.path)
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("a URL has {MAX_BYTES} bytes at most"));
        }
        if !text.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return Err("a URL has visible ASCII characters only; encode all others as %XX".to_owned());
        }
        let text = text.split('#').next().unwrap_or_default();
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("the URL has no scheme: it begins with https://".to_owned());
        };
        if !scheme.eq_ignore_ascii_case("https") {
            return Err("contracts are fetched by https only".to_owned());
        }
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err("the URL must have no user and no password".to_owned());
        }
        let bad = || "the URL's host is neither a name nor an address, or its port is no number".to_owned();
        let parsed = Authority::parse(authority).map_err(|_| bad())?;
        let host = match parsed.address() {
            Some(address) => address.to_string(),
            None => {
                name::check(parsed.host()).map_err(|_| bad())?;
                let host = canonical(parsed.host()).into_owned();
                // Some programs take such a name for an address, written in another way.
                let last = host.rsplit('.').next().unwrap_or_default();
                if last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(bad());
                }
                host
            }
        };
        if path.contains('\\') {
            return Err("the URL has a backslash".to_owned());
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { host, port: parsed.port().unwrap_or(HTTPS_PORT), path })
    }
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn a_url_is_read_or_refused_with_the_reason() {
        for (text, expected) in [
            ("https://a.example/x.yaml", "https://a.example/x.yaml"),
            ("HTTPS://A.Example.:443/X?y=1#z", "https://a.example/X?y=1"),
            ("https://a.example", "https://a.example/"),
            ("https://a.example?x", "https://a.example/?x"),
            ("https://a.example:8443/", "https://a.example:8443/"),
            ("https://[::1]:8443/x", "https://[::1]:8443/x"),
            ("https://127.0.0.1/x", "https://127.0.0.1/x"),
        ] {
            assert_eq!(text.parse::<Url>().unwrap().to_string(), expected, "{text}");
        }
        for (text, told) in [
            ("http://a.example/", "https only"),
            ("file:///etc/passwd", "https only"),
            ("gopher://a.example/", "https only"),
            ("a.example/x", "no scheme"),
            ("https://u:p@a.example/", "no user"),
            ("https://a.example@127.0.0.1/", "no user"),
            ("https:///x", "neither a name"),
            ("https://a.example:0x50/", "neither a name"),
            ("https://a.example\\@b/", "backslash"),
            ("https://a.example/\u{e4}", "visible ASCII"),
            ("https://a.example/ x", "visible ASCII"),
            ("https://a.example/\r\nHost: b", "visible ASCII"),
            // Other ways to write 127.0.0.1 are no names of DNS.
            ("https://2130706433/", "neither a name"),
            ("https://0x7f.1/", "neither a name"),
            ("https://127.1/", "neither a name"),
            ("https://0177.0.0.1/", "neither a name"),
        ] {
            let fault = text.parse::<Url>().unwrap_err();
            assert!(fault.contains(told), "{text}: {fault}");
        }
        assert!(format!("https://a.example/{}", "x".repeat(3000)).parse::<Url>().is_err());
    }

    #[test]
    fn a_redirect_stays_on_its_host() {
        let url: Url = "https://a.example:8443/d/x.yaml?q".parse().unwrap();
        for (location, expected) in [
            ("/y", "https://a.example:8443/y"),
            ("y.yaml", "https://a.example:8443/d/y.yaml"),
            ("https://A.example:8443/z", "https://a.example:8443/z"),
            ("//a.example:8443/z", "https://a.example:8443/z"),
        ] {
            assert_eq!(url.redirected(location).unwrap().to_string(), expected);
        }
        for location in [
            "https://b.example:8443/x",
            "https://a.example/x",
            "http://a.example:8443/x",
            "//b.example/x",
            "https://u@a.example:8443/x",
            "file:///etc/passwd",
            "https://127.0.0.1:8443/x",
        ] {
            assert!(url.redirected(location).is_err(), "{location}");
        }
    }
}
