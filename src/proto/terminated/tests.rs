use std::time::Duration;

use proptest::prelude::*;

use super::{Event, Expired, Timeouts, WebSocket};
use crate::proto::Violation;
use crate::proto::frame::{ControlFrame, Opcode, write_header};
use crate::proto::mask;
use crate::proto::scan::FrameLimits;

const LIMITS: FrameLimits = FrameLimits { max_frame_bytes: 4096, max_message_bytes: 8192 };
const KEY: mask::Key = [9, 8, 7, 6];
const TIMEOUTS: Timeouts = Timeouts { idle: Some(Duration::from_secs(60)), close: Duration::from_secs(5) };

/// Events without their borrows; pieces of one payload are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Frame(Opcode, bool),
    Payload(Vec<u8>),
    MessageEnd,
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Violation(Violation),
    /// A control frame that was due.
    Due(Vec<u8>),
}

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_header(opcode, fin, 0, payload.len() as u64, Some(KEY), &mut bytes);
    let start = bytes.len();
    bytes.extend(payload);
    mask::apply(&mut bytes[start..], KEY, 0);
    bytes
}

fn close(body: &[u8]) -> Vec<u8> {
    ControlFrame::new(Opcode::Close, body, Some(KEY)).as_bytes().to_vec()
}

fn due(opcode: Opcode, payload: &[u8]) -> Seen {
    Seen::Due(ControlFrame::new(opcode, payload, None).as_bytes().to_vec())
}

/// Feeds the chunks one by one and takes each control frame as soon as it is due.
fn run(socket: &mut WebSocket, chunks: &[&[u8]]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    for chunk in chunks {
        let start = socket.restore(&mut buffer);
        let end = start + chunk.len();
        buffer[start..end].copy_from_slice(chunk);
        socket.received(second(1));
        let mut at = 0;
        loop {
            match socket.next(&mut buffer[..end], &mut at, &LIMITS) {
                Event::NeedMore => break,
                Event::Frame(header) => seen.push(Seen::Frame(header.opcode, header.fin)),
                Event::Payload(piece) => match seen.last_mut() {
                    Some(Seen::Payload(before)) => before.extend_from_slice(piece),
                    _ => seen.push(Seen::Payload(piece.to_vec())),
                },
                Event::MessageEnd => seen.push(Seen::MessageEnd),
                Event::Ping(payload) => seen.push(Seen::Ping(payload.to_vec())),
                Event::Pong(payload) => seen.push(Seen::Pong(payload.to_vec())),
                Event::Close { code, reason } => seen.push(Seen::Close(code, reason.to_owned())),
                Event::Violation(violation) => seen.push(Seen::Violation(violation)),
            }
            while let Some(frame) = socket.take_control(|| KEY) {
                seen.push(Seen::Due(frame.as_bytes().to_vec()));
            }
        }
        assert_eq!(at, end, "all bytes are used");
    }
    seen
}

fn server() -> WebSocket {
    WebSocket::server(Duration::ZERO)
}

#[test]
fn a_fragmented_message_with_a_ping_inside_is_one_message_and_the_ping_is_answered() {
    let wire = [
        frame(Opcode::Text, false, "caf\u{e9}".as_bytes().split_last().unwrap().1),
        frame(Opcode::Ping, true, b"now"),
        frame(Opcode::Continuation, true, &"\u{e9}".as_bytes()[1..]),
        close(b"\x03\xe8bye"),
        b"nothing after a close counts".to_vec(),
    ]
    .concat();
    let expected = [
        Seen::Frame(Opcode::Text, false),
        Seen::Payload(b"caf\xc3".to_vec()),
        Seen::Ping(b"now".to_vec()),
        due(Opcode::Pong, b"now"),
        Seen::Frame(Opcode::Continuation, true),
        Seen::Payload(b"\xa9".to_vec()),
        Seen::MessageEnd,
        Seen::Close(Some(1000), "bye".to_owned()),
        due(Opcode::Close, b"\x03\xe8bye"),
    ];
    let mut socket = server();
    assert_eq!(run(&mut socket, &[&wire]), expected);
    assert_eq!((socket.close_received(), socket.close_sent()), (Some(1000), Some(1000)));
    assert_eq!(socket.messages(), 1);
    for split in 0..=wire.len() {
        let (left, right) = wire.split_at(split);
        assert_eq!(run(&mut server(), &[left, right]), expected, "split at {split}");
    }
}

