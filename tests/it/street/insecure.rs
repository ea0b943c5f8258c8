//! Old devices: clients without a key, upstreams without an accept value. Refused, but where an API says otherwise.

use serde_json::json;

use crate::harness::client::{KEY, handshake};
use crate::harness::node::{Node, ws};
use crate::harness::peer::header;
use crate::harness::wait::PATIENCE;
use crate::harness::{Came, Peer, Ringway, Script, until};

fn without_a_key(path: &str) -> String {
    handshake(path, "").replace(&format!("Sec-WebSocket-Key: {KEY}\r\n"), "")
}

/// An upstream that speaks WebSocket and answers without an accept value.
fn without_an_accept() -> Script {
    Script::answers("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
}

/// The answer to a request; a tunnel is ended by the client as soon as it is open.
fn told(at: std::net::SocketAddr, request: &str) -> Came {
    let mut client = Peer::connect(at);
    client.send(request.as_bytes());
    client.finish();
    client.all(PATIENCE)
}

/// The head of the answer to a request that opens a tunnel.
fn opened(at: std::net::SocketAddr, request: &str) -> String {
    let mut client = Peer::connect(at);
    client.send(request.as_bytes());
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    head
}

#[test]
fn a15_by_default_a_missing_key_and_a_missing_accept_are_refused() {
    let upstream = Script::new().head().switch("").plays();
    let ringway = Ringway::proxy(upstream.address(), &["--insecure-allow-missing-accept"]);
    let mut client = Peer::connect(ringway.address());
    client.send(without_a_key("/").as_bytes());
    client.all(PATIENCE).is_refusal(400, "key-missing");
    assert_eq!(upstream.accepts(), 0);
    let upstream = without_an_accept().plays();
    let ringway = Ringway::proxy(upstream.address(), &["--insecure-allow-missing-key"]);
    let mut client = Peer::connect(ringway.address());
    client.send(handshake("/", "").as_bytes());
    client.all(PATIENCE).is_refusal(502, "upstream-accept");
}

#[test]
fn a15_a_proxy_lets_in_what_its_flags_name_and_logs_it() {
    let upstream = without_an_accept().plays();
    let flags = ["--insecure-allow-missing-key", "--insecure-allow-missing-accept"];
    let ringway = Ringway::proxy(upstream.address(), &flags);
    // A client that sends no key does not look for an accept value; one that does gets its own.
    assert_eq!(header(&opened(ringway.address(), &without_a_key("/")), "sec-websocket-accept"), None);
    ringway.logged("missing-key, missing-accept");
    let head = opened(ringway.address(), &handshake("/", ""));
    assert_eq!(header(&head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    ringway.logged("insecure=missing-accept");
    // The upstream is sent a key in any case.
    assert!(upstream.heads().iter().all(|head| header(head, "sec-websocket-key").is_some_and(|key| key != KEY)));
}

#[test]
fn a15_what_is_there_and_wrong_is_refused_in_any_case() {
    let wrong = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let upstream = Script::answers(wrong).plays();
    let flags = ["--insecure-allow-missing-key", "--insecure-allow-missing-accept"];
    let ringway = Ringway::proxy(upstream.address(), &flags);
    told(ringway.address(), &handshake("/", "").replace(KEY, "c2hvcnQ=")).is_refusal(400, "key-invalid");
    let mut client = Peer::connect(ringway.address());
    client.send(handshake("/", "").as_bytes());
    client.all(PATIENCE).is_refusal(502, "upstream-accept");
}

#[test]
fn a15_an_api_that_says_so_lets_them_in_and_its_neighbour_does_not() {
    let (device, server) = (without_an_accept().plays(), Script::new().head().switch("").plays());
    let node = Node::start("");
    let make = |name: &str, target: &crate::harness::script::Played, policies| {
        let new = json!({ "name": name, "version": "1.0", "targets": [ws(target.address())], "policies": policies });
        let api = node.make_with(&new);
        node.deploy(&api, "development");
        node.admin.get(&api).expect(200)["base_path"].as_str().unwrap().to_owned()
    };
    let old =
        make("Old", &device, json!({ "insecure_allow_missing_key": true, "insecure_allow_missing_accept": true }));
    let new = make("New", &server, json!({}));
    let at = node.external("development");
    opened(at, &without_a_key(&old));
    told(at, &without_a_key(&new)).is_refusal(400, "key-missing");
    opened(at, &handshake(&new, ""));
    // Whoever has no path of an API is told that first.
    told(at, &without_a_key("/none")).is_refusal(404, "route-not-found");
    let record = node.logged("missing-key, missing-accept");
    assert!(record.contains("default/old:1.0"), "{record}");
    until("it is counted", || {
        let figures = node.admin.figures().text;
        let count = |missing: &str| {
            let counted = figures.lines().filter(|line| line.starts_with("ringway_insecure_handshakes_total{"));
            counted.filter(|line| line.contains(&format!("missing=\"{missing}\"")) && line.ends_with(" 1")).count()
        };
        (count("key") == 1 && count("accept") == 1).then_some(())
    });
}
