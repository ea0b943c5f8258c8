//! From nothing to a published API: what is answered on the way, what is served, and what the audit tells of it.

use serde_json::{Value, json};

use crate::harness::node::{Home, Node, USUAL, alive, refuses, through, ws};
use crate::harness::{EchoServer, Upstream, client, until};

fn field<'a>(items: &'a [Value], name: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[name].as_str().unwrap()).collect()
}

#[test]
fn an_api_is_made_deployed_and_chatted_through() {
    let (node, server) = (Node::start(""), EchoServer::start());
    let admin = node.admin.named("ada");
    let new = json!({ "name": "Chat App API", "version": "1.0", "targets": [ws(server.address())] });
    let made = admin.post("/apis", &new);
    assert_eq!(made.header("location"), Some("/api/v1/apis/default/chat-app-api/1.0"));
    let made = made.expect(201);
    assert_eq!(made["base_path"], "/default/chat-app-api/v1.0");
    assert_eq!(
        (&made["lifecycle"], &made["access"], &made["type"]),
        (&json!("Created"), &json!("external"), &json!("WebSocket"))
    );
    assert_eq!(
        (&made["created_by"], &made["latest_revision"], &made["deployments"]),
        (&json!("admin (ada)"), &Value::Null, &json!([]))
    );
    let (api, base) = ("/apis/default/chat-app-api/1.0", "/default/chat-app-api/v1.0");
    refuses(node.external("development"), base, 404, "route-not-found");
    admin.post("/apis", &new).refused(409, "api-exists");

    let deployed = admin.put(&format!("{api}/deployments/development"), &json!({})).expect(201);
    assert_eq!(
        (&deployed["revision"], &deployed["status"], &deployed["targets"]),
        (&json!(1), &json!("running"), &Value::Null)
    );
    let url = deployed["url"].as_str().unwrap();
    assert_eq!(url, format!("ws://{}{base}", node.external("development")));
    let mut socket = client::connect_path(node.external("development"), base);
    for text in ["hello", "", "жук"] {
        socket.send(text.into()).unwrap();
        assert_eq!(socket.read().unwrap().into_text().unwrap(), text);
    }
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    drop(socket);
    refuses(node.external("production"), base, 404, "route-not-found");

    let audit = node.admin.all("/audit");
    assert_eq!(field(&audit, "action"), ["api.deploy", "api.create", "project.create"]);
    assert_eq!((field(&audit, "who"), field(&audit, "client_name")), (vec!["admin"; 3], vec!["ada"; 3]));
    assert_eq!(audit[0]["subject"], "default/chat-app-api:1.0 @development");
    assert_eq!(audit[0]["before"], Value::Null);
    assert_eq!(audit[0]["after"]["revision"], 1);
    node.settles();
}

#[test]
fn an_api_goes_from_development_to_consumers() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    let promotion = json!({ "from": "development", "to": "production" });
    node.admin.post(&format!("{api}/promote"), &promotion).expect(201);
    let (mut client, mut server, ..) = through(node.external("production"), &base, &upstream);
    alive(&mut client, &mut server);

    node.turn(&api, "Pre-released");
    let wrong = json!({ "state": "Published", "production_targets": ["ws://elsewhere"] });
    node.admin.put(&format!("{api}/lifecycle"), &wrong).refused(409, "targets-differ");
    let right = json!({
        "state": "Published", "display_name": "Chat for all", "production_targets": [ws(upstream.address())],
    });
    let life = node.admin.put(&format!("{api}/lifecycle"), &right).expect(200);
    assert_eq!((&life["state"], life["warnings"].as_array().unwrap().len()), (&json!("Published"), 1));
    assert!(life["warnings"][0].as_str().unwrap().starts_with("Everybody may connect"), "{life}");
    let steps: Vec<_> = life["history"].as_array().unwrap().iter().map(|step| (&step["from"], &step["to"])).collect();
    assert_eq!(steps, [(&json!("Created"), &json!("Pre-released")), (&json!("Pre-released"), &json!("Published"))]);
    let shown = node.admin.get(&api).expect(200);
    assert_eq!((&shown["display_name"], &shown["lifecycle"]), (&json!("Chat for all"), &json!("Published")));
    let problem = node
        .admin
        .put(&format!("{api}/lifecycle"), &json!({ "state": "Retired" }))
        .refused(409, "lifecycle-not-allowed");
    assert!(problem["detail"].as_str().unwrap().contains("Deprecated"), "{problem}");
    // None of it has touched who was there.
    alive(&mut client, &mut server);
}

