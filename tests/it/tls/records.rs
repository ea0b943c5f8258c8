//! TLS records between the real process and peers that tear, repeat or withhold them, on either side: the tunnel is the same.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};
use tungstenite::Message;

use crate::harness::frame::{BINARY, CLOSE, FIN, close_body, masked, plain};
use crate::harness::loads::{flood, noise};
use crate::harness::patient::again;
use crate::harness::secure::{self, Shape, Tls, client_config};
use crate::harness::site::{NAME, SecureTunnel, Site, shaped, switch};
use crate::harness::{EchoServer, Ended, Peer, Ringway, Upstream, client, until};

/// A message each way, and a close in order.
#[track_caller]
fn carries(tunnel: SecureTunnel) {
    let SecureTunnel { ringway, mut client, mut upstream } = tunnel;
    client.say("there");
    upstream.hears("there");
    upstream.answer("and back");
    client.hears("and back");
    client.send(&masked(FIN | CLOSE, &close_body(1000, "")));
    assert_eq!(upstream.close().0, Some(1000));
    upstream.send(&plain(FIN | CLOSE, &close_body(1000, "")));
    assert_eq!(client.close().0, Some(1000));
    upstream.ends();
    client.ends();
    drop((client, upstream));
    ringway.logged("closed by client");
}

#[test]
fn every_byte_in_a_segment_of_its_own_is_the_same_connection() {
    let site = Site::new();
    carries(shaped(&site, &TLS12, Shape::Bytes));
    carries(shaped(&site, &TLS13, Shape::Bytes));
}

#[test]
fn handshake_messages_cut_over_many_records_are_the_same_messages() {
    let site = Site::new();
    for size in [1, 3, 100] {
        carries(shaped(&site, &TLS12, Shape::Fragments(size)));
        carries(shaped(&site, &TLS13, Shape::Fragments(size)));
    }
}

/// A ClientHello of the longest kind: padded over several records, in segments of one byte.
#[test]
fn a_long_client_hello_over_several_records_is_understood() {
    let (site, server) = (Site::new(), EchoServer::start());
    let ringway = site.downstream(server.address(), &[]);
    let mut config = client_config(&site.authority);
    // Names of protocols make it as long as one likes.
    config.alpn_protocols = (0..120).map(|number| format!("protocol-{number:0>200}").into_bytes()).collect();
    config.alpn_protocols.push(b"http/1.1".to_vec());
    config.max_fragment_size = Some(1000);
    let mut socket = secure::websocket(ringway.address(), NAME, config);
    assert_eq!(socket.get_ref().session.alpn_protocol(), Some(&b"http/1.1"[..]));
    socket.send("long".into()).unwrap();
    assert_eq!(socket.read().unwrap(), "long".into());
}

#[test]
fn records_of_one_byte_carry_frames_both_ways() {
    let site = Site::new();
    for version in [&TLS12, &TLS13] {
        let SecureTunnel { ringway: _ringway, mut client, mut upstream } = shaped(&site, version, Shape::Whole);
        let (up, down) = (masked(FIN | BINARY, &noise(20_000, 1)), plain(FIN | BINARY, &noise(20_000, 2)));
        let one_each =
            |tls: &mut Tls, bytes: &[u8]| -> Vec<u8> { bytes.iter().flat_map(|byte| tls.seal(&[*byte])).collect() };
        let records = one_each(&mut client.stream, &up);
        client.stream.wire.write_all(&records).unwrap();
        assert!(upstream.exactly(up.len()) == up, "upstream got something else");
        let records = one_each(&mut upstream.stream, &down);
        upstream.stream.wire.write_all(&records).unwrap();
        assert!(client.exactly(down.len()) == down, "the client got something else");
    }
}

/// Records are filled: a megabyte goes out in as few as may be, not in one for each piece that was received.
#[test]
fn a_long_message_goes_out_in_records_that_are_filled() {
    let site = Site::new();
    let SecureTunnel { ringway: _ringway, mut client, upstream } = site.tunnel(&[]);
    let message = masked(FIN | BINARY, &noise(1 << 20, 3));
    let (mut session, mut wire) = (upstream.stream.session, upstream.stream.wire);
    let lengths = std::thread::scope(|scope| {
        scope.spawn(|| client.send(&message));
        let (mut lengths, mut seen, mut out) = (Vec::new(), Vec::new(), Vec::<u8>::new());
        while out.len() < message.len() {
            let mut chunk = [0; 1 << 16];
            let n = again(|| wire.read(&mut chunk)).unwrap();
            assert_ne!(n, 0);
            seen.extend(&chunk[..n]);
            let mut rest = &chunk[..n];
            while !rest.is_empty() {
                session.read_tls(&mut rest).unwrap();
                session.process_new_packets().unwrap();
                let mut plain = [0; 1 << 15];
                while let Ok(n @ 1..) = session.reader().read(&mut plain) {
                    out.extend(&plain[..n]);
                }
            }
        }
        let mut rest = seen.as_slice();
        while let Some((header, behind)) = rest.split_first_chunk::<5>() {
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            lengths.push(length);
            rest = behind.get(length..).unwrap_or_default();
        }
        assert!(out == message);
        lengths
    });
    // 64 records of 16 KiB would be the fewest.
    assert!(lengths.len() < 2 * 64, "{} records: {lengths:?}", lengths.len());
}

