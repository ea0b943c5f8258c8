//! A node that shuts down and waits for its connections: what it still answers on its admin API, and what it does not.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::node::{Home, Node, USUAL, through, ws};
use crate::harness::{Peer, Upstream, until};

/// The window is far longer than the test: but for the one whose turn is at once, nobody is told meanwhile.
const OPTIONS: &str = "cpus = \"0,1\"\ndrain_window_ms = 600_000\nlimits.drain_timeout_ms = 700_000\n\
                       limits.close_timeout_ms = 600_000";

/// A node that shuts down, with three connections on one shard. The other shard has ended.
struct Scene {
    node: Node,
    home: Home,
    ended: u64,
    _pairs: Vec<(Peer, Peer)>,
}

fn scene() -> Scene {
    let (home, upstream) = (Home::new(&format!("{OPTIONS}{USUAL}")), Upstream::listen());
    let node = home.start();
    let (_, base) = node.serve("Chat", &[ws(upstream.address())]);
    let mut of_shard: BTreeMap<u64, Vec<(Peer, Peer)>> = BTreeMap::new();
    let mut known = 0;
    // Which shard takes a connection is the kernel's choice.
    while of_shard.len() < 2 || of_shard.values().all(|pairs| pairs.len() < 3) {
        let (client, server, ..) = through(node.external("development"), &base, &upstream);
        let shards = shards(&node);
        let anew = shards.iter().find(|shard| {
            let pairs = of_shard.get(&shard["shard"].as_u64().unwrap()).map_or(0, Vec::len);
            shard["connections"].as_u64().unwrap() > pairs as u64
        });
        of_shard.entry(anew.unwrap()["shard"].as_u64().unwrap()).or_default().push((client, server));
        known += 1;
    }
    let most = if of_shard[&0].len() < of_shard[&1].len() { 1 } else { 0 };
    let mut pairs = of_shard.remove(&most).unwrap();
    pairs.truncate(3);
    drop(of_shard);
    until("three are left", || (node.admin.all("/connections").len() == 3).then_some(()));
    assert!(known >= 4);
    node.signal(libc::SIGTERM);
    node.logged("shutting down");
    let ended = 1 - most;
    until("the other shard has ended", || {
        shards(&node).iter().any(|shard| shard["shard"] == ended && shard["ended"] == true).then_some(())
    });
    // And this one, which is told of the end at the same time, has begun.
    let is_told = |connection: &Value| connection["stage"] == "closing";
    until("the first is told", || node.admin.all("/connections").iter().any(is_told).then_some(()));
    Scene { node, home, ended, _pairs: pairs }
}

fn shards(node: &Node) -> Vec<Value> {
    node.admin.get("/health").expect(200)["shards"].as_array().unwrap().clone()
}

#[test]
fn what_is_asked_is_answered_by_the_shards_that_are_left() {
    let Scene { node, home, ended, _pairs } = scene();
    for path in ["/connections", "/connections?api=default/chat:1.0&environment=development"] {
        let listed = node.admin.all(path);
        assert_eq!(listed.len(), 3, "{path}: {listed:?}");
        let ending = listed.iter().filter(|connection| connection["stage"] == "closing").count();
        assert_eq!(ending, 1, "{path}: {listed:?}");
    }
    let page = node.admin.get("/snapshot").expect(200);
    assert_eq!(page["everywhere"], true);
    assert_eq!(page["deployments"]["items"][0]["draining"], json!({ "left": 2, "of": 3 }), "{page}");
    let health = node.admin.get("/health").expect(200);
    let one = health["shards"].as_array().unwrap().iter().find(|shard| shard["shard"] == ended).unwrap();
    assert_eq!(one, &json!({ "shard": ended, "answers": false, "ended": true, "snapshot": null, "connections": 0 }));
    let problems = health["problems"].to_string();
    assert!(problems.contains("shutting down") && !problems.contains("does not answer"), "{health}");
    let figures = node.admin.figures().text;
    for line in
        [format!("ringway_shard_up{{shard=\"{ended}\"}} 0"), format!("ringway_shard_up{{shard=\"{}\"}} 1", 1 - ended)]
    {
        assert!(figures.lines().any(|shown| shown == line), "{line}: {figures}");
    }
    let open: Vec<&str> = figures.lines().filter(|line| line.starts_with("ringway_connections_open{")).collect();
    let sum: u64 = open.iter().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum();
    assert!(sum <= 3, "{open:?}");
    let (code, stdout, stderr) = home.run(&["conn", "list"]);
    assert_eq!((code, stdout.lines().count()), (0, 4), "{stdout}{stderr}");
    assert!(stderr.contains("draining, 2 of 3 connections are not closed yet"), "{stderr}");
    for path in ["/apis", "/apis/default/chat/1.0", "/audit", "/projects", "/environments"] {
        node.admin.get(path).expect(200);
    }
    node.signal(libc::SIGTERM);
    assert_eq!(node.ended().code(), Some(1));
}

#[test]
fn changes_are_refused_until_it_is_started_again() {
    let Scene { node, home, _pairs, .. } = scene();
    let chat = "/apis/default/chat/1.0";
    let audit = node.admin.all("/audit");
    let id = node.admin.all("/connections")[0]["id"].as_str().unwrap().to_owned();
    for (method, path, body) in [
        ("POST", "/apis".to_owned(), Some(json!({ "name": "New", "version": "1.0", "targets": ["ws://a"] }))),
        ("PUT", "/projects/new".to_owned(), Some(json!({ "description": "" }))),
        ("PUT", chat.to_owned(), Some(json!({ "name": "Chat", "targets": ["ws://a"] }))),
        ("PUT", format!("{chat}/deployments/production"), Some(json!({}))),
        ("POST", format!("{chat}/deployments/development/stop"), None),
        ("DELETE", format!("{chat}/deployments/development"), None),
        ("PUT", format!("{chat}/lifecycle"), Some(json!({ "state": "Published" }))),
        ("DELETE", chat.to_owned(), None),
        ("POST", "/connections/close".to_owned(), Some(json!({ "environment": "development" }))),
        ("DELETE", format!("/connections/{id}"), None),
    ] {
        let answer = node.admin.send(method, &path, body.as_ref());
        assert_eq!(answer.header("retry-after"), Some("5"), "{method} {path}: {}{}", answer.head, answer.text);
        let problem = answer.refused(503, "draining");
        assert!(problem["detail"].as_str().unwrap().contains("started again"), "{problem}");
    }
    let (code, _, stderr) = home.run(&["api", "delete", "chat", "--yes"]);
    assert!(code == 1 && stderr.contains("shutting down"), "{code}: {stderr}");
    assert_eq!(node.admin.all("/audit"), audit);
    node.kill();
    let node = home.start();
    node.admin.put("/projects/new", &json!({ "description": "" })).expect(201);
}
