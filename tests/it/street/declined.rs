//! Upstreams that decline a handshake: their bodies, whole or not, their redirects and their cookies.

use std::fmt::Write;

use serde_json::json;

use crate::harness::node::{Node, ws};
use crate::harness::peer::headers;
use crate::harness::site::Site;
use crate::harness::wait::{PATIENCE, until};
use crate::harness::{Came, Ended, Gate, Peer, Ringway, Script, client};

/// Content that would show a byte that is lost or moved.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at ^ (at >> 8)) & 0xFF).unwrap()).collect()
}

/// The content of a body by its framing, and whether it is whole: as a careful client reads it (RFC 9112 section 8).
fn read(came: &Came) -> (Vec<u8>, bool) {
    if let Some(length) = came.header("content-length") {
        assert_eq!(came.header("transfer-encoding"), None);
        return (came.body().to_vec(), came.body().len() == length.parse::<usize>().unwrap());
    }
    assert_eq!(came.header("transfer-encoding").as_deref(), Some("chunked"), "{}", came.text());
    let (mut rest, mut content) = (came.body(), Vec::new());
    while let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) {
        let size = usize::try_from(size).unwrap();
        if size == 0 {
            assert_eq!(&rest[line..], b"\r\n", "nothing stands behind the last chunk");
            return (content, true);
        }
        let chunk = &rest[line..];
        content.extend(&chunk[..size.min(chunk.len())]);
        rest = chunk.get(size + 2..).unwrap_or_default();
    }
    (content, false)
}

/// The answer to a client whose upstream plays this script.
fn declined(script: Script, options: &[&str]) -> (Came, Ringway) {
    let upstream = script.plays();
    let ringway = Ringway::proxy(upstream.address(), options);
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/", "").as_bytes());
    let came = client.all(PATIENCE);
    // The record comes once the client has ended as well.
    drop(client);
    ringway.logged("declined by upstream");
    (came, ringway)
}

