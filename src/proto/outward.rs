//! Addresses of its own in an upstream's response, written as the client knows them: `Location`, `Content-Location`, and the
//! paths of `Set-Cookie`.
//!
//! An upstream knows neither the client's URL nor the base path of an API, so a redirect to itself would send the client to an
//! internal address or out of the API. Addresses within the target's own authority and path are mapped back; all others stay.

use super::authority::Authority;

/// The client's URL and the upstream's, as far as they differ.
#[derive(Clone, Copy, Debug)]
pub struct Outward<'a> {
    /// The start of the client's path in whose place the upstream saw `target_path`; without a slash at its end.
    pub client_path: &'a str,
    /// The target's own path, without a slash at its end.
    pub target_path: &'a str,
    /// The target's authority, and the `Host` that the upstream was sent if it is another one.
    pub authorities: [Option<&'a str>; 2],
}

impl Outward<'_> {
    /// The value of a header line as the client knows it; `None` if the line stays as it is.
    #[must_use]
    pub fn value(&self, name: &str, value: &[u8]) -> Option<Vec<u8>> {
        let is_address = name.eq_ignore_ascii_case("location") || name.eq_ignore_ascii_case("content-location");
        if is_address {
            return self.address(std::str::from_utf8(value).ok()?).map(String::into_bytes);
        }
        if name.eq_ignore_ascii_case("set-cookie") { self.cookie(value) } else { None }
    }

    /// Maps a URI reference (RFC 3986 section 4.1). The result is a path, which the client resolves against its own URL.
    fn address(&self, reference: &str) -> Option<String> {
        let (scheme, rest) = match reference.split_once("://") {
            Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => (scheme, Some(rest)),
            _ => ("http", reference.strip_prefix("//")),
        };
        let Some(rest) = rest else {
            let path = if reference.starts_with('/') { self.path(reference) } else { None };
            return path.filter(|mapped| mapped != reference);
        };
        let (authority, path) = rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
        let port = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => 80,
            "https" | "wss" => 443,
            _ => return None,
        };
        if !self.is_own(Authority::parse(authority).ok()?, port) {
            return None;
        }
        if path.starts_with('/') { self.path(path) } else { self.path(&format!("/{path}")) }
    }

    fn is_own(&self, given: Authority<'_>, default_port: u16) -> bool {
        let port = |authority: Authority<'_>| authority.port().unwrap_or(default_port);
        let own = self.authorities.iter().flatten().filter_map(|own| Authority::parse(own).ok());
        own.into_iter().any(|own| own.host().eq_ignore_ascii_case(given.host()) && port(own) == port(given))
    }

    /// Maps a path, with its query and fragment, if it is within the target's own and not within the client's already.
    fn path(&self, path: &str) -> Option<String> {
        let (plain, _) = path.split_at_checked(path.find(['?', '#']).unwrap_or(path.len()))?;
        let knows_the_client = !self.client_path.is_empty() && below(plain, self.client_path).is_some();
        if knows_the_client || has_dot_segment(plain) {
            return None;
        }
        let mapped = format!("{}{}", self.client_path, below(path, self.target_path)?);
        match mapped.as_str() {
            "" => Some("/".to_owned()),
            // The client would take what follows for an authority.
            mapped if mapped.starts_with("//") || mapped.starts_with("/\\") => None,
            mapped if mapped.starts_with(['?', '#']) => Some(format!("/{mapped}")),
            _ => Some(mapped),
        }
    }

    /// Maps the path of a cookie (RFC 6265 section 4.1.2.4).
    fn cookie(&self, cookie: &[u8]) -> Option<Vec<u8>> {
        // The prefix promises that the path is `/`, and browsers drop a cookie that breaks its promise.
        if cookie.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"__Host-")) {
            return None;
        }
        let mut is_mapped = false;
        let attributes: Vec<Vec<u8>> = cookie
            .split(|byte| *byte == b';')
            .enumerate()
            .map(|(at, attribute)| match self.cookie_path(attribute).filter(|_| at > 0) {
                Some(path) => {
                    is_mapped = true;
                    format!(" Path={path}").into_bytes()
                }
                None => attribute.to_vec(),
            })
            .collect();
        is_mapped.then(|| attributes.join(&b';'))
    }

    fn cookie_path(&self, attribute: &[u8]) -> Option<String> {
        let (name, path) = std::str::from_utf8(attribute).ok()?.split_once('=')?;
        let path = path.trim();
        if name.trim().eq_ignore_ascii_case("path") { self.path(path).filter(|mapped| mapped != path) } else { None }
    }
}

