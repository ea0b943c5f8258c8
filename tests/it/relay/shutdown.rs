//! The real process ends: by SIGTERM and SIGINT, with and without connections, in time.

use std::time::{Duration, Instant};

use tungstenite::Message;

use crate::harness::frame::{BINARY, CLOSE, FIN, close_body, masked, plain};
use crate::harness::{EchoServer, Peer, Ringway, Tunnel, Upstream, client, open, tunnel, until};

#[test]
fn an_idle_process_ends_at_once_with_0() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let upstream = Upstream::listen();
        let ringway = Ringway::proxy(upstream.address(), &["--drain-timeout", "1h"]);
        ringway.signal(signal);
        assert_eq!(ringway.ended().code(), Some(0));
        ringway.logged("all connections closed");
    }
}

#[test]
fn every_connection_gets_1001_at_both_ends_and_the_process_ends_with_0() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let upstream = Upstream::listen();
        let ringway = Ringway::proxy(upstream.address(), &["--drain-timeout", "1h", "--close-timeout", "1h"]);
        let mut pairs: Vec<_> = (0..20).map(|_| open(&ringway, &upstream, "", "")).collect();
        ringway.signal(signal);
        for (client, server) in &mut pairs {
            assert_eq!(client.close(), (Some(1001), "proxy is shutting down".to_owned()));
            assert_eq!(server.close(), (Some(1001), "proxy is shutting down".to_owned()));
            client.send(&masked(FIN | CLOSE, &close_body(1001, "")));
            server.send(&plain(FIN | CLOSE, &close_body(1001, "")));
            client.ends();
            server.ends();
        }
        drop(pairs);
        assert_eq!(ringway.ended().code(), Some(0));
        assert_eq!(ringway.log().matches("end=drained").count(), 20, "{}", ringway.log());
    }
}

#[test]
fn busy_connections_are_told_at_a_frames_end() {
    let server = EchoServer::start();
    let ringway = Ringway::proxy(server.address(), &["--drain-timeout", "1h"]);
    let busy: Vec<_> = (0..10_u8)
        .map(|number| {
            let mut socket = client::connect(ringway.address());
            std::thread::spawn(move || {
                let message = Message::binary(vec![number; 30_000]);
                let mut echoed = 0;
                loop {
                    if socket.send(message.clone()).is_err() {
                        return (echoed, None);
                    }
                    match socket.read() {
                        Ok(Message::Close(close)) => return (echoed, close.map(|close| u16::from(close.code))),
                        Ok(came) => assert!(came == message, "a message was cut"),
                        Err(error) => panic!("{error}"),
                    }
                    echoed += 1;
                }
            })
        })
        .collect();
    until("all are at it", || (server.served() == 10).then_some(()));
    ringway.signal(libc::SIGTERM);
    for thread in busy {
        let (_, code) = thread.join().unwrap();
        assert_eq!(code, Some(1001));
    }
    assert_eq!(ringway.ended().code(), Some(0));
}

#[test]
fn a_frame_that_has_begun_is_completed_before_the_close_frame() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&["--drain-timeout", "1h", "--close-timeout", "1h"]);
    let frame = masked(FIN | BINARY, &[3; 5000]);
    client.send(&frame[..2000]);
    assert!(upstream.exactly(2000) == frame[..2000]);
    ringway.signal(libc::SIGTERM);
    // Nothing stands in the way of the client's own.
    assert_eq!(client.close().0, Some(1001));
    assert!(upstream.is_quiet());
    client.send(&frame[2000..]);
    client.say("behind it");
    assert!(upstream.exactly(frame.len() - 2000) == frame[2000..]);
    assert_eq!(upstream.close().0, Some(1001));
    client.send(&masked(FIN | CLOSE, &[]));
    upstream.send(&plain(FIN | CLOSE, &[]));
    drop((client, upstream));
    assert_eq!(ringway.ended().code(), Some(0));
}

