//! Clients that a trusted proxy names: in the limit per address, and in the record.

use crate::harness::peer::{header, headers};
use crate::harness::{Peer, Ringway, Upstream, client, until};

const TRUSTED: [&str; 4] = ["--trusted-proxies", "127.0.0.1,10.0.0.0/8", "--max-connections-per-address", "2"];

/// Opens a connection with these lines: both ends, and the upstream's request.
#[track_caller]
fn opens(ringway: &Ringway, upstream: &Upstream, lines: &str) -> (Peer, Peer, String) {
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/", lines).as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    (client, server, request)
}

#[track_caller]
fn is_refused(ringway: &Ringway, lines: &str) {
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/", lines).as_bytes());
    let (bytes, _) = client.rest();
    let answer = String::from_utf8(bytes).unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("too-many-from-address"), "{answer}");
}

#[test]
fn a8_each_client_behind_a_trusted_proxy_has_a_limit_of_its_own() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &TRUSTED);
    let mut held = Vec::new();
    for client in 1..=5 {
        for _ in 0..2 {
            let (client, server, request) =
                opens(&ringway, &upstream, &format!("X-Forwarded-For: 192.0.2.{client}\r\n"));
            // What is told upstream is as it was: the chain, and this hop's peer.
            assert!(header(&request, "x-forwarded-for").unwrap().ends_with(", 127.0.0.1"), "{request}");
            held.push((client, server));
        }
    }
    is_refused(&ringway, "X-Forwarded-For: 192.0.2.1\r\n");
    // Another port, another way to write it, more hops: still the same client.
    is_refused(&ringway, "X-Forwarded-For: 192.0.2.2:5678\r\n");
    is_refused(&ringway, "X-Forwarded-For: 203.0.113.9, 192.0.2.3, 10.0.0.7\r\n");
    is_refused(&ringway, "X-Forwarded-For: 192.0.2.4\r\nX-Forwarded-For: 10.0.0.7\r\n");
    is_refused(&ringway, "Forwarded: for=\"192.0.2.5:4711\"\r\n");
    // The record of one that was refused names it.
    until("they are recorded", || (ringway.log().matches("refused: too-many-from-address").count() == 5).then_some(()));
    for client in ["192.0.2.1 ", "192.0.2.2:5678 ", "192.0.2.3 ", "192.0.2.5:4711 "] {
        assert!(ringway.log().contains(&format!("client={client}")), "{client}: {}", ringway.log());
    }
    // A place that is free again: it is, once the record of its connection is written.
    let (client, server) = held.remove(0);
    drop((client, server));
    let is_record = |line: &str| line.contains("client=192.0.2.1 ") && line.contains("status=101");
    until("it is recorded", || ringway.log().lines().any(is_record).then_some(()));
    let again = opens(&ringway, &upstream, "X-Forwarded-For: 192.0.2.1\r\n");
    drop((again, held));
}

#[test]
fn a8_what_is_no_address_leaves_the_proxy_as_the_client() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &TRUSTED);
    let first = opens(&ringway, &upstream, "X-Forwarded-For: unknown\r\n");
    let second = opens(&ringway, &upstream, "X-Forwarded-For: 192.0.2.1, <garbage>\r\n");
    is_refused(&ringway, "");
    is_refused(&ringway, "Forwarded: for=_hidden\r\n");
    let third = opens(&ringway, &upstream, "X-Forwarded-For: 192.0.2.1\r\n");
    drop((first, second, third));
}

#[test]
fn a8_who_is_not_trusted_cannot_name_another() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--max-connections-per-address", "2"]);
    let held = [1, 2].map(|client| opens(&ringway, &upstream, &format!("X-Forwarded-For: 192.0.2.{client}\r\n")));
    for (.., request) in &held {
        assert_eq!(headers(request, "x-forwarded-for").collect::<Vec<_>>(), ["127.0.0.1"]);
    }
    let mut third = Peer::connect(ringway.address());
    assert!(third.head().starts_with("HTTP/1.1 429 "), "before it has said a word");
    drop(held);
}

#[test]
fn a8_a_balancer_with_a_proxy_header_may_name_a_trusted_proxy() {
    let upstream = Upstream::listen();
    let options = [&TRUSTED[..], &["--proxy-protocol", "127.0.0.1"]].concat();
    let ringway = Ringway::proxy(upstream.address(), &options);
    let mut held = Vec::new();
    for client in [1, 1, 2, 2, 3] {
        let mut peer = Peer::connect(ringway.address());
        peer.send(b"PROXY TCP4 10.0.0.9 198.51.100.1 56324 443\r\n");
        peer.send(client::handshake("/", &format!("X-Forwarded-For: 192.0.2.{client}\r\n")).as_bytes());
        let mut server = upstream.accept();
        let request = server.head();
        server.switch(&request, "");
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        held.push((peer, server));
    }
    drop(held);
    ringway.logged("client=192.0.2.3 ");
}
