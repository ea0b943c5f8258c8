//! Keys from the admin API to the shards of a real node: what each change opens and ends, and what is known without the store.

use std::fs;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::node::{Home, Node, USUAL, alive, bytes, ws};
use crate::harness::{Peer, Upstream, client, until};

const APP: &str = "/applications/acme/mobile";
const SUBSCRIPTION: &str = "/applications/acme/mobile/subscriptions/default/chat/1";
const PATH: &str = "/default/chat/v1.0";

/// A node with an API that asks for a key, deployed in both environments, and an application that is subscribed to it.
fn with_keys(home: &Home) -> (Node, Upstream) {
    let (node, upstream) = (home.start(), Upstream::listen());
    let new = json!({
        "name": "Chat", "version": "1.0", "targets": [ws(upstream.address())], "policies": { "auth": { "mode": "key" } },
    });
    let api = node.make_with(&new);
    node.deploy(&api, "development");
    node.deploy(&api, "production");
    node.turn(&api, "Published");
    node.admin.post("/applications", &json!({ "consumer": "acme", "name": "mobile" })).expect(201);
    node.admin.put(SUBSCRIPTION, &json!({})).expect(201);
    (node, upstream)
}

/// Makes a key of an application in development: its number and its secret.
fn key_of(node: &Node, application: &str) -> (u64, String) {
    let made = node.admin.post(&format!("{application}/keys"), &json!({ "environment": "development" })).expect(201);
    (made["id"].as_u64().unwrap(), made["secret"].as_str().unwrap().to_owned())
}

fn with(secret: &str) -> String {
    format!("X-API-Key: {secret}\r\n")
}