#[test]
fn a_client_masks_all_that_it_sends_and_refuses_a_masked_frame() {
    let mut socket = WebSocket::client(Duration::ZERO);
    let ping = ControlFrame::new(Opcode::Ping, b"p", None);
    let seen = run(&mut socket, &[ping.as_bytes()]);
    let pong = ControlFrame::new(Opcode::Pong, b"p", Some(KEY)).as_bytes().to_vec();
    assert_eq!(seen, [Seen::Ping(b"p".to_vec()), Seen::Due(pong)]);
    let mut out = Vec::new();
    socket.write_message(Opcode::Text, b"hello", || KEY, &mut out);
    assert_eq!(out, frame(Opcode::Text, true, b"hello"));
    let seen = run(&mut socket, &[&frame(Opcode::Text, true, b"masked")]);
    assert_eq!(seen[0], Seen::Violation(Violation::UnexpectedMask));
    assert_eq!(socket.close_sent(), Some(1002));
}

#[test]
fn a_server_sends_messages_without_a_mask() {
    let mut out = Vec::new();
    server().write_message(Opcode::Binary, &[7; 200], || unreachable!("a server has no key"), &mut out);
    assert_eq!((&out[..4], out.len()), (&[0x82, 126, 0, 200][..], 204));
}

#[test]
fn text_that_is_not_utf8_is_refused_with_1007_where_it_shows() {
    for (frames, payload) in [
        (vec![frame(Opcode::Text, true, b"ok \xff")], None),
        (vec![frame(Opcode::Text, true, b"cut \xc3")], None),
        (vec![frame(Opcode::Text, false, b"cut \xc3"), frame(Opcode::Continuation, true, b"")], Some(b"cut \xc3")),
    ] {
        let mut socket = server();
        let seen = run(&mut socket, &[&frames.concat()]);
        let given: Vec<_> = seen.iter().filter(|seen| matches!(seen, Seen::Payload(_))).collect();
        assert_eq!(
            given,
            payload.iter().map(|it| Seen::Payload(it.to_vec())).collect::<Vec<_>>().iter().collect::<Vec<_>>()
        );
        let end = [Seen::Violation(Violation::NotUtf8), due(Opcode::Close, b"\x03\xefnot-utf8")];
        assert_eq!(seen[seen.len() - 2..], end);
    }
    let seen = run(&mut server(), &[&close(b"\x03\xe8\xff")]);
    assert_eq!(seen[0], Seen::Violation(Violation::NotUtf8), "a close reason is text too");
    let seen = run(&mut server(), &[&frame(Opcode::Binary, true, b"\xff")]);
    assert_eq!(seen.last(), Some(&Seen::MessageEnd), "binary is any bytes");
    let mut unchecked = server();
    unchecked.skip_text_check();
    let seen = run(&mut unchecked, &[&frame(Opcode::Text, true, b"\xff")]);
    assert_eq!(seen.last(), Some(&Seen::MessageEnd));
}

#[test]
fn frames_and_messages_above_the_limits_are_refused_with_1009() {
    for (frames, violation) in [
        (vec![frame(Opcode::Binary, true, &[0; 4097])], Violation::FrameTooBig),
        (
            vec![
                frame(Opcode::Binary, false, &[0; 4096]),
                frame(Opcode::Continuation, false, &[0; 4096]),
                frame(Opcode::Continuation, true, &[0; 1]),
            ],
            Violation::MessageTooBig,
        ),
    ] {
        let mut socket = server();
        let seen = run(&mut socket, &[&frames.concat()]);
        assert_eq!(seen[seen.len() - 2], Seen::Violation(violation));
        assert_eq!(socket.close_sent(), Some(1009));
    }
}

#[test]
fn a_close_without_a_code_is_answered_by_one_and_both_are_recorded_as_1005() {
    let mut socket = server();
    assert_eq!(run(&mut socket, &[&close(b"")]), [Seen::Close(None, String::new()), due(Opcode::Close, b"")]);
    assert_eq!((socket.close_received(), socket.close_sent()), (Some(1005), Some(1005)));
}

#[test]
fn after_our_close_messages_still_come_and_the_peers_close_gets_no_second_answer() {
    let mut socket = server();
    socket.close(1001, "going away", second(2));
    assert!(socket.is_closing() && socket.close_sent().is_none(), "not sent before it is taken");
    assert_eq!(
        socket.take_control(|| KEY).unwrap().as_bytes(),
        ControlFrame::close(1001, "going away", None).as_bytes()
    );
    socket.close(1000, "again", second(3));
    let wire = [frame(Opcode::Ping, true, b"late"), frame(Opcode::Text, true, b"late"), close(b"\x03\xe9")].concat();
    let expected = [
        Seen::Ping(b"late".to_vec()),
        Seen::Frame(Opcode::Text, true),
        Seen::Payload(b"late".to_vec()),
        Seen::MessageEnd,
        Seen::Close(Some(1001), String::new()),
    ];
    assert_eq!(run(&mut socket, &[&wire]), expected);
    assert!(socket.is_input_over());
}

