//! TLS between the real process and upstreams that are right, wrong or hostile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use tungstenite::handshake::derive_accept_key;

use crate::harness::patient::again;
use crate::harness::peer::header;
use crate::harness::pki::{Authority, Pair};
use crate::harness::secure::{self, APPLICATION_DATA, HANDSHAKE, Tls};
use crate::harness::site::{Site, UPSTREAM, switch};
use crate::harness::{EchoServer, Ended, Peer, Ringway, Upstream, client, nobody, until};

/// A refusal's status and code, to the connection's end, and that there is nothing else. The record is written when the
/// client has ended too.
#[track_caller]
fn refusal(mut peer: Peer) -> (u16, String) {
    let (bytes, ended) = peer.rest();
    assert_eq!(ended, Ended::Fin);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    assert_eq!(header(head, "content-length"), Some(body.len().to_string().as_str()), "{text}");
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), document["code"].as_str().unwrap().to_owned())
}

#[track_caller]
fn ask(ringway: &Ringway) -> Peer {
    let mut peer = Peer::connect(ringway.address());
    peer.send(client::handshake("/", "Cookie: S3cr3t\r\n").as_bytes());
    peer
}

#[track_caller]
fn is_refused_with(ringway: &Ringway, code: &str) {
    assert_eq!(refusal(ask(ringway)), (502, code.to_owned()));
    ringway.logged(&format!("refused: {code}"));
}

/// An upstream that shows a certificate, and expects that nobody believes it.
fn disbelieved(site: &Site, pair: &Pair, code: &str) {
    for version in [&TLS12, &TLS13] {
        let upstream = Upstream::listen();
        let ringway = site.upstream(upstream.address(), &[]);
        let peer = ask(&ringway);
        let mut tls = Tls::server(upstream.accept().stream, secure::server_versions(pair, &[version]));
        let error = tls.shake_hands().and_then(|()| tls.read(&mut [0])).expect_err("it is not believed");
        assert!(error.to_string().contains("received fatal alert"), "{error}");
        assert_eq!(refusal(peer), (502, code.to_owned()), "{version:?}");
        ringway.logged(&format!("refused: {code}"));
    }
}

#[test]
fn a_certificate_that_proves_nothing_is_refused_by_its_reason() {
    let site = Site::new();
    disbelieved(&site, &site.authority.expired(&[UPSTREAM]), "upstream-certificate-expired");
    disbelieved(&site, &site.authority.not_yet_valid(&[UPSTREAM]), "upstream-certificate-expired");
    disbelieved(&site, &site.authority.server(&["other.test"]), "upstream-certificate-name");
    disbelieved(&site, &site.authority.server(&["127.0.0.1"]), "upstream-certificate-name");
    disbelieved(&site, &Authority::new().server(&[UPSTREAM]), "upstream-certificate-untrusted");
    let for_clients = site.authority.issue(&[UPSTREAM], rcgen::ExtendedKeyUsagePurpose::ClientAuth, |_| {});
    disbelieved(&site, &for_clients, "upstream-certificate-invalid");
}

/// The authority has the right name, and another key.
#[test]
fn an_impostor_of_the_authority_is_not_trusted() {
    let site = Site::new();
    let (real, impostor) = (Authority::named("The authority"), Authority::named("The authority"));
    let ca = site.folder.write("real.pem", &real.pem());
    let upstream = EchoServer::start_tls(secure::server_config(&impostor.server(&[UPSTREAM])));
    let url = format!("wss://{}", upstream.address());
    let options = ["--upstream-ca", &ca, "--upstream-server-name", UPSTREAM];
    let ringway = Ringway::proxy_to(&url, Some(upstream.address()), &options);
    is_refused_with(&ringway, "upstream-certificate-untrusted");
}

