//! Requests that are no requests: bodies that are huge, deep, empty or no JSON, queries, heads, and nobody's methods.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::{API, Scene, new_api};
use crate::harness::wait::PATIENCE;

const JSON: &str = "Content-Type: application/json\r\n";

/// Every operation that takes a body.
const WITH_BODY: [(&str, &str); 8] = [
    ("POST", "/apis"),
    ("PUT", "/apis/default/chat/1.0"),
    ("PUT", "/apis/default/chat/1.0/deployments/development"),
    ("POST", "/apis/default/chat/1.0/deployments/development/rollback"),
    ("POST", "/apis/default/chat/1.0/promote"),
    ("PUT", "/apis/default/chat/1.0/lifecycle"),
    ("PUT", "/projects/default"),
    ("POST", "/connections/close"),
];

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str, close: &str, times: usize| {
        format!("{{\"name\": {}{}}}", open.repeat(times), close.repeat(times)).into_bytes()
    };
    vec![
        ("nothing", Vec::new()),
        ("a space", b" ".to_vec()),
        ("half an object", b"{\"name\": ".to_vec()),
        ("a comma too many", b"{\"name\": \"a\",}".to_vec()),
        ("more behind it", b"{} {}".to_vec()),
        ("a byte order mark", b"\xEF\xBB\xBF{}".to_vec()),
        ("no text", vec![0xFF; 100]),
        ("a text that is none", b"{\"name\": \"\xFF\"}".to_vec()),
        ("half a character", b"{\"name\": \"\\ud800\"}".to_vec()),
        ("zeros", vec![0; 1000]),
        ("deep arrays", deep("[", "]", 100_000)),
        ("deep objects", deep("{\"a\":", "}", 100_000)),
        ("deep and open", deep("[", "", 500_000)),
        ("a name twice", b"{\"name\": \"a\", \"name\": \"b\", \"state\": \"Published\", \"state\": \"x\"}".to_vec()),
        ("a number without end", format!("{{\"revision\": {}}}", "9".repeat(900_000)).into_bytes()),
        ("a field's name without end", format!("{{\"{}\": 1}}", "x".repeat(900_000)).into_bytes()),
        ("an array", b"[]".to_vec()),
        ("YAML", b"name: a".to_vec()),
    ]
}

#[test]
fn whatever_the_body_the_answer_is_a_problem() {
    let scene = Scene::new();
    for (method, path) in WITH_BODY {
        for (what, body) in bodies() {
            let answer = scene.node.admin.try_send_raw(method, path, JSON, &body).unwrap();
            Scene::is_client_s(&format!("{method} {path}: {what}"), &answer);
        }
    }
}

