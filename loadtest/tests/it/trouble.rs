//! Servers that refuse some, close in the middle, break the protocol or stop reading: the run goes on or ends, and tells.

use std::io::Write;
use std::sync::mpsc::channel;
use std::time::Duration;

use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message};

use crate::harness::{Server, each_message, echo, frame, head, send_raw, start, swallow, unlimited, until};

#[test]
fn connections_that_are_refused_are_counted_by_reason_and_the_others_go_on() {
    let server = Server::start(|number, mut stream| {
        if number >= 2 {
            if head(&mut stream).is_some() {
                let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
            }
            return;
        }
        let Ok(mut socket) = tungstenite::accept_with_config(stream, Some(unlimited())) else { return };
        each_message(&mut socket, |socket, _, message| socket.send(message));
    });
    let options = ["--connections", "10", "--rate", "100", "--duration", "1s", "--warmup", "1ms"];
    let done = echo(server.address(), &options);
    let report = done.report();
    assert_eq!(done.code, 1, "{report}");
    report.has_failed();
    assert_eq!(report.errors().get("status 503"), Some(&8), "{report}");
    let counts = ["asked", "opened", "failed", "lost", "open_at_end"].map(|name| report.connections(name));
    assert_eq!(counts, [10, 2, 8, 0, 2], "{report}");
    assert_eq!(report.number("handshake", "count"), 2, "{report}");
    assert_eq!(server.served(), 10);
    assert_eq!(report.messages("received"), report.messages("sent"), "{report}");
    assert_eq!(report.messages("sent") + report.messages("unsent"), report.messages("due"), "{report}");
}

#[test]
fn connections_that_die_while_they_open_are_counted_by_reason() {
    let server = Server::start(|number, mut stream| {
        match number {
            0 => {
                let Ok(mut socket) = tungstenite::accept(stream) else { return };
                each_message(&mut socket, |socket, _, message| socket.send(message));
            }
            1 => drop(head(&mut stream)),
            2 => {
                head(&mut stream);
                let _ = stream.write_all(b"nonsense\r\n\r\n");
            }
            // Does not answer, and is given up.
            _ => drop(swallow(&mut stream)),
        }
    });
    let options = ["--connections", "4", "--rate", "50", "--duration", "500ms", "--warmup", "1ms", "--timeout", "1s"];
    let done = echo(server.address(), &options);
    let report = done.report();
    report.has_failed();
    let counts = ["opened", "failed"].map(|name| report.connections(name));
    assert_eq!(counts, [1, 3], "{report}");
    let kinds = report.0["errors"].as_array().unwrap().iter().filter(|error| error["during"] == "handshake");
    assert_eq!(kinds.clone().map(|error| error["count"].as_u64().unwrap()).sum::<u64>(), 3, "{report}");
    assert_eq!(kinds.count(), 3, "three reasons: {report}");
}

#[test]
fn a_server_that_closes_every_connection_ends_the_run_early() {
    let server = Server::answering(|socket, _, number, message| {
        if number < 20 {
            return socket.send(message);
        }
        socket.close(Some(CloseFrame { code: CloseCode::Away, reason: "".into() }))
    });
    let options = ["--connections", "4", "--rate", "100", "--duration", "10m", "--warmup", "1ms"];
    let done = echo(server.address(), &options);
    let report = done.report();
    assert_eq!(done.code, 1, "{report}");
    report.has_failed();
    assert_eq!(report.errors().get("closed with 1001"), Some(&4), "{report}");
    let counts = ["opened", "lost", "open_at_end"].map(|name| report.connections(name));
    assert_eq!(counts, [4, 4, 0], "{report}");
    // The message that each connection was closed upon.
    assert!(report.messages("lost") >= 4, "{report}");
    assert_eq!(report.messages("received") + report.messages("lost"), report.messages("sent"), "{report}");
    assert!(report.0["measured_ms"].as_u64().unwrap() < 500_000, "{report}");
    assert_eq!(report.0["verdict"]["interrupted"], false, "{report}");
}

