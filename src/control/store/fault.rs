//! Errors of the store: which of them end by themselves, and which the operator has to mend.

use std::fmt;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::api::Problems;
use crate::api::problem::Code;

/// The reason why the store, or one operation of it, is not available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another node uses the state directory.
    InUse {
        /// The lock that it holds.
        lock: PathBuf,
        /// The lock's text: the node's process number.
        by: String,
    },
    /// The state directory cannot be created, or a file in it cannot be opened.
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// The operating system's error.
        why: String,
    },
    /// A newer program wrote the store.
    Newer {
        /// The form of the store.
        found: i32,
        /// The newest form that this program knows.
        known: usize,
    },
    /// The file is another program's database.
    Foreign,
    /// There was a store, and its file is missing or empty.
    Missing {
        /// The file that shows that there was one.
        told_by: PathBuf,
    },
    /// The store is damaged.
    Broken {
        /// The damage that was found.
        why: String,
    },
    /// The store can be read but not written.
    ReadOnly,
    /// The store's disk is full.
    Full,
    /// Another program holds a lock on the store.
    Busy,
    /// Anything else.
    Failed {
        /// The message of the library.
        why: String,
    },
}

impl StoreError {
    /// True if the node must serve nothing until the operator has acted. Serving the last good snapshot would be wrong while
    /// another node serves, or beside a store that is intact but not readable by this program.
    #[must_use]
    pub fn forbids_serving(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Directory { .. } | Self::Newer { .. } | Self::Foreign)
    }

    /// True if the error may end without a change of the store's files, so that trying again makes sense. A damaged or missing
    /// store is for the operator to replace, with the node stopped: a node that reads files while they are restored sees half
    /// of them.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::InUse { .. }
            | Self::Directory { .. }
            | Self::ReadOnly
            | Self::Full
            | Self::Busy
            | Self::Failed { .. } => true,
            Self::Newer { .. } | Self::Foreign | Self::Missing { .. } | Self::Broken { .. } => false,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::ReadOnly => Code::STORE_READ_ONLY,
            Self::Full => Code::STORE_FULL,
            Self::Busy => Code::BUSY,
            _ => Code::STORE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { lock, by } => write!(
                f,
                "another node ({by}) uses this state directory: it holds {}; stop it, or give this one another with --state",
                lock.display()
            ),
            Self::Directory { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Newer { found, known } => write!(
                f,
                "the store has form {found}, and this program knows forms up to {known}: run the newer program that wrote it"
            ),
            Self::Foreign => f.write_str("the store's file is a database of another program; move it away"),
            Self::Missing { told_by } => write!(
                f,
                "ringway.db is missing or empty, and {} tells that there was a store: stop the node, and put a backup of ringway.db back, or move that file away too to begin with nothing",
                told_by.display()
            ),
            Self::Broken { why } => write!(
                f,
                "the store is damaged ({why}): stop the node, and put back a copy of ringway.db with the ringway.db-wal and ringway.db-shm that belong to it, or move all three and snapshot.json away to begin with nothing"
            ),
            Self::ReadOnly => f.write_str("the store can only be read: make its directory and files writable"),
            Self::Full => f.write_str("the store's disk is full: make room on it"),
            Self::Busy => f.write_str("another program holds the store: end it, or try again later"),
            Self::Failed { why } => write!(f, "the store cannot be used: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let why = error.to_string();
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => of_failure(failure, why),
            // A value that we did not write, or not like this.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => Self::Broken { why },
            _ => Self::Failed { why },
        }
    }
}

fn of_failure(failure: ffi::Error, why: String) -> StoreError {
    match (failure.code, failure.extended_code) {
        (ErrorCode::ReadOnly, _) => StoreError::ReadOnly,
        // The second: room for the file that readers and writers share is asked of the disk before it is used.
        (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => StoreError::Full,
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => StoreError::Busy,
        (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => StoreError::Broken { why },
        _ => StoreError::Failed { why },
    }
}

impl From<StoreError> for Problems {
    fn from(error: StoreError) -> Self {
        let mut detail = error.to_string();
        // Whoever is refused for this has an open store.
        detail.push_str(match error {
            StoreError::ReadOnly => "; reading and traffic go on",
            StoreError::Full => "; reading and traffic go on, and nothing was changed",
            _ => "",
        });
        if let Some(first) = detail.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Self::new(error.code(), detail + ".")
    }
}

impl From<rusqlite::Error> for Problems {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::from(error).into()
    }
}