#[test]
fn keys_that_change_with_every_message_change_nothing_else() {
    let site = Site::new();
    let SecureTunnel { ringway: _ringway, mut client, mut upstream } = shaped(&site, &TLS13, Shape::Whole);
    for round in 0..300 {
        let text = format!("with key {round}");
        client.stream.session.refresh_traffic_keys().unwrap();
        client.say(&text);
        upstream.hears(&text);
        upstream.stream.session.refresh_traffic_keys().unwrap();
        upstream.answer(&text);
        client.hears(&text);
    }
}

#[test]
fn a_storm_of_new_keys_without_a_word_is_ended_and_costs_no_memory() {
    let site = Site::new();
    let (upstream, server_config) = (Upstream::listen(), site.upstream_config());
    let ringway = site.both(upstream.address(), &["--cpus", "0"]);
    let open = || switch(site.connect(&ringway), || upstream.accept_tls(&server_config));
    let (mut other, mut other_upstream, _) = open();
    let before = ringway.resident();
    for of_client in [true, false] {
        let (mut client, mut server, _) = open();
        let tls = if of_client { &mut client.stream } else { &mut server.stream };
        let mut storm = Vec::new();
        for _ in 0..5000 {
            tls.session.refresh_traffic_keys().unwrap();
            storm.extend(tls.sealed());
        }
        // It is ended in the middle.
        let _ = tls.wire.write_all(&storm);
        if of_client {
            server.ends();
            server.finish_tls();
        } else {
            client.ends();
            client.finish_tls();
        }
        let side = if of_client { "client" } else { "upstream" };
        ringway.logged(&format!("{side} broken: tls-violation"));
    }
    let grown = ringway.resident().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more are resident");
    other.say("still served");
    other_upstream.hears("still served");
}

#[test]
fn eight_mebibytes_go_both_ways_to_slow_readers() {
    const SIZE: usize = 8 << 20;
    let site = Site::new();
    let SecureTunnel { ringway, mut client, mut upstream } = site.tunnel(&[]);
    let (up, down) = (masked(FIN | BINARY, &noise(SIZE, 4)), plain(FIN | BINARY, &noise(SIZE, 5)));
    // Little room in the kernel makes a slow reader.
    for peer in [&client, &upstream] {
        socket2::SockRef::from(&peer.stream.wire).set_recv_buffer_size(32 * 1024).unwrap();
    }
    let before = ringway.resident();
    let (at_client, at_upstream) = std::thread::scope(|scope| {
        let client = scope.spawn(|| both_ways(&mut client, &up, down.len()));
        let upstream = scope.spawn(|| both_ways(&mut upstream, &down, up.len()));
        (client.join().unwrap(), upstream.join().unwrap())
    });
    for (who, came, sent) in [("the client", at_client, &down), ("the upstream", at_upstream, &up)] {
        let same = came.iter().zip(sent).take_while(|(came, sent)| came == sent).count();
        assert!(came == *sent, "{who} got something else from byte {same} on, {} bytes of {}", came.len(), sent.len());
    }
    let grown = ringway.resident().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more are resident");
}

/// Sends and receives at once, a little at a time: what came.
fn both_ways(peer: &mut Peer<Tls>, out: &[u8], expected: usize) -> Vec<u8> {
    let Tls { session, wire, .. } = &mut peer.stream;
    let (mut rest, mut came, mut small) = (out, Vec::with_capacity(expected), [0; 3000]);
    let mut unsent = Vec::new();
    wire.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while came.len() < expected || !rest.is_empty() || !unsent.is_empty() {
        assert!(Instant::now() < deadline, "{} of {expected} bytes came, {} are unsent", came.len(), rest.len());
        if unsent.is_empty() && !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(50_000));
            session.writer().write_all(piece).unwrap();
            rest = behind;
        }
        while session.wants_write() {
            session.write_tls(&mut unsent).unwrap();
        }
        let mut idle = true;
        if let Ok(n) = wire.write(&unsent) {
            unsent.drain(..n);
            idle &= n == 0;
        }
        if let Ok(n @ 1..) = again(|| wire.read(&mut small)) {
            let mut bytes = &small[..n];
            while !bytes.is_empty() {
                session.read_tls(&mut bytes).unwrap();
                session.process_new_packets().unwrap();
                let _ = session.reader().read_to_end(&mut came);
            }
            idle = false;
        }
        if idle {
            std::thread::yield_now();
        }
    }
    came
}

