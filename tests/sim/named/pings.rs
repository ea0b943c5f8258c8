//! Pings and pongs, ours and theirs.

use std::time::Duration;

use ringway::proxy::end::End;

use super::{KEY, ask, bye, client, pinging, play, play_once, policy, upstream};
use crate::peer::{Item, Pongs};
use crate::wire::{self, CLOSE, FIN, PING, PONG};

#[test]
fn a16_a_side_that_takes_no_ping_is_given_up_and_the_other_gets_the_end_alone() {
    play_once(&pinging(client(vec![Item::StopReading]), upstream(vec![])), |played| {
        played.ended("client did not answer a ping");
        played.told_nothing(true, false);
        played.told_nothing(false, false);
        assert!((3000..3200).contains(&played.millis()), "{} ms", played.millis());
    });
    let mut scene = pinging(client(vec![]), upstream(vec![Item::StopReading]));
    play_once(&scene, |played| {
        played.ended("upstream did not answer a ping");
        played.told_nothing(true, false);
        played.told_nothing(false, false);
    });
    policy(&mut scene).abnormal_close_code = Some(1013);
    play_once(&scene, |played| played.told_client(1013, "upstream did not answer a ping"));
}

#[test]
fn a13_a_side_that_takes_pings_and_answers_none_is_alive() {
    let mut mute = client(vec![]);
    mute.pongs = Pongs::Never;
    let mut silent = upstream(vec![]);
    silent.pongs = Pongs::Never;
    play(&pinging(mute, silent), |played| {
        played.ended("drained");
        assert!(played.frames(true).iter().filter(|opcode| **opcode == PING).count() > 4);
    });
    // Nor does a side die that only sends, and reads too late for every ping.
    let said = (0..60).flat_map(|_| [Item::Wait(300), ask(10)]);
    let only_sends = client([Item::StopReading].into_iter().chain(said).collect());
    play(&pinging(only_sends, upstream(vec![])), |played| {
        assert!(!matches!(played.record.end, End::Silent(_)), "{}", played.record.end);
        assert!(played.millis() > 15_000, "{} ms", played.millis());
    });
}

#[test]
fn a13_each_side_has_an_interval_of_its_own() {
    for (of_client, of_upstream) in [(true, false), (false, true), (false, false)] {
        let mut scene = pinging(client(vec![]), upstream(vec![]));
        let every = Some(Duration::from_secs(2));
        scene.timeouts().ping_interval = every.filter(|_| of_client);
        scene.timeouts().upstream_ping_interval = every.filter(|_| of_upstream);
        play(&scene, |played| {
            played.ended("drained");
            for (to_client, is_pinged) in [(true, of_client), (false, of_upstream)] {
                assert_eq!(played.frames(to_client).contains(&PING), is_pinged, "to the client: {to_client}");
            }
        });
    }
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
    play(&pinging(client(vec![Item::StopReading]), upstream(vec![Item::Wait(100), ping])), |played| {
        played.ended("client did not answer a ping");
        assert_eq!(played.frames(true), [PING]);
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
