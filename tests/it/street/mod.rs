//! Faults that happened to others: public reports about proxies, servers and clients, each tried on the real process. One file a
//! kind of report; a test's name begins or ends with the short name of its report, if it has one.
//!
//! # From a report to a test
//!
//! A report says: a client sent this, an upstream did that, and somebody saw the wrong thing. So a test has four parts,
//! and [`example`] has each of them once:
//!
//! 1. **The upstream** is a [`Script`](crate::harness::Script): read a head, send bytes or chunks, wait for the test,
//!    switch to WebSocket, end with a FIN or a reset, read no more, or say nothing at all. `plays()` starts it and counts
//!    accepts; `saw(0)` is all that came over its first connection: heads, bytes, how it ended. `in_turn([a, b])` plays
//!    another script for each connection, `plays_tls(config)` speaks TLS, `at(address, ..)` comes back where it was.
//! 2. **Ringway** is [`Ringway::proxy`](crate::harness::Ringway::proxy), or a [`Node`](crate::harness::node::Node) whose
//!    `serve(name, &[ws(upstream.address())])` deploys an API and gives its base path; `node.make_with(json)` takes a
//!    whole definition, policies too. A [`Site`](crate::harness::site::Site) has certificates for both sides.
//!    A `Ringway` that is dropped looks for leaks, so let the upstream be older than it is.
//! 3. **The client** is a [`Peer`](crate::harness::Peer): `connect(address)`, or `site.connect(&ringway)` over TLS.
//!    `send(bytes)` sends anything, `send_slices` in pieces, `finish()` and `reset()` end it.
//!    [`client::handshake(path, lines)`](crate::harness::client::handshake) is a right request to break.
//!    `all(patience)` reads until the end, and says which end it was: FIN, reset, cut off in TLS, or none that came in
//!    time. `is_refusal(400, "head-malformed")` checks a refusal whole; `head()`, `frame()`, `close()` read piece by piece.
//! 4. **What must be.** Look it up (the RFC first, then what nginx, HAProxy, Envoy and Caddy do), and say it in the name.
//!    Look at both sides, and at the log: `ringway.logged("text")`. Wait for conditions, not for time. See it fail.
//!
//! Whatever two files here both need, or a test elsewhere, belongs in `tests/it/harness`.

mod declined;
mod example;
mod heads;
mod insecure;
mod probe;
