//! The real stages over a simulated network, with a clock that the test owns: thousands of seeds with short reads and
//! writes, resets, stalls and slow peers.
//!
//! - [`net`] is the transport, [`world`] the shard's loop, [`peer`] the client and the upstream;
//! - [`operator`] changes the deployments meanwhile;
//! - [`failover`] is a route with several endpoints that fail;
//! - [`plain`] is plain HTTP beside the handshakes;
//! - [`channels`] is a route with the channels of a contract;
//! - [`keys`] is a route that asks for keys, which are revoked and expire;
//! - [`plan`] is all that a run depends on; [`scene`] and [`script`] generate it from a seed, [`check`] has the rules that every run must keep;
//! - `RINGWAY_SIM_SEEDS=n` runs n seeds, `RINGWAY_SIM_SEED=n` runs one and tells what happens in it.

#![allow(clippy::print_stderr, reason = "a failing seed tells how to run it again")]

mod channels;
mod check;
mod echo;
mod failover;
mod flow;
#[path = "../it/harness/framing.rs"]
mod framing;
mod inspected;
mod keys;
mod named;
mod net;
mod operator;
mod peer;
mod plain;
mod plan;
mod rng;
mod scene;
mod script;
mod table;
mod tls;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ringway::proxy::record::Record;

use plan::Scene;
use world::World;

const SEEDS: u64 = 10_000;
const OPERATOR_SEEDS: u64 = 2_500;
const FAILOVER_SEEDS: u64 = 10_000;
const PLAIN_SEEDS: u64 = 1_000;
const CHANNELS_SEEDS: u64 = 2_000;
const KEY_SEEDS: u64 = 1_500;

/// The ends that the seeds must reach: otherwise they prove too little.
const EVERY_END: [&str; 32] = [
    "refused: handshake-timeout",
    "refused: draining",
    "refused: too-many-connections",
    "refused: too-many-from-address",
    "refused: proxy-protocol",
    "refused: no-descriptors",
    "refused: upstream-timeout",
    "refused: upstream-closed",
    "declined",
    "client left before",
    "client speaks TLS",
    "refused: tls-expected",
    "refused: upstream-not-tls",
    "refused: upstream-certificate",
    "refused: upstream-tls-refused",
    "tls handshake failed",
    "client broken: tls-truncated",
    "client broken: tls-violation",
    "upstream broken: tls-truncated",
    "upstream broken: tls-violation",
    "closed by client",
    "closed by upstream",
    "client ended",
    "upstream ended",
    "client broken",
    "upstream broken",
    "client violation",
    "upstream violation",
    "idle",
    "client did not answer",
    "upstream did not answer",
    "drained",
];

/// The ends that the seeds with an operator must reach.
const EVERY_OPERATORS_END: [&str; 20] = [
    "refused: route-not-found",
    "refused: api-blocked",
    "refused: api-stopped",
    "refused: api-changing",
    "refused: draining",
    "refused: upstream-unresolved",
    "refused: upstream-unreachable",
    "refused: upstream-timeout",
    "refused: upstream-certificate-name",
    "refused: upstream-not-tls",
    "declined",
    "client left before",
    "closed by client",
    "closed by upstream",
    "drained: API undeployed",
    "drained: API stopped",
    "drained: API blocked",
    "drained: API has another target",
    "drained: closed by an operator",
    "idle",
];

/// The same, where endpoints fail.
const EVERY_ENDPOINTS_END: [&str; 12] = [
    "refused: upstream-unreachable",
    "refused: upstream-closed",
    "refused: upstream-timeout",
    "refused: upstream-malformed",
    "refused: upstream-not-tls",
    "refused: upstream-unresolved",
    "refused: draining",
    "declined",
    "client left before",
    "closed by client",
    "closed by upstream",
    "drained",
];

