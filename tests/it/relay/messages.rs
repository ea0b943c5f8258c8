//! The real process relays: what goes in at one end comes out at the other, byte for byte.

use std::time::Duration;

use tungstenite::Message;

use crate::harness::frame::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, TEXT, masked, plain};
use crate::harness::loads::{
    a_stream_of_frames_passes_unchanged_both_ways, many_interleaved_connections_each_get_their_own,
    messages_of_all_sizes_come_back, noise,
};
use crate::harness::{self, EchoServer, Peer, Ringway, Upstream, client, tunnel};

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
