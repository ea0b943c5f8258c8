//! A worked example: an upstream declines in two pieces a handshake that came in three; alone, through TLS, and deployed.

use crate::harness::node::{Node, ws};
use crate::harness::peer::Wire;
use crate::harness::script::Played;
use crate::harness::site::Site;
use crate::harness::wait::PATIENCE;
use crate::harness::{Ended, Gate, Peer, Ringway, Script, client};

/// The upstream, which answers the first half, and the rest when the test says so.
fn halves(gate: &Gate) -> Played {
    let answer = Script::answers("HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nnot ");
    answer.wait(gate).send("you").plays()
}

#[track_caller]
fn is_declined(mut client: Peer<impl Wire>, path: &str, upstream: &Played, gate: &Gate) {
    let request = client::handshake(path, "Origin: https://app.test\r\n");
    let (start, rest) = request.split_at(20);
    client.send_slices(&[&start[..1], &start[1..], rest]);
    gate.open();
    let came = client.all(PATIENCE);
    assert_eq!((came.status(), came.ended), (403, Ended::Fin), "{}", came.text());
    assert_eq!(came.body(), b"not you");
    assert_eq!(upstream.accepts(), 1);
    let seen = upstream.saw(0);
    assert!(seen.heads[0].starts_with("GET ") && seen.heads[0].contains("Origin: https://app.test\r\n"));
    assert_eq!(seen.bytes, b"", "something came behind the handshake");
}

#[test]
fn an_upstreams_no_arrives_alone_and_through_tls() {
    let gate = Gate::default();
    let upstream = halves(&gate);
    let ringway = Ringway::proxy(upstream.address(), &[]);
    is_declined(Peer::connect(ringway.address()), "/chat", &upstream, &gate);

    let (site, gate) = (Site::new(), Gate::default());
    let upstream = halves(&gate);
    let ringway = site.downstream(upstream.address(), &[]);
    is_declined(site.connect(&ringway), "/chat", &upstream, &gate);
}

#[test]
fn an_upstreams_no_arrives_through_a_deployed_api() {
    let gate = Gate::default();
    let upstream = halves(&gate);
    let node = Node::start("");
    let (_, base) = node.serve("Chat", &[ws(upstream.address())]);
    is_declined(Peer::connect(node.external("development")), &format!("{base}/room"), &upstream, &gate);
}
