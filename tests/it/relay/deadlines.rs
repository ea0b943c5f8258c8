//! The real process's deadlines: each is short here, and what it leads to is the test, not when. One that the test itself has to
//! keep is as long as a busy host may keep a thread waiting.

use std::time::{Duration, Instant};

use crate::harness::frame::{BINARY, CLOSE, FIN, PING, PONG, close_body, header, masked, plain};
use crate::harness::{Ended, Peer, Ringway, Tunnel, Upstream, client, open, tunnel, until};

const OFF: [&str; 2] = ["--ping-interval", "off"];

fn options<'o>(more: &[&'o str]) -> Vec<&'o str> {
    [&OFF, more].concat()
}

#[test]
fn a_tunnel_without_traffic_is_closed_with_1001_at_both_ends() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&options(&["--idle-timeout", "300ms"]));
    assert_eq!(client.close(), (Some(1001), "idle timeout".to_owned()));
    assert_eq!(upstream.close(), (Some(1001), "idle timeout".to_owned()));
    client.send(&masked(FIN | CLOSE, &close_body(1001, "")));
    upstream.send(&plain(FIN | CLOSE, &close_body(1001, "")));
    client.ends();
    upstream.ends();
    drop((client, upstream));
    ringway.logged("idle timeout");
}

#[test]
fn traffic_in_one_direction_keeps_a_tunnel_from_being_idle() {
    let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&options(&["--idle-timeout", "3s"]));
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        client.say("still here");
        upstream.hears("still here");
        assert!(client.is_quiet());
    }
}

#[test]
fn a_silent_side_is_pinged_and_its_pong_is_kept_from_the_other() {
    let Tunnel { ringway: _ringway, mut client, mut upstream } =
        tunnel(&["--ping-interval", "300ms", "--upstream-ping-interval", "300ms"]);
    // Each end in turn gets a ping of the proxy's own, more than once.
    for _ in 0..2 {
        let ping = client.frame();
        assert_eq!((ping.first, ping.payload.len()), (FIN | PING, 8));
        client.send(&masked(FIN | PONG, &ping.payload));
        let ping = upstream.frame();
        assert_eq!((ping.first, ping.payload.len()), (FIN | PING, 8));
        assert!(ping.key.is_some(), "a frame to an upstream is masked");
        upstream.send(&plain(FIN | PONG, &ping.payload));
    }
    // Whatever came to either end besides pings of the proxy would stand before these.
    client.say("up");
    upstream.answer("down");
    for (peer, text) in [(&mut client, "down"), (&mut upstream, "up")] {
        let frame = std::iter::repeat_with(|| peer.frame()).find(|frame| frame.first != FIN | PING).unwrap();
        assert_eq!(frame.payload, text.as_bytes());
    }
}

#[test]
fn a_pong_that_answers_no_ping_of_ours_passes() {
    let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&["--ping-interval", "300ms"]);
    let ping = client.frame();
    let mut wrong = ping.payload.clone();
    wrong[0] ^= 1;
    client.send(&masked(FIN | PONG, &wrong));
    client.send(&masked(FIN | PONG, &ping.payload));
    client.say("behind");
    let mut came = Vec::new();
    while came.last().is_none_or(|frame: &Vec<u8>| frame != b"behind") {
        let frame = upstream.frame();
        if frame.first != FIN | PING {
            came.push(frame.payload);
        }
    }
    assert_eq!(came, [wrong, b"behind".to_vec()]);
}

#[test]
fn no_ping_of_ours_is_sent_while_a_relayed_one_is_unanswered() {
    let Tunnel { ringway: _ringway, mut client, mut upstream } =
        tunnel(&["--ping-interval", "200ms", "--upstream-ping-interval", "200ms", "--pong-timeout", "200ms"]);
    client.send(&masked(FIN | PING, b"the client's own"));
    // The upstream is silent for many intervals.
    for _ in 0..8 {
        let ping = client.frame();
        assert_eq!(ping.opcode(), PING);
        client.send(&masked(FIN | PONG, &ping.payload));
    }
    client.say("end");
    assert_eq!([upstream.frame().payload, upstream.frame().payload], [b"the client's own".to_vec(), b"end".to_vec()]);
}

#[test]
fn a13_upstreams_are_not_pinged_unless_they_are_to_be() {
    // One that closes on a ping, as Node's inspector does, is not for a proxy to find out.
    let Tunnel { ringway: _ringway, mut client, mut upstream } =
        tunnel(&["--ping-interval", "100ms", "--pong-timeout", "100ms"]);
    for _ in 0..5 {
        assert_eq!(client.frame().opcode(), PING);
    }
    client.say("end");
    upstream.hears("end");
}

