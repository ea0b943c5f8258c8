//! Every refusal that can be had from the real process: its status, its document, its headers, and nothing of the request.

use std::process::Command;

use crate::harness::peer::header;
use crate::harness::{Ended, Peer, Ringway, Upstream, client, nobody, until};

/// In every request: must never come back.
const SECRET: &str = "S3cr3t-t0ken";

/// A refusal as a client reads it.
struct Refused {
    status: u16,
    code: String,
    head: String,
}

#[track_caller]
fn refusal(peer: &mut Peer) -> Refused {
    let (bytes, ended) = peer.rest();
    assert_eq!(ended, Ended::Fin, "the answer could be lost");
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains(SECRET), "{text}");
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(document["status"], status);
    assert_eq!(header(head, "content-type"), Some("application/problem+json"));
    // What is to be upgraded to is named hop by hop (RFC 9110 section 7.8).
    assert_eq!(header(head, "connection"), Some(if status == 426 { "close, Upgrade" } else { "close" }));
    assert_eq!(header(head, "content-length"), Some(body.len().to_string().as_str()));
    Refused { status, code: document["code"].as_str().unwrap().to_owned(), head: head.to_owned() }
}

#[track_caller]
fn refused(ringway: &Ringway, request: &str) -> Refused {
    let mut peer = Peer::connect(ringway.address());
    peer.send(request.as_bytes());
    refusal(&mut peer)
}

#[test]
fn every_wrong_request_gets_its_status_and_code_and_the_upstream_is_not_dialled() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--max-head-bytes", "2KiB", "--max-head-lines", "20"]);
    let right = client::handshake(&format!("/p?key={SECRET}"), &format!("Cookie: {SECRET}\r\n"));
    let without = |name: &str| right.split_inclusive("\r\n").filter(|line| !line.starts_with(name)).collect::<String>();
    let with = |line: &str| right.replacen("Host:", &format!("{line}\r\nHost:"), 1);
    let cases = [
        (400, "head-malformed", right.replace(" HTTP/1.1\r\n", " HTTP/1.1\n")),
        (400, "head-malformed", with("Bad Name: x")),
        (400, "head-malformed", with("Folded: x\r\n y")),
        (400, "head-malformed", format!("\u{1}{right}")),
        (400, "http-version", right.replace("HTTP/1.1", "HTTP/1.0")),
        (400, "http-version", right.replace("HTTP/1.1", "HTTP/2.0")),
        (400, "target-invalid", right.replace("/p?", "/a/../p?")),
        (400, "target-invalid", right.replace("/p?", "/%2e%2E/p?")),
        (400, "target-invalid", right.replace("/p?", "/p#f?")),
        (400, "target-invalid", right.replace("/p?", "p?")),
        (400, "host-missing", without("Host:")),
        (400, "host-duplicate", with("Host: b.test")),
        (400, "host-invalid", right.replace("proxy.test", "a b")),
        (400, "host-invalid", right.replace("proxy.test", "user@b")),
        (400, "connection-not-upgrade", right.replace("Connection: Upgrade", "Connection: close")),
        (400, "connection-invalid", right.replace("Connection: Upgrade", "Connection: Upgrade, \"x\"")),
        (400, "key-missing", without("Sec-WebSocket-Key:")),
        (400, "key-duplicate", with(&format!("Sec-WebSocket-Key: {}", client::KEY))),
        (400, "key-invalid", right.replace(client::KEY, "c2hvcnQ=")),
        (400, "version-duplicate", with("Sec-WebSocket-Version: 13")),
        (400, "protocol-invalid", with("Sec-WebSocket-Protocol: a, b c")),
        (400, "extensions-invalid", with(&format!("Sec-WebSocket-Extensions: {}", ["a"; 65].join(",")))),
        (400, "length-invalid", with("Content-Length: +0")),
        (400, "length-invalid", with("Content-Length: 0\r\nContent-Length: 0")),
        (400, "transfer-encoding", with("Transfer-Encoding: chunked")),
        (405, "method", right.replace("GET ", "POST ")),
        (405, "method", right.replace("GET ", "get ")),
        (413, "body", with("Content-Length: 5")),
        (426, "upgrade-required", without("Upgrade:")),
        (426, "version-unsupported", right.replace("Version: 13", "Version: 8")),
        (426, "version-unsupported", without("Sec-WebSocket-Version:")),
        (431, "head-too-large", with(&format!("Long: {}", "x".repeat(2048)))),
        (431, "head-too-many-lines", with(&["X: y"; 20].join("\r\n"))),
    ];
    for (status, code, request) in cases {
        let answer = refused(&ringway, &request);
        assert_eq!((answer.status, answer.code.as_str()), (status, code), "for {request:?}");
        assert_eq!(header(&answer.head, "allow"), (status == 405).then_some("GET"));
        assert_eq!(header(&answer.head, "sec-websocket-version"), (status == 426).then_some("13"));
        assert_eq!(header(&answer.head, "upgrade"), (status == 426).then_some("websocket"));
        assert_eq!(header(&answer.head, "retry-after"), None);
    }
    assert!(upstream.try_accept().is_none(), "the upstream was dialled");
    assert!(!ringway.log().contains(SECRET));
}

