//! Loads that more than one test runs: over a usual ring and a tiny one, in plain text and over TLS, inside and outside
//! a network namespace. Each asserts its own outcome.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tungstenite::{Bytes, Message};

use super::frame::{BINARY, CONTINUATION, FIN, PING, PONG, TEXT, masked, plain};
use super::patient::again;
use super::{EchoServer, Peer, Ringway, Upstream, client, open, tunnel, until};

/// Where headers, buffers and the kernel's own sizes change: the proxy reads 64 KiB and a little at a time.
const SIZES: [usize; 14] = [
    0,
    1,
    125,
    126,
    65_535,
    65_536,
    64 * 1024 + 255 - 14,
    64 * 1024 + 256 - 14,
    64 * 1024 + 256,
    64 * 1024 + 257,
    200_000,
    1 << 20,
    (1 << 20) + 1,
    16 << 20,
];

/// Bytes that repeat nowhere near a buffer's length.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend(state.to_le_bytes());
    }
    out.truncate(length);
    out
}

pub(crate) fn messages_of_all_sizes_come_back(options: &[&str]) {
    let server = EchoServer::start();
    let ringway = Ringway::proxy(server.address(), options);
    let mut socket = client::connect(ringway.address());
    for (seed, size) in SIZES.into_iter().enumerate() {
        let sent = Bytes::from(noise(size, seed as u64));
        socket.send(Message::Binary(sent.clone())).unwrap();
        let Message::Binary(came) = socket.read().unwrap() else { panic!("not binary") };
        // Not assert_eq: nobody wants to read 16 MiB.
        assert!(came == sent, "{size} bytes came back as {} other ones", came.len());
    }
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
}

pub(crate) fn many_interleaved_connections_each_get_their_own(options: &[&str], connections: usize) {
    let server = EchoServer::start();
    let ringway = Ringway::proxy(server.address(), options);
    let mut sockets: Vec<_> = (0..connections).map(|_| client::connect(ringway.address())).collect();
    for round in 0..5 {
        for (number, socket) in sockets.iter_mut().enumerate() {
            socket.send(Message::text(format!("{number} in round {round}"))).unwrap();
            socket.send(Message::Binary(noise(number * 17, number as u64).into())).unwrap();
        }
        for (number, socket) in sockets.iter_mut().enumerate().rev() {
            assert_eq!(socket.read().unwrap(), Message::text(format!("{number} in round {round}")));
            assert_eq!(socket.read().unwrap(), Message::Binary(noise(number * 17, number as u64).into()));
        }
    }
    assert_eq!(server.served(), connections as u64);
}

/// Frames of every kind and many sizes, in pieces that mind no boundary, at once in both directions.
pub(crate) fn a_stream_of_frames_passes_unchanged_both_ways(options: &[&str]) {
    let mut tunnel = tunnel(options);
    let up = stream(masked);
    let down = stream(plain);
    let (client, upstream) = (&mut tunnel.client, &mut tunnel.upstream);
    let (mut client_out, mut upstream_out) =
        (Peer::over(client.stream.try_clone().unwrap()), Peer::over(upstream.stream.try_clone().unwrap()));
    std::thread::scope(|scope| {
        scope.spawn(|| in_pieces(&mut client_out, &up));
        scope.spawn(|| in_pieces(&mut upstream_out, &down));
        scope.spawn(|| assert!(upstream.exactly(up.len()) == up, "upstream got something else"));
        assert!(client.exactly(down.len()) == down, "the client got something else");
    });
}

fn stream(write: fn(u8, &[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    for round in 0..400_u64 {
        let size = usize::try_from(round * round % 4001).unwrap();
        out.extend(write(TEXT, &noise(size, round)));
        out.extend(write(FIN | PING, &noise(size % 126, round)));
        out.extend(write(CONTINUATION, &[]));
        out.extend(write(FIN | PONG, b"nobody asked"));
        out.extend(write(FIN | CONTINUATION, &noise(size % 300, round)));
        out.extend(write(FIN | BINARY, &noise(size * 3, round)));
    }
    out
}

fn in_pieces(peer: &mut Peer, bytes: &[u8]) {
    let mut rest = bytes;
    for number in 0_usize.. {
        let size = [1, 3, 14, 2, 1400, 5, 70_000, 127, 9, 4096][number % 10];
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        peer.send(piece);
        rest = behind;
        if rest.is_empty() {
            return;
        }
    }
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