#[test]
fn connections_that_break_are_counted_by_reason_and_the_others_go_on() {
    let server = Server::answering(|socket, connection, number, message| {
        if connection > 0 && number == 10 {
            // Without a close frame.
            return Err(Error::ConnectionClosed);
        }
        socket.send(message)
    });
    let options = ["--connections", "4", "--rate", "100", "--duration", "2s", "--warmup", "1ms"];
    let report = echo(server.address(), &options).report();
    report.has_failed();
    assert_eq!((report.connections("lost"), report.connections("open_at_end")), (3, 1), "{report}");
    let broken = report.0["errors"].as_array().unwrap().iter().filter(|error| error["during"] == "connection");
    assert_eq!(broken.map(|error| error["count"].as_u64().unwrap()).sum::<u64>(), 3, "{report}");
    assert_eq!(report.messages("due"), 200, "{report}");
    assert_eq!(report.messages("sent") + report.messages("unsent"), 200, "{report}");
    assert_eq!(report.messages("received") + report.messages("lost"), report.messages("sent"), "{report}");
    assert!(report.messages("unsent") >= 90, "{report}");
}

#[test]
fn the_last_second_knows_how_many_connections_were_open_at_its_end() {
    let server = Server::echo();
    let options = ["--connections", "4", "--rate", "100", "--duration", "2s", "--warmup", "1ms"];
    let report = echo(server.address(), &options).report();
    report.is_sound();
    for second in report.0["series"].as_array().unwrap() {
        assert_eq!(second["connections"], 4, "{report}");
    }
}

