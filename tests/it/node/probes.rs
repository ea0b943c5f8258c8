//! Probes of a node: liveness, readiness and health without a token, and who cannot keep them out.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::node::{Node, USUAL, through, ws};
use crate::harness::{Upstream, admin, until};

/// The answer of a listener to a request without a token.
fn says(at: SocketAddr, line: &str) -> admin::Answer {
    admin::raw(at, &format!("{line} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"))
}

/// A node with a metrics listener, and where that is.
fn with_metrics(options: &str) -> (Node, SocketAddr) {
    let node = Node::with(&format!("{options}\n[metrics]\nlisten = \"127.0.0.1:0\"{USUAL}"));
    let text = node.announced();
    let at = text.lines().find_map(|line| line.trim().strip_prefix("metrics: http://"));
    let at = at.unwrap_or_else(|| panic!("{text}")).trim_end_matches("/metrics").parse().unwrap();
    (node, at)
}

#[test]
fn c5_liveness_answers_head_and_the_metrics_listener_says_whether_the_node_is_ready() {
    let (node, metrics) = with_metrics("");
    let head = says(node.admin.address(), "HEAD /api/v1/health/live");
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(says(node.admin.address(), "POST /api/v1/health/live").status, 401);
    assert_eq!(says(node.admin.address(), "GET /api/v1/health").status, 401);
    for (line, body) in [("GET /health/live", "{\"alive\":true}"), ("GET /health/ready", "{\"ready\":true}")] {
        let answer = says(metrics, line);
        assert_eq!((answer.status, answer.text.as_str()), (200, body), "{line}");
    }
    assert_eq!(says(metrics, "HEAD /health/ready").status, 200);
    assert_eq!(says(metrics, "GET /health").status, 404);
    node.stop();
}

#[test]
fn c4_readiness_fails_before_the_doors_close() {
    let options = "health_path = \"/healthz\"\nlimits.drain_delay_ms = \"1h\"";
    let (node, metrics) = with_metrics(options);
    let (at, upstream) = (node.external("development"), Upstream::listen());
    let (_, base) = node.serve("chat", &[ws(upstream.address())]);
    assert_eq!(says(at, "GET /healthz").status, 200);
    node.signal(libc::SIGTERM);
    node.logged("health checks fail from now on");
    until("every shard says so", || (says(at, "GET /healthz").status == 503).then_some(()));
    let answer = says(metrics, "GET /health/ready");
    assert_eq!((answer.status, answer.code()), (503, "draining"));
    assert_eq!(says(metrics, "GET /health/live").status, 200);
    let health = node.admin.get("/health").expect(200).to_string();
    assert!(health.contains("about to shut down"), "{health}");
    let (client, server, ..) = through(at, &base, &upstream);
    drop((client, server));
    // Changes are taken as well.
    node.make("another", &[ws(upstream.address())]);
    node.signal(libc::SIGTERM);
    assert_eq!(node.ended().code(), Some(0), "{}", node.log());
}

#[test]
fn c5_clients_that_say_nothing_keep_no_probe_out() {
    let (node, metrics) = with_metrics("");
    let started = Instant::now();
    for at in [node.admin.address(), metrics] {
        let mut silent: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(at).unwrap()).collect();
        for stream in silent.iter_mut().step_by(2) {
            let _ = stream.write_all(b"GET /api/v1/apis HTTP/1.1\r\nHost: loc");
        }
        let live = if at == metrics { "GET /health/live" } else { "GET /api/v1/health/live" };
        for _ in 0..20 {
            assert_eq!(says(at, live).status, 200);
        }
        drop(silent);
    }
    node.admin.get("/apis").expect(200);
    assert!(started.elapsed() < Duration::from_secs(9), "they were waited for: {:?}", started.elapsed());
}

#[test]
fn c11_wrong_tokens_are_counted_and_warned_of_once_with_their_address() {
    let node = Node::start("");
    let at = node.admin.address();
    let wrong = format!("GET /api/v1/apis HTTP/1.1\r\nHost: {at}\r\nAuthorization: Bearer {}\r\n\r\n", "x".repeat(43));
    let counted = || {
        let text = node.admin.figures().text;
        let line = text.lines().find_map(|line| line.strip_prefix("ringway_admin_wrong_tokens_total "));
        line.unwrap_or_else(|| panic!("{text}")).parse::<f64>().unwrap()
    };
    // The first ten of a minute are looked at; the token of `counted` always is.
    let answers: Vec<_> = (0..300).map(|_| admin::raw(at, &wrong)).collect();
    assert!(answers[..10].iter().all(|answer| answer.status == 401));
    let limited = answers[10..].iter().filter(|answer| answer.status == 429);
    assert!(
        limited.clone().all(|answer| answer.code() == "too-many-failures" && answer.header("retry-after").is_some())
    );
    assert!(limited.count() >= 270, "but for those of another minute, all are limited");
    let warned = node.logged("has shown a wrong token");
    assert!(warned.contains("WARN") && warned.contains("client=127.0.0.1 "), "{warned}");
    until("all are counted", || (counted() >= 300.0).then_some(()));
    let lines = node.log().matches("has shown a wrong token").count();
    assert!(lines <= 3, "{lines} lines, one in ten seconds");
    assert!(!node.log().contains(&"x".repeat(43)));
}
