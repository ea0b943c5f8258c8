//! The store: SQLite in the state directory.
//!
//! In: operations of [`super::manage`], one at a time on a thread of its own. Out: rows as the model has them
//! ([`crate::api`]), or what is wrong with the store ([`fault`]). Rules and order of operations are not its affair; what
//! it keeps by itself is that an audit is only added to, that a revision never changes, and that of the APIs with one key at
//! most one is not retired.

pub(super) mod apis;
pub(super) mod application_states;
pub(super) mod applications;
pub(super) mod audit;
pub(super) mod contracts;
pub(super) mod deployments;
pub mod fault;
pub(super) mod identities;
pub(super) mod keys;
mod log_owner;
mod migrations;
pub(super) mod plans;
pub(super) mod projects;
pub(super) mod revisions;
pub(super) mod sql;
pub(super) mod subscriptions;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tracing::{debug, warn};

use super::state_dir::{self, StateDir};
use crate::api::consumers::ApplicationState;
use crate::api::{Deployed, DeploymentId};
use fault::StoreError;
use identities::Credential;

/// The longest wait for a lock that another program holds, such as a tool that reads the store.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that are kept prepared: more than the program has.
const PREPARED_STATEMENTS: usize = 128;

/// The bytes of SQLite's log from which on its changes are moved to the database.
const MAX_LOG_BYTES: u64 = 4 * 1024 * 1024;

/// Every table whose rows are changed. The audit is only added to.
const CHANGED_TABLES: [&str; 10] = [
    "projects",
    "apis",
    "revisions",
    "deployments",
    "plans",
    "applications",
    "subscriptions",
    "keys",
    "identities",
    "tokens",
];

/// Which of the attempts to open a store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    First,
    Again,
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// The database that the connection has open; closed after it ([`log_owner::note`]). `None` for one that is read only.
    database: Option<File>,
    /// Held as long as the store is open.
    state: StateDir,
    /// True if the store was opened to be read only, because it could not be written then.
    is_read_only: bool,
    /// True if the store is sound and open for changes: it makes its checkpoints itself, also the last one.
    makes_checkpoints: bool,
    /// True if a note says which database the log belongs to ([`log_owner`]).
    is_log_noted: bool,
}

/// The files that a store is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The database and its log.
    Both,
    /// The database alone.
    Database,
}

impl Drop for Store {
    fn drop(&mut self) {
        // SQLite makes the last checkpoint when the connection is closed. Without the note a process that is killed meanwhile
        // leaves a log that is believed.
        if self.makes_checkpoints {
            let _ = log_owner::forget(&self.state);
        }
    }
}

impl Store {
    /// Opens the store of a state directory, makes it if there is none, and brings it to the form that this program knows.
    /// Opens the store for reading alone if it cannot be changed.
    ///
    /// # Errors
    /// The store is damaged, newer than the program or another program's, or it cannot be opened.
    pub fn open(state: &StateDir) -> Result<Self, StoreError> {
        Self::attempt(state, Attempt::First)
    }

    /// Retries a store that failed to open: checks the whole file for damage, and does not wait for another process's lock.
    pub(super) fn open_again(state: &StateDir) -> Result<Self, StoreError> {
        Self::attempt(&state.locked()?, Attempt::Again)
    }

    /// The state directory.
    #[must_use]
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    fn attempt(state: &StateDir, attempt: Attempt) -> Result<Self, StoreError> {
        match Self::open_to_change(state, attempt) {
            Err(StoreError::ReadOnly) => Self::open_read_only(state, attempt),
            // There is no room for the files that a change needs beside it. What it holds can be read, unless some of it is in
            // one of these.
            Err(StoreError::Full) if !state.has_log() => Self::open_read_only(state, attempt),
            opened => opened,
        }
    }

    fn open_to_change(state: &StateDir, attempt: Attempt) -> Result<Self, StoreError> {
        if let Some(told_by) = state.lost_store() {
            return Err(StoreError::Missing { told_by });
        }
        let database = match state.make_database() {
            Ok(database) => database,
            Err(error) if state_dir::is_read_only(&error) => return Err(StoreError::ReadOnly),
            Err(error) => {
                return Err(StoreError::Directory {
                    path: state.database(),
                    why: format!("cannot be opened: {error}"),
                });
            }
        };
        Self::put_foreign_log_aside(state)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut store = Self::with(Connection::open_with_flags(state.database(), flags)?, state, attempt)?;
        if migrations::Form::of(&store.connection)?.is_new()
            && let Some(told_by) = state.snapshot()
        {
            return Err(StoreError::Missing { told_by });
        }
        store.connection.pragma_update(None, "journal_mode", "WAL")?;
        migrations::run(&mut store.connection, migrations::MIGRATIONS)?;
        store.begin(attempt)?;
        store.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        store.makes_checkpoints = true;
        store.database = Some(database);
        store.checkpoint();
        Ok(store)
    }