#[test]
fn the_seconds_sum_up_to_the_whole() {
    let server = Server::echo();
    let options = ["--connections", "4", "--rate", "100", "--duration", "2500ms", "--warmup", "300ms"];
    let report = echo(server.address(), &options).report();
    report.is_sound();
    let series = report.0["series"].as_array().unwrap();
    assert_eq!(series.len(), 3, "{report}");
    assert_eq!(series.last().unwrap()["until_ms"], 2500, "{report}");
    let sum = |name: &str| series.iter().map(|second| second[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("sent"), report.messages("sent"), "{report}");
    assert_eq!(sum("received"), report.messages("received"), "{report}");
    assert_eq!(report.messages("due"), 250, "{report}");
}

#[test]
fn pings_are_answered_with_what_they_carry() {
    let (told, hear) = channel();
    let told = std::sync::Mutex::new(told);
    let server = Server::websocket(move |_, socket| {
        let mut wanted = Vec::new();
        while let Ok(message) = socket.read() {
            match message {
                Message::Pong(payload) => wanted.retain(|ping: &Vec<u8>| ping[..] != payload[..]),
                Message::Binary(_) => {
                    let ping = vec![b'p'; wanted.len() * 25];
                    socket.send(Message::Ping(ping.clone().into())).unwrap();
                    wanted.push(ping);
                    if socket.send(message).is_err() {
                        break;
                    }
                }
                _ => {}
            }
        }
        told.lock().unwrap().send(wanted.len()).unwrap();
    });
    let done = echo(server.address(), &["--rate", "4", "--duration", "1s", "--warmup", "1ms"]);
    done.report().is_sound();
    assert_eq!(hear.recv_timeout(crate::harness::PATIENCE).unwrap(), 0, "pings without an answer");
}

#[test]
fn what_the_protocol_forbids_is_closed_with_1002_and_counted() {
    let masked = [&[0x82, 0x80 | 5][..], &[1, 2, 3, 4], b"hello"].concat();
    for (what, bytes) in [
        ("masked", masked),
        ("a reserved bit", frame(0xC2, b"hello")),
        ("a reserved opcode", frame(0x83, b"hello")),
        ("a continuation of nothing", frame(0x80, b"hello")),
        ("a ping in fragments", frame(0x09, b"hello")),
        ("a long ping", frame(0x89, &[0; 126])),
        ("a close of one byte", frame(0x88, b"x")),
        ("a close with a reserved code", frame(0x88, &1005_u16.to_be_bytes())),
    ] {
        let (told, hear) = channel();
        let told = std::sync::Mutex::new(told);
        let server = Server::websocket(move |_, socket| {
            let mut messages = 0;
            let code = loop {
                match socket.read() {
                    Ok(Message::Close(close)) => break close.map(|close| u16::from(close.code)),
                    Ok(message @ Message::Binary(_)) => {
                        messages += 1;
                        if messages == 5 {
                            let _ = send_raw(socket, &bytes);
                        } else {
                            let _ = socket.send(message);
                        }
                    }
                    Ok(_) => {}
                    Err(_) => break None,
                }
            };
            let _ = told.lock().unwrap().send(code);
        });
        let options = ["--rate", "50", "--duration", "10m", "--warmup", "1ms"];
        let done = echo(server.address(), &options);
        let report = done.report();
        assert_eq!(done.code, 1, "{what}: {report}");
        report.has_failed();
        assert_eq!(report.connections("lost"), 1, "{what}: {report}");
        let errors = report.0["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["during"] == "connection"), "{what}: {report}");
        assert_eq!(hear.recv_timeout(crate::harness::PATIENCE).unwrap(), Some(1002), "{what}");
    }
}

#[test]
fn a_length_beyond_all_limits_is_refused_and_not_waited_for() {
    let server = Server::answering(|socket, _, number, message| {
        if number == 5 {
            let mut header = vec![0x82, 127];
            header.extend((1_u64 << 62).to_be_bytes());
            return send_raw(socket, &header);
        }
        socket.send(message)
    });
    let done = echo(server.address(), &["--rate", "50", "--duration", "10m", "--warmup", "1ms"]);
    let report = done.report();
    report.has_failed();
    assert_eq!(report.connections("lost"), 1, "{report}");
}

#[test]
fn a_server_that_does_not_read_costs_bounded_memory_and_the_run_ends() {
    let server = Server::start(|_, mut stream| {
        let Some(request) = head(&mut stream) else { return };
        let _ = stream.write_all(crate::harness::switching(&request, "").as_bytes());
        // Holds the connection until the client goes; reads nothing.
        until("the client goes", || {
            let mut waiting = [0];
            let gone = stream.take_error().ok().flatten().is_some();
            (gone || stream.peek(&mut waiting).is_ok_and(|n| n == 0)).then_some(())
        });
    });
    let options = [
        "--connections",
        "2",
        "--rate",
        "2000",
        "--size",
        "65536",
        "--duration",
        "4s",
        "--warmup",
        "1ms",
        "--grace",
        "500ms",
        "--close",
        "reset",
    ];
    let mut load = start("echo", server.address(), &options);
    let mut most = 0;
    until("it ends", || {
        most = most.max(load.memory().unwrap_or(0));
        load.has_ended().then_some(())
    });
    assert!(most < 400 << 20, "{} MiB", most >> 20);
    let done = load.ends();
    let report = done.report();
    assert_eq!(done.code, 1, "{report}");
    report.has_failed();
    assert_eq!(report.messages("due"), 8000, "{report}");
    assert_eq!(report.messages("received"), 0, "{report}");
    assert_eq!(report.messages("sent") + report.messages("unsent"), 8000, "{report}");
    assert_eq!(report.messages("lost"), report.messages("sent"), "{report}");
    assert!(report.messages("unsent") > 4000, "{report}");
}

#[test]
fn a_server_that_does_not_answer_the_close_does_not_hold_the_run_up() {
    let server = Server::websocket(|_, socket| {
        while let Ok(message) = socket.read() {
            if message.is_binary() && socket.send(message).is_err() {
                return;
            }
            if !socket.can_write() {
                // It has read the close, and neither answers nor ends.
                std::thread::sleep(Duration::from_secs(60));
            }
        }
    });
    let done =
        echo(server.address(), &["--rate", "50", "--connections", "3", "--duration", "500ms", "--warmup", "1ms"]);
    // It has ended; what it says of such a server is another matter.
    done.report();
}
