//! How connections of the real process end: who is told what, and whose last words still arrive.

use crate::harness::frame::{BINARY, CLOSE, CONTINUATION, FIN, PING, TEXT, close_body, header, masked, plain};
use crate::harness::{EchoServer, Ended, Ringway, Tunnel, Upstream, client, open, tunnel};
use std::process::{Command, Stdio};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message};

#[test]
fn a_clients_close_reaches_the_upstream_with_code_and_reason_and_the_answer_comes_back() {
    let server = EchoServer::start();
    let ringway = Ringway::proxy(server.address(), &["--log-format", "json"]);
    let mut socket = client::connect(ringway.address());
    let close = CloseFrame { code: CloseCode::Library(4321), reason: "enough".into() };
    socket.close(Some(close.clone())).unwrap();
    // tungstenite answers a close with the same one.
    assert_eq!(socket.read().unwrap(), Message::Close(Some(close)));
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
    drop(socket);
    let record = ringway.logged("closed by client");
    for field in ["\"client_close\":4321", "\"client_told\":4321", "\"upstream_close\":4321", "\"upstream_told\":4321"]
    {
        assert!(record.contains(field), "{field} is not in {record}");
    }
}

#[test]
fn close_frames_of_either_side_pass_unchanged_and_so_do_their_answers() {
    for (code, reason) in [(Some(1000), "bye"), (Some(3999), ""), (Some(1011), "broken"), (None, "")] {
        let body = code.map_or_else(Vec::new, |code| close_body(code, reason));
        let Tunnel { ringway, mut client, mut upstream } = tunnel(&[]);
        client.send(&masked(FIN | CLOSE, &body));
        assert_eq!(upstream.close(), (code, reason.to_owned()));
        upstream.send(&plain(FIN | CLOSE, &body));
        upstream.ends();
        drop(upstream);
        assert_eq!(client.close(), (code, reason.to_owned()));
        client.ends();
        drop((client, ringway));

        let Tunnel { ringway, mut client, mut upstream } = tunnel(&[]);
        upstream.send(&plain(FIN | CLOSE, &body));
        assert_eq!(client.close(), (code, reason.to_owned()));
        client.send(&masked(FIN | CLOSE, &body));
        assert_eq!(upstream.close(), (code, reason.to_owned()));
        upstream.ends();
        client.ends();
        drop((client, upstream, ringway));
    }
}

#[test]
fn a_client_whose_close_the_upstream_does_not_answer_gets_its_own_code_back() {
    let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&[]);
    client.send(&masked(FIN | CLOSE, &close_body(4001, "done")));
    assert_eq!(upstream.close(), (Some(4001), "done".to_owned()));
    upstream.finish();
    assert_eq!(client.close().0, Some(4001));
    client.ends();
}

#[test]
fn a20_a_client_that_closes_without_a_code_gets_an_empty_close_back_from_an_upstream_that_ends_without_an_answer() {
    for by_reset in [false, true] {
        let Tunnel { ringway, mut client, mut upstream } = tunnel(&["--log-format", "json"]);
        client.send(&masked(FIN | CLOSE, &[]));
        assert_eq!(upstream.close(), (None, String::new()));
        if by_reset {
            upstream.reset();
        } else {
            drop(upstream);
        }
        assert_eq!(client.close(), (None, String::new()));
        client.ends();
        drop(client);
        let record = ringway.logged("closed by client");
        assert!(record.contains("\"client_close\":1005") && record.contains("\"client_told\":1005"), "{record}");
    }
}

#[test]
fn what_the_upstream_says_between_a_clients_close_and_its_own_still_arrives() {
    let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&[]);
    client.send(&masked(FIN | CLOSE, &close_body(1000, "")));
    assert_eq!(upstream.close().0, Some(1000));
    upstream.answer("one more thing");
    upstream.send(&plain(FIN | CLOSE, &close_body(1000, "")));
    client.hears("one more thing");
    assert_eq!(client.close().0, Some(1000));
    client.ends();
}

