//! Messages checked against a contract, by the real binary: what clients and upstreams get, and what operators see.

use serde_json::{Value, json};

use crate::harness::frame::{CLOSE, CONTINUATION, FIN, TEXT, masked};
use crate::harness::node::{Home, Node, USUAL, alive, through, ws};
use crate::harness::peer::header;
use crate::harness::with_contract::upload;
use crate::harness::{Peer, Upstream, client, until};

/// A chat whose contract says that both sides send objects; the service answers with plain text.
const CHAT: &str = "asyncapi: 2.0.0
info: {title: Chat API, version: 1.0.0}
servers: {here: {url: 'wss://chat.example', protocol: wss}}
channels:
  /:
    publish: {message: {$ref: '#/components/messages/message'}}
    subscribe: {message: {$ref: '#/components/messages/message'}}
components:
  messages:
    message:
      name: message
      payload: {type: object, properties: {type: {type: string, example: connect}, message: {type: string}}}
";

/// The definition of an API with the contract and these policies of validation.
fn definition(node: &Node, name: &str, upstream: &Upstream, validation: &Value) -> Value {
    json!({ "name": name, "targets": [ws(upstream.address())], "contract": upload(node, CHAT),
        "policies": { "validation": validation } })
}

/// Uploads the contract and serves an API that has it, with these policies of validation. Returns its path in the admin API and
/// its base path.
fn serve(node: &Node, name: &str, upstream: &Upstream, validation: &Value) -> (String, String) {
    let mut definition = definition(node, name, upstream, validation);
    definition["version"] = "1.0".into();
    let api = node.make_with(&definition);
    node.deploy(&api, "development");
    let base = node.admin.get(&api).expect(200)["base_path"].as_str().unwrap().to_owned();
    (api, base)
}

/// The samples of an API, once there are so many.
fn violations(node: &Node, api: &str, count: usize) -> Vec<Value> {
    until("violations are shown", || {
        let shown = node.admin.all(&format!("{api}/violations"));
        (shown.len() >= count).then_some(shown)
    })
}

#[test]
fn in_report_exactly_the_answers_of_the_service_are_reported() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let modes = json!({ "client_sends": "report", "client_receives": "report" });
    let (api, base) = serve(&node, "Chat", &upstream, &modes);
    let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
    for number in 0..3 {
        let message = format!(r#"{{"type": "chat", "message": "number {number}"}}"#);
        client.say(&message);
        server.hears(&message);
        server.answer("Message sent");
        client.hears("Message sent");
    }
    let shown = violations(&node, &api, 3);
    assert_eq!(shown.len(), 3);
    for one in &shown {
        let facts = ["direction", "rule", "pointer", "action", "environment", "channel"]
            .map(|name| one[name].as_str().unwrap());
        assert_eq!(facts, ["client_receives", "not-json", "", "forwarded", "development", "/"]);
        assert_eq!(one["messages"], json!(["message"]));
        assert!(!one.to_string().contains("Message sent"), "a value is shown: {one}");
    }
    let figures = node.admin.figures().text;
    let line = |wanted: &str| {
        figures.lines().any(|line| line.starts_with("ringway_checked_messages_total{") && line.contains(wanted))
    };
    assert!(line(r#"direction="client_sends",result="valid",action="forwarded"} 3"#), "{figures}");
    assert!(line(r#"direction="client_receives",result="violation",action="forwarded"} 3"#), "{figures}");
    assert!(node.logged("messages break the contract").contains("not-json"));
}

#[test]
fn in_enforce_a_message_that_breaks_the_contract_is_refused_and_nobody_else_is_disturbed() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let (api, base) = serve(&node, "Chat", &upstream, &json!({ "client_sends": "enforce" }));
    let (mut bad, mut bads_server, ..) = through(node.external("development"), &base, &upstream);
    let (mut good, mut goods_server, ..) = through(node.external("development"), &base, &upstream);
    bad.say(r#"{"type": 5}"#);
    good.say(r#"{"type": "chat"}"#);
    goods_server.hears(r#"{"type": "chat"}"#);
    // Whatever the service says passes, and the message after the dropped one as well.
    goods_server.answer("Message sent");
    good.hears("Message sent");
    bad.say(r#"{"type": "five"}"#);
    bads_server.hears(r#"{"type": "five"}"#);
    let shown = violations(&node, &api, 1);
    let facts = ["rule", "pointer", "action"].map(|name| shown[0][name].as_str().unwrap());
    assert_eq!((shown.len(), facts), (1, ["type", "/type", "dropped"]));
    // From now on such a connection is closed; the others stay.
    let close = json!({ "client_sends": "enforce", "on_violation": "close" });
    node.admin.put(&api, &definition(&node, "Chat", &upstream, &close)).expect(200);
    node.deploy(&api, "development");
    bad.say(r#"{"type": 5}"#);
    assert_eq!(bad.close(), (Some(1008), "breaks-contract".to_owned()));
    assert_eq!(bads_server.frame().opcode(), CLOSE);
    alive_with(&mut good, &mut goods_server);
}

/// A frame without payload adds nothing to the message's length, and its header is held all the same.
#[test]
fn in_enforce_frames_without_payload_do_not_grow_what_is_held() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let modes = json!({ "client_sends": "enforce", "over_limit": "close", "max_bytes": 1024 });
    let (_, base) = serve(&node, "Chat", &upstream, &modes);
    let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
    client.send(&masked(TEXT, b"{"));
    client.send(&masked(CONTINUATION, b"").repeat(10));
    client.send(&masked(CONTINUATION | FIN, b"}"));
    let message = server.frame();
    assert_eq!((message.first, message.payload.as_slice()), (TEXT, &b"{"[..]), "a few are forwarded as they came");
    client.send(&masked(TEXT, b"{"));
    client.send(&masked(CONTINUATION, b"").repeat(1_000));
    assert_eq!(client.close(), (Some(1009), "not-checked".to_owned()));
}

fn alive_with(client: &mut Peer, server: &mut Peer) {
    client.say(r#"{"message": "still here"}"#);
    server.hears(r#"{"message": "still here"}"#);
}

#[test]
fn a_route_that_checks_messages_offers_no_extension_and_an_older_socket_with_one_comes_back_without_it() {
    let home = Home::new(&format!("drain_window_ms = 10\n{USUAL}"));
    let (node, upstream) = (home.start(), Upstream::listen());
    let (api, base) = serve(&node, "Chat", &upstream, &json!({}));
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let open = |answer: &str| {
        let mut client = Peer::connect(node.external("development"));
        client.send(client::handshake(&base, offer).as_bytes());
        let mut server = upstream.accept();
        let request = server.head();
        server.switch(&request, answer);
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        (client, server, request)
    };
    let (mut older, mut olders_server, request) = open(offer);
    assert_eq!(header(&request, "sec-websocket-extensions"), Some("permessage-deflate"));
    alive(&mut older, &mut olders_server);
    let enforce = json!({ "client_sends": "enforce" });
    node.admin.put(&api, &definition(&node, "Chat", &upstream, &enforce)).expect(200);
    node.deploy(&api, "development");
    assert_eq!(older.close(), (Some(1012), "messages are checked now".to_owned()));
    let (mut newer, mut newers_server, request) = open("");
    assert_eq!(header(&request, "sec-websocket-extensions"), None);
    alive_with(&mut newer, &mut newers_server);
    let shown = home.works(&["api", "show", "chat"]);
    assert!(shown.contains("permessage-deflate"), "{shown}");
}
