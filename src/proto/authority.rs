//! `host [":" port]`, as a `Host` header, a request's target and a URL hold it (RFC 3986 section 3.2). The one place
//! that takes it apart: two readings of one name are what request smuggling is made of.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A host with an optional port. Parsed, and still the bytes it was parsed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    text: &'a str,
    host: &'a str,
    port: Option<u16>,
}

/// The reason why a text is not an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityError {
    /// A user name or password comes before an `@`.
    UserInfo,
    /// There is no host, or not one that a URL may have.
    Host,
    /// The port is not a number from 0 to 65535.
    Port,
}

impl<'a> Authority<'a> {
    /// Reads a host name, an IPv4 address or an IPv6 address in brackets, and the port after it. A port may have
    /// leading zeros, and may be empty, which is none (RFC 3986 section 3.2.3).
    ///
    /// # Errors
    /// The text is not an authority.
    pub fn parse(text: &'a str) -> Result<Self, AuthorityError> {
        if text.contains('@') {
            return Err(AuthorityError::UserInfo);
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or(AuthorityError::Host)?;
                address.parse::<Ipv6Addr>().map_err(|_| AuthorityError::Host)?;
                let port = after.strip_prefix(':').or(after.is_empty().then_some(""));
                (address, port.ok_or(AuthorityError::Host)?)
            }
            None => {
                let (host, port) = text.split_once(':').unwrap_or((text, ""));
                if !is_registered_name(host) {
                    return Err(AuthorityError::Host);
                }
                (host, port)
            }
        };
        Ok(Self { text, host, port: read_port(port)? })
    }

    /// The text it was parsed from.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The host, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// The port, if one is given.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The host as an address, if it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// True if the host has this name: letter case and a dot at the end do not count.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        without_root(self.host).eq_ignore_ascii_case(without_root(name))
    }
}

/// A host name as names are compared: in lower case, without a dot at its end.
#[must_use]
pub fn canonical(name: &str) -> Cow<'_, str> {
    let name = without_root(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) { name.to_ascii_lowercase().into() } else { name.into() }
}

/// A host as it is written before a port: an IPv6 address in brackets.
#[must_use]
pub fn bracketed(host: &str) -> Cow<'_, str> {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]").into() } else { host.into() }
}

/// The address under which a program on the same host reaches a listener. A listener on all addresses is reached at
/// loopback.
#[must_use]
pub fn reached_locally(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// A name without the dot at its end, which says that the name is complete: `a.test.` and `a.test` are one name.
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// True if a host is a `reg-name` (RFC 3986 section 3.2.2). An IPv4 address is one, too.
fn is_registered_name(host: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
    let is_escape =
        |after: &str| after.as_bytes().first_chunk::<2>().is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    !host.is_empty() && host.bytes().all(may_stand) && host.split('%').skip(1).all(is_escape)
}

fn read_port(digits: &str) -> Result<Option<u16>, AuthorityError> {
    if digits.is_empty() {
        return Ok(None);
    }
    // A sign is no digit, though a number may have one.
    let port = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    port.map(Some).ok_or(AuthorityError::Port)
}

#[cfg(test)]
mod tests {
    use super::{Authority, AuthorityError, bracketed, canonical, reached_locally};

    /// The inputs on which seven readings of an authority differed before there was one.
    #[test]
    fn an_authority_is_read_in_one_way_however_odd_it_is() {
        use AuthorityError::{Host, Port, UserInfo};
        for (text, read) in [
            ("a.test", Ok(("a.test", None))),
            ("a.test:80", Ok(("a.test", Some(80)))),
            ("A.Test.:80", Ok(("A.Test.", Some(80)))),
            ("127.0.0.1:9600", Ok(("127.0.0.1", Some(9600)))),
            ("a_b.-c-", Ok(("a_b.-c-", None))),
            ("a%2Eb", Ok(("a%2Eb", None))),
            ("..", Ok(("..", None))),
            // Ports.
            ("a:", Ok(("a", None))),
            ("[::1]:", Ok(("::1", None))),
            ("a:0", Ok(("a", Some(0)))),
            ("a:00080", Ok(("a", Some(80)))),
            ("a:000000080", Ok(("a", Some(80)))),
            ("a:65535", Ok(("a", Some(65535)))),
            ("a:65536", Err(Port)),
            ("a:+80", Err(Port)),
            ("a:-1", Err(Port)),
            ("a:8o", Err(Port)),
            ("a: 80", Err(Port)),
            ("a:80:80", Err(Port)),
            // Brackets are for IPv6 addresses alone, and those stand nowhere else.
            ("[::1]", Ok(("::1", None))),
            ("[2001:DB8::1]:443", Ok(("2001:DB8::1", Some(443)))),
            ("[::ffff:10.0.0.1]", Ok(("::ffff:10.0.0.1", None))),
            ("::1", Err(Host)),
            ("2001:db8::1", Err(Port)),
            ("[::1", Err(Host)),
            ("::1]", Err(Host)),
            ("[::1]80", Err(Host)),
            ("[::1]]", Err(Host)),
            ("[[::1]]", Err(Host)),
            ("[]", Err(Host)),
            ("[127.0.0.1]", Err(Host)),
            ("[a.test]", Err(Host)),
            ("[fe80::1%25eth0]", Err(Host)),
            ("[::1]:x", Err(Port)),
            // Nobody's name, and nobody's password.
            ("", Err(Host)),
            (":80", Err(Host)),
            ("a b", Err(Host)),
            ("a/b", Err(Host)),
            ("a?b", Err(Host)),
            ("a\\b", Err(Host)),
            ("a#b", Err(Host)),
            ("a%2", Err(Host)),
            ("a%zz", Err(Host)),
            ("ä.test", Err(Host)),
            ("a\u{0}", Err(Host)),
            ("user@a", Err(UserInfo)),
            ("user:secret@a:80", Err(UserInfo)),
            ("a@", Err(UserInfo)),
        ] {
            let is = Authority::parse(text);
            assert_eq!(is.map(|authority| (authority.host(), authority.port())), read, "{text:?}");
            assert!(is.is_err() || is.map(|authority| authority.as_str()) == Ok(text));
        }
    }

    #[test]
    fn a_host_is_an_address_or_a_name_in_any_case() {
        let address = |text| Authority::parse(text).unwrap().address().map(|address| address.to_string());
        assert_eq!(address("[2001:DB8:0::1]:80").as_deref(), Some("2001:db8::1"));
        assert_eq!(address("10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(address("10.0.0.01"), None, "leading zeros mean octal to some");
        assert_eq!(address("a.test"), None);
        for (text, name, is) in [
            ("Chat.Test:443", "chat.test", true),
            ("chat.test.", "CHAT.test", true),
            ("chat.test", "chat.test.", true),
            ("chat.test", "chat.tes", false),
            ("[::1]:80", "::1", true),
        ] {
            assert_eq!(Authority::parse(text).unwrap().is_named(name), is, "{text} {name}");
        }
        for (name, is) in [("Chat.Example.COM.", "chat.example.com"), ("a", "a"), ("a..", "a."), ("", "")] {
            assert_eq!(canonical(name), is);
        }
        assert_eq!((bracketed("::1"), bracketed("a.test")), ("[::1]".into(), "a.test".into()));
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_at_loopback() {
        for (listening, reached) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("10.0.0.1:3", "10.0.0.1:3"), ("[::1]:4", "[::1]:4")]
        {
            assert_eq!(reached_locally(listening.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
