//! References to contracts, in definitions and revisions.

use rusqlite::Connection;
use rusqlite::types::Type;

use super::sql;
use crate::api::ContractDigest;
use crate::api::problem::Fault;

/// The digest of every contract that a definition or a revision refers to.
pub(crate) fn referenced(connection: &Connection) -> rusqlite::Result<Vec<ContractDigest>> {
    let select = "SELECT definition ->> '$.contract.digest' AS digest FROM apis WHERE digest IS NOT NULL
        UNION SELECT definition ->> '$.contract.digest' AS digest FROM revisions WHERE digest IS NOT NULL";
    let texts = sql::all(connection, select, [], |row| row.get::<_, String>("digest"))?;
    let read = |text: &String| {
        text.parse().map_err(|fault| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::<Fault>::new(fault)))
    };
    texts.iter().map(read).collect()
}
