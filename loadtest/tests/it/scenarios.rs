//! `hold`, `storm` and `fanout`: what each counts, with servers that get something wrong.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Message};

use crate::harness::{Done, PATIENCE, Server, Socket, each_message, frame, head, start, switching, unlimited};

#[test]
fn hold_keeps_connections_and_times_their_pongs() {
    let server = Server::echo();
    let options = ["--connections", "10", "--duration", "2s", "--ping-interval", "500ms"];
    let done = start("hold", server.address(), &options).ends();
    let report = done.report();
    report.is_sound();
    assert_eq!(report.connections("open_at_end"), 10, "{report}");
    // Four rounds of ten.
    assert_eq!(report.number("latency", "count"), 40, "{report}");
}

#[test]
fn hold_pings_each_connection_as_often_as_any_other() {
    let counts = Arc::new(Mutex::new(vec![0_u64; 3]));
    let counted = Arc::clone(&counts);
    let server = Server::websocket(move |number, socket| {
        while let Ok(message) = socket.read() {
            counted.lock().unwrap()[number] += u64::from(message.is_ping());
        }
    });
    let options = ["--connections", "3", "--duration", "1500ms", "--ping-interval", "300ms"];
    start("hold", server.address(), &options).ends().report().is_sound();
    assert_eq!(*counts.lock().unwrap(), [5, 5, 5]);
}

#[test]
fn hold_counts_survivors() {
    let server = Server::websocket(|number, socket| {
        let mut pings = 0;
        while let Ok(message) = socket.read() {
            pings += u64::from(message.is_ping());
            if number % 3 == 0 && pings == 2 {
                let _ = socket.close(Some(CloseFrame { code: CloseCode::Away, reason: "".into() }));
            }
        }
    });
    let options =
        ["--connections", "9", "--duration", "2s", "--ping-interval", "300ms", "--fail-if", "connections.lost>0"];
    let done = start("hold", server.address(), &options).ends();
    let report = done.report();
    // How many survive is what a hold measures; whether that will do, a threshold says.
    assert_eq!(done.code, 99, "{report}");
    let counts = ["opened", "failed", "lost", "open_at_end"].map(|name| report.connections(name));
    assert_eq!(counts, [9, 0, 3, 6], "{report}");
    assert_eq!(report.errors().get("closed with 1001"), Some(&3), "{report}");
}

/// Reads what comes with bare hands: no ping is answered.
fn deaf(_: usize, mut stream: std::net::TcpStream) {
    let Some(request) = head(&mut stream) else { return };
    let _ = stream.write_all(switching(&request, "").as_bytes());
    let mut chunk = [0; 1024];
    while matches!(stream.read(&mut chunk), Ok(1..)) {}
}

#[test]
fn pings_without_an_answer_are_lost() {
    let server = Server::start(deaf);
    let options = [
        "--connections",
        "2",
        "--duration",
        "1s",
        "--ping-interval",
        "200ms",
        "--grace",
        "500ms",
        "--close",
        "reset",
        "--fail-if",
        "errors>0",
    ];
    let done = start("hold", server.address(), &options).ends();
    let report = done.report();
    assert_eq!(done.code, 99, "{report}");
    assert_eq!(report.errors().get("lost"), Some(&10), "{report}");
    assert_eq!(report.0["latency"], serde_json::Value::Null, "{report}");
}

#[test]
fn pongs_of_another_ping_are_no_answer() {
    let server = Server::start(|_, mut stream| {
        let Some(request) = head(&mut stream) else { return };
        let _ = stream.write_all(switching(&request, "").as_bytes());
        let mut chunk = [0; 1024];
        while matches!(stream.read(&mut chunk), Ok(1..)) {
            let _ = stream.write_all(&frame(0x8A, b"unasked"));
        }
    });
    let options =
        ["--connections", "1", "--duration", "1s", "--ping-interval", "200ms", "--grace", "500ms", "--close", "reset"];
    let report = start("hold", server.address(), &options).ends().report();
    assert_eq!(report.errors().get("lost"), Some(&5), "{report}");
}

#[test]
fn a_storm_opens_at_its_rate_and_counts_each() {
    let server = Server::echo();
    let options = ["--rate", "100", "--duration", "1s", "--warmup", "100ms"];
    let done = start("storm", server.address(), &options).ends();
    let report = done.report();
    report.is_sound();
    assert!(report.messages("due").abs_diff(100) <= 1, "{report}");
    assert_eq!(report.messages("received"), report.messages("due"), "{report}");
    assert_eq!(report.connections("opened"), server.served() as u64, "{report}");
    assert_eq!(report.connections("failed"), 0, "{report}");
}

