//! Nobody else's sockets: what is done to other APIs, and to the configuration, costs a connection nothing. The real
//! process, tungstenite at both ends.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::json;
use tungstenite::Message;

use crate::harness::node::{Home, USUAL, ws};
use crate::harness::{EchoServer, client, until};

const CONNECTIONS: u64 = 50;
const CHANGES: usize = 40;

/// A message that nobody else sends, and that tells if a byte of it is not what it was.
fn message(connection: u64, number: u64) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    (connection, number).hash(&mut hasher);
    // From a few bytes to several reads.
    let length = hasher.finish() % if number.is_multiple_of(16) { 40_000 } else { 300 };
    let mut bytes = [connection.to_be_bytes(), number.to_be_bytes()].concat();
    bytes.extend((0..length).map(|at| u8::try_from((connection ^ number ^ at) & 0xFF).unwrap()));
    bytes
}

/// Sends messages, each when the one before has come back, until told to stop: how many came back, whole and in order.
fn chat(at: SocketAddr, base: &str, connection: u64, stop: &AtomicBool, rounds: &AtomicU64) -> Result<u64, String> {
    let mut socket = client::connect_path(at, base);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let sent = message(connection, number);
        socket
            .send(Message::binary(sent.clone()))
            .map_err(|error| format!("{connection}: {number} is not taken: {error}"))?;
        match socket.read().map_err(|error| format!("{connection}: {number} does not come back: {error}"))? {
            Message::Binary(came) if came == sent => {}
            other => return Err(format!("{connection}: instead of {number} comes {other:.100}")),
        }
        number += 1;
        rounds.fetch_add(1, Ordering::Relaxed);
    }
    // The end is this side's, and the other's answer to it.
    socket.close(None).map_err(|error| format!("{connection}: {error}"))?;
    match socket.read() {
        Ok(Message::Close(_)) => Ok(number),
        other => Err(format!("{connection}: instead of its close comes {other:?}")),
    }
}

#[test]
fn a_connection_is_not_touched_by_changes_elsewhere() {
    let server = Arc::new(EchoServer::start());
    let configuration = format!("drain_window_ms = 20\n{USUAL}");
    let home = Home::new(&configuration);
    let node = home.start();
    let (_, base) = node.serve("Kept", &[ws(server.address())]);
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let chats: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (at, base) = (node.external("development"), base.clone());
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            thread::spawn(move || chat(at, &base, connection, &stop, &rounds))
        })
        .collect();
    until("all of them chat", || (rounds.load(Ordering::Relaxed) > 2 * CONNECTIONS).then_some(()));

    let admin = &node.admin;
    for change in 0..CHANGES {
        let seen = rounds.load(Ordering::Relaxed);
        let number = change / 8;
        let api = format!("/apis/default/other/2.{number}");
        let definition =
            json!({ "name": "Other", "targets": [ws(server.address())], "description": format!("{change}") });
        let answer = match change % 8 {
            0 => admin.put(&api, &definition),
            1 => admin.put(&format!("{api}/deployments/development"), &json!({})),
            2 => admin.post(&format!("{api}/promote"), &json!({ "from": "development", "to": "production" })),
            3 => admin.put(&api, &definition),
            4 => admin.put(&format!("{api}/deployments/development"), &json!({ "targets": ["ws://127.0.0.1:9"] })),
            5 => admin.send("POST", &format!("{api}/deployments/production/stop"), None),
            // Of the same project, identifier and major version: it shares with the one that is kept all there is to share.
            6 => admin.put("/apis/default/kept/1.1", &json!({ "name": "Kept", "targets": ["ws://127.0.0.1:9"] })),
            _ => admin.delete(if number % 2 == 0 { "/apis/default/kept/1.1" } else { &api }),
        };
        assert!(answer.status < 300, "{change}: {}", answer.text);
        if change % 8 == 6 {
            let newer = admin.put("/apis/default/kept/1.1/deployments/development", &json!({}));
            assert!(newer.status < 300, "{}", newer.text);
        }
        if change % 4 == 3 {
            home.configure(&configuration.replace("= 20", &format!("= {}", 20 + change)));
            node.signal(libc::SIGHUP);
        }
        // All of them go on in between.
        until("the chats go on", || (rounds.load(Ordering::Relaxed) >= seen + CONNECTIONS).then_some(()));
    }
    home.configure(&configuration.replace("= 20", "= 777"));
    node.signal(libc::SIGHUP);
    node.logged("after=777");
    stop.store(true, Ordering::Relaxed);
    let outcomes: Vec<_> = chats.into_iter().map(|chat| chat.join().unwrap()).collect();
    let failed: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} of {CONNECTIONS}: {failed:#?}", failed.len());
    let ended = || (node.log().matches("/default/kept/v1.0 status=101").count() as u64 == CONNECTIONS).then_some(());
    until("each connection's end is recorded", ended);
    let log = node.log();
    let records: Vec<_> = log.lines().filter(|line| line.contains("/default/kept/v1.0 status=101")).collect();
    assert!(records.iter().all(|line| line.contains("end=\"closed by client\"")), "{records:#?}");
    node.settles();
}
