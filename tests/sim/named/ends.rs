//! Each row of the table of ends.

use std::time::Duration;

use ringway::engine::Fault;

use super::{KEY, ask, bye, client, play, reply, scene, upstream};
use crate::peer::Item;
use crate::wire::{self, BINARY, CLOSE, FIN, PING, PONG, TEXT};

#[test]
fn a_close_of_the_clients_goes_through_and_so_does_its_answer() {
    play(&scene(client(vec![ask(10), bye()]), upstream(vec![reply(5)])), |played| {
        played.ended("closed by client");
        played.told_upstream(4001, "bye");
        played.told_client(4001, "");
        assert_eq!((played.record.client.messages, played.record.upstream.messages), (1, 1));
        assert!(played.millis() < 1000, "{} ms", played.millis());
    });
}

#[test]
fn a_close_of_the_upstreams_goes_through_and_so_does_its_answer() {
    play(&scene(client(vec![]), upstream(vec![reply(5), bye()])), |played| {
        played.ended("closed by upstream");
        played.told_client(4001, "bye");
        played.told_upstream(4001, "");
        assert!(played.millis() < 1000, "{} ms", played.millis());
    });
}

#[test]
fn a_client_that_has_ended_still_hears_the_upstream_out() {
    let mut answers = upstream(vec![Item::Wait(3000), reply(100), Item::Wait(3000), reply(100_000), bye()]);
    answers.stays = true;
    play(&scene(client(vec![ask(10), Item::End]), answers), |played| {
        played.ended("client ended without a close frame");
        played.told_client(4001, "bye");
        assert_eq!((played.told(false), played.record.upstream.messages), (None, 2));
        assert_eq!(played.frames(true), [TEXT, TEXT, CLOSE]);
    });
}

#[test]
fn an_upstream_that_has_ended_still_hears_the_client_and_the_client_is_told() {
    let mut asks = client(vec![Item::Wait(100), ask(10), ask(70_000)]);
    asks.answers_close = false;
    asks.stays = true;
    play(&scene(asks, upstream(vec![reply(9), Item::End])), |played| {
        played.ended("upstream ended without a close frame");
        played.told_client(1011, "upstream ended without a close frame");
        assert_eq!(played.frames(false)[..2], [BINARY, BINARY]);
    });
}

#[test]
fn a_clients_breach_waits_for_the_echo_of_what_it_said_before() {
    let breach = Item::Violate(wire::frame(FIN | 3, KEY, b"x"), "unknown-opcode");
    let mut echo = upstream(vec![Item::Wait(1500), reply(300)]);
    echo.answers_close = false;
    echo.stays = true;
    play(&scene(client(vec![ask(300), breach]), echo), |played| {
        played.ended("client violation: unknown-opcode");
        played.told_client(1002, "unknown-opcode");
        played.told_upstream(1001, "client broke the protocol");
        assert_eq!(played.frames(true), [TEXT, CLOSE]);
        assert_eq!(played.frames(false), [BINARY, CLOSE]);
    });
}

#[test]
fn an_upstreams_breach_is_told_to_both() {
    let mut big = Vec::new();
    wire::header(FIN | BINARY, None, 1 << 40, &mut big);
    let breach = Item::Violate(big, "frame-too-big");
    play(&scene(client(vec![ask(300)]), upstream(vec![reply(4), breach])), |played| {
        played.ended("upstream violation: frame-too-big");
        played.told_client(1011, "upstream broke the protocol");
        played.told_upstream(1009, "frame-too-big");
        assert_eq!(played.frames(true), [TEXT, CLOSE]);
    });
}

#[test]
fn the_loss_of_either_side_is_told_to_the_other() {
    play(&scene(client(vec![ask(3), Item::Wait(50), Item::Reset(Fault::Reset)]), upstream(vec![])), |played| {
        played.ended("client broken: reset");
        played.told_upstream(1001, "client connection lost");
        assert!(played.millis() < 1000);
    });
    let lost = upstream(vec![reply(3), Item::Wait(50), Item::Reset(Fault::TimedOut)]);
    play(&scene(client(vec![]), lost), |played| {
        played.ended("upstream broken: timed-out");
        played.told_client(1011, "upstream connection lost");
        assert!(played.millis() < 1000);
    });
}

#[test]
fn a_close_is_not_put_into_a_frame_that_was_cut_off() {
    let part = Item::Say(wire::frame(FIN | TEXT, None, &[b'r'; 5000])[..400].to_vec());
    let dies = upstream(vec![part, Item::Wait(50), Item::Reset(Fault::Reset)]);
    play(&scene(client(vec![]), dies), |played| {
        assert_eq!(played.told(true), None);
        assert_eq!(played.record.client.close_sent, None);
    });
}

#[test]
fn a_tunnel_in_which_nothing_is_said_ends_as_idle() {
    let mut quiet = scene(client(vec![ask(1)]), upstream(vec![]));
    quiet.timeouts().idle = Some(Duration::from_secs(3));
    quiet.timeouts().ping_interval = Some(Duration::from_millis(700));
    play(&quiet, |played| {
        played.ended("idle timeout");
        played.told_client(1001, "idle timeout");
        played.told_upstream(1001, "idle timeout");
        assert!((3000..3200).contains(&played.millis()), "{} ms: pings of ours are no traffic", played.millis());
        assert!(played.frames(true).contains(&PING) && !played.frames(false).contains(&PONG));
    });
}
