//! Looks for a peer's program on this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Peer;
use crate::bench::downstream::Downstream;

/// The presence of a peer on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The peer starts no program.
    NotNeeded,
    /// The program is installed.
    Found(Installed),
    /// The program or module is missing; this file was not found.
    Missing(String),
    /// The peer is left out of this benchmark, for this reason.
    LeftOut(&'static str),
}

/// An installed program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The path of the program.
    pub program: PathBuf,
    /// The version that the program reports.
    pub version: String,
    pub(super) module: Option<PathBuf>,
    /// Further arguments, which follow the peer's own.
    pub more: Vec<String>,
}

/// Folders with programs that an ordinary user's PATH leaves out.
const MORE_FOLDERS: &[&str] = &["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"];
const MODULE_FOLDERS: &[&str] =
    &["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules", "/usr/local/nginx/modules"];

/// Searches for a peer: in the given folders, then in PATH, then in the system's program folders. `exact` is a program
/// given by path.
pub fn find(peer: &Peer, downstream: Downstream, exact: Option<&Path>, folders: &[PathBuf]) -> Presence {
    if let (Downstream::Tls, Some(reason)) = (downstream, peer.without_tls) {
        return Presence::LeftOut(reason);
    }
    let Some((name, version)) = peer.program else { return Presence::NotNeeded };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places =
        folders.iter().cloned().chain(std::env::split_paths(&path)).chain(MORE_FOLDERS.iter().map(PathBuf::from));
    let program = match exact {
        Some(exact) => Some(exact.to_owned()).filter(|path| executable(path)),
        None => places.map(|folder| folder.join(name)).find(|path| executable(path)),
    };
    let Some(program) = program else {
        return Presence::Missing(exact.map_or_else(|| name.to_owned(), |path| path.display().to_string()));
    };
    let program = std::path::absolute(&program).unwrap_or(program);
    let mut version = first_version(&said(&program, version));
    let mut module = None;
    if let Some(wanted) = peer.module {
        let mut places = folders.iter().cloned().chain(MODULE_FOLDERS.iter().map(PathBuf::from));
        module = places.find_map(|folder| fs::canonicalize(folder.join(wanted.file)).ok());
        if module.is_none() {
            return Presence::Missing(wanted.file.to_owned());
        }
        let package = said(Path::new("dpkg-query"), &["-W", "-f", "${Version}", wanted.package]);
        version = format!("{} in nginx {version}", first_version(&package));
    }
    Presence::Found(Installed { program, version, module, more: Vec::new() })
}

#[cfg(test)]
impl Installed {
    pub(in crate::bench) fn named(program: &str) -> Installed {
        Installed { program: PathBuf::from(program), version: "1.0".to_owned(), module: None, more: Vec::new() }
    }
}

fn executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn said(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// The first word that is a version. Each program surrounds it with other words, and Envoy prints its own path.
pub(super) fn first_version(text: &str) -> String {
    let fits = |word: &&str| {
        word.starts_with(|first: char| first.is_ascii_digit())
            && word.contains('.')
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte))
    };
    let mut words = text.split(|c: char| c.is_whitespace() || c == '/');
    words.find(fits).unwrap_or("of unknown version").to_owned()
}
