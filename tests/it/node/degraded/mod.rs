//! A node whose state directory has come to harm: traffic goes on, what can be read is read, what cannot be done says why,
//! and when the harm is mended so is the node.

mod channels;
mod declared;
mod disks;
mod files;
mod modes;
mod opened_later;
mod restored;

use serde_json::json;

use crate::harness::node::{Home, Node, USUAL, alive, through, ws};
use crate::harness::{Upstream, until};

/// A home whose node has served an API, and has kept that; and the API's upstream.
fn lived_in(home: &Home) -> Upstream {
    let upstream = Upstream::listen();
    let node = home.start();
    node.serve("Chat", &[ws(upstream.address())]);
    kept(home, "chat");
    node.stop();
    upstream
}

fn home() -> Home {
    Home::new(USUAL)
}

/// Waits until the last good snapshot names an API.
fn kept(home: &Home, name: &str) {
    let name = format!("\"{name}\"");
    until("the last good snapshot is kept", || {
        std::fs::read_to_string(home.file("snapshot.json")).is_ok_and(|text| text.contains(&name)).then_some(())
    });
}

/// The API is served: a new connection comes about, and is heard at both ends.
#[track_caller]
fn serves(node: &Node, upstream: &Upstream) {
    let (mut client, mut server, ..) = through(node.external("development"), "/default/chat/v1.0", upstream);
    alive(&mut client, &mut server);
}

/// Every change is refused with this code, and says what to do; nothing of it comes into force.
#[track_caller]
fn takes_no_change(node: &Node, code: &str, says: &str) {
    let before = node.admin.get("/snapshot").expect(200);
    let chat = "/apis/default/chat/1.0";
    for (method, path, body) in [
        ("POST", "/apis".to_owned(), json!({ "name": "New", "version": "1.0", "targets": ["ws://a"] })),
        ("PUT", "/projects/new".to_owned(), json!({ "description": "x".repeat(1000) })),
        ("PUT", chat.to_owned(), json!({ "name": "Chat", "targets": ["ws://a"], "description": "x".repeat(1000) })),
        ("PUT", format!("{chat}/deployments/production"), json!({})),
        ("PUT", format!("{chat}/lifecycle"), json!({ "state": "Published" })),
    ] {
        let answer = node.admin.send(method, &path, Some(&body));
        assert_eq!(answer.header("retry-after"), Some("5"), "{method} {path}: {}{}", answer.head, answer.text);
        let problem = answer.refused(503, code);
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    node.admin.delete(chat).refused(503, code);
    node.admin.send("POST", &format!("{chat}/deployments/development/stop"), None).refused(503, code);
    assert_eq!(node.admin.get("/snapshot").expect(200)["number"], before["number"]);
    let health = node.admin.get("/health").expect(200);
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(health["problems"].to_string().contains(says), "{health}");
}

/// All is well, and there was never a gap.
#[track_caller]
fn is_well(node: &Node) {
    until("it is well again", || (node.admin.get("/health").expect(200)["status"] == "ok").then_some(()));
    let ids: Vec<u64> = node.admin.all("/audit").iter().map(|entry| entry["id"].as_u64().unwrap()).collect();
    assert!(ids.iter().rev().copied().eq(1..=ids.len() as u64), "{ids:?}");
}
