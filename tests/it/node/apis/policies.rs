//! Policies of an API, as its users and its clients meet them: over the admin API, the command line and a document, and on
//! the wire.

use serde_json::{Value, json};

use crate::harness::frame::{CLOSE, PING};
use crate::harness::node::{Home, Node, USUAL, alive, through, ws};
use crate::harness::peer::header;
use crate::harness::{Ended, Peer, Upstream, client, until};

fn api(name: &str, upstream: &Upstream, policies: &Value) -> Value {
    json!({ "name": name, "version": "1.0", "targets": [ws(upstream.address())], "policies": policies })
}

/// Makes an API with policies, deploys it in development, and gives its path in the admin API and its base path.
fn serve(node: &Node, name: &str, upstream: &Upstream, policies: &Value) -> (String, String) {
    let api = node.make_with(&api(name, upstream, policies));
    node.deploy(&api, "development");
    let base = node.admin.get(&api).expect(200)["base_path"].as_str().unwrap().to_owned();
    (api, base)
}

#[test]
fn preserve_host_holds_for_the_api_that_names_it_and_for_no_other() {
    for (node_wide, policies, others) in
        [("false", json!({ "preserve_host": true }), false), ("true", json!({ "preserve_host": false }), true)]
    {
        let (node, upstream) = (Node::start(&format!("preserve_host = {node_wide}")), Upstream::listen());
        let (_, with) = serve(&node, "With", &upstream, &policies);
        let (_, without) = serve(&node, "Without", &upstream, &json!({}));
        let own = upstream.address().to_string();
        for (path, is_preserved) in [(&with, !others), (&without, others)] {
            let (_client, _server, request, _) = through(node.external("development"), path, &upstream);
            let expected = if is_preserved { "proxy.test" } else { own.as_str() };
            assert_eq!(header(&request, "host"), Some(expected), "{path} with {node_wide}");
        }
    }
}

#[test]
fn a9_an_upstream_that_compares_origin_with_host_stands_beside_one_that_wants_its_own_name() {
    // The rule of each upstream, as gorilla's default and as a virtual host have it: does it open a socket?
    let same_origin = |request: &str, _: &Upstream| {
        let origin = header(request, "origin").and_then(|origin| origin.strip_prefix("http://"));
        origin.is_none() || origin == header(request, "host")
    };
    let own_name =
        |request: &str, upstream: &Upstream| header(request, "host") == Some(&upstream.address().to_string());
    let node = Node::start("");
    let (strict, virtual_host) = (Upstream::listen(), Upstream::listen());
    let (api, strict_path) = serve(&node, "Strict", &strict, &json!({ "preserve_host": true }));
    let (_, virtual_path) = serve(&node, "Virtual", &virtual_host, &json!({}));
    let asks = |path: &str, upstream: &Upstream, opens: &dyn Fn(&str, &Upstream) -> bool| {
        let mut client = Peer::connect(node.external("development"));
        client.send(client::handshake(path, "Origin: http://proxy.test\r\n").as_bytes());
        let mut server = upstream.accept();
        let request = server.head();
        if opens(&request, upstream) {
            server.switch(&request, "");
            let answer = client.head();
            assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
            alive(&mut client, &mut server);
            return 101;
        }
        server.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        let answer = client.head();
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    assert_eq!(asks(&strict_path, &strict, &same_origin), 101);
    assert_eq!(asks(&virtual_path, &virtual_host, &own_name), 101);
    // Without the policy the first upstream is sent its own name, and declines.
    node.admin.put(&api, &json!({ "name": "Strict", "targets": [ws(strict.address())], "policies": {} })).expect(200);
    node.deploy(&api, "development");
    assert_eq!(asks(&strict_path, &strict, &same_origin), 403);
    // The record of it says what to look at.
    let record = node.logged("declined by upstream");
    assert!(record.contains("hint=") && record.contains("preserve_host"), "{record}");
}

#[test]
fn a22_a_403_is_explained_only_where_origin_is_not_the_host_that_was_sent() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let (_, path) = serve(&node, "Own", &upstream, &json!({}));
    let (_, preserving) = serve(&node, "Preserving", &upstream, &json!({ "preserve_host": true }));
    let own = format!("Origin: http://{}\r\n", upstream.address());
    for (number, (path, lines, status, hinted)) in [
        (&path, "Origin: http://proxy.test\r\n", 403, true),
        (&path, "Origin: null\r\n", 403, true),
        (&path, own.as_str(), 403, false),
        (&path, "", 403, false),
        (&path, "Origin: http://proxy.test\r\n", 401, false),
        (&preserving, "Origin: http://PROXY.test\r\n", 403, false),
        (&preserving, "Origin: http://evil.test\r\n", 403, true),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Peer::connect(node.external("development"));
        client.send(client::handshake(path, lines).as_bytes());
        let mut server = upstream.accept();
        server.head();
        server.send(format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n").as_bytes());
        client.rest();
        drop((client, server));
        let record = until("it is recorded", || {
            let log = node.log();
            log.lines().filter(|line| line.contains("declined by upstream")).nth(number).map(str::to_owned)
        });
        assert_eq!(record.contains(" hint="), hinted, "{lines}: {record}");
    }
}

#[test]
fn a_limit_holds_for_the_api_that_names_it_and_an_environment_decides_over_it() {
    // The last environment of the file is production.
    let configuration = format!("{USUAL}limits.max_frame_bytes = 8\n");
    let (node, upstream) = (Node::with(&configuration), Upstream::listen());
    let (small, base) = serve(&node, "Small", &upstream, &json!({ "limits": { "max_frame_bytes": 4 } }));
    let (_, free) = serve(&node, "Free", &upstream, &json!({}));
    node.deploy(&small, "production");
    let sends_five = |environment: &str, path: &str| {
        let (mut client, mut server, ..) = through(node.external(environment), path, &upstream);
        client.say("12345");
        let passed = server.frame().opcode() != CLOSE;
        if passed { None } else { client.close().0 }
    };
    assert_eq!(sends_five("development", &base), Some(1009));
    assert_eq!(sends_five("development", &free), None);
    assert_eq!(sends_five("production", &base), None);
}

#[test]
fn a_new_frame_limit_holds_for_open_connections_at_once_and_a_new_preserve_host_from_the_next_handshake() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let (path, base) = serve(&node, "Chat", &upstream, &json!({}));
    let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
    alive(&mut client, &mut server);
    let definition = json!({ "name": "Chat", "targets": [ws(upstream.address())],
        "policies": { "preserve_host": true, "limits": { "max_frame_bytes": 4 } } });
    node.admin.put(&path, &definition).expect(200);
    alive(&mut client, &mut server);
    node.deploy(&path, "development");
    let (_next, _next_server, request, _) = through(node.external("development"), &base, &upstream);
    assert_eq!(header(&request, "host"), Some("proxy.test"));
    alive(&mut client, &mut server);
    client.say("12345");
    assert_eq!(client.close().0, Some(1009));
}

