//! Faults that were found once, each as a scene of its own.

use std::time::Duration;

use ringway::routing::route::Service;

use super::{ask, bye, client, pinging, play, reply, scene, upstream};
use crate::peer::{Cut, Item, Pongs};
use crate::wire::{self, FIN, PONG};

#[test]
fn a_late_pong_to_an_earlier_ping_of_ours_stays_with_us() {
    let mut late = client(vec![Item::Wait(2500), ask(1)]);
    late.pongs = Pongs::Late(2600);
    let mut scene = pinging(late, upstream(vec![]));
    scene.timeouts().pong = Duration::from_millis(1000);
    play(&scene, |played| {
        assert_eq!(played.frames(false).iter().filter(|opcode| **opcode == PONG).count(), 0);
    });
}

#[test]
fn a_close_behind_the_frame_that_a_drain_waits_for_is_not_left_unread() {
    let mut slow = upstream(vec![reply(60_000), reply(5)]);
    slow.cut = None;
    (slow.write_max, slow.pace) = (100_000, (0, 0));
    let mut reader = client(vec![]);
    (reader.read_max, reader.pace) = (500, (5, 5));
    let mut scene = scene(reader, slow);
    scene.net.capacity = (70_000, 1000);
    scene.net.capacity = (9_000, 9_000);
    scene.drain_at = Some(60);
    play(&scene, |played| {
        played.ended("drained");
        assert!(played.millis() < 4000, "{} ms: something was left until the deadline", played.millis());
    });
}

#[test]
fn a_client_that_closed_is_answered_though_the_upstream_then_breaks_a_rule() {
    let breach = Item::Violate(wire::frame(FIN | 3, None, b"x"), "unknown-opcode");
    let mut bad = upstream(vec![Item::Wait(300), breach]);
    bad.answers_close = false;
    play(&scene(client(vec![bye()]), bad), |played| {
        played.ended("closed by client");
        played.told_upstream(4001, "bye");
        played.told_client(1014, "upstream broke the protocol");
    });
}

#[test]
fn a_drained_echo_does_not_wait_for_a_frame_that_never_ends() {
    let mut stuck = client(vec![ask(1000)]);
    stuck.cut = Some((300, Cut::Stall));
    let mut scene = scene(stuck, upstream(vec![]));
    scene.service = Service::Echo;
    scene.connections[0].dials.clear();
    scene.drain_at = Some(100);
    play(&scene, |played| {
        played.ended("drained");
        assert!(played.millis() <= 10_200, "{} ms", played.millis());
    });
}

#[test]
fn an_echo_does_not_wait_for_a_client_that_closes_and_does_not_read() {
    let mut scene = scene(client(vec![Item::StopReading, ask(100_000), bye()]), upstream(vec![]));
    scene.service = Service::Echo;
    scene.connections[0].dials.clear();
    scene.net.capacity = (120_000, 120_000);
    play(&scene, |played| played.ended("closed by client"));
    scene.net.capacity = (60_000, 60_000);
    scene.drain_at = Some(1000);
    play(&scene, |played| assert!(played.millis() <= 11_200, "{} ms", played.millis()));
}

#[test]
fn what_was_scanned_is_not_scanned_again_when_the_other_side_breaks() {
    let mut eager = client(vec![ask(50)]);
    eager.early = 1;
    let mut dies = upstream(vec![]);
    // Right behind its 101, in which the accept value stands for its name.
    dies.cut = Some((dies.head.len() - "{accept}".len() + 28, Cut::Reset));
    play(&scene(eager, dies), |played| {
        if played.record.status == 101 {
            assert!(played.record.client.messages <= 1, "{:?}", played.record);
        }
    });
}
