//! The health path of a data listener, the delay before a drain, and checks of a port that leave no record at info.

use std::time::{Duration, Instant};

use crate::harness::frame::{CLOSE, FIN, close_body, masked, plain};
use crate::harness::peer::header;
use crate::harness::site::Site;
use crate::harness::{Ended, Peer, Ringway, Upstream, client, open, until};

const HEALTH: [&str; 2] = ["--health-path", "/healthz"];

/// The status, the head and the body of what is answered to a request.
#[track_caller]
fn asked<S: std::io::Read + std::io::Write>(mut peer: Peer<S>, request: &str) -> (u16, String, String) {
    peer.send(request.as_bytes());
    let (bytes, ended) = peer.rest();
    assert_eq!(ended, Ended::Fin, "{request}");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request:?}: {text:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

#[track_caller]
fn status(ringway: &Ringway, request: &str) -> u16 {
    asked(Peer::connect(ringway.address()), request).0
}

fn records(ringway: &Ringway) -> Vec<String> {
    ringway.log().lines().filter(|line| line.contains("ringway::access")).map(str::to_owned).collect()
}

#[test]
fn c5_the_health_path_answers_old_and_new_checks_and_nothing_else_changes() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &HEALTH);
    for request in [
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz?from=lb HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        "GET /healthz HTTP/1.0\r\n\r\n",
        "GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        // HAProxy's `option httpchk`, as it comes.
        "OPTIONS / HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let (status, head, body) = asked(Peer::connect(ringway.address()), request);
        assert_eq!((status, body.as_str()), (200, "{\"status\":\"ok\"}\n"), "{request}");
        assert_eq!(header(&head, "connection"), Some("close"));
        assert_eq!(header(&head, "content-length"), Some("16"));
    }
    for request in ["HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /healthz HTTP/1.0\r\n\r\n"] {
        let (status, head, body) = asked(Peer::connect(ringway.address()), request);
        assert_eq!((status, header(&head, "content-length"), body.as_str()), (200, Some("16"), ""), "{request}");
    }
    for (expected, request) in [
        (426, "GET /other HTTP/1.1\r\nHost: a\r\n\r\n"),
        (426, "GET /healthz/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        (405, "POST /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
        (405, "OPTIONS /other HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET /healthz HTTP/1.1\r\n\r\n"),
        (400, "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ] {
        assert_eq!(status(&ringway, request), expected, "{request}");
    }
    assert!(upstream.try_accept().is_none(), "the upstream was dialled");
    // A handshake on the path goes on.
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/healthz", "").as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    assert!(request.starts_with("GET /healthz HTTP/1.1\r\n"));
    server.switch(&request, "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
}

#[test]
fn c5_without_the_option_there_is_no_such_path() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    assert_eq!(status(&ringway, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), 426);
    assert_eq!(status(&ringway, "OPTIONS / HTTP/1.0\r\n\r\n"), 400);
}

#[test]
fn c5_a_body_is_read_up_to_its_bound_before_the_answer() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[&HEALTH[..], &["--handshake-timeout", "500ms"]].concat());
    let head = |lines: &str| format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    assert_eq!(status(&ringway, &(head("Content-Length: 16384\r\n") + &"x".repeat(16384))), 200);
    assert_eq!(status(&ringway, &(head("Content-Length: 16385\r\n") + &"x".repeat(16385))), 413);
    let chunks = head("Transfer-Encoding: chunked\r\n");
    assert_eq!(status(&ringway, &format!("{chunks}4000\r\n{}\r\n0\r\n\r\n", "x".repeat(16384))), 200);
    assert_eq!(status(&ringway, &format!("{chunks}4001\r\n{}\r\n0\r\n\r\n", "x".repeat(16385))), 413);
    assert_eq!(status(&ringway, &format!("{chunks}4\r\nab")), 408, "chunks that do not come");
    assert_eq!(status(&ringway, &format!("{chunks}no\r\n")), 400);
    let both = head("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n");
    assert_eq!(status(&ringway, &format!("{both}0\r\n\r\n")), 400);
    assert_eq!(status(&ringway, &head("Content-Length: 10\r\n")), 408, "a body that does not come");
    let mut peer = Peer::connect(ringway.address());
    peer.send(head("Content-Length: 2\r\nExpect: 100-continue\r\n").as_bytes());
    assert_eq!(peer.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send(b"ok");
    assert!(peer.head().starts_with("HTTP/1.1 200 OK\r\n"));
    // A body in two pieces.
    let mut peer = Peer::connect(ringway.address());
    peer.send((head("Content-Length: 2\r\n") + "o").as_bytes());
    assert!(peer.is_quiet());
    peer.send(b"k");
    assert!(peer.head().starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn c5_the_health_path_speaks_tls_where_the_listener_does() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.downstream(upstream.address(), &HEALTH);
    let (status, ..) = asked(site.connect(&ringway), "GET /healthz HTTP/1.1\r\nHost: proxy.test\r\n\r\n");
    assert_eq!(status, 200);
}

#[test]
fn c4_after_sigterm_checks_fail_and_clients_are_taken_until_the_delay_is_over() {
    let upstream = Upstream::listen();
    let options = [&HEALTH[..], &["--drain-delay", "1h", "--drain-timeout", "1h", "--close-timeout", "1h"]].concat();
    let ringway = Ringway::proxy(upstream.address(), &options);
    let (mut early, mut early_server) = open(&ringway, &upstream, "", "");
    ringway.signal(libc::SIGTERM);
    ringway.logged("health checks fail from now on");
    let (status, head, body) = asked(Peer::connect(ringway.address()), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((status, body.as_str()), (503, "{\"status\":\"draining\"}\n"));
    assert_eq!(header(&head, "retry-after"), Some("5"));
    let (mut late, mut late_server) = open(&ringway, &upstream, "", "");
    early.say("still here");
    early_server.hears("still here");
    // A second signal is in a hurry.
    ringway.signal(libc::SIGTERM);
    ringway.logged("the drain begins at once");
    for (client, server) in [(&mut early, &mut early_server), (&mut late, &mut late_server)] {
        assert_eq!(client.close().0, Some(1001));
        assert_eq!(server.close().0, Some(1001));
        client.send(&masked(FIN | CLOSE, &close_body(1001, "")));
        server.send(&plain(FIN | CLOSE, &close_body(1001, "")));
    }
    drop((early, early_server, late, late_server));
    assert_eq!(ringway.ended().code(), Some(0));
}

#[test]
fn c4_the_drain_begins_by_itself_after_the_delay_and_a_third_signal_ends_it() {
    let upstream = Upstream::listen();
    let started = Instant::now();
    let ringway = Ringway::proxy(upstream.address(), &["--drain-delay", "300ms"]);
    ringway.signal(libc::SIGTERM);
    assert_eq!(ringway.ended().code(), Some(0));
    assert!(started.elapsed() >= Duration::from_millis(300));
    let options = ["--drain-delay", "1h", "--drain-timeout", "1h", "--close-timeout", "1h"];
    let ringway = Ringway::proxy(upstream.address(), &options);
    let held = open(&ringway, &upstream, "", "");
    for line in ["health checks fail", "the drain begins at once", "ending at once"] {
        ringway.signal(libc::SIGTERM);
        ringway.logged(line);
    }
    assert_eq!(ringway.ended().code(), Some(1));
    drop(held);
}

/// A header of version 2 for a connection of the balancer's own: a check.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

#[test]
fn c6_checks_of_the_port_leave_no_record_at_info() {
    let site = Site::new();
    let upstream = Upstream::listen();
    let health = |more: &[&'static str]| [&HEALTH[..], more].concat();
    let plain = Ringway::proxy(upstream.address(), &health(&[]));
    let announced = Ringway::proxy(upstream.address(), &health(&["--proxy-protocol", "127.0.0.1"]));
    let secure = site.downstream(upstream.address(), &HEALTH);
    for ringway in [&plain, &announced, &secure] {
        drop(Peer::connect(ringway.address()));
        Peer::connect(ringway.address()).reset();
    }
    let mut check = Peer::connect(announced.address());
    check.send(LOCAL);
    drop(check);
    let mut check = Peer::connect(announced.address());
    check.send(LOCAL);
    assert_eq!(asked(check, "OPTIONS / HTTP/1.0\r\n\r\n").0, 200);
    // A check that speaks TLS and asks for nothing.
    drop(site.connect(&secure));
    assert_eq!(status(&plain, "GET /healthz HTTP/1.0\r\n\r\n"), 200);
    for ringway in [&plain, &announced, &secure] {
        ringway.settles();
        // Something that is recorded, behind all of them.
        let mut last = Peer::connect(ringway.address());
        last.send(b"x");
        last.finish();
        last.rest();
        until("it is recorded", || (!records(ringway).is_empty()).then_some(()));
        let records = records(ringway);
        assert_eq!(records.len(), 1, "{records:#?}");
    }
}

#[test]
fn c6_the_records_are_there_at_debug() {
    let upstream = Upstream::listen();
    let options = [&HEALTH[..], &["--log-level", "info,ringway::access=debug"]].concat();
    let ringway = Ringway::proxy(upstream.address(), &options);
    drop(Peer::connect(ringway.address()));
    assert!(ringway.logged("client left without a request").contains("DEBUG"));
    assert_eq!(status(&ringway, "GET /healthz HTTP/1.0\r\n\r\n"), 200);
    let record = ringway.logged("answered by ringway");
    assert!(record.contains("DEBUG") && record.contains("/healthz") && record.contains("status=200"), "{record}");
}
