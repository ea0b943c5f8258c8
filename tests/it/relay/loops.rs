//! A target that leads back to the proxy: by itself, over another one, in TLS, with trusted proxies.

use crate::harness::peer::headers;
use crate::harness::secure::{self, client_config};
use crate::harness::site::Site;
use crate::harness::{EchoServer, Ended, Peer, Ringway, Upstream, client, nobody, open, until};

/// The status and the code of a refusal.
#[track_caller]
fn refusal<S: std::io::Read + std::io::Write>(mut peer: Peer<S>) -> (u16, String) {
    peer.send(client::handshake("/chat", "").as_bytes());
    let (bytes, ended) = peer.rest();
    assert_eq!(ended, Ended::Fin);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), document["code"].as_str().unwrap().to_owned())
}

fn detected() -> (u16, String) {
    (508, "loop-detected".to_owned())
}

/// Records of connections, and warnings about the loop.
fn counted(ringway: &Ringway) -> (usize, usize) {
    let log = ringway.log();
    (log.matches("ringway::access").count(), log.matches("forwarded came to it again").count())
}

#[test]
fn b4_a_target_that_is_the_own_listener_gets_508_after_one_hop_and_one_warning() {
    for options in [&[][..], &["--trusted-proxies", "127.0.0.0/8"], &["--preserve-host"]] {
        let (_held, address) = nobody();
        let ringway = Ringway::proxy_at(address, &format!("ws://{address}/base"), options);
        ringway.logged("--target leads back to --listen");
        for request in 1..=20 {
            assert_eq!(refusal(Peer::connect(address)), detected());
            // One for the client, one for the hop that came back.
            until("the records are there", || (counted(&ringway).0 == 2 * request).then_some(()));
        }
        assert_eq!(counted(&ringway), (40, 1), "{}", ringway.log());
        assert!(ringway.logged("forwarded came to it again").contains("WARN"));
        ringway.settles();
    }
}

#[test]
fn b4_two_proxies_that_point_at_each_other_get_508_when_the_first_is_reached_again() {
    for options in [&[][..], &["--trusted-proxies", "127.0.0.0/8"]] {
        let ((_held_1, first), (_held_2, second)) = (nobody(), nobody());
        let one = Ringway::proxy_at(first, &format!("ws://{second}"), options);
        let other = Ringway::proxy_at(second, &format!("ws://{first}"), options);
        assert_eq!(refusal(Peer::connect(first)), detected());
        assert_eq!(refusal(Peer::connect(second)), detected());
        for ringway in [&one, &other] {
            // Twice as the first or third hop, once as the second.
            until("the records are there", || (counted(ringway) == (3, 1)).then_some(()));
            assert!(!ringway.log().contains("--target leads back"), "that is not certain");
        }
    }
}

#[test]
fn b4_a_loop_through_tls_and_a_name_is_found() {
    let site = Site::new();
    let (certificate, key) = site.authority.server(&["localhost"]).write(&site.folder, "localhost");
    let (_held, address) = nobody();
    let url = format!("wss://localhost:{}", address.port());
    let tls = ["--tls-cert", &certificate, "--tls-key", &key, "--upstream-ca", &site.ca];
    let ringway = Ringway::proxy_at(address, &url, &tls);
    let peer = secure::connect(address, "localhost", client_config(&site.authority));
    let mut peer = peer;
    peer.send(client::handshake("/", "").replace("proxy.test", "localhost").as_bytes());
    let (bytes, _) = peer.rest();
    let answer = String::from_utf8(bytes).unwrap();
    assert!(answer.starts_with("HTTP/1.1 508 Loop Detected\r\n") && answer.contains("loop-detected"), "{answer}");
    drop(peer);
    ringway.logged("forwarded came to it again");
}

#[test]
fn b4_the_warning_comes_at_any_level_that_shows_warnings() {
    let (_held, address) = nobody();
    let ringway = Ringway::proxy_at(address, &format!("ws://{address}"), &["--log-level", "warn"]);
    assert_eq!(refusal(Peer::connect(address)), detected());
    ringway.logged("forwarded came to it again");
    assert_eq!(counted(&ringway).0, 0);
}

#[test]
fn b4_and_a3_three_ringways_one_after_the_other_relay() {
    for options in [&[][..], &["--trusted-proxies", "127.0.0.0/8"], &["--preserve-host"]] {
        let server = EchoServer::start();
        let last = Ringway::proxy(server.address(), options);
        let middle = Ringway::proxy(last.address(), options);
        let first = Ringway::proxy(middle.address(), options);
        let mut socket = client::connect(first.address());
        socket.send("through three".into()).unwrap();
        assert_eq!(socket.read().unwrap(), "through three".into());
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
    }
}

#[test]
fn b4_each_hop_adds_a_name_that_tells_nothing_and_a_client_cannot_take_it_away() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let via = |asked: &str| {
        let mut client = Peer::connect(ringway.address());
        client.send(client::handshake("/", asked).as_bytes());
        let mut server = upstream.accept();
        let request = server.head();
        server.switch(&request, "");
        client.head();
        headers(&request, "via").map(str::to_owned).collect::<Vec<_>>()
    };
    let [own] = via("").try_into().unwrap();
    let name = own.strip_prefix("1.1 ringway-").expect("a pseudonym");
    assert!(name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{own}");
    assert_eq!(
        via("Via: 1.0 fred, 1.1 p.example.net (Apache, 2)\r\n"),
        ["1.0 fred, 1.1 p.example.net (Apache, 2)", &own]
    );
    let other = Ringway::proxy(upstream.address(), &[]);
    let (_client, _server) = open(&other, &upstream, "", "");
    // A client that repeats the name is turned away, and harms nobody else.
    let mut liar = Peer::connect(ringway.address());
    liar.send(client::handshake("/", &format!("Via: {own}\r\n")).as_bytes());
    assert!(liar.head().starts_with("HTTP/1.1 508 "));
}
