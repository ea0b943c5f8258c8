//! Behaviour that all upstreams share: handshakes, control frames, closing, the end.

use std::io::{Read, Write};

use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

use super::{Client, REQUEST, Server, program};

/// A client's frame with a key of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    bytes.extend(payload);
    bytes
}

#[test]
fn a_handshake_that_is_none_gets_its_refusal_whole() {
    let server = Server::start(&["sink"]);
    for (request, status) in [
        (REQUEST.replace("Version: 13", "Version: 8"), "426 Upgrade Required"),
        (REQUEST.replace("Upgrade: websocket\r\n", ""), "426 Upgrade Required"),
        (REQUEST.replace("GET", "POST"), "405 Method Not Allowed"),
        (REQUEST.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), "400 Bad Request"),
        (format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(40_000)), "431 Request Header Fields Too Large"),
        ("\u{16}\u{3}\u{1} is TLS".to_owned(), "400 Bad Request"),
    ] {
        let answer = server.answer(request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert!(answer.ends_with('}'), "{answer}");
        assert_eq!(answer.contains("Sec-WebSocket-Version: 13\r\n"), status.starts_with("426"), "{answer}");
    }
    let totals = server.totals();
    assert_eq!((totals.get("refused"), totals.get("connections")), (6, 0));
}