#[test]
fn a_long_body_behind_a_refused_request_does_not_destroy_the_answer() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let mut peer = Peer::connect(ringway.address());
    let head = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n";
    peer.send(&[head.as_bytes(), &[b'x'; 500_000]].concat());
    assert_eq!(refusal(&mut peer).status, 405);
}

#[test]
fn a_browser_or_curl_reads_426() {
    if !crate::harness::tools::has("curl") {
        return;
    }
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let url = format!("http://{}/page?x={SECRET}", ringway.address());
    let output = Command::new("curl").args(["-s", "-i", &url]).output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert!(answer.contains("\"code\":\"upgrade-required\"") && !answer.contains(SECRET), "{answer}");
}

#[test]
fn a_request_that_does_not_arrive_in_time_gets_408() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--handshake-timeout", "300ms"]);
    for begun in ["", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let answer = refused(&ringway, begun);
        assert_eq!((answer.status, answer.code.as_str()), (408, "handshake-timeout"));
    }
}

#[test]
fn one_connection_too_many_gets_503_and_its_place_returns() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--max-connections", "1"]);
    let held = Peer::connect(ringway.address());
    until("the one place is taken", || (ringway.extra_descriptors() == 1).then_some(()));
    // Refused without having said anything.
    let answer = refused(&ringway, "");
    assert_eq!((answer.status, answer.code.as_str()), (503, "too-many-connections"));
    assert_eq!(header(&answer.head, "retry-after"), Some("5"));
    drop(held);
    until("the place is free", || (ringway.extra_descriptors() == 0).then_some(()));
    assert_eq!(refused(&ringway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 426);
}

#[test]
fn one_connection_too_many_from_an_address_gets_429() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--max-connections-per-address", "1"]);
    let _held = Peer::connect(ringway.address());
    until("the one place is taken", || (ringway.extra_descriptors() == 1).then_some(()));
    let answer = refused(&ringway, &client::handshake("/", ""));
    assert_eq!((answer.status, answer.code.as_str()), (429, "too-many-from-address"));
    assert_eq!(header(&answer.head, "retry-after"), Some("5"));
}

#[test]
fn an_upstream_that_nobody_listens_at_is_a_502() {
    let (_held, address) = nobody();
    let ringway = Ringway::proxy(address, &[]);
    let answer = refused(&ringway, &client::handshake("/", ""));
    assert_eq!((answer.status, answer.code.as_str()), (502, "upstream-unreachable"));
}

