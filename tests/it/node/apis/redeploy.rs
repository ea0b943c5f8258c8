//! The effect of a new deployment on live connections: none while their target stays, otherwise 1012 to the client
//! and 1001 to the upstream.

use serde_json::{Value, json};

use crate::harness::node::{Home, Node, USUAL, alive, refuses, through, told, ws};
use crate::harness::{Upstream, nobody, until};

/// Changes are told at once.
const AT_ONCE: &str = "drain_window_ms = 1";

fn define(node: &Node, api: &str, targets: &[&Upstream], description: &str) {
    let targets: Vec<String> = targets.iter().map(|upstream| ws(upstream.address())).collect();
    node.admin.put(api, &json!({ "name": "Chat", "targets": targets, "description": description })).expect(200);
}

#[test]
fn with_the_same_target_nobody_notices() {
    let (node, upstream) = (Node::start(AT_ONCE), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
    for round in 0..5 {
        define(&node, &api, &[&upstream], &format!("round {round}"));
        assert_eq!(node.deploy(&api, "development")["revision"], 2 + round);
        alive(&mut client, &mut server);
    }
    assert!(client.is_quiet() && server.is_quiet());
}

#[test]
fn a_definition_alone_changes_nothing_that_runs() {
    let (node, old, new) = (Node::start(AT_ONCE), Upstream::listen(), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(old.address())]);
    let (mut client, mut server, ..) = through(node.external("development"), &base, &old);
    define(&node, &api, &[&new], "");
    alive(&mut client, &mut server);
    let (mut second, mut second_server, ..) = through(node.external("development"), &base, &old);
    alive(&mut second, &mut second_server);
}

#[test]
fn with_another_target_the_old_connections_end_and_new_ones_go_there() {
    let (node, old, new) = (Node::start(AT_ONCE), Upstream::listen(), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(old.address())]);
    let (client, server, ..) = through(node.external("development"), &base, &old);
    define(&node, &api, &[&new], "");
    assert_eq!(node.deploy(&api, "development")["revision"], 2);
    told(client, server, (1012, 1001));
    let (mut client, mut server, ..) = through(node.external("development"), &base, &new);
    alive(&mut client, &mut server);
    drop((client, server));
    node.settles();
    node.logged("end=\"drained: API has another target\"");
}

#[test]
fn of_several_targets_only_those_that_are_gone_lose_their_connections() {
    let node = Node::start(AT_ONCE);
    let [one, two, three] = [(); 3].map(|()| Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(one.address()), ws(two.address())]);
    let at = node.external("development");
    // Taken in turn, by shards each for itself.
    let (mut ones, mut twos) = (Vec::new(), Vec::new());
    while ones.is_empty() || twos.is_empty() {
        let mut client = crate::harness::Peer::connect(at);
        client.send(crate::harness::client::handshake(&base, "").as_bytes());
        let (is_one, stream) = until("one of them is dialled", || {
            let one = one.try_accept().map(|stream| (true, stream));
            one.or_else(|| two.try_accept().map(|stream| (false, stream)))
        });
        let mut server = crate::harness::Peer::over(stream);
        let request = server.head();
        server.switch(&request, "");
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        if is_one { ones.push((client, server)) } else { twos.push((client, server)) }
    }
    define(&node, &api, &[&three, &two], "");
    node.deploy(&api, "development");
    for (client, server) in ones {
        told(client, server, (1012, 1001));
    }
    for (client, server) in &mut twos {
        alive(client, server);
    }
}

