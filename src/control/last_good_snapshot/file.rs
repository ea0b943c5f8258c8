//! The file `snapshot.json`: every deployment in the first line, and after it a line with what changed for each later write.
//!
//! In: deployments as they were committed. Out: the same, after a restart without a store. A change costs a line of its own
//! size; once the lines after the first are longer than the first, the next write replaces the file. Each line has a checksum
//! that also covers the line before, so that a line that is missing, changed or moved is noticed. A last line without an end
//! was being written when the host failed, and is left out.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::chain::{self, End, sum};
use crate::api::{Deployed, DeploymentId};
use crate::control::state_dir::{Existing, SNAPSHOT, write_whole};

/// The form that this program writes.
const FORM: u32 = 3;
/// The form before, which is still read: it has one line.
const FORM_OF_ONE_LINE: u32 = 2;
/// The form before that one, which is still read: its checksum was SHA-1.
const FORM_WITH_SHA1: u32 = 1;
/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    form: u32,
    /// SHA-256 of `deployed`, written as JSON without spaces, to notice a damaged disk. It is no signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// In form 1: the SHA-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha1: Option<String>,
    deployed: Vec<Deployed>,
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
    deployed: Vec<Deployed>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removed: Vec<DeploymentId>,
}

/// The contents of a file, and what is needed to add a line.
#[derive(Debug)]
struct Contents {
    deployed: BTreeMap<DeploymentId, Deployed>,
    end: End,
}

/// Reads the file in a state directory.
///
/// # Errors
/// There is none, or it is not what was written: why.
pub fn read(folder: &Path) -> Result<BTreeMap<DeploymentId, Deployed>, String> {
    contents(folder).map(|contents| contents.deployed)
}

fn contents(folder: &Path) -> Result<Contents, String> {
    let path = folder.join(SNAPSHOT);
    parse(&path).map_err(|why| format!("{}: {why}", path.display()))
}

fn parse(path: &Path) -> Result<Contents, String> {
    let bytes = chain::read(path)?;
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let (mut deployed, mut end) = first(lines.next().unwrap_or_default())?;
    for (line, number) in lines.zip(2_u64..) {
        if !line.ends_with(b"\n") {
            warn!(
                file = %path.display(),
                "the last line of the last good snapshot was not written to its end, and its change is left out"
            );
            end.takes_lines = false;
            break;
        }
        if !end.takes_lines {
            return Err(format!("it is damaged: line {number} follows a form that has one line"));
        }
        end = apply(line, &mut deployed, &end).map_err(|why| format!("it is damaged: line {number}: {why}"))?;
    }
    Ok(Contents { deployed, end })
}

fn first(line: &[u8]) -> Result<(BTreeMap<DeploymentId, Deployed>, End), String> {
    let whole: Whole = serde_json::from_slice(line).map_err(|error| format!("it is damaged: {error}"))?;
    let (algorithm, written) = match whole.form {
        FORM | FORM_OF_ONE_LINE => (&SHA256, whole.sha256),
        FORM_WITH_SHA1 => (&SHA1_FOR_LEGACY_USE_ONLY, whole.sha1),
        other => {
            return Err(format!("it has form {other}, and this program knows forms {FORM_WITH_SHA1} to {FORM}"));
        }
    };
    let sum = sum(algorithm, "", &whole.deployed).map_err(|error| error.to_string())?;
    if written.as_ref() != Some(&sum) {
        return Err("it is damaged: its checksum is another".to_owned());
    }
    let count = whole.deployed.len();
    let deployed: BTreeMap<_, _> = whole.deployed.into_iter().map(|one| (one.id, one)).collect();
    if deployed.len() != count {
        return Err("it is damaged: a deployment is there twice".to_owned());
    }
    let bytes = line.len() as u64;
    let takes_lines = whole.form == FORM && line.ends_with(b"\n");
    if whole.form == FORM && !takes_lines {
        return Err("it is damaged: its first line has no end".to_owned());
    }
    Ok((deployed, End { sum, first_bytes: bytes, bytes, takes_lines }))
}

/// Applies a later line, and returns the end of the file after it.
fn apply(line: &[u8], deployed: &mut BTreeMap<DeploymentId, Deployed>, before: &End) -> Result<End, String> {
    let read: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let sum = sum(&SHA256, &before.sum, &read.change).map_err(|error| error.to_string())?;
    if read.sha256 != sum {
        return Err("its checksum is another".to_owned());
    }
    for id in read.change.removed {
        deployed.remove(&id);
    }
    deployed.extend(read.change.deployed.into_iter().map(|one| (one.id, one)));
    Ok(End { sum, bytes: before.bytes.saturating_add(line.len() as u64), ..*before })
}

