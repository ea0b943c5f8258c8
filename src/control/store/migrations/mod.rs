//! The store's form, and how one of an earlier form comes to have it.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::fault::StoreError;

/// Marks a file as ours: "Ring".
pub(super) const APPLICATION_ID: i32 = 0x5269_6e67;

/// Each brings a store from the form before to the next. What is here has been let out into the world and is never changed.
pub(super) const MIGRATIONS: &[&str] =
    &[include_str!("0001.sql"), include_str!("0002.sql"), include_str!("0003.sql"), include_str!("0004.sql")];

/// The form that a file declares.
pub(super) struct Form {
    application_id: i32,
    version: i32,
    is_empty: bool,
}

impl Form {
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get(0));
        Ok(Self {
            application_id: number("application_id")?,
            version: number("user_version")?,
            is_empty: connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?,
        })
    }

    /// True for a database that nothing was ever put into.
    pub(super) fn is_new(&self) -> bool {
        self.application_id == 0 && self.version == 0 && self.is_empty
    }

    /// The number of migrations that it has had.
    ///
    /// # Errors
    /// The database is another program's, or has had more migrations than there are.
    pub(super) fn migrated(&self, known: usize) -> Result<usize, StoreError> {
        if self.is_new() {
            return Ok(0);
        }
        if self.application_id != APPLICATION_ID {
            return Err(StoreError::Foreign);
        }
        match usize::try_from(self.version) {
            Ok(migrated) if migrated <= known => Ok(migrated),
            _ => Err(StoreError::Newer { found: self.version, known }),
        }
    }
}

/// Runs those of the migrations that the store has not had: each in a transaction, all of it or nothing.
///
/// # Errors
/// The store is not ours or newer than they are, and is left as it is; or it cannot be changed.
pub(super) fn run(connection: &mut Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let migrated = Form::of(connection)?.migrated(migrations.len())?;
    for (version, sql) in (1..).zip(migrations).skip(migrated) {
        let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::apis;
    use super::super::fault::StoreError;
    use super::{APPLICATION_ID, Form, MIGRATIONS, run};
    use crate::api::NewDefinition;

    fn version(connection: &Connection) -> i32 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    /// Every object of a store, as SQL.
    fn form(connection: &Connection) -> Vec<String> {
        let mut statement = connection.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn from_nothing_and_from_every_earlier_form_comes_the_same() {
        let mut fresh = Connection::open_in_memory().unwrap();
        run(&mut fresh, MIGRATIONS).unwrap();
        assert_eq!(version(&fresh), i32::try_from(MIGRATIONS.len()).unwrap());
        for earlier in 0..=MIGRATIONS.len() {
            let mut store = Connection::open_in_memory().unwrap();
            run(&mut store, &MIGRATIONS[..earlier]).unwrap();
            run(&mut store, MIGRATIONS).unwrap();
            assert_eq!(form(&store), form(&fresh), "from {earlier}");
            assert_eq!(version(&store), version(&fresh), "from {earlier}");
        }
    }

    #[test]
    fn an_api_of_the_first_form_keeps_its_definition() {
        let mut store = Connection::open_in_memory().unwrap();
        run(&mut store, &MIGRATIONS[..1]).unwrap();
        let old = r#"
            INSERT INTO projects VALUES (1, 'default', '', 1, 0, 'me', 0, 'me');
            INSERT INTO apis VALUES (1, 'default', 'chat', 1, 0, 'Chat', 'It is "new".', 'internal', '["ws://a","wss://b"]',
                NULL, 'Created', NULL, NULL, 1, 7, 0, 'me', 0, 'me');
        "#;
        store.execute_batch(old).unwrap();
        run(&mut store, MIGRATIONS).unwrap();
        let key = "default/chat:1.0".parse().unwrap();
        let row = apis::find(&store, &key).unwrap().unwrap();
        let written = serde_json::json!({ "name": "Chat", "description": "It is \"new\".", "access": "internal",
            "targets": ["ws://a", "wss://b"] });
        let expected: NewDefinition = serde_json::from_value(written).unwrap();
        assert_eq!((row.definition, row.generation), (expected.check().unwrap(), 7));
    }

    #[test]
    fn what_is_stored_outlives_a_migration() {
        const LATER: &str = "ALTER TABLE projects ADD COLUMN owner TEXT NOT NULL DEFAULT 'nobody'";
        let mut store = Connection::open_in_memory().unwrap();
        run(&mut store, MIGRATIONS).unwrap();
        let project = "INSERT INTO projects VALUES (1, 'default', '', 1, 0, 'me', 0, 'me')";
        store.execute(project, []).unwrap();
        let later: Vec<&str> = MIGRATIONS.iter().copied().chain([LATER]).collect();
        run(&mut store, &later).unwrap();
        assert_eq!(version(&store), i32::try_from(later.len()).unwrap());
        let row: (String, String) =
            store.query_row("SELECT name, owner FROM projects", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(row, ("default".to_owned(), "nobody".to_owned()));
    }

    #[test]
    fn a_migration_that_fails_leaves_no_trace() {
        let mut store = Connection::open_in_memory().unwrap();
        run(&mut store, MIGRATIONS).unwrap();
        let before = form(&store);
        let broken: Vec<&str> =
            MIGRATIONS.iter().copied().chain(["CREATE TABLE half (a); CREATE TABLE audit (a);"]).collect();
        assert!(matches!(run(&mut store, &broken), Err(StoreError::Failed { .. })));
        assert_eq!(form(&store), before);
        assert_eq!(version(&store), i32::try_from(MIGRATIONS.len()).unwrap());
    }

    #[test]
    fn a_newer_store_and_one_of_another_program_are_refused_and_left_alone() {
        let mut newer = Connection::open_in_memory().unwrap();
        run(&mut newer, MIGRATIONS).unwrap();
        newer.pragma_update(None, "user_version", 999).unwrap();
        let known = MIGRATIONS.len();
        assert_eq!(run(&mut newer, MIGRATIONS), Err(StoreError::Newer { found: 999, known }));
        assert_eq!(version(&newer), 999);
        newer.pragma_update(None, "user_version", -1).unwrap();
        assert_eq!(run(&mut newer, MIGRATIONS), Err(StoreError::Newer { found: -1, known }));

        let mut other = Connection::open_in_memory().unwrap();
        other.execute_batch("CREATE TABLE theirs (a)").unwrap();
        assert_eq!(run(&mut other, MIGRATIONS), Err(StoreError::Foreign));
        other.pragma_update(None, "application_id", APPLICATION_ID ^ 1).unwrap();
        assert_eq!(run(&mut other, MIGRATIONS), Err(StoreError::Foreign));
        assert_eq!(form(&other).len(), 1);
        assert!(Form::of(&other).is_ok());
    }
}