#[test]
fn every_wrong_answer_of_an_upstream_is_a_502_that_says_what_was_wrong() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--max-head-bytes", "1KiB"]);
    let offer = "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    let right = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: ACCEPT\r\n\r\n";
    let with = |line: &str| right.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
    let cases = [
        ("upstream-closed", String::new()),
        ("upstream-closed", "HTTP/1.1 101 Swi".to_owned()),
        ("upstream-malformed", "SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned()),
        ("upstream-malformed", right.replace("Upgrade: websocket\r\n", "Upgrade: websocket\n")),
        ("upstream-head-too-large", with(&format!("X: {}", "x".repeat(1024)))),
        ("upstream-not-websocket", right.replace("Upgrade: websocket\r\n", "")),
        ("upstream-not-websocket", right.replace("Upgrade: websocket", "Upgrade: h2c")),
        ("upstream-not-websocket", right.replace("Connection: Upgrade", "Connection: close")),
        ("upstream-http-version", right.replace("HTTP/1.1", "HTTP/1.0")),
        ("upstream-accept", right.replace("ACCEPT", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        ("upstream-accept", right.replace("Sec-WebSocket-Accept: ACCEPT\r\n", "")),
        ("upstream-accept", with("Sec-WebSocket-Accept: ACCEPT")),
        ("upstream-protocol", with("Sec-WebSocket-Protocol: other")),
        ("upstream-extension", with("Sec-WebSocket-Extensions: x-unheard-of")),
        ("upstream-body", with("Content-Length: 5")),
        ("upstream-body", with("Transfer-Encoding: chunked")),
        ("upstream-body", with("Content-Length: 0\r\nContent-Length: 0")),
    ];
    for (code, answer) in cases {
        let mut peer = Peer::connect(ringway.address());
        peer.send(client::handshake(&format!("/?{SECRET}"), offer).as_bytes());
        let mut server = upstream.accept();
        let request = server.head();
        let key = header(&request, "sec-websocket-key").unwrap();
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        server.send(answer.replace("ACCEPT", &accept).as_bytes());
        if code == "upstream-closed" {
            drop(server);
        }
        let refused = refusal(&mut peer);
        assert_eq!((refused.status, refused.code.as_str()), (502, code), "for {answer:?}");
    }
}

#[test]
fn an_upstream_that_never_answers_is_a_504() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--handshake-timeout", "500ms"]);
    let mut peer = Peer::connect(ringway.address());
    peer.send(client::handshake("/", "").as_bytes());
    let mut server = upstream.accept();
    server.head();
    let answer = refusal(&mut peer);
    assert_eq!((answer.status, answer.code.as_str()), (504, "upstream-timeout"));
    server.ends();
}

#[test]
fn a_request_behind_a_handshake_that_gets_101_is_a_violation_and_no_request() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let mut peer = Peer::connect(ringway.address());
    let behind = "GET /internal HTTP/1.1\r\nHost: internal\r\n\r\n";
    peer.send(format!("{}{behind}", client::handshake("/", "")).as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    assert!(server.is_quiet(), "a byte of the tunnel came before the 101");
    server.switch(&request, "");
    assert_eq!(server.close(), (Some(1001), "client broke the protocol".to_owned()));
    server.finish();
    server.ends();
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(peer.close().0, Some(1002));
    assert!(upstream.try_accept().is_none(), "a second connection came");
}

#[test]
fn a_request_behind_a_handshake_that_gets_another_answer_is_dropped() {
    const LONG: &str = "1h";
    for (answer, timeout, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", LONG, "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nsecond", LONG, "HTTP/1.1 200 OK"),
        ("", "700ms", "HTTP/1.1 504 Gateway Timeout"),
    ] {
        let upstream = Upstream::listen();
        let ringway = Ringway::proxy(upstream.address(), &["--handshake-timeout", timeout]);
        let mut peer = Peer::connect(ringway.address());
        let behind = "GET /internal HTTP/1.1\r\nHost: internal\r\n\r\n";
        peer.send(format!("{}{behind}", client::handshake("/", "")).as_bytes());
        peer.send(behind.as_bytes());
        let mut server = upstream.accept();
        server.head();
        assert!(server.is_quiet(), "more than one request came");
        server.send(answer.as_bytes());
        let (seen, _) = server.rest();
        assert_eq!(String::from_utf8_lossy(&seen), "");
        assert!(upstream.try_accept().is_none(), "a second connection came");
        let (came, _) = peer.rest();
        let came = String::from_utf8(came).unwrap();
        assert!(came.starts_with(status), "{came}");
        assert_eq!(came.matches("HTTP/1.1 ").count(), 1, "{came}");
        assert!(!came.contains("second"));
    }
}
