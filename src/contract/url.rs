//! URLs of servers and routes, joined in one place. [`ServerUrl::read`] reads what documents write, and [`joined`] puts an
//! address below a base; what comes out is shown before anything is saved.

use std::fmt;

use super::model::Protocol;

/// The URL of a server, whose parts may have `{variable}`s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// The scheme in lower case.
    pub scheme: String,
    /// `host[:port]`.
    pub authority: String,
    /// The path: empty, or beginning with `/` and without one at its end.
    pub path: String,
}

/// Remarks about what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// `host` has a scheme.
    SchemeInHost,
    /// `host` has a path.
    PathInHost,
    /// The URL has no scheme, and has that of the protocol.
    NoScheme,
    /// The scheme of the URL is not the protocol.
    SchemeIsNotProtocol,
    /// A query or fragment was left out.
    QueryLeftOut,
}

impl Remark {
    /// The sentence for a note.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::SchemeInHost => "`host` has a scheme, which belongs into `protocol`",
            Self::PathInHost => "`host` has a path, which belongs into `pathname`",
            Self::NoScheme => "the URL has no scheme and gets that of `protocol`",
            Self::SchemeIsNotProtocol => "the scheme of the URL differs from `protocol`; the URL counts",
            Self::QueryLeftOut => "a query or fragment in the server's URL is left out",
        }
    }
}

impl ServerUrl {
    /// Reads `url` (2.x) or `host` and `pathname` (3.x) with the protocol. `None` if there is no host.
    #[must_use]
    pub fn read(protocol: &str, written: Written<'_>) -> Option<(Self, Vec<Remark>)> {
        let mut remarks = Vec::new();
        let (text, pathname) = match written {
            Written::Url(url) => (url.trim(), ""),
            Written::Host { host, pathname } => (host.trim(), pathname.trim()),
        };
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => (default_scheme(protocol), text.trim_start_matches('/')),
        };
        let has_scheme = text.contains("://");
        match written {
            Written::Host { .. } if has_scheme => remarks.push(Remark::SchemeInHost),
            Written::Url(_) if !has_scheme => remarks.push(Remark::NoScheme),
            Written::Host { .. } | Written::Url(_) => {}
        }
        if has_scheme && Protocol::read(&scheme) != Protocol::read(protocol) {
            remarks.push(Remark::SchemeIsNotProtocol);
        }
        let without_query = |text: &str| text.split(['?', '#']).next().unwrap_or_default().to_owned();
        if rest.contains(['?', '#']) || pathname.contains(['?', '#']) {
            remarks.push(Remark::QueryLeftOut);
        }
        let (rest, pathname) = (without_query(rest), without_query(pathname));
        let (authority, path) = rest.split_once('/').unwrap_or((&rest, ""));
        if matches!(written, Written::Host { .. }) && !path.is_empty() {
            remarks.push(Remark::PathInHost);
        }
        if authority.is_empty() {
            return None;
        }
        let path = format!("{}{}", below(path), below(&pathname));
        Some((Self { scheme, authority: authority.to_owned(), path }, remarks))
    }

    /// The protocol that the scheme means.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        Protocol::read(&self.scheme)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

/// The parts that a document writes for a server's URL.
#[derive(Clone, Copy, Debug)]
pub enum Written<'t> {
    /// `url` of 2.x.
    Url(&'t str),
    /// `host` and `pathname` of 3.x.
    Host {
        /// `host`.
        host: &'t str,
        /// `pathname`; empty if it is left out.
        pathname: &'t str,
    },
}

fn default_scheme(protocol: &str) -> String {
    match Protocol::read(protocol) {
        Protocol::Ws => "ws".to_owned(),
        Protocol::Wss => "wss".to_owned(),
        Protocol::Http | Protocol::Other if protocol.is_empty() => "ws".to_owned(),
        Protocol::Http | Protocol::Other => protocol.to_ascii_lowercase(),
    }
}

