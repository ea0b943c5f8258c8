//! The real process forwards a handshake: which path, which headers, which subprotocol the upstream and the client see.

use tungstenite::handshake::derive_accept_key;

use crate::harness::frame::{FIN, TEXT, masked, plain};
use crate::harness::peer::{header, headers};
use crate::harness::{Peer, Ringway, Upstream, client, open};

/// The request that the upstream gets when a client asks for `path` with `lines`.
fn request_for(options: &[&str], path: &str, lines: &str) -> String {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), options);
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake(path, lines).as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    request.replace(&upstream.address().to_string(), "TARGET")
}

fn values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    headers(head, name).collect()
}

#[test]
fn path_and_query_are_appended_to_the_targets_base_path() {
    for (base, path, expected) in [
        ("", "/", "/"),
        ("", "/a/b?x=1&y=%20", "/a/b?x=1&y=%20"),
        ("/base", "/", "/base/"),
        ("/base/", "/a?q", "/base/a?q"),
        ("/base/more", "//twice/", "/base/more//twice/"),
        ("/base", "/?", "/base/?"),
    ] {
        let upstream = Upstream::listen();
        let url = format!("ws://{}{base}", upstream.address());
        let ringway = Ringway::proxy_to(&url, Some(upstream.address()), &[]);
        let mut client = Peer::connect(ringway.address());
        client.send(client::handshake(path, "").as_bytes());
        let mut server = upstream.accept();
        let request = server.head();
        assert_eq!(request.lines().next(), Some(format!("GET {expected} HTTP/1.1").as_str()), "{base} {path}");
        server.switch(&request, "");
        client.head();
    }
}

#[test]
fn heads_that_arrive_one_byte_at_a_time_open_the_tunnel_and_no_frame_after_them_is_lost() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let mut client = Peer::connect(ringway.address());
    let long = "x".repeat(2000);
    let (from_client, from_upstream) = (masked(FIN | TEXT, b"early"), plain(FIN | TEXT, b"hello"));
    let head = client::handshake("/", &format!("X-Long: {long}\r\n"));
    head.as_bytes().iter().chain(&from_client).for_each(|byte| client.send(&[*byte]));
    let mut server = upstream.accept();
    let request = server.head();
    assert_eq!(values(&request, "x-long"), [long.as_str()]);
    let accept = derive_accept_key(header(&request, "sec-websocket-key").expect("a key").as_bytes());
    let head = format!(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    head.as_bytes().iter().chain(&from_upstream).for_each(|byte| server.send(&[*byte]));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.exactly(from_upstream.len()), from_upstream);
    assert_eq!(server.exactly(from_client.len()), from_client);
}

#[test]
fn the_host_is_the_targets_own() {
    let request = request_for(&[], "/", "");
    assert_eq!(values(&request, "host"), ["TARGET"]);
    assert_eq!(values(&request, "x-forwarded-host"), ["proxy.test"]);
}

#[test]
fn the_clients_host_passes_with_preserve_host() {
    assert_eq!(values(&request_for(&["--preserve-host"], "/", ""), "host"), ["proxy.test"]);
}

#[test]
fn the_upstream_gets_a_key_of_its_own_and_the_client_the_answer_to_its() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/", "").as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    assert_eq!(values(&request, "sec-websocket-version"), ["13"]);
    assert_eq!(values(&request, "upgrade"), ["websocket"]);
    assert_eq!(values(&request, "connection"), ["Upgrade"]);
    let key = header(&request, "sec-websocket-key").unwrap();
    assert_ne!(key, client::KEY);
    server.switch(&request, "X-From: upstream\r\nKeep-Alive: timeout=5\r\n");
    let answer = client.head();
    // RFC 6455 section 1.3.
    assert_eq!(values(&answer, "sec-websocket-accept"), ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
    assert_eq!(values(&answer, "x-from"), ["upstream"]);
    assert_eq!(values(&answer, "keep-alive"), [""; 0]);
    assert_eq!(values(&answer, "upgrade"), ["websocket"]);
    assert_eq!(values(&answer, "connection"), ["Upgrade"]);
}