#[test]
fn wss_and_https_targets_carry_a_websocket_over_tls_1_2_and_1_3() {
    let site = Site::new();
    let pair = site.authority.server(&["127.0.0.1", UPSTREAM]);
    for version in [&TLS12, &TLS13] {
        let upstream = EchoServer::start_tls(secure::server_versions(&pair, &[version]));
        for scheme in ["wss", "https"] {
            // The address itself is in the certificate.
            let url = format!("{scheme}://{}", upstream.address());
            let ringway = Ringway::proxy_to(&url, Some(upstream.address()), &["--upstream-ca", &site.ca]);
            let mut socket = client::connect(ringway.address());
            socket.send("there and back".into()).unwrap();
            assert_eq!(socket.read().unwrap(), "there and back".into());
            socket.close(None).unwrap();
            while socket.read().is_ok() {}
        }
    }
}

#[test]
fn the_upstream_is_asked_for_the_name_that_its_certificate_must_be_for() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let config = site.upstream_config();
    let ringway = site.upstream(upstream.address(), &[]);
    let mut peer = ask(&ringway);
    let mut server = upstream.accept_tls(&config);
    let rustls::Connection::Server(session) = &server.stream.session else { unreachable!() };
    assert_eq!(session.server_name(), Some(UPSTREAM));
    assert_eq!(session.alpn_protocol(), None, "a server that names none is not forced");
    // The name is TLS' alone: the request names the target.
    let request = server.head();
    assert_eq!(header(&request, "host"), Some(upstream.address().to_string().as_str()));
    server.switch(&request, "");
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
}

#[test]
fn an_upstream_that_would_speak_http_2_is_asked_for_http_1_1() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.upstream(upstream.address(), &[]);
    let with = |protocols: &[&str]| {
        let mut config = (*site.upstream_config()).clone();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    };
    let peer = ask(&ringway);
    let mut server = upstream.accept_tls(&with(&["h2", "http/1.1"]));
    assert_eq!(server.stream.session.alpn_protocol(), Some(&b"http/1.1"[..]));
    server.head();
    drop(server);
    assert_eq!(refusal(peer), (502, "upstream-closed".to_owned()));
    let peer = ask(&ringway);
    let mut tls = Tls::server(upstream.accept().stream, with(&["h2"]));
    assert!(tls.shake_hands().is_err());
    assert_eq!(refusal(peer), (502, "upstream-tls-refused".to_owned()));
}

/// NGINX CVE-2026-1642: what comes before TLS stands is nobody's word, above all not the upstream's.
#[test]
fn what_an_upstream_says_before_tls_reaches_no_client() {
    let site = Site::new();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(client::KEY.as_bytes())
    );
    let answer = [answer.as_bytes(), b"\x81\x06forged"].concat();
    for (spoken, code) in [
        (answer.as_slice(), "upstream-not-tls"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", "upstream-not-tls"),
        (b"\x81\x06forged", "upstream-not-tls"),
        (b"220 mail.test ESMTP\r\n", "upstream-not-tls"),
        (b"\0", "upstream-not-tls"),
        // A record of data before there is a key.
        (b"\x17\x03\x03\x00\x08\x81\x06forged", "upstream-not-tls"),
        // A handshake record that holds none.
        (b"\x16\x03\x03\x00\x08\x81\x06forged", "upstream-tls"),
    ] {
        let upstream = Upstream::listen();
        let ringway = site.upstream(upstream.address(), &[]);
        // It speaks at once, before the ClientHello has been written.
        let paused = ringway.paused();
        let peer = ask(&ringway);
        drop(paused);
        let mut server = upstream.accept();
        server.send(spoken);
        assert_eq!(refusal(peer), (502, code.to_owned()), "{:?}", String::from_utf8_lossy(spoken));
        ringway.logged(&format!("refused: {code}"));
        let (got, _) = server.rest();
        is_tls_alone(&got);
    }
}

/// The forged answer and then a right handshake: the connection is lost all the same.
#[test]
fn a_handshake_behind_plain_text_comes_too_late() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.upstream(upstream.address(), &[]);
    let peer = ask(&ringway);
    let mut server = upstream.accept();
    server.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    let mut tls = Tls::server(server.stream, site.upstream_config());
    assert!(tls.shake_hands().is_err());
    assert_eq!(refusal(peer), (502, "upstream-not-tls".to_owned()));
}

