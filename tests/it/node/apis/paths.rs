//! Which API a path belongs to, and what of it reaches the upstream.

use serde_json::json;

use crate::harness::client::handshake;
use crate::harness::node::{Node, alive, refuses, through, ws};
use crate::harness::{Peer, Upstream};

/// The request line that an upstream gets, less its end.
fn asked(node: &Node, path: &str, upstream: &Upstream) -> String {
    let (mut client, mut server, request, _) = through(node.external("development"), path, upstream);
    alive(&mut client, &mut server);
    request.lines().next().unwrap().strip_suffix(" HTTP/1.1").unwrap().to_owned()
}

#[test]
fn what_stands_behind_the_base_path_reaches_the_upstream_as_it_came() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    node.serve("Chat App", &[ws(upstream.address())]);
    node.serve("Deep", &[format!("ws://{}/socket/v7/", upstream.address())]);
    for (path, line) in [
        ("/default/chat-app/v1.0", "GET /"),
        ("/default/chat-app/v1.0/", "GET /"),
        ("/default/chat-app/v1.0?a=b&c=%20d", "GET /?a=b&c=%20d"),
        ("/default/chat-app/v1.0/?", "GET /?"),
        ("/default/chat-app/v1.0/room/%41%2fb//c/", "GET /room/%41%2fb//c/"),
        ("/default/chat-app/v1.0/a;p=1?x=/default/deep/v1.0", "GET /a;p=1?x=/default/deep/v1.0"),
        ("/def%61ult/chat%2Dapp/%761.0/room", "GET /room"),
        ("/default/chat-app/v1/room", "GET /room"),
        ("/default/deep/v1.0", "GET /socket/v7"),
        ("/default/deep/v1.0/", "GET /socket/v7/"),
        ("/default/deep/v1.0/room?q=1", "GET /socket/v7/room?q=1"),
        ("/default/deep/v1.0?q=1", "GET /socket/v7?q=1"),
    ] {
        assert_eq!(asked(&node, path, &upstream), line, "{path}");
    }
    for path in [
        "/",
        "/default",
        "/default/chat-app",
        "/default/chat-app/",
        "/default/chat-app/v1.00",
        "/default/chat-app/v1.0x",
        "/default/chat-app/v1.1",
        "/default/chat-app/v2",
        "/default/chat-app%2Fv1.0",
        "/default//chat-app/v1.0",
        "//default/chat-app/v1.0",
        "/Default/chat-app/v1.0",
        "/default/chat-app/v01",
        "/other/chat-app/v1.0",
        "/default/%2563hat-app/v1.0",
    ] {
        refuses(node.external("development"), path, 404, "route-not-found");
    }
    for path in
        ["/default/chat-app/v1.0/../../deep/v1.0", "/default/./chat-app/v1.0", "/default/chat-app/v1.0/%2e%2e/x"]
    {
        refuses(node.external("development"), path, 400, "target-invalid");
    }
    node.settles();
}

#[test]
fn the_major_version_alone_is_the_newest_minor_that_is_deployed() {
    let node = Node::start("drain_window_ms = 1");
    let upstreams: Vec<Upstream> = (0..4).map(|_| Upstream::listen()).collect();
    let versions = ["1.2", "1.10", "1.9", "2.0"];
    let apis: Vec<String> = versions
        .iter()
        .zip(&upstreams)
        .map(|(version, upstream)| {
            node.make_with(&json!({ "name": "Chat", "version": version, "targets": [ws(upstream.address())] }))
        })
        .collect();
    let at = node.external("development");
    refuses(at, "/default/chat/v1", 404, "route-not-found");
    node.deploy(&apis[0], "development");
    let (mut first, mut first_server, ..) = through(at, "/default/chat/v1", &upstreams[0]);
    alive(&mut first, &mut first_server);
    // 1.10 is newer than 1.9 and 1.2, whatever the order in which they came; 2.0 is another API.
    for (index, newest) in [(2, 2), (1, 1), (3, 1)] {
        node.deploy(&apis[index], "development");
        let (mut client, mut server, ..) = through(at, "/default/chat/v1/x", &upstreams[newest]);
        alive(&mut client, &mut server);
        alive(&mut first, &mut first_server);
    }
    let (mut client, mut server, ..) = through(at, "/default/chat/v2", &upstreams[3]);
    alive(&mut client, &mut server);
    // Back to the one before when the newest is gone; who is there by either path stays.
    let (mut second, mut second_server, ..) = through(at, "/default/chat/v1", &upstreams[1]);
    assert_eq!(node.admin.delete(&format!("{}/deployments/development", apis[1])).status, 204);
    assert_eq!(second.close().0, Some(1001));
    assert_eq!(second_server.close().0, Some(1001));
    let (mut client, mut server, ..) = through(at, "/default/chat/v1", &upstreams[2]);
    alive(&mut client, &mut server);
    alive(&mut first, &mut first_server);
    refuses(at, "/default/chat/v1.10", 404, "route-not-found");
    refuses(node.external("production"), "/default/chat/v1", 404, "route-not-found");
}

#[test]
fn a_newest_minor_that_is_stopped_is_not_passed_over() {
    // Who asked for the newest shall not be given an older one by a maintenance window.
    let node = Node::start("drain_window_ms = 1");
    let (one, two) = (Upstream::listen(), Upstream::listen());
    let make = |version: &str, upstream: &Upstream| {
        node.make_with(&json!({ "name": "Chat", "version": version, "targets": [ws(upstream.address())] }))
    };
    let (old, new) = (make("1.0", &one), make("1.1", &two));
    node.deploy(&old, "development");
    node.deploy(&new, "development");
    node.admin.send("POST", &format!("{new}/deployments/development/stop"), None).expect(200);
    refuses(node.external("development"), "/default/chat/v1", 503, "api-stopped");
    let (mut client, mut server, ..) = through(node.external("development"), "/default/chat/v1.0", &one);
    alive(&mut client, &mut server);
}

#[test]
fn projects_keep_apis_apart() {
    let (node, one, two) = (Node::start(""), Upstream::listen(), Upstream::listen());
    for (project, upstream) in [("one", &one), ("two", &two)] {
        let api = node.make_with(&json!({
            "name": "Chat", "version": "1.0", "project": project, "targets": [ws(upstream.address())],
        }));
        node.deploy(&api, "development");
    }
    assert_eq!(asked(&node, "/one/chat/v1.0", &one), "GET /");
    assert_eq!(asked(&node, "/two/chat/v1.0", &two), "GET /");
    node.admin.delete("/projects/one").refused(409, "project-not-empty");
}

#[test]
fn a_request_in_pieces_finds_its_api() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let (_, base) = node.serve("Chat", &[ws(upstream.address())]);
    let mut client = Peer::connect(node.external("development"));
    for byte in handshake(&format!("{base}/room?a=1"), "").as_bytes() {
        client.send(&[*byte]);
    }
    let mut server = upstream.accept();
    let request = server.head();
    assert!(request.starts_with("GET /room?a=1 HTTP/1.1\r\n"), "{request}");
    server.switch(&request, "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    alive(&mut client, &mut server);
}
