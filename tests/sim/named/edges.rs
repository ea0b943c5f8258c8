//! The handshake's edges, and slow readers.

use std::time::Duration;

use ringway::engine::Fault;

use super::{KEY, ask, bye, client, pinging, play, reply, scene, upstream};
use crate::net::DialPlan;
use crate::peer::Item;
use crate::scene::{addresses, agreement, elsewhere};
use crate::wire::{self, BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT};

#[test]
fn what_comes_behind_both_heads_is_the_tunnels_first() {
    let mut eager = client(vec![ask(30_000), ask(0), ask(20_000), Item::Wait(100), bye()]);
    eager.early = 3;
    let mut answers = upstream(vec![reply(10), reply(40_000), reply(0)]);
    answers.early = 3;
    play(&scene(eager, answers), |played| {
        assert_eq!(played.frames(false), [BINARY, BINARY, BINARY, CLOSE]);
        assert_eq!(played.frames(true), [TEXT, TEXT, TEXT, CLOSE]);
        assert_eq!((played.record.client.messages, played.record.upstream.messages), (3, 3));
    });
}

#[test]
fn frames_behind_an_answer_that_does_not_agree_reach_nobody() {
    let mut eager = client(vec![ask(3000), bye()]);
    eager.early = 2;
    let mut liar = upstream(vec![reply(3000)]);
    liar.valid = false;
    liar.early = 1;
    liar.head = agreement("").windows(1).flatten().copied().filter(|byte| *byte != b'{').collect();
    play(&scene(eager, liar), |played| {
        played.ended("refused: upstream-accept");
        assert!(played.frames(true).is_empty() || played.record.status == 502);
        assert!(played.frames(false).is_empty());
    });
}

#[test]
fn addresses_are_tried_in_turn_until_one_answers() {
    let mut scene = scene(client(vec![bye()]), upstream(vec![]));
    scene.addresses = addresses(3);
    scene.connections[0].dials =
        vec![DialPlan::RefusedAtOnce, DialPlan::Fails(30, Fault::Refused), DialPlan::Connect(40)];
    play(&scene, |played| played.ended("closed by client"));
}

#[test]
fn an_address_that_never_answers_gets_its_share_of_the_time_and_no_more() {
    let mut scene = scene(client(vec![bye()]), upstream(vec![]));
    scene.addresses = addresses(2);
    scene.connections[0].dials = vec![DialPlan::Never, DialPlan::Connect(40)];
    play(&scene, |played| {
        played.ended("closed by client");
        assert!((2540..2700).contains(&played.millis()), "{} ms: half of five seconds", played.millis());
    });
    // What one does not use of its share is the others'.
    scene.addresses = addresses(4);
    scene.connections[0].dials = vec![
        DialPlan::RefusedAtOnce,
        DialPlan::Fails(500, Fault::Unreachable),
        DialPlan::Never,
        DialPlan::Connect(2200),
    ];
    play(&scene, |played| {
        played.ended("closed by client");
        assert!((4950..5000).contains(&played.millis()), "{} ms", played.millis());
    });
    // Many get less than a share would be, as long as there is time.
    scene.addresses = addresses(16);
    scene.timeouts().connect = Duration::from_secs(1);
    scene.connections[0].dials = vec![DialPlan::Never, DialPlan::Never, DialPlan::Never, DialPlan::Connect(240)];
    play(&scene, |played| {
        played.ended("closed by client");
        assert!((990..1010).contains(&played.millis()), "{} ms", played.millis());
    });
    scene.connections[0].dials = vec![DialPlan::Never; 16];
    play(&scene, |played| {
        played.ended("refused: upstream-timeout");
        assert!((1000..1020).contains(&played.millis()), "{} ms", played.millis());
        assert_eq!(played.world.net.lines[0].dialled.len(), 4);
    });
}

#[test]
fn an_address_that_answered_is_the_first_for_the_next_connection() {
    let mut scene = scene(client(vec![bye()]), upstream(vec![]));
    scene.addresses = addresses(3);
    scene.connections[0].dials = vec![DialPlan::Never, DialPlan::Connect(40)];
    let mut later = scene.connections[0].clone();
    (later.at, later.dials) = (4000, vec![DialPlan::Connect(40)]);
    scene.connections.push(later.clone());
    // When it does not answer any more the others are tried in their order.
    (later.at, later.dials) = (5000, vec![DialPlan::RefusedAtOnce, DialPlan::RefusedAtOnce, DialPlan::Connect(40)]);
    scene.connections.push(later.clone());
    // Other addresses, this one among them.
    scene.moves = Some((6000, [elsewhere(1)[0], addresses(3)[2]].into()));
    (later.at, later.dials) = (7000, vec![DialPlan::RefusedAtOnce, DialPlan::Connect(40)]);
    scene.connections.push(later);
    play(&scene, |played| {
        let dialled = |line: usize| -> Vec<_> {
            played.world.net.lines[line].dialled.iter().map(|(_, address)| *address).collect()
        };
        let [first, second, third] = [0, 1, 2].map(|at| addresses(3)[at]);
        assert_eq!(dialled(0), [first, second]);
        assert_eq!(dialled(1), [second], "the one that answered");
        assert_eq!(dialled(2), [second, first, third]);
        assert_eq!(dialled(3), [third, elsewhere(1)[0]]);
        assert!(played.world.records.iter().all(|record| record.status == 101));
        let waited = played.world.records[1].duration.as_millis();
        assert!(waited < 300, "{waited} ms");
    });
}

