//! The kernel's own count of sockets (/proc/net/sockstat) over a run of the real process. It counts for the whole
//! network namespace, so the run gets one of its own: this test binary, started once more in there.

#![allow(clippy::print_stderr, reason = "a test's output is shown when it fails")]

use std::process::Command;

use crate::harness::{EchoServer, Ringway, until};
use crate::pressure::come_and_go;

/// TCP sockets in use, those included that no descriptor leads to any more. The line's other numbers count for the
/// whole host.
fn in_use() -> u64 {
    let text = std::fs::read_to_string("/proc/self/net/sockstat").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("TCP: inuse ")).unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_kernel_counts_no_socket_more_after_thousands_of_connections() {
    let mut inner = Command::new("unshare");
    inner.args(["--net", "--map-root-user", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
    inner.arg(std::env::current_exe().unwrap());
    inner.args(["--exact", "sockstat::in_a_namespace_of_its_own", "--ignored", "--nocapture"]);
    let output = inner.output().expect("unshare of util-linux");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    if text.contains("unshare failed") {
        eprintln!("not run: a network namespace may not be made here");
        return;
    }
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "started by the test above, in a namespace of its own"]
fn in_a_namespace_of_its_own() {
    let server = EchoServer::start();
    let ringway = Ringway::proxy(server.address(), &[]);
    come_and_go(&ringway, 2);
    let before = in_use();
    come_and_go(&ringway, 40);
    // A socket is given back a moment after it is closed.
    until(&format!("{before} sockets are in use again"), || (in_use() == before).then_some(()));
}
