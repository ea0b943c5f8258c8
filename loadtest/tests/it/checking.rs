//! Every reply is checked: servers that get one thing wrong, once.

use std::sync::Mutex;

use tungstenite::{Bytes, Message};

use crate::harness::{Done, Seen, Server, Socket, echo, frame, send_raw};

/// The message that is got wrong: early in the window of [`OPEN`].
const WRONG: u64 = 20;
const OPEN: [&str; 8] = ["--rate", "100", "--duration", "1s", "--warmup", "1ms", "--grace", "1500ms"];

type Answered = tungstenite::Result<()>;

/// Runs against a server whose one connection answers one message wrongly.
fn wrong_once(answer: impl Fn(&mut Socket, Message) -> Answered + Send + Sync + 'static) -> Done {
    wrong_once_with(&[], answer)
}

fn wrong_once_with(
    options: &[&str],
    answer: impl Fn(&mut Socket, Message) -> Answered + Send + Sync + 'static,
) -> Done {
    let server = Server::answering(
        move |socket, _, number, message| {
            if number == WRONG { answer(socket, message) } else { socket.send(message) }
        },
    );
    echo(server.address(), &[&OPEN, options].concat())
}

/// The run has failed for exactly this, and the report is all there.
#[track_caller]
fn failed_for(done: &Done, faults: &[(&str, u64)]) -> Seen {
    let report = done.report();
    report.has_failed();
    assert_eq!(done.code, 1, "{report}");
    assert_eq!(report.faults(), faults, "{report}");
    assert_eq!((report.messages("due"), report.messages("sent")), (100, 100), "{report}");
    assert_eq!(report.messages("received") + report.messages("lost"), report.messages("sent"), "{report}");
    assert_eq!(report.number("latency", "count"), report.messages("received"), "{report}");
    report
}

fn bytes(message: Message) -> Vec<u8> {
    message.into_data().to_vec()
}

#[test]
fn a_reply_with_any_one_byte_flipped_is_mismatched() {
    // Stamp and filling: each byte of a message counts.
    for place in [0, 3, 7, 8, 15, 16, 23, 24, 40, 63] {
        let done = wrong_once(move |socket, message| {
            let mut bytes = bytes(message);
            bytes[place] ^= 0x10;
            socket.send(Message::binary(bytes))
        });
        failed_for(&done, &[("lost", 1), ("mismatched", 1)]);
    }
}

#[test]
fn a_flipped_byte_of_a_text_reply_is_mismatched() {
    for place in [0, 9, 31, 50] {
        let done = wrong_once_with(&["--text"], move |socket, message| {
            let mut bytes = bytes(message);
            bytes[place] = if bytes[place] == b'a' { b'b' } else { b'a' };
            socket.send(Message::text(String::from_utf8(bytes).unwrap()))
        });
        failed_for(&done, &[("lost", 1), ("mismatched", 1)]);
    }
}

#[test]
fn a_reply_that_does_not_come_is_lost() {
    let done = wrong_once(|_, _| Ok(()));
    failed_for(&done, &[("lost", 1)]);
}

#[test]
fn a_last_reply_that_does_not_come_is_lost() {
    let server =
        Server::answering(|socket, _, number, message| if number < 100 { socket.send(message) } else { Ok(()) });
    failed_for(&echo(server.address(), &OPEN), &[("lost", 1)]);
}

#[test]
fn a_reply_that_comes_twice_is_a_duplicate() {
    let done = wrong_once(|socket, message| {
        socket.send(message.clone())?;
        socket.send(message)
    });
    failed_for(&done, &[("duplicates", 1)]);
}

#[test]
fn a_reply_that_comes_again_much_later_is_a_duplicate() {
    let first = Mutex::new(None);
    let server = Server::answering(move |socket, _, number, message| {
        if number == 5 {
            *first.lock().unwrap() = Some(message.clone());
        }
        if number == 80 {
            socket.send(first.lock().unwrap().take().unwrap())?;
        }
        socket.send(message)
    });
    failed_for(&echo(server.address(), &OPEN), &[("duplicates", 1)]);
}

#[test]
fn replies_in_the_wrong_order_are_out_of_order() {
    let held = Mutex::new(None);
    let server = Server::answering(move |socket, _, number, message| {
        if number == WRONG {
            *held.lock().unwrap() = Some(message);
            return Ok(());
        }
        socket.send(message)?;
        held.lock().unwrap().take().map_or(Ok(()), |held| socket.send(held))
    });
    failed_for(&echo(server.address(), &OPEN), &[("out_of_order", 1)]);
}

#[test]
fn a_reply_meant_for_another_connection_is_mismatched_and_lost_where_it_was_due() {
    let stolen = Mutex::new(None);
    let server = Server::answering(move |socket, connection, number, message| match connection {
        0 if number == 10 => {
            *stolen.lock().unwrap() = Some(message);
            Ok(())
        }
        1 => match stolen.lock().unwrap().take() {
            Some(stolen) => socket.send(stolen),
            None => socket.send(message),
        },
        _ => socket.send(message),
    });
    let done = echo(server.address(), &[&OPEN[..], &["--connections", "2"]].concat());
    failed_for(&done, &[("lost", 2), ("mismatched", 1)]);
}

