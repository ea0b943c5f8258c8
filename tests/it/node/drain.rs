//! Ends of many connections of an API, spread over a window: how they are spread, what is seen of it meanwhile, and that
//! nothing is cut.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::frame::{BINARY, CLOSE, FIN, close_body, masked, plain};
use crate::harness::node::{Node, alive, refuses, through, ws};
use crate::harness::{Peer, Upstream, until};

const CONNECTIONS: usize = 60;
/// Long enough that what is seen of it is the proxy's doing, and not a busy host's.
const WINDOW: Duration = Duration::from_millis(5000);
const OPTIONS: &str = "drain_window_ms = 5000\nlimits.drain_timeout_ms = 60_000";

struct Scene {
    node: Node,
    api: String,
    base: String,
    upstream: Upstream,
    pairs: Vec<(Peer, Peer)>,
}

/// Open connections of one API in development.
fn scene(options: &str) -> Scene {
    let (node, upstream) = (Node::start(options), Upstream::listen());
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    let pairs = (0..CONNECTIONS)
        .map(|_| {
            let (client, server, ..) = through(node.external("development"), &base, &upstream);
            (client, server)
        })
        .collect();
    Scene { node, api, base, upstream, pairs }
}

/// Waits for the end of each connection and answers it, all of them at once: after how long each client was told, and
/// with which codes both sides were.
fn watch(pairs: Vec<(Peer, Peer)>, begun: Instant) -> Vec<std::thread::JoinHandle<(Duration, [Option<u16>; 2])>> {
    pairs
        .into_iter()
        .map(|(mut client, mut server)| {
            std::thread::spawn(move || {
                let told = client.close().0;
                let after = begun.elapsed();
                let upstream_told = server.close().0;
                client.send(&masked(FIN | CLOSE, &close_body(told.unwrap(), "")));
                server.send(&plain(FIN | CLOSE, &close_body(upstream_told.unwrap(), "")));
                client.ends();
                server.ends();
                (after, [told, upstream_told])
            })
        })
        .collect()
}

/// Ends are spread as they should be: in order, none long after the window, and no more in a part of it than fits.
#[track_caller]
fn spread(mut after: Vec<Duration>) {
    after.sort();
    let (first, last) = (after[0], after[after.len() - 1]);
    let told_by = |share: f64| after.iter().filter(|at| **at <= WINDOW.mul_f64(share)).count();
    assert!(first < WINDOW / 2, "the first waits for {first:?}");
    assert!(last > WINDOW / 2, "all are told within {last:?}");
    assert!(last < WINDOW + Duration::from_secs(15), "the last waits for {last:?}");
    let (quarter, half) = (told_by(0.25), told_by(0.5));
    assert!(quarter <= after.len() / 2, "in the first quarter {quarter} of {}: {after:?}", after.len());
    assert!(half <= after.len() * 3 / 4, "in the first half {half} of {}: {after:?}", after.len());
}

fn stop(node: &Node, api: &str) {
    node.admin.send("POST", &format!("{api}/deployments/development/stop"), None).expect(200);
}

/// The API's entry in the snapshot.
fn served(node: &Node) -> Value {
    let page = node.admin.get("/snapshot").expect(200);
    let items = page["deployments"]["items"].as_array().unwrap();
    items.iter().find(|item| item["api"] == "default/chat:1.0").cloned().unwrap_or_default()
}

