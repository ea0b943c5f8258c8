//! The real process relays: what goes in at one end comes out at the other, byte for byte.

use std::time::Duration;

use tungstenite::{Bytes, Message};

use crate::harness::frame::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, TEXT, masked, plain};
use crate::harness::{self, EchoServer, Peer, Ringway, Upstream, client, tunnel};

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

#[test]
fn messages_from_nothing_to_16_mib_come_back_byte_for_byte() {
    messages_of_all_sizes_come_back(&[]);
}

#[test]
fn many_connections_on_two_shards_each_get_their_own_messages() {
    many_interleaved_connections_each_get_their_own(&["--cpus", harness::process::two_cpus()], 150);
}

#[test]
fn frames_of_every_kind_in_pieces_of_any_size_pass_unchanged_both_ways() {
    a_stream_of_frames_passes_unchanged_both_ways(&[]);
}

#[test]
fn text_and_empty_messages_keep_their_type() {
    let server = EchoServer::start();
    let ringway = Ringway::proxy(server.address(), &[]);
    let mut socket = client::connect(ringway.address());
    for message in [Message::text("grüße, 世界"), Message::text(""), Message::binary(Vec::new()), Message::text("z")]
    {
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
}

#[test]
fn pings_and_pongs_pass_with_their_payload_and_the_clients_mask() {
    let mut tunnel = tunnel(&[]);
    tunnel.client.send(&masked(FIN | PING, b"are you there"));
    assert_eq!(tunnel.upstream.exactly(6 + 13), masked(FIN | PING, b"are you there"));
    tunnel.upstream.send(&plain(FIN | PONG, b"are you there"));
    assert_eq!(tunnel.client.frame().payload, b"are you there");
    tunnel.upstream.send(&plain(FIN | PING, &[7; 125]));
    let ping = tunnel.client.frame();
    assert_eq!((ping.first, ping.payload.as_slice()), (FIN | PING, [7; 125].as_slice()));
    tunnel.client.send(&masked(FIN | PONG, &[]));
    assert_eq!(tunnel.upstream.frame().first, FIN | PONG);
}

#[test]
fn a_frame_that_comes_byte_by_byte_is_the_same_frame() {
    let mut tunnel = tunnel(&[]);
    let mut bytes = masked(TEXT, &noise(126, 1));
    bytes.extend(masked(FIN | PING, b"in between"));
    bytes.extend(masked(FIN | CONTINUATION, b"the end"));
    for byte in &bytes {
        tunnel.client.send(&[*byte]);
    }
    assert_eq!(tunnel.upstream.exactly(bytes.len()), bytes);
}

#[test]
fn a_control_frame_passes_only_once_it_is_whole() {
    let mut tunnel = tunnel(&[]);
    let ping = masked(FIN | PING, b"whole or not at all");
    tunnel.client.send(&ping[..ping.len() - 1]);
    // What the upstream says next arrives while the half ping waits: a frame of its own may still come.
    tunnel.upstream.answer("meanwhile");
    tunnel.client.hears("meanwhile");
    assert!(tunnel.upstream.is_quiet());
    tunnel.client.send(&ping[ping.len() - 1..]);
    assert_eq!(tunnel.upstream.exactly(ping.len()), ping);
}

#[test]
fn what_either_side_sends_right_behind_its_handshake_arrives() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let mut client = Peer::connect(ringway.address());
    let early = masked(FIN | TEXT, &noise(20_000, 3));
    client.send(&[client::handshake("/", "").as_bytes(), &early].concat());
    let mut server = upstream.accept();
    let request = server.head();
    assert!(server.is_quiet(), "bytes of the tunnel came before the 101");
    let down = plain(FIN | BINARY, &noise(150_000, 4));
    // One write: the frame begins in the segment of the 101's end.
    let answer = tungstenite::handshake::derive_accept_key(
        harness::peer::header(&request, "sec-websocket-key").unwrap().as_bytes(),
    );
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {answer}\r\n\r\n"
    );
    server.send(&[head.as_bytes(), &down].concat());
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert!(client.exactly(down.len()) == down);
    assert!(server.exactly(early.len()) == early);
}

#[test]
fn compressed_frames_pass_when_deflate_was_agreed() {
    const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let agreed = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";
    let (mut client, mut server) = harness::open(&ringway, &upstream, OFFER, agreed);
    for first in [FIN | RSV1 | TEXT, FIN | RSV1 | BINARY, RSV1 | TEXT, FIN | CONTINUATION, FIN | TEXT] {
        client.send(&masked(first, b"\xca\x48\xcd\xc9\xc9\x07\x00"));
        assert_eq!(server.frame().first, first);
        server.send(&plain(first, b"\xca\x48\xcd\xc9\xc9\x07\x00"));
        assert_eq!(client.frame().payload, b"\xca\x48\xcd\xc9\xc9\x07\x00");
    }
    // RFC 7692 section 6.1: only the first frame of a message may have the bit.
    client.send(&masked(RSV1 | TEXT, b"x"));
    assert_eq!(server.frame().first, RSV1 | TEXT);
    client.send(&masked(FIN | RSV1 | CONTINUATION, b"y"));
    assert_eq!(server.close().0, Some(1001));
    server.send(&plain(FIN | CLOSE, &[]));
    assert_eq!(client.close().0, Some(1002));
}

#[test]
fn a_compressed_frame_is_refused_with_1002_when_deflate_was_not_agreed() {
    const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let (mut client, mut server) = harness::open(&ringway, &upstream, OFFER, "");
    client.send(&masked(FIN | RSV1 | TEXT, b"x"));
    assert_eq!(server.close().0, Some(1001));
    server.send(&plain(FIN | CLOSE, &[]));
    assert_eq!(client.close(), (Some(1002), "reserved-bit".to_owned()));
}

#[test]
fn an_idle_proxy_and_an_idle_tunnel_use_no_processor() {
    let tunnel = tunnel(&[]);
    let (before, started) = (tunnel.ringway.cpu_time(), std::time::Instant::now());
    harness::until("a second is over", || (started.elapsed() > Duration::from_secs(1)).then_some(()));
    let used = tunnel.ringway.cpu_time() - before;
    assert!(used < Duration::from_millis(200), "{used:?}");
}
