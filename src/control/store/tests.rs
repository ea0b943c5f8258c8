//! Invariants that the store keeps by itself, and its errors for files that are no store.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::Store;
use super::fault::StoreError;
use super::migrations::MIGRATIONS;
use crate::api::Problems;
use crate::api::problem::Code;
use crate::control::state_dir::StateDir;

/// A store with an API that is deployed, closed.
fn filled() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StateDir::take(folder.path()).unwrap()).unwrap();
    let sql = r#"
        INSERT INTO projects VALUES (1, 'default', '', 1, 0, 'me', 0, 'me');
        INSERT INTO apis VALUES (1, 'default', 'chat', 1, 0, NULL, 'Created', NULL, NULL, 1, 1, 0, 'me', 0, 'me',
            '{"name":"Chat","description":"","access":"external","targets":["ws://a"],"type":"WebSocket"}');
        INSERT INTO revisions VALUES (1, 1, '{"name":"Chat","description":"","access":"external","targets":["ws://a"],
            "type":"WebSocket"}', 0, 'me');
        INSERT INTO deployments VALUES (1, 1, 'development', 1, NULL, 0, 0, 'me');
        INSERT INTO audit VALUES (NULL, 0, 'me', 'api.create', 'default/chat:1.0', 'default/chat:1.0', 1, NULL, '{}', 'token 1', NULL);
    "#;
    store.connection().execute_batch(sql).unwrap();
    assert_eq!(store.deployed().unwrap().len(), 1);
    folder
}

/// Opens it and reads what is deployed.
fn read(folder: &Path) -> Result<usize, StoreError> {
    let store = Store::open(&StateDir::take(folder).unwrap())?;
    store.deployed().map(|deployed| deployed.len())
}

fn refused(store: &Store, sql: &str) -> String {
    store.connection().execute(sql, []).unwrap_err().to_string()
}

#[test]
fn the_audit_is_added_to_and_never_changed() {
    let folder = filled();
    let store = Store::open(&StateDir::take(folder.path()).unwrap()).unwrap();
    for (sql, why) in [
        ("UPDATE audit SET who = 'somebody'", "never changed"),
        ("UPDATE audit SET at = at", "never changed"),
        ("DELETE FROM audit", "never deleted"),
        ("DELETE FROM audit WHERE id = 1", "never deleted"),
        (
            "INSERT OR REPLACE INTO audit VALUES (1, 0, 'x', 'api.create', '', NULL, NULL, NULL, NULL, NULL, NULL)",
            "never deleted",
        ),
        ("UPDATE revisions SET definition = ''", "never changed"),
    ] {
        let told = refused(&store, sql);
        assert!(told.contains(why), "{sql}: {told}");
    }
    let entries: i64 = store.connection().query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).unwrap();
    assert_eq!(entries, 1);
}

#[test]
fn a_number_that_was_rolled_back_is_used_by_the_next() {
    let folder = filled();
    let mut store = Store::open(&StateDir::take(folder.path()).unwrap()).unwrap();
    let insert = "INSERT INTO audit VALUES (NULL, 0, 'me', 'api.create', '', NULL, NULL, NULL, NULL, NULL, NULL)";
    let transaction = store.transaction().unwrap();
    transaction.execute(insert, []).unwrap();
    assert_eq!(transaction.last_insert_rowid(), 2);
    drop(transaction);
    store.connection().execute(insert, []).unwrap();
    assert_eq!(store.connection().last_insert_rowid(), 2);
}

#[test]
fn of_apis_with_one_key_one_is_not_retired() {
    let folder = filled();
    let store = Store::open(&StateDir::take(folder.path()).unwrap()).unwrap();
    let copy = "INSERT INTO apis SELECT NULL, project, identifier, major, minor, display_name, 'Published', NULL, NULL,
        NULL, 1, 0, 'me', 0, 'me', definition FROM apis WHERE id = 1";
    assert!(refused(&store, copy).contains("UNIQUE"));
    store.connection().execute("UPDATE apis SET lifecycle = 'Retired'", []).unwrap();
    store.connection().execute(copy, []).unwrap();
    assert!(refused(&store, "DELETE FROM revisions").contains("FOREIGN KEY"), "what is deployed stays");
}

#[test]
fn its_files_are_their_owners_alone_and_a_commit_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StateDir::take(folder.path()).unwrap()).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
    }
    let value = |name: &str| -> String {
        store
            .connection()
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    };
    for (name, expected) in [
        ("journal_mode", "Text(\"wal\")"),
        ("synchronous", "Integer(2)"),
        ("foreign_keys", "Integer(1)"),
        ("recursive_triggers", "Integer(1)"),
        ("busy_timeout", "Integer(5000)"),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
}

