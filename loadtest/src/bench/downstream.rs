//! The protocol between the generator and a peer: plain TCP, or TLS with the same parameters for every peer and a
//! certificate made for the run. Changes when the parameters do.
//!
//! The parameters are one version, suite and group, because peers would otherwise choose different ones and do
//! different work. The generator offers nothing else, and a run that negotiated other parameters is void.

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

/// The connection between the generator and the peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downstream {
    /// Plain TCP.
    Plain,
    /// TLS, with the parameters below.
    Tls,
}

/// The TLS sessions of a run's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// Each connection makes a full handshake.
    New,
    /// Each connection but the first of a shard resumes the session of the one before.
    Resumed,
}

/// The TLS version, as reports name it.
pub const VERSION: &str = "TLSv1.3";
/// The cipher suite, by IANA's name.
pub const SUITE: &str = "TLS_AES_128_GCM_SHA256";
/// The key exchange group, by IANA's name.
pub const GROUP: &str = "X25519";

/// The certificate's names.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// The file of the authority that the generator trusts.
pub const AUTHORITY: &str = "ca.pem";

/// Marks at the end of a template's line that keep the line only without TLS, or only with it.
const MARKS: [(&str, Downstream); 2] = [(" #plain", Downstream::Plain), (" #tls", Downstream::Tls)];

impl Downstream {
    /// The lines of a template that apply, without their marks.
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

    /// The TLS parameters in words, for the report's readers; `None` without TLS.
    pub fn terms(self) -> Option<String> {
        match self {
            Downstream::Plain => None,
            Downstream::Tls => {
                Some(format!("{VERSION}, {SUITE}, {GROUP}, an ECDSA P-256 certificate, http/1.1, session tickets on"))
            }
        }
    }

    /// The scheme of a WebSocket URL.
    pub fn scheme(self) -> &'static str {
        match self {
            Downstream::Plain => "ws",
            Downstream::Tls => "wss",
        }
    }

    /// The reason why a run did not use the intended TLS parameters and sessions; `None` if it did.
    pub fn broken_terms(self, sessions: Sessions, report: &Report) -> Option<String> {
        if self == Downstream::Plain {
            return (!report.tls.is_empty()).then(|| "TLS was used in a run without TLS".to_owned());
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
        match sessions {
            _ if full + resumed == 0 => Some("no TLS handshake was made".to_owned()),
            Sessions::Resumed if full > shards || resumed == 0 => {
                Some(format!("{full} handshakes were full that were to be resumed, {resumed} were resumed"))
            }
            Sessions::New if resumed > 0 => Some(format!("{resumed} handshakes were resumed that were to be full")),
            Sessions::Resumed | Sessions::New => None,
        }
    }
}

/// A certificate for the peers, and the authority that the generator trusts. Both are created once for the whole
/// benchmark.
#[derive(Debug)]
pub struct Certificate {
    made: Scratch,
}

impl Certificate {
    /// Creates a certificate, as `ringway tls dev-cert` does.
    ///
    /// # Errors
    /// Fails if the certificate cannot be created.
    pub fn new() -> Result<Self, String> {
        let made = Scratch::new()?;
        dev_cert::create(made.path(), &NAMES.map(str::to_owned), dev_cert::DEFAULT_DAYS, SystemTime::now())
            .map_err(|error| error.to_string())?;
        Ok(Self { made })
    }

    /// A TLS client that trusts the certificate in this folder.
    ///
    /// # Errors
    /// Fails if the certificate cannot be read.
    pub fn client(folder: &Path) -> Result<Arc<ClientConfig>, String> {
        let args = TlsArgs { tls_ca: Some(folder.join(AUTHORITY)), ..TlsArgs::default() };
        Ok(args.load()?.for_shard())
    }

    /// Writes the files into a peer's folder. HAProxy needs the certificate and its key in one file, `pair.pem`.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), String> {
        for name in [AUTHORITY, "cert.pem", "key.pem"] {
            let to = folder.join(name);
            // A copy keeps the files' modes.
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

    fn broken(sessions: Sessions, tls: Vec<Agreed>) -> Option<String> {
        let mut report = sample::echo();
        (report.tls, report.generator.cpus) = (tls, vec![1, 2]);
        Downstream::Tls.broken_terms(sessions, &report)
    }

    #[test]
    fn lines_are_there_only_where_their_mark_says_so() {
        let text = "always\n  one #plain\n  other #tls\n# a comment of both\n";
        assert_eq!(Downstream::Plain.lines_of(text), "always\n  one\n# a comment of both\n");
        assert_eq!(Downstream::Tls.lines_of(text), "always\n  other\n# a comment of both\n");
    }

    #[test]
    fn a_run_on_other_terms_or_with_handshakes_of_the_other_kind_is_void() {
        assert_eq!(broken(Sessions::New, vec![agreed(false, 900)]), None);
        // The first connection of each shard has no session to resume.
        assert_eq!(broken(Sessions::Resumed, vec![agreed(false, 2), agreed(true, 900)]), None);
        let hybrid = Agreed { group: "X25519MLKEM768".to_owned(), ..agreed(false, 900) };
        for (sessions, tls, why) in [
            (Sessions::New, vec![], "no TLS handshake was made"),
            (
                Sessions::New,
                vec![agreed(false, 900), agreed(true, 1)],
                "1 handshakes were resumed that were to be full",
            ),
            (
                Sessions::Resumed,
                vec![agreed(false, 3), agreed(true, 9)],
                "3 handshakes were full that were to be resumed, 9 were",
            ),
            (Sessions::Resumed, vec![agreed(false, 2)], "2 handshakes were full that were to be resumed, 0 were"),
            (Sessions::New, vec![hybrid], "TLS on other terms: TLSv1.3, TLS_AES_128_GCM_SHA256, X25519MLKEM768"),
        ] {
            let broken = broken(sessions, tls);
            assert!(broken.as_ref().is_some_and(|broken| broken.starts_with(why)), "{broken:?}, not {why}");
        }
    }
}