#[test]
fn nothing_behind_a_close_frame_is_forwarded() {
    let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&[]);
    client.send(&[masked(FIN | CLOSE, &close_body(1000, "")), masked(FIN | TEXT, b"too late")].concat());
    assert_eq!(upstream.close().0, Some(1000));
    upstream.send(&plain(FIN | CLOSE, &close_body(1000, "")));
    upstream.ends();
    assert_eq!(client.close().0, Some(1000));
    client.ends();
}

#[test]
fn a_client_that_only_finishes_sending_still_gets_all_that_the_upstream_says() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&[]);
    client.say("last");
    client.finish();
    upstream.hears("last");
    // The end is passed on as it came, without a close frame that nobody sent.
    upstream.ends();
    let long = plain(FIN | BINARY, &[5; 300_000]);
    upstream.answer("first");
    upstream.send(&long);
    upstream.send(&plain(FIN | CLOSE, &close_body(1000, "done")));
    client.hears("first");
    assert!(client.exactly(long.len()) == long);
    assert_eq!(client.close(), (Some(1000), "done".to_owned()));
    drop((client, upstream));
    ringway.logged("client ended without a close frame");
}

#[test]
fn a16_an_upstream_that_ends_without_a_close_frame_leaves_the_client_the_end_alone_behind_its_last_words() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&["--log-format", "json"]);
    upstream.answer("last");
    upstream.finish();
    client.hears("last");
    client.ends();
    // The client's own direction stays open, as the upstream's did.
    client.say("still here");
    upstream.hears("still here");
    client.finish();
    upstream.ends();
    drop((client, upstream));
    let record = ringway.logged("upstream ended without a close frame");
    assert!(!record.contains("client_told") && !record.contains("upstream_told"), "{record}");
}

#[test]
fn a16_a_client_gets_the_close_code_that_its_api_names_for_a_lost_upstream() {
    let coded = ["--abnormal-close-code", "1012", "--log-format", "json"];
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&coded);
    upstream.answer("last");
    upstream.finish();
    client.hears("last");
    client.say("still here");
    upstream.hears("still here");
    client.send(&masked(FIN | CLOSE, &close_body(1000, "")));
    assert_eq!(client.close(), (Some(1012), "upstream ended without a close frame".to_owned()));
    client.ends();
    drop((client, upstream));
    assert!(ringway.logged("upstream ended without a close frame").contains("\"client_told\":1012"));

    let Tunnel { ringway, mut client, mut upstream } = tunnel(&coded);
    client.say("hello");
    upstream.hears("hello");
    upstream.reset();
    assert_eq!(client.close(), (Some(1012), "upstream connection lost".to_owned()));
    client.send(&masked(FIN | CLOSE, &close_body(1012, "")));
    client.ends();
    drop(client);
    assert!(ringway.logged("upstream broken: reset").contains("\"client_told\":1012"));

    // It is the client's alone: nothing is said in the client's name.
    let Tunnel { ringway: _ringway, client, mut upstream } = tunnel(&coded);
    client.reset();
    assert_eq!(upstream.rest(), (vec![], Ended::Reset));
}

#[test]
fn an_upstream_that_ends_in_mid_frame_leaves_no_close_frame_inside_that_frame() {
    let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&[]);
    let mut half = header(FIN | BINARY, 1000, false);
    half.extend([1; 400]);
    upstream.send(&half);
    upstream.finish();
    client.finish();
    let (came, ended) = client.rest();
    assert!(came == half, "{} bytes", came.len());
    assert_eq!(ended, Ended::Fin);
}

#[test]
fn a16_a_client_that_resets_leaves_the_upstream_a_reset_behind_its_last_words() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&["--log-format", "json"]);
    let paused = ringway.paused();
    client.say("hello");
    client.reset();
    drop(paused);
    assert_eq!(upstream.rest(), (masked(FIN | TEXT, b"hello"), Ended::Reset));
    drop(upstream);
    let record = ringway.logged("client broken: reset");
    assert!(!record.contains("upstream_told"), "{record}");
}