/// True if the bytes are whole TLS records in which no part of a request can be read.
#[track_caller]
fn is_tls_alone(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for word in ["GET ", "HTTP/1.1", "S3cr3t", "Sec-WebSocket"] {
        assert!(!text.contains(word), "in plain text: {text}");
    }
    let mut rest = bytes;
    while let Some((header, behind)) = rest.split_first_chunk::<5>() {
        assert!((20..=23).contains(&header[0]) && header[1] == 3, "no TLS record: {header:x?}");
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        rest = behind.get(length..).unwrap_or_default();
    }
}

#[test]
fn all_that_goes_to_a_tls_target_is_tls_records() {
    let (site, upstream, listener) = (Site::new(), EchoServer::start(), Upstream::listen());
    drop(upstream);
    let ringway = site.upstream(listener.address(), &[]);
    let peer = ask(&ringway);
    // What is read is kept beside being understood.
    let wire = listener.accept().stream;
    let mut session = rustls::ServerConnection::new(site.upstream_config()).unwrap();
    let (mut seen, mut chunk, mut request) = (Vec::new(), [0; 4096], Vec::new());
    let mut wire = wire;
    while !request.ends_with(b"\r\n\r\n") {
        while session.wants_write() {
            session.write_tls(&mut wire).unwrap();
        }
        let n = again(|| wire.read(&mut chunk)).unwrap();
        assert_ne!(n, 0);
        seen.extend(&chunk[..n]);
        let mut rest = &chunk[..n];
        while !rest.is_empty() {
            session.read_tls(&mut rest).unwrap();
            session.process_new_packets().unwrap();
        }
        let _ = session.reader().read_to_end(&mut request);
    }
    assert!(String::from_utf8_lossy(&request).contains("S3cr3t"), "the request has not come");
    assert_eq!((seen[0], seen.contains(&APPLICATION_DATA)), (HANDSHAKE, true));
    is_tls_alone(&seen);
    drop(wire);
    assert_eq!(refusal(peer), (502, "upstream-closed".to_owned()));
}

/// There is no fall-back: who refuses TLS is not asked again without it.
#[test]
fn an_upstream_that_refuses_tls_is_never_spoken_to_in_plain_text() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.upstream(upstream.address(), &[]);
    // A fatal alert: handshake_failure.
    let peer = ask(&ringway);
    let mut server = upstream.accept();
    server.send(b"\x15\x03\x03\x00\x02\x02\x28");
    assert_eq!(refusal(peer), (502, "upstream-tls-refused".to_owned()));
    ringway.logged("refused: upstream-tls-refused");
    is_tls_alone(&server.rest().0);
    // It closes, at once or after the ClientHello.
    let peer = ask(&ringway);
    upstream.accept().finish();
    assert_eq!(refusal(peer), (502, "upstream-closed".to_owned()));
    let peer = ask(&ringway);
    let mut server = upstream.accept();
    is_tls_alone(&server.exactly(5));
    drop(server);
    let (status, code) = refusal(peer);
    assert!(status == 502 && ["upstream-closed", "upstream-unreachable"].contains(&code.as_str()), "{code}");
    // It resets.
    let peer = ask(&ringway);
    upstream.accept().reset();
    let (status, code) = refusal(peer);
    assert!(status == 502 && ["upstream-closed", "upstream-unreachable"].contains(&code.as_str()), "{code}");
    assert!(upstream.try_accept().is_none(), "it was asked again");
    // Nobody is there.
    let (_held, address) = nobody();
    let ringway = site.upstream(address, &[]);
    is_refused_with(&ringway, "upstream-unreachable");
}

#[test]
fn an_upstream_that_only_speaks_what_is_too_old_is_refused() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.upstream(upstream.address(), &[]);
    let peer = ask(&ringway);
    let mut server = upstream.accept();
    // A ServerHello of TLS 1.0, with TLS_RSA_WITH_AES_128_CBC_SHA.
    let mut hello = vec![0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    server.send(&hello);
    assert_eq!(refusal(peer), (502, "upstream-tls".to_owned()));
}

#[test]
fn an_upstream_that_stalls_in_the_handshake_is_given_up() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.upstream(upstream.address(), &["--connect-timeout", "500ms"]);
    let peer = ask(&ringway);
    let server = upstream.accept();
    assert_eq!(refusal(peer), (504, "upstream-timeout".to_owned()));
    drop(server);
}

