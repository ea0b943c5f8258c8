//! TLS between clients and the real process: which certificate, which versions, whose word counts, and who is turned away.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, HandshakeKind, ProtocolVersion};

use crate::harness::peer::{header, headers};
use crate::harness::pki::{Authority, Folder};
use crate::harness::process::two_cpus;
use crate::harness::secure::{self, Shape, Tls, client_config, client_config_with, versions_config};
use crate::harness::site::{NAME, Site, switch};
use crate::harness::wait::PATIENCE;
use crate::harness::{EchoServer, Ended, Peer, Ringway, Upstream, client, until};

/// A refusal's status and code, to the connection's end. The record is written when the client has ended too.
#[track_caller]
fn refusal<S: std::io::Read + Write>(mut peer: Peer<S>) -> (u16, String) {
    let (bytes, ended) = peer.rest();
    assert_eq!(ended, Ended::Fin);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    assert_eq!(header(head, "content-type"), Some("application/problem+json"));
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), document["code"].as_str().unwrap().to_owned())
}

/// The alert that a handshake failed with.
#[track_caller]
fn alert(result: std::io::Result<Peer<Tls>>) -> AlertDescription {
    let error = result.err().expect("the handshake fails");
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        other => panic!("not an alert: {error} ({other:?})"),
    }
}

#[test]
fn the_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let pairs = [
        authority.server(&["first.test", "127.0.0.1"]),
        authority.server(&["*.wild.test"]),
        authority.server(&["one.wild.test", "other.test"]),
    ];
    let files: Vec<_> = pairs.iter().zip(["a", "b", "c"]).map(|(pair, name)| pair.write(&folder, name)).collect();
    let options: Vec<&str> =
        files.iter().flat_map(|(certificate, key)| ["--tls-cert", certificate, "--tls-key", key]).collect();
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &options);
    for (name, expected) in [
        ("first.test", 0),
        ("FIRST.test", 0),
        ("any.wild.test", 1),
        ("one.wild.test", 2),
        ("other.test", 2),
        // A wildcard stands for one label.
        ("two.labels.wild.test", 0),
        ("wild.test", 0),
        ("unknown.test", 0),
        // No name is sent for an address.
        ("127.0.0.1", 0),
    ] {
        let mut peer = secure::connect(ringway.address(), name, secure::trusting_anyone());
        let shown = peer.stream.session.peer_certificates().unwrap();
        let found = pairs.iter().position(|pair| pair.certificate == shown[0]);
        assert_eq!((found, shown.len()), (Some(expected), 1), "for {name}");
        peer.finish_tls();
        peer.ends();
    }
}

#[test]
fn http_1_1_is_the_only_application_protocol() {
    let (site, server) = (Site::new(), EchoServer::start());
    let ringway = site.downstream(server.address(), &[]);
    let connect = |protocols: &[&str]| {
        let mut config = client_config(&site.authority);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        secure::try_connect(ringway.address(), NAME, Arc::new(config), Shape::Whole)
    };
    for (offered, agreed) in
        [(&[][..], None), (&["http/1.1"], Some("http/1.1")), (&["h2", "http/1.1"], Some("http/1.1"))]
    {
        let peer = connect(offered).unwrap();
        assert_eq!(peer.stream.session.alpn_protocol(), agreed.map(str::as_bytes), "{offered:?}");
    }
    assert_eq!(alert(connect(&["h2"])), AlertDescription::NoApplicationProtocol);
    ringway.logged("tls handshake failed: tls-incompatible");
}

