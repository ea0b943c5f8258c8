//! The ways in which an API stops being served: stopped, blocked, deprecated, retired, undeployed, deleted.

use serde_json::json;

use crate::harness::client::handshake;
use crate::harness::node::{Node, alive, answered, refuses, through, told, ws};
use crate::harness::peer::{header, headers};
use crate::harness::{Peer, Upstream};

/// Ends are told at once.
const AT_ONCE: &str = "drain_window_ms = 1";

#[test]
fn a_stopped_deployment_refuses_and_ends_and_starts_again() {
    let (node, upstream) = (Node::start(AT_ONCE), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    node.deploy(&api, "production");
    let at = node.external("development");
    let (client, server, ..) = through(at, &base, &upstream);
    let (mut other, mut other_server, ..) = through(node.external("production"), &base, &upstream);
    let turn = |what: &str| node.admin.send("POST", &format!("{api}/deployments/development/{what}"), None).expect(200);
    assert_eq!(turn("stop")["status"], "stopped");
    told(client, server, (1001, 1001));
    let (status, problem) = answered(at, &base);
    assert_eq!((status, problem["code"].as_str()), (503, Some("api-stopped")), "{problem}");
    alive(&mut other, &mut other_server);
    node.logged("end=\"drained: API stopped\"");
    assert_eq!(turn("start")["status"], "running");
    let (mut client, mut server, ..) = through(at, &base, &upstream);
    alive(&mut client, &mut server);
    // Deploying runs what was stopped.
    turn("stop");
    told(client, server, (1001, 1001));
    assert_eq!(node.deploy(&api, "development")["status"], "running");
    let (mut client, mut server, ..) = through(at, &base, &upstream);
    alive(&mut client, &mut server);
    drop((client, server, other, other_server));
    node.settles();
}

#[test]
fn a_blocked_api_is_refused_everywhere_and_comes_back() {
    let (node, upstream) = (Node::start(AT_ONCE), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    node.deploy(&api, "production");
    node.turn(&api, "Published");
    let ends: Vec<_> = ["development", "production"].map(|name| through(node.external(name), &base, &upstream)).into();
    node.turn(&api, "Blocked");
    for (client, server, ..) in ends {
        told(client, server, (1001, 1001));
    }
    for name in ["development", "production"] {
        refuses(node.external(name), &base, 503, "api-blocked");
    }
    // Stopped and blocked: blocked is what is said, and it stays stopped when it is not blocked any more.
    node.admin.send("POST", &format!("{api}/deployments/development/stop"), None).expect(200);
    refuses(node.external("development"), &base, 503, "api-blocked");
    node.turn(&api, "Published");
    refuses(node.external("development"), &base, 503, "api-stopped");
    let (mut client, mut server, ..) = through(node.external("production"), &base, &upstream);
    alive(&mut client, &mut server);
}

#[test]
fn a_deprecated_api_says_so_with_each_101() {
    let (node, upstream) = (Node::start(AT_ONCE), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    node.turn(&api, "Published");
    let at = node.external("development");
    let (mut early, mut early_server, _, answer) = through(at, &base, &upstream);
    assert_eq!((header(&answer, "deprecation"), header(&answer, "sunset")), (None, None));
    let body = json!({ "state": "Deprecated", "sunset_at": "2999-12-31T23:59:59Z" });
    node.admin.put(&format!("{api}/lifecycle"), &body).expect(200);
    alive(&mut early, &mut early_server);
    let since = node.admin.get(&api).expect(200)["deprecated_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();

    // What the upstream's 101 says besides stays with it, each line once.
    let mut client = Peer::connect(at);
    client.send(handshake(&base, "Sec-WebSocket-Protocol: chat, other\r\n").as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "Sec-WebSocket-Protocol: other\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Node: seven\r\n");
    let answer = client.head();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert_eq!(headers(&answer, "deprecation").collect::<Vec<_>>(), [format!("@{}", since.as_second())]);
    assert_eq!(headers(&answer, "sunset").collect::<Vec<_>>(), ["Tue, 31 Dec 2999 23:59:59 GMT"]);
    assert_eq!(headers(&answer, "set-cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!((header(&answer, "x-node"), header(&answer, "sec-websocket-protocol")), (Some("seven"), Some("other")));
    alive(&mut client, &mut server);

    node.turn(&api, "Published");
    let (.., answer) = through(at, &base, &upstream);
    assert_eq!((header(&answer, "deprecation"), header(&answer, "sunset")), (None, None));
    alive(&mut client, &mut server);
}

#[test]
fn a_deprecated_api_without_a_date_ends_after_180_days() {
    let (node, upstream) = (Node::start(AT_ONCE), Upstream::listen());
    let (api, _) = node.serve("Chat", &[ws(upstream.address())]);
    node.turn(&api, "Published");
    node.turn(&api, "Deprecated");
    let shown = node.admin.get(&api).expect(200);
    let at = |name: &str| shown[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(at("sunset_at").duration_since(at("deprecated_at")), jiff::SignedDuration::from_hours(180 * 24));
}

#[test]
fn a_retired_api_is_gone_and_leaves_its_place() {
    let (node, upstream, next) = (Node::start(AT_ONCE), Upstream::listen(), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    node.deploy(&api, "production");
    node.turn(&api, "Published");
    node.turn(&api, "Deprecated");
    let at = node.external("development");
    let (client, server, ..) = through(at, &base, &upstream);
    let old = node.admin.get(&api).expect(200)["id"].clone();
    node.turn(&api, "Retired");
    told(client, server, (1001, 1001));
    for name in ["development", "production"] {
        refuses(node.external(name), &base, 404, "route-not-found");
    }
    let shown = node.admin.get(&api).expect(200);
    assert_eq!((&shown["lifecycle"], &shown["deployments"]), (&json!("Retired"), &json!([])));
    node.admin.put(&format!("{api}/deployments/development"), &json!({})).refused(409, "api-retired");
    // The same name again is another API, and the path is its.
    let (api, base) = node.serve("Chat", &[ws(next.address())]);
    let shown = node.admin.get(&api).expect(200);
    assert_ne!(shown["id"], old);
    assert_eq!(shown["lifecycle"], "Created");
    let (mut client, mut server, ..) = through(at, &base, &next);
    alive(&mut client, &mut server);
    assert_eq!(node.admin.all("/apis?project=default").len(), 2);
}

#[test]
fn undeploying_and_deleting_leave_nothing_at_the_path() {
    let (node, upstream) = (Node::start(AT_ONCE), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    node.deploy(&api, "production");
    let (client, server, ..) = through(node.external("development"), &base, &upstream);
    let (mut other, mut other_server, ..) = through(node.external("production"), &base, &upstream);
    assert_eq!(node.admin.delete(&format!("{api}/deployments/development")).status, 204);
    told(client, server, (1001, 1001));
    refuses(node.external("development"), &base, 404, "route-not-found");
    alive(&mut other, &mut other_server);
    node.logged("end=\"drained: API undeployed\"");
    assert_eq!(node.admin.delete(&api).status, 204);
    told(other, other_server, (1001, 1001));
    refuses(node.external("production"), &base, 404, "route-not-found");
    node.admin.get(&api).refused(404, "api-not-found");
    assert_eq!(node.admin.delete(&api).status, 204);
    let told = node.admin.all("/audit?api=default/chat:1.0");
    assert_eq!(told[0]["action"], "api.delete");
    node.admin.delete("/projects/default");
    node.admin.get("/projects/default").refused(404, "project-not-found");
    node.settles();
}

#[test]
fn a_handshake_under_way_is_refused_when_its_api_is_stopped() {
    let (node, upstream) = (Node::start(AT_ONCE), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    let mut client = Peer::connect(node.external("development"));
    client.send(handshake(&base, "").as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    node.admin.send("POST", &format!("{api}/deployments/development/stop"), None).expect(200);
    // Were it answered now it would be a tunnel of an API that is stopped.
    server.stream.set_nodelay(true).unwrap();
    let accept = tungstenite::handshake::derive_accept_key(header(&request, "sec-websocket-key").unwrap().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    let _ = std::io::Write::write_all(&mut server.stream, answer.as_bytes());
    let answer = client.head();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop((client, server));
    node.settles();
}