/// The file, to be kept up to date by one process.
#[derive(Debug)]
pub(super) struct SnapshotFile {
    path: PathBuf,
    /// The contents as they were written last; `None` if the next write must replace the file.
    written: Option<Contents>,
}

impl SnapshotFile {
    /// Takes up the file in a state directory. One that cannot be read is replaced by the first write.
    pub(super) fn open(folder: &Path) -> Self {
        Self { path: folder.join(SNAPSHOT), written: contents(folder).ok() }
    }

    /// Writes what differs from the file, and nothing if nothing does. The change is on the disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written. It then says what it said before, and the next write replaces it.
    pub(super) fn write(&mut self, deployed: BTreeMap<DeploymentId, Deployed>) -> io::Result<()> {
        // A file that somebody else has changed or removed is replaced.
        let bytes = fs::symlink_metadata(&self.path).ok().filter(fs::Metadata::is_file).map(|file| file.len());
        let before = self.written.take().filter(|written| bytes == Some(written.end.bytes));
        if let Some(before) = before {
            if before.deployed == deployed {
                self.written = Some(before);
                return Ok(());
            }
            let change = difference(&before.deployed, &deployed);
            if let Some(end) = self.append(&before.end, change)? {
                self.written = Some(Contents { deployed, end });
                return Ok(());
            }
        }
        let end = self.replace(&deployed)?;
        self.written = Some(Contents { deployed, end });
        Ok(())
    }

    /// Adds a line; `None` if the file must be replaced instead.
    fn append(&self, before: &End, change: Change) -> io::Result<Option<End>> {
        let sum = sum(&SHA256, &before.sum, &change)?;
        let line = serde_json::to_vec(&Line { sha256: sum.clone(), change })?;
        before.append(&self.path, line, sum)
    }

    /// Writes the whole file, for its owner alone.
    fn replace(&self, deployed: &BTreeMap<DeploymentId, Deployed>) -> io::Result<End> {
        let deployed: Vec<Deployed> = deployed.values().cloned().collect();
        let sum = sum(&SHA256, "", &deployed)?;
        let mut line = serde_json::to_vec(&Whole { form: FORM, sha256: Some(sum.clone()), sha1: None, deployed })?;
        line.push(b'\n');
        write_whole(&self.path, &line, Existing::Replaced)?;
        let bytes = line.len() as u64;
        Ok(End { sum, first_bytes: bytes, bytes, takes_lines: true })
    }
}

