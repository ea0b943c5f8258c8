//! The real process runs out of file descriptors: it says so, does not spin, and recovers.

use std::time::{Duration, Instant};

use crate::harness::{Peer, Ringway, Upstream, client, open, until};

/// Processor time used over a second.
fn used_in_a_second(ringway: &Ringway) -> Duration {
    let (before, started) = (ringway.cpu_time(), Instant::now());
    until("a second is over", || (started.elapsed() > Duration::from_secs(1)).then_some(()));
    ringway.cpu_time() - before
}

#[test]
fn without_a_descriptor_clients_are_turned_away_and_later_ones_served_again() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--cpus", "0"]);
    let held: Vec<_> = (0..30).map(|_| open(&ringway, &upstream, "", "")).collect();
    // No number below the limit is free.
    ringway.limit_descriptors(ringway.lowest_free_descriptor());
    for _ in 0..20 {
        let mut peer = Peer::connect(ringway.address());
        // What is sent before the answer was read could reset the connection: so it is read first.
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After"), "{head}");
    }
    // The held ones are none the worse for it.
    let mut held = held;
    let (first, first_server) = held.first_mut().unwrap();
    first.say("still open");
    first_server.hears("still open");
    let used = used_in_a_second(&ringway);
    assert!(used < Duration::from_millis(300), "{used:?} of processor time in a second");
    held.truncate(5);
    until("descriptors are free again", || (ringway.extra_descriptors() <= 10).then_some(()));
    let (mut again, mut again_server) = open(&ringway, &upstream, "", "");
    again.say("served");
    again_server.hears("served");
}

#[test]
fn without_a_descriptor_to_dial_with_the_client_gets_503() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--cpus", "0"]);
    // One for the client, none for the upstream.
    let lowest = ringway.lowest_free_descriptor();
    ringway.limit_descriptors(lowest + 1);
    let mut peer = Peer::connect(ringway.address());
    peer.send(client::handshake("/", "").as_bytes());
    let (answer, _) = peer.rest();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"no-descriptors\""), "{answer}");
    assert!(upstream.try_accept().is_none());
    drop(peer);
    ringway.limit_descriptors(20_000);
    until("the place is free", || (ringway.extra_descriptors() == 0).then_some(()));
    open(&ringway, &upstream, "", "");
}

#[test]
fn a_process_without_even_a_reserve_waits_without_spinning_and_serves_who_waited() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--cpus", "0"]);
    // Below what is open: the reserve that is given up to turn someone away cannot be had back.
    ringway.limit_descriptors(3);
    let mut waiting: Vec<_> = (0..10).map(|_| Peer::connect(ringway.address())).collect();
    let used = used_in_a_second(&ringway);
    assert!(used < Duration::from_millis(300), "{used:?} of processor time in a second");
    ringway.limit_descriptors(20_000);
    for peer in &mut waiting {
        // A peer that was turned away meanwhile has been told so.
        if !peer.is_quiet() {
            assert!(peer.head().starts_with("HTTP/1.1 503 "));
            continue;
        }
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 426 ") || head.starts_with("HTTP/1.1 503 "), "{head}");
    }
}

#[test]
fn too_few_descriptors_to_start_with_are_named() {
    let output = std::process::Command::new("prlimit")
        .args(["--nofile=20:20", env!("CARGO_BIN_EXE_ringway"), "echo", "--listen", "127.0.0.1:0", "--cpus", "0"])
        .output()
        .unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{talk}");
    assert!(talk.contains("file descriptors is 20") && talk.contains("ulimit -n"), "{talk}");
}
