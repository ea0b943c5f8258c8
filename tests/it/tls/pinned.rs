//! Certificates as `openssl req -x509` makes them, named by the options that name authorities.

use std::process::Command;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::harness::pki::{Authority, Folder};
use crate::harness::process::run;
use crate::harness::site::{NAME, Site, UPSTREAM, switch};
use crate::harness::{Peer, Ringway, Upstream, client, secure};

/// A certificate and its key by openssl: the files.
fn by_openssl(folder: &Folder, name: &str, host: &str, more: &[&str]) -> (String, String) {
    let (certificate, key) = (folder.path(&format!("{name}.pem")), folder.path(&format!("{name}.key")));
    let alternative = format!("subjectAltName=DNS:{host}");
    let subject = format!("/CN={host}");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "90",
            "-subj",
            &subject,
            "-addext",
            &alternative,
        ])
        .args(["-keyout", &key, "-out", &certificate])
        .args(more)
        .output()
        .expect("openssl is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

fn server_config(certificate: &str, key: &str) -> Arc<rustls::ServerConfig> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(secure::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// `ringway proxy` to an upstream with this certificate, trusting `ca` and asking for a name.
fn proxy(upstream: &Upstream, ca: &str, name: &str) -> Ringway {
    let url = format!("wss://{}", upstream.address());
    let options = ["--upstream-ca", ca, "--upstream-server-name", name];
    Ringway::proxy_to(&url, Some(upstream.address()), &options)
}

/// The answer to a client whose upstream is refused.
fn refused(ringway: &Ringway, upstream: &Upstream, config: &Arc<rustls::ServerConfig>) -> String {
    let mut peer = Peer::connect(ringway.address());
    peer.send(client::handshake("/", "").as_bytes());
    let mut tls = secure::Tls::server(upstream.accept().stream, Arc::clone(config));
    assert!(tls.shake_hands().is_err());
    String::from_utf8(peer.rest().0).unwrap()
}

#[test]
fn a11_an_upstream_with_the_certificate_that_was_named_is_taken() {
    let folder = Folder::new();
    for more in [&[][..], &["-addext", "basicConstraints=critical,CA:FALSE"]] {
        let (certificate, key) = by_openssl(&folder, "own", UPSTREAM, more);
        let config = server_config(&certificate, &key);
        let upstream = Upstream::listen();
        let ringway = proxy(&upstream, &certificate, UPSTREAM);
        let (mut client, mut server, _) = switch(Peer::connect(ringway.address()), || upstream.accept_tls(&config));
        client.say("up");
        server.hears("up");
        drop((client, server));
        ringway.keep(upstream);

        let upstream = Upstream::listen();
        let ringway = proxy(&upstream, &certificate, "another.test");
        let answer = refused(&ringway, &upstream, &config);
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("upstream-certificate"), "{answer}");
    }
    // Another certificate for the same name is not the one that was named.
    let (certificate, key) = by_openssl(&folder, "own", UPSTREAM, &[]);
    let (other, _) = by_openssl(&folder, "other", UPSTREAM, &[]);
    let upstream = Upstream::listen();
    let ringway = proxy(&upstream, &other, UPSTREAM);
    let answer = refused(&ringway, &upstream, &server_config(&certificate, &key));
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("upstream-certificate"), "{answer}");
}

#[test]
fn a11_a_client_with_the_certificate_that_was_named_is_taken() {
    let site = Site::new();
    let (certificate, key) = by_openssl(&site.folder, "client", "client.test", &[]);
    let upstream = Upstream::listen();
    let ringway = site.downstream(upstream.address(), &["--client-ca", &certificate]);
    let chain = CertificateDer::pem_file_iter(&certificate).unwrap().map(Result::unwrap).collect();
    let config = rustls::ClientConfig::builder_with_provider(secure::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(site.authority.roots())
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&key).unwrap())
        .unwrap();
    let client = secure::connect(ringway.address(), NAME, config);
    let (_client, _server, request) = switch(client, || upstream.accept());
    assert!(request.to_ascii_lowercase().contains("ringway-client-subject: cn=client.test"), "{request}");
    ringway.keep(upstream);
}

#[test]
fn a11_ws_takes_the_certificate_that_was_named_and_says_how_to_make_a_good_one() {
    let folder = Folder::new();
    let (certificate, key) = by_openssl(&folder, "own", "localhost", &[]);
    let ringway = Ringway::echo(&["--tls-cert", &certificate, "--tls-key", &key]);
    let url = format!("wss://localhost:{}/", ringway.address().port());
    let (code, _, errors) = run(&["ws", &url, "--tls-ca", &certificate]);
    assert_eq!(code, 0, "{errors}");
    // An authority that the named one has signed is neither.
    let authority = Authority::new();
    let ca = folder.write("ca.pem", &authority.pem());
    let (code, _, errors) = run(&["ws", &url, "--tls-ca", &ca]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("certificate-"), "{errors}");
}
