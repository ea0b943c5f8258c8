//! The ranges of addresses that a URL must not lead to, because a request from this host may mean more there than anybody else's.
//! Pure: an address in, the range's name out.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;

/// A range of addresses, and the words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The network.
    pub network: IpNet,
    /// The words: `private`, `loopback`.
    pub words: &'static str,
}

/// The ranges in the order in which they are looked at: a narrow one stands before the wide one around it. The registries are
/// RFC 6890 and its updates.
const WRITTEN: &[(&str, &str)] = &[
    // Metadata services of clouds.
    ("169.254.169.254/32", "a cloud's metadata service"),
    ("169.254.170.2/32", "a cloud's metadata service"),
    ("100.100.100.200/32", "a cloud's metadata service"),
    ("192.0.0.192/32", "a cloud's metadata service"),
    ("168.63.129.16/32", "a cloud's metadata service"),
    ("fd00:ec2::254/128", "a cloud's metadata service"),
    ("fd20:ce::254/128", "a cloud's metadata service"),
    ("0.0.0.0/32", "unspecified"),
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "a provider's NAT (CGNAT)"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "for protocols"),
    ("192.0.2.0/24", "for documentation"),
    ("192.31.196.0/24", "for protocols"),
    ("192.52.193.0/24", "for protocols"),
    ("192.88.99.0/24", "a 6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "for protocols"),
    ("198.18.0.0/15", "for benchmarks"),
    ("198.51.100.0/24", "for documentation"),
    ("203.0.113.0/24", "for documentation"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::ffff:0:0/96", "an IPv4 address in IPv6 (mapped)"),
    ("::/96", "an IPv4 address in IPv6 (compatible)"),
    ("64:ff9b::/96", "an IPv4 address in IPv6 (NAT64)"),
    ("64:ff9b:1::/48", "an IPv4 address in IPv6 (NAT64)"),
    ("100::/64", "for discarding"),
    ("2001::/32", "an IPv4 address in IPv6 (Teredo)"),
    ("2001:db8::/32", "for documentation"),
    ("2001::/23", "for protocols"),
    ("2002::/16", "an IPv4 address in IPv6 (6to4)"),
    ("2620:4f:8000::/48", "for protocols"),
    ("3fff::/20", "for documentation"),
    ("5f00::/16", "for segment routing"),
    ("fc00::/7", "private (unique local)"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "private (site-local)"),
    ("ff00::/8", "multicast"),
];

static RANGES: LazyLock<Vec<Range>> = LazyLock::new(|| {
    let parsed = WRITTEN.iter().filter_map(|(network, words)| Some(Range { network: network.parse().ok()?, words }));
    parsed.collect()
});

/// All global unicast addresses of IPv6 that are given out (RFC 4291 section 2.4).
const GLOBAL: u16 = 0x2000;
const GLOBAL_MASK: u16 = 0xe000;

/// The range that makes an address one that is not public; `None` for a public address.
#[must_use]
pub fn special(address: IpAddr) -> Option<Range> {
    if let Some(range) = RANGES.iter().find(|range| range.network.contains(&address)) {
        return Some(*range);
    }
    match address {
        IpAddr::V6(address) if !is_global(address) => {
            Some(Range { network: IpNet::V6(address.into()), words: "not given out" })
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

fn is_global(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    first & GLOBAL_MASK == GLOBAL
}

#[cfg(test)]
mod tests {
    use super::{RANGES, WRITTEN, special};

    #[test]
    fn every_range_of_the_table_is_read() {
        assert_eq!(RANGES.len(), WRITTEN.len());
    }

    #[test]
    fn an_address_is_public_or_has_the_name_of_its_range() {
        for (address, words) in [
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "this network"),
            ("10.0.0.1", "private"),
            ("10.255.255.255", "private"),
            ("100.64.0.1", "a provider's NAT (CGNAT)"),
            ("100.127.255.255", "a provider's NAT (CGNAT)"),
            ("100.100.100.200", "a cloud's metadata service"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("168.63.129.16", "a cloud's metadata service"),
            ("169.254.0.1", "link-local"),
            ("169.254.169.254", "a cloud's metadata service"),
            ("169.254.170.2", "a cloud's metadata service"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.8", "for protocols"),
            ("192.0.0.192", "a cloud's metadata service"),
            ("192.0.2.1", "for documentation"),
            ("192.88.99.1", "a 6to4 relay"),
            ("192.168.1.1", "private"),
            ("198.18.0.1", "for benchmarks"),
            ("198.19.255.255", "for benchmarks"),
            ("198.51.100.1", "for documentation"),
            ("203.0.113.1", "for documentation"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::ffff:10.0.0.1", "an IPv4 address in IPv6 (mapped)"),
            ("::ffff:8.8.8.8", "an IPv4 address in IPv6 (mapped)"),
            ("::8.8.8.8", "an IPv4 address in IPv6 (compatible)"),
            ("64:ff9b::7f00:1", "an IPv4 address in IPv6 (NAT64)"),
            ("64:ff9b:1::a00:1", "an IPv4 address in IPv6 (NAT64)"),
            ("100::1", "for discarding"),
            ("2001::1", "an IPv4 address in IPv6 (Teredo)"),
            ("2001:10::1", "for protocols"),
            ("2001:20::1", "for protocols"),
            ("2001:db8::1", "for documentation"),
            ("2002:7f00:1::", "an IPv4 address in IPv6 (6to4)"),
            ("3fff::1", "for documentation"),
            ("5f00::1", "for segment routing"),
            ("fc00::1", "private (unique local)"),
            ("fd12:3456::1", "private (unique local)"),
            ("fd00:ec2::254", "a cloud's metadata service"),
            ("fe80::1", "link-local"),
            ("fec0::1", "private (site-local)"),
            ("ff02::1", "multicast"),
            ("4000::1", "not given out"),
            ("200::1", "not given out"),
        ] {
            assert_eq!(special(address.parse().unwrap()).map(|range| range.words), Some(words), "{address}");
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "185.199.108.133",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700:4700::1111",
            "2a04:4e42::133",
        ] {
            assert_eq!(special(address.parse().unwrap()), None, "{address}");
        }
    }
}
