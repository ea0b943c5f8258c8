//! Client libraries that send ordinary HTTP requests before their WebSocket handshake: what becomes of them, and of the switches
//! that docs/libraries.md names. The libraries are the real ones, from npm.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use crate::harness::{Ringway, tools};

const PACKAGES: [&str; 7] = [
    "@microsoft/signalr@10.0.11",
    "engine.io-client@6.6.8",
    "socket.io@4.8.4",
    "socket.io-client@4.8.4",
    "sockjs@0.3.24",
    "sockjs-client@1.6.1",
    "ws@8.23.0",
];

/// The servers, which end with the test.
struct Servers {
    child: Child,
    addresses: Vec<(String, SocketAddr)>,
}

impl Servers {
    fn start(mut node: Command) -> Self {
        let mut child = node.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = |line: String| {
            let (name, port) = line.split_once(' ').unwrap();
            (name.to_owned(), SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap())))
        };
        let addresses = lines.take(3).map(address).collect();
        Self { child, addresses }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn node(modules: &std::path::Path) -> Command {
    let mut node = Command::new("node");
    node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/relay/http_first/libraries.js")).env("NODE_PATH", modules);
    node
}

#[test]
fn a21_libraries_that_speak_http_first_work_with_their_switch_and_are_refused_without_it() {
    let Some(modules) = tools::npm_packages("http-first", &PACKAGES) else { return };
    let servers = Servers::start(node(&modules));
    // Libraries leave connections behind when their process ends.
    let proxies: Vec<(&String, Ringway)> =
        servers.addresses.iter().map(|(name, address)| (name, Ringway::proxy(*address, &[]).unwatched())).collect();
    let places = proxies.iter().map(|(name, proxy)| format!("{name}={}", proxy.address().port()));
    let output = node(&modules).arg("connect").args(places).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let outcomes: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(": ")).collect();
    for works in [
        "socket.io websocket",
        "socket.io websocket first",
        "socket.io tryAllTransports",
        "sockjs raw",
        "signalr skipNegotiation",
    ] {
        assert_eq!(outcomes.get(works), Some(&"heard hi"), "{works}: {text}");
    }
    assert_eq!(outcomes.get("engine.io websocket"), Some(&"open"), "{text}");
    for (refused, told) in [
        ("socket.io default", "xhr poll error 426"),
        ("engine.io default", "xhr poll error"),
        ("sockjs default", "Cannot connect to server (1002)"),
        ("sockjs transports", "Cannot connect to server (1002)"),
    ] {
        assert_eq!(outcomes.get(refused), Some(&told), "{refused}: {text}");
    }
    // SignalR shows its users the problem document.
    for refused in ["signalr default", "signalr transport"] {
        let told = outcomes.get(refused).copied().unwrap_or_default();
        assert!(told.contains("Status code '405'") && told.contains("docs/libraries.md"), "{refused}: {text}");
    }
}
