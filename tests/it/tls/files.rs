//! Certificates as files, with the real program: what is wrong with them is said at the start, a change is taken while it
//! runs, and `ringway tls dev-cert` makes ones that do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringway::tls::certificate::Certificate;
use ringway::tls::client::{ClientFiles, ClientTls, Trust, server_name};
use ringway::tls::pem::PemFile;
use ringway::tls::server::{ClientCertificates, ServerTls};
use rustls::{ClientConnection, ServerConnection};

use crate::harness::Ringway;
use crate::harness::process::run;

/// A folder of a test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ringway-it-tls-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    /// The certificate and key of `dev-cert` in a folder below this one.
    fn dev_cert(&self, name: &str, names: &[&str]) -> (String, String) {
        let out = self.path(name);
        let (code, _, stderr) = run(&[&["tls", "dev-cert", "--out", &out], names].concat());
        assert_eq!(code, 0, "{stderr}");
        (format!("{out}/cert.pem"), format!("{out}/key.pem"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An option that ends the start by itself, later than certificates do: a file that is not refused does not hang its test.
const ENDS: [&str; 2] = ["--cpus", "999"];

fn copy(from: &str, to: &str) {
    fs::copy(from, to).unwrap();
}

#[test]
fn a_bad_file_ends_the_start_with_3_and_is_named() {
    let folder = Folder::new();
    let (cert, key) = folder.dev_cert("one", &[]);
    let (_, other_key) = folder.dev_cert("two", &[]);
    let (none, empty) = (folder.path("none.pem"), folder.write("empty.pem", ""));
    let half = folder.write("half.pem", fs::read_to_string(&cert).unwrap().split("-----END").next().unwrap());
    let broken = folder.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n");
    let listen = |options: &[&str]| run(&[&["echo", "--listen", "127.0.0.1:0"], &ENDS[..], options].concat());
    let tls = ["--tls-cert", cert.as_str(), "--tls-key", key.as_str()];
    let ca = |options: &[&str]| listen(&[&tls, options].concat());
    for ((code, stdout, stderr), says) in [
        (listen(&["--tls-cert", &none, "--tls-key", &key]), format!("--tls-cert {none}: there is no such file")),
        (listen(&["--tls-cert", &cert, "--tls-key", &none]), format!("--tls-key {none}: there is no such file")),
        (listen(&["--tls-cert", &empty, "--tls-key", &key]), "no certificate in it; it is empty".to_owned()),
        (listen(&["--tls-cert", &half, "--tls-key", &key]), "ends in the midst of a PEM section".to_owned()),
        (listen(&["--tls-cert", &key, "--tls-key", &cert]), "no certificate in it, but a private key".to_owned()),
        (listen(&["--tls-cert", &cert, "--tls-key", &cert]), "no private key in it, but a certificate".to_owned()),
        (
            listen(&["--tls-cert", &cert, "--tls-key", &other_key]),
            format!("does not belong to the certificate in {cert}"),
        ),
        (listen(&["--tls-cert", &cert]), "each certificate needs its key".to_owned()),
        (ca(&["--client-ca", &none]), format!("--client-ca {none}: there is no such file")),
        (ca(&["--client-ca", &empty]), format!("--client-ca {empty}: there is no certificate in it")),
        (ca(&["--client-ca", &empty, "--client-cert", "optional"]), "it is empty".to_owned()),
        (ca(&["--client-ca", &broken]), "certificate 1 in it cannot be used as an authority".to_owned()),
        (ca(&["--client-cert", "required"]), "--client-cert required needs --client-ca".to_owned()),
        (listen(&["--client-ca", &cert]), "--client-ca applies to TLS only".to_owned()),
    ] {
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        assert!(stderr.contains(&says), "{says:?} is not in {stderr:?}");
    }
}

#[test]
fn what_does_not_fit_the_target_ends_the_start_with_3_and_is_named() {
    let folder = Folder::new();
    let (cert, _) = folder.dev_cert("one", &[]);
    let (none, empty) = (folder.path("none.pem"), folder.write("empty.pem", ""));
    let proxy = |target: &str, options: &[&str]| {
        run(&[&["proxy", "--listen", "127.0.0.1:0", "--target", target], &ENDS[..], options].concat())
    };
    let (plain, tls) = ("http://127.0.0.1:9", "https://127.0.0.1:9");
    for ((code, stdout, stderr), says) in [
        (proxy(plain, &["--upstream-ca", &cert]), "--upstream-ca applies to TLS targets only".to_owned()),
        (proxy(plain, &["--upstream-insecure-skip-verify"]), "ws://127.0.0.1:9 is plain text".to_owned()),
        (proxy(tls, &["--upstream-ca", &none]), format!("--upstream-ca {none}: there is no such file")),
        (proxy(tls, &["--upstream-ca", &empty]), format!("--upstream-ca {empty}: there is no certificate in it")),
        (proxy(tls, &["--upstream-cert", &cert]), "--upstream-cert needs --upstream-key".to_owned()),
        (
            proxy(tls, &["--upstream-ca", &cert, "--upstream-cert", &cert, "--upstream-key", &cert]),
            format!("--upstream-key {cert}: there is no private key in it"),
        ),
        (
            proxy(tls, &["--upstream-ca", &cert, "--upstream-server-name", "a b"]),
            "--upstream-server-name: `a b`".to_owned(),
        ),
    ] {
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        assert!(stderr.contains(&says), "{says:?} is not in {stderr:?}");
    }
}

#[test]
fn a_host_that_trusts_nobody_is_told_what_to_do() {
    let folder = Folder::new();
    let empty = folder.write("empty.pem", "");
    let output = std::process::Command::new(crate::harness::process::PROGRAM)
        .args(["proxy", "--listen", "127.0.0.1:0", "--target", "wss://127.0.0.1:9"])
        .args(ENDS)
        .env("SSL_CERT_FILE", empty)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("store of trusted authorities is empty") && stderr.contains("--upstream-ca"), "{stderr}");
}

#[test]
fn dev_cert_makes_an_authority_once_and_certificates_by_it_that_hold() {
    let folder = Folder::new();
    let at = |name: &str| folder.path(&format!("dev/{name}"));
    let (code, stdout, stderr) = run(&["tls", "dev-cert", "--out", &folder.path("dev")]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for said in ["ringway proxy --listen", "--tls-cert", "ringway ws wss://localhost:8443/ --tls-ca", "(created)"] {
        assert!(stdout.contains(said), "{said:?} is not in {stdout}");
    }
    for (name, mode) in [("ca.pem", 0o644), ("ca-key.pem", 0o600), ("cert.pem", 0o644), ("key.pem", 0o600)] {
        assert_eq!(fs::metadata(at(name)).unwrap().permissions().mode() & 0o777 & !0o022, mode, "{name}");
    }
    assert_eq!(fs::read_dir(folder.path("dev")).unwrap().count(), 4, "nothing else is left there");
    for (name, holds) in [("localhost", true), ("127.0.0.1", true), ("::1", true), ("example.test", false)] {
        assert_eq!(shakes_hands(&at(""), name), holds, "{name}");
    }

    let kept = ["ca.pem", "ca-key.pem"].map(|name| fs::read(at(name)).unwrap());
    let (code, stdout, stderr) = run(&["tls", "dev-cert", "--out", &folder.path("dev"), "api.test", "*.api.test"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("used again"), "{stdout}");
    assert_eq!(["ca.pem", "ca-key.pem"].map(|name| fs::read(at(name)).unwrap()), kept);
    for (name, holds) in [("api.test", true), ("x.api.test", true), ("x.y.api.test", false), ("localhost", false)] {
        assert_eq!(shakes_hands(&at(""), name), holds, "{name}");
    }
}

/// A handshake in memory with the certificate in the folder, as a client that trusts the authority there.
fn shakes_hands(folder: &str, name: &str) -> bool {
    let at = |name: &str| Path::new(folder).join(name);
    let server = ServerTls::new(vec![(at("cert.pem"), at("key.pem"))], ClientCertificates::Off).load(None).unwrap();
    let trust = Trust::Authorities(vec![PemFile::new("--tls-ca", at("ca.pem"))]);
    let client = ClientTls::load(&ClientFiles { trust, identity: None }).unwrap().for_shard();
    let mut client = ClientConnection::new(client, server_name(name).unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::clone(&server.config)).unwrap();
    while client.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            if client.process_new_packets().is_err() {
                return false;
            }
        }
    }
    true
}

#[test]
fn a24_a_certificate_for_development_is_valid_for_90_days_or_as_asked() {
    let folder = Folder::new();
    let out = folder.path("dev");
    let days = |options: &[&str]| {
        let (code, stdout, stderr) = run(&[&["tls", "dev-cert", "--out", &out], options].concat());
        assert_eq!(code, 0, "{stderr}");
        let file = PemFile::new("", folder.path("dev/cert.pem"));
        let certificate = Certificate::read(&file.certificates(&file.read().unwrap()).unwrap()[0]).unwrap();
        let validity = certificate.not_after.duration_since(certificate.not_before).unwrap();
        let days = (validity.as_secs() - 3600) / (24 * 3600);
        assert!(stdout.contains(&format!(", {days} days\n")), "{stdout}");
        days
    };
    assert_eq!(days(&[]), 90);
    assert_eq!(days(&["--days", "1", "api.test"]), 1);
    assert_eq!(days(&["--days", "397"]), 397);
    for days in ["0", "398", "-1", "ninety"] {
        let (code, _, stderr) = run(&["tls", "dev-cert", "--out", &out, &format!("--days={days}")]);
        assert!(code == 3 && stderr.contains("--days"), "{days}: {code} {stderr}");
    }
}

#[test]
fn dev_cert_never_replaces_an_authority_and_says_what_is_wrong_with_one() {
    let folder = Folder::new();
    folder.dev_cert("one", &[]);
    folder.dev_cert("two", &[]);
    let again = |name: &str| run(&["tls", "dev-cert", "--out", &folder.path(name)]);
    let at = |name: &str| folder.path(name);
    let own = fs::read(at("one/ca-key.pem")).unwrap();

    fs::remove_file(at("one/ca-key.pem")).unwrap();
    let (code, _, stderr) = again("one");
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("one/ca.pem: this file exists and") && stderr.contains("one/ca-key.pem does not"),
        "{stderr}"
    );
    copy(&at("two/ca-key.pem"), &at("one/ca-key.pem"));
    let (code, _, stderr) = again("one");
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("one/ca-key.pem: the key in it does not belong"), "{stderr}");
    fs::write(at("one/ca-key.pem"), own).unwrap();
    assert_eq!(again("one").0, 0);

    for name in ["https://a.test", "a b", "", "*.127.0.0.1"] {
        let (code, _, stderr) = run(&["tls", "dev-cert", "--out", &folder.path("none"), name]);
        assert_eq!(code, 3, "{name}: {stderr}");
        assert!(stderr.contains(&format!("`{name}`")), "{stderr}");
    }
    assert!(!Path::new(&folder.path("none")).exists());
}

