//! TLS on either side, and what peers make of it.

use super::{Played, Scene, ask, bye, client, play_once as play, reply, scene, upstream};
use crate::peer::{Cut, Item, PeerPlan, Pongs};
use crate::plan::Tls;
use crate::tls::{Goodbye, Identity, Misdeed, TlsPlan, Version};
use crate::wire::{self, BINARY, CLOSE, TEXT};

fn tls() -> TlsPlan {
    TlsPlan::default()
}

fn with(mut peer: PeerPlan, tls: TlsPlan) -> PeerPlan {
    peer.tls = Some(tls);
    peer
}

/// A scene with TLS on both sides.
fn secured(client: PeerPlan, upstream: PeerPlan) -> Scene {
    in_tls(scene(client, upstream))
}

fn in_tls(mut scene: Scene) -> Scene {
    scene.tls = Tls { down: true, up: true };
    for plan in &mut scene.connections {
        plan.client.tls.get_or_insert_default();
        plan.upstream.tls.get_or_insert_default();
    }
    scene
}

fn answered(played: &Played, status: u16, code: &str) {
    played.ended(&format!("refused: {code}"));
    assert_eq!(played.record.status, status);
    let answer = String::from_utf8_lossy(&played.world.peers[0].given);
    assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
}

/// Nothing came to the upstream but its TLS.
fn nothing_upstream(played: &Played) {
    let line = &played.world.net.lines[0];
    for (sock, _) in &line.dialled {
        assert!(played.world.net.socks[*sock].sent.is_empty(), "a word upstream");
    }
}

#[test]
fn bytes_that_come_one_by_one_make_the_same_tunnel() {
    for version in [Version::Tls12, Version::Tls13, Version::Retried] {
        let torn = || TlsPlan { version, record: (1, 3), flight: 1, fragment: Some(1), ..tls() };
        let mut slow = with(client(vec![ask(300), bye()]), torn());
        (slow.read_max, slow.write_max) = (1, 1);
        let mut answers = with(upstream(vec![reply(200)]), torn());
        (answers.read_max, answers.write_max) = (1, 1);
        play(&secured(slow, answers), |played| {
            played.ended("closed by client");
            assert_eq!((played.frames(false), played.frames(true)), (vec![BINARY, CLOSE], vec![TEXT, CLOSE]));
            assert_eq!(played.world.peers[0].given, played.sent(true).0);
        });
    }
}

#[test]
fn keys_that_change_between_records_change_nothing_else() {
    let restless = || TlsPlan { record: (1, 5000), key_updates: 60, ..tls() };
    let talks = with(client(vec![ask(60_000), ask(10), ask(60_000), Item::Wait(50), bye()]), restless());
    let answers = with(upstream(vec![reply(60_000), reply(10)]), restless());
    play(&secured(talks, answers), |played| {
        played.ended("closed by client");
        assert_eq!(played.frames(false), [BINARY, BINARY, BINARY, CLOSE]);
        assert_eq!(played.frames(true), [TEXT, TEXT, CLOSE]);
    });
}

#[test]
fn a16_an_end_of_which_tls_was_not_told_is_a_broken_connection() {
    let silent = || TlsPlan { goodbye: Goodbye::Unsaid, ..tls() };
    play(&secured(with(client(vec![ask(9), Item::Wait(50), Item::End]), silent()), upstream(vec![])), |played| {
        played.ended("client broken: tls-truncated");
        played.told_nothing(false, false);
        assert_eq!(played.frames(false), [BINARY]);
    });
    play(&secured(client(vec![]), with(upstream(vec![reply(9), Item::Wait(50), Item::End]), silent())), |played| {
        played.ended("upstream broken: tls-truncated");
        played.told_nothing(true, false);
        assert_eq!(played.frames(true), [TEXT]);
    });
}

#[test]
fn an_end_of_which_tls_was_told_is_half_a_close() {
    for ends_at_once in [true, false] {
        let ends = TlsPlan { ends_at_once, ..tls() };
        let mut answers = upstream(vec![Item::Wait(1000), reply(100_000), bye()]);
        answers.stays = true;
        play(&secured(with(client(vec![ask(10), Item::End]), ends), answers), |played| {
            played.ended("client ended without a close frame");
            played.told_client(4001, "bye");
            assert_eq!(played.frames(true), [TEXT, CLOSE]);
        });
    }
}

#[test]
fn behind_a_close_frame_tls_need_not_be_told_of_the_end() {
    let silent = || TlsPlan { goodbye: Goodbye::Unsaid, ..tls() };
    let closes = || with(client(vec![ask(10), bye(), Item::End]), silent());
    play(&secured(closes(), with(upstream(vec![reply(7)]), silent())), |played| {
        played.ended("closed by client");
        played.told_upstream(4001, "bye");
        assert_eq!(played.frames(false), [BINARY, CLOSE]);
    });
    play(
        &secured(with(client(vec![]), silent()), with(upstream(vec![reply(7), bye(), Item::End]), silent())),
        |played| {
            played.ended("closed by upstream");
            played.told_client(4001, "bye");
            played.told_upstream(4001, "");
        },
    );
}

