//! Sizes and forms of messages, against a server that checks what is UTF-8, and what the same seed means.

use std::sync::{Arc, Mutex};

use crate::harness::{Server, echo};

#[test]
fn every_size_and_form_comes_back_right() {
    let server = Server::echo();
    for options in [
        &["--size", "24"][..],
        &["--size", "125"],
        &["--size", "126"],
        &["--size", "65535"],
        &["--size", "65536"],
        &["--size", "64..4096"],
        &["--size", "zipf:64..65536"],
        &["--text"],
        &["--text", "--size", "32..5000"],
        &["--text", "--size", "zipf:32..65536", "--rate", "100"],
        &["--size", "1MiB"],
        &["--size", "1MiB", "--rate", "20"],
        &["--closed", "8"],
        &["--closed", "1024", "--size", "24..100"],
        &["--size", "64..4096", "--rate", "300"],
    ] {
        let run = ["--connections", "3", "--duration", "500ms", "--warmup", "50ms"];
        let done = echo(server.address(), &[&run, options].concat());
        let report = done.report();
        report.is_sound();
        let received = report.messages("received");
        assert!(received > 0, "{options:?}: {report}");
        assert_eq!(received, report.messages("sent"), "{options:?}: {report}");
        assert_eq!(report.messages("bytes_received"), report.messages("bytes_sent"), "{options:?}: {report}");
        assert_eq!(report.number("latency", "count"), received, "{options:?}: {report}");
        assert_eq!(report.histogram("latency").len(), received, "{options:?}: {report}");
    }
}

/// The sizes of the first messages of each connection, in the order in which they came.
fn sizes(options: &[&str], connections: usize, kind: &str) -> Vec<Vec<usize>> {
    let seen = Arc::new(Mutex::new(vec![Vec::new(); connections]));
    let noted = Arc::clone(&seen);
    let server = Server::answering(move |socket, connection, _, message| {
        noted.lock().unwrap()[connection].push(message.len());
        socket.send(message)
    });
    let count = connections.to_string();
    let run = ["--connections", &count, "--size", kind, "--rate", "200", "--duration", "500ms", "--warmup", "1ms"];
    echo(server.address(), &[&run, options].concat()).report().is_sound();
    let mut seen = seen.lock().unwrap().clone();
    seen.iter_mut().for_each(|sizes| sizes.truncate(100 / connections));
    seen
}

#[test]
fn the_same_seed_sends_the_same_messages() {
    for kind in ["24..4096", "zipf:64..65536"] {
        let first = sizes(&["--seed", "7"], 1, kind);
        assert_eq!(first[0].len(), 100);
        assert_eq!(first, sizes(&["--seed", "7"], 1, kind), "{kind}");
        assert_ne!(first, sizes(&["--seed", "8"], 1, kind), "{kind}");
    }
}

#[test]
fn the_same_seed_sends_the_same_messages_over_all_connections() {
    // Which of them is accepted first is the host's choice.
    let sorted = |mut sizes: Vec<Vec<usize>>| {
        sizes.sort();
        sizes
    };
    let run = || sorted(sizes(&["--seed", "7"], 4, "24..4096"));
    assert_eq!(run(), run());
}

#[test]
fn connections_and_shards_do_not_send_the_same_sizes() {
    let sizes = sizes(&["--seed", "7"], 4, "24..4096");
    for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        assert_ne!(sizes[one], sizes[other]);
    }
}

#[test]
fn sizes_are_within_their_bounds_and_reach_them() {
    let even = sizes(&[], 1, "24..26").concat();
    assert!(even.iter().all(|size| (24..=26).contains(size)), "{even:?}");
    assert!([24, 25, 26].iter().all(|size| even.contains(size)), "{even:?}");
    let zipf = sizes(&[], 1, "zipf:64..65536").concat();
    assert!(zipf.iter().all(|size| (64..=65_536).contains(size)), "{zipf:?}");
    let mut sorted = zipf.clone();
    sorted.sort_unstable();
    // Short ones more often.
    assert!(sorted[50] < (64 + 65_536) / 4, "{sorted:?}");
}

#[test]
fn what_fills_two_messages_is_not_the_same() {
    // A proxy that sends bytes of an earlier message again in their old place must not pass for right.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let server = Server::answering(move |socket, _, _, message| {
        noted.lock().unwrap().push(message.clone().into_data());
        socket.send(message)
    });
    let run = ["--size", "1024", "--rate", "50", "--duration", "500ms", "--warmup", "1ms"];
    echo(server.address(), &run).report().is_sound();
    let seen = seen.lock().unwrap();
    let equal = seen.windows(2).filter(|two| two[0][512..] == two[1][512..]).count();
    assert_eq!(equal, 0, "of {} messages", seen.len());
}
