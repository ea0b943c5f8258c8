//! The addresses of a name: which of them are dialled, and in what order.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most addresses of a name that are kept.
pub const MAX_ADDRESSES: usize = 16;

/// Each address once, in the order given. IPv4-mapped IPv6 addresses become IPv4 addresses.
#[must_use]
pub fn distinct(found: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut seen = HashSet::new();
    found.into_iter().map(|address| address.to_canonical()).filter(|address| seen.insert(*address)).collect()
}

/// The order in which addresses are tried (RFC 8305 section 4): families in turn, IPv6 first, and the resolver's order
/// inside a family. Where IPv6 leads nowhere (`ipv6_routed` is false) its addresses come last.
#[must_use]
pub fn order(found: &[IpAddr], ipv6_routed: bool) -> Vec<IpAddr> {
    let (first, second): (Vec<_>, Vec<_>) = found.iter().copied().partition(|address| address.is_ipv6() == ipv6_routed);
    if !ipv6_routed {
        return first.into_iter().chain(second).collect();
    }
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::with_capacity(found.len());
    loop {
        let pair = (first.next(), second.next());
        ordered.extend(pair.0);
        ordered.extend(pair.1);
        if pair == (None, None) {
            return ordered;
        }
    }
}

/// The reason why an address from DNS is not dialled: it means this host, this link, or no particular host, and an outsider
/// may have written the answer. Addresses that the operator configured are not checked.
#[must_use]
pub fn refused_from_dns(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    if address.is_loopback() {
        Some("loopback")
    } else if address.is_link_local() {
        Some("link-local")
    } else if address.octets().starts_with(&[0]) {
        // Linux connects 0.0.0.0 to itself.
        Some("unspecified")
    } else if address.is_multicast() {
        Some("multicast")
    } else if address.is_broadcast() {
        Some("broadcast")
    } else {
        None
    }
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    /// Amazon's metadata service, which hands out credentials: the only such service that is not link-local.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    if address.is_loopback() {
        Some("loopback")
    } else if address.is_unicast_link_local() {
        Some("link-local")
    } else if address.is_unspecified() {
        Some("unspecified")
    } else if address.is_multicast() {
        Some("multicast")
    } else if address == METADATA {
        Some("metadata")
    } else {
        embedded(address).map_or_else(|| refused_in_local_nat64(address), refused_v4)
    }
}

/// The IPv4 address inside one that is IPv4-compatible (RFC 4291), IPv4-translated (RFC 2765), NAT64's (RFC 6052) or
/// 6to4's (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

/// Checks an address with the local NAT64 prefix (RFC 8215). The length of the network's prefix, and so the position of the
/// IPv4 address (RFC 6052 section 2.2), is unknown: every position is checked. A zero address at one position may be padding
/// of another, so it counts only if all positions are zero.
fn refused_in_local_nat64(address: Ipv6Addr) -> Option<&'static str> {
    let [0, 0x64, 0xff, 0x9b, 0, 1, a, b, _, c, d, e, f, g, h, i] = address.octets() else { return None };
    let places = [[f, g, h, i], [c, d, e, f], [b, c, d, e], [a, b, c, d]].map(Ipv4Addr::from);
    let is_empty = |place: &Ipv4Addr| place.octets().starts_with(&[0]);
    if places.iter().all(is_empty) {
        return Some("unspecified");
    }
    places.into_iter().filter(|place| !is_empty(place)).find_map(refused_v4)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{distinct, order, refused_from_dns};

    fn addresses(text: &str) -> Vec<IpAddr> {
        text.split(' ').filter(|part| !part.is_empty()).map(|part| part.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_keep_the_resolvers_order() {
        for (found, routed, unrouted) in [
            ("", "", ""),
            ("10.0.0.2 10.0.0.1", "10.0.0.2 10.0.0.1", "10.0.0.2 10.0.0.1"),
            ("10.0.0.1 fd00::2 fd00::1", "fd00::2 10.0.0.1 fd00::1", "10.0.0.1 fd00::2 fd00::1"),
            (
                "fd00::1 10.0.0.3 10.0.0.2 10.0.0.1",
                "fd00::1 10.0.0.3 10.0.0.2 10.0.0.1",
                "10.0.0.3 10.0.0.2 10.0.0.1 fd00::1",
            ),
            ("fd00::1 fd00::2", "fd00::1 fd00::2", "fd00::1 fd00::2"),
        ] {
            assert_eq!(order(&addresses(found), true), addresses(routed), "{found}");
            assert_eq!(order(&addresses(found), false), addresses(unrouted), "{found}");
        }
    }

    #[test]
    fn an_address_counts_once_however_it_is_written() {
        let found = addresses("10.0.0.1 fd00::1 ::ffff:10.0.0.1 10.0.0.2 fd00:0::1");
        assert_eq!(distinct(found), addresses("10.0.0.1 fd00::1 10.0.0.2"));
    }

    #[test]
    fn what_dns_must_not_name_is_told_by_its_kind() {
        for (kind, written) in [
            (
                Some("loopback"),
                "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: \
                 ::ffff:0:127.0.0.1 64:ff9b:1::7f00:1 64:ff9b:1:7f00:0:100:: 64:ff9b:1:7f:0:1:: 64:ff9b:1:0:7f:0:100:0",
            ),
            (
                Some("link-local"),
                "169.254.169.254 169.254.0.1 fe80::1 febf::1 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe \
                 ::ffff:0:169.254.169.254 64:ff9b:1::a9fe:a9fe 64:ff9b:1:fffe::a9fe:a9fe",
            ),
            (Some("unspecified"), "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0 ::ffff:0:0.0.0.0 64:ff9b:1:: 64:ff9b:1::1"),
            (Some("multicast"), "224.0.0.1 239.1.1.1 ff02::1 ::ffff:224.0.0.1"),
            (Some("broadcast"), "255.255.255.255 ::ffff:255.255.255.255"),
            (Some("metadata"), "fd00:ec2::254"),
            (
                None,
                "10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 8.8.8.8 fd00::1 2001:db8::1 64:ff9b::808:808 2002:808:808::1 \
                 ::ffff:0:8.8.8.8 64:ff9b:1::808:808 64:ff9b:1:808:8:800:: 64:ff9b:1::a00:1 64:ff9b:2::7f00:1",
            ),
        ] {
            for address in addresses(written) {
                assert_eq!(refused_from_dns(address), kind, "{address}");
            }
        }
    }
}