#[test]
fn a_damaged_store_says_so_and_is_left_alone() {
    let write = |folder: &Path, at: u64, bytes: &[u8]| {
        let mut file = fs::OpenOptions::new().write(true).open(folder.join("ringway.db")).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    };
    let size = fs::metadata(filled().path().join("ringway.db")).unwrap().len();
    let garbage = vec![0xa5; usize::try_from(size).unwrap()];
    for (what, damage) in [
        ("no database at all", &(|folder: &Path| write(folder, 0, &garbage)) as &dyn Fn(&Path)),
        ("its first page", &|folder: &Path| write(folder, 100, &garbage[..3000])),
        ("every page but the first", &|folder: &Path| write(folder, 4096, &garbage[4096..])),
        ("its end is missing", &|folder: &Path| {
            let file = fs::OpenOptions::new().write(true).open(folder.join("ringway.db")).unwrap();
            file.set_len(4096).unwrap();
        }),
    ] {
        let folder = filled();
        damage(folder.path());
        let before = fs::read(folder.path().join("ringway.db")).unwrap();
        let error = read(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Broken { .. }), "{what}: {error:?}");
        assert!(!error.forbids_serving(), "{what}");
        let after = fs::read(folder.path().join("ringway.db")).unwrap();
        assert!(before == after, "{what}: somebody may still save it");
    }
}

#[test]
fn damage_is_found_where_nothing_is_deployed() {
    let folder = filled();
    let other = Connection::open(folder.path().join("ringway.db")).unwrap();
    let sql = "DELETE FROM deployments; PRAGMA wal_checkpoint(TRUNCATE)";
    other.execute_batch(sql).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'one_api_of_a_key'";
    let page: u64 = other.query_row(root, [], |row| row.get::<_, u32>(0)).unwrap().into();
    drop(other);
    let mut file = fs::OpenOptions::new().write(true).open(folder.path().join("ringway.db")).unwrap();
    // Of the index that keeps keys apart: it has no cell any more.
    file.seek(SeekFrom::Start((page - 1) * 4096 + 3)).unwrap();
    file.write_all(&[0, 0]).unwrap();
    let error = read(folder.path()).unwrap_err();
    assert!(matches!(&error, StoreError::Broken { why } if why.contains("apis")), "{error:?}");
}

#[test]
fn values_that_no_program_of_ours_wrote_are_damage() {
    for sql in [
        "UPDATE apis SET lifecycle = 'Elsewhere'",
        "UPDATE apis SET major = 70000",
        "UPDATE deployments SET targets = '[1]'",
        "UPDATE deployments SET targets = '[\"ftp://a\"]'",
        "UPDATE deployments SET environment = 'De v'",
    ] {
        let folder = filled();
        let other = Connection::open(folder.path().join("ringway.db")).unwrap();
        other.execute(sql, []).unwrap();
        drop(other);
        let error = Store::open(&StateDir::take(folder.path()).unwrap()).unwrap_err();
        assert!(matches!(error, StoreError::Broken { .. }), "{sql}: {error:?}");
    }
}

#[test]
fn a_newer_store_and_another_programs_are_not_opened() {
    let folder = filled();
    let other = Connection::open(folder.path().join("ringway.db")).unwrap();
    other.pragma_update(None, "user_version", 1000).unwrap();
    drop(other);
    let error = read(folder.path()).unwrap_err();
    assert_eq!(error, StoreError::Newer { found: 1000, known: MIGRATIONS.len() });
    assert!(error.forbids_serving());
    assert!(error.to_string().contains("form 1000") && error.to_string().contains("newer program"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let other = Connection::open(folder.path().join("ringway.db")).unwrap();
    other.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(other);
    assert_eq!(read(folder.path()), Err(StoreError::Foreign));
    assert!(StoreError::Foreign.forbids_serving());
}

#[test]
fn a_store_that_was_being_made_when_the_power_went_is_made() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ringway.db"), b"").unwrap();
    assert_eq!(read(folder.path()), Ok(0));
    assert_eq!(read(folder.path()), Ok(0));
}

#[test]
fn a_tool_that_reads_beside_the_node_disturbs_nobody() {
    let folder = filled();
    let mut store = Store::open(&StateDir::take(folder.path()).unwrap()).unwrap();
    let other = Connection::open(folder.path().join("ringway.db")).unwrap();
    other.execute_batch("BEGIN; SELECT * FROM apis;").unwrap();
    let transaction = store.transaction().unwrap();
    transaction.execute("UPDATE apis SET display_name = 'Talk'", []).unwrap();
    transaction.commit().unwrap();
    let seen: Option<String> = other.query_row("SELECT display_name FROM apis", [], |row| row.get(0)).unwrap();
    assert_eq!(seen, None);
}

#[test]
fn a_tool_that_holds_the_store_makes_it_busy_and_no_worse() {
    let folder = filled();
    let mut store = Store::open(&StateDir::take(folder.path()).unwrap()).unwrap();
    store.connection().busy_timeout(std::time::Duration::ZERO).unwrap();
    let other = Connection::open(folder.path().join("ringway.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.transaction().map(drop).unwrap_err();
    assert_eq!(refused, StoreError::Busy);
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    for (error, code, told) in [
        (StoreError::Full, Code::STORE_FULL, "The store's disk is full: make room on it"),
        (StoreError::ReadOnly, Code::STORE_READ_ONLY, "The store can only be read: make its directory"),
        (
            StoreError::Broken { why: "x".to_owned() },
            Code::STORE_UNAVAILABLE,
            "The store is damaged (x): stop the node",
        ),
        (StoreError::Failed { why: "x".to_owned() }, Code::STORE_UNAVAILABLE, "The store cannot be used: x."),
    ] {
        let problems = Problems::from(error);
        assert_eq!(problems.code, code);
        assert!(problems.detail.starts_with(told) && problems.detail.ends_with('.'), "{problems}");
    }
}
