//! The admin API of the real process: who may call, what every error looks like, and that nothing a caller does or leaves
//! undone stops it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::admin::raw;
use crate::harness::node::{Home, Node, USUAL};
use crate::harness::wait::PATIENCE;

const CHAT: &str = "/apis/default/chat-app-api/1.0";

fn chat() -> Value {
    json!({ "name": "Chat App API", "version": "1.0", "targets": ["ws://127.0.0.1:9"] })
}

#[test]
fn only_who_has_the_token_and_is_no_other_sites_page_is_answered() {
    let node = Node::start("");
    let (admin, token) = (node.admin.address(), node.admin.token().to_owned());
    let ask = |method: &str, path: &str, lines: &str| {
        raw(admin, &format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{lines}\r\n"))
    };
    let host = format!("Host: {admin}\r\n");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for (status, code, method, path, lines) in [
        (200, "", "GET", "/api/v1/health/live", host.clone()),
        (401, "token", "GET", "/api/v1/apis", host.clone()),
        (401, "token", "GET", "/metrics", host.clone()),
        (401, "token", "GET", "/", host.clone()),
        (401, "token", "GET", "/api/v1/apis", format!("{host}Authorization: Bearer {}x\r\n", &token[..42])),
        (401, "token", "GET", "/api/v1/apis", format!("{host}Authorization: Basic {token}\r\n")),
        (200, "", "GET", "/api/v1/apis", format!("{host}{bearer}")),
        (200, "", "GET", "/api/v1/apis", format!("Host: localhost:1\r\n{bearer}")),
        (421, "host-not-allowed", "GET", "/api/v1/apis", format!("Host: evil.test\r\n{bearer}")),
        (421, "host-not-allowed", "GET", "/api/v1/health/live", "Host: evil.test\r\n".to_owned()),
        (400, "host-invalid", "GET", "/api/v1/apis", bearer.clone()),
        (403, "origin-not-allowed", "GET", "/api/v1/apis", format!("{host}{bearer}Origin: http://evil.test\r\n")),
        (403, "origin-not-allowed", "OPTIONS", "/api/v1/apis", format!("{host}Origin: null\r\n")),
        (404, "path-not-found", "GET", "/", format!("{host}{bearer}")),
        (404, "path-not-found", "GET", "/api/v1/apis/", format!("{host}{bearer}")),
        (405, "method-not-allowed", "PATCH", "/api/v1/apis", format!("{host}{bearer}")),
        (
            415,
            "content-type",
            "POST",
            "/api/v1/apis",
            format!("{host}{bearer}Content-Type: text/plain\r\nContent-Length: 0\r\n"),
        ),
    ] {
        let answer = ask(method, path, &lines);
        assert_eq!((answer.status, answer.code()), (status, code), "{method} {path} {lines}: {}", answer.text);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{method} {path} {lines}: {}", answer.head);
        }
        assert!(!answer.head.to_ascii_lowercase().contains("access-control"), "{}", answer.head);
        assert_eq!(status == 401, answer.header("www-authenticate").is_some(), "{}", answer.head);
        assert!(status != 405 || answer.header("allow") == Some("GET,HEAD,POST"), "{}", answer.head);
        if status >= 400 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.head);
            assert_eq!(answer.json["status"], status);
            assert!(answer.json["errors"].is_array(), "{}", answer.text);
        }
    }
    assert!(!node.log().contains(&token), "{}", node.log());
}