#[test]
fn a5_a_whole_body_passes_whole_with_what_is_said_of_it() {
    let gzip = content(40_000);
    let head = "HTTP/1.1 403 Get Out\r\nWWW-Authenticate: Bearer realm=\"r\"\r\nWWW-Authenticate: Basic\r\n\
                Content-Encoding: gzip\r\nETag: \"x\"\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n";
    let known = Script::answers(format!("{head}Content-Length: 40000\r\n\r\n")).send(&gzip);
    let chunked = Script::answers(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    let chunked = chunked.chunk(&gzip[..1]).chunk(&gzip[1..30_000]).chunk(&gzip[30_000..]).chunk("");
    let until_close = Script::answers(format!("{head}\r\n")).send(&gzip).fin();
    let behind =
        Script::answers(format!("{head}Content-Length: 40000\r\n\r\n")).send([&gzip[..], b"HTTP/1.1"].concat());
    for script in [known, chunked, until_close, behind] {
        let (came, ringway) = declined(script, &[]);
        assert_eq!(came.ended, Ended::Fin);
        assert!(came.text().starts_with("HTTP/1.1 403 Get Out\r\n"));
        assert!(read(&came) == (gzip.clone(), true), "{}", came.head());
        let head = came.head();
        assert_eq!(headers(&head, "www-authenticate").collect::<Vec<_>>(), ["Bearer realm=\"r\"", "Basic"]);
        assert_eq!(
            (came.header("content-encoding").as_deref(), came.header("etag").as_deref()),
            (Some("gzip"), Some("\"x\""))
        );
        assert_eq!(came.header("x-hop"), None);
        assert!(!ringway.log().contains("cut off"), "{}", ringway.log());
    }
    let mut problem = String::from("{\"title\":\"");
    while problem.len() < 17_000 {
        write!(problem, "no {} ", problem.len()).unwrap();
    }
    problem.push_str("\"}");
    let head = format!(
        "HTTP/1.1 422 No\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\r\n",
        problem.len()
    );
    let (came, _ringway) = declined(Script::answers(head).send(&problem), &[]);
    assert_eq!(came.problem()["title"].as_str().map(str::len), Some(problem.len() - 12));
    // No body at all, however it is said.
    for (head, length) in [
        ("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", Some("0")),
        ("HTTP/1.1 204 No\r\n\r\n", None),
        ("HTTP/1.1 304 No\r\nETag: x\r\nContent-Length: 9\r\n\r\n", None),
    ] {
        let (came, _ringway) = declined(Script::answers(head), &[]);
        assert_eq!((came.header("content-length").as_deref(), came.body()), (length, &b""[..]));
        assert_eq!(came.header("transfer-encoding"), None);
    }
}

#[test]
fn a5_a_part_of_a_body_never_looks_whole() {
    let head = "HTTP/1.1 403 Get Out\r\n";
    let chunked = || Script::answers(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    let known = || Script::answers(format!("{head}Content-Length: 60\r\n\r\n")).send("denied");
    for (script, reason) in [
        (known().fin(), "the upstream ended"),
        (known().reset(), "broke"),
        (chunked().chunk("denied").fin(), "the upstream ended"),
        (chunked().chunk("denied").reset(), "broke"),
        (chunked().chunk("denied").send("nonsense\r\n"), "malformed"),
        (Script::answers(format!("{head}\r\ndenied")).reset(), "broke"),
    ] {
        let (came, ringway) = declined(script, &[]);
        let (content, is_whole) = read(&came);
        assert!(!is_whole && came.ended == Ended::Fin, "{}", came.text());
        // A reset may overtake what was sent before it.
        assert!(content == b"denied" || (content.is_empty() && reason == "broke"), "{}", came.text());
        assert!(ringway.log().contains("cut off") && ringway.log().contains(reason), "{}", ringway.log());
    }
}

#[test]
fn a5_a_body_that_tls_shows_to_be_cut_off_does_not_look_whole() {
    let site = Site::new();
    let upstream = Script::answers("HTTP/1.1 403 No\r\n\r\ndenied").fin().plays_tls(site.upstream_config());
    let ringway = site.both(upstream.address(), &[]);
    let mut client = site.connect(&ringway);
    client.send(client::handshake("/", "").as_bytes());
    assert_eq!(read(&client.all(PATIENCE)), (b"denied".to_vec(), false));
    drop(client);
    ringway.logged("cut off");
}

#[test]
fn a5_an_endless_body_ends_at_a_bound_and_shows_it() {
    // An event stream that goes on and on, by time and by bytes.
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let (came, ringway) = declined(Script::answers(head).send("data: 1\n\n"), &["--handshake-timeout", "700ms"]);
    assert_eq!(read(&came), (b"data: 1\n\n".to_vec(), false));
    assert!(ringway.log().contains("handshake timeout"), "{}", ringway.log());
    let (came, ringway) = declined(Script::answers(head).forever("data: tick\n\n".repeat(1000)), &[]);
    let (content, is_whole) = read(&came);
    assert!(!is_whole && (1 << 20..(1 << 20) + (1 << 18)).contains(&content.len()), "{} bytes", content.len());
    assert!(ringway.log().contains("longer than 1 MiB"), "{}", ringway.log());
}

#[test]
fn a5_the_first_event_arrives_before_the_second_is_there() {
    let gate = Gate::default();
    let script = Script::answers("HTTP/1.1 200 OK\r\n\r\none").wait(&gate).send("two").fin();
    let upstream = script.plays();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/", "").as_bytes());
    client.head();
    assert_eq!(client.exactly(8), b"3\r\none\r\n");
    gate.open();
    assert_eq!(client.all(PATIENCE).bytes, b"3\r\ntwo\r\n0\r\n\r\n");
}

#[test]
fn a5_a_client_that_does_not_read_holds_the_upstream_back() {
    let script = Script::answers("HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n").forever([b'x'; 65_536]);
    let upstream = script.plays();
    let ringway = Ringway::proxy(upstream.address(), &["--handshake-timeout", "1s"]);
    let before = ringway.resident();
    let mut client = Peer::connect(ringway.address());
    socket2::SockRef::from(&client.stream).set_recv_buffer_size(4096).unwrap();
    client.send(client::handshake("/", "").as_bytes());
    // The deadline ends it; nothing was buffered beyond a receive.
    until("it is over", || ringway.log().contains("declined by upstream").then_some(()));
    assert!(ringway.resident() < before + (4 << 20), "{} bytes more", ringway.resident() - before);
    drop(client);
}

/// The answer of a deployed API with a target of this path to a client at `/room`.
fn redirected(target_path: &str, lines: &str, definition: &serde_json::Value) -> (Came, String) {
    let node = Node::start("");
    let upstream = Script::new().plays();
    let at = upstream.address();
    drop(upstream);
    let head = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n{}\r\n",
        lines.replace("{at}", &at.to_string())
    );
    let upstream = Script::at(at, [Script::answers(head)]);
    let mut new =
        json!({ "name": "Chat", "version": "1.0", "targets": [format!("{}{target_path}", ws(upstream.address()))] });
    new.as_object_mut().unwrap().extend(definition.as_object().unwrap().clone());
    let api = node.make_with(&new);
    node.deploy(&api, "development");
    let base = node.admin.get(&api).expect(200)["base_path"].as_str().unwrap().to_owned();
    let mut client = Peer::connect(node.external("development"));
    client.send(client::handshake(&format!("{base}/room"), "").as_bytes());
    (client.all(PATIENCE), base)
}

#[test]
fn a7_redirects_and_cookies_of_the_targets_own_are_mapped_to_the_clients_url() {
    let lines = "Location: http://{at}/ws/room/\r\nSet-Cookie: a=b; Path=/ws; HttpOnly\r\nSet-Cookie: c=d; Path=/\r\n";
    let (came, base) = redirected("/ws", lines, &json!({}));
    assert_eq!((came.status(), came.header("location")), (307, Some(format!("{base}/room/"))), "{}", came.text());
    let head = came.head();
    let cookies: Vec<_> = headers(&head, "set-cookie").collect();
    assert_eq!(cookies, [format!("a=b; Path={base}; HttpOnly").as_str(), "c=d; Path=/"]);

    let (came, base) = redirected("/ws", "Location: /ws/room/?a=b\r\n", &json!({}));
    assert_eq!(came.header("location"), Some(format!("{base}/room/?a=b")));
    // The upstream writes its own name as it was told it.
    let preserved = json!({ "policies": { "preserve_host": true } });
    let (came, base) = redirected("/ws", "Location: http://proxy.test/ws/room/\r\n", &preserved);
    assert_eq!(came.header("location"), Some(format!("{base}/room/")));
    for elsewhere in ["https://login.test/?back=/ws/", "/login", "http://{at}/login", "room/"] {
        let (came, _) = redirected("/ws", &format!("Location: {elsewhere}\r\n"), &json!({}));
        let location = came.header("location").unwrap();
        assert!(location == elsewhere || elsewhere.contains("{at}") && location.ends_with("/login"), "{location}");
    }
}

#[test]
fn a7_so_they_are_by_a_proxy_without_a_file_and_in_a_101() {
    let upstream = Script::new().head().switch("Set-Cookie: a=b; Path=/ws/room\r\n").plays();
    let url = format!("{}/ws", ws(upstream.address()));
    let ringway = Ringway::proxy_to(&url, Some(upstream.address()), &[]);
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/room", "").as_bytes());
    let answer = client.head();
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.contains("\r\nSet-Cookie: a=b; Path=/room\r\n"), "{answer}");
    drop(client);

    let upstream = Script::answers("HTTP/1.1 301 Moved\r\nLocation: /ws/room/\r\nContent-Length: 0\r\n\r\n").plays();
    let url = format!("{}/ws", ws(upstream.address()));
    let ringway = Ringway::proxy_to(&url, Some(upstream.address()), &[]);
    let mut client = Peer::connect(ringway.address());
    client.send(client::handshake("/room", "").as_bytes());
    assert_eq!(client.all(PATIENCE).header("location").as_deref(), Some("/room/"));
}