#[test]
fn a_forged_record_ends_the_tunnel_and_nothing_of_it_is_passed_on() {
    let forges = |at| TlsPlan { misdeed: Some(Misdeed::Forge(at)), record: (500, 500), ..tls() };
    play(&secured(with(client(vec![ask(100), Item::Wait(50), ask(9000)]), forges(5002)), upstream(vec![])), |played| {
        played.ended("client broken: tls-violation");
        assert_eq!(played.frames(false).first(), Some(&BINARY));
        assert!(played.world.peers[0].good_until < 9000);
    });
    play(
        &secured(client(vec![]), with(upstream(vec![reply(100), Item::Wait(50), reply(9000)]), forges(5002))),
        |played| {
            played.ended("upstream broken: tls-violation");
            assert_eq!(played.frames(true).first(), Some(&TEXT));
        },
    );
}

#[test]
fn a_connection_that_is_cut_off_in_a_record_is_broken() {
    let cut = |cut| TlsPlan { misdeed: Some(Misdeed::Cut(5001, cut)), record: (500, 500), ..tls() };
    for (cut, why) in [(cut(Cut::End), "tls-truncated"), (cut(Cut::Reset), "reset")] {
        play(&secured(client(vec![]), with(upstream(vec![reply(100), Item::Wait(50), reply(9000)]), cut)), |played| {
            // A host may tell of a reset and drop it when it is told, or be asked and know of an end alone.
            let end = played.record.end.to_string();
            assert!(end == format!("upstream broken: {why}") || end == "upstream broken: tls-truncated", "{end}");
            assert!(played.record.upstream.messages >= 1);
        });
    }
}

#[test]
fn a_handshake_that_stands_still_meets_its_deadline() {
    let stuck = TlsPlan { misdeed: Some(Misdeed::Cut(90, Cut::Stall)), ..tls() };
    play(&secured(with(client(vec![]), stuck.clone()), upstream(vec![])), |played| {
        played.ended("refused: handshake-timeout");
        assert_eq!((played.record.status, played.millis()), (0, 10_000));
        assert!(played.world.net.lines[0].dialled.is_empty());
    });
    play(&secured(client(vec![]), with(upstream(vec![]), stuck)), |played| {
        answered(played, 504, "upstream-timeout");
        nothing_upstream(played);
        assert!((5000..6000).contains(&played.millis()), "{} ms", played.millis());
    });
}

#[test]
fn plain_text_on_a_tls_port_is_told_to_come_back_in_tls() {
    let mut scene = secured(client(vec![]), upstream(vec![]));
    (scene.connections[0].client.tls, scene.connections[0].client.valid) = (None, false);
    play(&scene, |played| {
        answered(played, 400, "tls-expected");
        assert!(played.world.net.lines[0].dialled.is_empty());
    });
}

#[test]
fn tls_on_a_plain_port_is_met_with_silence() {
    play(&scene(with(client(vec![]), tls()), upstream(vec![])), |played| {
        played.ended("client speaks TLS, this port does not");
        assert!(played.millis() < 5000 && played.world.peers[0].given.is_empty());
    });
}

#[test]
fn an_upstream_that_is_not_who_it_must_be_gets_no_word() {
    for (identity, code) in [
        (Identity::Stranger, "upstream-certificate-untrusted"),
        (Identity::WrongName, "upstream-certificate-name"),
        (Identity::Expired, "upstream-certificate-expired"),
    ] {
        for version in [Version::Tls12, Version::Tls13] {
            let wrong = TlsPlan { identity, version, ..tls() };
            play(&secured(client(vec![]), with(upstream(vec![]), wrong)), |played| {
                answered(played, 502, code);
                nothing_upstream(played);
            });
        }
    }
}

#[test]
fn an_upstream_that_asks_for_a_certificate_and_gets_none_has_refused() {
    for version in [Version::Tls12, Version::Tls13] {
        let asks = TlsPlan { asks_for_certificate: true, version, ..tls() };
        play(&secured(client(vec![]), with(upstream(vec![]), asks)), |played| {
            answered(played, 502, "upstream-tls-refused");
        });
    }
}

#[test]
fn an_upstream_that_speaks_before_tls_is_not_listened_to() {
    let banner = TlsPlan { misdeed: Some(Misdeed::Banner), ..tls() };
    play(&secured(client(vec![]), with(upstream(vec![]), banner)), |played| {
        answered(played, 502, "upstream-not-tls");
        nothing_upstream(played);
    });
}