#[test]
fn a13_a_side_that_answers_no_ping_lives_as_long_as_its_host_takes_what_it_is_sent() {
    let both = ["--ping-interval", "150ms", "--upstream-ping-interval", "150ms", "--pong-timeout", "150ms"];
    // A client that only sends, and reads nothing; an upstream that only writes, and reads nothing.
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&both);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        client.say("up");
        upstream.answer("down");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(!ringway.log().contains("did not answer"), "{}", ringway.log());
    // What came meanwhile is all there, and the pings.
    for (peer, text) in [(&mut client, "down"), (&mut upstream, "up")] {
        let pings = std::iter::repeat_with(|| peer.frame()).take_while(|frame| frame.payload != text.as_bytes());
        assert!(pings.map(|frame| frame.opcode()).all(|opcode| opcode == PING));
        let pings = std::iter::repeat_with(|| peer.frame()).take_while(|frame| frame.payload != text.as_bytes());
        assert!(pings.map(|frame| frame.opcode()).filter(|opcode| *opcode == PING).count() > 0);
    }
}

#[test]
fn a16_a_side_that_takes_no_ping_is_given_up_and_the_other_gets_the_end_alone() {
    for silent in ["client", "upstream"] {
        let Tunnel { ringway, mut client, mut upstream } = tunnel(&[
            "--ping-interval",
            "200ms",
            "--upstream-ping-interval",
            "200ms",
            "--pong-timeout",
            "1s",
            "--close-timeout",
            "1h",
            "--log-format",
            "json",
        ]);
        // More than a host takes for a program that reads nothing, and less than the proxy's takes for it.
        let (dead, mut alive) = if silent == "client" {
            upstream.send(&plain(FIN | BINARY, &[7; 1_000_000]));
            (client, upstream)
        } else {
            client.send(&masked(FIN | BINARY, &[7; 1_000_000]));
            (upstream, client)
        };
        let (came, ended) = alive.rest();
        assert_eq!(ended, Ended::Fin);
        // Pings of the proxy, masked or not, and no close frame behind them.
        let ping = if silent == "client" { 14 } else { 10 };
        assert!(came.len() % ping == 0 && came.chunks(ping).all(|frame| frame[0] == FIN | PING), "{came:?}");
        drop((alive, dead));
        let record = ringway.logged(&format!("{silent} did not answer a ping"));
        assert!(!record.contains("_told"), "{record}");
    }
}

#[test]
fn a_side_that_talks_is_not_pinged() {
    let Tunnel { ringway: _ringway, mut client, mut upstream } =
        tunnel(&["--ping-interval", "2s", "--upstream-ping-interval", "2s"]);
    let (mut pings, started) = (0, Instant::now());
    let mut said = 0;
    while started.elapsed() < Duration::from_secs(5) {
        client.say("x");
        said += 1;
        loop {
            let frame = upstream.frame();
            if frame.first == FIN | PING {
                upstream.send(&plain(FIN | PONG, &frame.payload));
                pings += 1;
            } else {
                break;
            }
        }
    }
    assert!(client.is_quiet() && pings > 0, "{pings} pings to the silent side, {said} messages");
}

/// The pace of who is slow on purpose.
fn drip() {
    std::thread::sleep(Duration::from_millis(10));
}

#[test]
fn dripping_bytes_do_not_put_the_handshake_deadline_off() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--handshake-timeout", "600ms"]);
    let mut peer = Peer::connect(ringway.address());
    let writer = peer.stream.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        let mut writer = Peer::over(writer);
        writer.send(b"GET / HTTP/1.1\r\nX: ");
        // Ends when the proxy hangs up at last.
        while std::io::Write::write_all(&mut writer.stream, b"x").is_ok() {
            drip();
        }
    });
    let head = peer.head();
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    drop(peer);
    // Its own half of the socket is still open: what ends it is the proxy.
    dripping.join().unwrap();
}

#[test]
fn an_upstream_that_drips_its_answer_does_not_put_the_deadline_off() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--handshake-timeout", "600ms"]);
    let mut peer = Peer::connect(ringway.address());
    peer.send(client::handshake("/", "").as_bytes());
    let mut server = upstream.accept();
    server.head();
    // Interim answers may come without end; each one is right.
    let dripping = std::thread::spawn(move || {
        while std::io::Write::write_all(&mut server.stream, b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n").is_ok() {
            drip();
        }
    });
    let head = peer.head();
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    dripping.join().unwrap();
}