#[test]
fn ends_are_spread_over_the_window_and_their_progress_is_seen() {
    let Scene { node, api, pairs, base, .. } = scene(OPTIONS);
    assert_eq!(served(&node)["open"], CONNECTIONS);
    assert_eq!(served(&node)["draining"], Value::Null);
    let begun = Instant::now();
    let watched = watch(pairs, begun);
    stop(&node, &api);
    assert!(begun.elapsed() < WINDOW, "the change was answered when its window was over");
    refuses(node.external("development"), &base, 503, "api-stopped");
    // Each look finds no more than the one before; some of them find it half done.
    let (mut looks, mut lefts, mut listed) = (0, vec![CONNECTIONS as u64], vec![CONNECTIONS]);
    until("none is left", || {
        let draining = served(&node)["draining"].clone();
        let open =
            node.admin.all("/connections?api=default/chat:1.0").iter().filter(|it| it["stage"] == "open").count();
        looks += 1;
        listed.push(open);
        if draining == Value::Null {
            return Some(());
        }
        assert!(draining["of"].as_u64().unwrap() <= CONNECTIONS as u64, "{draining}");
        lefts.push(draining["left"].as_u64().unwrap());
        None
    });
    assert!(lefts.is_sorted_by(|one, next| one >= next), "{lefts:?}");
    assert!(listed.is_sorted_by(|one, next| one >= next), "{listed:?}");
    assert!(looks > 2 && lefts.iter().any(|left| (1..CONNECTIONS as u64).contains(left)), "{lefts:?}");
    assert!(listed.iter().any(|open| (1..CONNECTIONS).contains(open)), "{listed:?}");
    let ends: Vec<_> = watched.into_iter().map(|end| end.join().unwrap()).collect();
    assert!(ends.iter().all(|(_, codes)| *codes == [Some(1001), Some(1001)]), "{ends:?}");
    spread(ends.into_iter().map(|(after, _)| after).collect());
    assert_eq!(served(&node)["state"], "stopped");
    node.settles();
}

#[test]
fn a_new_target_is_spread_as_well_and_clients_that_come_back_go_there() {
    let Scene { node, api, pairs, base, .. } = scene(OPTIONS);
    let next = Upstream::listen();
    let begun = Instant::now();
    let watched = watch(pairs, begun);
    let own = json!({ "targets": [ws(next.address())] });
    node.admin.put(&format!("{api}/deployments/development"), &own).expect(200);
    let (mut client, mut server, ..) = through(node.external("development"), &base, &next);
    alive(&mut client, &mut server);
    let ends: Vec<_> = watched.into_iter().map(|end| end.join().unwrap()).collect();
    assert!(ends.iter().all(|(_, codes)| *codes == [Some(1012), Some(1001)]), "{ends:?}");
    spread(ends.into_iter().map(|(after, _)| after).collect());
    alive(&mut client, &mut server);
}

#[test]
fn what_is_deleted_ends_over_the_window_and_is_seen_until_then() {
    let Scene { node, api, pairs, base, .. } = scene(OPTIONS);
    let watched = watch(pairs, Instant::now());
    assert_eq!(node.admin.delete(&api).status, 204);
    refuses(node.external("development"), &base, 404, "route-not-found");
    let gone = served(&node);
    assert_eq!(gone["state"], "undeployed", "{gone}");
    assert!(gone["draining"]["left"].as_u64().is_some_and(|left| left > 0), "{gone}");
    assert_eq!(node.admin.get("/snapshot").expect(200)["deployed"], 0);
    let ends: Vec<_> = watched.into_iter().map(|end| end.join().unwrap()).collect();
    assert!(ends.iter().all(|(_, codes)| *codes == [Some(1001), Some(1001)]), "{ends:?}");
    spread(ends.into_iter().map(|(after, _)| after).collect());
    until("it is no longer seen", || (served(&node) == Value::Null).then_some(()));
    node.settles();
}

#[test]
fn how_many_there_were_is_known_though_one_shard_has_ended_its_own() {
    let node = Node::start("cpus = \"0,1\"\ndrain_window_ms = 600_000\nlimits.drain_timeout_ms = 700_000");
    let upstream = Upstream::listen();
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    let ids = || -> BTreeSet<String> {
        node.admin.all("/connections").iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    // Which shard takes a connection is the kernel's choice.
    let (mut known, mut of_shard) = (BTreeSet::new(), [Vec::new(), Vec::new()]);
    while of_shard[0].is_empty() || of_shard[1].len() < 3 {
        let (client, server, ..) = through(node.external("development"), &base, &upstream);
        let now = ids();
        let anew = now.difference(&known).next().unwrap();
        of_shard[usize::from(anew.starts_with("1-"))].push((client, server));
        known = now;
    }
    let [first, second] = &mut of_shard;
    // Its turn is at once: with that, this shard has told all of its own.
    first.truncate(1);
    let count = second.len() + 1;
    until("the others are gone", || (ids().len() == count).then_some(()));
    stop(&node, &api);
    // Whose turn is at once is told a moment after the change is answered.
    let told = json!({ "left": count - 2, "of": count });
    until("the first of each shard is told", || (served(&node)["draining"] == told).then_some(()));
}

#[test]
fn a_start_within_the_window_keeps_the_rest() {
    let Scene { node, api, pairs, base, upstream } = scene("drain_window_ms = 8000\nlimits.drain_timeout_ms = 20000");
    stop(&node, &api);
    until("some of them are told", || {
        let left = served(&node)["draining"]["left"].as_u64()?;
        (left < CONNECTIONS as u64 - 3).then_some(())
    });
    node.admin.send("POST", &format!("{api}/deployments/development/start"), None).expect(200);
    assert_eq!(served(&node)["draining"], Value::Null);
    let kept = node.admin.all("/connections").iter().filter(|it| it["stage"] == "open").count();
    assert!((1..CONNECTIONS - 3).contains(&kept), "{kept}");
    let (told, mut rest): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(client, _)| !client.is_quiet());
    assert_eq!(rest.len(), kept);
    let ends: Vec<_> = watch(told, Instant::now()).into_iter().map(|end| end.join().unwrap()).collect();
    assert!(ends.iter().all(|(_, codes)| *codes == [Some(1001), Some(1001)]), "{ends:?}");
    for (client, server) in &mut rest {
        alive(client, server);
    }
    let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
    alive(&mut client, &mut server);
    drop((client, server, rest));
    node.settles();
}

