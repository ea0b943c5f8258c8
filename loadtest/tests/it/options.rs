//! Options that cannot be: said clearly, and before anything is connected.

use crate::harness::{Load, PROGRAM, Server, echo, run, start};

/// The option is named, and nothing was connected.
#[track_caller]
fn refused(named: &str, options: &[&str]) {
    let server = Server::echo();
    let done = echo(server.address(), options);
    assert!(matches!(done.code, 2 | 3), "{options:?}: {done:?}");
    assert!(done.stderr.contains(named), "{options:?}: {done:?}");
    assert_eq!(done.stdout, "", "{options:?}");
    assert_eq!(server.served(), 0, "{options:?}");
    // What is wrong is said in one line; clap adds where help is.
    let lines =
        done.stderr.lines().filter(|line| !line.is_empty() && !line.contains("--help") && !line.contains("Usage"));
    assert_eq!(lines.count(), 1, "{options:?}: {done:?}");
}

#[test]
fn sizes_that_hold_no_stamp_are_refused() {
    refused("--size", &["--size", "5"]);
    refused("--size", &["--size", "23"]);
    refused("--size", &["--text", "--size", "31"]);
    refused("--size", &["--size", "10..100"]);
    refused("--size", &["--size", "zipf:1..100"]);
    refused("--size", &["--size", "100..64"]);
    refused("--size", &["--size", "many"]);
    refused("--size", &["--size", "99999999999999999999"]);
}

#[test]
fn a_size_beyond_all_memory_is_refused() {
    refused("--size", &["--size", "1024GiB"]);
    refused("--size", &["--size", "9223372036854775807"]);
}

#[test]
fn rates_and_counts_that_are_none_are_refused() {
    refused("--rate", &["--rate", "0"]);
    refused("--rate", &["--rate", "nan"]);
    refused("--rate", &["--rate", "inf"]);
    refused("--closed", &["--closed", "0"]);
    refused("--closed", &["--closed", "2", "--rate", "10"]);
    refused("--connections", &["--connections", "0"]);
    refused("--duration", &["--duration", "10"]);
    refused("--duration", &["--duration", "0s"]);
}

#[test]
fn a_cpu_that_is_not_there_is_refused() {
    refused("--cpus", &["--cpus", "999"]);
    refused("--cpus", &["--cpus", "3-1"]);
    refused("--cpus", &["--cpus", ""]);
}

#[test]
fn headers_that_are_none_are_refused() {
    refused("--header", &["--header", "no colon"]);
    refused("--header", &["--header", "Sec-WebSocket-Key: mine"]);
    refused("--subprotocol", &["--subprotocol", "two words"]);
    refused("--subprotocol", &["--subprotocol", "a,b"]);
}

#[test]
fn connections_beyond_the_limit_on_descriptors_are_refused() {
    let server = Server::echo();
    let url = format!("ws://{}/", server.address());
    let done = Load::start_with_descriptors(300, &["echo", "--url", &url, "--connections", "1000"]).ends();
    assert!(matches!(done.code, 2 | 3), "{done:?}");
    assert!(done.stderr.contains("connections") && done.stderr.contains("ulimit -n"), "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    assert_eq!(server.served(), 0);
}

#[test]
fn urls_that_are_none_are_refused() {
    for url in [
        "wss://127.0.0.1:1/#part",
        "127.0.0.1:1",
        "ftp://127.0.0.1/",
        "ws://me:secret@127.0.0.1:1/",
        "ws://",
        "ws://127.0.0.1:0/",
        "ws://127.0.0.1:1/#part",
        "ws://127.0.0.1:1/a b",
    ] {
        let done = run(&["echo", "--url", url]);
        assert!(matches!(done.code, 2 | 3), "{url}: {done:?}");
        assert!(done.stderr.contains("--url"), "{url}: {done:?}");
        assert_eq!(done.stderr.lines().count(), 1, "{url}: {done:?}");
        // Who pastes a URL with a password does not want it in a log of the build.
        assert!(!done.stderr.contains("secret"), "{url}: {done:?}");
    }
}

#[test]
fn a_source_that_is_not_this_hosts_is_an_error_and_no_hang() {
    let server = Server::echo();
    let done = start("echo", server.address(), &["--source", "203.0.113.7", "--duration", "1s"]).ends();
    assert!(matches!(done.code, 1..=3), "{done:?}");
    assert_ne!(done.stderr, "");
    assert_eq!(server.served(), 0);
}

#[test]
fn help_tells_every_scenario() {
    let done = run(&["--help"]);
    assert_eq!(done.code, 0);
    for scenario in ["echo", "hold", "storm", "fanout"] {
        assert!(done.stdout.contains(scenario), "{PROGRAM}: {}", done.stdout);
        assert_eq!(run(&[scenario, "--help"]).code, 0);
    }
}
