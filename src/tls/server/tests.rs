//! Tests of the configuration of a server.

use std::sync::Arc;

use rustls::{ClientConfig, HandshakeKind, ServerConfig};

use super::{ClientCertificates, ServerTls};
use crate::tls::client::{ClientFiles, ClientTls, Trust};
use crate::tls::pem::PemFile;
use crate::tls::testing::{Authority, Ends, Folder, Pair, params, shake};

struct Files(Folder);

impl Files {
    fn new() -> Self {
        Self(Folder::new())
    }

    fn pair(&self, name: &str, pair: &Pair) -> (std::path::PathBuf, std::path::PathBuf) {
        (self.0.write(&format!("{name}.pem"), &pair.certificate), self.0.write(&format!("{name}.key"), &pair.key))
    }

    fn ca(&self, text: &str) -> PemFile {
        PemFile::new("--client-ca", self.0.write("ca.pem", text))
    }
}

fn anyone() -> Arc<ClientConfig> {
    ClientTls::load(&ClientFiles { trust: Trust::Insecure, identity: None }).unwrap().for_shard()
}

fn with(files: &Files, pair: &Pair) -> Arc<ClientConfig> {
    let (certificate, key) = files.pair("client", pair);
    let identity = Some((PemFile::new("--upstream-cert", certificate), PemFile::new("--upstream-key", key)));
    ClientTls::load(&ClientFiles { trust: Trust::Insecure, identity }).unwrap().for_shard()
}

fn shown(server: &Arc<ServerConfig>, name: &str) -> Vec<u8> {
    let Ends { client, .. } = shake(server, &anyone(), name).unwrap();
    client.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_client_is_shown_the_certificate_for_the_name_it_asks_for_or_the_first() {
    let (files, authority) = (Files::new(), Authority::new("ca"));
    let names: [&[&str]; 3] = [&["first.test"], &["*.wild.test", "Exact.Test"], &["more.wild.test"]];
    let leaves = names.map(|names| authority.leaf(names));
    let pairs: Vec<_> = ["a", "b", "c"].iter().zip(&leaves).map(|(name, leaf)| files.pair(name, leaf)).collect();
    let served = ServerTls::new(pairs, ClientCertificates::Off).load(None).unwrap();
    let of = |index: usize| {
        let file = PemFile::new("", "");
        file.certificates(leaves[index].certificate.as_bytes()).unwrap()[0].to_vec()
    };
    for (asked, index) in [
        ("first.test", 0),
        ("unknown.test", 0),
        ("127.0.0.1", 0),
        ("exact.test", 1),
        ("EXACT.test", 1),
        ("any.wild.test", 1),
        ("more.wild.test", 2),
        ("two.labels.wild.test", 0),
        ("wild.test", 0),
    ] {
        assert!(shown(&served.config, asked) == of(index), "{asked}");
    }
    assert_eq!(served.certificates.len(), 3);
}

#[test]
fn of_two_keys_for_one_name_a_client_gets_the_one_it_can_use() {
    let (files, authority) = (Files::new(), Authority::new("ca"));
    let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let odd = authority.sign_with(&params(&["a.test"]), &ed25519);
    let usual = authority.leaf(&["a.test"]);
    let pairs = vec![files.pair("odd", &odd), files.pair("usual", &usual)];
    let served = ServerTls::new(pairs, ClientCertificates::Off).load(None).unwrap();
    // A client without Ed25519.
    let mut provider = crate::tls::provider().as_ref().clone();
    let all = provider.signature_verification_algorithms;
    let known: Vec<_> =
        all.mapping.iter().copied().filter(|(scheme, _)| *scheme != rustls::SignatureScheme::ED25519).collect();
    provider.signature_verification_algorithms =
        rustls::crypto::WebPkiSupportedAlgorithms { all: all.all, mapping: known.leak() };
    let provider = Arc::new(provider);
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(crate::tls::insecure::AcceptAnyCertificate(provider)))
        .with_no_client_auth();
    for name in ["a.test", "127.0.0.1"] {
        assert!(shake(&served.config, &Arc::new(client.clone()), name).is_ok(), "{name}");
    }
}

#[test]
fn client_certificates_are_asked_for_as_configured_and_an_invalid_one_is_refused() {
    let (files, ours, theirs) = (Files::new(), Authority::new("ours"), Authority::new("theirs"));
    let pair = files.pair("server", &ours.leaf(&["a.test"]));
    let ca = files.ca(&ours.certificate);
    let (right, wrong) = (with(&files, &ours.named("right")), with(&files, &theirs.named("wrong")));
    for (mode, none, other) in [
        (ClientCertificates::Off, true, true),
        (ClientCertificates::Optional(ca.clone()), true, false),
        (ClientCertificates::Required(ca), false, false),
    ] {
        let is_asked = mode != ClientCertificates::Off;
        let served = ServerTls::new(vec![pair.clone()], mode).load(None).unwrap();
        assert_eq!(shake(&served.config, &anyone(), "a.test").is_ok(), none);
        assert_eq!(shake(&served.config, &wrong, "a.test").is_ok(), other);
        let ends = shake(&served.config, &right, "a.test").unwrap();
        assert_eq!(ends.server.peer_certificates().is_some(), is_asked);
    }
}

