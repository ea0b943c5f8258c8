//! The probe behind docs/decisions/0001: a blind TCP relay on glommio's own sockets, to measure what they cost.
//!
//! `cargo run --profile dist --example glommio_relay -- LISTEN_PORT UPSTREAM_PORT CPU`. It knows no WebSocket, no limit and no
//! deadline: whatever it costs is the least that a proxy built that way would.

#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a probe, not a product")]

use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutorBuilder, Placement, spawn_local};

const BUFFER_BYTES: usize = 64 * 1024;

fn main() {
    let numbers: Vec<u16> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let [listen, upstream, cpu] = numbers[..] else {
        eprintln!("usage: glommio_relay LISTEN_PORT UPSTREAM_PORT CPU");
        return;
    };
    LocalExecutorBuilder::new(Placement::Fixed(cpu.into()))
        .preempt_timer(Duration::from_secs(3600))
        .spawn(move || relay(listen, upstream))
        .unwrap()
        .join()
        .unwrap();
}

async fn relay(listen: u16, upstream: u16) {
    let listener = TcpListener::bind(("127.0.0.1", listen)).unwrap();
    loop {
        let client = listener.accept().await.unwrap();
        let server = TcpStream::connect(("127.0.0.1", upstream)).await.unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let (from_client, to_client) = futures_lite::io::split(client);
        let (from_server, to_server) = futures_lite::io::split(server);
        spawn_local(copy(from_client, to_server)).detach();
        spawn_local(copy(from_server, to_client)).detach();
    }
}

async fn copy(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}
