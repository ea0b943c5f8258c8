//! A side that is gone without a word: its packets, and those to it, are dropped by nftables, in a network namespace of
//! the test's own.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use crate::harness::frame::{BINARY, FIN, masked, plain};
use crate::harness::namespace::in_namespaces;
use crate::harness::{Peer, Ringway, Tunnel, Upstream, open_from, tunnel, until};

const FLAGS: [&str; 6] = ["--tcp-user-timeout", "2s", "--tcp-keepalive", "1s", "--ping-interval", "off"];

/// The time that these flags promise (docs/limits.md), and much more for a host that does other work too. Without them the
/// kernel goes on trying for a quarter of an hour.
const STATED: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(20);

/// A chain that drops nothing yet.
const SILENCE: &str = "nft add table inet cut && \
    nft 'add chain inet cut silence { type filter hook prerouting priority 0; }'";

in_namespaces! {
    SILENCE;
    an_idle_client_is_cut_off
    a_client_with_data_on_its_way_is_cut_off
    an_idle_upstream_is_cut_off
    an_upstream_with_data_on_its_way_is_cut_off
    pings_notice_where_the_kernel_does_not_look
}

/// A reader that lives but takes nothing is no better than a dead one, and is told from a slow one by this.
#[test]
fn a_reader_whose_window_stays_closed_is_given_up() {
    let Tunnel { ringway, client, mut upstream } = tunnel(&FLAGS);
    let mut flood = upstream.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let message = plain(FIN | BINARY, &[7; 60_000]);
        while std::io::Write::write_all(&mut flood, &message).is_ok() {}
    });
    let line = ringway.logged("ringway::access");
    assert!(line.contains("client broken: timed-out"), "{line}");
    upstream.ends();
    drop((client, upstream));
    sender.join().unwrap();
}

mod inside {
    use super::{
        BINARY, Duration, FIN, FLAGS, Instant, IpAddr, Ipv4Addr, LATE, Peer, Ringway, STATED, Upstream, masked,
        open_from, plain, until,
    };
    use std::process::Command;

    /// Ends of a tunnel, each with an address that no other test has.
    struct Ends {
        ringway: Ringway,
        client: Peer,
        upstream: Peer,
        client_at: IpAddr,
        upstream_at: IpAddr,
        _listener: Upstream,
    }

    fn ends(test: u8, flags: &[&str]) -> Ends {
        let [client_at, upstream_at] = [2, 3].map(|end| IpAddr::V4(Ipv4Addr::new(127, 0, test, end)));
        let listener = Upstream::listen_at((upstream_at, 0).into());
        let ringway = Ringway::proxy(listener.address(), flags);
        let (mut client, mut upstream) = open_from(client_at, &ringway, &listener);
        // Both connections have been used, and nothing is on its way.
        client.say("up");
        upstream.hears("up");
        upstream.answer("down");
        client.hears("down");
        until("all of it is acknowledged", || [client_at, upstream_at].into_iter().all(is_quiet).then_some(()));
        Ends { ringway, client, upstream, client_at, upstream_at, _listener: listener }
    }

    /// True if no bytes are on their way to this address or from it: an acknowledgement may come late.
    fn is_quiet(address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        let hex = format!("{:08X}:", u32::from_le_bytes(address.octets()));
        let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        let mut queues = table.lines().filter(|line| line.contains(&hex)).map(|line| line.split_whitespace().nth(4));
        queues.all(|queues| queues.is_some_and(|queues| queues.starts_with("00000000:")))
    }

    /// From now on nothing comes from there, and nothing arrives there.
    fn cut(address: IpAddr) {
        for way in ["saddr", "daddr"] {
            let rule = format!("add rule inet cut silence ip {way} {address} drop");
            assert!(Command::new("nft").arg(rule).status().unwrap().success());
        }
    }

    /// Nothing that it has is left, but what the test itself holds.
    fn leaves_nothing(ringway: &Ringway, dead: Peer, end: &str) {
        let line = ringway.logged("ringway::access");
        assert!(line.contains(end), "{line}");
        // It would go on trying to say that it is gone.
        dead.reset();
        ringway.settles();
    }

    fn in_time(started: Instant) {
        let took = started.elapsed();
        assert!((STATED - Duration::from_millis(700)..STATED + LATE).contains(&took), "noticed after {took:?}");
    }

    fn client_is_lost(test: u8, then: impl FnOnce(&mut Peer)) {
        let mut ends = ends(test, &FLAGS);
        cut(ends.client_at);
        let started = Instant::now();
        then(&mut ends.upstream);
        ends.upstream.ends();
        in_time(started);
        drop(ends.upstream);
        leaves_nothing(&ends.ringway, ends.client, "client broken: timed-out");
    }

    fn upstream_is_lost(test: u8, then: impl FnOnce(&mut Peer)) {
        let mut ends = ends(test, &FLAGS);
        cut(ends.upstream_at);
        let started = Instant::now();
        then(&mut ends.client);
        ends.client.ends();
        in_time(started);
        drop(ends.client);
        leaves_nothing(&ends.ringway, ends.upstream, "upstream broken: timed-out");
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn an_idle_client_is_cut_off() {
        client_is_lost(1, |_| {});
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn a_client_with_data_on_its_way_is_cut_off() {
        client_is_lost(2, |upstream| upstream.send(&plain(FIN | BINARY, &[7; 500_000])));
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn an_idle_upstream_is_cut_off() {
        upstream_is_lost(3, |_| {});
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn an_upstream_with_data_on_its_way_is_cut_off() {
        upstream_is_lost(4, |client| client.send(&masked(FIN | BINARY, &[7; 500_000])));
    }

    /// Without the kernel's help the pings notice, and the kernel's deadlines are the ones that are switched off.
    #[test]
    #[ignore = "started in a namespace of its own"]
    fn pings_notice_where_the_kernel_does_not_look() {
        let flags = ["--tcp-user-timeout", "off", "--tcp-keepalive", "off", "--upstream-ping-interval", "1s"];
        let mut ends = ends(5, &[flags.as_slice(), &["--pong-timeout", "1s", "--close-timeout", "1s"]].concat());
        cut(ends.upstream_at);
        ends.client.ends();
        drop(ends.client);
        let line = ends.ringway.logged("ringway::access");
        assert!(line.contains("upstream did not answer a ping"), "{line}");
        ends.ringway.closes_all();
        // What the proxy said last is still being tried, by the kernel alone.
        drop(ends.ringway.unwatched());
    }
}