#[test]
fn tls_1_2_and_1_3_carry_a_websocket_and_the_record_says_which() {
    let (site, server) = (Site::new(), EchoServer::start());
    let ringway = site.downstream(server.address(), &["--log-format", "json"]);
    for (version, number, logged) in
        [(&TLS12, ProtocolVersion::TLSv1_2, "1.2"), (&TLS13, ProtocolVersion::TLSv1_3, "1.3")]
    {
        let config = versions_config(&site.authority, &[version]);
        let mut socket = secure::websocket(ringway.address(), NAME, config);
        assert_eq!(socket.get_ref().session.protocol_version(), Some(number));
        socket.send("over TLS".into()).unwrap();
        assert_eq!(socket.read().unwrap(), "over TLS".into());
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
        drop(socket);
        let record = ringway.logged(&format!("\"{logged}\""));
        assert!(record.contains("closed by client"), "{record}");
    }
}

#[test]
fn a_second_handshake_resumes_the_first_by_ticket() {
    let (site, server) = (Site::new(), EchoServer::start());
    // Two shards: a ticket of one is good with the other.
    let ringway = site.downstream(server.address(), &["--cpus", two_cpus()]);
    for version in [&TLS12, &TLS13] {
        let mut config = versions_config(&site.authority, &[version]);
        // One place for tickets, and each but the first is used: none is left over from an earlier round.
        config.resumption = Resumption::in_memory_sessions(8);
        for round in 0..6 {
            let mut socket = secure::websocket(ringway.address(), NAME, config.clone());
            let kind = socket.get_ref().session.handshake_kind();
            let expected = if round == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed };
            assert_eq!(kind, Some(expected), "{version:?}, round {round}");
            socket.send("resumed".into()).unwrap();
            assert_eq!(socket.read().unwrap(), "resumed".into());
            socket.close(None).unwrap();
            while socket.read().is_ok() {}
        }
    }
}

#[test]
fn early_data_is_not_offered() {
    let (site, server) = (Site::new(), EchoServer::start());
    let ringway = site.downstream(server.address(), &[]);
    let mut config = versions_config(&site.authority, &[&TLS13]);
    config.enable_early_data = true;
    let config = Arc::new(config);
    let mut socket = secure::websocket(ringway.address(), NAME, (*config).clone());
    // The ticket has come when something behind it has.
    socket.send("x".into()).unwrap();
    socket.read().unwrap();
    drop(socket);
    let wire = TcpStream::connect(ringway.address()).unwrap();
    let mut second = Tls::client(wire, config, NAME);
    let rustls::Connection::Client(session) = &mut second.session else { unreachable!() };
    assert!(session.early_data().is_none(), "the ticket allows early data");
    second.shake_hands().unwrap();
    assert_eq!(second.session.handshake_kind(), Some(HandshakeKind::Resumed));
}

/// Header lines by which a client may try to be somebody.
const CLAIMS: &str = "Ringway-Client-Subject: CN=root\r\nringway-client-subject: CN=root\r\n\
                      RINGWAY-CLIENT-SUBJECT: CN=root\r\nRingway_Client_Subject: CN=root\r\n\
                      ringway-client_subject: CN=root\r\n";

/// The request that the upstream gets of a client that claims to be root.
#[track_caller]
fn request_of<S: std::io::Read + Write>(mut peer: Peer<S>, upstream: &Upstream) -> String {
    peer.send(client::handshake("/", CLAIMS).as_bytes());
    upstream.accept().head()
}

#[test]
fn what_a_client_says_of_its_subject_never_reaches_the_upstream() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ca = site.ca.as_str();
    let plain = Ringway::proxy(upstream.address(), &["--trusted-proxies", "127.0.0.0/8"]);
    let request = request_of(Peer::connect(plain.address()), &upstream);
    assert!(!request.contains("root") && !request.to_lowercase().contains("subject"), "{request}");
    for options in [&[][..], &["--client-ca", ca, "--client-cert", "optional"], &["--trusted-proxies", "127.0.0.0/8"]] {
        let ringway = site.downstream(upstream.address(), options);
        let request = request_of(site.connect(&ringway), &upstream);
        assert!(!request.contains("root") && !request.to_lowercase().contains("subject"), "{options:?}: {request}");
        assert_eq!(headers(&request, "x-forwarded-proto").collect::<Vec<_>>(), ["https"]);
    }
}

