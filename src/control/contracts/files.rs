//! The folder of contracts: one file a contract, named by its digest.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{ContractFault, Kept, MAX_BYTES};
use crate::api::ContractDigest;
use crate::control::state_dir::{Existing, write_whole};

/// The folder, and how much it may hold.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    max_all_bytes: u64,
    max_files: usize,
}

impl Files {
    pub(super) fn new(folder: PathBuf, max_all_bytes: u64, max_files: usize) -> Self {
        Self { folder, max_all_bytes, max_files }
    }

    pub(super) fn path(&self, digest: &ContractDigest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    pub(super) fn keep(&self, bytes: &[u8]) -> Result<Kept, ContractFault> {
        if bytes.len() > MAX_BYTES {
            return Err(ContractFault::TooLarge);
        }
        let digest = ContractDigest::of(bytes);
        let path = self.path(&digest);
        if read(&path, &digest).is_ok() {
            File::options().write(true).open(&path)?.set_modified(SystemTime::now())?;
            return Ok(Kept { digest, is_new: false });
        }
        self.make_folder()?;
        let (files, all_bytes) = self.size()?;
        let all_bytes = all_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if files >= self.max_files || all_bytes > self.max_all_bytes {
            return Err(ContractFault::Full);
        }
        // A file with other bytes than its name says is replaced.
        write_whole(&path, bytes, Existing::Replaced)?;
        Ok(Kept { digest, is_new: true })
    }

    /// Makes the folder, for its owner alone, and has its name last.
    fn make_folder(&self) -> io::Result<()> {
        if self.folder.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        match self.folder.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    /// The number of files and their bytes.
    fn size(&self) -> io::Result<(usize, u64)> {
        let mut size = (0_usize, 0_u64);
        for (_, metadata) in self.list()? {
            size = (size.0.saturating_add(1), size.1.saturating_add(metadata.len()));
        }
        Ok(size)
    }

    /// True if a file was uploaded longer than `age` before `now`.
    pub(super) fn has_older_than(&self, age: Duration, now: SystemTime) -> bool {
        self.list().unwrap_or_default().iter().any(|(_, metadata)| is_older(metadata, age, now))
    }

    /// Removes what nothing uses and is older than `age`: contracts, and parts of files that a process did not finish.
    pub(super) fn remove(&self, age: Duration, now: SystemTime, used: &HashSet<ContractDigest>) -> usize {
        let is_unused = |path: &Path| digest_of(path).is_none_or(|digest| !used.contains(&digest));
        let files = self.list().unwrap_or_default();
        let unused = files.into_iter().filter(|(path, metadata)| is_older(metadata, age, now) && is_unused(path));
        unused.filter(|(path, _)| fs::remove_file(path).is_ok()).count()
    }

    fn list(&self) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let files = entries.filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            metadata.is_file().then(|| (entry.path(), metadata))
        });
        Ok(files.collect())
    }
}

/// Reads and verifies a file.
pub(super) fn read(path: &Path, digest: &ContractDigest) -> Result<Vec<u8>, ContractFault> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ContractFault::Missing(*digest)),
        file => file?,
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes)?;
    if ContractDigest::of(&bytes) == *digest { Ok(bytes) } else { Err(ContractFault::Damaged(*digest)) }
}

fn digest_of(path: &Path) -> Option<ContractDigest> {
    path.file_name()?.to_str()?.parse().ok()
}

fn is_older(metadata: &fs::Metadata, age: Duration, now: SystemTime) -> bool {
    let modified = metadata.modified().ok();
    modified.and_then(|modified| now.duration_since(modified).ok()).is_some_and(|since| since > age)
}
