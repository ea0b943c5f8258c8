//! The real process under load: memory stays bounded, nobody starves, nothing leaks.

use std::io::Write;

use crate::harness::frame::{BINARY, FIN, plain};
use crate::harness::loads::{bulk_starves_nobody, connections_come_and_go, flood, noise};
use crate::harness::{Peer, Ringway, Tunnel, Upstream, open, tunnel, until};

#[test]
fn a_client_that_does_not_read_costs_no_memory_and_loses_nothing() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&[]);
    flood(&ringway, &mut client, &mut upstream, 48);
}

#[test]
fn many_clients_that_do_not_read_cost_a_buffer_each_and_no_more() {
    const CLIENTS: usize = 20;
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--cpus", "0"]);
    let mut pairs: Vec<_> = (0..CLIENTS).map(|_| open(&ringway, &upstream, "", "")).collect();
    let before = ringway.resident();
    let frame = plain(FIN | BINARY, &noise(1 << 20, 2));
    for (_, server) in &mut pairs {
        server.stream.set_nonblocking(true).unwrap();
        until("the upstream cannot go on", || match server.stream.write(&frame) {
            Ok(_) => None,
            Err(_) => Some(()),
        });
    }
    let grown = ringway.resident().saturating_sub(before);
    assert!(grown < CLIENTS * 200_000 + (2 << 20), "{grown} bytes for {CLIENTS} clients");
}

#[test]
fn bulk_streams_starve_neither_a_small_message_nor_a_deadline_nor_a_newcomer() {
    bulk_starves_nobody(&[]);
}

#[test]
fn thousands_of_connections_that_leave_in_every_way_leave_nothing_behind() {
    connections_come_and_go(&[], 40);
}

#[test]
fn clients_that_are_refused_by_thousands_leave_nothing_behind() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    for _ in 0..1000 {
        let mut peer = Peer::connect(ringway.address());
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(peer.head().starts_with("HTTP/1.1 426 "));
    }
    ringway.settles();
}