#[test]
fn a_new_idle_timeout_reaches_an_open_connection() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let (path, base) = serve(&node, "Chat", &upstream, &json!({}));
    let (mut client, _server, ..) = through(node.external("development"), &base, &upstream);
    let definition = json!({ "name": "Chat", "targets": [ws(upstream.address())],
        "policies": { "limits": { "idle_timeout_ms": 100 } } });
    node.admin.put(&path, &definition).expect(200);
    node.deploy(&path, "development");
    client.say("up");
    assert_eq!(client.close().0, Some(1001));
}

#[test]
fn a16_a_close_code_for_a_lost_upstream_holds_for_the_api_that_names_it_and_for_no_other() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let (path, coded) = serve(&node, "Coded", &upstream, &json!({ "abnormal_close_code": 1012 }));
    let (_, plain) = serve(&node, "Plain", &upstream, &json!({}));
    let lost = |base: &str| {
        let (mut client, mut server, ..) = through(node.external("development"), base, &upstream);
        alive(&mut client, &mut server);
        (client, server)
    };
    let (mut client, server) = lost(&plain);
    server.reset();
    assert_eq!(client.rest(), (vec![], Ended::Reset));
    let (mut client, server) = lost(&coded);
    server.reset();
    assert_eq!(client.close(), (Some(1012), "upstream connection lost".to_owned()));
    // A connection that is open when the policy changes ends as the policy says by then.
    let (mut client, server) = lost(&coded);
    let definition = json!({ "name": "Coded", "targets": [ws(upstream.address())],
        "policies": { "abnormal_close_code": "off" } });
    node.admin.put(&path, &definition).expect(200);
    node.deploy(&path, "development");
    server.reset();
    assert_eq!(client.rest(), (vec![], Ended::Reset));
}

#[test]
fn a13_an_api_has_its_upstream_pinged_and_its_clients_not() {
    let (node, upstream) = (Node::start("limits.ping_interval_ms = 100"), Upstream::listen());
    let pings = json!({ "limits": { "ping_interval_ms": "off", "upstream_ping_interval_ms": 100 } });
    let (_, turned) = serve(&node, "Turned", &upstream, &pings);
    let (_, usual) = serve(&node, "Usual", &upstream, &json!({}));
    for (base, of_client) in [(&turned, false), (&usual, true)] {
        let (mut client, mut server, ..) = through(node.external("development"), base, &upstream);
        let (pinged, other) = if of_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
        for _ in 0..3 {
            assert_eq!(pinged.frame().opcode(), PING, "{base}");
        }
        // Nothing came to the other side before this.
        if of_client {
            pinged.say("on");
        } else {
            pinged.answer("on");
        }
        other.hears("on");
    }
}

/// Policies in every order and form that one may write.
const POLICIES: &str =
    r#"{"limits":{"idle_timeout_ms":300000,"max_message_bytes":65536,"ping_interval_ms":"off"},"preserve_host":true}"#;