#[test]
fn an_upstream_that_wants_a_certificate_gets_it() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let (certificate, key) = site.authority.client("the proxy").write(&site.folder, "client");
    let shown = ["--upstream-cert", certificate.as_str(), "--upstream-key", &key];
    for version in [&TLS12, &TLS13] {
        let config = secure::server_config_for(&site.upstream_pair(), &site.authority, &[version]);
        let ringway = site.upstream(upstream.address(), &shown);
        let client = Peer::connect(ringway.address());
        let (client, server, _) = switch(client, || upstream.accept_tls(&config));
        assert_eq!(server.stream.session.peer_certificates().map(<[_]>::len), Some(1));
        drop((client, server));
        // Without one it is refused: in TLS 1.3 after the proxy's own handshake is done already.
        let ringway = site.upstream(upstream.address(), &[]);
        let peer = ask(&ringway);
        let mut tls = Tls::server(upstream.accept().stream, config);
        assert!(tls.shake_hands().is_err());
        assert_eq!(refusal(peer), (502, "upstream-tls-refused".to_owned()), "{version:?}");
    }
}

#[test]
fn without_verification_any_certificate_does_and_each_connection_is_said_to_be_so() {
    let site = Site::new();
    let pairs = [site.authority.expired(&[UPSTREAM]), Authority::new().server(&["other.test"])];
    for pair in &pairs {
        let upstream = EchoServer::start_tls(secure::server_config(pair));
        let url = format!("wss://{}", upstream.address());
        let options = ["--upstream-insecure-skip-verify"];
        let ringway = Ringway::proxy_to(&url, Some(upstream.address()), &options);
        for number in 1..=3 {
            let mut socket = client::connect(ringway.address());
            socket.send("whoever you are".into()).unwrap();
            assert_eq!(socket.read().unwrap(), "whoever you are".into());
            socket.close(None).unwrap();
            while socket.read().is_ok() {}
            let warnings = || {
                let log = ringway.log();
                log.lines().filter(|line| line.contains("WARN") && line.contains("verif")).count()
            };
            until("it is warned of", || (warnings() >= number).then_some(()));
        }
        ringway.signal(libc::SIGTERM);
        assert!(ringway.ended().success());
        ringway.logged("whose certificates were not verified: 3");
    }
}

#[test]
fn the_hosts_own_authorities_are_trusted_unless_others_are_named() {
    let site = Site::new();
    let pair = site.authority.server(&["127.0.0.1"]);
    let upstream = EchoServer::start_tls(secure::server_config(&pair));
    let url = format!("wss://{}", upstream.address());
    let proxy = |store: &str, options: &[&str]| {
        Ringway::proxy_in(&[("SSL_CERT_FILE", store)], &url, upstream.address(), options)
    };
    let other = site.folder.write("other.pem", &Authority::new().pem());
    let trusting = proxy(&site.ca, &[]);
    let mut socket = client::connect(trusting.address());
    socket.send("trusted".into()).unwrap();
    assert_eq!(socket.read().unwrap(), "trusted".into());
    drop(socket);
    is_refused_with(&proxy(&other, &[]), "upstream-certificate-untrusted");
    // Those that are named take the place of the host's.
    is_refused_with(&proxy(&site.ca, &["--upstream-ca", &other]), "upstream-certificate-untrusted");
    let named = proxy(&other, &["--upstream-ca", &other, "--upstream-ca", &site.ca]);
    drop(client::connect(named.address()));
}

#[test]
fn upstream_handshakes_resume() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let mut config = (*site.upstream_config()).clone();
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    let config = Arc::new(config);
    let ringway = site.upstream(upstream.address(), &["--cpus", "0"]);
    for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
        let (client, server, _) = switch(Peer::connect(ringway.address()), || upstream.accept_tls(&config));
        assert_eq!(server.stream.session.handshake_kind(), Some(kind));
        drop((client, server));
    }
}

