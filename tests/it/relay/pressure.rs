//! The real process under load: memory stays bounded, nobody starves, nothing leaks.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tungstenite::Message;

use crate::harness::frame::{BINARY, FIN, masked, plain};
use crate::harness::patient::again;
use crate::harness::{EchoServer, Peer, Ringway, Tunnel, Upstream, client, open, tunnel, until};
use crate::relay::messages::noise;

#[test]
fn a_client_that_does_not_read_costs_no_memory_and_loses_nothing() {
    let Tunnel { ringway, mut client, mut upstream } = tunnel(&[]);
    flood(&ringway, &mut client, &mut upstream, 48);
}

/// The upstream sends frames of a megabyte to a client that does not read, until nothing goes any more; then it reads.
pub(crate) fn flood<C, U>(ringway: &Ringway, client: &mut Peer<C>, upstream: &mut Peer<U>, frames: usize)
where
    C: Read + Write,
    U: Read + Write + Send,
{
    let before = ringway.resident();
    let frame = plain(FIN | BINARY, &noise(1 << 20, 9));
    let sent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..frames {
                for piece in frame.chunks(1 << 16) {
                    upstream.send(piece);
                    sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
            }
        });
        // The flood comes to a stop when what the kernel holds between the three is full.
        let mut last = (u64::MAX, Instant::now());
        until("the upstream cannot go on", || {
            let now = sent.load(Ordering::Relaxed);
            if now != last.0 {
                last = (now, Instant::now());
            }
            (last.1.elapsed() > Duration::from_millis(600)).then_some(())
        });
        let held = sent.load(Ordering::Relaxed);
        assert!(held < (frames * frame.len()) as u64, "all of it was taken: there is no back-pressure");
        let grown = ringway.resident().saturating_sub(before);
        assert!(grown < 4 << 20, "{grown} bytes more are resident, {held} are on their way");
        for number in 0..frames {
            assert!(client.exactly(frame.len()) == frame, "frame {number} is another one");
        }
    });
}

#[test]
fn many_clients_that_do_not_read_cost_a_buffer_each_and_no_more() {
    const CLIENTS: usize = 20;
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--cpus", "0"]);
    let mut pairs: Vec<_> = (0..CLIENTS).map(|_| open(&ringway, &upstream, "", "")).collect();
    let before = ringway.resident();
    let frame = plain(FIN | BINARY, &noise(1 << 20, 2));
    for (_, server) in &mut pairs {
        server.stream.set_nonblocking(true).unwrap();
        until("the upstream cannot go on", || match server.stream.write(&frame) {
            Ok(_) => None,
            Err(_) => Some(()),
        });
    }
    let grown = ringway.resident().saturating_sub(before);
    assert!(grown < CLIENTS * 200_000 + (2 << 20), "{grown} bytes for {CLIENTS} clients");
}

struct Stopping<'s>(&'s AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Trap row 1: a ring that is entered only when idle starves accepts and deadlines.
pub(crate) fn bulk_starves_nobody(options: &[&str]) {
    let upstream = Upstream::listen();
    let mut all = vec!["--cpus", "0", "--handshake-timeout", "5s"];
    all.extend(options);
    let ringway = Ringway::proxy(upstream.address(), &all);
    let bulk: Vec<_> = (0..12).map(|_| open(&ringway, &upstream, "", "")).collect();
    let (mut client, mut server) = open(&ringway, &upstream, "", "");
    let (stop, moved) = (AtomicBool::new(false), AtomicU64::new(0));
    let frame = masked(FIN | BINARY, &noise(1 << 20, 5));
    std::thread::scope(|scope| {
        // However this ends: a test that fails must not send for ever.
        let _stopping = Stopping(&stop);
        for (mut from, to) in bulk {
            let (frame, stop, moved) = (&frame, &stop, &moved);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    from.send(frame);
                }
            });
            scope.spawn(move || {
                // The bytes are dropped in the kernel: this end is quicker than the proxy, which so never runs dry.
                let (socket, mut chunk) = (socket2::SockRef::from(&to.stream), vec![MaybeUninit::uninit(); 1 << 20]);
                while let Ok(n @ 1..) = again(|| socket.recv_with_flags(&mut chunk, libc::MSG_TRUNC)) {
                    moved.fetch_add(n as u64, Ordering::Relaxed);
                }
            });
        }
        until("bulk flows", || (moved.load(Ordering::Relaxed) > 50 << 20).then_some(()));
        let started = Instant::now();
        let mut stalled = Peer::connect(ringway.address());
        for _ in 0..20 {
            client.say("a small message");
            server.hears("a small message");
        }
        assert!(stalled.head().starts_with("HTTP/1.1 408 "));
        let waited = started.elapsed();
        let (mut late, mut late_server) = open(&ringway, &upstream, "", "");
        late.say("just came");
        late_server.hears("just came");
        assert!(waited < Duration::from_secs(20), "the deadline of five seconds came after {waited:?}");
        let before = moved.load(Ordering::Relaxed);
        until("bulk still flows", || (moved.load(Ordering::Relaxed) > before).then_some(()));
    });
}

#[test]
fn bulk_streams_starve_neither_a_small_message_nor_a_deadline_nor_a_newcomer() {
    bulk_starves_nobody(&[]);
}

pub(crate) fn connections_come_and_go(options: &[&str], rounds: usize) {
    let server = EchoServer::start();
    let ringway = Ringway::proxy(server.address(), options);
    come_and_go(&ringway, rounds);
    let mut socket = client::connect(ringway.address());
    socket.send(Message::text("after all of them")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("after all of them"));
}

/// Connections that come in their tens and leave in every way there is, until none is left.
pub(crate) fn come_and_go(ringway: &Ringway, rounds: usize) {
    const AT_ONCE: usize = 50;
    for round in 0..rounds {
        let mut sockets: Vec<_> = (0..AT_ONCE).map(|_| Peer::connect(ringway.address())).collect();
        for socket in &mut sockets {
            socket.send(client::handshake("/", "").as_bytes());
        }
        for (number, mut socket) in sockets.into_iter().enumerate() {
            // Every way to leave: before the answer, at once behind it, in mid-frame, by a reset, in order.
            if number % 5 == 0 {
                continue;
            }
            assert!(socket.head().starts_with("HTTP/1.1 101 "));
            match (number + round) % 5 {
                0 => socket.reset(),
                1 => socket.send(&masked(FIN | BINARY, &[1; 500])[..100]),
                2 => {
                    socket.say("hello");
                    socket.hears("hello");
                }
                3 => socket.send(&masked(FIN | 0x8, &[3, 232])),
                _ => {}
            }
        }
    }
    ringway.settles();
}

#[test]
fn thousands_of_connections_that_leave_in_every_way_leave_nothing_behind() {
    connections_come_and_go(&[], 40);
}

#[test]
fn clients_that_are_refused_by_thousands_leave_nothing_behind() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    for _ in 0..1000 {
        let mut peer = Peer::connect(ringway.address());
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(peer.head().starts_with("HTTP/1.1 426 "));
    }
    ringway.settles();
}