    /// Puts a log aside that belongs to the database that was here before: somebody has copied a backup over it.
    fn put_foreign_log_aside(state: &StateDir) -> Result<(), StoreError> {
        if !log_owner::is_replaced(state).map_err(|error| unusable_log(&error))? {
            return Ok(());
        }
        Self::check_replaced(state)?;
        let aside = log_owner::put_aside(state).map_err(|error| unusable_log(&error))?;
        warn!(
            "{} was replaced while ringway.db-wal held changes to the database before it. They are not applied: the file is \
             {} now; remove it if the replacement was meant",
            state.database().display(),
            aside.display()
        );
        Ok(())
    }

    /// Checks a database that is not the one of its log: only a whole one was put there by somebody. Changes nothing.
    fn check_replaced(state: &StateDir) -> Result<(), StoreError> {
        let checked = Self::read_only(state, Attempt::First, Source::Database)
            .map_err(StoreError::from)
            .and_then(|store| {
                migrations::Form::of(&store.connection)?.migrated(migrations::MIGRATIONS.len()).map(|_| store)
            })
            .and_then(|store| store.check_all());
        checked.map_err(|why| match why {
            StoreError::Broken { why } => StoreError::Broken {
                why: format!(
                    "ringway.db is not the database that ringway.db-wal belongs to, and not sound by itself: {why}"
                ),
            },
            other => other,
        })
    }