#[test]
fn a_client_that_does_not_read_over_tls_costs_a_bounded_piece_of_memory_and_loses_nothing() {
    let site = Site::new();
    let SecureTunnel { ringway, mut client, mut upstream } = site.tunnel(&[]);
    flood(&ringway, &mut client, &mut upstream, 32);
}

#[test]
fn messages_of_all_sizes_come_back_over_tls_on_both_sides() {
    let site = Site::new();
    let server = EchoServer::start_tls(site.upstream_config());
    let ringway = site.both(server.address(), &[]);
    let mut socket = secure::websocket(ringway.address(), NAME, client_config(&site.authority));
    // Where records, buffers and headers end.
    for (seed, size) in
        [0, 1, 125, 126, 16_383, 16_384, 16_385, 65_519, 65_535, 65_536, 65_793, 131_072, 1 << 20, 8 << 20]
            .into_iter()
            .enumerate()
    {
        let sent = tungstenite::Bytes::from(noise(size, seed as u64));
        socket.send(Message::Binary(sent.clone())).unwrap();
        let Message::Binary(came) = socket.read().unwrap() else { panic!("not binary") };
        assert!(came == sent, "{size} bytes came back as {} other ones", came.len());
    }
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
}

/// Connections that come and leave in every way there is in TLS.
fn come_and_go(ringway: &Ringway, config: &Arc<ClientConfig>) {
    for number in 0..200 {
        let wire = TcpStream::connect(ringway.address()).unwrap();
        let mut tls = Tls::client(wire, Arc::clone(config), NAME);
        match number % 10 {
            0 => drop(tls),
            1 => {
                let hello = tls.sealed();
                tls.wire.write_all(&hello[..20]).unwrap();
            }
            2 => {
                let hello = tls.sealed();
                tls.wire.write_all(&hello).unwrap();
                Peer::over(tls.wire).reset();
            }
            3 => {
                tls.wire.write_all(b"\x16\x03\x01\x00\x05hello").unwrap();
                Peer::over(tls.wire).rest();
            }
            4 => Peer::over(tls.wire).send(b"GET / HTTP/1.1\r\n\r\n"),
            5 => tls.shake_hands().unwrap(),
            way => {
                tls.shake_hands().unwrap();
                let mut peer = Peer::new(tls);
                peer.send(client::handshake("/", "").as_bytes());
                assert!(peer.head().starts_with("HTTP/1.1 101 "));
                peer.say("hello");
                peer.hears("hello");
                match way {
                    6 => peer.reset(),
                    7 => {
                        let half = peer.stream.seal(&masked(FIN | BINARY, &[1; 500]));
                        peer.stream.wire.write_all(&half[..100]).unwrap();
                    }
                    8 => {
                        peer.send(&masked(FIN | CLOSE, &close_body(1000, "")));
                        assert_eq!(peer.close().0, Some(1000));
                        assert_eq!(peer.rest().1, Ended::Fin);
                    }
                    _ => peer.finish_tls(),
                }
            }
        }
    }
    ringway.settles();
}

#[test]
fn two_hundred_connections_after_two_hundred_leave_nothing_behind() {
    let site = Site::new();
    let server = EchoServer::start_tls(site.upstream_config());
    let ringway = site.both(server.address(), &["--cpus", "0"]);
    let config = Arc::new(client_config(&site.authority));
    // The first fill what is kept: buffers, tables, sessions to resume.
    come_and_go(&ringway, &config);
    come_and_go(&ringway, &config);
    let before = ringway.resident();
    for _ in 0..3 {
        come_and_go(&ringway, &config);
    }
    let grown = ringway.resident().saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes more are resident after 600 more connections");
}

#[test]
fn an_idle_tunnel_over_tls_uses_no_processor() {
    let site = Site::new();
    let tunnel = site.tunnel(&[]);
    let (before, started) = (tunnel.ringway.cpu_time(), Instant::now());
    until("a second is over", || (started.elapsed() > Duration::from_secs(1)).then_some(()));
    let used = tunnel.ringway.cpu_time() - before;
    assert!(used < Duration::from_millis(200), "{used:?}");
}
