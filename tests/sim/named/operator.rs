//! One action of an operator at a time, while many clients with long connections are open.

use std::sync::Arc;
use std::time::Duration;

use ringway::routing::policy::Policy;
use ringway::routing::route::Gate;

use super::{ask, bye, client, play_once, reply, upstream};
use crate::operator::scene::{request, target};
use crate::operator::{APIS, Ask, Deployed, Means, Order, Plan, Reach, State};
use crate::peer::{Item, PeerPlan};
use crate::plan::{ConnectionPlan, Outcome, Scene};
use crate::tls::Identity;
use crate::wire::{CLOSE, TEXT};

/// Milliseconds over which ends are spread.
const WINDOW: u64 = 1000;

/// The first API, as it goes to these targets; another object for each edition.
fn open(edition: u32, targets: &[usize]) -> Deployed {
    let targets = targets.to_vec();
    Deployed { listener: 0, gate: Gate::Open, targets, policy: 0, deprecated: false, preserve_host: false, edition }
}

fn stopped(edition: u32, targets: &[usize]) -> Deployed {
    Deployed { gate: Gate::Stopped, ..open(edition, targets) }
}

fn state(first: Option<Deployed>) -> State {
    let mut state = vec![None; APIS.len()];
    state[0] = first;
    state
}

fn now(deployed: Deployed) -> Order {
    Order::InForce(state(Some(deployed)))
}

fn gone() -> Order {
    Order::InForce(state(None))
}

fn path_of(target: &str) -> Ask {
    let means = if target.starts_with("/default/chat/v1.0") { Means::Api(0) } else { Means::Nothing };
    let rest = target.strip_prefix("/default/chat/v1.0").unwrap_or_default().to_owned();
    Ask { listener: 0, host: "a.test".to_owned(), target: target.to_owned(), rest, means }
}

fn connection(at: u64, mut client: PeerPlan, upstream: PeerPlan) -> ConnectionPlan {
    let ask = path_of("/default/chat/v1.0/room");
    client.head = request(&ask);
    let outcome = Outcome::Open;
    ConnectionPlan { at, dials: Vec::new(), client, upstream, outcome, balanced: None, ask: Some(ask) }
}

/// So many clients of the first API, at target 0, that come at once and stay until they are told to go.
fn crowd(count: usize, orders: Vec<(u64, Order)>) -> Scene {
    let mut scene = super::scene(client(vec![]), upstream(vec![]));
    let one = connection(0, client(vec![ask(10)]), upstream(vec![reply(10)]));
    scene.connections = vec![one; count];
    scene.max_connections = 1000;
    let mut policy = Policy::clone(&scene.settings.policy);
    policy.drain_window = Duration::from_millis(WINDOW);
    let mut short = policy.clone();
    short.timeouts.idle = Some(Duration::from_secs(2));
    scene.operator = Some(Arc::new(Plan {
        targets: (0..4).map(|at| target(at, Reach::Good { tls: false }, 1)).collect(),
        policies: vec![Arc::new(policy), Arc::new(short)],
        connect_ms: 1,
        first: state(Some(open(0, &[0]))),
        orders,
    }));
    scene
}

/// Plays it: why each connection ended, and when its end began.
fn ends(scene: &Scene, judge: impl Fn(&[(String, u64)])) {
    play_once(scene, |played| {
        let world = &played.world;
        let end = |index: usize| {
            let address = crate::plan::client_of(&world.scene, index);
            let record = world.records.iter().find(|record| record.peer == address).unwrap();
            let seen = &world.operator.as_ref().unwrap().watch.seen[index];
            (record.end.to_string(), seen.closing_at.or(world.gone_at[index]).unwrap())
        };
        judge(&(0..world.scene.connections.len()).map(end).collect::<Vec<_>>());
    });
}

/// All ended for this reason, within the window that began at this moment, and one after the other.
fn all_ended(ends: &[(String, u64)], why: &str, at: u64) {
    assert!(ends.iter().all(|(end, _)| end == why), "{ends:?}");
    let times: Vec<u64> = ends.iter().map(|(_, time)| *time).collect();
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(*first >= at && *last <= at + WINDOW + 10, "{times:?}");
    assert!(last - first >= WINDOW / 2, "at once: {times:?}");
}

#[test]
fn connections_end_over_the_window_of_their_route() {
    for (order, why) in [
        (gone(), "drained: API undeployed"),
        (now(stopped(1, &[0])), "drained: API stopped"),
        (now(Deployed { gate: Gate::Blocked, ..open(1, &[0]) }), "drained: API blocked"),
        (now(open(1, &[1])), "drained: API has another target"),
        (Order::Close(vec![0]), "drained: closed by an operator"),
    ] {
        ends(&crowd(8, vec![(500, order)]), |ends| all_ended(ends, why, 500));
    }
    let mut scene = crowd(8, vec![]);
    scene.drain_at = Some(500);
    ends(&scene, |ends| all_ended(ends, "drained", 500));
}