    /// One that was opened to be read is opened anew: what kept it from being changed may be gone.
    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.is_read_only {
            *self = Self::open_to_change(&self.state.locked()?, Attempt::First)?;
        }
        Ok(())
    }

    fn open_read_only(state: &StateDir, attempt: Attempt) -> Result<Self, StoreError> {
        let is_replaced = log_owner::is_replaced(state).map_err(|error| unusable_log(&error))?;
        let source = if state.has_log() && !is_replaced { Source::Both } else { Source::Database };
        if is_replaced && Self::check_replaced(state).is_err() {
            // What is wrong with it is found out when it can be written.
            return Err(StoreError::ReadOnly);
        }
        let mut store = Self::read_only(state, attempt, source).map_err(unreadable)?;
        store.is_read_only = true;
        let form = migrations::Form::of(&store.connection).map_err(unreadable)?;
        if form.migrated(migrations::MIGRATIONS.len())? < migrations::MIGRATIONS.len() {
            // An older form cannot be brought to the new one.
            return Err(StoreError::ReadOnly);
        }
        store.begin(attempt)?;
        Ok(store)
    }

    /// Opens files that nobody else changes, as the lock tells.
    fn read_only(state: &StateDir, attempt: Attempt, source: Source) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let immutable = match source {
            Source::Both => 0,
            Source::Database => 1,
        };
        let path = percent_encoding::percent_encode(
            state.database().as_os_str().as_encoded_bytes(),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string();
        let uri = format!("file:{path}?immutable={immutable}");
        Self::with(Connection::open_with_flags(uri, flags)?, state, attempt)
    }

    fn with(connection: Connection, state: &StateDir, attempt: Attempt) -> rusqlite::Result<Self> {
        connection.busy_timeout(match attempt {
            Attempt::First => BUSY_TIMEOUT,
            Attempt::Again => Duration::ZERO,
        })?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        // A statement keeps its plan whatever is bound to it. Otherwise SQLite may compile it again for each row that an apply
        // looks up: half of the time of 10,000 documents.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // What is found damaged is left as it is, with what waits beside it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        for (name, value) in [
            // A commit is on the disk when it is answered.
            ("synchronous", "FULL"),
            ("foreign_keys", "ON"),
            // So that the audit's triggers see what INSERT OR REPLACE deletes.
            ("recursive_triggers", "ON"),
            ("trusted_schema", "OFF"),
            ("cell_size_check", "ON"),
            // 4 MiB are kept of a log that was longer.
            ("journal_size_limit", "4194304"),
            // The store makes its checkpoints itself.
            ("wal_autocheckpoint", "0"),
        ] {
            connection.pragma_update(None, name, value)?;
        }
        connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
        Ok(Self {
            connection,
            database: None,
            state: state.clone(),
            is_read_only: false,
            makes_checkpoints: false,
            is_log_noted: false,
        })
    }

    /// Begins with it if it is sound.
    fn begin(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.check()?;
        if attempt == Attempt::Again {
            self.check_all()?;
        }
        Ok(self.connection.busy_timeout(BUSY_TIMEOUT)?)
    }

    /// Looks for damage in what is changed, before it is: some 20 ms for ten thousand APIs. The audit may be as long as it likes,
    /// and is only added to: it is not looked at.
    fn check(&self) -> Result<(), StoreError> {
        for table in CHANGED_TABLES {
            let found: String =
                self.connection.query_row(&format!("PRAGMA quick_check('{table}')"), [], |row| row.get(0))?;
            if found != "ok" {
                return Err(StoreError::Broken { why: format!("table {table}: {found}") });
            }
        }
        // Values, too: a node that has begun with this store must be able to load it.
        self.deployed()?;
        self.application_states()?;
        self.credentials().map(drop)
    }

    /// Every deployment there is.
    ///
    /// # Errors
    /// The store cannot be read, or holds values that this program does not write.
    pub fn deployed(&self) -> Result<BTreeMap<DeploymentId, Deployed>, StoreError> {
        let all = deployments::all_deployed(&self.connection)?;
        Ok(all.into_iter().map(|deployed| (deployed.id, deployed)).collect())
    }

    /// Every application with its subscriptions and keys.
    ///
    /// # Errors
    /// The store cannot be read, or holds values that this program does not write.
    pub fn application_states(&self) -> Result<Vec<ApplicationState>, StoreError> {
        Ok(application_states::all(&self.connection)?)
    }

    /// Every token that lets somebody into the admin API.
    ///
    /// # Errors
    /// The store cannot be read, or holds values that this program does not write.
    pub(super) fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        Ok(identities::credentials(&self.connection)?)
    }

    /// The connection, for queries.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Begins a change. Nothing is kept before [`Transaction::commit`].
    pub(super) fn transaction(&mut self) -> Result<Transaction<'_>, StoreError> {
        self.reopen()?;
        Ok(self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    /// Call this after each commit: notes which database a new log belongs to, and keeps the log short.
    pub(super) fn committed(&mut self) {
        if !self.makes_checkpoints {
            return;
        }
        if let Some(database) = self.database.as_ref().filter(|_| !self.is_log_noted) {
            match log_owner::note(&self.state, database) {
                Ok(()) => self.is_log_noted = true,
                // The next commit tries it again. Until then the log is believed.
                Err(error) => debug!(%error, "ringway.db-wal.note cannot be written"),
            }
        }
        if self.state.log_bytes() > MAX_LOG_BYTES {
            self.checkpoint();
        }
    }

    /// Moves what waits in the log to the database, as far as tools that read it allow. Waits for none of them.
    fn checkpoint(&mut self) {
        if self.state.log_bytes() == 0 || log_owner::forget(&self.state).is_err() {
            return;
        }
        self.is_log_noted = false;
        let moved = self.connection.busy_timeout(Duration::ZERO).and_then(|()| {
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        });
        let waits_again = self.connection.busy_timeout(BUSY_TIMEOUT);
        if let Err(error) = moved.and(waits_again) {
            debug!(%error, "ringway.db-wal is moved to ringway.db another time");
        }
    }

    /// Checks the whole file for damage. Takes time in proportion to the size of the file.
    pub(super) fn check_all(&self) -> Result<(), StoreError> {
        let found: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Broken { why: found }) }
    }

    /// Checks that changes are possible: writes to the store without changing anything, and writes a file beside it, because
    /// the store may have free pages left on a full disk.
    pub(super) fn probe(&mut self) -> Result<(), StoreError> {
        self.reopen()?;
        let version: i32 = self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        self.connection.pragma_update(None, "user_version", version)?;
        self.committed();
        self.state.take_room().map_err(|error| unusable_file("probe", &error))
    }
}

/// A file of the state directory cannot be used.
pub(super) fn unusable_file(name: &str, error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
        _ if state_dir::is_read_only(error) => StoreError::ReadOnly,
        _ => StoreError::Failed { why: format!("{name}: {error}") },
    }
}

/// The log cannot be looked at, or put aside.
fn unusable_log(error: &io::Error) -> StoreError {
    unusable_file("ringway.db-wal", error)
}

/// SQLite cannot make the files that it needs beside a store that was not closed.
fn unreadable(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => StoreError::ReadOnly,
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests;
