//! The helpers that test modules share: the real process, peers with bytes of the test's choice, and references.
//!
//! - [`process`] starts `ringway` and watches it from outside; [`node`] starts `ringway serve`, and [`admin`] calls its admin API.
//! - [`peer`] is one end of a TCP connection; [`client`] writes handshakes; [`upstream`] listens where the proxy dials; [`frame`] writes frames,
//!   with the octets of [`framing`], which the simulator uses too.
//! - [`script`] is an upstream that plays a script; [`came`] is all that came from the other end, read as an HTTP answer.
//! - [`pki`] makes certificates, [`secure`] speaks TLS with them, [`site`] is a proxy that has some, and [`https`] serves files.
//! - [`loads`] are traffic patterns that several tests run; [`wait`] waits for conditions; [`patient`] retries interrupted reads.
//! - [`shard`] is a shard in the test's own process.
//! - [`dns`] answers DNS queries; [`namespace`] gives a test a network of its own; [`tools`] finds programs, and [`browser`] one of them; [`terminal`] is one that commands ask at; [`documents`] reads the documentation.
//! - [`contracts`], [`invariants`] and [`routes`] are what `tests/fuzz` checks too: rules that hold for any input, and a second implementation of routing.

use std::net::IpAddr;

pub(crate) mod admin;
pub(crate) mod browser;
pub(crate) mod came;
pub(crate) mod client;
pub(crate) mod contracts;
pub(crate) mod dns;
pub(crate) mod documents;
pub(crate) mod frame;
pub(crate) mod framing;
pub(crate) mod https;
pub(crate) mod invariants;
pub(crate) mod loads;
pub(crate) mod messages;
pub(crate) mod namespace;
pub(crate) mod node;
pub(crate) mod patient;
pub(crate) mod peer;
pub(crate) mod pki;
pub(crate) mod process;
pub(crate) mod routes;
pub(crate) mod script;
pub(crate) mod secure;
pub(crate) mod shard;
pub(crate) mod site;
pub(crate) mod terminal;
pub(crate) mod tools;
pub(crate) mod upstream;
pub(crate) mod wait;
pub(crate) mod with_contract;

pub(crate) use came::Came;
pub(crate) use peer::{Ended, Peer};
pub(crate) use process::Ringway;
pub(crate) use script::{Gate, Script};
pub(crate) use upstream::{EchoServer, Upstream, nobody};
pub(crate) use wait::until;

/// An open tunnel with raw sockets at both ends. Taken apart, the process comes first: so it is dropped last, and sees
/// that nothing is left.
pub(crate) struct Tunnel {
    pub(crate) client: Peer,
    pub(crate) upstream: Peer,
    pub(crate) ringway: Ringway,
}

/// Opens one. The upstream's listener stays with the process.
pub(crate) fn tunnel(options: &[&str]) -> Tunnel {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), options);
    let (client, upstream_end) = open(&ringway, &upstream, "", "");
    ringway.keep(upstream);
    Tunnel { client, upstream: upstream_end, ringway }
}

/// Opens a connection through a proxy, with more header lines in the client's request and in the upstream's answer.
pub(crate) fn open(ringway: &Ringway, upstream: &Upstream, asked: &str, answered: &str) -> (Peer, Peer) {
    open_over(Peer::connect(ringway.address()), upstream, asked, answered)
}

/// Opens one from another address of this host's.
pub(crate) fn open_from(from: IpAddr, ringway: &Ringway, upstream: &Upstream) -> (Peer, Peer) {
    open_over(Peer::connect_from(from, ringway.address()), upstream, "", "")
}

fn open_over(mut client: Peer, upstream: &Upstream, asked: &str, answered: &str) -> (Peer, Peer) {
    client.send(client::handshake("/", asked).as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, answered);
    let answer = client.head();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    (client, server)
}