#[test]
fn what_comes_behind_the_request_is_heard_and_the_request_may_come_byte_by_byte() {
    let server = Server::start(&["chat"]);
    let mut stream = server.tcp();
    for byte in REQUEST.as_bytes().split_last().unwrap().1 {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut rest = b"\n".to_vec();
    rest.extend(frame(0x81, br#"{"type":"Data"}"#));
    rest.extend(frame(0x88, b"\x03\xe8"));
    stream.write_all(&rest).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{text}");
    // The RFC's own example (section 1.3).
    assert!(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{text}");
    assert!(answer.ends_with(b"\x81\x14Error: not connected\x88\x02\x03\xe8"), "{text}");
}

#[test]
fn the_first_subprotocol_is_taken() {
    let server = Server::start(&["sink"]);
    let mut request = REQUEST.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat.v2, chat\r\n\r\n").into_bytes();
    request.extend(frame(0x88, b""));
    let answer = server.answer(&request);
    assert!(answer.contains("\r\nSec-WebSocket-Protocol: chat.v2\r\n"), "{answer}");
}

#[test]
fn an_echo_returns_text_binary_and_fragments_and_counts_them() {
    let server = Server::start(&["echo", "--cpus", "0"]);
    let mut client = server.client();
    for message in [Message::text("hällo"), Message::binary(vec![7; 100_000]), Message::text("")] {
        client.0.send(message.clone()).unwrap();
        assert_eq!(client.0.read().unwrap(), message);
    }
    for (fin, opcode, text) in [(false, Data::Text, "one, "), (true, Data::Continue, "two")] {
        let header = FrameHeader { is_final: fin, opcode: OpCode::Data(opcode), ..FrameHeader::default() };
        client.0.send(Message::Frame(Frame::from_payload(header, text.into()))).unwrap();
    }
    assert_eq!(client.hear(), "one, two");
    client.0.close(None).unwrap();
    client.hear_close();
    drop(client);
    let totals = server.totals();
    assert_eq!((totals.get("connections"), totals.get("received_messages")), (1, 4));
    assert!(totals.get("received_wire_bytes") > 100_000);
}

#[test]
fn a_sink_counts_what_it_swallows() {
    let server = Server::start(&["sink", "--cpus", "0"]);
    for _ in 0..3 {
        let mut client = server.client();
        client.say("twelve bytes");
        client.0.send(Message::binary(vec![0; 200_000])).unwrap();
        client.raw(&frame(0x01, "half an ".as_bytes()));
        client.raw(&frame(0x00, &"é".as_bytes()[..1]));
        client.raw(&frame(0x80, &"é".as_bytes()[1..]));
        client.sync();
    }
    let totals = server.totals();
    assert_eq!(totals.get("connections"), 3);
    assert_eq!((totals.get("received_messages"), totals.get("received_bytes")), (9, 3 * (12 + 200_000 + 10)));
    assert_eq!((totals.get("violations"), totals.get("sent_messages")), (0, 0));
}

#[test]
fn a_ping_is_answered_even_inside_a_fragmented_message() {
    let server = Server::start(&["sink"]);
    let mut client = server.client();
    client.raw(&frame(0x01, b"begun"));
    client.0.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(client.0.read().unwrap(), Message::Pong("are you there".into()));
}

#[test]
fn who_pings_and_does_not_read_gets_the_newest_pong_and_not_all() {
    const PINGS: u32 = 250_000;
    let server = Server::start(&["sink", "--cpus", "0"]);
    let mut client = server.client();
    let mut bytes = Vec::new();
    for number in 0..PINGS {
        bytes.extend(frame(0x89, format!("{number:0>125}").as_bytes()));
    }
    client.raw(&bytes);
    let (mut pongs, mut last) = (0, 0);
    while last != PINGS - 1 {
        let Message::Pong(payload) = client.0.read().unwrap() else { panic!("no pong") };
        last = std::str::from_utf8(&payload).unwrap().parse().unwrap();
        pongs += 1;
    }
    // More than all the buffers of the kernel can hold was to be answered.
    assert!(pongs < PINGS, "{pongs} pongs");
}

#[test]
fn a_close_is_answered_with_its_code_and_its_reason() {
    let server = Server::start(&["sink"]);
    for code in [CloseCode::Normal, CloseCode::Away, CloseCode::Library(4999)] {
        let mut client = server.client();
        client.0.close(Some(CloseFrame { code, reason: "enough".into() })).unwrap();
        assert_eq!(client.hear_close(), Some((code, "enough".to_owned())));
    }
    let mut client = server.client();
    client.0.close(None).unwrap();
    assert_eq!(client.hear_close(), None);
    assert_eq!(server.totals().get("violations"), 0);
}

#[test]
fn a_rule_that_is_broken_is_answered_with_its_code() {
    let server = Server::start(&["sink"]);
    let unmasked = vec![0x81, 0x02, b'h', b'i'];
    for (bytes, code, reason) in [
        (unmasked, CloseCode::Protocol, "missing-mask"),
        (frame(0x80, b"of nothing"), CloseCode::Protocol, "nothing-to-continue"),
        (frame(0xC1, b"compressed"), CloseCode::Protocol, "reserved-bit"),
        (frame(0x88, b"\x03\xed"), CloseCode::Protocol, "close-code"),
        (frame(0x81, b"\xc0\xaf"), CloseCode::Invalid, "not-utf8"),
        (frame(0x81, b"cut off: \xce"), CloseCode::Invalid, "not-utf8"),
        (frame(0x88, b"\x03\xe8\xff"), CloseCode::Invalid, "not-utf8"),
        (vec![0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], CloseCode::Size, "frame-too-big"),
    ] {
        let mut client = server.client();
        client.raw(&bytes);
        assert_eq!(client.hear_close(), Some((code, reason.to_owned())));
    }
    assert_eq!(server.totals().get("violations"), 8);
}

#[test]
fn a_close_frame_survives_what_its_receiver_was_still_sending() {
    let server = Server::start(&["sink"]);
    let mut client = server.client();
    let mut bytes = frame(0x80, b"of nothing");
    bytes.extend(vec![0; 3_000_000]);
    client.raw(&bytes);
    assert_eq!(client.hear_close(), Some((CloseCode::Protocol, "nothing-to-continue".to_owned())));
}

#[test]
fn a_client_that_ends_without_a_word_is_gone() {
    let server = Server::start(&["chat", "--room-size", "all"]);
    let mut ann = server.client();
    ann.say(r#"{"type":"Connect","username":"ann"}"#);
    ann.hear();
    for shutdown in [true, false] {
        let mut bob = server.client();
        bob.say(r#"{"type":"Connect","username":"bob"}"#);
        bob.hear();
        assert!(ann.hear().contains("Connect"));
        if shutdown {
            bob.0.get_ref().0.shutdown(std::net::Shutdown::Write).unwrap();
            // Its end is answered by ours.
            assert!(bob.0.read().is_err());
        }
        drop(bob);
        assert!(ann.hear().contains("Disconnect"));
    }
}

#[test]
fn sigterm_closes_everyone_with_1001_and_refuses_who_has_not_asked_yet() {
    for role in ["echo", "chat", "feed", "sink"] {
        let server = Server::start(&[role]);
        let mut clients: Vec<Client> = (0..10).map(|_| server.client()).collect();
        let mut silent = server.tcp();
        clients[0].sync_any();
        server.signal();
        for client in &mut clients {
            let (code, _) = client.hear_close().unwrap();
            assert_eq!(code, CloseCode::Away, "{role}");
            // The answer is on its way already; then the server's end follows.
            assert!(matches!(client.0.read(), Err(tungstenite::Error::ConnectionClosed)));
        }
        let mut answer = String::new();
        silent.read_to_string(&mut answer).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503 "), "{role}: {answer}");
        drop((clients, silent));
        let (line, content) = server.ended();
        assert!(content && line.starts_with("totals: connections=10 "), "{role}: {line}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_3_and_a_reason() {
    for (arguments, reason) in [
        (&["chat", "--listen", "127.0.0.1:0", "--cpus", "0,1"][..], "a chat runs on one CPU"),
        (&["sink", "--listen", "127.0.0.1:0", "--cpus", "1000"], "--cpus names CPU 1000"),
        (&["feed", "--listen", "127.0.0.1:0", "--size", "10"], "needs at least 24 bytes"),
    ] {
        let output = program(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(3) && stderr.contains(reason), "{arguments:?}: {stderr}");
    }
}

impl Client {
    /// Waits for a pong, whatever comes before it.
    pub(super) fn sync_any(&mut self) {
        self.0.send(Message::Ping("here".into())).unwrap();
        while !matches!(self.0.read().unwrap(), Message::Pong(_)) {}
    }
}