#[test]
fn e3_the_progress_of_a_storm_has_one_line_a_second_and_its_latency_is_of_all_so_far() {
    let server = Server::echo();
    let url = format!("ws://{}/", server.address());
    // A p99 is shown of 100 connections and more: neither second has so many, both have, also where the host is busy.
    let done = crate::harness::run(&["storm", "--url", &url, "--rate", "80", "--duration", "2s", "--warmup", "100ms"]);
    let left: Vec<&str> = done.stderr.lines().filter(|line| line.ends_with(" s left")).collect();
    assert_eq!(left.len(), 2, "{done:?}");
    assert!(left[0].ends_with("errors, 1 s left") && left[1].ends_with("errors, 0 s left"), "{done:?}");
    assert!(left[1].contains(", p99 so far "), "{done:?}");
}

#[test]
fn a_storm_counts_failures_by_reason() {
    let server = Server::start(|number, mut stream| match number % 4 {
        1 => {
            head(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        }
        3 => drop(head(&mut stream)),
        _ => {
            if let Ok(mut socket) = tungstenite::accept(stream) {
                each_message(&mut socket, |_, _, _| Ok(()));
            }
        }
    });
    let options = ["--rate", "100", "--duration", "1s", "--warmup", "1ms", "--fail-if", "failed>0"];
    let done = start("storm", server.address(), &options).ends();
    let report = done.report();
    // What fails is what a storm measures; whether that will do, a threshold says.
    assert_eq!(done.code, 99, "{report}");
    let served = server.served() as u64;
    assert_eq!(report.connections("opened") + report.connections("failed"), served, "{report}");
    assert_eq!(report.connections("failed"), served / 2, "{report}");
    let refused = report.errors().get("status 503").copied().unwrap_or(0);
    assert!(refused.abs_diff(served / 4) <= 1, "{served}: {report}");
    assert_eq!(report.errors().values().sum::<u64>(), served / 2, "{report}");
    assert_eq!(report.messages("due"), 100, "{report}");
}

#[test]
fn a_closed_storm_goes_on_after_failures() {
    let server = Server::start(|number, stream| {
        let stands = number == 0 || number % 2 == 1;
        if !stands {
            return;
        }
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        each_message(&mut socket, |_, _, _| Ok(()));
    });
    let options = ["--closed", "3", "--duration", "1s", "--warmup", "1ms"];
    let report = start("storm", server.address(), &options).ends().report();
    assert!(report.connections("opened") > 10 && report.connections("failed") > 10, "{report}");
}

/// How each connection of a storm ended, as the server saw it: a close code, or a word.
fn endings(options: &[&str]) -> Vec<String> {
    let (told, hear) = channel();
    let told = Mutex::new(told);
    let server = Server::websocket(move |_, socket| {
        let ending = loop {
            match socket.read() {
                Ok(Message::Close(close)) => {
                    break close.map_or("no code".to_owned(), |close| u16::from(close.code).to_string());
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::ConnectionReset => {
                    break "reset".to_owned();
                }
                Err(tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
                    break "cut".to_owned();
                }
                Err(error) => break error.to_string(),
            }
        };
        let _ = socket.flush();
        let _ = told.lock().unwrap().send(ending);
    });
    let run = ["--rate", "50", "--duration", "500ms", "--warmup", "1ms"];
    let report = start("storm", server.address(), &[&run, options].concat()).ends().report();
    report.is_sound();
    (0..report.connections("opened")).map(|_| hear.recv_timeout(PATIENCE).unwrap()).collect()
}

#[test]
fn a_storm_closes_with_1000() {
    let endings = endings(&["--close", "handshake"]);
    assert!(endings.len() >= 25 && endings.iter().all(|ending| ending == "1000"), "{endings:?}");
}

#[test]
fn a_storm_resets_when_told_so() {
    let endings = endings(&["--close", "reset"]);
    assert!(endings.len() >= 25 && endings.iter().all(|ending| ending == "reset"), "{endings:?}");
}

#[test]
fn a_storm_beside_held_connections_keeps_them() {
    let server = Server::echo();
    let options = ["--rate", "50", "--hold", "20", "--duration", "500ms", "--warmup", "1ms"];
    let report = start("storm", server.address(), &options).ends().report();
    report.is_sound();
    assert_eq!(report.connections("open_at_end"), 20, "{report}");
    assert_eq!(report.connections("opened"), server.served() as u64, "{report}");
}

/// Decides what one subscriber receives of one message.
type Deliver = dyn Fn(usize, u64, &Bytes, &mut Vec<Bytes>) + Send + Sync;

/// The connections by number, each with the queue of messages to it.
type Rooms = Vec<(usize, Sender<Bytes>)>;

/// A server that sends what anyone says to all others; `deliver` says what one of them hears of it.
fn broadcasting(deliver: impl Fn(usize, u64, &Bytes, &mut Vec<Bytes>) + Send + Sync + 'static) -> Server {
    let rooms: Arc<Mutex<Rooms>> = Arc::default();
    let deliver: Arc<Deliver> = Arc::new(deliver);
    Server::websocket(move |number, socket| {
        let (sender, receiver) = channel::<Bytes>();
        rooms.lock().unwrap().push((number, sender));
        let mut out = tungstenite::WebSocket::from_raw_socket(
            socket.get_ref().try_clone().unwrap(),
            tungstenite::protocol::Role::Server,
            Some(unlimited()),
        );
        let deliver = Arc::clone(&deliver);
        let writer = std::thread::spawn(move || {
            for (count, message) in (0..).zip(receiver) {
                let mut heard = Vec::new();
                deliver(number, count, &message, &mut heard);
                for message in heard {
                    if out.send(Message::Binary(message)).is_err() {
                        return;
                    }
                }
            }
        });
        let spread = |_: &mut Socket, _, message: Message| {
            let message = message.into_data();
            // One at a time, so that all hear all in the same order.
            let rooms = rooms.lock().unwrap();
            rooms.iter().filter(|(other, _)| *other != number).for_each(|(_, room)| drop(room.send(message.clone())));
            Ok(())
        };
        each_message(socket, spread);
        rooms.lock().unwrap().retain(|(other, _)| *other != number);
        let _ = writer.join();
    })
}

const FANOUT: [&str; 10] =
    ["--connections", "5", "--rate", "50", "--duration", "1s", "--warmup", "1ms", "--publishers", "1"];

fn fanout(server: &Server, options: &[&str]) -> Done {
    start("fanout", server.address(), &[&FANOUT[..], options].concat()).ends()
}

#[test]
fn a_fanout_counts_each_delivery() {
    let server = broadcasting(|_, _, message, heard| heard.push(message.clone()));
    let done = fanout(&server, &[]);
    let report = done.report();
    report.is_sound();
    assert_eq!(report.messages("sent"), 50, "{report}");
    assert_eq!(report.messages("received"), 250, "{report}");
    assert_eq!(report.number("latency", "count"), 250, "{report}");
}

#[test]
fn a_fanout_of_several_publishers_is_in_order_for_each_of_them() {
    // Publishers hear the others here; what they hear is nobody's delivery.
    let server = broadcasting(|_, _, message, heard| heard.push(message.clone()));
    let options = ["--connections", "5", "--rate", "60", "--duration", "1s", "--warmup", "1ms", "--publishers", "3"];
    let done = start("fanout", server.address(), &options).ends();
    let report = done.report();
    report.is_sound();
    assert_eq!(report.messages("received"), 5 * report.messages("sent"), "{report}");
    assert!(report.messages("sent").abs_diff(60) <= 3, "{report}");
}

/// The first connection subscribes: it alone hears something wrong of its 20th message.
fn first_hears(wrong: impl Fn(&Bytes, &mut Vec<Bytes>) + Send + Sync + 'static) -> Done {
    let server = broadcasting(move |number, count, message, heard| match (number, count) {
        (0, 20) => wrong(message, heard),
        _ => heard.push(message.clone()),
    });
    fanout(&server, &["--grace", "1500ms"])
}

#[track_caller]
fn failed_for(done: &Done, faults: &[(&str, u64)]) {
    let report = done.report();
    assert_eq!(done.code, 1, "{report}");
    report.has_failed();
    assert_eq!(report.faults(), faults, "{report}");
    assert_eq!(report.messages("sent"), 50, "{report}");
    assert_eq!(report.messages("received") + report.messages("lost"), 250, "{report}");
}

#[test]
fn a_delivery_that_one_subscriber_misses_is_lost() {
    failed_for(&first_hears(|_, _| {}), &[("lost", 1)]);
}

#[test]
fn last_deliveries_that_one_subscriber_misses_are_lost() {
    let server = broadcasting(move |number, count, message, heard| {
        if number != 0 || count < 45 {
            heard.push(message.clone());
        }
    });
    let report = fanout(&server, &["--grace", "1500ms"]).report();
    report.has_failed();
    // Whether one is before the window depends on where the publisher runs.
    assert!((5..=6).contains(&report.messages("lost")), "{report}");
    assert_eq!(report.messages("received") + report.messages("lost"), 250, "{report}");
}

#[test]
fn a_subscriber_that_hears_nothing_has_lost_all() {
    let server = broadcasting(move |number, _, message, heard| {
        if number != 0 {
            heard.push(message.clone());
        }
    });
    let report = fanout(&server, &["--grace", "1500ms"]).report();
    report.has_failed();
    // One message is before the window, and what is missing of it may count too.
    assert!((50..=51).contains(&report.messages("lost")), "{report}");
}

#[test]
fn a_delivery_that_one_subscriber_hears_twice_is_a_duplicate() {
    let done = first_hears(|message, heard| heard.extend([message.clone(), message.clone()]));
    failed_for(&done, &[("duplicates", 1)]);
}

#[test]
fn e1_what_the_server_tells_a_subscriber_besides_is_no_delivery_and_no_fault() {
    let done = first_hears(|message, heard| heard.extend([Bytes::from_static(b"welcome"), message.clone()]));
    let report = done.report();
    report.is_sound();
    assert_eq!((report.messages("received"), report.messages("unexpected")), (250, 1), "{report}");
}

#[test]
fn a_changed_delivery_is_mismatched() {
    let done = first_hears(|message, heard| {
        let mut bytes = message.to_vec();
        bytes[50] ^= 1;
        heard.push(bytes.into());
    });
    failed_for(&done, &[("lost", 1), ("mismatched", 1)]);
}

#[test]
fn deliveries_in_the_wrong_order_are_out_of_order() {
    let held = Mutex::new(None);
    let server = broadcasting(move |number, count, message, heard| match (number, count) {
        (0, 20) => *held.lock().unwrap() = Some(message.clone()),
        (0, 21) => heard.extend([message.clone(), held.lock().unwrap().take().unwrap()]),
        _ => heard.push(message.clone()),
    });
    failed_for(&fanout(&server, &["--grace", "1500ms"]), &[("out_of_order", 1)]);
}

#[test]
fn a_subscriber_that_is_closed_is_a_lost_connection() {
    let seen = Mutex::new(HashSet::new());
    let server = Server::websocket(move |number, socket| {
        seen.lock().unwrap().insert(number);
        if number == 2 {
            // The others are given the time to come.
            std::thread::sleep(Duration::from_millis(300));
            let _ = socket.close(Some(CloseFrame { code: CloseCode::Away, reason: "".into() }));
        }
        each_message(socket, |_, _, _| Ok(()));
    });
    let report = fanout(&server, &["--grace", "500ms"]).report();
    report.has_failed();
    assert_eq!(report.connections("lost"), 1, "{report}");
    assert_eq!(report.errors().get("closed with 1001"), Some(&1), "{report}");
}

#[test]
fn a_storm_whose_handshakes_hang_has_lost_them() {
    let server = Server::start(|number, mut stream| {
        if number == 0 {
            let Ok(mut socket) = tungstenite::accept(stream) else { return };
            each_message(&mut socket, |_, _, _| Ok(()));
        } else {
            crate::harness::swallow(&mut stream);
        }
    });
    let options = [
        "--rate",
        "50",
        "--duration",
        "500ms",
        "--warmup",
        "off",
        "--grace",
        "200ms",
        "--timeout",
        "10m",
        "--close",
        "reset",
    ];
    let report = start("storm", server.address(), &options).ends().report();
    assert_eq!(report.outcome(), "failed", "{report}");
    assert_eq!((report.messages("due"), report.messages("lost")), (25, 25), "{report}");
}

#[test]
fn a_closed_storm_without_room_for_more_goes_on_and_says_so() {
    let server = Server::echo();
    let url = format!("ws://{}/", server.address());
    // 120 descriptors are room for 40 connections on one CPU, and these are held.
    let done = crate::harness::Load::start_with_descriptors(
        120,
        &[
            "storm",
            "--url",
            &url,
            "--cpus",
            "0",
            "--hold",
            "40",
            "--closed",
            "5",
            "--duration",
            "300ms",
            "--json",
            "-",
            "--no-progress",
        ],
    )
    .ends();
    let report = done.report();
    assert!(report.errors().get("too-many-open").is_some_and(|count| (1..10_000).contains(count)), "{report}");
    assert_eq!(report.connections("open_at_end"), 40, "{report}");
}

#[test]
fn what_is_missing_of_the_warm_up_is_neither_counted_nor_lost() {
    // Of some twenty messages that are due in the warm-up the first subscriber misses two.
    let server = broadcasting(|number, count, message, heard| {
        if number != 0 || !(2..4).contains(&count) {
            heard.push(message.clone());
        }
    });
    let options = [
        "--connections",
        "5",
        "--rate",
        "50",
        "--duration",
        "1s",
        "--warmup",
        "400ms",
        "--publishers",
        "1",
        "--grace",
        "1s",
    ];
    let report = start("fanout", server.address(), &options).ends().report();
    assert_eq!((report.messages("lost"), report.messages("received")), (0, 5 * report.messages("sent")), "{report}");
}
