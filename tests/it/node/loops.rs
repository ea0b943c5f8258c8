//! APIs whose targets lead back to the node.

use crate::harness::Upstream;
use crate::harness::node::{Node, refuses, through};

#[test]
fn b4_an_api_whose_target_is_its_own_url_gets_508_and_its_neighbours_serve() {
    for options in ["", "trusted_proxies = [\"127.0.0.0/8\"]", "preserve_host = true"] {
        let node = Node::start(options);
        let (at, upstream) = (node.external("development"), Upstream::listen());
        let (_, base) = node.serve("Own", &[format!("ws://{at}/default/own/v1.0")]);
        let (_, good) = node.serve("Good", &[format!("ws://{}", upstream.address())]);
        for _ in 0..5 {
            refuses(at, &base, 508, "loop-detected");
        }
        let (client, server, ..) = through(at, &good, &upstream);
        drop((client, server));
        node.logged("forwarded came to it again");
        assert!(node.logged("leads back to the API itself").contains("default/own:1.0"));
        node.settles();
        assert_eq!(node.log().matches("refused: loop-detected").count(), 5, "one for each request");
        assert_eq!(node.log().matches("forwarded came to it again").count(), 1);
        node.stop();
    }
}

#[test]
fn b4_two_apis_that_point_at_each_other_get_508() {
    let node = Node::start("");
    let at = node.external("development");
    let (_, one) = node.serve("One", &[format!("ws://{at}/default/other/v1")]);
    let (_, other) = node.serve("Other", &[format!("ws://{at}{one}")]);
    let warned = node.logged("leads back to the API itself");
    assert!(warned.contains("default/other:1.0 (development) -> default/one:1.0 (development)"), "{warned}");
    refuses(at, &one, 508, "loop-detected");
    refuses(at, &other, 508, "loop-detected");
    node.settles();
    node.stop();
}

#[test]
fn b4_an_api_may_lead_to_another_of_the_same_node() {
    let (node, upstream) = (Node::start(""), Upstream::listen());
    let at = node.external("development");
    let (_, inner) = node.serve("Inner", &[format!("ws://{}", upstream.address())]);
    let (_, outer) = node.serve("Outer", &[format!("ws://{at}{inner}")]);
    let (client, server, request, _) = through(at, &outer, &upstream);
    assert_eq!(request.lines().filter(|line| line.to_ascii_lowercase().starts_with("via: ")).count(), 2, "{request}");
    drop((client, server));
    assert!(!node.log().contains("leads back"), "{}", node.log());
    node.stop();
}
