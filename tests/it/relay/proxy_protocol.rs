//! The PROXY protocol, against the real process: who a balancer says its client is, and who is not believed.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::harness::client::handshake;
use crate::harness::peer::{header, headers};
use crate::harness::secure::{Tls, client_config};
use crate::harness::site::{NAME, Site};
use crate::harness::{Ended, Peer, Ringway, Upstream, until};

/// All peers of these tests are on this host: this one is the balancer.
const BALANCER: &str = "127.0.0.1";
const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";

fn version_2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut out = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    out.extend([command, family]);
    out.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    out.extend(block);
    out
}

fn version_2_tcp4() -> Vec<u8> {
    version_2(0x21, 0x11, &[192, 0, 2, 7, 198, 51, 100, 1, 0xDC, 0x04, 1, 187])
}

fn behind_a_balancer(options: &[&str]) -> (Ringway, Upstream) {
    let upstream = Upstream::listen();
    let mut all = vec!["--proxy-protocol", BALANCER];
    all.extend(options);
    (Ringway::proxy(upstream.address(), &all), upstream)
}

/// Sends a header and a request in one piece, and opens the tunnel: the request that the upstream got.
fn opens(ringway: &Ringway, upstream: &Upstream, first: &[u8]) -> (Peer, Peer, String) {
    let mut client = Peer::connect(ringway.address());
    client.send(first);
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    (client, server, request)
}

fn with_request(header: &[u8], lines: &str) -> Vec<u8> {
    [header, handshake("/", lines).as_bytes()].concat()
}

#[test]
fn whom_a_header_names_is_the_client_upstream_and_in_the_record() {
    let (ringway, upstream) = behind_a_balancer(&[]);
    let mut tcp6 = [0; 36];
    tcp6[..4].copy_from_slice(&[0x20, 0x01, 0x0D, 0xB8]);
    (tcp6[15], tcp6[32], tcp6[33]) = (7, 0xDC, 0x05);
    for (header_bytes, address, forwarded, record) in [
        (LINE.to_vec(), "192.0.2.7", "for=192.0.2.7;", "192.0.2.7:56324"),
        (
            b"PROXY TCP6 2001:db8::8 2001:db8::1 56324 443\r\n".to_vec(),
            "2001:db8::8",
            "for=\"[2001:db8::8]\";",
            "[2001:db8::8]:56324",
        ),
        (
            version_2(0x21, 0x11, &[192, 0, 2, 9, 198, 51, 100, 1, 0xDC, 0x04, 1, 187]),
            "192.0.2.9",
            "for=192.0.2.9;",
            "192.0.2.9:56324",
        ),
        (version_2(0x21, 0x21, &tcp6), "2001:db8::7", "for=\"[2001:db8::7]\";", "[2001:db8::7]:56325"),
    ] {
        let (mut client, mut server, request) = opens(&ringway, &upstream, &with_request(&header_bytes, ""));
        assert_eq!(header(&request, "x-forwarded-for"), Some(address));
        assert!(header(&request, "forwarded").unwrap().starts_with(forwarded), "{request}");
        client.say("up");
        server.hears("up");
        drop((client, server));
        ringway.logged(&format!("client={record} "));
    }
}

#[test]
fn a_header_that_names_nobody_leaves_the_balancer_as_the_client() {
    let (ringway, upstream) = behind_a_balancer(&[]);
    for header_bytes in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 192.0.2.7 192.0.2.8 1 2 and more\r\n".to_vec(),
        version_2(0x20, 0x00, &[]),
        version_2(0x20, 0x11, &[192, 0, 2, 7, 198, 51, 100, 1, 0xDC, 0x04, 1, 187]),
        version_2(0x21, 0x31, &[b'/'; 216]),
    ] {
        let (client, _server, request) = opens(&ringway, &upstream, &with_request(&header_bytes, ""));
        assert_eq!(header(&request, "x-forwarded-for"), Some(BALANCER));
        let local = client.stream.local_addr().unwrap();
        drop((client, _server));
        ringway.logged(&format!("client={local} "));
    }
}

#[test]
fn header_and_request_may_come_byte_by_byte() {
    let (ringway, upstream) = behind_a_balancer(&[]);
    for header_bytes in [LINE.to_vec(), version_2_tcp4()] {
        let mut client = Peer::connect(ringway.address());
        let all = with_request(&header_bytes, "");
        for byte in &all {
            client.send(&[*byte]);
            // Not gathered into one segment on the way.
            std::thread::yield_now();
        }
        let mut server = upstream.accept();
        let request = server.head();
        assert_eq!(header(&request, "x-forwarded-for"), Some("192.0.2.7"));
        server.switch(&request, "");
        assert!(client.head().starts_with("HTTP/1.1 101 "));
    }
}

