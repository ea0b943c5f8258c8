//! The key under which an address is counted.

use std::net::{IpAddr, Ipv6Addr};

/// The key of an address in the counts. One subscriber has a whole IPv6 /64, so that its addresses count as one.
pub(super) fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}