#[test]
fn an_upstream_that_takes_no_connection_is_a_504_after_the_connect_timeout() {
    // A full backlog drops what else comes: the kernel retries, and nobody answers.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut filling = Vec::new();
    until("the backlog is full", || match std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        Ok(stream) => {
            filling.push(stream);
            None
        }
        Err(_) => Some(()),
    });
    let ringway = Ringway::proxy(address, &["--connect-timeout", "400ms"]).unwatched();
    let mut peer = Peer::connect(ringway.address());
    peer.send(client::handshake("/", "").as_bytes());
    let head = peer.head();
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
}

#[test]
fn a_close_that_is_never_answered_ends_by_force() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&["--close-timeout", "300ms"]);
    client.send(&masked(FIN | CLOSE, &close_body(1000, "bye")));
    assert_eq!(upstream.close(), (Some(1000), "bye".to_owned()));
    // The upstream never answers; the client, who waits for that, is told so.
    assert_eq!(client.close(), (Some(1001), "the other side did not close in time".to_owned()));
    assert_eq!(client.rest().0, b"");
    assert_eq!(upstream.rest().0, b"");
    ringway.logged("closed by client");
    ringway.closes_all();
}

#[test]
fn a_peer_that_finished_in_mid_frame_is_waited_for_no_longer_than_the_close_timeout() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&["--close-timeout", "300ms"]);
    let mut half = header(FIN | BINARY, 100, true);
    half.extend([0; 10]);
    client.send(&half);
    client.finish();
    let (came, ended) = upstream.rest();
    assert_eq!((came.len(), ended), (half.len(), Ended::Fin));
    // The upstream keeps its end open and silent.
    ringway.logged("client ended without a close frame");
}

#[test]
fn bytes_that_flow_put_a_half_closed_tunnels_end_off() {
    let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&["--close-timeout", "2s"]);
    client.finish();
    upstream.ends();
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < Duration::from_secs(5) {
        upstream.answer("flowing");
        client.hears("flowing");
        count += 1;
    }
    upstream.send(&plain(FIN | CLOSE, &close_body(1000, "")));
    assert_eq!(client.close().0, Some(1000), "after {count} messages");
}

#[test]
fn a_handshake_that_stalls_holds_nothing_up() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--cpus", "0", "--handshake-timeout", "4s"]);
    let mut stalled = Peer::connect(ringway.address());
    stalled.send(b"GET / HTTP/1.1\r\n");
    let (mut client, mut server) = open(&ringway, &upstream, "", "");
    client.say("past it");
    server.hears("past it");
    assert!(stalled.head().starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_reader_that_is_slow_is_not_taken_for_dead_and_neither_is_who_speaks_to_it() {
    let pings = ["--ping-interval", "1s", "--pong-timeout", "1s", "--idle-timeout", "off"];
    let Tunnel { ringway, mut client, upstream } = tunnel(&pings);
    // More than all buffers between the two can hold.
    let mut flood = upstream.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let message = plain(FIN | BINARY, &[7; 60_000]);
        std::iter::repeat_with(|| std::io::Write::write_all(&mut flood, &message)).take(400).all(|sent| sent.is_ok())
    });
    // A reader so slow that it takes many times what silence is allowed to last, and never stops.
    let started = Instant::now();
    let mut taken = 0;
    while started.elapsed() < Duration::from_secs(8) {
        taken += client.exactly(20_000).len();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!ringway.log().contains("did not answer a ping"), "{}", ringway.log());
    // Then it takes the rest: nothing was lost on the way.
    let total = 400 * (60_000 + 4);
    while taken < total {
        taken += client.exactly((total - taken).min(1 << 20)).len();
    }
    assert!(sender.join().unwrap());
    drop((client, upstream));
}

#[test]
fn a_pong_of_ours_that_is_replayed_passes_like_any_other() {
    let pings = ["--ping-interval", "300ms", "--pong-timeout", "1h"];
    let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&pings);
    let ping = loop {
        let frame = client.frame();
        if frame.opcode() == PING {
            break frame;
        }
    };
    // The first is the answer; the others nobody asked for.
    for _ in 0..3 {
        client.send(&masked(FIN | PONG, &ping.payload));
    }
    let passed = std::iter::repeat_with(|| upstream.frame()).filter(|frame| frame.opcode() == PONG).take(2);
    assert!(passed.map(|frame| frame.payload).all(|payload| payload == ping.payload));
}