#[test]
fn the_subject_of_a_verified_certificate_reaches_the_upstream() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    for options in [&["--client-ca", &site.ca][..], &["--client-ca", &site.ca, "--client-cert", "optional"]] {
        let ringway = site.downstream(upstream.address(), options);
        for version in [&TLS12, &TLS13] {
            let shown = site.authority.client("alice, \"root\"\r\nX: y");
            let config = secure::showing(&site.authority, &shown, &[version]);
            // Full, then resumed: the ticket stands for the certificate.
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let peer = secure::connect(ringway.address(), NAME, config.clone());
                let (client, server, request) = switch(peer, || upstream.accept());
                assert_eq!(client.stream.session.handshake_kind(), Some(kind));
                let subjects: Vec<_> = headers(&request, "ringway-client-subject").collect();
                assert_eq!(subjects, [r#"O=Tests,CN=alice\, \"root\"\0D\0AX: y"#], "{request}");
                drop((client, server));
            }
        }
    }
}

#[test]
fn a_client_certificate_is_asked_for_as_the_flag_says() {
    let (site, server) = (Site::new(), EchoServer::start());
    let (foreign, ca) = (Authority::new(), site.ca.as_str());
    let own = site.authority.client("alice");
    let good = || client_config_with(&site.authority, &own);
    let none = || client_config(&site.authority);
    let bad = [
        (site.authority.expired_client("late"), AlertDescription::CertificateExpired, "certificate-expired"),
        (foreign.client("stranger"), AlertDescription::UnknownCA, "certificate-untrusted"),
    ];
    for (options, is_none_let_in) in [
        (&["--client-ca", ca][..], false),
        (&["--client-ca", ca, "--client-cert", "required"], false),
        (&["--client-ca", ca, "--client-cert", "optional"], true),
        (&["--client-ca", ca, "--client-cert", "off"], true),
    ] {
        let ringway = site.downstream(server.address(), options);
        let mut socket = secure::websocket(ringway.address(), NAME, good());
        socket.send("let in".into()).unwrap();
        assert_eq!(socket.read().unwrap(), "let in".into());
        drop(socket);
        let is_asked = !options.contains(&"off");
        let let_in = |config| is_let_in(&ringway, config);
        assert_eq!(let_in(none()), if is_none_let_in { Ok(()) } else { Err(AlertDescription::CertificateRequired) });
        if !is_none_let_in {
            ringway.logged("tls handshake failed: certificate-missing");
        }
        for (pair, alert, code) in &bad {
            let result = let_in(client_config_with(&site.authority, pair));
            assert_eq!(result, if is_asked { Err(*alert) } else { Ok(()) }, "{options:?}, {code}");
            if is_asked {
                ringway.logged(&format!("tls handshake failed: {code}"));
            }
        }
    }
}

/// True if a client gets an answer. In TLS 1.3 the client's handshake is complete before the server has checked its certificate.
fn is_let_in(ringway: &Ringway, config: rustls::ClientConfig) -> Result<(), AlertDescription> {
    let mut peer = match secure::try_connect(ringway.address(), NAME, Arc::new(config), Shape::Whole) {
        Ok(peer) => peer,
        failed => return Err(alert(failed)),
    };
    let sent = peer.stream.write_all(client::handshake("/", "").as_bytes());
    let mut byte = [0];
    match sent.and_then(|()| std::io::Read::read(&mut peer.stream, &mut byte)) {
        Ok(1) => Ok(()),
        Ok(_) => panic!("it was closed without a word"),
        Err(error) => Err(alert(Err(error))),
    }
}

/// A client that asks TLS for one name and HTTP for another.
fn ask(ringway: &Ringway, name: &str, host: &str) -> Peer<Tls> {
    let mut peer = secure::connect(ringway.address(), name, secure::trusting_anyone());
    peer.send(client::handshake("/", "").replace("Host: proxy.test", &format!("Host: {host}")).as_bytes());
    peer
}

