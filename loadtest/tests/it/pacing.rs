//! When messages go out, and from when on their latency counts: the open loop's promises.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Done, Load, Server, echo};

const STALL: Duration = Duration::from_secs(1);

/// Answers every message, but once, from one on, holds all answers back for a second.
fn stalling(from: u64) -> Server {
    let (count, until) = (Mutex::new(0_u64), Mutex::new(None));
    Server::answering(move |socket, _, _, message| {
        {
            let mut count = count.lock().unwrap();
            *count += 1;
            if *count == from {
                *until.lock().unwrap() = Some(Instant::now() + STALL);
            }
        }
        let held = *until.lock().unwrap();
        if let Some(rest) = held.and_then(|until| until.checked_duration_since(Instant::now())) {
            thread::sleep(rest);
        }
        socket.send(message)
    })
}

/// How many round trips took at least so many milliseconds.
fn slower_than(done: &Done, milliseconds: u64) -> u64 {
    done.report().histogram("latency").iter_recorded().fold(0, |sum, value| {
        sum + if value.value_iterated_to() >= milliseconds * 1_000_000 { value.count_at_value() } else { 0 }
    })
}

#[test]
fn a_stall_is_seen_by_every_message_that_was_due_in_it() {
    let server = stalling(120);
    let done = echo(
        server.address(),
        &["--rate", "200", "--connections", "4", "--duration", "3s", "--warmup", "1ms", "--grace", "5s"],
    );
    let report = done.report();
    report.is_sound();
    assert_eq!(report.messages("due"), 600, "{report}");
    assert_eq!(report.messages("received"), 600, "{report}");
    assert_eq!(report.number("latency", "count"), 600, "{report}");
    assert!(report.number("latency", "max_ns") >= 950_000_000, "{report}");
    // 200 were due in the second, evenly: 20 in each tenth of it.
    assert!(slower_than(&done, 200) >= 140, "{report}");
    assert!(slower_than(&done, 500) >= 80, "{report}");
    assert!(slower_than(&done, 800) >= 30, "{report}");
}

#[test]
fn a_closed_loop_sees_a_stall_once_a_connection_and_says_that_it_does() {
    let server = stalling(1000);
    let done = echo(server.address(), &["--connections", "4", "--duration", "3s", "--warmup", "1ms", "--grace", "5s"]);
    let report = done.report();
    report.is_sound();
    let slow = slower_than(&done, 900);
    assert!((1..=4).contains(&slow), "{slow}: {report}");
    assert_eq!(report.0["messages"]["offered_per_s"], serde_json::Value::Null, "{report}");
    assert!(report.0["latency"]["what"].as_str().unwrap().contains("from sending"), "{report}");
}

#[test]
fn messages_of_an_open_loop_go_round_the_connections_and_do_not_come_in_waves() {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&arrivals);
    let server = Server::answering(move |socket, connection, _, message| {
        let due: [u8; 8] = message.clone().into_data()[16..24].try_into().unwrap();
        noted.lock().unwrap().push((u64::from_be_bytes(due), connection));
        socket.send(message)
    });
    let done = echo(
        server.address(),
        &["--rate", "100", "--connections", "10", "--duration", "2s", "--warmup", "1ms", "--grace", "5s"],
    );
    done.report().is_sound();
    // Each says when it was due (src/message.rs). In which order the threads of a busy server come to read is its own affair.
    let mut arrivals = arrivals.lock().unwrap().clone();
    arrivals.sort_unstable();
    let arrivals: Vec<usize> = arrivals.into_iter().map(|(_, connection)| connection).collect();
    assert!(arrivals.len() >= 200, "{}", arrivals.len());
    let mut repeats = 0;
    for run in arrivals.windows(10) {
        let mut seen = run.to_vec();
        seen.sort_unstable();
        seen.dedup();
        // The generator's shards keep time each for itself; waves would give 1 or 2 here.
        assert!(seen.len() >= 6, "ten arrivals on {} connections: {run:?}", seen.len());
        repeats += 10 - seen.len();
    }
    assert!(repeats <= arrivals.len(), "{repeats} repeats: {arrivals:?}");
}

#[test]
fn the_rate_is_kept_whatever_the_answers_take() {
    // Each connection answers five a second; 100 a second are asked for.
    let server = Server::answering(|socket, _, _, message| {
        thread::sleep(Duration::from_millis(200));
        socket.send(message)
    });
    let done = echo(
        server.address(),
        &["--rate", "100", "--connections", "2", "--duration", "1s", "--warmup", "1ms", "--grace", "300ms"],
    );
    let report = done.report();
    assert_eq!(report.messages("due"), 100, "{report}");
    assert_eq!(report.messages("sent"), 100, "{report}");
    assert_eq!(report.messages("received") + report.messages("lost"), 100, "{report}");
    assert!(report.messages("lost") > 0, "{report}");
    report.has_failed();
    assert_eq!(done.code, 1);
}

#[test]
fn each_connection_has_its_equal_part_of_the_rate_whatever_the_cpus() {
    for connections in [1, 3] {
        let count = Arc::new(Mutex::new(vec![0_u64; connections]));
        let counted = Arc::clone(&count);
        let server = Server::answering(move |socket, connection, _, message| {
            counted.lock().unwrap()[connection] += 1;
            socket.send(message)
        });
        let connections = connections.to_string();
        let done = echo(
            server.address(),
            &["--rate", "150", "--connections", &connections, "--duration", "1s", "--warmup", "1ms", "--grace", "5s"],
        );
        let report = done.report();
        report.is_sound();
        assert_eq!(report.messages("sent"), 150, "{report}");
        let count = count.lock().unwrap();
        assert!(count.iter().max().unwrap() - count.iter().min().unwrap() <= 1, "{count:?}");
    }
}

#[test]
fn a_generator_that_polls_is_busy_only_when_it_has_something_to_do() {
    let server = Server::echo();
    let url = format!("ws://{}/", server.address());
    let done = Load::start(&[
        "echo",
        "--url",
        &url,
        "--json",
        "-",
        "--no-progress",
        "--rate",
        "20",
        "--duration",
        "1s",
        "--cpus",
        "0",
    ]);
    let report = done.ends().report();
    let busy = report.0["generator"]["busy_share"].as_f64().unwrap();
    // Twenty messages take some milliseconds of it, on the slowest host.
    assert!(report.0["generator"]["polls"] == true && busy < 0.5, "{report}");
}