/// A client with a key is refused: the status and code.
#[track_caller]
fn refused(at: SocketAddr, path: &str, secret: &str) -> (u16, String) {
    let mut client = Peer::connect(at);
    client.send(client::handshake(path, &with(secret)).as_bytes());
    let head = client.head();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert_ne!(status, 101, "{head}");
    let (body, _) = client.rest();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

/// Both ends of a connection that a key opens.
#[track_caller]
fn opened(at: SocketAddr, upstream: &Upstream, secret: &str) -> (Peer, Peer) {
    let mut client = Peer::connect(at);
    client.send(client::handshake(PATH, &with(secret)).as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    assert!(!request.contains(secret), "the key went upstream: {request}");
    server.switch(&request, "");
    let answer = client.head();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    (client, server)
}

/// The close code that a client gets.
#[track_caller]
fn told(mut both: (Peer, Peer)) -> u16 {
    both.0.close().0.expect("a code")
}

#[test]
fn a_key_opens_what_its_application_has_subscribed_to_in_its_environment() {
    let home = Home::new(USUAL);
    let (node, upstream) = with_keys(&home);
    let at = node.external("development");
    let (_, secret) = key_of(&node, APP);
    let (mut client, mut server) = opened(at, &upstream, &secret);
    alive(&mut client, &mut server);
    assert_eq!(refused(node.external("production"), PATH, &secret), (401, "credential-invalid".to_owned()));
    assert_eq!(refused(at, PATH, &format!("rwk_{}", "A".repeat(43))), (401, "credential-invalid".to_owned()));
    // Another application, without a subscription.
    node.admin.post("/applications", &json!({ "consumer": "acme", "name": "other" })).expect(201);
    let (_, other) = key_of(&node, "/applications/acme/other");
    assert_eq!(refused(at, PATH, &other).0, 403);
    // A later minor version is the same family.
    let new = json!({
        "name": "Chat", "version": "1.1", "targets": [ws(upstream.address())], "policies": { "auth": { "mode": "key" } },
    });
    let later = node.make_with(&new);
    node.deploy(&later, "development");
    let mut client = Peer::connect(at);
    client.send(client::handshake("/default/chat/v1.1", &with(&secret)).as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert!(!node.log().contains(&secret[12..]));
}

#[test]
fn each_change_ends_the_connections_that_lost_their_right_and_no_other() {
    let home = Home::new(USUAL);
    let (node, upstream) = with_keys(&home);
    let at = node.external("development");
    let (stays_id, stays) = key_of(&node, APP);
    let mut other = opened(at, &upstream, &stays);

    let (id, secret) = key_of(&node, APP);
    let open = opened(at, &upstream, &secret);
    node.admin.delete(&format!("/keys/{id}")).expect(204);
    assert_eq!(refused(at, PATH, &secret).0, 401, "in force when it is answered");
    assert_eq!(told(open), 3000);
    alive(&mut other.0, &mut other.1);

    // A rotation ends the old key's connections when the overlap is over.
    let (id, secret) = key_of(&node, APP);
    let open = opened(at, &upstream, &secret);
    let new = node.admin.post(&format!("/keys/{id}/rotate"), &json!({ "overlap_s": 2 })).expect(201);
    let new = opened(at, &upstream, new["secret"].as_str().unwrap());
    assert_eq!(told(open), 3000);
    assert_eq!(refused(at, PATH, &secret).0, 401);
    alive(&mut other.0, &mut other.1);
    let open = opened(at, &upstream, &stays);
    node.admin.post(&format!("/keys/{stays_id}/rotate"), &json!({ "overlap_s": 0 })).expect(201);
    assert_eq!(told(open), 3000, "at once");
    assert_eq!(told(other), 3000);

    let mut other = new;
    alive(&mut other.0, &mut other.1);
    for (path, blocked, active) in [
        ("/plans/default", json!({ "status": "blocked" }), json!({})),
        (SUBSCRIPTION, json!({ "status": "blocked" }), json!({})),
        (APP, json!({ "status": "blocked" }), json!({})),
    ] {
        let (_, secret) = key_of(&node, APP);
        let open = opened(at, &upstream, &secret);
        node.admin.put(path, &blocked).expect(200);
        assert_eq!(refused(at, PATH, &secret).0, 403, "{path}");
        assert_eq!(told(open), 3003, "{path}");
        node.admin.put(path, &active).expect(200);
        let (mut client, mut server) = opened(at, &upstream, &secret);
        alive(&mut client, &mut server);
    }
    let (_, secret) = key_of(&node, APP);
    let open = opened(at, &upstream, &secret);
    node.admin.delete(APP).expect(204);
    assert_eq!(refused(at, PATH, &secret).0, 401);
    assert_eq!(told(open), 3000);
}

#[test]
fn without_its_store_a_node_knows_every_key_and_every_revocation_and_never_serves_open() {
    let home = Home::new(USUAL);
    let (node, upstream) = with_keys(&home);
    let at = |node: &Node| node.external("development");
    let (_, good) = key_of(&node, APP);
    until("the last good snapshot is kept", || {
        let text = fs::read_to_string(home.file("snapshot.json")).unwrap_or_default();
        (text.contains("\"chat\"") && text.contains("Published")).then_some(())
    });
    // Answered, and then killed at once.
    let (id, revoked) = key_of(&node, APP);
    node.admin.delete(&format!("/keys/{id}")).expect(204);
    node.kill();
    let (whole, keys) = (bytes(&home.file("ringway.db")), bytes(&home.file("keys.json")));
    let _ = fs::remove_file(home.file("ringway.db-wal"));
    let damaged = || fs::write(home.file("ringway.db"), vec![0xA5; whole.len()]).unwrap();
    damaged();
    let node = home.start();
    let (mut client, mut server) = opened(at(&node), &upstream, &good);
    alive(&mut client, &mut server);
    assert_eq!(refused(at(&node), PATH, &revoked).0, 401);
    node.admin.get("/keys").refused(503, "store-unavailable");
    node.admin.delete("/keys/1").refused(503, "store-unavailable");
    assert!(bytes(&home.file("keys.json")) == keys, "the last good keys are left as they are");
    node.kill();
    for content in [None, Some(&b"{\"form\":1,"[..]), Some(&keys[..keys.len() / 2])] {
        match content {
            Some(content) => fs::write(home.file("keys.json"), content).unwrap(),
            None => fs::remove_file(home.file("keys.json")).unwrap(),
        }
        let node = home.start();
        for secret in [&good, &revoked] {
            assert_eq!(refused(at(&node), PATH, secret), (503, "policy-unavailable".to_owned()));
        }
        node.logged("the keys of consumers are not known");
        node.kill();
    }
}

#[test]
fn a_test_key_opens_one_api_in_one_environment_and_api_test_makes_one() {
    let home = Home::new(USUAL);
    let (node, upstream) = with_keys(&home);
    let made = node.admin.post("/apis/default/chat/1.0/deployments/development/test-key", &json!({})).expect(200);
    let secret = made["secret"].as_str().unwrap();
    let (mut client, mut server) = opened(node.external("development"), &upstream, secret);
    alive(&mut client, &mut server);
    assert_eq!(refused(node.external("production"), PATH, secret).0, 401);
    let new = json!({
        "name": "News", "version": "1.0", "targets": [ws(upstream.address())], "policies": { "auth": { "mode": "key" } },
    });
    let news = node.make_with(&new);
    node.deploy(&news, "development");
    assert_eq!(refused(node.external("development"), "/default/news/v1.0", secret).0, 403);
    node.admin
        .post(&format!("{news}/deployments/production/test-key"), &json!({}))
        .refused(404, "deployment-not-found");
    let entry = node.admin.get("/audit?limit=1&api=default/chat:1.0").expect(200)["items"][0].clone();
    assert_eq!((&entry["action"], &entry["subject"]), (&json!("key.test"), &json!("default/chat:1.0 @development")));
    assert!(!entry.to_string().contains(&secret[10..]));
    // No store and no list has the key.
    assert_eq!(node.admin.get("/keys").expect(200)["items"], json!([]));
    assert_eq!(node.admin.get("/applications").expect(200)["items"].as_array().unwrap().len(), 1);
    assert!(!fs::read_to_string(home.file("keys.json")).unwrap().contains("ringway/test"));

    let state = home.state();
    let arguments = ["api", "test", "chat", "--env", "development", "--state", state.to_str().unwrap()];
    let test = std::thread::spawn({
        let arguments = arguments.map(str::to_owned);
        move || crate::harness::process::run(&arguments.each_ref().map(String::as_str))
    });
    let mut server = upstream.accept();
    let request = server.head();
    assert!(!request.contains("rwk_"), "{request}");
    server.switch(&request, "");
    drop(server);
    let (_, _, stderr) = test.join().unwrap();
    assert!(stderr.contains("with a test key of the node") && !stderr.contains("rwk_"), "{stderr}");
}

#[test]
fn a_restart_and_a_change_after_it_know_what_was_before() {
    let home = Home::new(USUAL);
    let (node, upstream) = with_keys(&home);
    let (id, one) = key_of(&node, APP);
    let (_, two) = key_of(&node, APP);
    node.stop();
    let node = home.start();
    let at = node.external("development");
    let open = opened(at, &upstream, &one);
    let mut other = opened(at, &upstream, &two);
    node.admin.delete(&format!("/keys/{id}")).expect(204);
    assert_eq!(told(open), 3000);
    alive(&mut other.0, &mut other.1);
    // A change of the file by somebody else is made good with the next change.
    fs::write(home.file("keys.json"), "not ours").unwrap();
    key_of(&node, APP);
    let text = fs::read_to_string(home.file("keys.json")).unwrap();
    assert!(text.starts_with("{\"form\":1,") && text.contains("acme/mobile"), "{text}");
}