#[test]
fn a_body_over_the_limit_is_refused_however_it_comes() {
    let scene = Scene::new();
    let big = format!("{{\"name\": \"{}\"}}", "x".repeat(1 << 20)).into_bytes();
    for (method, path) in WITH_BODY {
        let answer = scene.node.admin.try_send_raw(method, path, JSON, &big).unwrap();
        answer.refused(413, "body-too-large");
    }
    // In chunks, so that nothing says beforehand how much it will be.
    let mut stream = TcpStream::connect(scene.node.admin.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(head(&scene, "POST", "/apis", &format!("{JSON}Transfer-Encoding: chunked\r\n")).as_bytes())
        .unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..40 {
        // It need not take what it has refused.
        if stream.write_all(chunk.as_bytes()).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
}

fn head(scene: &Scene, method: &str, path: &str, lines: &str) -> String {
    let admin = &scene.node.admin;
    let (address, token) = (admin.address(), admin.token());
    format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{lines}\r\n"
    )
}

/// Sends bytes as they are: what comes back.
fn raw(scene: &Scene, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(scene.node.admin.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn only_json_is_taken() {
    let scene = Scene::new();
    let body = new_api().to_string();
    for kind in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/jsonx\r\n",
        "Content-Type: \r\n",
    ] {
        for (method, path) in WITH_BODY {
            let answer = scene.node.admin.try_send_raw(method, path, kind, body.as_bytes()).unwrap();
            answer.refused(415, "content-type");
        }
    }
}

#[test]
fn queries_name_their_parameter_and_rule() {
    let scene = Scene::new();
    for (path, parameter, rule) in [
        ("/apis?limit=0", "limit", "range"),
        ("/apis?limit=1001", "limit", "range"),
        ("/apis?limit=x", "limit", "value"),
        ("/apis?limit=", "limit", "value"),
        ("/apis?limit=99999999999999999999", "limit", "value"),
        ("/apis?limit=1&limit=2", "limit", "duplicate"),
        ("/apis?colour=red", "colour", "unknown"),
        ("/apis?project=A", "project", "characters"),
        ("/apis?lifecycle=live", "lifecycle", "one-of"),
        ("/apis?environment=..", "environment", "characters"),
        ("/projects?limit=-1", "limit", "value"),
        ("/projects?q=a", "q", "unknown"),
        ("/audit?since=yesterday", "since", "time"),
        ("/audit?api=chat", "api", "api"),
        ("/audit?limit=0", "limit", "range"),
        ("/connections?client=localhost", "client", "address"),
        ("/connections?api=x", "api", "api"),
        ("/connections?environment=A", "environment", "characters"),
        ("/connections?limit=0", "limit", "range"),
        ("/snapshot?limit=0", "limit", "range"),
        ("/snapshot?number=1", "number", "unknown"),
        ("/apis/default/chat/1.0/revisions?limit=x", "limit", "value"),
    ] {
        // What a field of the same name may hold is a rule of that field, wherever it stands.
        let is_field_s = !["limit", "colour", "q", "number"].contains(&parameter);
        let (status, code) = if is_field_s { (422, "fields-invalid") } else { (400, "query-invalid") };
        let problem = scene.node.admin.get(path).refused(status, code);
        let error = &problem["errors"][0];
        assert_eq!((&error["field"], &error["rule"]), (&json!(parameter), &json!(rule)), "{path}: {problem}");
    }
    let long = "x".repeat(201);
    scene.node.admin.get(&format!("/apis?q={long}")).refused(400, "query-invalid");
    for list in ["/apis", "/projects", "/audit", "/connections", "/snapshot", "/apis/default/chat/1.0/revisions"] {
        for cursor in ["x", "!", "MA", "AAAA", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ", "%00", "é"] {
            let answer = scene.node.admin.get(&format!("{list}?cursor={cursor}"));
            // One that happens to be a cursor's form may be at the end of the list.
            assert!(answer.status == 400 || answer.status == 200, "{list} {cursor}: {}{}", answer.head, answer.text);
        }
        let answer = scene.node.admin.get(&format!("{list}?cursor={}", "x".repeat(1025)));
        Scene::is_client_s(list, &answer);
    }
    // Characters that mean something to the store mean nothing to it here.
    for text in ["%25", "_", "'", "%22", "%27%3B+DROP+TABLE+apis%3B--", "%5C"] {
        let found = scene.node.admin.get(&format!("/apis?q={text}")).expect(200);
        assert_eq!(found["items"], json!([]), "{text}");
    }
}

#[test]
fn heads_that_are_none_are_refused_and_never_a_failure() {
    let scene = Scene::new();
    let admin = &scene.node.admin;
    let (address, token) = (admin.address(), admin.token());
    let many: String = (0..70).map(|number| format!("X-{number}: y\r\n")).collect();
    for (what, lines, statuses) in [
        ("a long line", format!("X-Long: {}\r\n", "x".repeat(20_000)), &[400, 431][..]),
        ("many lines", many, &[400, 431]),
        ("two tokens", format!("Authorization: Bearer {token}\r\n"), &[401]),
        ("two hosts", format!("Host: {address}\r\n"), &[400]),
        ("two actors", "Ringway-Actor: a\r\nRingway-Actor: b\r\n".to_owned(), &[400]),
        ("an actor of nothing", "Ringway-Actor: \r\n".to_owned(), &[400]),
        ("a long actor", format!("Ringway-Actor: {}\r\n", "x".repeat(65)), &[400]),
        ("an actor beyond ASCII", "Ringway-Actor: \u{e4}\r\n".to_owned(), &[400]),
        ("an actor with a tab", "Ringway-Actor: a\tb\r\n".to_owned(), &[400]),
        ("another site", "Origin: https://evil.example\r\n".to_owned(), &[403]),
        ("no site", "Origin: null\r\n".to_owned(), &[403]),
        ("no tag", "If-Match: x\r\n".to_owned(), &[400]),
        ("half a tag", "If-Match: \"\r\n".to_owned(), &[400]),
        ("a long tag", format!("If-Match: \"{}\"\r\n", "x".repeat(5000)), &[400]),
        ("both conditions", "If-Match: *\r\nIf-None-Match: *\r\n".to_owned(), &[412]),
    ] {
        let body = json!({ "description": "x" }).to_string();
        let request =
            head(&scene, "PUT", "/projects/default", &format!("{JSON}Content-Length: {}\r\n{lines}", body.len()))
                + &body;
        let answer = raw(&scene, request.as_bytes());
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        assert!(statuses.contains(&status), "{what}: {answer:?}");
    }
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
    ] {
        let answer = raw(&scene, bytes);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"),
            "{bytes:?}: {answer}"
        );
    }
    for (method, path) in [
        ("PATCH", "/apis"),
        ("PUT", "/apis"),
        ("DELETE", "/apis"),
        ("POST", API),
        ("GET", "/connections/close"),
        ("TRACE", "/apis"),
        ("POST", "/audit"),
        ("DELETE", "/audit"),
    ] {
        let answer = admin.send(method, path, None);
        assert_eq!(answer.header("allow").is_some(), answer.status == 405, "{method} {path}: {}", answer.head);
        answer.refused(405, "method-not-allowed");
    }
    for path in
        ["/nothing", "/apis/", "/apis/default", "/../etc/passwd", "/apis/default/chat/1.0/", "//apis", "/%61pis"]
    {
        let answer = admin.get(path);
        assert_eq!(answer.status, 404, "{path}: {}{}", answer.head, answer.text);
    }
    for wrong in ["", "x", &token[1..], &format!("{token}x"), &token.to_uppercase()] {
        let request = format!(
            "GET /api/v1/apis HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {wrong}\r\nConnection: close\r\n\r\n"
        );
        assert!(raw(&scene, request.as_bytes()).starts_with("HTTP/1.1 401 "), "{wrong}");
    }
    let stranger = format!(
        "GET /api/v1/apis HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    assert!(raw(&scene, stranger.as_bytes()).starts_with("HTTP/1.1 421 "));
    assert!(!scene.node.log().contains(token), "the token is in the log");
}

#[test]
fn a_request_that_stops_halfway_costs_nothing() {
    let scene = Scene::new();
    let mut held = Vec::new();
    for body in ["", "{\"name\": \"a\""] {
        let mut stream = TcpStream::connect(scene.node.admin.address()).unwrap();
        let head = head(&scene, "POST", "/apis", &format!("{JSON}Content-Length: 100\r\n"));
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        held.push(stream);
        let whole = raw(&scene, &[head.as_bytes(), body.as_bytes()].concat());
        assert!(whole.is_empty() || whole.starts_with("HTTP/1.1 400 "), "{whole}");
    }
    // Others are answered meanwhile.
    assert_eq!(scene.node.admin.get("/health/live").expect(200), json!({ "alive": true }));
    for stream in held {
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}
