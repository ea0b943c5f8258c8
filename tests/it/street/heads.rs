//! Heads that can never be right, odd but harmless ones, and very long ones: from clients and from upstreams.

use crate::harness::peer::{Wire, header, headers};
use crate::harness::process::run_briefly;
use crate::harness::site::Site;
use crate::harness::wait::PATIENCE;
use crate::harness::{Came, Ended, Peer, Ringway, Script, client, open};

/// Nobody is refused by this deadline in a test that waits for an answer.
const NEVER: [&str; 2] = ["--handshake-timeout", "1h"];

/// The answer to a client that sends these bytes, and then waits.
fn told(mut client: Peer<impl Wire>, bytes: &[u8]) -> Came {
    let (start, rest) = bytes.split_at(bytes.len() / 2);
    client.send_slices(&[start, rest]);
    client.all(PATIENCE)
}

#[test]
fn a2_a18_a_head_that_can_never_be_right_is_refused_at_once() {
    let site = Site::new();
    let upstream = Script::new().plays();
    let plain = Ringway::proxy(upstream.address(), &NEVER);
    let secure = site.downstream(upstream.address(), &NEVER);
    for (code, bytes) in [
        ("head-malformed", &b"GET / HTTP/1.1\nHost: a\nUpgrade: websocket\n\n"[..]),
        ("head-malformed", b"GET / HTTP/1.1\r\nHost: a\n\n"),
        ("head-malformed", b"GET / HTTP/1.1\r\nA\0: b"),
        ("head-malformed", b"GET /\r HTTP/1.1"),
        ("head-malformed", b"GET / HTTP/1.1\r\nA b: c\r\n"),
        ("head-malformed", b"GET / HTTP/1.1\r\nA: b\r\n c\r\n"),
        ("head-malformed", b"\0\0\0\x18ftypmp42"),
        ("head-malformed", b"SSH-2.0-OpenSSH_9.9\r\n"),
        ("head-malformed", b"EHLO mail.test\r\n"),
        ("head-malformed", b"*1\r\n$4\r\nPING\r\n"),
        ("head-malformed", b"GET /index.html\r\n"),
        ("http-version", b"PRI * HTTP/2.0\r\n"),
        ("http-version", b"NICK a b c\r\n"),
    ] {
        told(Peer::connect(plain.address()), bytes).is_refusal(400, code);
        told(site.connect(&secure), bytes).is_refusal(400, code);
    }
    assert_eq!(upstream.accepts(), 0);
}

/// The answer to a client whose upstream sends these bytes behind the request, and then waits.
fn answered(bytes: &[u8], ringway: impl Fn(&crate::harness::script::Played) -> Ringway) -> (Came, String) {
    let upstream = Script::answers(bytes).plays();
    let ringway = ringway(&upstream);
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/", "Cookie: S3cr3t\r\n").as_bytes());
    let came = client.all(PATIENCE);
    // The record comes once the client has ended as well.
    drop(client);
    let record = ringway.logged("ringway::access");
    assert!(!record.contains("S3cr3t"), "{record}");
    (came, record)
}

#[test]
fn a17_an_upstream_that_does_not_speak_http_is_a_502_at_once_and_the_record_says_what_it_said() {
    for (bytes, shown) in [
        (&b"SSH-2.0-OpenSSH_9.9\r\n"[..], "SSH-2.0-OpenSSH_9.9"),
        (b"foo", "foo"),
        (b"\x15\x03\x01\0\x02\x02\x0A", "\\x15\\x03\\x01"),
        (b"220 mail.test ESMTP\r\n", "220 mail"),
        (b"HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 200 OK"),
        (b"HTTP/1.1 200 OK\r\nA\0: b", "HTTP/1.1 200 OK"),
        (b"HTTP/1.1 OK\r\n", "HTTP/1.1 OK"),
    ] {
        let (came, record) = answered(bytes, |upstream| {
            Ringway::proxy(upstream.address(), &[&NEVER[..], &["--log-format", "json"]].concat())
        });
        came.is_refusal(502, "upstream-malformed");
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        let note = record["note"].as_str().unwrap_or_else(|| panic!("{record}"));
        assert!(note.contains(shown), "{note}");
    }
}

#[test]
fn a17_is_so_over_tls_too() {
    let site = Site::new();
    let upstream = Script::answers("SSH-2.0-OpenSSH_9.9\r\n").plays_tls(site.upstream_config());
    let ringway = site.upstream(upstream.address(), &NEVER);
    told(Peer::connect(ringway.address()), client::handshake("/", "").as_bytes()).is_refusal(502, "upstream-malformed");
    ringway.logged("SSH-2.0-OpenSSH_9.9");
}

#[test]
fn a19_an_upstreams_101_in_http_1_0_is_refused_for_its_version() {
    let (came, _) = answered(
        b"HTTP/1.0 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        |upstream| Ringway::proxy(upstream.address(), &NEVER),
    );
    came.is_refusal(502, "upstream-http-version");
    assert!(came.problem()["detail"].as_str().unwrap().contains("HTTP/1.0"), "{}", came.text());
}

