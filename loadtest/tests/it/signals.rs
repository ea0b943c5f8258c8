//! Ctrl-C: what was measured counts, and who asks twice does not want it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Load, Server, start, swallow, until};

/// One that says how it goes.
fn talking(address: SocketAddr, options: &[&str]) -> Load {
    let url = format!("ws://{address}/");
    Load::start(&[&["echo", "--url", &url, "--json", "-", "--sleep"][..], options].concat())
}

#[test]
fn an_interrupted_run_reports_what_it_measured() {
    for signal in ["INT", "TERM"] {
        let server = Server::echo();
        let options = ["--rate", "100", "--connections", "3", "--duration", "10m", "--warmup", "1ms"];
        let load = talking(server.address(), &options);
        load.says("measuring");
        // That something is measured; how much does not matter.
        std::thread::sleep(Duration::from_millis(800));
        load.signal(signal);
        let done = load.ends();
        let report = done.report();
        assert_eq!(report.0["verdict"]["interrupted"], true, "{report}");
        report.is_sound();
        let measured = report.0["measured_ms"].as_u64().unwrap();
        assert!((1..60_000).contains(&measured), "{report}");
        // 100 a second were due in what was measured, and no more.
        assert!(report.messages("due").abs_diff(measured / 10) <= 2, "{report}");
        assert_eq!(report.messages("received"), report.messages("due"), "{report}");
        assert_eq!(report.connections("open_at_end"), 3, "{report}");
    }
}

#[test]
fn a_run_that_measured_nothing_is_not_valid() {
    // The second connection's 101 never comes.
    let server = Server::start(|number, mut stream| {
        if number == 0 {
            let Ok(mut socket) = tungstenite::accept(stream) else { return };
            while socket.read().is_ok() {}
        } else {
            swallow(&mut stream);
        }
    });
    let load = start("echo", server.address(), &["--connections", "3", "--rate", "100", "--timeout", "10m"]);
    until("the others are being opened", || (server.served() == 3).then_some(()));
    load.signal("INT");
    let done = load.ends();
    assert_ne!(done.code, 0, "{done:?}");
    assert!(!done.stdout.contains(r#""valid""#), "{done:?}");
}

#[test]
fn a_run_that_is_interrupted_while_it_warms_up_is_not_valid() {
    let server = Server::echo();
    let load = talking(server.address(), &["--connections", "3", "--rate", "100", "--warmup", "10m"]);
    load.says("warming up");
    load.signal("INT");
    let done = load.ends();
    assert_ne!(done.code, 0, "{done:?}");
    assert!(!done.stdout.contains(r#""valid""#), "{done:?}");
}

#[test]
fn an_interrupt_while_the_first_connection_is_tried_ends_it() {
    let server = Server::start(|_, mut stream| {
        swallow(&mut stream);
    });
    let load = start("echo", server.address(), &["--timeout", "10m"]);
    until("it has connected", || (server.served() == 1).then_some(()));
    load.signal("INT");
    let done = load.ends();
    assert_ne!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("interrupted"), "{done:?}");
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    // Answers that never come keep it waiting for as long as the grace is.
    let arrived = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&arrived);
    let server = Server::answering(move |_, _, _, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let options = ["--rate", "100", "--duration", "10m", "--warmup", "1ms", "--grace", "10m"];
    let load = talking(server.address(), &options);
    load.says("measuring");
    // So that there is something to wait for.
    until("messages arrive", || (arrived.load(Ordering::Relaxed) > 3).then_some(()));
    load.signal("INT");
    load.says("waiting for the last answers");
    let begun = Instant::now();
    load.signal("INT");
    let done = load.ends();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(done.code, 130, "{done:?}");
}
