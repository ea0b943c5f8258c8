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

/// Two messages that no property tells apart.
const INDISTINCT: &str = "asyncapi: 2.6.0
info: {title: Pair, version: 1.0.0}
servers: {here: {url: 'wss://chat.example', protocol: wss}}
channels: {/: {publish: {message: {oneOf: [{name: a, payload: {required: [x]}}, {name: b, payload: {required: [y]}}]}}}}
";

#[test]
fn in_enforce_a_message_that_fits_several_passes_and_one_that_fits_none_does_not() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let policies = json!({ "validation": { "client_sends": "enforce" } });
    let api = node.make_with(&channels(&upload(&node, INDISTINCT), &upstream, &policies));
    node.deploy(&api, "development");
    let base = node.admin.get(&api).expect(200)["base_path"].as_str().unwrap().to_owned();
    let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
    for message in [r#"{"x": 1, "y": 2}"#, r#"{"z": 3}"#, r#"{"x": 4}"#] {
        client.say(message);
    }
    server.hears(r#"{"x": 1, "y": 2}"#);
    server.hears(r#"{"x": 4}"#);
    let shown = violations(&node, &api, 2);
    let mut facts: Vec<[&str; 2]> =
        shown.iter().map(|one| ["rule", "action"].map(|name| one[name].as_str().unwrap())).collect();
    facts.sort_unstable();
    assert_eq!(facts, [["matches-several", "forwarded"], ["required", "dropped"]]);
}

/// Two channels whose clients send objects with a text.
const CHANNELS: &str = "asyncapi: 2.6.0
info: {title: Rooms, version: 1.0.0}
servers: {here: {url: 'wss://chat.example', protocol: wss}}
channels:
  /rooms/{id}: {parameters: {id: {schema: {type: string}}}, publish: {message: {$ref: '#/components/messages/say'}}}
  /news.json: {publish: {message: {$ref: '#/components/messages/say'}}}
components: {messages: {say: {payload: {type: object, properties: {text: {type: string}}}}}}
";

/// The definition of an API with both channels and these policies.
fn channels(contract: &Value, upstream: &Upstream, policies: &Value) -> Value {
    json!({ "name": "Rooms", "version": "1.0", "targets": [ws(upstream.address())], "contract": contract, "policies": policies })
}

/// Opens a socket that offers compression: both ends, and true if the upstream was offered it.
fn offering(node: &Node, path: &str, upstream: &Upstream) -> (Peer, Peer, bool) {
    let mut client = Peer::connect(node.external("development"));
    client.send(client::handshake(path, "Sec-WebSocket-Extensions: permessage-deflate\r\n").as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    (client, server, header(&request, "sec-websocket-extensions").is_some())
}

#[test]
fn a_channel_has_validation_of_its_own_and_the_others_keep_their_extensions() {
    let home = Home::new(USUAL);
    let (node, upstream) = (home.start(), Upstream::listen());
    let contract = upload(&node, CHANNELS);
    let enforce = |path: &str| json!({ "channels": { path: { "validation": { "client_sends": "enforce" } } } });
    let api = node.make_with(&channels(&contract, &upstream, &enforce("/rooms/{id}")));
    node.deploy(&api, "development");
    let base = node.admin.get(&api).expect(200)["base_path"].as_str().unwrap().to_owned();
    let (mut room, mut rooms_server, is_offered) = offering(&node, &format!("{base}/rooms/1"), &upstream);
    assert!(!is_offered);
    let (mut news, mut news_server, is_offered) = offering(&node, &format!("{base}/news.json"), &upstream);
    assert!(is_offered);
    let shown = home.works(&["api", "show", "rooms"]);
    let line = |path: &str| shown.lines().find(|line| line.contains(path)).unwrap_or_else(|| panic!("{path}: {shown}"));
    assert!(line(" /rooms/{id}").contains("no permessage-deflate"), "{shown}");
    assert!(line(" /news.json").ends_with("any"), "{shown}");
    // Dropped in the one channel and not in the other.
    room.say(r#"{"text": 5}"#);
    room.say(r#"{"text": "on"}"#);
    rooms_server.hears(r#"{"text": "on"}"#);
    news.say(r#"{"text": 5}"#);
    news_server.hears(r#"{"text": 5}"#);
    // A change reaches the open connections of both.
    let mut turned = channels(&contract, &upstream, &enforce("/news.json"));
    turned.as_object_mut().unwrap().remove("version");
    node.admin.put(&api, &turned).expect(200);
    node.deploy(&api, "development");
    room.say(r#"{"text": 6}"#);
    rooms_server.hears(r#"{"text": 6}"#);
    news.say(r#"{"text": 6}"#);
    news.say(r#"{"text": "on"}"#);
    news_server.hears(r#"{"text": "on"}"#);
}

#[test]
fn an_environment_and_the_node_decide_about_a_channel_and_the_layer_is_shown() {
    let home = Home::new(&format!("validation.client_receives = \"report\"{USUAL}validation.client_sends = \"off\"\n"));
    let (node, upstream) = (home.start(), Upstream::listen());
    let contract = upload(&node, CHANNELS);
    let policies =
        json!({ "channels": { "/news.json": { "validation": { "client_sends": "enforce", "max_bytes": 9 } } } });
    let api = node.make_with(&channels(&contract, &upstream, &policies));
    for environment in ["development", "production"] {
        node.deploy(&api, environment);
    }
    let effective = |environment: &str| {
        let text = home.works(&["api", "show", "rooms", "--effective", "--env", environment]);
        move |name: &str| {
            let name = format!("channels./news.json.validation.{name} ");
            let line = text.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("{name}: {text}"));
            line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
        }
    };
    let (development, production) = (effective("development"), effective("production"));
    assert_eq!(development("client_sends"), ["enforce", "channel"]);
    assert_eq!(development("client_receives"), ["report", "node"]);
    assert_eq!(production("client_sends"), ["off", "environment"]);
    assert_eq!(production("max_bytes"), ["9", "channel"]);
    let answer = node.admin.get(&format!("{api}/policies?environment=production")).expect(200);
    assert_eq!(answer["channels"][0]["channel"], "/news.json");
    assert_eq!(answer["channels"][0]["policies"].as_array().unwrap().len(), 5);
    // The node's policy takes the extensions out of the offer of every channel.
    let shown = node.admin.get(&api).expect(200);
    assert_eq!(shown["deployments"][0]["channels"]["checked"], json!(["/rooms/{id}", "/news.json"]));
}

#[test]
fn policies_of_a_channel_are_named_alike_everywhere_and_an_unknown_channel_is_refused_with_the_nearest() {
    let home = Home::new(USUAL);
    let (node, upstream) = (home.start(), Upstream::listen());
    let contract = home.file("rooms.yaml");
    std::fs::write(&contract, CHANNELS).unwrap();
    let (target, contract) = (ws(upstream.address()), contract.to_str().unwrap().to_owned());
    let policy = "channels./news.json.validation.client_sends=report";
    let create = ["api", "create", "--name", "Rooms", "--version", "1.0", "--target", &target, "--contract", &contract];
    home.works(&[&create[..], &["--policy", policy]].concat());
    let file = home.file("two.yaml");
    let document = format!(
        "apiVersion: ringway/v1\nkind: Api\nname: Rooms\nversion: '2.0'\ntargets: [{target}]\ncontract: rooms.yaml\npolicies:\n  \
         channels:\n    /news.json: {{validation: {{client_sends: report}}}}\n"
    );
    std::fs::write(&file, &document).unwrap();
    home.works(&["apply", "-f", file.to_str().unwrap()]);
    let policies =
        |version: &str| node.admin.get(&format!("/apis/default/rooms/{version}")).expect(200)["policies"].clone();
    assert_eq!(
        policies("1.0"),
        json!({ "channels": { "/news.json": { "validation": { "client_sends": "report" } } } })
    );
    assert_eq!(policies("2.0"), policies("1.0"));
    let all = home.file("exported");
    home.works(&["export", "--dir", all.to_str().unwrap()]);
    assert_eq!(home.works(&["diff", "-f", all.to_str().unwrap()]), "");
    // A channel that the contract does not have.
    let unknown = "channels./new.json.validation.client_sends=report";
    let (code, _, said) = home.run(&["api", "update", "rooms:1.0", "--policy", unknown]);
    assert!(code != 0 && said.contains("did you mean `/news.json`?"), "{code}: {said}");
    std::fs::write(&file, document.replace("/news.json:", "/new.json:")).unwrap();
    let (code, _, said) = home.run(&["apply", "-f", file.to_str().unwrap()]);
    assert!(code != 0 && said.contains("policies.channels./new.json: the contract has no channel"), "{code}: {said}");
    // Without its contract the API has no channels.
    let (code, _, said) = home.run(&["api", "contract", "remove", "rooms:1.0", "--yes"]);
    assert!(code != 0 && said.contains("the API has no contract, and so no channels"), "{code}: {said}");
    home.works(&["api", "update", "rooms:1.0", "--policy", "channels./news.json.validation.client_sends="]);
    assert_eq!(policies("1.0"), json!({}));
    home.works(&["api", "contract", "remove", "rooms:1.0", "--yes"]);
}