#[test]
fn an_upstream_that_closes_in_its_handshake_has_closed() {
    for cut in [Cut::End, Cut::Leave] {
        let closes = TlsPlan { misdeed: Some(Misdeed::Cut(300, cut)), ..tls() };
        play(&secured(client(vec![]), with(upstream(vec![]), closes)), |played| {
            assert_eq!(played.record.status, 502);
            assert!(!played.frames(true).contains(&TEXT));
            nothing_upstream(played);
        });
    }
}

#[test]
fn a_client_that_does_not_trust_us_has_no_connection() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut wary = with(client(vec![]), TlsPlan { trusts: false, version, ..tls() });
        wary.valid = false;
        play(&secured(wary, upstream(vec![])), |played| {
            assert!(played.record.end.to_string().starts_with("tls handshake failed: tls-alert-received "));
            assert!(played.world.net.lines[0].dialled.is_empty());
        });
    }
}

#[test]
fn a_reader_that_stops_holds_the_other_side_back_through_tls() {
    let patient = |items| {
        let mut peer = client(items);
        (peer.read_max, peer.pace) = (90_000, (0, 1));
        peer
    };
    let many = |one: fn(usize) -> Item| (0..16).map(|_| one(65_536)).collect::<Vec<_>>();
    let late = vec![Item::StopReading, Item::Wait(3000), Item::ReadAgain];
    let mut takes_late = upstream(late.clone());
    takes_late.early = 0;
    let sends = patient([many(ask), vec![Item::Wait(100), bye()]].concat());
    let mut scene = secured(sends, takes_late);
    scene.net.capacity = (30_000, 30_000);
    play(&scene, |played| {
        played.ended("closed by client");
        assert_eq!(played.record.client.messages, 16);
        assert!(played.millis() >= 3000, "{} ms", played.millis());
        assert_eq!(played.world.peers[1].given, played.sent(false).0);
    });
    let mut scene = secured(patient(late), upstream([many(reply), vec![Item::Wait(100), bye()]].concat()));
    scene.net.capacity = (30_000, 30_000);
    play(&scene, |played| {
        played.ended("closed by upstream");
        assert_eq!(played.record.upstream.messages, 16);
        assert_eq!(played.world.peers[0].given, played.sent(true).0);
    });
}

#[test]
fn a_drain_ends_a_handshake_in_tls() {
    let stuck = TlsPlan { misdeed: Some(Misdeed::Cut(90, Cut::Stall)), ..tls() };
    let mut early = secured(with(client(vec![]), stuck.clone()), upstream(vec![]));
    early.drain_at = Some(500);
    play(&early, |played| {
        played.ended("drained");
        assert_eq!((played.record.status, played.millis()), (0, 500));
    });
    let mut later = secured(client(vec![]), with(upstream(vec![]), stuck));
    later.drain_at = Some(500);
    play(&later, |played| {
        answered(played, 503, "draining");
        nothing_upstream(played);
    });
}

#[test]
fn a_client_over_the_limit_gets_no_plain_text_where_tls_is_spoken() {
    let mut scene = secured(client(vec![]), upstream(vec![]));
    scene.max_connections = 0;
    play(&scene, |played| {
        played.ended("refused: too-many-connections");
        assert_eq!(played.record.status, 0);
        assert!(played.world.peers[0].given.is_empty());
    });
}

#[test]
fn what_begins_as_tls_does_is_no_request_in_tls() {
    let mut odd = client(vec![]);
    (odd.head, odd.valid) = (b"\x16\x03\x01 in TLS".to_vec(), false);
    play(&secured(odd, upstream(vec![])), |played| answered(played, 400, "head-malformed"));
}

#[test]
fn a_side_that_leaves_encrypted_bytes_unread_is_asked_and_given_up() {
    let pinging = |client, upstream| {
        let mut scene = in_tls(super::pinging(client, upstream));
        scene.net.capacity = (20_000, 20_000);
        scene
    };
    // What it holds fits into what is encrypted at a time: nothing waits anywhere else.
    play(&pinging(client(vec![Item::StopReading]), upstream(vec![reply(60_000)])), |played| {
        played.ended("client did not answer a ping");
        played.told_nothing(false, false);
    });
    let mut slow = client(vec![Item::StopReading, Item::Wait(1500), Item::ReadAgain]);
    (slow.read_max, slow.pace, slow.pongs) = (5000, (100, 100), Pongs::Now);
    play(&pinging(slow, upstream(vec![reply(60_000), Item::Wait(9000), bye()])), |played| {
        played.ended("closed by upstream");
        assert_eq!(played.record.upstream.messages, 1);
        assert!(wire::head_len(&played.world.peers[0].given).is_some());
    });
}