#[test]
fn a_client_that_leaves_during_the_upstreams_handshake_leaves_nothing_behind() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.upstream(upstream.address(), &[]);
    for _ in 0..5 {
        let peer = ask(&ringway);
        let server = upstream.accept();
        peer.reset();
        let mut wire: TcpStream = server.stream;
        let mut rest = Vec::new();
        let _ = wire.read_to_end(&mut rest);
        is_tls_alone(&rest);
        let _ = wire.write_all(b"too late");
    }
}

#[test]
fn options_that_do_not_fit_are_said_at_once() {
    let site = Site::new();
    let target: SocketAddr = ([127, 0, 0, 1], 9).into();
    let (wss, ws) = (format!("wss://{target}"), format!("ws://{target}"));
    let missing = site.folder.path("missing.pem");
    let garbage = site.folder.write("garbage.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let (foreign, _) = Authority::new().server(&["other.test"]).write(&site.folder, "foreign");
    for (url, options, says) in [
        (&ws, &["--tls-cert", site.certificate.as_str()][..], "--tls-key"),
        (&ws, &["--tls-cert", &missing, "--tls-key", &site.key], "missing.pem"),
        (&ws, &["--tls-cert", &garbage, "--tls-key", &site.key], "garbage.pem"),
        (&ws, &["--tls-cert", &foreign, "--tls-key", &site.key], "--tls-key"),
        (&ws, &["--tls-cert", &site.key, "--tls-key", &site.certificate], "--tls-cert"),
        (&ws, &["--tls-cert", &site.certificate, "--tls-key", &site.key, "--client-ca", &missing], "--client-ca"),
        (&ws, &["--tls-cert", &site.certificate, "--tls-key", &site.key, "--client-ca", &site.key], "--client-ca"),
        (&ws, &["--tls-cert", &site.certificate, "--tls-key", &site.key, "--client-cert", "required"], "--client-ca"),
        (&ws, &["--client-ca", &site.ca], "--tls-cert"),
        (&wss, &["--upstream-ca", &missing], "--upstream-ca"),
        (&wss, &["--upstream-ca", &garbage], "--upstream-ca"),
        (&wss, &["--upstream-cert", &site.certificate], "--upstream-key"),
        (&ws, &["--upstream-ca", &site.ca], "--upstream-ca"),
        (&ws, &["--upstream-insecure-skip-verify"], "--upstream-insecure-skip-verify"),
    ] {
        let arguments = [&["proxy", "--listen", "127.0.0.1:0", "--target", url], options].concat();
        let (code, out, errors) = crate::harness::process::run_briefly(&arguments);
        assert!(matches!(code, 1..=3), "{options:?} is taken: {code} {out} {errors}");
        assert!(errors.contains(says), "{options:?}: {errors}");
        assert!(!out.contains("listening"), "{options:?}");
        assert!(!errors.contains("PRIVATE"), "a key is in the log");
    }
}

/// TLS tells a body's end from its being cut off, wherever the body has no end of its own.
#[test]
fn a5_an_answer_whose_body_was_cut_off_is_not_passed_on_as_whole() {
    let (site, upstream) = (Site::new(), Upstream::listen());
    let ringway = site.upstream(upstream.address(), &[]);
    for (length, is_whole_once_told) in
        [("", true), ("Content-Length: 400\r\n", false), ("Transfer-Encoding: chunked\r\n", false)]
    {
        for is_told in [true, false] {
            let mut peer = ask(&ringway);
            let mut server = upstream.accept_tls(&site.upstream_config());
            server.head();
            // A chunk of four bytes, without the last chunk, or four bytes of 400 or of as many as come.
            server.send(format!("HTTP/1.1 401 No\r\n{length}\r\n4\r\ncut \r\n").as_bytes());
            if is_told {
                server.finish_tls();
            } else {
                server.finish();
            }
            let (answer, _) = peer.rest();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 401 No\r\n") && answer.contains("cut "), "{length}: {answer}");
            // Every answer that announces fewer bytes than 400 is in chunks, and the last of them is empty.
            let is_whole = answer.ends_with("\r\n0\r\n\r\n");
            assert_eq!(is_whole, is_told && is_whole_once_told, "{length}: {answer}");
            assert!(
                answer.contains("Transfer-Encoding: chunked") || answer.contains("Content-Length: 400"),
                "{answer}"
            );
        }
    }
}