#[test]
fn a16_an_upstream_that_resets_leaves_the_client_a_reset_behind_its_last_words() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&["--log-format", "json"]);
    let paused = ringway.paused();
    upstream.answer("last");
    upstream.reset();
    drop(paused);
    assert_eq!(client.rest(), (plain(FIN | TEXT, b"last"), Ended::Reset));
    drop(client);
    let record = ringway.logged("upstream broken: reset");
    assert!(!record.contains("client_told"), "{record}");
}

#[test]
fn a16_a_reset_does_not_overtake_what_a_slow_reader_has_not_taken() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&["--close-timeout", "60s"]);
    let long = plain(FIN | BINARY, &vec![5; 3_000_000]);
    // More than all buffers between the two hold: the rest is on its way when the upstream's connection breaks.
    let sender = std::thread::spawn(move || {
        upstream.send(&long);
        assert_eq!(upstream.frame().payload, b"got it");
        upstream.reset();
        long
    });
    let first = client.exactly(2_000_000);
    client.say("got it");
    let (rest, ended) = client.rest();
    let long = sender.join().unwrap();
    assert_eq!(ended, Ended::Reset);
    assert!([first, rest].concat() == long);
    drop(client);
    ringway.logged("upstream broken: reset");
}

#[test]
fn a_close_frame_that_came_before_a_reset_still_reaches_the_client() {
    // As a server does that refuses a long upload: it says why, and closes with bytes unread.
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&[]);
    client.say("open");
    upstream.hears("open");
    let paused = ringway.paused();
    upstream.send(&plain(FIN | CLOSE, &close_body(1009, "too much")));
    upstream.reset();
    client.send(&masked(FIN | BINARY, &[9; 10_000]));
    drop(paused);
    assert_eq!(client.close(), (Some(1009), "too much".to_owned()));
    drop(client);
    ringway.logged("closed by upstream");
}

#[test]
fn a_clients_violation_gives_it_1002_and_the_upstream_1001_and_what_came_before_is_still_answered() {
    for (breach, reason) in [
        (plain(FIN | TEXT, b"x"), "missing-mask"),
        (masked(FIN | 0x3, b"x"), "unknown-opcode"),
        (masked(PING, b"x"), "fragmented-control"),
        (masked(FIN | CONTINUATION, b"x"), "nothing-to-continue"),
        (masked(FIN | CLOSE, &[3]), "close-body-too-short"),
        (masked(FIN | CLOSE, &close_body(1005, "")), "close-code"),
        (vec![FIN | TEXT, 0x80 | 126, 0, 5], "non-minimal-length"),
    ] {
        let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&[]);
        client.send(&[masked(FIN | TEXT, b"before"), breach].concat());
        upstream.hears("before");
        assert_eq!(upstream.close(), (Some(1001), "client broke the protocol".to_owned()));
        upstream.answer("before");
        upstream.send(&plain(FIN | CLOSE, &close_body(1001, "")));
        upstream.ends();
        client.hears("before");
        assert_eq!(client.close(), (Some(1002), reason.to_owned()));
        client.finish();
        client.ends();
    }
}

#[test]
fn a16_an_upstreams_violation_gives_it_1002_and_the_client_1014() {
    for (breach, reason) in [
        (masked(FIN | TEXT, b"x"), "unexpected-mask"),
        (plain(FIN | PING, &[0; 126]), "control-too-long"),
        ([plain(TEXT, b"a"), plain(FIN | TEXT, b"b")].concat(), "interleaved-message"),
    ] {
        let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&[]);
        upstream.send(&[plain(FIN | TEXT, b"before"), breach].concat());
        client.hears("before");
        if reason == "interleaved-message" {
            assert_eq!(client.frame().payload, b"a");
        }
        assert_eq!(client.close(), (Some(1014), "upstream broke the protocol".to_owned()));
        client.send(&masked(FIN | CLOSE, &close_body(1014, "")));
        client.finish();
        client.ends();
        let termination = upstream.frame();
        assert!(termination.key.is_some(), "a frame of ours to an upstream is masked");
        assert_eq!(termination.close(), (Some(1002), reason.to_owned()));
        upstream.finish();
        upstream.ends();
    }
}

