//! The measured proxies: `list` names them, [`find`] looks for their programs, and this file turns one into a process to
//! start.

mod find;
mod list;

use std::fs;
use std::path::PathBuf;

use super::downstream::{Downstream, GROUP, SUITE};
use super::process::Launch;

pub use find::{Installed, Presence, find};
pub use list::{BEFORE, DIRECT, PEERS};

/// A proxy, or the direct connection without one.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The name in `--peers` and in `runs.json`.
    pub id: &'static str,
    /// The name for readers.
    pub title: &'static str,
    /// The program, and its arguments that print the version; `None` for the direct connection, which starts nothing.
    program: Option<(&'static str, &'static [&'static str])>,
    /// A module that the program requires.
    module: Option<Module>,
    /// The command that installs it.
    pub install: &'static str,
    /// The program's arguments, with placeholders.
    arguments: &'static [&'static str],
    /// Additional arguments with TLS.
    tls_arguments: &'static [&'static str],
    /// The reason why the peer is left out with TLS.
    without_tls: Option<&'static str>,
    environment: &'static [(&'static str, &'static str)],
    /// The program's configuration files.
    pub templates: &'static [Template],
    /// `true` if the program listens before it has read its routes.
    pub routes_late: bool,
    /// The kinds of figures that include the peer.
    pub role: Role,
}

/// The kinds of figures that include a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer relays.
    Relays,
    /// The peer relays but does not fan out. Reports show this reason in place of numbers.
    RelaysOnly(&'static str),
    /// The peer fans out.
    FansOut,
    /// There is no peer: the generator connects to its own upstream.
    Absent,
}

/// A configuration file with placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// The file's name.
    pub name: &'static str,
    /// The file's content.
    pub text: &'static str,
}

#[derive(Clone, Copy, Debug)]
struct Module {
    file: &'static str,
    /// The Debian package whose version is reported, because the module does not report its own.
    package: &'static str,
}

/// Values of the placeholders.
#[derive(Clone, Debug)]
pub struct Places {
    /// The port on which the peer listens.
    pub listen: u16,
    /// The port of the peer's upstream.
    pub upstream: u16,
    /// The CPU on which the peer runs.
    pub cpu: usize,
    /// The most files that the peer may have open.
    pub files: u64,
    /// The folder for the peer's files; with TLS, the certificate is there.
    pub folder: PathBuf,
    /// The connection between the generator and the peer.
    pub downstream: Downstream,
}

impl Peer {
    /// The command line with placeholders, for readers.
    pub fn command(&self, downstream: Downstream) -> String {
        let name = self.program.map(|(name, _)| name);
        let variables = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let words = variables.chain(name.map(str::to_owned)).chain(self.words(downstream).map(str::to_owned));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The program's arguments, with placeholders.
    fn words(&self, downstream: Downstream) -> impl Iterator<Item = &'static str> {
        let more = if downstream == Downstream::Tls { self.tls_arguments } else { &[] };
        self.arguments.iter().chain(more).copied()
    }

    /// Writes the peer's configuration, and returns how to start it.
    ///
    /// # Errors
    /// Fails if a file cannot be written, or if a placeholder has no value.
    pub fn prepare(&self, installed: &Installed, places: &Places) -> Result<Launch, String> {
        for template in self.templates {
            let path = places.folder.join(template.name);
            let text = places.downstream.lines_of(template.text);
            let text = fill(&text, installed, places).map_err(|left| format!("{}: {left}", template.name))?;
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let words = self.words(places.downstream);
        let mut arguments = words.map(|word| fill(word, installed, places)).collect::<Result<Vec<_>, _>>()?;
        arguments.extend(installed.more.iter().cloned());
        Ok(Launch {
            name: self.id.to_owned(),
            program: installed.program.clone(),
            arguments,
            environment: self.environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            cpus: places.cpu.to_string(),
            log: places.folder.join(format!("{}.log", self.id)),
        })
    }
}

/// Files of a proxy besides its connections: listeners, logs, rings, and files of its modules.
const SPARE_FILES: u64 = 512;
/// Some proxies allocate memory for every connection that they may have.
const MOST_PAIRS: u64 = 100_000;

fn fill(text: &str, installed: &Installed, places: &Places) -> Result<String, String> {
    let pairs = (places.files.saturating_sub(SPARE_FILES) / 2).clamp(1, MOST_PAIRS);
    let module = installed.module.as_ref().map_or_else(String::new, |path| path.display().to_string());
    let filled = text
        .replace("@LISTEN@", &places.listen.to_string())
        .replace("@UPSTREAM@", &places.upstream.to_string())
        .replace("@CPU@", &places.cpu.to_string())
        .replace("@NOFILE@", &places.files.to_string())
        .replace("@SOCKETS@", &pairs.saturating_mul(2).to_string())
        .replace("@PAIRS@", &pairs.to_string())
        .replace("@MODULE@", &module)
        .replace("@SUITE@", SUITE)
        .replace("@GROUP@", GROUP)
        .replace("@DIR@", &places.folder.display().to_string());
    match filled.split('@').nth(1).filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        Some(word) => Err(format!("nothing stands for @{word}@")),
        None => Ok(filled),
    }
}

#[cfg(test)]
mod tests;