fn difference(before: &BTreeMap<DeploymentId, Deployed>, after: &BTreeMap<DeploymentId, Deployed>) -> Change {
    let deployed = after.iter().filter(|(id, one)| before.get(id) != Some(one)).map(|(_, one)| one.clone());
    let removed = before.keys().filter(|id| !after.contains_key(id)).copied();
    Change { deployed: deployed.collect(), removed: removed.collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use super::{SNAPSHOT, SnapshotFile, read};
    use crate::api::contract::{ContractDigest, ContractRef, Layout};
    use crate::api::{Deployed, DeploymentId};

    /// A file of the version before policies, and before SHA-256.
    const FIRST_FORM: &str = r#"{"form":1,"sha1":"a69abc75bae710539222c4bbb14f034ed63be8af","deployed":[{"id":1,"key":{"project":"default","identifier":"chat","version":"1.0"},"api_id":1,"environment":"development","revision":1,"access":"external","targets":["ws://10.0.0.1:9000"],"lifecycle":"Created","deprecated_at":null,"sunset_at":null,"stopped":false}]}"#;

    type All = BTreeMap<DeploymentId, Deployed>;

    fn text(folder: &Path) -> String {
        fs::read_to_string(folder.join(SNAPSHOT)).unwrap()
    }

    /// Deployments with these numbers.
    fn deployments(ids: impl IntoIterator<Item = u64>) -> All {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SNAPSHOT), FIRST_FORM).unwrap();
        let one = read(folder.path()).unwrap().into_values().next().unwrap();
        let ids = ids.into_iter().map(DeploymentId);
        ids.map(|id| (id, Deployed { id, ..one.clone() })).collect()
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SNAPSHOT), FIRST_FORM).unwrap();
        let deployed = read(folder.path()).unwrap();
        assert!(deployed.values().all(|one| one.policies.is_empty() && one.contract.is_none()));
        let mut file = SnapshotFile::open(folder.path());
        file.write(deployed.clone()).unwrap();
        assert_eq!(text(folder.path()), FIRST_FORM, "nothing has changed");
        let more = deployments([1, 2]);
        file.write(more.clone()).unwrap();
        assert!(text(folder.path()).starts_with(r#"{"form":3,"#));
        assert_eq!(read(folder.path()).unwrap(), more);
    }

    #[test]
    fn policies_and_the_contract_of_a_deployment_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut deployed = deployments([1]);
        for one in deployed.values_mut() {
            let digest = ContractDigest::of(b"a contract");
            one.contract = Some(ContractRef { digest, main: None, perspective: None, layout: Layout::OneSocket });
            one.policies =
                serde_json::from_str(r#"{"preserve_host":true,"limits":{"idle_timeout_ms":"off"}}"#).unwrap();
        }
        SnapshotFile::open(folder.path()).write(deployed.clone()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), deployed);
    }

    #[test]
    fn a_change_adds_a_line_of_its_own_size() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = SnapshotFile::open(folder.path());
        let mut deployed = deployments(1..=1_000);
        file.write(deployed.clone()).unwrap();
        let whole = text(folder.path());
        deployed.remove(&DeploymentId(7));
        deployed.get_mut(&DeploymentId(8)).unwrap().stopped = true;
        deployed.extend(deployments([2_000]));
        file.write(deployed.clone()).unwrap();
        let grown = text(folder.path());
        let line = grown.strip_prefix(&whole).unwrap();
        assert!(line.ends_with('\n') && line.len() < 1_000, "{line}");
        assert_eq!(read(folder.path()).unwrap(), deployed);
        // The next process goes on with the file as it is.
        let mut file = SnapshotFile::open(folder.path());
        deployed.remove(&DeploymentId(9));
        file.write(deployed.clone()).unwrap();
        assert!(text(folder.path()).starts_with(&grown));
        assert_eq!(read(folder.path()).unwrap(), deployed);
    }

    #[test]
    fn a_file_whose_lines_are_longer_than_its_first_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = SnapshotFile::open(folder.path());
        let mut longest = 0;
        for round in 0..2_000 {
            let mut deployed = deployments([1, 2, 3]);
            deployed.get_mut(&DeploymentId(1)).unwrap().revision = round;
            file.write(deployed.clone()).unwrap();
            longest = longest.max(text(folder.path()).len());
        }
        assert!((60_000..80_000).contains(&longest), "{longest}");
        assert_eq!(read(folder.path()).unwrap()[&DeploymentId(1)].revision, 1_999);
    }

    #[test]
    fn a_line_that_was_not_written_to_its_end_is_left_out_and_any_other_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SNAPSHOT);
        let mut file = SnapshotFile::open(folder.path());
        let states: Vec<All> = (1..=3).map(|last| deployments(1..=last)).collect();
        for state in &states {
            file.write(state.clone()).unwrap();
        }
        let good = text(folder.path());
        let lines: Vec<&str> = good.split_inclusive('\n').collect();
        assert_eq!(lines.len(), 3);
        for cut in 1..=lines[2].len() {
            fs::write(&path, &good[..good.len() - cut]).unwrap();
            assert_eq!(read(folder.path()).unwrap(), states[1], "{cut}");
        }
        fs::write(&path, [&good[..good.len() - 9], "\0\0\0\0"].concat()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), states[1]);
        SnapshotFile::open(folder.path()).write(states[2].clone()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), states[2], "and replaced by the next write");

        for (damaged, told) in [
            ([lines[0], lines[2]].concat(), "line 2: its checksum is another"),
            ([lines[0], lines[1], lines[1]].concat(), "line 3: its checksum is another"),
            (good.replacen("\"stopped\":false", "\"stopped\":true", 3), "its checksum is another"),
            ([lines[0], "\n", lines[1]].concat(), "line 2: EOF"),
            (lines[0].trim_end().to_owned(), "its first line has no end"),
            ([FIRST_FORM, "\n", lines[1]].concat(), "line 2 follows a form that has one line"),
            (String::new(), "EOF"),
        ] {
            fs::write(&path, &damaged).unwrap();
            let why = read(folder.path()).unwrap_err();
            assert!(why.contains(told), "{told}: {why}");
        }
    }

    #[test]
    fn a_file_that_somebody_removed_or_changed_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SNAPSHOT);
        let mut file = SnapshotFile::open(folder.path());
        file.write(deployments([1])).unwrap();
        fs::remove_file(&path).unwrap();
        file.write(deployments([1])).unwrap();
        assert_eq!(read(folder.path()).unwrap(), deployments([1]));
        fs::write(&path, "something else").unwrap();
        file.write(deployments([1, 2])).unwrap();
        assert_eq!(read(folder.path()).unwrap(), deployments([1, 2]));
        assert_eq!(text(folder.path()).lines().count(), 1);
    }
}