#[test]
fn a_frame_or_message_above_its_limit_gives_its_sender_1009() {
    let limits = ["--max-frame-bytes", "1000", "--max-message-bytes", "1500"];
    let fits = masked(FIN | BINARY, &[1; 1000]);
    for (sent, passes, reason) in [
        (masked(FIN | BINARY, &[1; 1001]), 0, "frame-too-big"),
        ([masked(BINARY, &[1; 1000]), masked(FIN | CONTINUATION, &[1; 501])].concat(), fits.len(), "message-too-big"),
    ] {
        let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&limits);
        client.send(&fits);
        assert_eq!(upstream.exactly(fits.len()), fits);
        client.send(&sent);
        assert_eq!(upstream.exactly(passes), sent[..passes]);
        assert_eq!(upstream.close().0, Some(1001));
        upstream.send(&plain(FIN | CLOSE, &[]));
        assert_eq!(client.close(), (Some(1009), reason.to_owned()));
        client.finish();
        client.ends();
    }
    let Tunnel { ringway: _ringway, mut client, mut upstream } = tunnel(&limits);
    upstream.send(&plain(FIN | BINARY, &[1; 1001]));
    assert_eq!(client.close().0, Some(1014));
    client.send(&masked(FIN | CLOSE, &[]));
    assert_eq!(upstream.close(), (Some(1009), "frame-too-big".to_owned()));
}

#[test]
fn a16_an_upstream_process_that_is_killed_leaves_the_client_the_end_alone() {
    // Another process, so that kill -9 is what it says: netcat in 20 lines would do, our own echo is at hand.
    let server = Ringway::echo(&[]).unwatched();
    let ringway = Ringway::proxy(server.address(), &[]);
    let mut socket = client::connect(ringway.address());
    socket.send(Message::text("alive")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("alive"));
    server.signal(libc::SIGKILL);
    server.ended();
    let ended = socket.read().unwrap_err();
    assert!(matches!(ended, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), "{ended}");
    drop(socket);
    if !crate::harness::tools::has("curl") {
        return;
    }
    // And the next client is told that nobody is there.
    let answer = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket"])
        .args(["-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
        .arg(format!("http://{}/", ringway.address()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "502");
}

#[test]
fn both_sides_closing_at_once_each_get_the_others_frame() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&[]);
    let paused = ringway.paused();
    client.send(&masked(FIN | CLOSE, &close_body(4001, "client")));
    upstream.send(&plain(FIN | CLOSE, &close_body(4002, "upstream")));
    drop(paused);
    assert_eq!(upstream.close(), (Some(4001), "client".to_owned()));
    assert_eq!(client.close(), (Some(4002), "upstream".to_owned()));
    client.ends();
    upstream.ends();
}

#[test]
fn an_end_that_comes_with_the_close_frame_is_not_waited_for() {
    // A deadline of an earlier stage would look again, and hide it.
    let no_deadline = ["--close-timeout", "1h", "--connect-timeout", "1h", "--handshake-timeout", "1h"];
    // As servers do that answer a close and end at once: one event tells of both.
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&no_deadline);
    client.send(&masked(FIN | CLOSE, &close_body(1000, "")));
    client.finish();
    assert_eq!(upstream.close().0, Some(1000));
    let paused = ringway.paused();
    upstream.send(&plain(FIN | CLOSE, &close_body(1000, "")));
    upstream.finish();
    drop(paused);
    assert_eq!(client.close().0, Some(1000));
    client.ends();
    ringway.closes_all();

    let Tunnel { ringway, client, mut upstream } = tunnel(&no_deadline);
    client.reset();
    assert_eq!(upstream.rest(), (vec![], Ended::Reset));
    ringway.closes_all();
}

#[test]
fn one_connections_violation_is_nothing_to_another() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--cpus", "0"]);
    let (mut good, mut good_server) = open(&ringway, &upstream, "", "");
    let (mut bad, mut bad_server) = open(&ringway, &upstream, "", "");
    good.say("before");
    bad.send(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(bad_server.close().0, Some(1001));
    bad_server.send(&plain(FIN | CLOSE, &[]));
    assert_eq!(bad.close().0, Some(1002));
    good.say("after");
    good_server.hears("before");
    good_server.hears("after");
}
