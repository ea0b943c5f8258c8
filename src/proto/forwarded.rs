//! The client of a request as trusted proxies name it: in `X-Forwarded-For`, or without that in `Forwarded` (RFC 7239).
//!
//! Each proxy adds the address that it was connected from at the end. So only the end can be believed: from there
//! towards the start the first hop that is no trusted proxy is the client. What stands before it was written by the
//! client, or by somebody whom nobody vouches for.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::invariant::Invariant;

/// The client of a request that came from `peer`. `lines` are the request's header lines in their order; `trusts` says
/// whether an address is a trusted proxy's. A peer that is not trusted is the client itself. A hop that is no address
/// (`unknown`, an obfuscated name, anything else) ends the search: the proxy that reported it is the last one known.
/// The port is 0 if none is reported.
pub fn client<V: AsRef<[u8]>>(peer: SocketAddr, lines: &[(&str, V)], trusts: impl Fn(IpAddr) -> bool) -> SocketAddr {
    if !trusts(peer.ip()) {
        return peer;
    }
    let named = |name: &'static str| {
        lines.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    };
    let hops: Vec<Option<SocketAddr>> = if named("x-forwarded-for").next().is_some() {
        named("x-forwarded-for").flat_map(super::head::elements).map(address).collect()
    } else {
        named("forwarded").flat_map(elements).map(node).collect()
    };
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        let Some(hop) = hop else { break };
        client = hop;
        if !trusts(hop.ip()) {
            break;
        }
    }
    client
}

/// A client's address for people: without the port if that is unknown.
#[must_use]
pub fn shown(client: SocketAddr) -> String {
    if client.port() == 0 { client.ip().to_string() } else { client.to_string() }
}

/// An address with or without a port. An IPv6 address needs brackets only before a port.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, 0));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address);
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    bare.parse::<Ipv6Addr>().ok().map(|ip| SocketAddr::new(ip.into(), 0))
}

/// The elements of a list whose values may be quoted, without empty ones. One with a quote that does not close goes to
/// the end.
fn elements(value: &[u8]) -> Vec<&[u8]> {
    split(value, b',').into_iter().map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()).collect()
}

fn split(value: &[u8], at: u8) -> Vec<&[u8]> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0_usize, false, false);
    for (index, byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if *byte == at && !quoted => {
                parts.push(value.get(start..index).expected_or_default());
                start = index.saturating_add(1);
            }
            _ => {}
        }
    }
    parts.push(value.get(start..).expected_or_default());
    parts
}

/// The address in the `for` parameter of an element of `Forwarded`.
fn node(element: &[u8]) -> Option<SocketAddr> {
    let is_for = |pair: &&[u8]| pair.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"for="));
    let mut found = split(element, b';').into_iter().map(<[u8]>::trim_ascii).filter(is_for);
    // RFC 7239 section 4: each parameter at most once.
    let (Some(pair), None) = (found.next(), found.next()) else { return None };
    let value = pair.get(4..)?;
    // No address needs an escape.
    let bare = value.strip_prefix(b"\"").map_or(Some(value), |rest| rest.strip_suffix(b"\""))?;
    address(bare)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::{client, shown};

    /// Trusts 10.0.0.0/8 and fd00::/8, and is asked from 10.0.0.1.
    fn found(lines: &[(&str, &str)]) -> String {
        let lines: Vec<(&str, &[u8])> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        shown(client("10.0.0.1:4000".parse().unwrap(), &lines, trusts))
    }

    fn trusts(ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => ip.octets()[0] == 10,
            IpAddr::V6(ip) => ip.segments()[0] >> 8 == 0xfd,
        }
    }

    #[test]
    fn a8_the_rightmost_hop_that_is_not_trusted_is_the_client() {
        for (value, is) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:5678", "192.0.2.1:5678"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:5678", "[2001:db8::1]:5678"),
            ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
            ("203.0.113.9, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
            ("192.0.2.1,, ,10.0.0.7,", "192.0.2.1"),
            ("10.0.0.9, 10.0.0.7:80", "10.0.0.9"),
            ("192.0.2.1, fd00::7", "192.0.2.1"),
            // Nothing before what is no address counts.
            ("192.0.2.1, unknown", "10.0.0.1:4000"),
            ("unknown, 192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, unknown, 10.0.0.7", "10.0.0.7"),
            ("192.0.2.1, <script>", "10.0.0.1:4000"),
            ("192.0.2.1 203.0.113.9", "10.0.0.1:4000"),
            ("192.0.2.1:99999", "10.0.0.1:4000"),
            ("192.0.2.256", "10.0.0.1:4000"),
            ("[192.0.2.1]", "10.0.0.1:4000"),
            ("", "10.0.0.1:4000"),
            (",", "10.0.0.1:4000"),
        ] {
            assert_eq!(found(&[("X-Forwarded-For", value)]), is, "{value:?}");
        }
        assert_eq!(found(&[]), "10.0.0.1:4000");
    }

    #[test]
    fn a8_two_lines_are_one_list() {
        let lines = [("x-forwarded-for", "203.0.113.9, 192.0.2.1"), ("A", "b"), ("X-Forwarded-For", "10.0.0.7")];
        assert_eq!(found(&lines), "192.0.2.1");
        // The later line was written by the nearer proxy.
        let lines = [("X-Forwarded-For", "203.0.113.9"), ("A", "b"), ("x-forwarded-for", "192.0.2.1, 10.0.0.7")];
        assert_eq!(found(&lines), "192.0.2.1");
    }

    #[test]
    fn a8_forwarded_is_read_where_there_is_no_x_forwarded_for() {
        for (value, is) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"192.0.2.1:5678\";proto=https", "192.0.2.1:5678"),
            ("proto=http; for=\"[2001:db8::1]:5678\" ;by=10.0.0.1", "[2001:db8::1]:5678"),
            ("for=\"[2001:db8::1]\"", "2001:db8::1"),
            ("for=203.0.113.9, for=192.0.2.1;host=\"a,b\", for=10.0.0.7", "192.0.2.1"),
            ("for=192.0.2.1;host=\"a\\\",for=203.0.113.9\"", "192.0.2.1"),
            ("for=192.0.2.1, for=unknown", "10.0.0.1:4000"),
            ("for=192.0.2.1, for=_hidden, for=10.0.0.7", "10.0.0.7"),
            ("for=192.0.2.1, proto=https", "10.0.0.1:4000"),
            ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1:4000"),
            ("for=\"192.0.2.1", "10.0.0.1:4000"),
            ("for=", "10.0.0.1:4000"),
        ] {
            assert_eq!(found(&[("Forwarded", value)]), is, "{value:?}");
        }
        let both = [("Forwarded", "for=203.0.113.9"), ("X-Forwarded-For", "192.0.2.1")];
        assert_eq!(found(&both), "192.0.2.1");
        assert_eq!(found(&[("Forwarded", "for=203.0.113.9"), ("X-Forwarded-For", "unknown")]), "10.0.0.1:4000");
    }

    #[test]
    fn a8_a_peer_that_is_not_trusted_is_the_client_whatever_it_says() {
        let peer: SocketAddr = "192.0.2.5:4000".parse().unwrap();
        let lines: [(&str, &[u8]); 1] = [("X-Forwarded-For", b"203.0.113.9")];
        assert_eq!(client(peer, &lines, trusts), peer);
    }
}
