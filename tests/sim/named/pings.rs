//! Pings and pongs, ours and theirs.

use super::{KEY, bye, client, pinging, play, play_once, upstream};
use crate::peer::{Item, Pongs};
use crate::wire::{self, CLOSE, FIN, PING, PONG};

#[test]
fn a_side_that_does_not_answer_a_ping_is_given_up() {
    let mut dead = client(vec![]);
    dead.pongs = Pongs::Never;
    play_once(&pinging(dead, upstream(vec![])), |played| {
        played.ended("client did not answer a ping");
        played.told_client(1001, "no answer to a ping");
        played.told_upstream(1001, "client did not answer a ping");
        // Taking the rest of a ping that was sent in two pieces is a sign of life too: one interval more.
        assert!((3000..5200).contains(&played.millis()), "{} ms", played.millis());
    });
    let mut dead = upstream(vec![]);
    dead.pongs = Pongs::Never;
    play_once(&pinging(client(vec![]), dead), |played| {
        played.ended("upstream did not answer a ping");
        played.told_client(1011, "upstream did not answer a ping");
        played.told_upstream(1001, "no answer to a ping");
    });
}

#[test]
fn a_pong_of_ours_is_taken_out_though_it_comes_byte_by_byte() {
    let mut slow = client(vec![]);
    slow.write_max = 1;
    play(&pinging(slow, upstream(vec![])), |played| {
        played.ended("drained");
        assert!(played.frames(true).iter().filter(|opcode| **opcode == PING).count() > 5);
        assert_eq!(played.frames(false).iter().filter(|opcode| **opcode == PONG).count(), 0);
    });
}

#[test]
fn no_ping_of_ours_joins_one_that_was_relayed_and_is_not_answered() {
    let ping = Item::Say(wire::frame(FIN | PING, None, b"theirs"));
    let mut slow = client(vec![]);
    slow.pongs = Pongs::Newest(2500);
    play(&pinging(slow, upstream(vec![Item::Wait(100), ping, bye()])), |played| {
        assert_eq!(played.frames(true).iter().filter(|opcode| **opcode == PING).count(), 1);
    });
    let ping = Item::Say(wire::frame(FIN | PING, None, b"theirs"));
    let mut dead = client(vec![]);
    dead.pongs = Pongs::Never;
    play(&pinging(dead, upstream(vec![ping])), |played| {
        played.ended("client did not answer a ping");
        assert_eq!(played.frames(true), [PING, CLOSE]);
    });
}

#[test]
fn every_pong_but_ours_goes_through() {
    let pongs = [b"".as_slice(), b"x", b"12345678", &[9; 125]];
    let items = pongs.iter().map(|body| Item::Say(wire::frame(FIN | PONG, KEY, body))).chain([bye()]).collect();
    play(&pinging(client(items), upstream(vec![])), |played| {
        assert_eq!(played.frames(false), [PONG, PONG, PONG, PONG, CLOSE]);
    });
}