#[test]
fn changes_that_leave_a_target_touch_nobody_who_goes_to_it() {
    let orders = vec![
        (300, now(open(1, &[0]))),
        (400, now(open(2, &[1, 0]))),
        (500, now(open(3, &[0, 2, 3]))),
        (600, now(Deployed { policy: 1, deprecated: true, ..open(4, &[0]) })),
        (700, now(Deployed { policy: 0, preserve_host: true, ..open(5, &[0]) })),
        (800, Order::InForce(vec![Some(open(5, &[0])), None, Some(open(9, &[1])), None, None, None])),
    ];
    let mut scene = crowd(4, orders);
    scene.drain_at = Some(2000);
    ends(&scene, |ends| all_ended(ends, "drained", 2000));
}

#[test]
fn a_shutdown_goes_on_whatever_becomes_of_what_is_deployed() {
    for change in [now(open(1, &[1])), now(open(1, &[0, 1])), now(stopped(1, &[0])), gone(), Order::Close(vec![0])] {
        let mut scene = crowd(8, vec![(700, change), (900, now(open(2, &[0])))]);
        scene.drain_at = Some(500);
        ends(&scene, |ends| {
            let last = ends.iter().map(|(_, at)| *at).max();
            assert!(last.is_some_and(|last| last <= 500 + WINDOW + 10), "{ends:?}");
        });
    }
}

#[test]
fn who_is_closed_by_an_operator_ends_whatever_becomes_of_the_api() {
    for changes in [
        vec![now(open(1, &[0, 1])), now(open(2, &[0]))],
        vec![now(stopped(1, &[0])), now(open(2, &[0]))],
        vec![gone(), now(open(2, &[0]))],
    ] {
        let mut orders = vec![(500, Order::Close(vec![0]))];
        orders.extend((6..).map(|at| at * 100).zip(changes));
        ends(&crowd(8, orders), |ends| {
            assert!(ends.iter().all(|(why, _)| why.starts_with("drained: ")), "{ends:?}");
            assert!(ends.iter().all(|(_, at)| *at <= 500 + WINDOW + 10), "{ends:?}");
        });
    }
}

#[test]
fn an_api_that_is_started_again_keeps_who_has_not_ended() {
    for (end, begin) in [(now(stopped(1, &[0])), now(open(2, &[0]))), (gone(), now(open(2, &[0])))] {
        let mut scene = crowd(8, vec![(500, end), (450 + WINDOW / 2, begin)]);
        scene.drain_at = Some(3000);
        ends(&scene, |ends| {
            let kept = ends.iter().filter(|(why, _)| why == "drained").count();
            assert_eq!(kept, 4, "{ends:?}");
        });
    }
}

#[test]
fn who_goes_to_a_target_of_before_ends_when_a_stopped_api_is_started_elsewhere() {
    let orders = vec![(500, now(stopped(1, &[0]))), (600, now(stopped(2, &[1]))), (700, now(open(3, &[1])))];
    ends(&crowd(8, orders), |ends| {
        assert!(ends.iter().all(|(_, at)| *at <= 500 + WINDOW + 10), "{ends:?}");
        assert_eq!(ends.iter().filter(|(why, _)| why == "drained: API has another target").count(), 6, "{ends:?}");
    });
}

#[test]
fn a_later_change_does_not_put_off_who_is_to_end_already() {
    for changes in [
        vec![now(open(1, &[1])), now(open(2, &[2])), now(open(3, &[3]))],
        vec![now(stopped(1, &[0])), gone(), now(stopped(2, &[1]))],
        vec![Order::Close(vec![0]), Order::Close(vec![0]), gone()],
    ] {
        let orders = (0..).map(|nth| 500 + nth * 300).zip(changes).collect();
        ends(&crowd(8, orders), |ends| {
            assert!(ends.iter().all(|(_, at)| *at <= 500 + WINDOW + 10), "{ends:?}");
        });
    }
}

#[test]
fn others_that_are_to_end_do_not_put_off_who_waits() {
    let mut scene = crowd(8, vec![(500, now(open(1, &[1]))), (1200, now(open(2, &[2])))]);
    // They go to the second target, and end with the second change.
    for _ in 0..4 {
        scene.connections.push(connection(800, client(vec![ask(10)]), upstream(vec![reply(10)])));
    }
    ends(&scene, |ends| {
        assert!(ends[..8].iter().all(|(_, at)| *at <= 500 + WINDOW + 10), "{ends:?}");
        assert!(ends[8..].iter().all(|(_, at)| (1200..=1200 + WINDOW + 10).contains(at)), "{ends:?}");
        assert!(ends.iter().all(|(why, _)| why == "drained: API has another target"), "{ends:?}");
    });
}

#[test]
fn a_target_that_comes_back_keeps_who_has_not_ended() {
    let mut scene = crowd(8, vec![(500, now(open(1, &[1]))), (450 + WINDOW / 2, now(open(2, &[1, 0])))]);
    scene.drain_at = Some(3000);
    ends(&scene, |ends| assert_eq!(ends.iter().filter(|(why, _)| why == "drained").count(), 4, "{ends:?}"));
}

