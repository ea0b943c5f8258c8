//! kill -9 of a node at random moments of an admin workload: whatever was acknowledged is there afterwards, nothing is
//! there by half, and the audit has no gap. RINGWAY_KILLS says how often, RINGWAY_SEED with which numbers.

mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use self::workload::{Random, Worker};
use crate::harness::node::{Home, Node, USUAL, alive, through, ws};
use crate::harness::{Upstream, until};

const KILLS: u64 = 20;
const CLIENTS: u64 = 3;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn a_node_that_is_killed_at_any_moment_has_all_that_it_acknowledged() {
    let (kills, seed) = (number("RINGWAY_KILLS", KILLS), number("RINGWAY_SEED", 1));
    let upstream = Upstream::listen();
    let home = Home::new(&format!("drain_window_ms = 1\n{USUAL}"));
    let node = home.start();
    // What every worker's first API would make otherwise, and so would not know whether it did.
    node.make("First", &[ws(upstream.address())]);
    node.kill();
    let mut random = Random::new(seed);
    let mut workers: Vec<Worker> =
        (0..CLIENTS).map(|client| Worker::new(client, seed, &ws(upstream.address()))).collect();
    let (mut inside, mut acknowledged) = (0, 0);
    for kill in 0..kills {
        if random.below(6) == 0 {
            killed_at_its_start(&home, &mut random);
        }
        let node = home.start();
        (workers, inside, acknowledged) = work_until_killed(node, workers, &mut random, (inside, acknowledged));
        let node = home.start();
        let at = format!("seed {seed}, kill {kill}");
        for worker in &mut workers {
            worker.check(&node, &at);
        }
        audit_has_no_gap(&node, &workers, &at);
        nothing_is_half(&home, &at);
        all_is_in_force(&node, &at);
        serves(&node, &upstream, &at);
        node.kill();
    }
    let _ = writeln!(io::stdout(), "{kills} kills: {acknowledged} changes acknowledged, {inside} requests cut off");
    assert!(acknowledged > kills * 5, "{acknowledged}");
    // Else they were all between two requests, and show nothing.
    assert!(inside > kills / 4, "of {kills} kills only {inside} cut a request off");
}

/// A node that has not come to serve yet.
fn killed_at_its_start(home: &Home, random: &mut Random) {
    let mut child = home.spawn();
    let moment = Instant::now() + Duration::from_micros(random.below(60_000));
    until("the moment has come", || (Instant::now() >= moment).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// All workers change what is theirs until the node is killed: after so many changes and then some random time.
fn work_until_killed(
    node: Node,
    workers: Vec<Worker>,
    random: &mut Random,
    (inside, acknowledged): (u64, u64),
) -> (Vec<Worker>, u64, u64) {
    let (done, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let threads: Vec<_> = workers
        .into_iter()
        .map(|mut worker| {
            let (admin, done, over) = (node.admin.clone(), Arc::clone(&done), Arc::clone(&over));
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) && worker.step(&admin) {
                    done.fetch_add(1, Ordering::Relaxed);
                }
                worker
            })
        })
        .collect();
    let enough = 8 + random.below(40);
    until("enough is done", || (done.load(Ordering::Relaxed) >= enough).then_some(()));
    let moment = Instant::now() + Duration::from_micros(random.below(15_000));
    until("the moment has come", || (Instant::now() >= moment).then_some(()));
    node.kill();
    over.store(true, Ordering::Relaxed);
    let workers: Vec<Worker> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let cut_off = workers.iter().filter(|worker| worker.is_unsure()).count() as u64;
    (workers, inside + cut_off, acknowledged + done.load(Ordering::Relaxed))
}

fn audit_has_no_gap(node: &Node, workers: &[Worker], at: &str) {
    let audit = node.admin.all("/audit");
    let ids: Vec<u64> = audit.iter().map(|entry| entry["id"].as_u64().unwrap()).collect();
    assert!(ids.iter().rev().copied().eq(1..=ids.len() as u64), "{at}: {ids:?}");
    for worker in workers {
        let entries = audit.iter().filter(|entry| entry["client_name"] == worker.name()).count() as u64;
        assert_eq!(entries, worker.changes(), "{at}: entries of {}", worker.name());
    }
}