#[test]
fn an_answer_without_the_address_that_answered_is_gone_through_from_its_beginning() {
    let mut scene = scene(client(vec![bye()]), upstream(vec![]));
    scene.addresses = addresses(2);
    scene.connections[0].dials = vec![DialPlan::RefusedAtOnce, DialPlan::Connect(40)];
    scene.moves = Some((1000, elsewhere(2)));
    let mut later = scene.connections[0].clone();
    (later.at, later.dials) = (1500, vec![DialPlan::Connect(40)]);
    scene.connections.push(later);
    play(&scene, |played| {
        let dialled = |line: usize| played.world.net.lines[line].dialled.iter().map(|(_, address)| *address);
        assert!(dialled(0).eq(addresses(2).iter().copied()));
        assert!(dialled(1).eq(elsewhere(2).iter().copied().take(1)));
    });
}

#[test]
fn an_upstream_that_moves_is_found_by_the_next_dial_and_does_not_disturb_one_under_way() {
    let mut scene = scene(client(vec![bye()]), upstream(vec![]));
    scene.addresses = addresses(2);
    scene.moves = Some((1000, elsewhere(2)));
    let mut later = scene.connections[0].clone();
    later.at = 1500;
    scene.connections.push(later);
    scene.connections[0].dials = vec![DialPlan::Never, DialPlan::Connect(40)];
    play(&scene, |played| {
        let dialled = |line: usize| played.world.net.lines[line].dialled.iter().map(|(_, address)| *address);
        assert!(dialled(0).eq(addresses(2).iter().copied()));
        assert!(dialled(1).eq(elsewhere(2).iter().copied().take(1)));
        assert!(played.world.records.iter().all(|record| record.status == 101));
    });
}

#[test]
fn an_upstream_without_an_address_is_a_503_until_it_has_one() {
    let mut scene = scene(client(vec![bye()]), upstream(vec![]));
    scene.addresses = addresses(0);
    scene.moves = Some((1000, elsewhere(1)));
    let mut later = scene.connections[0].clone();
    later.at = 1500;
    scene.connections.push(later);
    scene.connections[0].dials = vec![];
    play(&scene, |played| {
        played.ended("refused: upstream-unresolved");
        assert_eq!((played.world.records[0].status, played.world.records[1].status), (503, 101));
    });
}

#[test]
fn a_slow_reader_holds_back_only_its_own_direction() {
    let mut slow = client(vec![Item::StopReading, ask(10), ask(200_000), Item::Wait(3000), Item::ReadAgain]);
    slow.read_max = 5000;
    let talks = upstream(vec![reply(200_000), reply(200_000), reply(200_000), bye()]);
    let mut scene = scene(slow, talks);
    scene.net.capacity = (20_000, 20_000);
    play(&scene, |played| {
        assert_eq!(played.frames(false)[..2], [BINARY, BINARY]);
        assert_eq!(played.frames(true), [TEXT, TEXT, TEXT, CLOSE]);
        assert_eq!(played.world.peers[0].given, played.sent(true).0);
    });
}

#[test]
fn a_reader_that_never_reads_again_is_given_up() {
    let mute = client(vec![Item::StopReading]);
    let mut scene = pinging(mute, upstream(vec![reply(200_000), reply(200_000)]));
    scene.net.capacity = (20_000, 20_000);
    play(&scene, |played| played.ended("client did not answer a ping"));
}

#[test]
fn a_fragmented_message_keeps_its_pings_and_counts_once() {
    let part = |first, body: &[u8]| Item::Say(wire::frame(first, KEY, body));
    let items = vec![part(TEXT, b"a"), part(FIN | PING, b"p"), part(CONTINUATION, b"b"), part(FIN, b"c"), bye()];
    play(&scene(client(items), upstream(vec![])), |played| {
        assert_eq!(played.frames(false), [TEXT, PING, CONTINUATION, CONTINUATION, CLOSE]);
        assert_eq!(played.frames(true), [PONG, CLOSE]);
        assert_eq!(played.record.client.messages, 1);
    });
}
