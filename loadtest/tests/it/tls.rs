//! TLS to the target: what is agreed on, what is resumed, and what is said when it fails. The other end is rustls on a
//! thread for each connection; nginx and the others are met in `bench_peers`.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

use ringway_load::bench::downstream::Certificate;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tungstenite::Message;

use crate::harness::{Done, Folder, Server, run, unlimited};

/// A server's files, and what it goes by.
struct Identity {
    folder: Folder,
    config: Arc<ServerConfig>,
}

impl Identity {
    fn new() -> Self {
        let folder = Folder::new();
        Certificate::new().unwrap().write(folder.path()).unwrap();
        let chain = CertificateDer::pem_file_iter(folder.file("cert.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(folder.file("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
        Self { folder, config: Arc::new(config) }
    }

    fn echo(&self) -> Server {
        self.serving(|mut stream| {
            let Ok(mut socket) = tungstenite::accept_with_config(&mut stream, Some(unlimited())) else { return };
            while let Ok(message) = socket.read() {
                if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).is_err() {
                    break;
                }
            }
            stream.conn.send_close_notify();
            let _ = stream.flush();
        })
    }

    fn serving(&self, serve: impl Fn(StreamOwned<ServerConnection, TcpStream>) + Send + Sync + 'static) -> Server {
        let config = Arc::clone(&self.config);
        Server::start(move |_, stream| {
            serve(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream));
        })
    }

    /// Runs a scenario against a server of this identity.
    #[track_caller]
    fn run(&self, server: &Server, scenario: &str, options: &[&str]) -> Done {
        let (url, ca) = (format!("wss://{}/", server.address()), self.folder.file("ca.pem"));
        let fixed = [scenario, "--url", &url, "--tls-ca", &ca, "--json", "-", "--no-progress", "--sleep"];
        run(&[&fixed[..], options].concat())
    }
}

/// Handshakes of a report: full ones, and resumed ones.
fn kinds(done: &Done) -> (u64, u64) {
    let report = done.report();
    let all = report.0["tls"].as_array().cloned().unwrap_or_default();
    let count = |resumed: bool| {
        all.iter().filter(|one| one["resumed"] == resumed).map(|one| one["count"].as_u64().unwrap()).sum()
    };
    (count(false), count(true))
}

#[test]
fn messages_come_back_through_tls_and_the_report_says_what_was_agreed_on() {
    let identity = Identity::new();
    let server = identity.echo();
    for size in ["64", "300000"] {
        let options = ["--connections", "4", "--duration", "300ms", "--warmup", "off", "--size", size];
        let done = identity.run(&server, "echo", &options);
        let report = done.report();
        assert!(report.messages("received") > 0, "{report}");
        assert_eq!((report.messages("mismatched"), report.messages("lost")), (0, 0), "{report}");
        let (full, resumed) = kinds(&done);
        assert_eq!(full + resumed, 4, "{report}");
        for one in report.0["tls"].as_array().unwrap() {
            assert_eq!((one["version"].as_str(), one["group"].as_str()), (Some("TLSv1.3"), Some("X25519")), "{one}");
        }
    }
}

#[test]
fn the_suite_and_group_asked_for_are_the_only_ones_offered() {
    let identity = Identity::new();
    let server = identity.echo();
    let options = ["--duration", "100ms", "--warmup", "off", "--tls-suite", "TLS_CHACHA20_POLY1305_SHA256"];
    let more = ["--tls-group", "secp384r1", "--tls-resume", "off"];
    let done = identity.run(&server, "echo", &[&options[..], &more[..]].concat());
    let report = done.report();
    let agreed = &report.0["tls"][0];
    assert_eq!(agreed["suite"], "TLS_CHACHA20_POLY1305_SHA256", "{report}");
    assert_eq!(agreed["group"], "secp384r1", "{report}");
    let done = identity.run(&server, "echo", &["--tls-suite", "TLS_NULL"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("TLS_AES_128_GCM_SHA256"), "{done:?}");
}

#[test]
fn a_storm_resumes_every_session_but_the_first_and_none_if_so_asked() {
    let identity = Identity::new();
    let server = identity.echo();
    let storm = ["--cpus", "0", "--duration", "300ms", "--warmup", "off", "--close", "reset"];
    let done = identity.run(&server, "storm", &storm);
    let (full, resumed) = kinds(&done);
    assert_eq!(full, 1, "{done:?}");
    assert!(resumed > 3, "{done:?}");
    let done = identity.run(&server, "storm", &[&storm[..], &["--tls-resume", "off"]].concat());
    let (full, resumed) = kinds(&done);
    assert!(full > 3 && resumed == 0, "{done:?}");
}

#[test]
fn a_certificate_of_another_authority_ends_it_in_one_line_that_says_what_to_do() {
    let (identity, other) = (Identity::new(), Identity::new());
    let server = identity.echo();
    let done = other.run(&server, "echo", &[]);
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    for word in [&format!("wss://{}", server.address()), "certificate-untrusted", "--tls-ca FILE"] {
        assert!(done.stderr.contains(word), "{word}: {done:?}");
    }
}

#[test]
fn a_server_without_tls_is_told_and_a_missing_file_is_named() {
    let plain = Server::start(|_, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        crate::harness::swallow(&mut stream);
    });
    let identity = Identity::new();
    let done = identity.run(&plain, "echo", &[]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("not-tls") && done.stderr.contains("ws://"), "{done:?}");
    let url = format!("wss://{}/", plain.address());
    let done = run(&["echo", "--url", &url, "--tls-ca", "/nowhere/ca.pem"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.stderr.contains("--tls-ca /nowhere/ca.pem"), "{done:?}");
    let done = run(&["echo", "--url", "ws://127.0.0.1:1/", "--tls-ca", &identity.folder.file("ca.pem")]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.stderr.contains("wss://"), "{done:?}");
}

#[test]
fn a_connection_that_is_cut_without_a_word_of_tls_is_counted_as_such() {
    let identity = Identity::new();
    let server = identity.serving(|mut stream| {
        if let Ok(mut socket) = tungstenite::accept(&mut stream) {
            let _ = socket.read();
        }
        // The socket ends here, without a close frame and without close_notify.
    });
    let done = identity.run(&server, "echo", &["--duration", "300ms", "--warmup", "off", "--grace", "100ms"]);
    let report = done.report();
    assert_eq!(done.code, 1, "{report}");
    assert_eq!(report.errors().get("tls-truncated"), Some(&1), "{report}");
}