#[test]
fn the_end_comes_between_frames() {
    let Scene { node, api, pairs, .. } = scene("drain_window_ms = 50");
    let message = masked(FIN | BINARY, &[7; 3000]);
    let (half, rest) = message.split_at(1000);
    let mut pairs = pairs;
    for (client, server) in &mut pairs {
        client.send(half);
        // So that the proxy is known to be inside the frame.
        assert_eq!(server.exactly(1000), half);
    }
    stop(&node, &api);
    until("the window is over", || served(&node)["draining"].is_null().then_some(()));
    for (client, server) in &mut pairs {
        // To the client the end is said; the upstream still has a frame coming.
        assert_eq!(client.close().0, Some(1001));
        client.send(rest);
        assert_eq!(server.exactly(rest.len()), rest);
        assert_eq!(server.close().0, Some(1001));
    }
    for (mut client, mut server) in pairs {
        client.send(&masked(FIN | CLOSE, &close_body(1001, "")));
        server.send(&plain(FIN | CLOSE, &close_body(1001, "")));
        client.ends();
        server.ends();
    }
    node.settles();
}

#[test]
fn an_operator_s_close_is_spread_and_the_api_goes_on() {
    let Scene { node, pairs, base, upstream, .. } = scene(OPTIONS);
    let watched = watch(pairs, Instant::now());
    let closing = node.admin.post("/connections/close", &json!({ "environment": "development" })).expect(200);
    assert_eq!(closing, json!({ "closing": CONNECTIONS }));
    // Who comes now was not meant.
    let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
    let ends: Vec<_> = watched.into_iter().map(|end| end.join().unwrap()).collect();
    spread(ends.into_iter().map(|(after, _)| after).collect());
    alive(&mut client, &mut server);
}

#[test]
fn a_shutdown_is_spread_and_then_the_process_ends_with_0() {
    let Scene { node, pairs, .. } = scene(OPTIONS);
    let watched = watch(pairs, Instant::now());
    node.signal(libc::SIGTERM);
    let ends: Vec<_> = watched.into_iter().map(|end| end.join().unwrap()).collect();
    assert!(ends.iter().all(|(_, codes)| *codes == [Some(1001), Some(1001)]), "{ends:?}");
    spread(ends.into_iter().map(|(after, _)| after).collect());
    assert_eq!(node.ended().code(), Some(0));
    node.logged("all connections closed");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let Scene { node, pairs, .. } = scene("drain_window_ms = 3600000\nlimits.drain_timeout_ms = 7200000");
    node.signal(libc::SIGTERM);
    node.logged("shutting down");
    node.signal(libc::SIGTERM);
    assert_eq!(node.ended().code(), Some(1));
    node.logged("second signal");
    drop(pairs);
}

#[test]
fn whoever_does_not_answer_its_end_is_closed_all_the_same() {
    let Scene { node, api, pairs, .. } = scene("drain_window_ms = 100\nlimits.close_timeout_ms = 300");
    stop(&node, &api);
    until("no connection is left", || node.admin.all("/connections").is_empty().then_some(()));
    for (mut client, _) in pairs {
        assert_eq!(client.close().0, Some(1001));
        let (rest, _) = client.rest();
        assert!(rest.is_empty());
    }
    node.settles();
}
