//! Rows of revisions, which are added and never changed.

use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::sql::{self, Json, Number, Time};
use crate::api::{Actor, Definition, Revision};

fn read(row: &Row<'_>) -> rusqlite::Result<Revision> {
    let Number(number) = row.get("number")?;
    let Json(definition) = row.get("definition")?;
    let Time(created_at) = row.get("created_at")?;
    Ok(Revision { number, definition, created_at, created_by: row.get("created_by")? })
}

pub(crate) fn find(connection: &Connection, api: u64, number: u64) -> rusqlite::Result<Option<Revision>> {
    let select = "SELECT * FROM revisions WHERE api_id = ?1 AND number = ?2";
    sql::first(connection, select, [Number(api), Number(number)], read)
}

/// Reads revisions before a number, the newest first, until `take` has enough.
pub(crate) fn list<E: From<rusqlite::Error>>(
    connection: &Connection,
    api: u64,
    before: Option<u64>,
    limit: u64,
    take: impl FnMut(Revision) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let select = "SELECT * FROM revisions WHERE api_id = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3";
    let before = Number(before.unwrap_or(u64::MAX));
    sql::walk(connection, select, [Number(api), before, Number(limit)], read, take)
}

/// Adds one as the API's latest.
pub(crate) fn insert(
    connection: &Connection,
    api: u64,
    number: u64,
    definition: &Definition,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let insert =
        "INSERT INTO revisions (api_id, number, definition, created_at, created_by) VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = params![Number(api), Number(number), Json(definition), Time(now), actor.to_string()];
    sql::execute(connection, insert, values)?;
    let update = "UPDATE apis SET latest_revision = ?2 WHERE id = ?1";
    sql::execute(connection, update, [Number(api), Number(number)])
}