#[test]
fn a_whole_request_that_came_with_the_header_is_answered_though_nothing_follows() {
    let (ringway, _upstream) = behind_a_balancer(&[]);
    // All of it within what is read for a line.
    let mut client = Peer::connect(ringway.address());
    client.send(b"PROXY UNKNOWN\r\nGET / HTTP/1.0\r\n\r\n");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    ringway.logged("refused: http-version");
}

#[test]
fn what_is_no_header_is_not_answered() {
    let (ringway, _upstream) = behind_a_balancer(&[]);
    let endless = [b"PROXY ".as_slice(), &[b'A'; 200]].concat();
    let request = handshake("/", "").into_bytes();
    for (bytes, why) in [
        (request.as_slice(), "no-header"),
        (b"\x16\x03\x01\x02\x00", "no-header"),
        (b"PROXY TCP4 192.0.2.7\r\n", "line-malformed"),
        (&endless, "header-too-long"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", "header-too-long"),
        (b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c", "version-unknown"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b", "header-too-short"),
    ] {
        let mut client = Peer::connect(ringway.address());
        client.send(bytes);
        let (answer, _) = client.rest();
        assert_eq!(answer, b"", "{why}");
        let local = client.stream.local_addr().unwrap();
        let line = ringway.logged(&format!("client={local} "));
        assert!(line.contains(&format!("refused: proxy-protocol: {why}")) && line.contains("status=0"), "{line}");
    }
}

#[test]
fn a_header_that_drips_does_not_put_the_handshake_deadline_off() {
    let (ringway, _upstream) = behind_a_balancer(&["--handshake-timeout", "600ms"]);
    let mut client = Peer::connect(ringway.address());
    let mut writer = client.stream.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        // A header of 4 KiB, which at this pace takes longer than any test.
        for byte in version_2(0x21, 0x11, &[0; 4000]) {
            if writer.write_all(&[byte]).is_err() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    });
    assert_eq!(client.rest().0, b"");
    ringway.logged("refused: proxy-protocol: timeout");
    drop(client);
    dripping.join().unwrap();
}

#[test]
fn a_peer_that_is_no_balancer_is_an_ordinary_client() {
    let (ringway, upstream) = behind_a_balancer(&[]);
    let mut client = Peer::connect_from(STRANGER, ringway.address());
    client.send(handshake("/", "").as_bytes());
    let mut server = upstream.accept();
    assert_eq!(header(&server.head(), "x-forwarded-for"), Some("127.0.0.2"));
    for header_bytes in [LINE.to_vec(), version_2_tcp4()] {
        let mut liar = Peer::connect_from(STRANGER, ringway.address());
        liar.send(&with_request(&header_bytes, ""));
        let head = liar.head();
        assert!(head.starts_with("HTTP/1.1 400 ") || head.starts_with("HTTP/1.1 505 "), "{head}");
    }
    ringway.logged("refused: head-malformed");
    assert!(!ringway.log().contains("192.0.2.7"), "{}", ringway.log());
}

#[test]
fn a_balancers_own_trust_ends_at_whom_it_names() {
    let lines = "X-Forwarded-For: 203.0.113.9\r\n";
    // The balancer's address is trusted, the client's is not: what the client says of earlier hops is dropped.
    let (ringway, upstream) = behind_a_balancer(&["--trusted-proxies", BALANCER]);
    let (_client, _server, request) = opens(&ringway, &upstream, &with_request(LINE, lines));
    assert_eq!(headers(&request, "x-forwarded-for").collect::<Vec<_>>(), ["192.0.2.7"]);
    drop((_client, _server));
    let (other, upstream) = behind_a_balancer(&["--trusted-proxies", "192.0.2.0/24"]);
    let (_client, _server, request) = opens(&other, &upstream, &with_request(LINE, lines));
    assert_eq!(headers(&request, "x-forwarded-for").collect::<Vec<_>>(), ["203.0.113.9, 192.0.2.7"]);
}

