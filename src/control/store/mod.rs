//! The store: SQLite in the state directory.
//!
//! In: operations of [`super::manage`], one at a time on a thread of its own. Out: rows as the model has them
//! ([`crate::api`]), or what is wrong with the store ([`fault`]). Rules and order of operations are not its affair; what
//! it keeps by itself is that an audit is only added to, that a revision never changes, and that of the APIs with one key at
//! most one is not retired.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

pub(super) mod apis;
pub(super) mod audit;
pub(super) mod cursor;
pub(super) mod deployments;
pub mod fault;
mod migrations;
pub(super) mod projects;
pub(super) mod revisions;
pub(super) mod sql;
pub mod state;

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::api::{Deployed, DeploymentId};
use fault::StoreError;
use state::StateDir;

/// How long a lock is waited for that somebody else holds, who looks at the store with a tool of his own.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open store.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// Held as long as the store is open.
    _state: StateDir,
}

impl Store {
    /// Opens the store of a state directory, makes it if there is none, and brings it to the form that this program knows.
    /// Where it can only be read it is opened to be read.
    ///
    /// # Errors
    /// It is damaged, newer than the program or not ours, or it cannot be opened.
    pub fn open(state: &StateDir) -> Result<Self, StoreError> {
        match state.make_database() {
            Ok(()) => {}
            Err(error) if state::is_read_only(&error) => return Self::open_read_only(state),
            Err(error) => {
                return Err(StoreError::Directory {
                    path: state.database(),
                    why: format!("cannot be opened: {error}"),
                });
            }
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut store = Self::with(Connection::open_with_flags(state.database(), flags)?, state)?;
        store.connection.pragma_update(None, "journal_mode", "WAL")?;
        migrations::run(&mut store.connection, migrations::MIGRATIONS)?;
        Ok(store)
    }

    fn open_read_only(state: &StateDir) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        // Nobody else changes it, as the lock tells. What waits in the log would be overlooked, though.
        let immutable = if state.has_log() { 0 } else { 1 };
        let path = percent_encoding::percent_encode(
            state.database().as_os_str().as_encoded_bytes(),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string();
        let uri = format!("file:{path}?immutable={immutable}");
        let opened = Connection::open_with_flags(uri, flags);
        let store = Self::with(opened.map_err(|error| unreadable(&error))?, state)?;
        let form = migrations::Form::of(&store.connection).map_err(|error| unreadable(&error))?;
        match form.migrated(migrations::MIGRATIONS.len())? {
            known if known == migrations::MIGRATIONS.len() => Ok(store),
            // An older form cannot be brought to the new one.
            _ => Err(StoreError::ReadOnly),
        }
    }

    fn with(connection: Connection, state: &StateDir) -> Result<Self, StoreError> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
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
        ] {
            connection.pragma_update(None, name, value)?;
        }
        Ok(Self { connection, _state: state.clone() })
    }

    /// Every deployment there is.
    ///
    /// # Errors
    /// It cannot be read, or does not hold what a program of ours has written.
    pub fn deployed(&self) -> Result<BTreeMap<DeploymentId, Deployed>, StoreError> {
        let all = deployments::all_deployed(&self.connection)?;
        Ok(all.into_iter().map(|deployed| (deployed.id, deployed)).collect())
    }

    /// To read with.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// To change with: all of it on [`Transaction::commit`], or nothing.
    pub(super) fn transaction(&mut self) -> rusqlite::Result<Transaction<'_>> {
        self.connection.transaction_with_behavior(TransactionBehavior::Immediate)
    }

    /// Writes to the disk and changes nothing: whether it takes changes.
    pub(super) fn probe(&self) -> rusqlite::Result<()> {
        let version: i32 = self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        self.connection.pragma_update(None, "user_version", version)
    }
}

/// SQLite cannot make the files that it needs beside a store that was not closed.
fn unreadable(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => StoreError::ReadOnly,
        _ => StoreError::Failed { why: error.to_string() },
    }
}

#[cfg(test)]
mod tests;