#[test]
fn promotion_keeps_the_target_or_takes_a_new_one() {
    let (node, dev, prod) = (Node::start(AT_ONCE), Upstream::listen(), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(dev.address())]);
    let promote = |targets: Option<Value>| {
        let mut body = json!({ "from": "development", "to": "production" });
        if let Some(targets) = targets {
            body["targets"] = targets;
        }
        let answer = node.admin.post(&format!("{api}/promote"), &body);
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
        answer.json
    };
    let kept = promote(None);
    assert_eq!((&kept["revision"], &kept["targets"]), (&json!(1), &Value::Null));
    let (client, server, ..) = through(node.external("production"), &base, &dev);
    let (mut other, mut other_server, ..) = through(node.external("development"), &base, &dev);
    let own = promote(Some(json!([ws(prod.address())])));
    assert_eq!((&own["revision"], &own["targets"]), (&json!(1), &json!([ws(prod.address())])));
    told(client, server, (1012, 1001));
    alive(&mut other, &mut other_server);
    let (mut client, mut server, ..) = through(node.external("production"), &base, &prod);

    // What the environment has of its own it keeps when it is deployed to; when it is promoted to it gets what was tried.
    define(&node, &api, &[&dev], "two");
    let again = node.deploy(&api, "production");
    assert_eq!((&again["revision"], &again["targets"]), (&json!(2), &json!([ws(prod.address())])));
    alive(&mut client, &mut server);
    let back = promote(None);
    assert_eq!((&back["revision"], &back["targets"]), (&json!(1), &Value::Null));
    told(client, server, (1012, 1001));

    let wrong = json!({ "from": "production", "to": "development" });
    node.admin.post(&format!("{api}/promote"), &wrong).refused(409, "promotion-order");
    let nothing = node.make("Nothing", &[ws(dev.address())]);
    let promotion = json!({ "from": "development", "to": "production" });
    node.admin.post(&format!("{nothing}/promote"), &promotion).refused(409, "not-deployed");
}

#[test]
fn an_environment_s_own_targets_are_promoted_as_its_own() {
    let (node, dev) = (Node::start(AT_ONCE), Upstream::listen());
    let api = node.make("Chat", &["ws://127.0.0.1:9".to_owned()]);
    let own = json!({ "targets": [ws(dev.address())] });
    node.admin.put(&format!("{api}/deployments/development"), &own).expect(201);
    let promotion = json!({ "from": "development", "to": "production" });
    let promoted = node.admin.post(&format!("{api}/promote"), &promotion).expect(201);
    assert_eq!(promoted["targets"], own["targets"]);
    let (mut client, mut server, ..) = through(node.external("production"), "/default/chat/v1.0", &dev);
    alive(&mut client, &mut server);
    // An empty list goes back to the revision's.
    let back = node.admin.put(&format!("{api}/deployments/production"), &json!({ "targets": [] })).expect(200);
    assert_eq!((&back["targets"], &back["effective_targets"]), (&Value::Null, &json!(["ws://127.0.0.1:9"])));
    told(client, server, (1012, 1001));
}

