//! The file `keys.json`: every application with its subscriptions and the digests of its keys, and after that a line for each
//! later change. Unlike the snapshot of deployments, a change is in this file before it is committed, so that a node that starts
//! without its store knows every key, and every revocation that was answered.
//!
//! In: applications as a change is about to leave them. Out: the same, after a restart without a store; or that they are not
//! known, and then no key opens anything. A last line without an end may be a change that nobody was told of, or all that is left of
//! many: such a file is damaged, as a revocation may be missing in it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::SHA256;
use serde::{Deserialize, Serialize};

use super::chain::{self, End, sum};
use crate::api::consumers::ApplicationState;
use crate::control::publish::ChangedApplication;
use crate::control::state_dir::{Existing, KEYS, write_whole};

/// The form that this program writes.
const FORM: u32 = 1;

/// The first line, as it is read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    form: u32,
    /// SHA-256 of `applications`, written as JSON without spaces, to notice a damaged disk. It is no signature.
    sha256: String,
    applications: Vec<ApplicationState>,
}

/// The first line, as it is written.
#[derive(Debug, Serialize)]
struct Written<'a> {
    form: u32,
    sha256: &'a str,
    applications: &'a [ApplicationState],
}

/// A later line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// SHA-256 of the checksum of the line before, followed by `change`, written as JSON without spaces.
    sha256: String,
    change: Change,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    applications: Vec<ApplicationState>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removed: Vec<u64>,
}

/// Reads the file in a state directory.
///
/// # Errors
/// There is none, or it is not what was written: why.
pub fn read(folder: &Path) -> Result<Vec<ApplicationState>, String> {
    let path = folder.join(KEYS);
    parse(&path).map_err(|why| format!("{}: {why}", path.display()))
}

fn parse(path: &Path) -> Result<Vec<ApplicationState>, String> {
    let bytes = chain::read(path)?;
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().filter(|line| line.ends_with(b"\n")).ok_or("it is damaged: its first line has no end")?;
    let whole: Whole = serde_json::from_slice(first).map_err(|error| format!("it is damaged: {error}"))?;
    if whole.form != FORM {
        return Err(format!("it has form {}, and this program knows form {FORM}", whole.form));
    }
    let mut last = sum(&SHA256, "", &whole.applications).map_err(|error| error.to_string())?;
    if whole.sha256 != last {
        return Err("it is damaged: its checksum is another".to_owned());
    }
    let mut all: BTreeMap<u64, ApplicationState> = whole.applications.into_iter().map(|one| (one.id, one)).collect();
    for (line, number) in lines.zip(2_u64..) {
        let damaged = |why: &dyn std::fmt::Display| format!("it is damaged: line {number}: {why}");
        if !line.ends_with(b"\n") {
            return Err(damaged(&"it has no end"));
        }
        let Line { sha256, change } = serde_json::from_slice(line).map_err(|error| damaged(&error))?;
        last = sum(&SHA256, &last, &change).map_err(|error| error.to_string())?;
        if sha256 != last {
            return Err(damaged(&"its checksum is another"));
        }
        for id in change.removed {
            all.remove(&id);
        }
        all.extend(change.applications.into_iter().map(|one| (one.id, one)));
    }
    Ok(all.into_values().collect())
}

/// The file, to be kept up to date by one process.
#[derive(Debug)]
pub(in crate::control) struct KeyFile {
    path: PathBuf,
    /// The end of the file; `None` if the next write must replace the file.
    end: Option<End>,
}

impl KeyFile {
    /// The file in a state directory, which the first write replaces.
    pub(in crate::control) fn new(folder: &Path) -> Self {
        Self { path: folder.join(KEYS), end: None }
    }

    /// Adds what a change leaves behind; `false` if the file must be [replaced](Self::replace) instead. The change is on the disk
    /// when this returns `true`.
    ///
    /// # Errors
    /// The file cannot be written: the change must not be made, and the next write replaces the file.
    pub(in crate::control) fn append(&mut self, changed: &[ChangedApplication]) -> io::Result<bool> {
        // A file that somebody else has changed or removed is replaced.
        let bytes = fs::symlink_metadata(&self.path).ok().filter(fs::Metadata::is_file).map(|file| file.len());
        let Some(before) = self.end.take().filter(|end| bytes == Some(end.bytes)) else { return Ok(false) };
        let mut change = Change::default();
        for ChangedApplication { id, state } in changed {
            match state {
                Some(state) => change.applications.push(state.clone()),
                None => change.removed.push(*id),
            }
        }
        let sum = sum(&SHA256, &before.sum, &change)?;
        let line = serde_json::to_vec(&Line { sha256: sum.clone(), change })?;
        self.end = before.append(&self.path, line, sum)?;
        Ok(self.end.is_some())
    }

