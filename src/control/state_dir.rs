//! The state directory: the names of its files, the lock that keeps a second node out, and how a file in it is written.
//!
//! Every file of the directory is named here and nowhere else. A file is written whole or not at all ([`write_whole`]).

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::store::fault::StoreError;

/// The directory that a node uses, and that commands look in, unless the command line names another.
pub const DEFAULT: &str = "./ringway-data";
/// The file with the admin token.
pub const ADMIN_TOKEN: &str = "admin-token";
/// The file with the address of the admin listener, which exists while the node runs.
pub const ADMIN_ADDRESS: &str = "admin.addr";
/// The last good snapshot.
pub const SNAPSHOT: &str = "snapshot.json";
/// The applications and the digests of their keys, as they were last changed.
pub const KEYS: &str = "keys.json";
/// The folder of contracts, a file each.
pub const CONTRACTS: &str = "contracts";
/// The store's database, and the log that SQLite keeps beside it.
const DATABASE: &str = "ringway.db";
const DATABASE_LOG: &str = "ringway.db-wal";
/// The index of that log, which SQLite makes again where it is missing.
const DATABASE_LOG_INDEX: &str = "ringway.db-shm";
/// The note of which database the log belongs to.
const DATABASE_LOG_NOTE: &str = "ringway.db-wal.note";
/// The file that the node which uses the directory has locked.
const LOCK: &str = "lock";
/// A file that is written and removed to find out whether the disk has room.
const PROBE: &str = "probe";
/// More than a change takes.
const PROBE_BYTES: usize = 256 * 1024;

/// Every file that lasts. All are for their owner alone.
const FILES: [&str; 9] =
    [ADMIN_TOKEN, ADMIN_ADDRESS, SNAPSHOT, KEYS, DATABASE, DATABASE_LOG, DATABASE_LOG_INDEX, DATABASE_LOG_NOTE, LOCK];

/// A state directory that this process has to itself for as long as a clone of this lives. The kernel frees it when the
/// process ends, however it does.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Nothing where no file can be made in the directory and none was: then no node has ever used it.
    _lock: Option<Arc<File>>,
}

impl StateDir {
    /// Makes the directory if there is none (for its owner alone), and takes it.
    ///
    /// # Errors
    /// Another process has it, or it cannot be used.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        let failed = |path: &Path, error: &io::Error| StoreError::Directory {
            path: path.to_owned(),
            why: format!("the state directory cannot be used: {error}"),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| failed(path, &error))?;
        // A directory that was just made outlives a power failure only when the one above it is on the disk.
        for directory in [Some(path), path.parent()].into_iter().flatten() {
            let _ = File::open(directory).and_then(|directory| directory.sync_all());
        }
        let lock = path.join(LOCK);
        let Some(file) = open_lock(&lock).map_err(|error| failed(&lock, &error))? else {
            return Ok(Self { path: path.to_owned(), _lock: None });
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { by: holder(&file), lock }),
            Err(TryLockError::Error(error)) => return Err(failed(&lock, &error)),
        }
        // Only for the message above, so a full disk, or one that can only be read, is no reason to stop.
        let _ = file.set_len(0).and_then(|()| writeln!(&file, "process {}", std::process::id()));
        Ok(Self { path: path.to_owned(), _lock: Some(Arc::new(file)) })
    }

    /// This directory with the lock: where no lock file could be created, it may be possible by now.
    pub(in crate::control) fn locked(&self) -> Result<Self, StoreError> {
        if self._lock.is_some() { Ok(self.clone()) } else { Self::take(&self.path) }
    }

    /// The path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The file that shows that there was a store where there is none now, or an empty one: this is no first start.
    pub(in crate::control) fn lost_store(&self) -> Option<PathBuf> {
        let is_empty = match fs::metadata(self.database()) {
            Ok(file) if file.is_file() && file.len() == 0 => true,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if self.has_log() {
                    return Some(self.log());
                }
                true
            }
            _ => false,
        };
        self.snapshot().filter(|_| is_empty)
    }

    /// The last good snapshot, which a node with a store leaves beside it.
    pub(in crate::control) fn snapshot(&self) -> Option<PathBuf> {
        Some(self.path.join(SNAPSHOT)).filter(|path| fs::symlink_metadata(path).is_ok())
    }

    /// SQLite's log.
    pub(in crate::control) fn log(&self) -> PathBuf {
        self.path.join(DATABASE_LOG)
    }

    /// The index of SQLite's log.
    pub(in crate::control) fn log_index(&self) -> PathBuf {
        self.path.join(DATABASE_LOG_INDEX)
    }

    /// The note of which database SQLite's log belongs to.
    pub(in crate::control) fn log_note(&self) -> PathBuf {
        self.path.join(DATABASE_LOG_NOTE)
    }

    /// Takes the rights to its files away from everyone but their owner, and returns the files that somebody else had rights
    /// to: a copy, or a volume that Kubernetes gives to a group (`fsGroup`), does not keep modes. Files of another user, and
    /// links, stay as they are.
    #[must_use]
    pub fn repair_modes(&self) -> Vec<PathBuf> {
        let is_open = |path: &PathBuf| {
            fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o077 != 0)
        };
        let closed = |path: &PathBuf| fs::set_permissions(path, fs::Permissions::from_mode(0o600)).is_ok();
        let mut repaired: Vec<PathBuf> =
            FILES.iter().map(|name| self.path.join(name)).filter(is_open).filter(closed).collect();
        repaired.extend(self.repair_contracts());
        repaired
    }

    /// Closes the folder of contracts to everyone but its owner, if others had rights to it.
    fn repair_contracts(&self) -> Option<PathBuf> {
        let folder = self.path.join(CONTRACTS);
        let is_open = fs::symlink_metadata(&folder)
            .is_ok_and(|folder| folder.is_dir() && folder.permissions().mode() & 0o077 != 0);
        let is_closed = is_open && fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).is_ok();
        is_closed.then_some(folder)
    }

    /// Opens the store's file, and makes it if there is none: for its owner alone, as the files beside it will be.
    pub(in crate::control) fn make_database(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(self.database())
    }

    /// Takes some room on the disk, and gives it back.
    pub(in crate::control) fn take_room(&self) -> io::Result<()> {
        let path = self.path.join(PROBE);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let written = (&file).write_all(&[0; PROBE_BYTES]).and_then(|()| file.sync_data());
        fs::remove_file(&path)?;
        written
    }

    /// True if changes wait in SQLite's log that are not yet in the database itself.
    pub(in crate::control) fn has_log(&self) -> bool {
        self.log_bytes() > 0
    }

    /// The length of SQLite's log; 0 without one.
    pub(in crate::control) fn log_bytes(&self) -> u64 {
        fs::metadata(self.log()).map_or(0, |log| log.len())
    }
}