/// The ends that the seeds with plain requests must reach.
const EVERY_PLAIN_END: [&str; 13] = [
    "answered by ringway",
    "refused: upgrade-required",
    "refused: method",
    "refused: host-missing",
    "refused: body-too-large",
    "refused: body-malformed",
    "refused: handshake-timeout",
    "refused: draining",
    "client left before",
    "client left without",
    "closed by client",
    "closed by upstream",
    "drained",
];

/// The ends that the seeds with channels must reach.
const EVERY_CHANNELS_END: [&str; 14] = [
    "refused: channel-not-found",
    "refused: parameter-invalid",
    "refused: query-missing",
    "refused: query-invalid",
    "refused: header-missing",
    "refused: header-invalid",
    "refused: handshake-timeout",
    "refused: draining",
    "declined",
    "client left before",
    "closed by client",
    "closed by upstream",
    "client violation",
    "drained",
];

/// The ends that the seeds with keys must reach.
const EVERY_KEYS_END: [&str; 7] = [
    "refused: credential-missing",
    "refused: credential-invalid",
    "refused: not-subscribed",
    "drained: key revoked",
    "drained: key expired",
    "drained: subscription closed",
    "closed by client",
];

fn run(scene: Scene, trace: bool) -> Result<Vec<Record>, String> {
    if trace {
        eprintln!("{:#?}", scene.settings.policy.timeouts);
        eprintln!("smooth {}, {:?}, drain {:?}", scene.smooth, scene.net, scene.drain_at);
        eprintln!("{:#?}", scene.operator);
    }
    let run = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(scene, trace);
        world.run()?;
        check::check(&world)
    }));
    run.unwrap_or_else(|_| Err("a panic".to_owned()))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}

/// Runs the scenes of so many seeds, which must come to each of these ends.
fn run_all(scene: fn(u64) -> Scene, all: u64, every_end: &[&str]) {
    if let Some(seed) = number("RINGWAY_SIM_SEED") {
        match run(scene(seed), true) {
            Ok(records) => eprintln!("{records:#?}"),
            Err(what) => panic!("seed {seed}: {what}"),
        }
        return;
    }
    let seeds = number("RINGWAY_SIM_SEEDS").unwrap_or(all);
    let (mut ends, mut failed) = (BTreeMap::<String, u64>::new(), Vec::new());
    for seed in 0..seeds {
        match run(scene(seed), false) {
            Ok(records) => {
                for record in records {
                    *ends.entry(record.end.to_string()).or_default() += 1;
                }
            }
            Err(what) => {
                eprintln!("seed {seed}: {what}");
                failed.push(seed);
                if failed.len() >= 60 {
                    break;
                }
            }
        }
    }
    for (end, count) in &ends {
        eprintln!("{count:>7} {end}");
    }
    if seeds >= all {
        for end in every_end {
            assert!(ends.keys().any(|met| met.starts_with(end)), "no seed came to: {end}");
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}; run one again with RINGWAY_SIM_SEED=n cargo test --test sim");
}

#[test]
fn every_seed_keeps_every_promise() {
    run_all(scene::random, SEEDS, &EVERY_END);
}

#[test]
fn every_seed_keeps_every_promise_while_an_operator_changes_what_is_deployed() {
    run_all(operator::scene::random, OPERATOR_SEEDS, &EVERY_OPERATORS_END);
}

#[test]
fn b1_b2_every_seed_keeps_every_promise_while_endpoints_fail() {
    run_all(failover::random, FAILOVER_SEEDS, &EVERY_ENDPOINTS_END);
}

#[test]
fn c5_every_seed_keeps_every_promise_of_plain_requests() {
    run_all(plain::random, PLAIN_SEEDS, &EVERY_PLAIN_END);
}

#[test]
fn every_seed_keeps_every_promise_while_the_channels_of_its_route_change() {
    run_all(channels::random, CHANNELS_SEEDS, &EVERY_CHANNELS_END);
}

#[test]
fn every_seed_keeps_every_promise_of_keys() {
    run_all(keys::random, KEY_SEEDS, &EVERY_KEYS_END);
}