/// Both heads of a handshake in which the client asks and the upstream answers so: the upstream's and the client's.
fn heads(asked: &str, answered: &str) -> (String, String) {
    let upstream = Script::new().head().switch(answered).plays();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/", asked).as_bytes());
    let answer = client.head();
    (upstream.heads().remove(0), answer)
}

#[test]
fn a4_extensions_pass_as_they_are_and_what_is_none_is_dropped() {
    const NAME: &str = "sec-websocket-extensions";
    let usp = "bbf-usp-protocol; eid=\"os::012345-0000000001\"";
    for (asked, passed) in [
        (usp, Some(usp)),
        ("permessage-deflate;", Some("permessage-deflate")),
        ("x-webkit-       -frame, permessage-deflate", Some("permessage-deflate")),
        ("x-webkit-       -frame", None),
        ("", None),
    ] {
        let (asked, _) = heads(&format!("Sec-WebSocket-Extensions: {asked}\r\n"), "");
        assert_eq!(header(&asked, NAME), passed);
    }
    let offer = format!("Sec-WebSocket-Extensions: permessage-deflate, {usp}\r\n");
    for (answered, passed) in [(usp, Some(usp)), ("permessage-deflate;", Some("permessage-deflate")), ("", None)] {
        let (_, answer) = heads(&offer, &format!("Sec-WebSocket-Extensions: {answered}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert_eq!(header(&answer, NAME), passed);
    }
}

#[test]
fn a6_an_empty_subprotocol_is_none_and_a_repeated_one_is_one() {
    const NAME: &str = "sec-websocket-protocol";
    for (lines, passed) in [
        ("Sec-WebSocket-Protocol:\r\n", &[][..]),
        ("Sec-WebSocket-Protocol: ,\r\n", &[]),
        ("Sec-WebSocket-Protocol: chat, b, chat\r\n", &["chat, b"]),
        ("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n", &["chat"]),
        ("Sec-WebSocket-Protocol: chat,b\r\nSec-WebSocket-Protocol: c\r\n", &["chat,b", "c"]),
    ] {
        let (asked, answer) = heads(lines, "");
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert_eq!(headers(&asked, NAME).collect::<Vec<_>>(), passed, "{lines}");
    }
    for (lines, passed) in [
        ("Sec-WebSocket-Protocol:\r\n", &[][..]),
        ("Sec-WebSocket-Protocol: chat, chat\r\n", &["chat"]),
        ("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n", &["chat"]),
    ] {
        let (_, answer) = heads("Sec-WebSocket-Protocol: chat\r\n", lines);
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert_eq!(headers(&answer, NAME).collect::<Vec<_>>(), passed, "{lines}");
    }
}

#[test]
fn a14_heads_of_200_kib_pass_in_both_directions_where_they_are_allowed() {
    let upstream = crate::harness::Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--max-head-bytes", "256KiB"]);
    let (ticket, cookie) = ("t".repeat(200 * 1024), "c".repeat(200 * 1024));
    let mut client = Peer::connect(ringway.address());
    let request = client::handshake("/", &format!("Authorization: Negotiate {ticket}\r\n"));
    // More than a shard receives at once, and an end that comes alone.
    let pieces: Vec<&[u8]> = request.as_bytes().chunks(50_000).collect();
    client.send_slices(&pieces);
    let mut server = upstream.accept();
    let asked = server.head();
    assert_eq!(header(&asked, "authorization"), Some(format!("Negotiate {ticket}").as_str()));
    server.switch(&asked, &format!("Set-Cookie: a={cookie}\r\n"));
    let answer = client.head();
    assert_eq!(header(&answer, "set-cookie"), Some(format!("a={cookie}").as_str()));
    client.say("up");
    server.hears("up");
    drop((client, server));
    // By default a head is 16 KiB at most, and one above the limit is refused when that is certain.
    let ringway = Ringway::proxy(upstream.address(), &NEVER);
    let mut client = Peer::connect(ringway.address());
    client.send_slices(&[&request.as_bytes()[..16 * 1024]]);
    client.all(PATIENCE).is_refusal(431, "head-too-large");
    drop(open(&ringway, &upstream, "", ""));
}

#[test]
fn an_odd_but_right_head_in_many_slices_opens() {
    let upstream = Script::new().head().switch("").plays();
    let ringway = Ringway::proxy(upstream.address(), &NEVER);
    let mut client = Peer::connect(ringway.address());
    let request = format!("\r\n{}", client::handshake("/a?b", "X-A:\tb\u{e9}\r\nX-B:\r\n"));
    let pieces: Vec<&[u8]> = request.as_bytes().chunks(7).collect();
    client.send_slices(&pieces);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.finish();
    assert_ne!(client.all(PATIENCE).ended, Ended::Open);
}

#[test]
fn a17_ringway_ws_says_at_once_that_a_server_does_not_speak_http() {
    let server = Script::answers("SSH-2.0-OpenSSH_9.9\r\n").plays();
    let (code, _, errors) = run_briefly(&["ws", &format!("ws://{}/", server.address())]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("does not speak HTTP/1.1") && errors.contains("SSH-2.0"), "{errors}");
}
