//! Certificates change under the real process: who comes next gets the new ones, and who is there is not touched.

use std::os::unix::fs::symlink;

use rustls::pki_types::CertificateDer;
use tungstenite::WebSocket;

use crate::harness::pki::Authority;
use crate::harness::process::two_cpus;
use crate::harness::secure::{self, Tls, client_config};
use crate::harness::site::{NAME, Site};
use crate::harness::{EchoServer, Ringway, until};

/// The certificate that a new connection gets.
#[track_caller]
fn shown(ringway: &Ringway) -> CertificateDer<'static> {
    let peer = secure::connect(ringway.address(), NAME, secure::trusting_anyone());
    peer.stream.session.peer_certificates().unwrap()[0].clone()
}

#[track_caller]
fn echoes(socket: &mut WebSocket<Tls>, text: &str) {
    socket.send(text.into()).unwrap();
    assert_eq!(socket.read().unwrap(), text.into());
}

/// Moves a file over another, as a tool that renews certificates does it.
fn replace(site: &Site, path: &str, text: &str) {
    std::fs::rename(site.folder.write("new", text), path).unwrap();
}

#[test]
fn a_new_certificate_is_shown_to_who_comes_next_and_an_open_websocket_goes_on() {
    let (site, server) = (Site::new(), EchoServer::start());
    // Each shard is told.
    let ringway = site.downstream(server.address(), &["--cpus", two_cpus()]);
    let mut held: Vec<_> =
        (0..6).map(|_| secure::websocket(ringway.address(), NAME, client_config(&site.authority))).collect();
    held.iter_mut().for_each(|socket| echoes(socket, "before"));
    for by_signal in [false, true] {
        let next = site.authority.server(&[NAME]);
        replace(&site, &site.certificate, &next.certificate_pem);
        replace(&site, &site.key, &next.key.serialize_pem());
        if by_signal {
            ringway.signal(libc::SIGHUP);
        }
        // Connections go to either shard: several in a row show the new one.
        until("the new certificate is shown", || (0..8).all(|_| shown(&ringway) == next.certificate).then_some(()));
        held.iter_mut().for_each(|socket| echoes(socket, "after"));
    }
}

#[test]
fn sighup_without_a_change_does_no_harm() {
    let (site, server) = (Site::new(), EchoServer::start());
    let ringway = site.downstream(server.address(), &[]);
    let before = shown(&ringway);
    let mut held = secure::websocket(ringway.address(), NAME, client_config(&site.authority));
    for _ in 0..5 {
        ringway.signal(libc::SIGHUP);
        echoes(&mut held, "still here");
        assert_eq!(shown(&ringway), before);
    }
    assert!(!ringway.has_ended());
}

#[test]
fn sighup_does_not_end_a_proxy_that_has_no_certificate() {
    let server = EchoServer::start();
    let ringway = Ringway::proxy(server.address(), &[]);
    let mut socket = crate::harness::client::connect(ringway.address());
    ringway.signal(libc::SIGHUP);
    socket.send("still here".into()).unwrap();
    assert_eq!(socket.read().unwrap(), "still here".into());
    assert!(!ringway.has_ended());
}

#[test]
fn a_bad_file_keeps_the_old_certificate_and_says_so_once() {
    let (site, server) = (Site::new(), EchoServer::start());
    let ringway = site.downstream(server.address(), &[]);
    let before = shown(&ringway);
    let mut held = secure::websocket(ringway.address(), NAME, client_config(&site.authority));
    let foreign = Authority::new().server(&[NAME]);
    let bad = [
        ("no certificate", "no certificate at all\n".to_owned()),
        // The certificate of another key.
        ("another key", foreign.certificate_pem),
        ("nothing", String::new()),
    ];
    for (what, text) in &bad {
        let (lines, _) = complaints(&ringway);
        replace(&site, &site.certificate, text);
        ringway.signal(libc::SIGHUP);
        until(&format!("{what} is complained of"), || (complaints(&ringway).0 > lines).then_some(()));
        assert_eq!(shown(&ringway), before, "{what}");
        echoes(&mut held, what);
    }
    // A while later, watched all along, it has not been said again.
    let (_, said) = complaints(&ringway);
    let begun = std::time::Instant::now();
    until("a few seconds are over", || (begun.elapsed().as_secs() >= 5).then_some(()));
    assert_eq!(complaints(&ringway).1, said, "the same is said over and over");
    assert!(!ringway.log().contains("BEGIN"), "a file's contents are in the log");
    // And a right one ends it.
    let next = site.authority.server(&[NAME]);
    replace(&site, &site.certificate, &next.certificate_pem);
    replace(&site, &site.key, &next.key.serialize_pem());
    until("the new certificate is shown", || (shown(&ringway) == next.certificate).then_some(()));
    echoes(&mut held, "after all of it");
}

/// How many lines of the log name the certificate's file or its key's as bad, and those lines.
fn complaints(ringway: &Ringway) -> (usize, String) {
    let log = ringway.log();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| (line.contains("WARN") || line.contains("ERROR")) && line.contains("--tls-"))
        .collect();
    (lines.len(), lines.join("\n"))
}

#[test]
fn a_symbolic_link_that_is_swapped_is_a_change() {
    let (site, server) = (Site::new(), EchoServer::start());
    let (one, other) = (site.authority.server(&[NAME]), site.authority.server(&[NAME]));
    for (name, pair) in [("one", &one), ("other", &other)] {
        std::fs::create_dir(site.folder.path(name)).unwrap();
        pair.write(&site.folder, &format!("{name}/tls"));
    }
    // As orchestrators mount secrets: the folder is a link, and files are named through it.
    let link = site.folder.path("current");
    symlink("one", &link).unwrap();
    let (certificate, key) = (format!("{link}/tls.pem"), format!("{link}/tls-key.pem"));
    let ringway = Ringway::proxy(server.address(), &["--tls-cert", &certificate, "--tls-key", &key]);
    assert_eq!(shown(&ringway), one.certificate);
    let fresh = site.folder.path("fresh");
    symlink("other", &fresh).unwrap();
    std::fs::rename(&fresh, &link).unwrap();
    until("the other certificate is shown", || (shown(&ringway) == other.certificate).then_some(()));
}

#[test]
fn a_certificate_authority_that_is_replaced_lets_in_its_own_only() {
    let (site, server) = (Site::new(), EchoServer::start());
    let ringway = site.downstream(server.address(), &["--client-ca", &site.ca]);
    let other = Authority::new();
    let (old, new) = (site.authority.client("old"), other.client("new"));
    let is_let_in = |pair| {
        let config = secure::client_config_with(&site.authority, pair);
        let peer = secure::connect(ringway.address(), NAME, config);
        let request = tungstenite::client::IntoClientRequest::into_client_request(format!("wss://{NAME}/")).unwrap();
        tungstenite::client(request, peer.stream).is_ok()
    };
    assert!(is_let_in(&old) && !is_let_in(&new));
    replace(&site, &site.ca, &other.pem());
    ringway.signal(libc::SIGHUP);
    until("the new authority's client is let in", || is_let_in(&new).then_some(()));
    until("the old authority's client is not", || (!is_let_in(&old)).then_some(()));
}