#[test]
fn a3_a_host_that_is_not_the_name_of_the_handshake_is_served_where_hosts_make_no_difference() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.downstream(upstream.address(), &[]);
    for (name, host) in [(NAME, NAME), (NAME, "chat.example.com"), ("unknown.test", NAME), ("127.0.0.1", "any.test")] {
        let peer = ask(&ringway, name, host);
        upstream.accept().head();
        drop(peer);
    }
}

#[test]
fn a3_with_strict_sni_host_the_two_names_must_be_one() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.downstream(upstream.address(), &["--strict-sni-host"]);
    for (name, host) in [(NAME, "other.test"), (NAME, "127.0.0.1"), (NAME, "proxy.test.other"), ("unknown.test", NAME)]
    {
        assert_eq!(refusal(ask(&ringway, name, host)), (421, "misdirected".to_owned()), "{name} and {host}");
    }
    assert!(upstream.try_accept().is_none(), "the upstream was dialled");
    for (name, host) in [(NAME, NAME), (NAME, "PROXY.test:8443"), (NAME, "proxy.test."), ("127.0.0.1", "any.test")] {
        let peer = ask(&ringway, name, host);
        upstream.accept().head();
        drop(peer);
    }
}

#[test]
fn a3_a_ringway_that_keeps_the_host_stands_before_a_ringway_with_tls() {
    let (site, server) = (Site::new(), EchoServer::start());
    for more in [&[][..], &["--trusted-proxies", "127.0.0.0/8"]] {
        let behind = site.downstream(server.address(), more);
        let url = format!("wss://{}", behind.address());
        let trust = ["--preserve-host", "--upstream-ca", &site.ca, "--upstream-server-name", NAME];
        let before = Ringway::proxy_to(&url, Some(behind.address()), &trust);
        // The client calls the first by its address: the second is asked for that host.
        let mut socket = client::connect(before.address());
        socket.send("through both".into()).unwrap();
        assert_eq!(socket.read().unwrap(), "through both".into());
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
        drop(socket);
        until("both have recorded it", || {
            [&before, &behind].iter().all(|ringway| ringway.log().contains("closed by client")).then_some(())
        });
    }
}

#[test]
fn plain_text_on_a_port_that_speaks_tls_is_told_so() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.downstream(upstream.address(), &[]);
    let mut peer = Peer::connect(ringway.address());
    peer.send(client::handshake("/", "").as_bytes());
    assert_eq!(refusal(peer), (400, "tls-expected".to_owned()));
    ringway.logged("refused: tls-expected");
    let mut peer = Peer::connect(ringway.address());
    peer.send(b"G");
    assert_eq!(refusal(peer), (400, "tls-expected".to_owned()), "by the first byte already");
    assert!(upstream.try_accept().is_none(), "the upstream was dialled");
}

#[test]
fn tls_on_a_port_that_speaks_plain_text_is_logged_and_closed() {
    let (authority, upstream) = (Authority::new(), Upstream::listen());
    let ringway = Ringway::proxy(upstream.address(), &[]);
    let wire = TcpStream::connect(ringway.address()).unwrap();
    let mut tls = Tls::client(wire, Arc::new(client_config(&authority)), NAME);
    let hello = tls.sealed();
    let mut peer = Peer::over(tls.wire);
    peer.send(&hello);
    peer.finish();
    let (bytes, ended) = peer.rest();
    assert_eq!(ended, Ended::Fin);
    assert!(!bytes.starts_with(b"HTTP/"), "an answer that no client of TLS can read");
    ringway.logged("client speaks TLS, this port does not");
    assert!(upstream.try_accept().is_none(), "the upstream was dialled");
}

