//! The request of the handshake, and which parts of it reports and errors must not show.

use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::harness::{Folder, Server, each_message, echo, head, header, run, start, switching, unlimited};

/// An echo that notes each request, and answers with more lines.
fn noting(lines: &'static str) -> (Server, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    let server = Server::start(move |_, mut stream| {
        let Some(request) = head(&mut stream) else { return };
        stream.write_all(switching(&request, lines).as_bytes()).unwrap();
        noted.lock().unwrap().push(request);
        let role = tungstenite::protocol::Role::Server;
        let mut socket = tungstenite::WebSocket::from_raw_socket(stream, role, Some(unlimited()));
        each_message(&mut socket, |socket, _, message| socket.send(message));
    });
    (server, heads)
}

const SHORT: [&str; 6] = ["--rate", "20", "--duration", "500ms", "--warmup", "1ms"];

#[test]
fn headers_subprotocols_path_and_query_reach_the_server() {
    let (server, heads) = noting("Sec-WebSocket-Protocol: second\r\n");
    let url = format!("ws://{}/a/b%20c?x=1&y=%3F", server.address());
    let own = ["--url", &url, "-H", "X-One: 1", "--header", "Authorization: Bearer t", "-H", "Origin: http://here"];
    let protocols = ["--connections", "2", "--subprotocol", "first", "--subprotocol", "second"];
    echo(server.address(), &[&SHORT[..], &own, &protocols].concat()).report().is_sound();
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 2);
    for request in heads.iter() {
        assert!(request.starts_with("GET /a/b%20c?x=1&y=%3F HTTP/1.1\r\n"), "{request}");
        let value = |name| header(request, name);
        assert_eq!(value("host"), Some(server.address().to_string().as_str()), "{request}");
        assert_eq!(value("x-one"), Some("1"), "{request}");
        assert_eq!(value("authorization"), Some("Bearer t"), "{request}");
        assert_eq!(value("origin"), Some("http://here"), "{request}");
        assert_eq!(value("sec-websocket-version"), Some("13"), "{request}");
        let offered: Vec<&str> = value("sec-websocket-protocol").unwrap().split(',').map(str::trim).collect();
        assert_eq!(offered, ["first", "second"], "{request}");
    }
    let keys: Vec<_> = heads.iter().map(|request| header(request, "sec-websocket-key")).collect();
    assert_ne!(keys[0], keys[1], "each connection has a key of its own");
}

#[test]
fn a_subprotocol_that_was_not_offered_fails_the_handshake() {
    for offered in [&[][..], &["--subprotocol", "chat"]] {
        let (server, _) = noting("Sec-WebSocket-Protocol: other\r\n");
        let done = start("echo", server.address(), &[&SHORT[..], offered].concat()).ends();
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.stderr.contains("protocol"), "{done:?}");
        assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    }
}

#[test]
fn an_extension_that_was_not_offered_fails_the_handshake() {
    let (server, _) = noting("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let done = start("echo", server.address(), &SHORT).ends();
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("xtension"), "{done:?}");
}

#[test]
fn a_message_right_behind_the_101_is_seen() {
    // In the same segment: a connection that reads the head only loses it.
    let server = Server::start(|_, mut stream| {
        let Some(request) = head(&mut stream) else { return };
        let mut bytes = switching(&request, "").into_bytes();
        bytes.extend(crate::harness::frame(0x89, b"at once"));
        bytes.extend(crate::harness::frame(0x81, b"hello"));
        stream.write_all(&bytes).unwrap();
        let role = tungstenite::protocol::Role::Server;
        let mut socket = tungstenite::WebSocket::from_raw_socket(stream, role, Some(unlimited()));
        each_message(&mut socket, |socket, _, message| socket.send(message));
    });
    let report = echo(server.address(), &SHORT).report();
    // The message came before the window, and counts.
    assert_eq!(report.messages("unexpected"), 1, "{report}");
}

#[test]
fn secrets_are_in_no_output() {
    let (server, _) = noting("");
    let folder = Folder::new();
    let (json, html, hlog) = (folder.file("run.json"), folder.file("run.html"), folder.file("run.hlog"));
    let url = format!("ws://{}/chat?access_token=hidden-query&b=2", server.address());
    let done = run(&[
        "echo",
        "--url",
        &url,
        "-H",
        "Authorization: Bearer hidden-header",
        "-H",
        "X-Api-Key:hidden-key",
        "--json",
        &json,
        "--html",
        &html,
        "--hlog",
        &hlog,
        "--rate",
        "20",
        "--duration",
        "500ms",
        "--warmup",
        "1ms",
        "--sleep",
    ]);
    assert!(matches!(done.code, 0 | 1), "{done:?}");
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    for (what, text) in [
        ("stdout", done.stdout.clone()),
        ("stderr", done.stderr.clone()),
        ("JSON", read(&json)),
        ("HTML", read(&html)),
        ("log", read(&hlog)),
    ] {
        assert!(!text.is_empty(), "{what}");
        assert!(!text.contains("hidden"), "{what}: {text}");
    }
    assert!(read(&json).contains("/chat"));
}

#[test]
fn secrets_are_in_no_error() {
    for url in
        ["ws://127.0.0.1:1/?token=hidden", "wss://127.0.0.1:1/?token=hidden", "ws://127.0.0.1:1/?token=hidden#part"]
    {
        let done = run(&["echo", "--url", url, "-H", "Authorization: hidden"]);
        assert_ne!(done.code, 0);
        assert!(!done.stderr.contains("hidden"), "{url}: {done:?}");
    }
    let (server, _) = noting("Sec-WebSocket-Protocol: other\r\n");
    let url = format!("ws://{}/?token=hidden", server.address());
    let done = run(&["echo", "--url", &url, "-H", "Authorization: hidden"]);
    assert!(!done.stderr.contains("hidden"), "{done:?}");
}

#[test]
fn an_interim_answer_and_the_101_in_one_segment_are_two_answers() {
    let server = Server::start(|_, mut stream| {
        let Some(request) = head(&mut stream) else { return };
        let bytes = format!("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n{}", switching(&request, ""));
        stream.write_all(bytes.as_bytes()).unwrap();
        let role = tungstenite::protocol::Role::Server;
        let mut socket = tungstenite::WebSocket::from_raw_socket(stream, role, Some(unlimited()));
        each_message(&mut socket, |socket, _, message| socket.send(message));
    });
    let report = echo(server.address(), &SHORT).report();
    report.is_sound();
}