#[test]
fn what_a_client_says_of_earlier_hops_is_replaced() {
    let lines = "X-Forwarded-For: 10.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\n\
                 Forwarded: for=10.9.9.9\r\nX-Real-IP: 10.9.9.9\r\nX_Forwarded_For: 10.9.9.9\r\n\
                 x-forwarded-PORT: 1\r\nX-Forwarded_User: root\r\nX_Real_IP: 10.9.9.9\r\n";
    let request = request_for(&[], "/", lines);
    assert_eq!(values(&request, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(values(&request, "x-forwarded-proto"), ["http"]);
    assert_eq!(values(&request, "x-forwarded-host"), ["proxy.test"]);
    assert_eq!(values(&request, "forwarded"), ["for=127.0.0.1;host=\"proxy.test\";proto=http"]);
    for gone in ["10.9.9.9", "evil", "x-forwarded-PORT", "root", "X_"] {
        assert!(!request.contains(gone), "{gone} is in {request}");
    }
}

#[test]
fn a_trusted_proxys_word_is_kept_and_appended_to() {
    let lines = "X-Forwarded-For: 10.9.9.9, 10.8.8.8\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: front.test\r\n\
                 Forwarded: for=10.9.9.9\r\n";
    let request = request_for(&["--trusted-proxies", "10.0.0.0/8,127.0.0.0/8"], "/", lines);
    assert_eq!(values(&request, "x-forwarded-for"), ["10.9.9.9, 10.8.8.8, 127.0.0.1"]);
    assert_eq!(values(&request, "x-forwarded-proto"), ["https"]);
    assert_eq!(values(&request, "x-forwarded-host"), ["front.test"]);
    assert_eq!(values(&request, "forwarded"), ["for=10.9.9.9, for=127.0.0.1;host=\"proxy.test\";proto=http"]);
    let other = request_for(&["--trusted-proxies", "10.0.0.0/8"], "/", lines);
    assert_eq!(values(&other, "x-forwarded-for"), ["127.0.0.1"]);
}

#[test]
fn hop_by_hop_headers_stay_behind_and_end_to_end_ones_pass() {
    let lines = "Connection: keep-alive, X-Only-Here\r\nX-Only-Here: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
                 Proxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\nTrailer: X\r\n\
                 Cookie: a=b; c=d\r\nCookie: e=f\r\nAuthorization: Bearer t0ken\r\nOrigin: https://site.test\r\n\
                 User-Agent: it/1\r\nX-Custom: one\r\nX-Custom: two\r\nContent-Length: 0\r\n";
    let request = request_for(&[], "/", lines);
    assert_eq!(values(&request, "cookie"), ["a=b; c=d", "e=f"]);
    assert_eq!(values(&request, "authorization"), ["Bearer t0ken"]);
    assert_eq!(values(&request, "origin"), ["https://site.test"]);
    assert_eq!(values(&request, "user-agent"), ["it/1"]);
    assert_eq!(values(&request, "x-custom"), ["one", "two"]);
    for gone in
        ["x-only-here", "keep-alive", "te", "proxy-authorization", "proxy-connection", "trailer", "content-length"]
    {
        assert_eq!(values(&request, gone), [""; 0], "{gone} in {request}");
    }
    assert_eq!(values(&request, "connection"), ["Upgrade"]);
}

#[test]
fn a_length_of_nothing_in_the_upstreams_101_is_forgiven_and_stays_behind() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/", "").as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "Content-Length: 0\r\nX-Other: 1\r\n");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!((values(&head, "content-length"), values(&head, "x-other")), (vec![], vec!["1"]));
}

#[test]
fn the_subprotocol_that_the_upstream_chose_is_the_clients() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let offer = "Sec-WebSocket-Protocol: chat.v2, chat.v1\r\nSec-WebSocket-Protocol: plain\r\n";
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/", offer).as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    assert_eq!(values(&request, "sec-websocket-protocol"), ["chat.v2, chat.v1", "plain"]);
    server.switch(&request, "Sec-WebSocket-Protocol: plain\r\n");
    assert_eq!(values(&client.head(), "sec-websocket-protocol"), ["plain"]);
}

#[test]
fn the_extension_that_was_agreed_reaches_the_client_with_its_parameters() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let mut client = Peer::connect(ringway.address());
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other; a=\"b\"\r\n";
    client.send(client::handshake("/", offer).as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    let offered = "permessage-deflate; client_max_window_bits, x-other; a=\"b\"";
    assert_eq!(values(&request, "sec-websocket-extensions"), [offered]);
    server.switch(&request, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n");
    let answer = client.head();
    assert_eq!(values(&answer, "sec-websocket-extensions"), ["permessage-deflate; server_max_window_bits=10"]);
}

#[test]
fn interim_answers_of_the_upstream_are_waited_out() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/", "").as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    server.switch(&request, "");
    let answer = client.head();
    assert!(answer.starts_with("HTTP/1.1 101 ") && !answer.contains("Link"), "{answer}");
    client.say("hello");
    server.hears("hello");
}

#[test]
fn an_absolute_target_names_the_host() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--preserve-host"]);
    let mut client = Peer::connect(ringway.address());
    let request = client::handshake("http://other.test:81/p?q=1", "");
    client.send(request.as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    assert!(request.starts_with("GET /p?q=1 HTTP/1.1\r\n"), "{request}");
    assert_eq!(values(&request, "host"), ["other.test:81"]);
    server.switch(&request, "");
    client.head();
}

#[test]
fn the_next_address_of_a_name_is_tried_when_one_refuses() {
    let upstream = Upstream::listen();
    // localhost may have ::1 first, where nothing listens on this port.
    let url = format!("ws://localhost:{}", upstream.address().port());
    let ringway = Ringway::proxy_to(&url, Some(upstream.address()), &[]);
    let (mut client, mut server) = open(&ringway, &upstream, "", "");
    client.say("found");
    server.hears("found");
}