/// Looks into the store itself.
fn nothing_is_half(home: &Home, at: &str) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let store = Connection::open_with_flags(home.file("ringway.db"), flags).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    let text = |sql: &str| store.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(text("PRAGMA integrity_check"), "ok", "{at}");
    for (what, sql) in [
        ("a row that names one that is not there", "SELECT count(*) FROM pragma_foreign_key_check"),
        (
            "a revision of which no audit tells",
            "SELECT count(*) FROM revisions WHERE NOT EXISTS (SELECT 1 FROM audit WHERE audit.api_id = revisions.api_id
             AND action = 'api.deploy' AND json_extract(after, '$.revision') = number)",
        ),
        (
            "a deployment of a revision that is not there",
            "SELECT count(*) FROM deployments LEFT JOIN revisions ON revisions.api_id = deployments.api_id
             AND number = revision WHERE number IS NULL",
        ),
        (
            "an API whose latest revision is not there",
            "SELECT count(*) FROM apis WHERE latest_revision IS NOT (SELECT max(number) FROM revisions WHERE api_id = apis.id)",
        ),
        (
            "an API of which no audit tells",
            "SELECT count(*) FROM apis WHERE NOT EXISTS (SELECT 1 FROM audit WHERE audit.api_id = apis.id
             AND action = 'api.create')",
        ),
        (
            "a deployment whose audit says otherwise",
            "SELECT count(*) FROM deployments JOIN apis ON apis.id = api_id WHERE stopped <> (
             SELECT json_extract(after, '$.status') = 'stopped' FROM audit WHERE audit.api_id = apis.id
             AND subject LIKE '% @' || environment ORDER BY audit.id DESC LIMIT 1)",
        ),
        (
            "an API that is deleted, and yet there",
            "SELECT count(*) FROM apis WHERE EXISTS (SELECT 1 FROM audit WHERE audit.api_id = apis.id AND action = 'api.delete')",
        ),
    ] {
        assert_eq!(count(sql), 0, "{at}: {what}");
    }
}

/// The shards go by what the store says: nothing less and nothing more.
fn all_is_in_force(node: &Node, at: &str) {
    let state = |lifecycle: &Value, status: &Value| match (lifecycle.as_str(), status.as_str()) {
        (Some("Blocked"), _) => "blocked",
        (_, Some("stopped")) => "stopped",
        _ => "open",
    };
    let mut stored = BTreeMap::new();
    for api in node.admin.all("/apis") {
        for deployment in api["deployments"].as_array().unwrap() {
            let name = format!("{}/{}:{}", api["project"], api["identifier"], api["version"]).replace('"', "");
            let key = (name, deployment["environment"].as_str().unwrap().to_owned());
            stored.insert(key, state(&api["lifecycle"], &deployment["status"]).to_owned());
        }
    }
    let mut served = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = node.admin.get(&format!("/snapshot?limit=1000{cursor}")).expect(200);
        assert_eq!(page["everywhere"], true, "{at}");
        for one in page["deployments"]["items"].as_array().unwrap() {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            served.insert((text("api"), text("environment")), text("state"));
        }
        match page["deployments"]["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(served, stored, "{at}");
}

/// One of those that are open is connected through, in each environment.
fn serves(node: &Node, upstream: &Upstream, at: &str) {
    let page = node.admin.get("/snapshot?limit=1000").expect(200);
    let mut tried = BTreeSet::new();
    for one in page["deployments"]["items"].as_array().unwrap() {
        let environment = one["environment"].as_str().unwrap();
        if one["state"] == "open" && tried.insert(environment) {
            let (name, version) = one["api"].as_str().unwrap().split_once(':').unwrap();
            let (mut client, mut server, request, _) =
                through(node.external(environment), &format!("/{name}/v{version}/{}", at.len()), upstream);
            assert!(request.starts_with("GET /"), "{at}: {request}");
            alive(&mut client, &mut server);
        }
    }
}