#[test]
fn a_client_that_stalls_in_the_middle_of_the_handshake_is_closed_at_its_deadline() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.downstream(upstream.address(), &["--handshake-timeout", "700ms"]);
    let stalls: [fn(&mut Tls); 4] = [
        |_| {},
        |tls| {
            let hello = tls.sealed();
            tls.wire.write_all(&hello[..hello.len() / 2]).unwrap();
        },
        |tls| {
            let hello = tls.sealed();
            tls.wire.write_all(&hello).unwrap();
        },
        // TLS stands, and no request comes. On a busy host even that may come too late.
        |tls| drop(tls.shake_hands()),
    ];
    for (number, stall) in stalls.into_iter().enumerate() {
        let begun = Instant::now();
        let wire = TcpStream::connect(ringway.address()).unwrap();
        let mut tls = Tls::client(wire, Arc::new(client_config(&site.authority)), NAME);
        stall(&mut tls);
        Peer::over(tls.wire).rest();
        let lasted = begun.elapsed();
        assert!(lasted >= Duration::from_millis(690), "{number}: {lasted:?}");
        let timeouts = || ringway.log().matches("handshake-timeout").count();
        until("it is logged", || (timeouts() > number).then_some(()));
    }
    assert!(upstream.try_accept().is_none(), "the upstream was dialled");
}

/// A slow client does not get more time by sending something now and then.
#[test]
fn a_handshake_that_drips_is_closed_at_its_deadline_too() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.downstream(upstream.address(), &["--handshake-timeout", "700ms"]);
    let wire = TcpStream::connect(ringway.address()).unwrap();
    let mut tls = Tls::client(wire, Arc::new(client_config(&site.authority)), NAME);
    // So slowly that all of it takes as long as anything may.
    let hello = tls.sealed();
    let pause = PATIENCE / u32::try_from(hello.len()).unwrap();
    let is_cut_off = hello.iter().any(|byte| {
        std::thread::sleep(pause);
        tls.wire.write_all(&[*byte]).is_err()
    });
    assert!(is_cut_off, "all of it was waited for");
    ringway.logged("handshake-timeout");
}

#[test]
fn who_comes_over_the_limit_gets_an_alert_where_tls_is_spoken() {
    let (site, server) = (Site::new(), EchoServer::start());
    let ringway = site.downstream(server.address(), &["--max-connections", "1"]);
    let held = secure::websocket(ringway.address(), NAME, client_config(&site.authority));
    let config = Arc::new(client_config(&site.authority));
    let turned_away = secure::try_connect(ringway.address(), NAME, config, Shape::Whole);
    assert_eq!(alert(turned_away), AlertDescription::InternalError);
    ringway.logged("too-many-connections");
    drop(held);
}

#[test]
fn who_comes_when_there_is_no_descriptor_left_gets_an_alert_where_tls_is_spoken() {
    let (site, server) = (Site::new(), EchoServer::start());
    let ringway = site.downstream(server.address(), &["--cpus", "0"]);
    ringway.limit_descriptors(ringway.lowest_free_descriptor());
    // What is sent before the answer was read could reset the connection: so it is read first.
    let (bytes, _) = Peer::connect(ringway.address()).rest();
    assert_eq!(bytes, [21, 3, 3, 0, 2, 2, 80], "not the alert `internal_error`");
    ringway.limit_descriptors(10_000);
    until("there is room again", || {
        let config = Arc::new(client_config(&site.authority));
        secure::try_connect(ringway.address(), NAME, config, Shape::Whole).ok()
    });
}

#[test]
fn a_resumed_session_of_an_optional_client_without_certificate_has_no_subject() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.downstream(upstream.address(), &["--client-ca", &site.ca, "--client-cert", "optional"]);
    let config = client_config(&site.authority);
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let peer = secure::connect(ringway.address(), NAME, config.clone());
        let (client, server, request) = switch(peer, || upstream.accept());
        assert_eq!(client.stream.session.handshake_kind(), Some(kind));
        assert_eq!(header(&request, "ringway-client-subject"), None);
        drop((client, server));
    }
}