#[test]
fn a_ticket_survives_a_reload_with_the_identity_it_stands_for_but_not_a_change_of_authorities() {
    let (files, ours, theirs) = (Files::new(), Authority::new("ours"), Authority::new("theirs"));
    let pair = files.pair("server", &ours.leaf(&["a.test"]));
    let tls = ServerTls::new(vec![pair], ClientCertificates::Required(files.ca(&ours.certificate)));
    let client = with(&files, &ours.named("right"));
    let first = tls.load(None).unwrap();
    let kind = |server| shake(server, &client, "a.test").map(|ends| ends.server.handshake_kind().unwrap());
    assert_eq!(kind(&first.config), Ok(HandshakeKind::Full));
    files.pair("server", &ours.leaf(&["a.test"]));
    let second = tls.load(Some(&first)).unwrap();
    let ends = shake(&second.config, &client, "a.test").unwrap();
    assert_eq!(ends.server.handshake_kind(), Some(HandshakeKind::Resumed));
    assert_eq!(ends.server.peer_certificates().map(<[_]>::len), Some(1));
    files.ca(&theirs.certificate);
    let third = tls.load(Some(&second)).unwrap();
    assert!(kind(&third.config).is_err(), "an authority that is trusted no more speaks through a ticket");
    // A second certificate that changes no trust.
    files.ca(&[theirs.certificate.clone(), "# a comment\n".to_owned()].concat());
    let fourth = tls.load(Some(&third)).unwrap();
    assert!(Arc::ptr_eq(&third.tickets, &fourth.tickets));
}

#[test]
fn tickets_of_tls_1_2_are_taken_too_and_nothing_is_kept() {
    let (files, authority) = (Files::new(), Authority::new("ca"));
    let pair = files.pair("server", &authority.leaf(&["a.test"]));
    let served = ServerTls::new(vec![pair], ClientCertificates::Off).load(None).unwrap();
    assert!(!served.config.session_storage.can_cache());
    let provider = crate::tls::provider();
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(crate::tls::insecure::AcceptAnyCertificate(provider)))
        .with_no_client_auth();
    let client = Arc::new(client);
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let ends = shake(&served.config, &client, "a.test").unwrap();
        assert_eq!(ends.client.handshake_kind(), Some(expected));
    }
}

#[test]
fn a_bad_file_is_named_and_no_configuration_comes_of_it() {
    let (files, authority) = (Files::new(), Authority::new("ca"));
    let (good, other) = (authority.leaf(&["a.test"]), authority.leaf(&["b.test"]));
    let nameless = authority.named("nameless");
    let error = |pairs: &[&Pair], clients: ClientCertificates| {
        let pairs = pairs.iter().enumerate().map(|(index, pair)| files.pair(&index.to_string(), pair)).collect();
        ServerTls::new(pairs, clients).load(None).map(|_| ()).unwrap_err().to_string()
    };
    let mixed = Pair { certificate: good.certificate.clone(), key: other.key.clone() };
    let swapped = Pair { certificate: good.key.clone(), key: good.certificate.clone() };
    let empty_ca = ClientCertificates::Required(files.ca(""));
    for (error, option, says) in [
        (error(&[&mixed], ClientCertificates::Off), "--tls-key", "does not belong to the certificate"),
        (error(&[&swapped], ClientCertificates::Off), "--tls-cert", "but a private key"),
        (error(&[&good, &nameless], ClientCertificates::Off), "--tls-cert", "no DNS name"),
        (error(&[&good], empty_ca), "--client-ca", "it is empty"),
        (
            error(&[&good], ClientCertificates::Optional(PemFile::new("--client-ca", "/nowhere"))),
            "--client-ca /nowhere",
            "no such file",
        ),
    ] {
        assert!(error.starts_with(option) && error.contains(says), "{error}");
    }
}

#[test]
fn a3_the_certificate_that_a_name_gets_covers_its_own_names_and_addresses() {
    let (files, authority) = (Files::new(), Authority::new("ca"));
    let pair = |name: &str, names: &[&str]| files.pair(name, &authority.leaf(names));
    let pairs = vec![pair("a", &["first.test", "127.0.0.1"]), pair("b", &["*.wild.test", "both.test"])];
    let names = ServerTls::new(pairs, ClientCertificates::Off).load(None).unwrap().names;
    let covers = |asked, host| names.covers(asked, crate::proto::authority::Authority::parse(host).unwrap());
    for (asked, host, is) in [
        ("first.test", "127.0.0.1:8443", true),
        ("FIRST.test", "first.test.", true),
        ("first.test", "both.test", false),
        ("one.wild.test", "Both.Test:1", true),
        ("one.wild.test", "other.wild.test", true),
        ("one.wild.test", "a.b.wild.test", false),
        ("one.wild.test", "first.test", false),
        // An unknown name gets the first.
        ("unknown.test", "first.test", true),
        ("unknown.test", "both.test", false),
        ("unknown.test", "unknown.test", false),
    ] {
        assert_eq!(covers(asked, host), is, "{asked} {host}");
    }
}

/// The lengths of the records in a stream, without their headers.
fn records(mut stream: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = stream {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        lengths.push(length);
        stream = &rest[length..];
    }
    lengths
}

#[test]
fn a12_no_record_has_more_plaintext_than_the_option_says() {
    use std::io::Write;
    let (files, authority) = (Files::new(), Authority::new("ca"));
    let pairs = vec![files.pair("a", &authority.leaf(&["a.test"]))];
    let longest = |max: Option<u16>| {
        let tls = ServerTls::new(pairs.clone(), ClientCertificates::Off).with_max_record(max);
        let mut ends = shake(&tls.load(None).unwrap().config, &anyone(), "a.test").unwrap();
        ends.server.writer().write_all(&[7; 40_000]).unwrap();
        let mut stream = Vec::new();
        while ends.server.wants_write() {
            ends.server.write_tls(&mut stream).unwrap();
        }
        records(&stream).into_iter().max()
    };
    // TLS 1.3 adds the type of the content and a tag of 16 bytes.
    for max in [512, 1024, 4096] {
        assert_eq!(longest(Some(max)), Some(usize::from(max) + 17));
    }
    assert_eq!(longest(Some(16_384)), longest(None));
}
