//! Servers that send messages of their own, or answer in another form than they were asked: what is a fault and what is none, and
//! that a closed loop keeps its depth.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::harness::{PATIENCE, Seen, Server, each_message, echo, frame, send_raw};

const GREETING: &str = "Request served by 4ea2b1";
const CLOSED: [&str; 8] = ["--connections", "3", "--closed", "1", "--duration", "500ms", "--warmup", "1ms"];

/// Greets each client, and echoes.
fn greeting() -> Server {
    Server::websocket(|_, socket| {
        let _ = socket.send(Message::text(GREETING));
        each_message(socket, |socket, _, message| socket.send(message));
    })
}

fn notes(report: &Seen) -> String {
    report.0["verdict"]["notes"].to_string()
}

#[test]
fn e1_a_server_that_greets_first_has_done_no_wrong_and_the_report_says_what_it_sent() {
    let report = echo(greeting().address(), &CLOSED).report();
    report.is_sound();
    assert!(report.messages("received") > 3, "{report}");
    assert_eq!(report.messages("unexpected"), 3, "{report}");
    let notes = notes(&report);
    assert!(notes.contains("the server sent 3 messages of its own"), "{report}");
    assert!(notes.contains("text of 24 bytes, \\\"Request served by 4ea2b1\\\""), "{report}");
}

#[test]
fn e1_a_threshold_can_forbid_messages_of_the_servers_own() {
    let done = echo(greeting().address(), &[&CLOSED[..], &["--fail-if", "unexpected>0"]].concat());
    assert_eq!(done.code, 99, "{done:?}");
}

/// A server's messages: those at the start, and the answers to the client's first message.
struct Script {
    greetings: Vec<Message>,
    answers_to_the_first: usize,
}

/// The number of messages that such a server receives; it answers no other message.
fn received(closed: &str, script: Script) -> u64 {
    let (told, hear) = channel();
    let told = Mutex::new(told);
    let server = Server::websocket(move |_, socket| {
        for message in &script.greetings {
            let _ = socket.send(message.clone());
        }
        let mut count = 0;
        each_message(socket, |socket, number, message| {
            count += 1;
            let answers = if number == 0 { script.answers_to_the_first } else { 0 };
            (0..answers).try_for_each(|_| socket.send(message.clone()))
        });
        let _ = told.lock().unwrap().send(count);
    });
    let options = ["--closed", closed, "--duration", "300ms", "--warmup", "1ms", "--grace", "100ms"];
    echo(server.address(), &options).report().has_failed();
    hear.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn e1_messages_of_the_servers_own_put_no_other_in_flight() {
    let greetings = || vec![Message::text(GREETING), Message::text(""), Message::binary(vec![0xFF; 4096])];
    for (closed, depth) in [("1", 1), ("4", 4)] {
        assert_eq!(received(closed, Script { greetings: Vec::new(), answers_to_the_first: 0 }), depth);
        assert_eq!(received(closed, Script { greetings: greetings(), answers_to_the_first: 0 }), depth);
    }
}

#[test]
fn e1_an_answer_that_comes_twice_puts_one_other_in_flight() {
    for (closed, depth) in [("1", 1), ("4", 4)] {
        let twice = Script { greetings: Vec::new(), answers_to_the_first: 2 };
        assert_eq!(received(closed, twice), depth + 1);
    }
}

#[test]
fn e1_messages_between_the_answers_are_counted_apart() {
    let server = Server::answering(|socket, _, _, message| {
        socket.send(Message::text("a price"))?;
        socket.send(message)
    });
    let report = echo(server.address(), &["--rate", "100", "--duration", "1s", "--warmup", "1ms"]).report();
    report.is_sound();
    assert_eq!(report.messages("received"), 100, "{report}");
    assert!(report.messages("unexpected") >= 100, "{report}");
}

#[test]
fn e1_binary_that_is_answered_as_text_is_counted_apart_and_fails_in_words() {
    let server = Server::answering(|socket, _, _, message| send_raw(socket, &frame(0x81, &message.into_data())));
    let report = echo(server.address(), &["--rate", "100", "--duration", "1s", "--warmup", "1ms"]).report();
    report.has_failed();
    assert_eq!(report.faults(), [("other_form", 101)], "{report}");
    assert_eq!(report.messages("received"), 100, "{report}");
    assert!(report.reasons()[0].contains("answers came as text instead of binary"), "{report}");
}

#[test]
fn e1_a_server_that_makes_a_string_of_what_it_gets_is_recognised() {
    let texts = |options: &[&str]| {
        let server = Server::answering(|socket, _, _, message| {
            socket.send(Message::text(String::from_utf8_lossy(&message.into_data()).into_owned()))
        });
        echo(server.address(), &[&CLOSED[..], &["--grace", "200ms"], options].concat()).report()
    };
    let report = texts(&[]);
    report.has_failed();
    assert!(notes(&report).contains("--text asks it in text"), "{report}");
    texts(&["--text"]).is_sound();
}

#[test]
fn e2_a_server_that_takes_no_binary_messages_is_recognised() {
    let server = Server::answering(|socket, _, _, message| match message {
        Message::Binary(_) => {
            socket.close(Some(CloseFrame { code: CloseCode::Unsupported, reason: "text only".into() }))
        }
        text => socket.send(text),
    });
    let report = echo(server.address(), &CLOSED).report();
    report.has_failed();
    assert!(notes(&report).contains("the messages were binary; --text sends text"), "{report}");
    echo(server.address(), &[&CLOSED[..], &["--text"]].concat()).report().is_sound();
}