/// A path with one slash at its beginning and none at its end; empty for the root.
fn below(path: &str) -> String {
    let path = path.trim_matches('/');
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

/// A channel's address below a base URL or base path. Exactly one slash stands between them, and an address of `/` adds
/// nothing but the slash that a URL without a path needs.
#[must_use]
pub fn joined(base: &str, address: &str) -> String {
    let base = base.trim_end_matches('/');
    let has_path = base.split_once("://").map_or(base, |(_, rest)| rest).contains('/');
    match address.trim_start_matches('/') {
        "" if has_path => base.to_owned(),
        address => format!("{base}/{address}"),
    }
}

/// A text with its `{variable}`s filled in; those without a value stay.
#[must_use]
pub fn filled<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        match value(name) {
            Some(value) => filled.push_str(value),
            None => {
                filled.push('{');
                filled.push_str(name);
                filled.push('}');
            }
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

/// The names of the `{variable}`s of a text, in order, each once.
#[must_use]
pub fn variables(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for part in text.split('{').skip(1) {
        if let Some((name, _)) = part.split_once('}')
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::Remark::{NoScheme, PathInHost, QueryLeftOut, SchemeInHost, SchemeIsNotProtocol};
    use super::{Remark, ServerUrl, Written, filled, joined, variables};

    fn read(protocol: &str, written: Written<'_>) -> (String, Vec<Remark>) {
        let (url, remarks) = ServerUrl::read(protocol, written).unwrap();
        (url.to_string(), remarks)
    }

    #[test]
    fn t13_servers_of_2_x_are_read_as_they_are_written() {
        for (protocol, url, expected, remarks) in [
            ("wss", "wss://a.example/x/v1.0", "wss://a.example/x/v1.0", vec![]),
            ("wss", "wss://firezone.example.com/", "wss://firezone.example.com", vec![]),
            ("ws", "localhost:8080", "ws://localhost:8080", vec![NoScheme]),
            ("WSS", "a.example/x/", "wss://a.example/x", vec![NoScheme]),
            ("ws", "//a.example", "ws://a.example", vec![NoScheme]),
            ("WebSocket", "wss://a.example", "wss://a.example", vec![SchemeIsNotProtocol]),
            ("ws", "ws://{host}:{port}", "ws://{host}:{port}", vec![]),
            ("https", "https://slack.com/api/rtm.connect", "https://slack.com/api/rtm.connect", vec![]),
            ("wss", "wss://a/?key=1#x", "wss://a", vec![QueryLeftOut]),
            ("kafka", "broker:9092", "kafka://broker:9092", vec![NoScheme]),
        ] {
            assert_eq!(read(protocol, Written::Url(url)), (expected.to_owned(), remarks), "{url}");
        }
        assert_eq!(ServerUrl::read("ws", Written::Url("")), None);
        assert_eq!(ServerUrl::read("ws", Written::Url("ws:///x")), None);
    }

    #[test]
    fn t13_a_scheme_or_a_path_inside_host_is_taken_out() {
        for (host, pathname, expected, remarks) in [
            ("a.example", "", "wss://a.example", vec![]),
            ("a.example", "/raw", "wss://a.example/raw", vec![]),
            ("a.example:8443", "raw/", "wss://a.example:8443/raw", vec![]),
            ("a.example/v2", "", "wss://a.example/v2", vec![PathInHost]),
            ("a.example/v2/", "/x", "wss://a.example/v2/x", vec![PathInHost]),
            ("wss://a.example", "/x", "wss://a.example/x", vec![SchemeInHost]),
            ("ws://a.example/y", "", "ws://a.example/y", vec![SchemeInHost, SchemeIsNotProtocol, PathInHost]),
        ] {
            assert_eq!(read("wss", Written::Host { host, pathname }), (expected.to_owned(), remarks), "{host}");
        }
    }

    #[test]
    fn t13_there_is_one_slash_between_server_and_channel() {
        for (base, address, expected) in [
            ("wss://a", "/x", "wss://a/x"),
            ("wss://a/", "/x", "wss://a/x"),
            ("wss://a/", "x", "wss://a/x"),
            ("wss://a", "/", "wss://a/"),
            ("wss://a", "", "wss://a/"),
            ("wss://a/raw", "/", "wss://a/raw"),
            ("wss://a/raw/", "//x", "wss://a/raw/x"),
            ("wss://a/ws", "/ws", "wss://a/ws/ws"),
            ("wss://a/v1", "/r/{id}/", "wss://a/v1/r/{id}/"),
            ("/default/chat/v1.0", "/", "/default/chat/v1.0"),
            ("/default/chat/v1.0", "/rooms", "/default/chat/v1.0/rooms"),
        ] {
            assert_eq!(joined(base, address), expected, "{base} {address}");
        }
    }

    #[test]
    fn variables_are_filled_and_those_without_a_value_stay() {
        let value = |name: &str| (name == "host").then_some("h");
        assert_eq!(filled("ws://{host}:{port}/{", value), "ws://h:{port}/{");
        assert_eq!(variables("ws://{host}:{port}/{host}{"), ["host", "port"]);
    }
}