#[test]
fn a_reply_that_is_cut_short_is_lost_and_mismatched_if_its_stamp_is_whole() {
    for length in [0, 1, 23, 24, 63] {
        let done = wrong_once(move |socket, message| socket.send(Message::binary(bytes(message)[..length].to_vec())));
        // Without a whole stamp nothing tells it from a message of the server's own, but the answer is missing.
        if length < 24 {
            let report = failed_for(&done, &[("lost", 1)]);
            assert_eq!(report.messages("unexpected"), 1, "{report}");
        } else {
            failed_for(&done, &[("lost", 1), ("mismatched", 1)]);
        }
    }
}

#[test]
fn a_reply_with_a_byte_too_many_is_mismatched() {
    let done = wrong_once(|socket, message| {
        let mut bytes = bytes(message);
        bytes.push(bytes[62]);
        socket.send(Message::binary(bytes))
    });
    failed_for(&done, &[("lost", 1), ("mismatched", 1)]);
}

#[test]
fn a_message_that_was_never_sent_is_the_servers_own_unless_it_has_a_field_of_a_stamp() {
    for unasked in [&b""[..], b"hello", &[0xFF; 4096]] {
        let done = wrong_once(move |socket, message| {
            socket.send(Message::binary(unasked))?;
            socket.send(message)
        });
        let report = done.report();
        report.is_sound();
        assert_eq!(report.messages("unexpected"), 1, "{report}");
    }
    // The connection has the number 0.
    let done = wrong_once(move |socket, message| {
        socket.send(Message::binary(&[0; 64][..]))?;
        socket.send(message)
    });
    failed_for(&done, &[("mismatched", 1)]);
}

#[test]
fn a_reply_to_a_message_of_another_run_is_mismatched() {
    // The same message of the same connection, sent at another time: a server that plays a recording.
    let recorded = std::sync::Arc::new(Mutex::new(None));
    let record = std::sync::Arc::clone(&recorded);
    let server = Server::answering(move |socket, _, number, message| {
        if number == WRONG {
            *record.lock().unwrap() = Some(message.clone());
        }
        socket.send(message)
    });
    echo(server.address(), &OPEN).report().is_sound();
    let message = recorded.lock().unwrap().take().unwrap();
    let done = wrong_once(move |socket, _| socket.send(message.clone()));
    failed_for(&done, &[("lost", 1), ("mismatched", 1)]);
}

#[test]
fn a_text_that_comes_back_as_binary_is_in_the_other_form() {
    let done = wrong_once_with(&["--text"], |socket, message| socket.send(Message::binary(message.into_data())));
    failed_for(&done, &[("other_form", 1)]);
}

#[test]
fn wrong_replies_in_a_closed_loop_fail_the_run_too() {
    let server = Server::answering(|socket, _, number, message| match number {
        1000 => {
            let mut bytes = bytes(message);
            bytes[40] ^= 1;
            socket.send(Message::binary(bytes))
        }
        1500 => Ok(()),
        2000 => {
            socket.send(message.clone())?;
            socket.send(message)
        }
        _ => socket.send(message),
    });
    let done = echo(server.address(), &["--closed", "8", "--duration", "3s", "--warmup", "1ms", "--grace", "1500ms"]);
    let report = done.report();
    report.has_failed();
    assert_eq!(done.code, 1);
    assert_eq!(report.faults(), [("lost", 2), ("duplicates", 1), ("mismatched", 1)], "{report}");
    assert_eq!(report.messages("received") + report.messages("lost"), report.messages("sent"), "{report}");
}

#[test]
fn replies_in_other_fragments_with_pings_between_are_right() {
    let server = Server::answering(|socket, _, number, message| {
        let bytes = bytes(message);
        let size = usize::try_from(number % 7 + 1).unwrap() * 5;
        let last = bytes.chunks(size).count() - 1;
        for (place, piece) in bytes.chunks(size).enumerate() {
            let first = if place == 0 { 0x02 } else { 0x00 } | if place == last { 0x80 } else { 0x00 };
            send_raw(socket, &frame(first, piece))?;
            send_raw(socket, &frame(0x89, b"between"))?;
            // An empty fragment is a fragment.
            if place < last {
                send_raw(socket, &frame(0x00, b""))?;
            }
        }
        Ok(())
    });
    let done = echo(server.address(), &[&OPEN[..], &["--connections", "2", "--size", "24..700"]].concat());
    let report = done.report();
    report.is_sound();
    assert_eq!(report.messages("received"), 100, "{report}");
}

#[test]
fn replies_that_come_byte_by_byte_are_right() {
    let server = Server::answering(|socket, _, _, message| {
        frame(0x82, &bytes(message)).iter().try_for_each(|byte| send_raw(socket, &[*byte]))
    });
    let done = echo(server.address(), &["--rate", "50", "--duration", "500ms", "--warmup", "1ms", "--grace", "10s"]);
    let report = done.report();
    report.is_sound();
    assert_eq!(report.messages("received"), 25, "{report}");
}

#[test]
fn a_burst_of_extra_messages_is_counted_one_by_one() {
    let extra = Bytes::from_static(&[7; 100]);
    let done = wrong_once(move |socket, message| {
        for _ in 0..1000 {
            socket.write(Message::Binary(extra.clone()))?;
        }
        socket.send(message)
    });
    let report = done.report();
    report.is_sound();
    assert_eq!(report.messages("unexpected"), 1000, "{report}");
    assert_eq!(report.messages("received"), 100, "{report}");
}
