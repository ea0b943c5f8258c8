//! What the generator and a peer speak with each other: plain TCP, or TLS on terms that are the same for every peer, with a
//! certificate made for the run. Changes when the terms do.
//!
//! The terms are one version, suite and group, because peers would else choose different ones and do different work. The
//! generator offers nothing else, and a run in which another was agreed on is void.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ClientConfig;

use crate::report::model::{Agreed, Report};
use crate::tls::TlsArgs;

/// How the peers are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downstream {
    /// Without TLS.
    Plain,
    /// By TLS, on the terms below.
    Tls,
}

/// The version, as reports name it.
pub const VERSION: &str = "TLSv1.3";
/// The suite, by IANA's name.
pub const SUITE: &str = "TLS_AES_128_GCM_SHA256";
/// The group that keys are agreed in, by IANA's name.
pub const GROUP: &str = "X25519";

/// The certificate's names.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// The file of the authority that the generator trusts.
pub const AUTHORITY: &str = "ca.pem";

/// The end of a template's line that is there only without TLS, or only with it.
const MARKS: [(&str, Downstream); 2] = [(" #plain", Downstream::Plain), (" #tls", Downstream::Tls)];

impl Downstream {
    /// The lines of a template that are there, without their marks.
    pub fn lines_of(self, text: &str) -> String {
        let line = |line: &str| {
            let marked = MARKS.iter().find_map(|(mark, on)| Some((line.strip_suffix(mark)?, *on)));
            match marked {
                Some((line, on)) => (on == self).then(|| format!("{line}\n")),
                None => Some(format!("{line}\n")),
            }
        };
        text.lines().filter_map(line).collect()
    }

    /// The terms in words, for whoever reads a report; `None` without TLS.
    pub fn terms(self) -> Option<String> {
        match self {
            Downstream::Plain => None,
            Downstream::Tls => {
                Some(format!("{VERSION}, {SUITE}, {GROUP}, an ECDSA P-256 certificate, http/1.1, session tickets on"))
            }
        }
    }

    /// The scheme of a WebSocket's URL.
    pub fn scheme(self) -> &'static str {
        match self {
            Downstream::Plain => "ws",
            Downstream::Tls => "wss",
        }
    }

    /// Why a run was not what it was to be; `None` when it was. `resumes` says whether all connections but the first of each
    /// shard were to take up an earlier session; else none was.
    pub fn broken_terms(self, resumes: bool, report: &Report) -> Option<String> {
        if self == Downstream::Plain {
            return (!report.tls.is_empty()).then(|| "there was TLS in a run without".to_owned());
        }
        let others = |agreed: &&Agreed| {
            (agreed.version.as_str(), agreed.suite.as_str(), agreed.group.as_str()) != (VERSION, SUITE, GROUP)
        };
        if let Some(other) = report.tls.iter().find(others) {
            return Some(format!("TLS on other terms: {}, {}, {}", other.version, other.suite, other.group));
        }
        let count = |resumed| -> u64 {
            report.tls.iter().filter(|agreed| agreed.resumed == resumed).map(|agreed| agreed.count).sum()
        };
        let (full, resumed) = (count(false), count(true));
        let shards = report.generator.cpus.len() as u64;
        match (full, resumed) {
            (0, 0) => Some("no TLS handshake was made".to_owned()),
            (full, resumed) if resumes && (full > shards || resumed == 0) => {
                Some(format!("{full} handshakes were full that were to be resumed, {resumed} were resumed"))
            }
            (_, resumed) if !resumes && resumed > 0 => {
                Some(format!("{resumed} handshakes were resumed that were to be full"))
            }
            _ => None,
        }
    }
}

/// A certificate for the peers, and the authority that the generator trusts.
#[derive(Clone)]
pub struct Certificate {
    authority: String,
    certificate: String,
    key: String,
}

impl Certificate {
    /// Makes one.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn new() -> Result<Self, String> {
        Self::made().map_err(|error| format!("a certificate for the run: {error}"))
    }

    fn made() -> Result<Self, rcgen::Error> {
        let mut root = CertificateParams::new(Vec::new())?;
        root.distinguished_name.push(DnType::CommonName, "ringway-load bench");
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
        // rcgen's own choice is a key in P-256.
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?.signed_by(&key, &root)?;
        Ok(Self { authority: root.pem(), certificate: leaf.pem(), key: key.serialize_pem() })
    }

    /// What trusts the one that was written to this folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn client(folder: &Path) -> Result<Arc<ClientConfig>, String> {
        let args = TlsArgs { tls_ca: Some(folder.join(AUTHORITY)), ..TlsArgs::default() };
        Ok(args.load()?.for_shard())
    }

    /// Writes `ca.pem`, `cert.pem`, `key.pem`, and `pair.pem`, which is the certificate and its key.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), String> {
        let pair = format!("{}{}", self.certificate, self.key);
        let files: [(&str, &str, u32); 4] = [
            (AUTHORITY, &self.authority, 0o644),
            ("cert.pem", &self.certificate, 0o644),
            ("key.pem", &self.key, 0o600),
            ("pair.pem", &pair, 0o600),
        ];
        for (name, text, mode) in files {
            let path = folder.join(name);
            let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}
