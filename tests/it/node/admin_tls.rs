//! TLS on the admin listener: clients find it and verify it, and certificates change without a restart.

use rustls::pki_types::CertificateDer;

use crate::harness::admin::raw;
use crate::harness::node::{Home, Node, USUAL};
use crate::harness::pki::{Authority, Folder, Pair};
use crate::harness::process::run;
use crate::harness::secure::{self, client_config};
use crate::harness::{peer, until};

/// A node whose admin listener has a certificate, and where its files are.
struct Site {
    authority: Authority,
    folder: Folder,
    ca: String,
    home: Home,
}

impl Site {
    fn new(names: &[&str]) -> Self {
        let (authority, folder, home) = (Authority::new(), Folder::new(), Home::new(USUAL));
        let (certificate, key) = authority.server(names).write(&folder, "admin");
        home.configure_admin(&format!("tls = [{{ cert = \"{certificate}\", key = \"{key}\" }}]"), USUAL);
        let ca = folder.write("ca.pem", &authority.pem());
        Self { authority, folder, ca, home }
    }

    /// The certificate that a new connection gets.
    #[track_caller]
    fn shown(&self, node: &Node) -> CertificateDer<'static> {
        let peer = secure::connect(node.admin.address(), "localhost", secure::trusting_anyone());
        peer.stream.session.peer_certificates().unwrap()[0].clone()
    }

    fn replace(&self, pair: &Pair) {
        for (name, text) in [("admin.pem", &pair.certificate_pem), ("admin-key.pem", &pair.key.serialize_pem())] {
            std::fs::rename(self.folder.write("new", text), self.folder.path(name)).unwrap();
        }
    }
}

#[test]
fn commands_find_a_node_that_speaks_tls_and_verify_it() {
    for names in [&["localhost", "127.0.0.1"][..], &["node.example.com"], &["*.example.com"]] {
        let site = Site::new(names);
        let node = site.home.start();
        assert!(node.announced().contains("admin API: https://127.0.0.1:"), "{}", node.announced());
        let (code, stdout, stderr) = site.home.run(&["status", "--admin-ca", &site.ca]);
        assert_eq!(code, 0, "{names:?}: {stderr}");
        assert!(stdout.contains("admin API     https://"), "{stdout}");
        let (code, _, stderr) = site.home.run(&["status"]);
        assert!(code == 1 && stderr.contains("certificate"), "the host does not trust it: {stderr}");
    }
}

#[test]
fn a_command_verifies_the_name_that_it_was_given() {
    let site = Site::new(&["localhost"]);
    let node = site.home.start();
    let token = site.home.file("admin-token").display().to_string();
    let ask = |host: &str, ca: &str| {
        let url = format!("https://{host}:{}", node.admin.address().port());
        run(&["env", "list", "--admin", &url, "--token-file", &token, "--admin-ca", ca])
    };
    let (code, stdout, stderr) = ask("localhost", &site.ca);
    assert!(code == 0 && stdout.contains("production"), "{stderr}");
    let (code, _, stderr) = ask("127.0.0.1", &site.ca);
    assert!(code == 1 && stderr.contains("certificate"), "{stderr}");
    let other = site.folder.write("other.pem", &Authority::new().pem());
    let (code, _, stderr) = ask("localhost", &other);
    assert!(code == 1 && stderr.contains("certificate"), "{stderr}");
}

#[test]
fn plain_text_is_answered_in_plain_text_and_gets_no_further() {
    let site = Site::new(&["localhost"]);
    let node = site.home.start();
    let token = node.admin.token();
    let asks = format!(
        "GET /api/v1/apis HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    raw(node.admin.address(), &asks).refused(400, "tls-expected");
    let mut peer = secure::connect(node.admin.address(), "localhost", client_config(&site.authority));
    peer.send(asks.as_bytes());
    let head = peer.head();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(peer::header(&head, "content-type"), Some("application/json"));
    assert!(!node.log().contains("plain HTTP"), "{}", node.log());
}

#[test]
fn another_certificate_is_served_once_its_files_have_changed() {
    let site = Site::new(&["localhost"]);
    let node = site.home.start();
    for by_signal in [false, true] {
        let next = site.authority.server(&["localhost"]);
        site.replace(&next);
        if by_signal {
            node.signal(libc::SIGHUP);
        }
        until("the new certificate is shown", || (site.shown(&node) == next.certificate).then_some(()));
    }
    std::fs::write(site.folder.path("admin.pem"), "no certificate").unwrap();
    let line = node.logged("certificates were not reloaded: the old ones stay");
    assert!(line.contains("admin"), "{line}");
    site.shown(&node);
    node.stop();
}

#[test]
fn a_certificate_that_cannot_be_used_keeps_the_node_from_starting() {
    let site = Site::new(&["localhost"]);
    std::fs::write(site.folder.path("admin-key.pem"), "no key").unwrap();
    let Err((code, log)) = site.home.try_start() else { panic!("it serves") };
    assert!(code == Some(3) && log.contains("admin.tls") && log.contains("admin-key.pem"), "{log}");
}