#[test]
fn publishing_what_consumers_cannot_reach_is_warned_of() {
    let node = Node::start("");
    let api = node.make("Chat", &["ws://127.0.0.1:9".to_owned()]);
    let life = node.turn(&api, "Published");
    assert!(life["warnings"][0].as_str().unwrap().contains("production"), "{life}");
}

#[test]
fn what_was_read_and_changed_since_is_not_overwritten() {
    let node = Node::start("");
    let api = node.make("Chat", &["ws://127.0.0.1:9".to_owned()]);
    let tag = node.admin.get(&api).header("etag").unwrap().to_owned();
    let change = |name: &str, lines: &str| {
        let body = json!({ "name": name, "targets": ["ws://127.0.0.1:9"] }).to_string();
        let lines = format!("Content-Type: application/json\r\n{lines}");
        node.admin.try_send_raw("PUT", &api, &lines, body.as_bytes()).unwrap()
    };
    let first = change("One", &format!("If-Match: {tag}\r\n"));
    let newer = first.header("etag").unwrap().to_owned();
    first.expect(200);
    change("Two", &format!("If-Match: {tag}\r\n")).refused(412, "condition-failed");
    change("Three", "If-None-Match: *\r\n").refused(412, "condition-failed");
    assert_eq!(node.admin.get(&api).expect(200)["name"], "One");
    let read = node.admin.try_send_raw("GET", &api, &format!("If-None-Match: {newer}\r\n"), b"").unwrap();
    // The tag is of what is stored, and an answer shows more: a reader is never told that nothing changed.
    assert_eq!(read.status, 200);
    // A deployment is a change of its API.
    node.deploy(&api, "development");
    change("Four", &format!("If-Match: {newer}\r\n")).refused(412, "condition-failed");
}

#[test]
fn twice_is_as_once() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
    let entries = node.admin.all("/audit").len();
    let snapshot = node.admin.get("/snapshot").expect(200)["number"].clone();
    let definition = json!({ "name": "Chat", "targets": [ws(upstream.address())] });
    node.admin.put(&api, &definition).expect(200);
    let deployment = format!("{api}/deployments/development");
    assert_eq!(node.admin.put(&deployment, &json!({})).expect(200)["revision"], 1);
    assert_eq!(node.admin.put(&deployment, &json!({ "revision": 1 })).expect(200)["revision"], 1);
    node.admin.send("POST", &format!("{deployment}/start"), None).expect(200);
    assert_eq!(node.admin.delete(&format!("{api}/deployments/production")).status, 204);
    assert_eq!(node.admin.delete("/apis/default/nothing/1.0").status, 204);
    assert_eq!(node.admin.all("/audit").len(), entries, "nothing happened");
    assert_eq!(node.admin.get("/snapshot").expect(200)["number"], snapshot, "nothing was published");
    alive(&mut client, &mut server);
    assert_eq!(node.admin.all(&format!("{api}/revisions")).len(), 1);
}

#[test]
fn what_was_acknowledged_is_served_after_a_restart() {
    let upstream = Upstream::listen();
    let home = Home::new(USUAL);
    let node = home.start();
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    let (stopped, _) = node.serve("Stopped", &[ws(upstream.address())]);
    node.admin.send("POST", &format!("{stopped}/deployments/development/stop"), None).expect(200);
    node.turn(&api, "Published");
    node.turn(&api, "Deprecated");
    let before = node.admin.all("/apis");
    node.stop();
    assert!(!home.file("admin.addr").exists(), "it says where a node was");
    let node = home.start();
    let address = std::fs::read_to_string(home.file("admin.addr")).unwrap();
    assert_eq!(address.trim(), node.admin.address().to_string());
    // All but the ports, which are others now.
    let plain = |apis: Vec<Value>| {
        let mut apis = json!(apis);
        for api in apis.as_array_mut().unwrap() {
            api["deployments"].as_array_mut().unwrap().iter_mut().for_each(|one| one["url"] = Value::Null);
        }
        apis
    };
    assert_eq!(plain(node.admin.all("/apis")), plain(before));
    let (mut client, mut server, _, answer) = through(node.external("development"), &base, &upstream);
    alive(&mut client, &mut server);
    assert!(answer.contains("\r\nDeprecation: @"), "{answer}");
    refuses(node.external("development"), "/default/stopped/v1.0", 503, "api-stopped");
}

