//! Each row of the table of ends.

use std::time::Duration;

use ringway::engine::Fault;

use super::{KEY, ask, bye, client, play, policy, reply, scene, upstream};
use crate::peer::{Cut, Item};
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
fn a16_an_upstream_that_has_ended_still_hears_the_client_and_the_client_gets_the_end_alone() {
    let mut asks = client(vec![Item::Wait(100), ask(10), ask(70_000)]);
    asks.answers_close = false;
    asks.stays = true;
    let mut scene = scene(asks, upstream(vec![reply(9), Item::End]));
    play(&scene, |played| {
        played.ended("upstream ended without a close frame");
        played.told_nothing(true, false);
        assert_eq!((played.frames(true), played.frames(false)), (vec![TEXT], vec![BINARY, BINARY]));
    });
    policy(&mut scene).abnormal_close_code = Some(1012);
    play(&scene, |played| {
        played.ended("upstream ended without a close frame");
        played.told_client(1012, "upstream ended without a close frame");
        assert_eq!(played.frames(false)[..2], [BINARY, BINARY]);
    });
}

#[test]
fn a16_a_client_that_does_not_answer_the_end_is_not_told_of_a_close_when_time_is_up() {
    for code in [None, Some(4001)] {
        let mut deaf = client(vec![ask(5)]);
        deaf.cut = Some((deaf.head.len() + 11, Cut::Stall));
        let mut scene = scene(deaf, upstream(vec![reply(9), Item::Wait(50), Item::End]));
        policy(&mut scene).abnormal_close_code = code;
        play(&scene, |played| {
            played.ended("upstream ended without a close frame");
            assert_eq!(played.told(true).map(|(code, _)| code), code);
            assert!(played.millis() < 6200, "{} ms", played.millis());
        });
    }
    // Nor is one that has ended itself, when the upstream does not end.
    let mut stays = upstream(vec![]);
    stays.cut = Some((stays.head.len() - "{accept}".len() + 28, Cut::Stall));
    stays.answers_close = false;
    play(&scene(client(vec![ask(5), Item::Wait(50), Item::End]), stays), |played| {
        played.told_nothing(true, false);
        played.told_nothing(false, false);
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
        played.told_client(1014, "upstream broke the protocol");
        played.told_upstream(1009, "frame-too-big");
        assert_eq!(played.frames(true), [TEXT, CLOSE]);
    });
}

#[test]
fn a16_a_reset_of_either_side_resets_the_other_and_any_other_loss_ends_it() {
    for (fault, by_reset) in [(Fault::Reset, true), (Fault::TimedOut, false)] {
        play(&scene(client(vec![ask(3), Item::Wait(50), Item::Reset(fault)]), upstream(vec![])), |played| {
            assert!(played.record.end.to_string().starts_with("client broken"), "{}", played.record.end);
            played.told_nothing(false, by_reset);
            assert_eq!(played.frames(false), [BINARY]);
            assert!(played.millis() < 1000);
        });
        let lost = || upstream(vec![reply(3), Item::Wait(50), Item::Reset(fault)]);
        play(&scene(client(vec![]), lost()), |played| {
            assert!(played.record.end.to_string().starts_with("upstream broken"), "{}", played.record.end);
            played.told_nothing(true, by_reset);
            assert_eq!(played.frames(true), [TEXT]);
            assert!(played.millis() < 1000);
        });
        let mut coded = scene(client(vec![]), lost());
        policy(&mut coded).abnormal_close_code = Some(1011);
        play(&coded, |played| {
            played.told_client(1011, "upstream connection lost");
            assert!(played.millis() < 1000);
        });
    }
}

#[test]
fn a16_a_reset_waits_for_a_reader_that_has_not_taken_what_came_before_it() {
    let mut slow = client(vec![]);
    (slow.read_max, slow.pace) = (10_000, (100, 100));
    let dies = upstream(vec![reply(100_000), Item::Wait(400), Item::Reset(Fault::Reset)]);
    play(&scene(slow, dies), |played| {
        played.ended("upstream broken: reset");
        if played.frames(true) == [TEXT] {
            played.told_nothing(true, true);
            assert_eq!(played.world.peers[0].given, played.sent(true).0);
        }
    });
}

#[test]
fn a20_who_closes_without_a_code_gets_an_empty_close_back_from_an_upstream_that_does_not_answer() {
    for last in [Item::End, Item::Reset(Fault::Reset)] {
        let mut mute = upstream(vec![Item::Wait(300), last]);
        mute.answers_close = false;
        play(&scene(client(vec![Item::Close(None, "")]), mute), |played| {
            played.ended("closed by client");
            played.told_client(1005, "");
        });
    }
}

#[test]
fn a1_who_broke_a_rule_is_not_waited_for_longer_than_a_second() {
    let breach = || Item::Violate(wire::frame(FIN | 3, KEY, b"x"), "unknown-opcode");
    let mut deaf = client(vec![breach()]);
    deaf.answers_close = false;
    play(&scene(deaf, upstream(vec![])), |played| {
        played.ended("client violation: unknown-opcode");
        played.told_client(1002, "unknown-opcode");
        assert!(played.millis() < 1300, "{} ms", played.millis());
    });
    let breach = Item::Violate(wire::frame(FIN | 3, None, b"x"), "unknown-opcode");
    let mut deaf = upstream(vec![breach]);
    deaf.answers_close = false;
    play(&scene(client(vec![]), deaf), |played| {
        played.ended("upstream violation: unknown-opcode");
        played.told_upstream(1002, "unknown-opcode");
        assert!(played.millis() < 1300, "{} ms", played.millis());
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
    quiet.timeouts().upstream_ping_interval = Some(Duration::from_millis(700));
    play(&quiet, |played| {
        played.ended("idle timeout");
        played.told_client(1001, "idle timeout");
        played.told_upstream(1001, "idle timeout");
        assert!((3000..3200).contains(&played.millis()), "{} ms: pings of ours are no traffic", played.millis());
        assert!(played.frames(true).contains(&PING) && !played.frames(false).contains(&PONG));
    });
}