/// The rest of a path behind the start that is its parent or the path itself: empty, or beginning with `/`, `?` or `#`.
fn below<'p>(path: &'p str, parent: &str) -> Option<&'p str> {
    path.strip_prefix(parent).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

fn has_dot_segment(path: &str) -> bool {
    let plain = path.to_ascii_lowercase().replace("%2e", ".");
    plain.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::Outward;

    fn mapped(outward: Outward<'_>, name: &str, value: &str) -> Option<String> {
        outward.value(name, value.as_bytes()).map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn a7_addresses_of_the_targets_own_are_mapped_and_others_stay() {
        let api = Outward {
            client_path: "/default/chat/v1",
            target_path: "/ws",
            authorities: [Some("127.0.0.1:9000"), Some("chat.example.com")],
        };
        for (value, expected) in [
            ("http://127.0.0.1:9000/ws/room/", Some("/default/chat/v1/room/")),
            ("HTTP://127.0.0.1:9000/ws/room/?a=/b#c", Some("/default/chat/v1/room/?a=/b#c")),
            ("ws://127.0.0.1:9000/ws", Some("/default/chat/v1")),
            ("http://127.0.0.1:9000/ws?a", Some("/default/chat/v1?a")),
            ("//127.0.0.1:9000/ws/x", Some("/default/chat/v1/x")),
            ("https://chat.example.com/ws/x", Some("/default/chat/v1/x")),
            ("https://CHAT.example.com:443/ws/x", Some("/default/chat/v1/x")),
            ("/ws/room/", Some("/default/chat/v1/room/")),
            ("/ws", Some("/default/chat/v1")),
            ("/wsx", None),
            ("/", None),
            ("/login", None),
            ("http://127.0.0.1:9000/login", None),
            ("http://127.0.0.1:9001/ws/x", None),
            ("http://127.0.0.1:9000@evil.test/ws/x", None),
            ("https://other.test/ws/x", None),
            ("ftp://127.0.0.1:9000/ws/x", None),
            ("/ws/../admin", None),
            ("/ws/%2E./admin", None),
            ("/default/chat/v1/room", None),
            ("room/", None),
            ("?a=http://127.0.0.1:9000/ws", None),
            ("", None),
        ] {
            assert_eq!(mapped(api, "Location", value).as_deref(), expected, "{value}");
        }
        assert_eq!(mapped(api, "content-location", "/ws/x").as_deref(), Some("/default/chat/v1/x"));
        assert_eq!(mapped(api, "Link", "/ws/x"), None);
    }

    #[test]
    fn a7_a_target_without_a_path_and_a_client_without_one() {
        let root = Outward { client_path: "", target_path: "", authorities: [Some("10.0.0.7"), None] };
        for (value, expected) in [
            ("http://10.0.0.7/room/", Some("/room/")),
            ("http://10.0.0.7:80", Some("/")),
            ("http://10.0.0.7?a", Some("/?a")),
            // Not an authority of somebody else's.
            ("http://10.0.0.7//evil.test/", None),
            ("http://10.0.0.7/\\evil.test/", None),
        ] {
            assert_eq!(mapped(root, "Location", value).as_deref(), expected, "{value}");
        }
        let api = Outward { client_path: "/p/a/v1", ..root };
        assert_eq!(mapped(api, "Location", "/room").as_deref(), Some("/p/a/v1/room"));
        let below = Outward { target_path: "/ws", ..root };
        assert_eq!(mapped(below, "Location", "/ws").as_deref(), Some("/"));
    }

    #[test]
    fn a7_the_paths_of_cookies_are_mapped() {
        let api = Outward { client_path: "/p/a/v1", target_path: "/ws", authorities: [None, None] };
        for (value, expected) in [
            ("a=b; Path=/ws; HttpOnly", Some("a=b; Path=/p/a/v1; HttpOnly")),
            ("a=b;path=/ws/room/;Secure", Some("a=b; Path=/p/a/v1/room/;Secure")),
            ("a=b; Path=/", None),
            ("a=b; Path=/other", None),
            ("Path=/ws", None),
            ("a=b", None),
            ("__Host-a=b; Path=/ws", None),
        ] {
            assert_eq!(mapped(api, "Set-Cookie", value).as_deref(), expected, "{value}");
        }
        let root = Outward { target_path: "", ..api };
        assert_eq!(mapped(Outward { client_path: "", ..root }, "set-cookie", "a=b; path=/"), None);
        assert_eq!(mapped(root, "set-cookie", "a=b; Path=/").as_deref(), Some("a=b; Path=/p/a/v1/"));
    }
}