#[test]
fn going_back_runs_the_revision_that_is_named() {
    let (node, old, new) = (Node::start(AT_ONCE), Upstream::listen(), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(old.address())]);
    define(&node, &api, &[&new], "two");
    node.deploy(&api, "development");
    let (client, server, ..) = through(node.external("development"), &base, &new);
    let rollback = format!("{api}/deployments/development/rollback");
    assert_eq!(node.admin.post(&rollback, &json!({ "revision": 1 })).expect(200)["revision"], 1);
    told(client, server, (1012, 1001));
    let (mut client, mut server, ..) = through(node.external("development"), &base, &old);
    alive(&mut client, &mut server);
    node.admin.post(&rollback, &json!({ "revision": 3 })).refused(422, "fields-invalid");
    alive(&mut client, &mut server);
    let revisions = node.admin.all(&format!("{api}/revisions"));
    assert_eq!(revisions.iter().map(|it| it["number"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(revisions[1]["definition"]["targets"], json!([ws(old.address())]));
    assert_eq!(
        node.admin.get(&api).expect(200)["targets"],
        json!([ws(new.address())]),
        "the definition is not gone back"
    );
}

#[test]
fn variables_of_the_environment_stand_in_targets_and_nowhere_else() {
    let (dev, prod) = (Upstream::listen(), Upstream::listen());
    let configuration = format!(
        "{}\n[environments.variables]\nBACKEND = \"{}\"\nKEY = \"s3cr3t\"\n",
        USUAL.replace(
            "[[environments]]\nname = \"production\"",
            &format!(
                "[environments.variables]\nBACKEND = \"{}\"\n[[environments]]\nname = \"production\"",
                dev.address()
            )
        ),
        prod.address(),
    );
    let home = Home::new(&configuration);
    let node = home.start();
    let api = node.make("Chat", &["ws://${BACKEND}/base".to_owned()]);
    node.deploy(&api, "development");
    let promotion = json!({ "from": "development", "to": "production" });
    let promoted = node.admin.post(&format!("{api}/promote"), &promotion).expect(201);
    assert_eq!(promoted["effective_targets"], json!(["ws://${BACKEND}/base"]));
    for (environment, upstream) in [("development", &dev), ("production", &prod)] {
        let (mut client, mut server, request, _) =
            through(node.external(environment), "/default/chat/v1.0/room", upstream);
        assert!(request.starts_with("GET /base/room HTTP/1.1\r\n"), "{request}");
        alive(&mut client, &mut server);
    }
    let own = json!({ "targets": ["ws://${BACKEND}/${KEY}"] });
    let missing = node.admin.put(&format!("{api}/deployments/development"), &own).refused(422, "fields-invalid");
    assert_eq!(missing["errors"][0]["field"], "targets[0]");
    assert!(missing["detail"].as_str().unwrap().contains("KEY"), "{missing}");
    node.admin.put(&format!("{api}/deployments/production"), &own).expect(200);
    let (_client, _server, request, _) = through(node.external("production"), "/default/chat/v1.0", &prod);
    assert!(request.starts_with("GET /s3cr3t HTTP/1.1\r\n"), "{request}");
    let shown = node.admin.get("/environments/production").expect(200);
    assert_eq!(shown["variables"], json!(["BACKEND", "KEY"]));
    let everything = ["/environments", "/audit", "/apis", "/snapshot", "/health", "/connections"]
        .map(|path| node.admin.get(path).text)
        .concat();
    until("the last good snapshot is kept", || home.file("snapshot.json").exists().then_some(()));
    let kept = std::fs::read_to_string(home.file("snapshot.json")).unwrap();
    for (what, text) in [("answers", everything), ("the log", node.log()), ("the snapshot", kept)] {
        assert!(!text.contains("s3cr3t"), "{what}: {text}");
    }
}

#[test]
fn nothing_is_deployed_half() {
    let (node, upstream) = (Node::start(AT_ONCE), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
    let before = (node.admin.get(&api).text, node.admin.all("/audit").len());
    let bad = json!({ "targets": [ws(upstream.address()), "ws://${MISSING}"] });
    let problem = node.admin.put(&format!("{api}/deployments/development"), &bad).refused(422, "fields-invalid");
    assert_eq!(problem["errors"][0]["field"], "targets[1]");
    node.admin.put(&format!("{api}/deployments/staging"), &json!({})).refused(404, "environment-not-found");
    node.admin.put(&format!("{api}/deployments/development"), &json!({ "revision": 9 })).refused(422, "fields-invalid");
    assert_eq!((node.admin.get(&api).text, node.admin.all("/audit").len()), before);
    alive(&mut client, &mut server);
    refuses(node.external("production"), &base, 404, "route-not-found");
}

#[test]
fn a_dead_endpoint_is_passed_over() {
    let (node, upstream) = (Node::start(AT_ONCE), Upstream::listen());
    let (_held, dead) = nobody();
    let (_, base) = node.serve("Chat", &[ws(dead), ws(upstream.address())]);
    for _ in 0..6 {
        let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
        alive(&mut client, &mut server);
    }
    let (_, alone) = node.serve("Dead", &[ws(dead)]);
    refuses(node.external("development"), &alone, 502, "upstream-unreachable");
}