#[test]
fn a_close_and_an_end_that_come_with_the_rest_of_a_frame_are_not_waited_for() {
    // A deadline of an earlier stage would look again, and hide it.
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&[
        "--drain-timeout",
        "1h",
        "--close-timeout",
        "1h",
        "--connect-timeout",
        "1h",
        "--handshake-timeout",
        "1h",
    ]);
    let frame = masked(FIN | BINARY, &[3; 5000]);
    client.send(&frame[..2000]);
    assert!(upstream.exactly(2000) == frame[..2000]);
    ringway.signal(libc::SIGTERM);
    assert_eq!(client.close().0, Some(1001));
    let paused = ringway.paused();
    client.send(&[&frame[2000..], &masked(FIN | CLOSE, &close_body(1001, ""))].concat());
    client.finish();
    drop(paused);
    assert!(upstream.exactly(frame.len() - 2000) == frame[2000..]);
    assert_eq!(upstream.close().0, Some(1001));
    let paused = ringway.paused();
    upstream.send(&plain(FIN | CLOSE, &close_body(1001, "")));
    upstream.finish();
    drop(paused);
    assert_eq!(ringway.ended().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once_with_1() {
    let Tunnel { ringway, mut client, upstream } = tunnel(&["--drain-timeout", "1h", "--close-timeout", "1h"]);
    ringway.signal(libc::SIGTERM);
    assert_eq!(client.close().0, Some(1001));
    assert!(!ringway.has_ended());
    ringway.signal(libc::SIGINT);
    assert_eq!(ringway.ended().code(), Some(1));
    ringway.logged("second signal");
    drop((client, upstream));
}

#[test]
fn peers_that_never_answer_hold_the_end_up_no_longer_than_the_drain_timeout() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&["--drain-timeout", "2s", "--close-timeout", "1h"]);
    let started = Instant::now();
    ringway.signal(libc::SIGTERM);
    assert_eq!(client.close().0, Some(1001));
    assert_eq!(upstream.close().0, Some(1001));
    assert_eq!(ringway.ended().code(), Some(0));
    assert!(started.elapsed() >= Duration::from_secs(2));
    ringway.logged("drain timeout");
}

#[test]
fn peers_that_never_answer_are_closed_by_the_close_timeout() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&["--drain-timeout", "1h", "--close-timeout", "300ms"]);
    ringway.signal(libc::SIGTERM);
    assert_eq!(client.close().0, Some(1001));
    assert_eq!(upstream.close().0, Some(1001));
    assert_eq!(ringway.ended().code(), Some(0));
    ringway.logged("all connections closed");
}

#[test]
fn who_waits_in_the_backlog_is_answered_and_who_comes_later_is_refused() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--drain-timeout", "1h"]);
    let paused = ringway.paused();
    let mut waiting: Vec<_> = (0..100).map(|_| Peer::connect(ringway.address())).collect();
    for peer in waiting.iter_mut().take(50) {
        peer.send(client::handshake("/", "").as_bytes());
    }
    ringway.signal(libc::SIGTERM);
    drop(paused);
    for mut peer in waiting {
        let head = peer.head();
        // Whether the signal is seen before them or behind them.
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    }
    assert_eq!(ringway.ended().code(), Some(0));
    assert!(std::net::TcpStream::connect(ringway.address()).is_err());
}

#[test]
fn handshakes_at_every_stage_get_503() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--drain-timeout", "1h"]);
    let silent = Peer::connect(ringway.address());
    let mut begun = Peer::connect(ringway.address());
    begun.send(b"GET / HTTP/1.1\r\n");
    let mut asked = Peer::connect(ringway.address());
    asked.send(client::handshake("/", "").as_bytes());
    let mut server = upstream.accept();
    server.head();
    ringway.signal(libc::SIGTERM);
    for mut peer in [silent, begun, asked] {
        let (answer, _) = peer.rest();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"draining\""), "{answer}");
        assert!(answer.contains("Retry-After: 5\r\n"), "{answer}");
    }
    server.ends();
    assert_eq!(ringway.ended().code(), Some(0));
}

#[test]
fn an_echo_says_1001_too() {
    let ringway = Ringway::echo(&["--drain-timeout", "1h"]);
    let mut socket = client::connect(ringway.address());
    socket.send(Message::text("hello")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("hello"));
    ringway.signal(libc::SIGTERM);
    let Message::Close(Some(close)) = socket.read().unwrap() else { panic!("no close frame") };
    assert_eq!(u16::from(close.code), 1001);
    while socket.read().is_ok() {}
    drop(socket);
    assert_eq!(ringway.ended().code(), Some(0));
}