#[test]
fn a_peers_close_replaces_ours_as_long_as_that_was_not_taken() {
    let mut socket = server();
    socket.close(1001, "going away", second(2));
    let mut buffer = close(b"\x0f\xa0mine");
    let (end, mut at) = (buffer.len(), 0);
    assert_eq!(socket.next(&mut buffer, &mut at, &LIMITS), Event::Close { code: Some(4000), reason: "mine" });
    assert_eq!(at, end);
    assert_eq!(socket.take_control(|| KEY).unwrap().as_bytes(), ControlFrame::close(4000, "mine", None).as_bytes());
    assert_eq!(socket.take_control(|| KEY).map(|frame| frame.as_bytes().to_vec()), None);
}

#[test]
fn of_many_pings_that_were_not_answered_only_the_newest_is() {
    let mut socket = server();
    let mut buffer: Vec<u8> = (0..100).flat_map(|n| frame(Opcode::Ping, true, &[n])).collect();
    let mut at = 0;
    while socket.next(&mut buffer, &mut at, &LIMITS) != Event::NeedMore {}
    let pong = socket.take_control(|| KEY).unwrap();
    assert_eq!(pong.as_bytes(), ControlFrame::new(Opcode::Pong, &[99], None).as_bytes());
    assert!(socket.take_control(|| KEY).is_none());
}

#[test]
fn a_peer_is_waited_for_as_long_as_the_timeouts_say() {
    let mut socket = server();
    assert_eq!(socket.next_deadline(&TIMEOUTS), Some(second(60)));
    socket.received(second(10));
    assert_eq!(socket.next_deadline(&TIMEOUTS), Some(second(70)));
    assert_eq!(
        (socket.expired(second(69), &TIMEOUTS), socket.expired(second(70), &TIMEOUTS)),
        (None, Some(Expired::Idle))
    );
    assert_eq!(socket.next_deadline(&Timeouts { idle: None, ..TIMEOUTS }), None);
    socket.close(1000, "", second(20));
    assert_eq!(socket.next_deadline(&TIMEOUTS), Some(second(25)));
    assert_eq!(
        (socket.expired(second(24), &TIMEOUTS), socket.expired(second(25), &TIMEOUTS)),
        (None, Some(Expired::Close))
    );
}

#[test]
fn bytes_that_came_with_the_handshake_are_read_first() {
    let mut socket = server();
    let wire = frame(Opcode::Text, true, b"early");
    let (early, later) = wire.split_at(3);
    socket.keep(early);
    assert_eq!(run(&mut socket, &[later]).last(), Some(&Seen::MessageEnd));
}

/// Without the text before a character that is not UTF-8: the cut decides how much of it is handed out.
fn settled(mut seen: Vec<Seen>) -> Vec<Seen> {
    if let Some(at) = seen.iter().position(|seen| *seen == Seen::Violation(Violation::NotUtf8))
        && let Some(Seen::Payload(_)) = at.checked_sub(1).and_then(|before| seen.get(before))
    {
        seen.remove(at - 1);
    }
    seen
}

/// A valid frame, an invalid one or arbitrary bytes.
fn any_part() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        4 => Just(Opcode::Text),
        4 => Just(Opcode::Continuation),
        2 => Just(Opcode::Binary),
        2 => Just(Opcode::Ping),
        1 => Just(Opcode::Pong)
    ];
    let text =
        prop_oneof![4 => "\\PC{0,40}".prop_map(String::into_bytes), 1 => prop::collection::vec(any::<u8>(), 0..60)];
    prop_oneof![
        20 => (opcode, any::<bool>(), text).prop_map(|(opcode, fin, text)| {
            let text = if opcode.is_control() { &text[..text.len().min(125)] } else { &text };
            frame(opcode, fin || opcode.is_control(), text)
        }),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (any::<u16>(), "\\PC{0,20}").prop_map(|(code, reason)| close(&[&code.to_be_bytes()[..], reason.as_bytes()].concat())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_events_do_not_depend_on_how_the_bytes_are_split(
        parts in prop::collection::vec(any_part(), 1..12),
        cuts in prop::collection::vec(1_usize..64, 1..8),
    ) {
        let wire = parts.concat();
        let whole = settled(run(&mut server(), &[&wire]));
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        prop_assert_eq!(&settled(run(&mut server(), &bytes)), &whole);
        let (mut chunks, mut rest) = (Vec::new(), &wire[..]);
        for cut in cuts.iter().cycle() {
            let (chunk, after) = rest.split_at(rest.len().min(*cut));
            chunks.push(chunk);
            rest = after;
            if rest.is_empty() { break; }
        }
        prop_assert_eq!(&settled(run(&mut server(), &chunks)), &whole);
    }
}
