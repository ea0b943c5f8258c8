//! The channels of an API's contract, with the real program: the paths that are served, the checks of the handshake, and what a
//! change of the contract does.

use serde_json::{Value, json};

use crate::harness::node::{Home, Node, USUAL, alive, answered, refuses, through, ws};
use crate::harness::with_contract::{CONTRACT, definition, serve, upload};
use crate::harness::{Peer, Upstream, client, until};

const BASE: &str = "/default/chat/v1.0";

/// A handshake is taken, and reaches the upstream.
#[track_caller]
fn taken(node: &Node, upstream: &Upstream, path: &str, lines: &str) {
    let mut client = Peer::connect(node.external("development"));
    client.send(client::handshake(path, lines).as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "");
    assert!(client.head().starts_with("HTTP/1.1 101 "), "{path}");
}

/// A handshake is refused: its status, and the code and name of the refusal.
#[track_caller]
fn refused(node: &Node, path: &str, lines: &str) -> (u16, String) {
    let mut client = Peer::connect(node.external("development"));
    client.send(client::handshake(path, lines).as_bytes());
    let head = client.head();
    let problem: Value = serde_json::from_slice(&client.rest().0).unwrap();
    let name = problem["name"].as_str().unwrap_or_default();
    assert!(name.is_empty() || problem["detail"].as_str().unwrap().ends_with(&format!(": {name}.")), "{problem}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, format!("{} {name}", problem["code"].as_str().unwrap()).trim().to_owned())
}

#[test]
fn a_handshake_is_on_a_channel_and_has_what_the_channel_requires() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    serve(&node, &upstream, CONTRACT);
    let web = "x-client: web\r\n";
    for (path, lines, is) in [
        ("", "", (101, "")),
        ("/", "", (101, "")),
        ("?a=b", "", (101, "")),
        ("/rooms/17", "", (101, "")),
        ("/rooms/%31%37?x=%zz", "", (101, "")),
        ("/rooms/all", "", (101, "")),
        ("/colors/red.json", "", (101, "")),
        ("/colors/dark%20blue.json", "", (101, "")),
        ("/feed?token=1", web, (101, "")),
        ("/feed?page=2&token", web, (101, "")),
        ("/feed?token=1&page=2&page=x", web, (400, "query-invalid page")),
        ("/feed?token=1&page=%FF", web, (400, "query-invalid page")),
        ("/feed", web, (400, "query-missing token")),
        ("/feed?Token=1", web, (400, "query-missing token")),
        ("/feed?token=1", "", (400, "header-missing X-Client")),
        ("/feed?token=1", "X-Client: cli\r\n", (400, "header-invalid X-Client")),
        ("/feed?token=1", "X-Client: web\r\nX-Client: cli\r\n", (400, "header-invalid X-Client")),
        ("/feed?token=1", "X-Client: web\r\nConnection: x-client\r\n", (400, "header-missing X-Client")),
        ("/rooms/seventeen", "", (404, "parameter-invalid roomId")),
        ("/rooms/1%2F7", "", (404, "parameter-invalid roomId")),
        ("/rooms/%2e%2e%2f17", "", (400, "target-invalid")),
        ("/rooms/../feed", "", (400, "target-invalid")),
        ("/colors/green.json", "", (404, "parameter-invalid color")),
        ("/colors/.json", "", (404, "channel-not-found")),
        ("/rooms", "", (404, "channel-not-found")),
        ("/rooms/", "", (404, "channel-not-found")),
        ("//rooms/17", "", (404, "channel-not-found")),
        ("/rooms/17/", "", (404, "channel-not-found")),
        ("/Rooms/17", "", (404, "channel-not-found")),
        ("/.ringway/x", "", (404, "channel-not-found")),
    ] {
        let whole = format!("{BASE}{path}");
        match is.0 {
            101 => taken(&node, &upstream, &whole, lines),
            _ => assert_eq!(refused(&node, &whole, lines), (is.0, is.1.to_owned()), "{path}"),
        }
    }
    assert!(upstream.try_accept().is_none(), "a refused handshake reaches no upstream");
    node.logged("channel=/rooms/{roomId}");
    let line = node.logged("query-invalid");
    assert!(line.contains("channel=/feed") && line.contains("in the contract: page"), "{line}");
}

