//! The end of the connection of a side that broke a rule: the closing verdicts of the Autobahn suite, case by case, on both legs.
//!
//! RFC 6455 section 7.1.7 wants a close frame and the end of the connection; section 7.1.1 wants the server to end it first.

use crate::harness::frame::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, TEXT, close_body, masked, plain};
use crate::harness::{Ended, Peer, Ringway, Upstream, open};

const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;

type Frames = Vec<(u8, Vec<u8>)>;

/// A case of the suite: its number, the valid frames before the breach, the breach, and the word for it.
struct Case(String, Frames, Frames, &'static str);

fn hello() -> (u8, Vec<u8>) {
    (FIN | TEXT, b"Hello, world!".to_vec())
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |number: &str, valid: &[(u8, Vec<u8>)], breach: &[(u8, Vec<u8>)], word| {
        cases.push(Case(number.to_owned(), valid.to_vec(), breach.to_vec(), word));
    };
    let frame = |first, payload: &[u8]| (first, payload.to_vec());
    let (ping, text) = (frame(FIN | PING, b""), frame(FIN | TEXT, b"x"));
    add("2.5", &[], &[frame(FIN | PING, &[0xFE; 126])], "control-too-long");
    for (number, bits) in [("3.1", RSV1), ("3.2", RSV2), ("3.3", RSV1 | RSV2), ("3.4", RSV3)] {
        let valid = if number == "3.1" { vec![] } else { vec![hello()] };
        add(number, &valid, &[frame(FIN | TEXT | bits, b"Hello, world!"), ping.clone()], "reserved-bit");
    }
    add("3.5", &[], &[frame(FIN | BINARY | RSV1 | RSV3, &[0, 0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0, 0xFF])], "reserved-bit");
    add("3.6", &[], &[frame(FIN | PING | RSV2 | RSV3, b"Hello, world!")], "reserved-bit");
    add("3.7", &[], &[frame(FIN | CLOSE | RSV1 | RSV2 | RSV3, b"")], "reserved-bit");
    for (group, first) in [(1, 3), (2, 11)] {
        for at in 1..=5_u8 {
            let valid = if at < 3 { vec![] } else { vec![hello()] };
            let payload: &[u8] = if at % 2 == 1 { b"" } else { b"reserved opcode payload" };
            let breach = [frame(FIN | (first + at - 1), payload), ping.clone()];
            add(&format!("4.{group}.{at}"), &valid, &breach, "unknown-opcode");
        }
    }
    add("5.1", &[], &[frame(PING, b"fragment1"), frame(FIN | CONTINUATION, b"fragment2")], "fragmented-control");
    add("5.2", &[], &[frame(PONG, b"fragment1"), frame(FIN | CONTINUATION, b"fragment2")], "fragmented-control");
    for (number, fin) in [("5.9", FIN), ("5.12", 0)] {
        // 5.10, 5.11, 5.13 and 5.14 are the same, sent in other pieces.
        add(number, &[], &[frame(fin | CONTINUATION, b"non-continuation payload"), hello()], "nothing-to-continue");
    }
    let whole = [frame(TEXT, b"fragment1"), frame(FIN | CONTINUATION, b"fragment2")];
    add("5.15", &whole, &[frame(CONTINUATION, b"fragment3"), frame(FIN | TEXT, b"fragment4")], "nothing-to-continue");
    for (number, fin) in [("5.16", 0), ("5.17", FIN)] {
        let rest = [frame(TEXT, b"fragment2"), frame(FIN | CONTINUATION, b"fragment3")];
        let breach = [[frame(fin | CONTINUATION, b"fragment1")].as_slice(), &rest].concat();
        add(number, &[], &breach, "nothing-to-continue");
    }
    let second = [frame(FIN | TEXT, b"fragment2")];
    add("5.18", &[frame(TEXT, b"fragment1")], &second, "interleaved-message");
    add("7.3.2", &[], &[frame(FIN | CLOSE, b"a")], "close-body-too-short");
    let long = [close_body(1000, "").as_slice(), &[b'*'; 124]].concat();
    add("7.3.6", &[], &[frame(FIN | CLOSE, &long)], "control-too-long");
    for (at, code) in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].into_iter().enumerate() {
        add(
            &format!("7.9.{}", at + 1),
            std::slice::from_ref(&text),
            &[frame(FIN | CLOSE, &close_body(code, ""))],
            "close-code",
        );
    }
    cases
}

/// Sends frames as `write` writes them, in pieces of at most so many bytes.
fn send(peer: &mut Peer, frames: &Frames, write: fn(u8, &[u8]) -> Vec<u8>, piece: usize) -> usize {
    let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| write(*first, payload)).collect();
    bytes.chunks(piece).for_each(|piece| peer.send(piece));
    bytes.len()
}