#[test]
fn a_new_deadline_counts_at_once_for_who_is_silent() {
    let scene = crowd(4, vec![(5000, now(Deployed { policy: 1, ..open(1, &[0]) }))]);
    ends(&scene, |ends| {
        assert!(ends.iter().all(|(why, at)| why == "idle timeout" && (5000..5100).contains(at)), "{ends:?}");
    });
}

#[test]
fn a_frame_that_has_begun_is_let_through_before_the_end() {
    let frame = crate::wire::frame(crate::wire::FIN | TEXT, None, &[b'r'; 60_000]);
    let mut slow = upstream(vec![Item::Say([frame.clone(), frame].concat())]);
    (slow.write_max, slow.pace) = (50_000, (70, 70));
    let mut scene = crowd(1, vec![(180, now(open(1, &[1])))]);
    scene.connections[0] = connection(0, client(vec![]), slow);
    play_once(&scene, |played| {
        played.ended("drained: API has another target");
        played.told_client(1012, "API was redeployed");
        played.told_upstream(1001, "API was redeployed");
        assert_eq!(played.frames(true), [TEXT, CLOSE]);
    });
}

#[test]
fn a_handshake_that_is_under_way_when_its_route_changes_ends_as_things_are_then() {
    let changes = [
        (now(open(1, &[1])), "refused: api-changing"),
        (now(stopped(1, &[0])), "refused: api-changing"),
        (gone(), "refused: api-changing"),
        (now(open(1, &[1, 0])), "closed by client"),
        (now(Deployed { deprecated: true, policy: 1, ..open(1, &[0]) }), "closed by client"),
        (Order::CloseOne(0), "refused: api-changing"),
    ];
    for (change, why) in changes {
        let mut late = upstream(vec![]);
        (late.write_max, late.pace) = (60, (150, 150));
        let mut scene = crowd(1, vec![(200, change)]);
        scene.connections[0] = connection(0, client(vec![bye()]), late);
        play_once(&scene, |played| played.ended(why));
    }
    // It was stopped while the upstream was asked, and is there again.
    let mut late = upstream(vec![]);
    (late.write_max, late.pace) = (60, (150, 150));
    let mut scene = crowd(1, vec![(200, now(stopped(1, &[0]))), (210, gone()), (220, now(open(2, &[0])))]);
    scene.connections[0] = connection(0, client(vec![bye()]), late);
    play_once(&scene, |played| played.ended("closed by client"));
}

#[test]
fn what_is_asked_for_later_is_answered_as_things_are_then() {
    let orders = vec![
        (500, now(stopped(1, &[0]))),
        (600, now(Deployed { gate: Gate::Blocked, ..open(2, &[0]) })),
        (700, gone()),
        (800, now(open(3, &[1]))),
    ];
    let mut scene = crowd(0, orders);
    for at in [450, 550, 650, 750, 850] {
        scene.connections.push(connection(at, client(vec![bye()]), upstream(vec![])));
    }
    ends(&scene, |ends| {
        let why: Vec<&str> = ends.iter().map(|(why, _)| why.as_str()).collect();
        let due = [
            "closed by client",
            "refused: api-stopped",
            "refused: api-blocked",
            "refused: route-not-found",
            "closed by client",
        ];
        assert_eq!(why, due);
    });
}

#[test]
fn endpoints_are_taken_in_turn_and_who_cannot_be_reached_is_passed_over() {
    let mut scene = crowd(0, vec![]);
    let reaches = [
        Reach::Unresolved,
        Reach::Unreachable { at_once: false },
        Reach::Untrusted(Some(Identity::Stranger)),
        Reach::Untrusted(None),
        Reach::Good { tls: false },
        Reach::Good { tls: true },
    ];
    let mut plan = Plan::clone(scene.operator.as_ref().unwrap());
    plan.targets = reaches.iter().enumerate().map(|(at, reach)| target(at, *reach, 1)).collect();
    plan.first = state(Some(open(0, &[0, 1, 2, 3, 4, 5])));
    plan.orders = vec![(5000, now(open(1, &[2, 0, 1]))), (6000, now(open(2, &[0, 1]))), (7000, now(open(3, &[0])))];
    scene.operator = Some(Arc::new(plan));
    for at in [100, 200, 300, 400, 500, 600, 5100, 6100, 7100] {
        scene.connections.push(connection(at, client(vec![bye()]), upstream(vec![])));
    }
    ends(&scene, |ends| {
        let why: Vec<&str> = ends[6..].iter().map(|(why, _)| why.as_str()).collect();
        let due = [
            "refused: upstream-certificate-untrusted",
            "refused: upstream-unreachable",
            "refused: upstream-unresolved",
        ];
        assert!(ends[..6].iter().all(|(why, _)| why == "closed by client"), "{ends:?}");
        assert_eq!(why, due);
    });
}

#[test]
fn a_head_that_was_within_the_limit_of_before_is_too_large_for_the_one_of_now() {
    let mut late = client(vec![]);
    (late.write_max, late.pace) = (50, (300, 300));
    // It goes on speaking right behind the change.
    let mut scene = crowd(1, vec![(600, Order::HeadLimit(90))]);
    scene.connections[0] = connection(0, late, upstream(vec![]));
    play_once(&scene, |played| played.ended("refused: head-too-large"));
}
