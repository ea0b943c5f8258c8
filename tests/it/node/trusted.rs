//! The client that a trusted proxy names, as an operator sees it.

use crate::harness::node::{Node, ws};
use crate::harness::{Peer, Upstream, client};

#[test]
fn a8_conn_list_shows_and_finds_the_client_that_a_trusted_proxy_names() {
    let (node, upstream) = (Node::start("trusted_proxies = [\"127.0.0.1\"]"), Upstream::listen());
    let (_, base) = node.serve("chat", &[ws(upstream.address())]);
    let mut held = Vec::new();
    for lines in ["X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n", "Forwarded: for=\"[2001:db8::1]:5678\"\r\n", ""] {
        let mut client = Peer::connect(node.external("development"));
        client.send(client::handshake(&base, lines).as_bytes());
        let mut server = upstream.accept();
        let request = server.head();
        server.switch(&request, "");
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        held.push((client, server));
    }
    let listed: Vec<String> = node
        .admin
        .all("/connections")
        .iter()
        .map(|connection| connection["client"].as_str().unwrap().to_owned())
        .collect();
    for client in ["192.0.2.1", "[2001:db8::1]:5678"] {
        assert!(listed.iter().any(|listed| listed == client), "{client} in {listed:?}");
    }
    assert!(listed.iter().any(|client| client.starts_with("127.0.0.1:")), "{listed:?}");
    for client in ["192.0.2.1", "2001:db8::1"] {
        assert_eq!(node.admin.all(&format!("/connections?client={client}")).len(), 1, "{client}");
    }
    drop(held);
}
