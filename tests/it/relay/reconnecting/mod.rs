//! Clients reconnect through the proxy as they do without it: an upstream that is lost is not told to them as a close.
//!
//! Client libraries tell an abnormal end from a close frame. After most close frames, also after a 1011, some of the most used
//! ones never come back.

mod upstream;

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use self::upstream::{LOSSES, LostUpstream, Manner};
use crate::harness::pki::Folder;
use crate::harness::process::collect;
use crate::harness::{Ringway, browser, tools, until};

/// The libraries of the clients, from npm.
const PACKAGES: [&str; 6] = [
    "graphql@16.12.0",
    "graphql-ws@6.4.2",
    "reconnecting-websocket@4.4.0",
    "robust-websocket@1.0.0",
    "rxjs@7.8.2",
    "ws@8.18.3",
];
const LIBRARIES: [&str; 4] = ["graphql-ws", "rxjs", "robust-websocket", "reconnecting-websocket"];
/// The proxy notices an upstream that takes nothing within a second.
const PINGS: [&str; 4] = ["--upstream-ping-interval", "300ms", "--pong-timeout", "500ms"];

/// A program that ends with the test, and what it says.
struct Program {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let said = collect(child.stdout.take().unwrap());
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every library and every manner, as arguments of the script: over this way to this server.
fn clients(way: &str, server: std::net::SocketAddr, manners: &[Manner]) -> Vec<String> {
    let of = |library: &str, manner: &Manner| {
        let manner = manner.name();
        format!("{library} {manner} ws://{server}/{way}/{library}/{manner}")
    };
    LIBRARIES.iter().flat_map(|library| manners.iter().map(move |manner| of(library, manner))).collect()
}

/// Waits until every client has come back after every loss.
#[track_caller]
fn all_come_back(upstream: &LostUpstream, way: &str, clients: &[&str], manners: &[Manner]) {
    for client in clients {
        for manner in manners {
            let path = format!("/{way}/{client}/{}", manner.name());
            until(&format!("{path} is opened again after {LOSSES} losses"), || {
                (upstream.opened(&path) == LOSSES + 1).then_some(())
            });
        }
    }
}

#[test]
fn a16_client_libraries_come_back_after_a_lost_upstream_as_they_do_without_a_proxy() {
    let Some(modules) = tools::npm_packages("reconnecting", &PACKAGES) else { return };
    let upstream = LostUpstream::start();
    let ringway = Ringway::proxy(upstream.address, &PINGS).unwatched();
    let coded = Ringway::proxy(upstream.address, &["--abnormal-close-code", "1011"]).unwatched();
    let seen = &Manner::ALL[..3];
    let started = Program::start(
        Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/relay/reconnecting/clients.js"))
            .args(clients("direct", upstream.address, seen))
            .args(clients("through", ringway.address(), &Manner::ALL))
            .args(clients("coded", coded.address(), seen))
            .env("NODE_PATH", modules),
    );
    all_come_back(&upstream, "direct", &LIBRARIES, seen);
    all_come_back(&upstream, "through", &LIBRARIES, &Manner::ALL);
    let said = started.said();
    assert!(!said.contains("/direct/") && !said.contains("/through/"), "{said}");
    // With a code they go by that, as their users expect of a server that says it. This is also how they took the 1011 that was
    // sent before there was a choice.
    for manner in seen {
        let manner = manner.name();
        for told in [
            format!("/coded/graphql-ws/{manner} gave up 1011"),
            format!("/coded/rxjs/{manner} completed"),
            format!("/coded/robust-websocket/{manner} closed 1011"),
            format!("/coded/reconnecting-websocket/{manner} closed 1011"),
        ] {
            until(&format!("{told:?} is said"), || started.said().contains(&told).then_some(()));
        }
    }
    for library in ["graphql-ws", "rxjs", "robust-websocket"] {
        assert!(seen.iter().all(|manner| upstream.opened(&format!("/coded/{library}/{}", manner.name())) == 1));
    }
}

#[test]
fn a16_a_browser_sees_an_abnormal_end_after_a_lost_upstream_as_it_does_without_a_proxy() {
    let Some(found) = browser::find() else { return };
    let upstream = LostUpstream::start();
    let ringway = Ringway::proxy(upstream.address, &PINGS).unwatched();
    let seen = &Manner::ALL[..3];
    let ways = [("direct", upstream.address, seen), ("through", ringway.address(), &Manner::ALL[..])];
    let urls: Vec<String> = ways
        .iter()
        .flat_map(|(way, server, manners)| {
            manners.iter().map(move |manner| format!("'ws://{server}/{way}/chromium/{}'", manner.name()))
        })
        .collect();
    let page = format!(
        "<!DOCTYPE html><script>const open=(url)=>{{const socket=new WebSocket(url);\
         socket.onopen=()=>url.endsWith('silent')&&socket.send('x'.repeat(262144));\
         socket.onclose=({{wasClean,code}})=>{{if(!wasClean&&code===1006)setTimeout(open,20,url)}}}};\
         [{}].forEach(open)</script>",
        urls.join(",")
    );
    let folder = Folder::new();
    let _browser = Program::start(browser::command(&found, &folder.path("profile")).arg(browser::page_server(&page)));
    for (way, _, manners) in ways {
        all_come_back(&upstream, way, &["chromium"], manners);
    }
}
