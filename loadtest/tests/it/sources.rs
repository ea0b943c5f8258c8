//! Where connections come from: enough addresses of this host that one port of the target does not run out of partners.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::thread;

use crate::harness::Load;

/// The addresses that connections came from, each of which is closed without an answer.
fn sources(arguments: &[&str]) -> HashSet<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (seen, sees) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The first connection of all has to stand.
            let _ = seen.send(stream.peer_addr().unwrap().ip().to_string());
            thread::spawn(move || drop(tungstenite::accept(stream)));
        }
    });
    let done = Load::start(&[arguments, &["--url", &url, "--no-progress"]].concat()).ends();
    assert!(!done.stdout.is_empty(), "{done:?}");
    sees.try_iter().collect()
}

#[test]
fn a_storm_comes_from_many_addresses() {
    let seen = sources(&["storm", "--rate", "200", "--duration", "500ms"]);
    assert!(seen.len() == 32 && seen.iter().all(|address| address.starts_with("127.0.0.")), "{seen:?}");
}

#[test]
fn the_addresses_that_are_named_are_those_used() {
    let seen =
        sources(&["storm", "--rate", "100", "--duration", "500ms", "--source", "127.0.0.77", "--source", "127.0.0.78"]);
    let mut seen: Vec<String> = seen.into_iter().collect();
    seen.sort();
    assert_eq!(seen, ["127.0.0.77", "127.0.0.78"]);
}

#[test]
fn few_connections_leave_the_choice_to_the_kernel() {
    assert_eq!(sources(&["hold", "--connections", "20", "--duration", "200ms"]).len(), 1);
}
