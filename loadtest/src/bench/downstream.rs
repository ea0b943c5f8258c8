//! What the generator and a peer speak with each other: plain TCP, or TLS on terms that are the same for every peer, with a
//! certificate made for the run. Changes when the terms do.
//!
//! The terms are one version, suite and group, because peers would else choose different ones and do different work. The
//! generator offers nothing else, and a run in which another was agreed on is void.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ringway::tls::dev_cert;
use rustls::ClientConfig;

use super::process::Scratch;
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

/// A certificate for the peers, and the authority that the generator trusts: made once, for the whole benchmark.
#[derive(Debug)]
pub struct Certificate {
    made: Scratch,
}

impl Certificate {
    /// Makes one, as `ringway tls dev-cert` does.
    ///
    /// # Errors
    /// What could not be made.
    pub fn new() -> Result<Self, String> {
        let made = Scratch::new()?;
        dev_cert::create(made.path(), &NAMES.map(str::to_owned), SystemTime::now())
            .map_err(|error| error.to_string())?;
        Ok(Self { made })
    }

    /// What trusts the one that was written to this folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn client(folder: &Path) -> Result<Arc<ClientConfig>, String> {
        let args = TlsArgs { tls_ca: Some(folder.join(AUTHORITY)), ..TlsArgs::default() };
        Ok(args.load()?.for_shard())
    }

    /// Puts the files where a peer finds them. HAProxy wants the certificate and its key in one, `pair.pem`.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), String> {
        for name in [AUTHORITY, "cert.pem", "key.pem"] {
            let to = folder.join(name);
            // The modes go along.
            fs::copy(self.made.path().join(name), &to).map_err(|error| format!("{}: {error}", to.display()))?;
        }
        let pair = folder.join("pair.pem");
        let written = || {
            let both = [fs::read(folder.join("cert.pem"))?, fs::read(folder.join("key.pem"))?].concat();
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&pair)?;
            file.write_all(&both)
        };
        written().map_err(|error: io::Error| format!("{}: {error}", pair.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn agreed(resumed: bool, count: u64) -> Agreed {
        let name = str::to_owned;
        Agreed { version: name(VERSION), suite: name(SUITE), group: name(GROUP), resumed, count }
    }

    fn broken(resumes: bool, tls: Vec<Agreed>) -> Option<String> {
        let mut report = sample::echo();
        (report.tls, report.generator.cpus) = (tls, vec![1, 2]);
        Downstream::Tls.broken_terms(resumes, &report)
    }

    #[test]
    fn lines_are_there_only_where_their_mark_says_so() {
        let text = "always\n  one #plain\n  other #tls\n# a comment of both\n";
        assert_eq!(Downstream::Plain.lines_of(text), "always\n  one\n# a comment of both\n");
        assert_eq!(Downstream::Tls.lines_of(text), "always\n  other\n# a comment of both\n");
    }

    #[test]
    fn a_run_on_other_terms_or_with_handshakes_of_the_other_kind_is_void() {
        assert_eq!(broken(false, vec![agreed(false, 900)]), None);
        // The first of each shard has nothing to resume.
        assert_eq!(broken(true, vec![agreed(false, 2), agreed(true, 900)]), None);
        let hybrid = Agreed { group: "X25519MLKEM768".to_owned(), ..agreed(false, 900) };
        for (resumes, tls, why) in [
            (false, vec![], "no TLS handshake was made"),
            (false, vec![agreed(false, 900), agreed(true, 1)], "1 handshakes were resumed that were to be full"),
            (true, vec![agreed(false, 3), agreed(true, 9)], "3 handshakes were full that were to be resumed, 9 were"),
            (true, vec![agreed(false, 2)], "2 handshakes were full that were to be resumed, 0 were"),
            (false, vec![hybrid], "TLS on other terms: TLSv1.3, TLS_AES_128_GCM_SHA256, X25519MLKEM768"),
        ] {
            let broken = broken(resumes, tls);
            assert!(broken.as_ref().is_some_and(|broken| broken.starts_with(why)), "{broken:?}, not {why}");
        }
    }
}