/// Nothing but the deadlines of a breach may end these connections.
const PATIENT: [&str; 6] = ["--close-timeout", "1h", "--ping-interval", "off", "--idle-timeout", "off"];

#[test]
fn a1_a_client_that_breaks_a_rule_gets_a_close_frame_and_the_end_with_it() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &PATIENT);
    for piece in [usize::MAX, 1] {
        for Case(number, valid, breach, word) in cases() {
            let (mut client, mut server) = open(&ringway, &upstream, "", "");
            send(&mut client, &valid, masked, piece);
            send(&mut client, &breach, masked, piece);
            for (first, payload) in &valid {
                let frame = server.frame();
                assert_eq!((frame.first, &frame.payload), (*first, payload), "{number}");
            }
            assert_eq!(server.close(), (Some(1001), "client broke the protocol".to_owned()), "{number}");
            // The answer to what was valid comes first.
            server.send(&[plain(FIN | TEXT, b"before"), plain(FIN | CLOSE, &close_body(1001, ""))].concat());
            client.hears("before");
            assert_eq!(client.close(), (Some(1002), word.to_owned()), "{number}");
            // The server ends first, and asks for nothing before.
            client.ends();
            // What comes then is read: a reset could overtake the close frame.
            client.send(&masked(FIN | CLOSE, &close_body(1002, "")));
            client.finish();
            assert_eq!(client.rest(), (vec![], Ended::Fin), "{number}");
            server.finish();
            server.ends();
        }
    }
}

#[test]
fn a1_an_upstream_that_breaks_a_rule_gets_a_close_frame_and_is_left_to_end_first() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &PATIENT);
    for piece in [usize::MAX, 1] {
        for Case(number, valid, breach, word) in cases() {
            let (mut client, mut server) = open(&ringway, &upstream, "", "");
            send(&mut server, &valid, plain, piece);
            send(&mut server, &breach, plain, piece);
            for (first, payload) in &valid {
                let frame = client.frame();
                assert_eq!((frame.first, &frame.payload), (*first, payload), "{number}");
            }
            // A message that is not whole has no frame that it ends with: it is cut off by the close frame.
            assert_eq!(client.close(), (Some(1014), "upstream broke the protocol".to_owned()), "{number}");
            client.send(&masked(FIN | CLOSE, &close_body(1014, "")));
            client.ends();
            assert_eq!(server.close(), (Some(1002), word.to_owned()), "{number}");
            server.send(&plain(FIN | CLOSE, &close_body(1002, "")));
            server.finish();
            server.ends();
        }
    }
}

#[test]
fn a1_a_side_that_does_not_answer_after_its_breach_is_not_waited_for() {
    let breach = |write: fn(u8, &[u8]) -> Vec<u8>| write(FIN | 3, b"");
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &PATIENT);
    let (mut client, mut server) = open(&ringway, &upstream, "", "");
    client.send(&breach(masked));
    assert_eq!(server.close().0, Some(1001));
    server.send(&plain(FIN | CLOSE, &close_body(1001, "")));
    server.finish();
    server.ends();
    // The client keeps its end open, and reads nothing yet.
    ringway.closes_all();
    assert_eq!(client.close().0, Some(1002));
    client.ends();

    let (mut client, mut server) = open(&ringway, &upstream, "", "");
    server.send(&breach(plain));
    assert_eq!(client.close().0, Some(1014));
    client.send(&masked(FIN | CLOSE, &close_body(1014, "")));
    client.finish();
    client.ends();
    ringway.closes_all();
    assert_eq!(server.close().0, Some(1002));
    server.ends();
}

#[test]
fn a1_a_breach_in_the_middle_of_an_upload_does_not_destroy_the_close_frame() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &PATIENT);
    let (mut client, mut server) = open(&ringway, &upstream, "", "");
    // The client writes on, and reads only then.
    client.send(&masked(FIN | 3, b""));
    client.send(&vec![0x82; 3_000_000]);
    assert_eq!(server.close().0, Some(1001));
    server.send(&plain(FIN | CLOSE, &close_body(1001, "")));
    server.finish();
    client.send(&vec![0x82; 100_000]);
    assert_eq!(client.close(), (Some(1002), "unknown-opcode".to_owned()));
    client.ends();
}

#[test]
fn a1_an_echo_ends_first_when_its_client_breaks_a_rule() {
    let echo = Ringway::echo(&["--close-timeout", "1h"]);
    let mut client = Peer::connect(echo.address());
    client.send(crate::harness::client::handshake("/", "").as_bytes());
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.send(&masked(FIN | 3, b""));
    assert_eq!(client.close().0, Some(1002));
    client.ends();
    echo.closes_all();
}
