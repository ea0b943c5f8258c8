//! Connections through a balancer, and what is counted of them.

use std::time::Duration;

use super::{ask, bye, client, play, play_once, reply, scene, upstream};
use crate::peer::{Cut, Item};
use crate::plan::{Scene, balancer_address, client_address};
use crate::scene::{BALANCERS, announcement};

/// A client that is well, behind a balancer that says so and so.
fn behind(header: &[u8], items: Vec<Item>) -> Scene {
    let mut scene = scene(client(items), upstream(vec![reply(10)]));
    scene.settings.proxy_protocol = vec![vec![BALANCERS.parse().unwrap()]];
    scene.max_per_address = Some(1);
    scene.connections[0].balanced = Some(header.to_vec());
    scene
}

#[test]
fn whom_the_balancer_names_is_the_client() {
    play(&behind(&announcement(0), vec![ask(10), bye()]), |played| {
        played.ended("closed by client");
        assert_eq!(played.record.peer, client_address(0));
    });
}

#[test]
fn a_balancer_that_names_nobody_is_the_client_itself() {
    play(&behind(b"PROXY UNKNOWN\r\n", vec![ask(10), bye()]), |played| {
        played.ended("closed by client");
        assert_eq!(played.record.peer, balancer_address(0));
    });
}

#[test]
fn what_is_no_header_ends_at_once_and_unanswered() {
    for (header, why) in [
        (b"".as_slice(), "no-header"),
        (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n", "line-malformed"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", "header-too-long"),
    ] {
        play(&behind(header, vec![]), |played| {
            played.ended(&format!("refused: proxy-protocol: {why}"));
            assert_eq!((played.record.status, played.record.peer), (0, balancer_address(0)));
            assert!(played.millis() < 1000, "{} ms", played.millis());
        });
    }
}

#[test]
fn a_header_that_does_not_come_is_waited_for_until_the_handshakes_deadline() {
    let mut scene = behind(&announcement(0), vec![]);
    scene.connections[0].client.cut = Some((20, Cut::Stall));
    scene.timeouts().handshake = Duration::from_secs(2);
    play_once(&scene, |played| {
        played.ended("refused: proxy-protocol: timeout");
        assert!((2000..2100).contains(&played.millis()), "{} ms", played.millis());
    });
}

#[test]
fn the_deadline_of_the_handshake_begins_at_accept_for_header_and_request_together() {
    let mut scene = behind(&announcement(0), vec![]);
    // A piece every 300 ms: the header is whole after one second, the request would be after another two.
    (scene.connections[0].client.write_max, scene.connections[0].client.pace) = (15, (300, 300));
    scene.timeouts().handshake = Duration::from_secs(2);
    scene.timeouts().close = Duration::from_secs(1);
    play_once(&scene, |played| {
        played.ended("refused: handshake-timeout");
        // The client does not leave, and is waited for.
        assert!((3000..3100).contains(&played.millis()), "{} ms", played.millis());
    });
}

#[test]
fn connections_through_a_balancer_count_to_whom_they_are_from() {
    let stays = || vec![Item::Wait(5_000), bye()];
    let mut scene = behind(&announcement(0), stays());
    let mut add = |header: &[u8], at: u64| {
        let index = scene.connections.len();
        let mut plan = behind(header, vec![bye()]).connections.remove(0);
        plan.at = at;
        scene.connections.push(plan);
        index
    };
    // The same address again, another of the balancer's own, and the first once more when its place is free.
    let again = add(&announcement(1), 1_000);
    let own = add(b"PROXY UNKNOWN\r\n", 1_000);
    let later = add(&announcement(3), 20_000);
    play(&scene, |played| {
        played.ended("closed by client");
        let end_of = |address| {
            let records = &played.world.records;
            records.iter().find(|record| record.peer == address).map(|record| record.end.to_string())
        };
        assert_eq!(end_of(client_address(again)).as_deref(), Some("refused: too-many-from-address"));
        assert_eq!(end_of(balancer_address(own)).as_deref(), Some("closed by client"));
        assert_eq!(end_of(client_address(later)).as_deref(), Some("closed by client"));
    });
}