#[test]
fn dev_cert_replaces_no_certificate_and_no_key_but_its_own() {
    let folder = Folder::new();
    let at = |name: &str| folder.path(name);
    let (foreign, foreign_key) = folder.dev_cert("foreign", &[]);
    let stops = |name: &str, at_fault: &str| {
        let files = || -> Vec<_> {
            let names = ["ca.pem", "ca-key.pem", "cert.pem", "key.pem"].map(|file| at(&format!("{name}/{file}")));
            names.into_iter().map(|path| fs::read(path).ok()).collect()
        };
        let before = files();
        let (code, stdout, stderr) = run(&["tls", "dev-cert", "--out", &at(name)]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{name}: {stderr}");
        assert!(stderr.contains(&format!("{name}/{at_fault}: ")) && stderr.contains("--out"), "{stderr}");
        assert!(files() == before, "{name}: a file has changed");
    };
    // Where there is no authority yet: nothing is made beside them either.
    for (name, files, at_fault) in [
        ("pair", &[("cert.pem", &foreign), ("key.pem", &foreign_key)][..], "cert.pem"),
        ("key", &[("key.pem", &foreign_key)], "key.pem"),
        ("cert", &[("cert.pem", &foreign)], "cert.pem"),
    ] {
        fs::create_dir(at(name)).unwrap();
        files.iter().for_each(|(file, from)| copy(from, &at(&format!("{name}/{file}"))));
        stops(name, at_fault);
    }
    fs::create_dir(at("text")).unwrap();
    folder.write("text/key.pem", "not a key");
    stops("text", "key.pem");
    // Where there is one, by which they are not.
    for (name, files, at_fault) in [
        ("other-pair", &[("cert.pem", &foreign), ("key.pem", &foreign_key)][..], "cert.pem"),
        ("other-key", &[("key.pem", &foreign_key)], "key.pem"),
        ("other-cert", &[("cert.pem", &foreign)], "cert.pem"),
    ] {
        folder.dev_cert(name, &[]);
        files.iter().for_each(|(file, from)| copy(from, &at(&format!("{name}/{file}"))));
        stops(name, at_fault);
    }
    folder.dev_cert("alone", &[]);
    fs::remove_file(at("alone/cert.pem")).unwrap();
    stops("alone", "key.pem");
    // Its own, and more.
    folder.dev_cert("more", &[]);
    let chain = [fs::read(at("more/cert.pem")).unwrap(), fs::read(&foreign).unwrap()].concat();
    fs::write(at("more/cert.pem"), chain).unwrap();
    stops("more", "cert.pem");
    // Its own are replaced, also a certificate whose key is gone.
    let (own, key) = folder.dev_cert("own", &[]);
    let (old, old_key) = (fs::read(&own).unwrap(), fs::read(&key).unwrap());
    folder.dev_cert("own", &["api.test"]);
    assert!(fs::read(&own).unwrap() != old && fs::read(&key).unwrap() != old_key);
    fs::remove_file(&key).unwrap();
    folder.dev_cert("own", &[]);
    assert!(shakes_hands(&at("own"), "localhost"));
}

#[test]
fn certificates_are_reloaded_when_they_change_and_kept_when_the_new_ones_are_bad() {
    let folder = Folder::new();
    let first = folder.dev_cert("dev", &["first.test"]);
    let (cert, key) = (folder.path("cert.pem"), folder.path("key.pem"));
    copy(&first.0, &cert);
    copy(&first.1, &key);
    let echo = Ringway::echo(&["--tls-cert", &cert, "--tls-key", &key]);

    echo.signal(libc::SIGHUP);
    assert!(echo.logged("they have not changed").contains("first.test"));
    folder.write("cert.pem", "half a file");
    let line = echo.logged("certificates were not reloaded");
    assert!(line.contains("first.test") && line.contains("it is not PEM"), "{line}");
    let second = folder.dev_cert("dev", &["second.test"]);
    copy(&second.1, &key);
    copy(&second.0, &cert);
    assert!(echo.logged("certificates were reloaded").contains("second.test"));
    let half_a_file = echo.log().lines().filter(|line| line.contains("it is not PEM")).count();
    assert_eq!(half_a_file, 1, "{}", echo.log());
}

#[test]
fn a_hangup_ends_nothing_where_there_is_no_certificate() {
    let echo = Ringway::echo(&[]);
    echo.signal(libc::SIGHUP);
    echo.logged("no certificates to read again");
    assert!(!echo.has_ended());
}