    /// Writes every application. The file is on the disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written. It then says what it said before.
    pub(in crate::control) fn replace(&mut self, applications: &[ApplicationState]) -> io::Result<()> {
        self.end = None;
        let sha256 = sum(&SHA256, "", &applications)?;
        let mut line = serde_json::to_vec(&Written { form: FORM, sha256: &sha256, applications })?;
        line.push(b'\n');
        write_whole(&self.path, &line, Existing::Replaced)?;
        let bytes = line.len() as u64;
        self.end = Some(End { sum: sha256, first_bytes: bytes, bytes, takes_lines: true });
        Ok(())
    }

    /// Has the next write replace the file: the change that was recorded last was not made.
    pub(in crate::control) fn distrust(&mut self) {
        self.end = None;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{KEYS, KeyFile, read};
    use crate::api::consumers::ApplicationState;
    use crate::api::consumers::state::KeyState;
    use crate::control::publish::ChangedApplication;

    fn application(id: u64, keys: impl IntoIterator<Item = u64>) -> ApplicationState {
        let key = |id: u64| KeyState {
            id,
            environment: "production".parse().unwrap(),
            digest: [u8::try_from(id % 256).unwrap(); 32].into(),
            expires_at: None,
        };
        let name = format!("acme/app-{id}").parse().unwrap();
        ApplicationState { id, name, subscriptions: Vec::new(), keys: keys.into_iter().map(key).collect() }
    }

    fn changed(id: u64, state: Option<ApplicationState>) -> Vec<ChangedApplication> {
        vec![ChangedApplication { id, state }]
    }

    fn text(folder: &Path) -> String {
        fs::read_to_string(folder.join(KEYS)).unwrap()
    }

    #[test]
    fn a_change_adds_a_line_and_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = KeyFile::new(folder.path());
        file.replace(&[application(1, [1, 2]), application(2, [3])]).unwrap();
        let whole = text(folder.path());
        assert!(file.append(&changed(1, Some(application(1, [2])))).unwrap());
        assert!(file.append(&changed(2, None)).unwrap());
        assert!(file.append(&changed(3, Some(application(3, [])))).unwrap());
        assert!(text(folder.path()).starts_with(&whole) && text(folder.path()).lines().count() == 4);
        assert_eq!(read(folder.path()).unwrap(), [application(1, [2]), application(3, [])]);
    }

    #[test]
    fn a_file_that_is_not_known_is_replaced_and_so_is_one_with_long_changes() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = KeyFile::new(folder.path());
        assert!(!file.append(&changed(1, None)).unwrap());
        file.replace(&[application(7, [1])]).unwrap();
        fs::write(folder.path().join(KEYS), "by somebody else").unwrap();
        assert!(!file.append(&changed(7, None)).unwrap());
        let mut longest = 0;
        for round in 0..2_000 {
            let one = application(8, [round]);
            if !file.append(&changed(8, Some(one.clone()))).unwrap() {
                file.replace(&[one]).unwrap();
            }
            longest = longest.max(text(folder.path()).len());
        }
        assert!((60_000..80_000).contains(&longest), "{longest}");
        assert_eq!(read(folder.path()).unwrap(), [application(8, [1_999])]);
    }

    #[test]
    fn damage_is_told_and_a_file_that_was_cut_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEYS);
        let mut file = KeyFile::new(folder.path());
        assert!(read(folder.path()).unwrap_err().contains("keys.json"));
        file.replace(&[application(1, [1])]).unwrap();
        file.append(&changed(1, Some(application(1, [2])))).unwrap();
        file.append(&changed(1, Some(application(1, [3])))).unwrap();
        let good = text(folder.path());
        let lines: Vec<&str> = good.lines().collect();
        for bad in [
            String::new(),
            good[..good.len() - 1].to_owned(),
            good.replace("\"form\":1", "\"form\":9"),
            good.replacen("production", "staging", 1),
            format!("{}\n{}\n", lines[0], lines[2]),
            format!("{}\n{}\n{}\n", lines[0], lines[2], lines[1]),
            good.replace("0303", "0404"),
            lines[0].to_owned(),
        ] {
            fs::write(&path, &bad).unwrap();
            let why = read(folder.path()).unwrap_err();
            assert!(why.contains("keys.json: it "), "{why}: {bad}");
        }
    }

    #[test]
    fn a_change_that_was_not_made_has_the_next_write_replace_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = KeyFile::new(folder.path());
        file.replace(&[application(1, [1])]).unwrap();
        assert!(file.append(&changed(1, None)).unwrap());
        file.distrust();
        assert!(!file.append(&changed(1, None)).unwrap());
    }
}