/// Keep or replace a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// The file stays, and writing fails with [`ErrorKind::AlreadyExists`].
    Kept,
    /// The file is replaced.
    Replaced,
}

/// Writes a file that only its owner may read, whole or not at all: a process that is killed meanwhile leaves no part of
/// it under its name. The file is on the disk when this returns.
///
/// # Errors
/// The file cannot be written, or is there already and must be kept; then nothing has changed.
pub fn write_whole(path: &Path, bytes: &[u8], existing: Existing) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = format!(".{}-", path.file_name().unwrap_or_default().to_string_lossy());
    let mut file =
        tempfile::Builder::new().prefix(&prefix).permissions(fs::Permissions::from_mode(0o600)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match existing {
        Existing::Kept => file.persist_noclobber(path),
        Existing::Replaced => file.persist(path),
    }
    .map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// The file to lock; nothing if it is not there and cannot be made.
fn open_lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    match options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if is_read_only(&error) => match File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// True for an error that says that a file may be read but not written.
pub(in crate::control) fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied)
}

/// The text that the holder of a lock has written into it: one line at most.
fn holder(file: &File) -> String {
    let mut text = String::new();
    let _ = file.take(64).read_to_string(&mut text);
    let line: String = text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    if line.is_empty() { "of unknown process".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;

    use super::{Existing, LOCK, StateDir, write_whole};
    use crate::control::store::fault::StoreError;

    #[test]
    fn one_node_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = StateDir::take(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let second = StateDir::take(&path).unwrap_err();
        let by = format!("process {}", std::process::id());
        assert_eq!(second, StoreError::InUse { lock: path.join(LOCK), by });
        assert!(second.forbids_serving());
        let text = second.to_string();
        assert!(text.contains("a/b/lock") && text.contains("--state"), "{text}");
        let clone = first.clone();
        drop(first);
        assert!(StateDir::take(&path).is_err(), "a clone holds it");
        drop(clone);
        StateDir::take(&path).unwrap();
    }

    #[test]
    fn a_file_is_written_whole_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-file");
        write_whole(&path, b"one", Existing::Kept).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let kept = write_whole(&path, b"two", Existing::Kept).unwrap_err();
        assert_eq!((kept.kind(), std::fs::read(&path).unwrap()), (ErrorKind::AlreadyExists, b"one".to_vec()));
        write_whole(&path, b"three", Existing::Replaced).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
    }

    #[test]
    fn c1_files_that_others_have_rights_to_become_the_owner_s_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::take(folder.path()).unwrap();
        assert!(state.repair_modes().is_empty());
        let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        for (name, mode) in [("ringway.db", 0o660), ("admin-token", 0o644), ("another's", 0o666)] {
            std::fs::write(folder.path().join(name), "").unwrap();
            std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink(folder.path().join("another's"), folder.path().join("snapshot.json")).unwrap();
        std::fs::create_dir(folder.path().join("contracts")).unwrap();
        std::fs::set_permissions(folder.path().join("contracts"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let repaired = state.repair_modes();
        assert_eq!(repaired, ["admin-token", "ringway.db", "contracts"].map(|name| folder.path().join(name)));
        assert_eq!(["ringway.db", "admin-token", "another's", "contracts"].map(mode), [0o600, 0o600, 0o666, 0o700]);
        assert!(state.repair_modes().is_empty());
    }

    #[test]
    fn what_is_no_directory_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = StateDir::take(file.path()).unwrap_err();
        assert!(matches!(&error, StoreError::Directory { path, .. } if path == file.path()), "{error}");
    }
}
