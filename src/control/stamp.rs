//! A file's identity and times, which tell whether the file has changed without reading it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The file's inode, size and times, in seconds and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of a file, after links are followed; `None` if the file cannot be examined.
    pub(super) fn of(path: impl AsRef<Path>) -> Option<Self> {
        let data = fs::metadata(path).ok()?;
        Some(Self {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            written: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    }
}
