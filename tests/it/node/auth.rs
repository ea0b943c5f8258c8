//! The policies of `auth` and `origins` on a node: what they refuse to be, and which of their layers decides.

use serde_json::{Value, json};

use crate::harness::node::{Node, USUAL, ws};
use crate::harness::wait::PATIENCE;
use crate::harness::{Came, Peer, Upstream, client};

fn api(name: &str, upstream: &Upstream, policies: &Value) -> Value {
    json!({ "name": name, "version": "1.0", "targets": [ws(upstream.address())], "policies": policies })
}

fn asks(node: &Node, environment: &str, path: &str, lines: &str) -> Came {
    let mut client = Peer::connect(node.external(environment));
    client.send(client::handshake(path, lines).as_bytes());
    client.all(PATIENCE)
}

#[test]
fn policies_that_do_not_fit_each_other_are_refused() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let cookie = json!({ "auth": { "mode": "key", "credentials_in": ["cookie"] }, "origins": "same-host" });
    let document = node.admin.post("/apis", &api("Cookie", &upstream, &cookie)).refused(422, "fields-invalid");
    assert_eq!(document["errors"][0]["field"], "policies.auth.credentials_in", "{document}");
    assert_eq!(document["errors"][0]["rule"], "cookie-origins", "{document}");
    let word = json!({ "auth": { "mode": "jwt" } });
    let document = node.admin.post("/apis", &api("Word", &upstream, &word)).refused(422, "fields-invalid");
    assert_eq!(document["errors"][0]["field"], "policies.auth.mode", "{document}");
    // The definition may be right somewhere else: where it is deployed the listener counts.
    let made = node.make_with(&api("Certificate", &upstream, &json!({ "auth": { "mode": "mtls" } })));
    let deployed = node.admin.put(&format!("{made}/deployments/development"), &json!({}));
    let document = deployed.refused(422, "fields-invalid");
    assert_eq!(document["errors"][0]["rule"], "mtls-listener", "{document}");
    assert!(document["detail"].as_str().unwrap().contains("client_ca"), "{document}");
}

#[test]
fn an_environment_decides_which_pages_may_connect() {
    // The last environment of the file is production.
    let configuration = format!("{USUAL}origins = [\"https://live.test\"]\n");
    let (node, upstream) = (Node::with(&configuration), Upstream::listen());
    let made = node.make_with(&api("Pages", &upstream, &json!({ "origins": ["http://localhost:3000"] })));
    node.deploy(&made, "development");
    let promotes = json!({ "from": "development", "to": "production" });
    node.admin.post(&format!("{made}/promote"), &promotes).expect(201);
    let base = node.admin.get(&made).expect(200)["base_path"].as_str().unwrap().to_owned();
    for (environment, may, may_not) in [
        ("development", "http://localhost:3000", "https://live.test"),
        ("production", "https://live.test", "http://localhost:3000"),
    ] {
        asks(&node, environment, &base, &format!("Origin: {may_not}\r\n")).is_refusal(403, "origin-not-allowed");
        let mut client = Peer::connect(node.external(environment));
        client.send(client::handshake(&base, &format!("Origin: {may}\r\n")).as_bytes());
        let mut server = upstream.accept();
        let request = server.head();
        server.switch(&request, "");
        assert!(client.head().starts_with("HTTP/1.1 101 "));
    }
    let record = node.logged("refused: origin-not-allowed");
    assert!(record.contains("note=\"origin \\\"https://live.test\\\"\""), "{record}");
}
