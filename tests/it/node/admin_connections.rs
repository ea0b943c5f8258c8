//! Live connections as the admin API shows and closes them: the real process, tungstenite at both ends.

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::harness::node::{Node, ws};
use crate::harness::patient::Patient;
use crate::harness::{EchoServer, client, until};

/// Sends a message and waits for its echo.
fn talk(socket: &mut WebSocket<Patient>, text: &str) {
    socket.send(Message::text(text)).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text(text));
}

/// The code that it is closed with.
fn closed(mut socket: WebSocket<Patient>) -> u16 {
    loop {
        match socket.read() {
            Ok(Message::Close(Some(frame))) => return frame.code.into(),
            Ok(_) => {}
            Err(error) => panic!("it ended without a code: {error}"),
        }
    }
}

fn listed(node: &Node, query: &str) -> Vec<Value> {
    node.admin.get(&format!("/connections{query}")).expect(200)["items"].as_array().unwrap().clone()
}

#[test]
fn connections_are_listed_with_what_passed_through_them_and_closed_one_by_one() {
    let server = EchoServer::start();
    let node = Node::start("");
    let path = node.serve("chat", &[ws(server.address())]).1;
    let mut socket = client::connect_path(node.external("development"), &format!("{path}/rooms/1?token=secret"));
    talk(&mut socket, "hello");
    talk(&mut socket, "again");
    let all = listed(&node, "");
    let [connection] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(connection["api"], "default/chat:1.0");
    assert_eq!(connection["environment"], "development");
    assert_eq!(connection["stage"], "open");
    assert_eq!(connection["path"], format!("{path}/rooms/1"));
    assert_eq!(connection["tls"], Value::Null);
    assert_eq!(connection["client"], socket.get_ref().local_addr().unwrap().to_string());
    assert_eq!(connection["messages"], json!({ "from_client": 2, "from_upstream": 2 }));
    // Two frames of five bytes: a header of two, and of the client's a mask of four.
    assert_eq!(connection["bytes"], json!({ "from_client": 22, "from_upstream": 14 }));
    for (query, count) in [
        ("?environment=development", 1),
        ("?environment=production", 0),
        ("?api=default/chat:1.0", 1),
        ("?client=127.0.0.1", 1),
        ("?client=127.0.0.2", 0),
        ("?api=default/chat:1.0&environment=development&client=::ffff:127.0.0.1", 1),
    ] {
        assert_eq!(listed(&node, query).len(), count, "{query}");
    }
    node.admin.get("/connections?api=default/chat:2.0").refused(422, "fields-invalid");
    let id = connection["id"].as_str().unwrap().to_owned();
    node.admin.delete(&format!("/connections/{id}")).expect(204);
    assert_eq!(closed(socket), 1001);
    until("it is gone", || listed(&node, "").is_empty().then_some(()));
    node.admin.delete(&format!("/connections/{id}")).refused(404, "connection-not-found");
    let entry = node.admin.get("/audit?limit=1").expect(200)["items"][0].clone();
    assert_eq!(entry["action"], "connections.close");
    assert_eq!(entry["subject"], format!("connection {id}"));
}

#[test]
fn all_connections_of_an_api_are_closed_and_no_others() {
    let server = EchoServer::start();
    let node = Node::start("drain_window_ms = 200");
    let (chat, other) = (node.serve("chat", &[ws(server.address())]).1, node.serve("other", &[ws(server.address())]).1);
    let at = node.external("development");
    let chats: Vec<_> = (0..20).map(|_| client::connect_path(at, &chat)).collect();
    let mut others: Vec<_> = (0..5).map(|_| client::connect_path(at, &other)).collect();
    node.admin.post("/connections/close", &json!({ "api": "default/none:1.0" })).refused(422, "fields-invalid");
    let close = json!({ "api": "default/chat:1.0", "environment": "development" });
    assert_eq!(node.admin.post("/connections/close", &close).expect(200)["closing"], 20);
    for socket in chats {
        assert_eq!(closed(socket), 1001);
    }
    for socket in &mut others {
        talk(socket, "still here");
    }
    // Who was told a moment ago may not be gone yet.
    until("the others are left", || (listed(&node, "?environment=development").len() == 5).then_some(()));
    let entry = node.admin.get("/audit?limit=1").expect(200)["items"][0].clone();
    assert_eq!(
        (&entry["subject"], &entry["after"]),
        (&json!("default/chat:1.0 @development"), &json!({ "closing": 20 }))
    );
}

#[test]
fn pages_of_connections_hold_each_once() {
    let server = EchoServer::start();
    let node = Node::start("");
    let path = node.serve("chat", &[ws(server.address())]).1;
    let sockets: Vec<_> = (0..25).map(|_| client::connect_path(node.external("development"), &path)).collect();
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = node.admin.get(&format!("/connections?limit=4{next}")).expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 4);
        seen.extend(items.iter().map(|item| item["client"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    seen.sort();
    let mut own: Vec<String> =
        sockets.iter().map(|socket| socket.get_ref().local_addr().unwrap().to_string()).collect();
    own.sort();
    assert_eq!(seen, own);
}

#[test]
fn how_far_the_ending_has_come_is_seen() {
    let server = EchoServer::start();
    // Long enough that a host which is busy with other things looks in before it is over.
    let node = Node::start("drain_window_ms = 8000");
    let path = node.serve("chat", &[ws(server.address())]).1;
    let sockets: Vec<_> = (0..20).map(|_| client::connect_path(node.external("development"), &path)).collect();
    let served = || node.admin.get("/snapshot").expect(200)["deployments"]["items"].clone();
    assert_eq!(served()[0]["open"], 20);
    assert_eq!(served()[0]["draining"], Value::Null);
    node.admin.delete("/apis/default/chat/1.0/deployments/development").expect(204);
    let seen = until("some are told and some are not", || {
        let first = served()[0].clone();
        let left = first["draining"]["left"].as_u64()?;
        (left < 20).then_some(first)
    });
    assert_eq!(seen["state"], "undeployed");
    assert_eq!(seen["draining"]["of"], 20);
    for socket in sockets {
        assert_eq!(closed(socket), 1001);
    }
    until("nothing is left of it", || served().as_array().unwrap().is_empty().then_some(()));
}