#[test]
fn the_command_line_a_document_and_the_admin_api_make_the_same_revision() {
    let home = Home::new(USUAL);
    let node = home.start();
    let policies = [
        "preserve_host=true",
        "limits.idle_timeout_ms=5m",
        "limits.ping_interval_ms=off",
        "limits.max_message_bytes=64KiB",
    ];
    let flags: Vec<&str> = policies.iter().flat_map(|policy| ["--policy", policy]).collect();
    let create = ["api", "create", "--name", "Chat", "--version", "1.0", "--target", "ws://127.0.0.1:9"];
    home.works(&[&create[..], &flags].concat());
    let file = home.file("two.yaml");
    let document = "apiVersion: ringway/v1\nkind: Api\nname: Chat\nversion: '2.0'\ntargets: [ws://127.0.0.1:9]\npolicies:\n  \
        preserve_host: true\n  limits: {idle_timeout_ms: 5m, ping_interval_ms: off, max_message_bytes: 64KiB}\n";
    std::fs::write(&file, document).unwrap();
    home.works(&["apply", "-f", file.to_str().unwrap()]);
    let sent: Value = serde_json::from_str(POLICIES).unwrap();
    node.make_with(&json!({ "name": "Chat", "version": "3.0", "targets": ["ws://127.0.0.1:9"], "policies": sent }));
    let revisions = ["1.0", "2.0", "3.0"].map(|version| {
        let path = format!("/apis/default/chat/{version}");
        node.deploy(&path, "development");
        node.admin.get(&format!("{path}/revisions/1")).expect(200)["definition"].clone()
    });
    assert_eq!(revisions[0]["policies"], sent);
    assert!(revisions.iter().all(|revision| *revision == revisions[0]), "{revisions:#?}");
    // What is exported and applied again is nothing to do.
    let all = home.file("all.yaml");
    std::fs::write(&all, home.works(&["export"])).unwrap();
    assert_eq!(home.works(&["apply", "-f", all.to_str().unwrap(), "--dry-run"]), "");
    assert_eq!(home.works(&["diff", "-f", all.to_str().unwrap()]), "");
    // A policy is taken out, another changed, the rest stays.
    home.works(&["api", "update", "chat:1.0", "--policy", "preserve_host=", "--policy", "limits.idle_timeout_ms=off"]);
    let left = json!({ "limits": { "idle_timeout_ms": "off", "ping_interval_ms": "off", "max_message_bytes": 65536 } });
    assert_eq!(node.admin.get("/apis/default/chat/1.0").expect(200)["policies"], left);
}

#[test]
fn what_is_in_effect_is_shown_with_the_layer_that_decides() {
    let home = Home::new(&format!("limits.close_timeout_ms = 4000{}limits.idle_timeout_ms = 7000\n", USUAL));
    let node = home.start();
    let path = node.make_with(&json!({ "name": "Chat", "version": "1.0", "targets": ["ws://127.0.0.1:9"],
        "policies": { "preserve_host": true, "limits": { "idle_timeout_ms": 1000 } } }));
    node.deploy(&path, "production");
    home.works(&["api", "update", "chat", "--policy", "preserve_host="]);
    let shown = |more: &[&str]| home.works(&[&["api", "show", "chat", "--effective"], more].concat());
    let line = |text: &str, name: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    let now = shown(&[]);
    assert_eq!(line(&now, "preserve_host"), ["false", "node"]);
    assert_eq!(line(&now, "limits.idle_timeout_ms"), ["1000", "api"]);
    assert_eq!(line(&now, "limits.close_timeout_ms"), ["4000", "node"]);
    // The revision that runs there still has it.
    let there = shown(&["--env", "production"]);
    assert_eq!(line(&there, "preserve_host"), ["true", "api"]);
    assert_eq!(line(&there, "limits.idle_timeout_ms"), ["7000", "environment"]);
    let answer = node.admin.get(&format!("{path}/policies?environment=production")).expect(200);
    assert_eq!((&answer["environment"], &answer["revision"]), (&json!("production"), &json!(1)));
    assert_eq!(
        node.admin.get(&format!("{path}/policies?environment=nowhere")).expect(404)["code"],
        "environment-not-found"
    );
}

#[test]
fn all_faults_of_a_document_are_reported_with_their_places() {
    let home = Home::new(USUAL);
    let _node = home.start();
    let file = home.file("bad.yaml");
    let document = "apiVersion: ringway/v1\nkind: Api\nname: Chat\nversion: '1.0'\ntargets: [ftp://a]\npolicies:\n  preserve_hots: true\n  \
        limits:\n    idle_timeout_ms: 5 minutes\n    max_frame_bytes: 0\n";
    std::fs::write(&file, document).unwrap();
    let (code, _, said) = home.run(&["apply", "-f", file.to_str().unwrap()]);
    assert_eq!(code, 3, "{said}");
    for expected in [
        "bad.yaml:5:11: targets[0]: it must begin with",
        "bad.yaml:7:18: policies.preserve_hots: there is no such policy: did you mean `preserve_host`?",
        "bad.yaml:9:22: policies.limits.idle_timeout_ms: `minutes` is not a unit",
        "bad.yaml:10:22: policies.limits.max_frame_bytes: it must be more than 0",
    ] {
        assert!(said.contains(expected), "{expected}\nis not in\n{said}");
    }
}