#[test]
fn the_limit_for_an_address_counts_whom_the_header_names() {
    let (ringway, upstream) = behind_a_balancer(&["--max-connections-per-address", "1"]);
    let first = opens(&ringway, &upstream, &with_request(LINE, ""));
    // The same client by the other version; another client through the same balancer.
    let mut second = Peer::connect(ringway.address());
    second.send(&with_request(&version_2_tcp4(), ""));
    let head = second.head();
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    let other = b"PROXY TCP4 192.0.2.8 198.51.100.1 56324 443\r\n";
    drop(opens(&ringway, &upstream, &with_request(other, "")));
    drop((first, second));
    let line = ringway.logged("too-many-from-address");
    assert!(line.contains("client=192.0.2.7:56324 "), "{line}");
    // The refused one gave nothing back that it did not have, and the place of the first is free again.
    ringway.closes_all();
    let _third = opens(&ringway, &upstream, &with_request(LINE, ""));
    let mut fourth = Peer::connect(ringway.address());
    fourth.send(&with_request(LINE, ""));
    assert!(fourth.head().starts_with("HTTP/1.1 429 "));
}

#[test]
fn a_balancer_that_only_looks_whether_anyone_listens_is_no_trouble() {
    let (ringway, _upstream) = behind_a_balancer(&["--log-level", "info,ringway::access=debug"]);
    let mut look = Peer::connect(ringway.address());
    look.finish();
    assert_eq!(look.rest(), (Vec::new(), Ended::Fin));
    ringway.logged("client left without a request");
}

#[test]
fn a_header_stands_before_tls() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.downstream(upstream.address(), &["--proxy-protocol", BALANCER]);
    // Behind a line, bytes of TLS are read with it; behind version 2 none are.
    for header_bytes in [LINE.to_vec(), version_2_tcp4()] {
        let mut wire = TcpStream::connect(ringway.address()).unwrap();
        let hello = Tls::client(wire.try_clone().unwrap(), Arc::new(client_config(&site.authority)), NAME);
        let mut client = with_header(&mut wire, hello, &header_bytes);
        client.shake_hands().unwrap();
        client.write_all(handshake("/", "").as_bytes()).unwrap();
        let request = upstream.accept().head();
        assert_eq!(header(&request, "x-forwarded-for"), Some("192.0.2.7"));
        assert_eq!(header(&request, "x-forwarded-proto"), Some("https"));
        drop((client, wire));
    }
    // TLS alone is no header.
    let mut bare = TcpStream::connect(ringway.address()).unwrap();
    let mut hello = Tls::client(bare.try_clone().unwrap(), Arc::new(client_config(&site.authority)), NAME);
    bare.write_all(&hello.sealed()).unwrap();
    ringway.logged("refused: proxy-protocol: no-header");
}

/// Sends a header and the first flight behind it as one.
fn with_header(wire: &mut TcpStream, mut client: Tls, header_bytes: &[u8]) -> Tls {
    wire.write_all(&[header_bytes, &client.sealed()].concat()).unwrap();
    client
}

#[test]
fn an_echo_takes_a_header_too() {
    let ringway = Ringway::echo(&["--proxy-protocol", "127.0.0.0/8"]);
    let mut client = Peer::connect(ringway.address());
    client.send(&with_request(LINE, ""));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    drop(client);
    ringway.logged("client=192.0.2.7:56324 ");
}

#[test]
fn haproxy_in_front_names_its_clients() {
    let Some(program) = crate::harness::tools::find("haproxy") else { return };
    let (ringway, upstream) = behind_a_balancer(&[]);
    for sends in ["send-proxy", "send-proxy-v2"] {
        // It takes its listener as a descriptor, so that no port has to be guessed.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = listener.local_addr().unwrap();
        let config = std::env::temp_dir().join(format!("ringway-{}-{}.cfg", sends, std::process::id()));
        let text = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
             listen all\n bind fd@0\n server one {} {sends}\n",
            ringway.address()
        );
        std::fs::write(&config, text).unwrap();
        let mut haproxy = Command::new(&program)
            .args(["-db", "-f"])
            .arg(&config)
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (client, server, from) = through(&upstream, front);
        drop((client, server));
        ringway.logged(&format!("client={from} "));
        let _ = haproxy.kill();
        let _ = haproxy.wait();
        let _ = std::fs::remove_file(&config);
    }
}

/// Opens a tunnel through a balancer, as a client that has an address of its own.
fn through(upstream: &Upstream, front: SocketAddr) -> (Peer, Peer, SocketAddr) {
    let mut client = Peer::connect_from([127, 0, 0, 9].into(), front);
    let from = client.stream.local_addr().unwrap();
    client.send(handshake("/", "").as_bytes());
    let mut server = Peer::over(until("haproxy has connected", || upstream.try_accept()));
    let request = server.head();
    assert_eq!(header(&request, "x-forwarded-for"), Some("127.0.0.9"));
    server.switch(&request, "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.say("through both");
    server.hears("through both");
    (client, server, from)
}
