//! A drain, in every stage.

use super::{Scene, bye, client, play, play_once, reply, scene, upstream};
use crate::net::DialPlan;
use crate::peer::{Cut, Item};
use crate::wire::{self, CLOSE, FIN, TEXT};

#[test]
fn a_drain_lets_a_frame_end_that_has_begun() {
    let frame = wire::frame(FIN | TEXT, None, &[b'r'; 60_000]);
    let mut slow = upstream(vec![Item::Say([frame.clone(), frame].concat())]);
    (slow.write_max, slow.pace) = (50_000, (70, 70));
    let mut scene = scene(client(vec![]), slow);
    scene.drain_at = Some(180);
    play_once(&scene, |played| {
        played.ended("drained");
        played.told_client(1001, "proxy is shutting down");
        played.told_upstream(1001, "proxy is shutting down");
        assert_eq!(played.frames(true), [TEXT, CLOSE]);
        assert!(played.millis() < 2000, "{} ms", played.millis());
    });
}

#[test]
fn a_drain_that_a_frame_holds_up_ends_by_the_deadline() {
    let mut stuck = upstream(vec![reply(60_000)]);
    stuck.cut = Some((5000, Cut::Stall));
    let mut scene = scene(client(vec![]), stuck);
    scene.drain_at = Some(100);
    play(&scene, |played| {
        played.ended("drained");
        played.told_upstream(1001, "proxy is shutting down");
        assert_eq!(played.told(true), None);
        assert!(played.millis() <= 6_200, "{} ms", played.millis());
    });
}

#[test]
fn a_drain_answers_who_is_not_through_yet() {
    let draining = |mut scene: Scene| {
        scene.drain_at = Some(500);
        play(&scene, |played| {
            played.ended("refused: draining");
            assert_eq!(played.record.status, 503);
            assert!(String::from_utf8_lossy(&played.world.peers[0].given).contains("\"draining\""));
        });
    };
    let mut half = client(vec![]);
    half.cut = Some((30, Cut::Stall));
    draining(scene(half, upstream(vec![])));
    let mut dialling = scene(client(vec![]), upstream(vec![]));
    dialling.connections[0].dials = vec![DialPlan::Never];
    draining(dialling);
    let mut mute = upstream(vec![]);
    mute.cut = Some((20, Cut::Stall));
    draining(scene(client(vec![]), mute));
}

#[test]
fn a_drain_lets_an_answer_and_a_close_go_on() {
    let mut no = upstream(vec![]);
    no.valid = false;
    no.head = b"HTTP/1.1 401 No\r\nContent-Length: 10\r\n\r\n01234".to_vec();
    let mut declining = scene(client(vec![]), no);
    declining.drain_at = Some(500);
    play(&declining, |played| {
        played.ended("declined by upstream");
        assert!(played.world.peers[0].given.ends_with(b"\r\n\r\n01234"));
    });
    let mut late = upstream(vec![Item::Wait(2000), reply(5), bye()]);
    late.answers_close = false;
    let mut closing = scene(client(vec![bye()]), late);
    closing.drain_at = Some(500);
    play(&closing, |played| {
        played.ended("closed by client");
        assert_eq!(played.frames(true), [TEXT, CLOSE]);
    });
}