#[test]
fn unlisted_paths_pass_where_the_policy_says_so_and_ringways_own_never_do() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let (api, contract) = serve(&node, &upstream, CONTRACT);
    let at = node.external("development");
    refuses(at, &format!("{BASE}/other"), 404, "channel-not-found");
    let passing = json!({
        "name": "Chat", "targets": [ws(upstream.address())], "contract": contract,
        "policies": { "channels": { "unlisted_paths": "pass" } }
    });
    node.admin.put(&api, &passing).expect(200);
    node.deploy(&api, "development");
    let (_client, _server, request, _) = through(at, &format!("{BASE}/other%2Fpath?x=%zz"), &upstream);
    assert!(request.starts_with("GET /other%2Fpath?x=%zz "), "{request}");
    refuses(at, &format!("{BASE}/rooms/x"), 404, "parameter-invalid");
    refuses(at, &format!("{BASE}/.ringway/x"), 404, "channel-not-found");
    refuses(at, &format!("{BASE}/%2Eringway/x"), 404, "channel-not-found");
}

#[test]
fn a_connection_outlives_its_channel_and_is_shown_with_it() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let (api, _) = serve(&node, &upstream, CONTRACT);
    let other = Upstream::listen();
    node.serve("Other", &[ws(other.address())]);
    let at = node.external("development");
    let (mut client, mut server, ..) = through(at, &format!("{BASE}/rooms/17"), &upstream);
    let (mut apart, mut from_other, ..) = through(at, "/default/other/v1.0/rooms/17", &other);
    let shown = |path: &str| {
        let list = node.admin.all("/connections");
        let one = list.iter().find(|one| one["path"].as_str().unwrap().starts_with(path)).unwrap().clone();
        one["channel"].clone()
    };
    assert_eq!((shown(BASE), shown("/default/other")), (json!("/rooms/{roomId}"), Value::Null));
    let deployment = &node.admin.get(&api).expect(200)["deployments"][0];
    assert_eq!(deployment["channels"]["count"], 5, "{deployment}");
    assert_eq!(deployment["channels"]["paths"][1], "/rooms/{roomId}", "{deployment}");
    let figures = || node.admin.figures().text;
    let open = |count| format!("environment=\"development\",channel=\"/rooms/{{roomId}}\"}} {count}\n");
    assert!(figures().contains(&open(1)), "{}", figures());
    // The contract loses the channel.
    let fewer = CONTRACT.replace("/rooms/{roomId}:", "/places/{roomId}:");
    node.admin.put(&api, &definition(&upstream, &upload(&node, &fewer)).without("version")).expect(200);
    node.deploy(&api, "development");
    refuses(at, &format!("{BASE}/rooms/18"), 404, "channel-not-found");
    drop(through(at, &format!("{BASE}/places/18"), &upstream));
    alive(&mut client, &mut server);
    alive(&mut apart, &mut from_other);
    assert_eq!(shown(&format!("{BASE}/rooms")), json!("/rooms/{roomId}"));
    drop((client, server));
    until("the connection is counted out", || figures().contains(&open(0)).then_some(()));
}

#[test]
fn a_deployment_whose_contract_is_lost_is_refused_with_the_reason() {
    let (home, upstream) = (Home::new(USUAL), Upstream::listen());
    let node = home.start();
    let contract = upload(&node, CONTRACT);
    let api = node.make_with(&definition(&upstream, &contract));
    let file = home.file("contracts").join(contract["digest"].as_str().unwrap());
    std::fs::remove_file(file).unwrap();
    let problem = node.admin.put(&format!("{api}/deployments/development"), &json!({})).refused(422, "fields-invalid");
    assert_eq!(problem["errors"][0]["field"], "contract", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("upload"), "{problem}");
    assert_eq!(answered(node.external("development"), BASE).0, 404);
    upload(&node, CONTRACT);
    node.deploy(&api, "development");
    drop(through(node.external("development"), BASE, &upstream));
}

trait Without {
    /// The object without a member.
    fn without(self, name: &str) -> Self;
}

impl Without for Value {
    fn without(mut self, name: &str) -> Self {
        self.as_object_mut().unwrap().remove(name);
        self
    }
}