#[test]
fn c1_a_token_that_others_could_read_stays_and_is_the_owner_s_alone_again() {
    let home = Home::new(USUAL);
    let node = home.start();
    let token = node.admin.token().to_owned();
    node.stop();
    fs::set_permissions(home.file("admin-token"), fs::Permissions::from_mode(0o644)).unwrap();
    let node = home.start();
    assert_eq!(node.admin.token(), token);
    node.admin.get("/health").expect(200);
    node.logged("other users may have read the admin token");
    assert!(!node.log().contains(&token), "{}", node.log());
    assert_eq!(fs::metadata(home.file("admin-token")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_change_is_made_over_the_wire_and_stays() {
    let home = Home::new(USUAL);
    let node = home.start();
    let made = node.admin.post("/apis", &chat());
    assert_eq!(made.header("location"), Some("/api/v1/apis/default/chat-app-api/1.0"));
    made.expect(201);
    node.admin.post("/apis", &chat()).refused(409, "api-exists");
    node.admin.put(&format!("{CHAT}/deployments/development"), &json!({})).expect(201);
    let etag = node.admin.get(CHAT).header("etag").unwrap().to_owned();
    let change = json!({ "name": "Chat", "targets": ["ws://127.0.0.1:9"] }).to_string();
    let put = |etag: &str| {
        let lines = format!("If-Match: {etag}\r\nContent-Type: application/json\r\n");
        node.admin.try_send_raw("PUT", CHAT, &lines, change.as_bytes()).unwrap()
    };
    put("\"1-0\"").refused(412, "condition-failed");
    put(&etag).expect(200);
    assert_eq!(node.admin.get("/snapshot").expect(200)["deployed"], 1);
    assert_eq!(node.admin.get("/health").expect(200)["status"], "ok");
    node.stop();
    let again = home.start();
    let kept = again.admin.get(CHAT).expect(200);
    assert_eq!((&kept["name"], &kept["deployments"][0]["environment"]), (&json!("Chat"), &json!("development")));
    assert_eq!(again.admin.get("/snapshot").expect(200)["deployments"]["items"][0]["state"], "open");
}

#[test]
fn what_is_no_request_of_ours_is_refused_and_the_next_is_answered() {
    let node = Node::start("");
    let json = "Content-Type: application/json\r\n";
    let deep = format!("{{\"name\":{}", "[".repeat(500_000));
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20));
    for (status, code, line, lines, body) in [
        (400, "json-syntax", "POST /apis", json, "{"),
        (400, "json-syntax", "POST /apis", json, "{\"name\": \"a\", \"version\": \"1.0\", \"targets\": []} {}"),
        (400, "json-shape", "POST /apis", json, "{\"name\": \"a\", \"name\": \"b\"}"),
        (400, "json-shape", "POST /apis", json, "[\"a\", \"1.0\", []]"),
        (400, "json-shape", "POST /apis", json, "7"),
        (400, "json-shape", "POST /apis", json, deep.as_str()),
        (413, "body-too-large", "POST /apis", json, large.as_str()),
        (415, "content-type", "POST /apis", "Content-Type: application/x-www-form-urlencoded\r\n", "name=a"),
        (415, "content-type", "POST /apis", "", "{}"),
        (400, "path-invalid", "GET /projects/%FF", "", ""),
        (400, "query-invalid", "GET /apis?limit=100000000000", "", ""),
        (400, "header-invalid", "DELETE /projects/a", "If-Match: a\r\n", ""),
        (400, "header-invalid", "DELETE /projects/a", "Ringway-Actor: a b\r\n", ""),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let answer = node.admin.try_send_raw(method, path, lines, body.as_bytes()).unwrap();
        let said: String = body.chars().take(50).collect();
        assert_eq!((answer.status, answer.code()), (status, code), "{line} {lines} {said}: {}", answer.text);
    }
    for junk in [
        "GET / HTTP/1.1\r\nno colon here\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\0\x01\0\x01 TLS spoken to plain text\r\n\r\n".to_owned(),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)),
        "POST /api/v1/apis HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
        "POST /api/v1/apis HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(node.admin.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(junk.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{answer}");
    }
    node.admin.get("/apis").expect(200);
    assert_eq!(node.admin.get("/health").expect(200)["problems"], json!([]));
}

#[test]
fn heads_that_drip_are_cut_off_and_block_nobody() {
    let node = Node::start("");
    let started = Instant::now();
    // More than the listener has room for.
    let mut slow: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(node.admin.address()).unwrap()).collect();
    for stream in &mut slow {
        let _ = stream.write_all(b"GET /api/v1/apis HTTP/1.1\r\nHost: loc");
    }
    for _ in 0..20 {
        node.admin.get("/health/live").expect(200);
        node.admin.get("/apis").expect(200);
    }
    assert!(started.elapsed() < Duration::from_secs(9), "their deadline was waited for");
    // The oldest left for the others.
    let mut byte = [0];
    slow[0].set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(!matches!(slow[0].read(&mut byte), Ok(1..)), "it was answered");
}

#[test]
fn a_page_ends_before_its_body_is_too_long() {
    const MOST: usize = 1 << 20;
    let node = Node::start("");
    let targets = |last: u32| {
        (0..16).map(|at| format!("ws://127.0.0.1/{}-{at}-{last}", "x".repeat(1950))).collect::<Vec<String>>()
    };
    let made: Vec<String> = (0..40).map(|number| node.make(&format!("API {number:02}"), &targets(0))).collect();
    for change in 1..20 {
        let body = json!({ "name": "API 00", "targets": targets(change) });
        node.admin.put(&made[0], &body).expect(200);
        node.admin.put(&format!("{}/deployments/development", made[0]), &json!({})).expect(if change == 1 {
            201
        } else {
            200
        });
    }
    let description = "\u{1F600}".repeat(2000);
    for number in 0..150 {
        node.admin.put(&format!("/projects/p{number}"), &json!({ "description": description })).expect(201);
    }
    let revisions = format!("{}/revisions", made[0]);
    // 40 made and their project, 19 changes, 19 deployments, 150 projects.
    for (path, count) in [("/apis", 40), ("/audit", 229), (revisions.as_str(), 19), ("/projects", 151)] {
        let (mut items, mut pages, mut cursor) = (Vec::new(), 0, String::new());
        loop {
            let answer = node.admin.get(&format!("{path}?limit=1000{cursor}"));
            assert!(answer.text.len() <= MOST, "{path}: {}", answer.text.len());
            let page = answer.expect(200);
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            pages += 1;
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(items.len(), count, "{path}");
        let bytes: usize = items.iter().map(|item| item.to_string().len()).sum();
        // No more of them than the longest item asks for.
        let most = if path == revisions { 1 } else { bytes.div_ceil(MOST - 100_000) };
        assert!(pages <= most && (pages > 1 || path == revisions), "{path}: {pages} of {bytes}");
        let distinct: std::collections::BTreeSet<String> = items.iter().map(ToString::to_string).collect();
        assert_eq!(distinct.len(), count, "{path}");
    }
}