#[test]
fn a_change_is_in_force_everywhere_when_it_is_answered() {
    let (node, server) = (Node::start("drain_window_ms = 1"), EchoServer::start());
    let (api, base) = node.serve("Chat", &[ws(server.address())]);
    let turn = |what: &str| {
        node.admin.send("POST", &format!("{api}/deployments/development/{what}"), None).expect(200);
    };
    // Connections go to any shard: one that lags would show in a few of so many.
    for _ in 0..10 {
        turn("stop");
        for _ in 0..8 {
            refuses(node.external("development"), &base, 503, "api-stopped");
        }
        turn("start");
        for _ in 0..8 {
            drop(client::connect_path(node.external("development"), &base));
        }
    }
    let snapshot = node.admin.get("/snapshot").expect(200);
    assert_eq!((&snapshot["everywhere"], &snapshot["deployed"]), (&json!(true), &json!(1)));
    node.settles();
}

#[test]
fn live_connections_are_listed_and_closed_by_name() {
    let (node, upstream) = (Node::start("drain_window_ms = 1"), Upstream::listen());
    let (_, chat) = node.serve("Chat", &[ws(upstream.address())]);
    let (_, news) = node.serve("News", &[ws(upstream.address())]);
    let at = node.external("development");
    let (first, first_server, ..) = through(at, &chat, &upstream);
    let (second, second_server, ..) = through(at, &chat, &upstream);
    let (mut third, mut third_server, ..) = through(at, &format!("{news}/room?token=secret"), &upstream);
    third.say("one");
    third_server.hears("one");
    let listed = node.admin.all("/connections?api=default/news:1.0&environment=development&client=127.0.0.1");
    assert_eq!(listed.len(), 1, "{listed:?}");
    let shown = &listed[0];
    assert_eq!(shown["client"], third.stream.local_addr().unwrap().to_string());
    assert_eq!((&shown["path"], &shown["stage"]), (&json!(format!("{news}/room")), &json!("open")));
    assert_eq!((&shown["messages"]["from_client"], &shown["bytes"]["from_client"]), (&json!(1), &json!(9)));
    assert!(!shown.to_string().contains("secret"));
    // In pages of one, every one of them once.
    let mut pages = vec![node.admin.get("/connections?limit=1").expect(200)];
    while let Some(cursor) = pages.last().unwrap()["next"].as_str() {
        pages.push(node.admin.get(&format!("/connections?limit=1&cursor={cursor}")).expect(200));
    }
    let ids: std::collections::BTreeSet<_> =
        pages.iter().flat_map(|page| page["items"].as_array().unwrap()).map(|it| it["id"].to_string()).collect();
    assert_eq!(ids.len(), 3, "{pages:?}");

    let is_first = |it: &&Value| it["client"] == first.stream.local_addr().unwrap().to_string();
    let id = node.admin.all("/connections").iter().find(is_first).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(node.admin.delete(&format!("/connections/{id}")).status, 204);
    crate::harness::node::told(first, first_server, (1001, 1001));
    until("it is gone", || (node.admin.delete(&format!("/connections/{id}")).status == 404).then_some(()));
    let closing = node.admin.post("/connections/close", &json!({ "api": "default/chat:1.0" })).expect(200);
    assert_eq!(closing, json!({ "closing": 1 }));
    crate::harness::node::told(second, second_server, (1001, 1001));
    alive(&mut third, &mut third_server);
    let audit = node.admin.all("/audit");
    assert_eq!(field(&audit[..2], "action"), ["connections.close"; 2]);
    assert_eq!(audit[0]["subject"], "default/chat:1.0");
    drop((third, third_server));
    node.settles();
}
