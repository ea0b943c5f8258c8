//! Rows of keys. A key that is revoked has no row any more; the audit keeps what it was.

use std::ops::ControlFlow;

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, params};

use super::applications;
use super::sql::{self, Day, Number, Time};
use crate::api::change::KeyFields;
use crate::api::consumers::{ApplicationName, KeyDigest};
use crate::api::{Actor, ETag, EnvironmentName, Name};

/// A key as it is stored, with the name of its application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) id: u64,
    pub(crate) application_id: u64,
    pub(crate) application: ApplicationName,
    pub(crate) environment: EnvironmentName,
    pub(crate) name: Name,
    pub(crate) prefix: String,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) replaced_by: Option<u64>,
    pub(crate) last_used_on: Option<Date>,
    pub(crate) generation: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) created_by: String,
}

/// Which keys are listed; all conditions count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter<'a> {
    pub(crate) application: Option<&'a ApplicationName>,
    pub(crate) environment: Option<&'a str>,
    pub(crate) prefix: Option<&'a str>,
}

impl KeyRow {
    pub(crate) fn etag(&self) -> ETag {
        ETag { id: self.id, generation: self.generation }
    }
}

const SELECT: &str = "SELECT keys.*, consumer, applications.name AS application FROM keys
    JOIN applications ON applications.id = application_id";

fn read(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    let number = |column| row.get::<_, Number>(column).map(|Number(number)| number);
    let maybe = |column| row.get::<_, Option<Number>>(column).map(|number| number.map(|Number(number)| number));
    let Time(created_at) = row.get("created_at")?;
    Ok(KeyRow {
        id: number("id")?,
        application_id: number("application_id")?,
        application: applications::name(row)?,
        environment: row.get("environment")?,
        name: row.get("name")?,
        prefix: row.get("prefix")?,
        expires_at: row.get::<_, Option<Time>>("expires_at")?.map(|Time(time)| time),
        replaced_by: maybe("replaced_by")?,
        last_used_on: row.get::<_, Option<Day>>("last_used_on")?.map(|Day(day)| day),
        generation: number("generation")?,
        created_at,
        created_by: row.get("created_by")?,
    })
}

pub(crate) fn find(connection: &Connection, id: u64) -> rusqlite::Result<Option<KeyRow>> {
    sql::first(connection, &format!("{SELECT} WHERE keys.id = ?1"), [Number(id)], read)
}

/// The key that was made with this digest.
pub(crate) fn of_digest(connection: &Connection, digest: &KeyDigest) -> rusqlite::Result<Option<KeyRow>> {
    sql::first(connection, &format!("{SELECT} WHERE digest = ?1"), [digest], read)
}

/// Reads keys after a number, in the order of their numbers, until `take` has enough.
pub(crate) fn list<E: From<rusqlite::Error>>(
    connection: &Connection,
    filter: &Filter<'_>,
    after: u64,
    limit: u64,
    take: impl FnMut(KeyRow) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let (after, limit) = (Number(after), Number(limit));
    let mut select = format!("{SELECT} WHERE keys.id > ?1");
    let mut values: Vec<&dyn ToSql> = vec![&after, &limit];
    if let Some(ApplicationName { consumer, name }) = &filter.application {
        values.extend([consumer as &dyn ToSql, name]);
        let last = values.len();
        let of = "SELECT id FROM applications WHERE consumer";
        select.push_str(&format!(" AND application_id = ({of} = ?{} AND name = ?{last})", last.saturating_sub(1)));
    }
    if let Some(environment) = &filter.environment {
        values.push(environment);
        select.push_str(&format!(" AND environment = ?{}", values.len()));
    }
    if let Some(prefix) = &filter.prefix {
        values.push(prefix);
        select.push_str(&format!(" AND prefix = ?{}", values.len()));
    }
    select.push_str(" ORDER BY keys.id LIMIT ?2");
    sql::walk(connection, &select, values.as_slice(), read, take)
}

/// The number of an application's keys.
pub(crate) fn count(connection: &Connection, application: u64) -> rusqlite::Result<u64> {
    let select = "SELECT count(*) FROM keys WHERE application_id = ?1";
    let count = sql::first(connection, select, [Number(application)], |row| row.get::<_, Number>(0))?;
    Ok(count.map_or(0, |Number(count)| count))
}

pub(crate) fn insert(
    connection: &Connection,
    application: u64,
    key: &KeyFields,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO keys
            (application_id, environment, name, digest, prefix, expires_at, generation, created_at, created_by)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8)";
    let values = params![
        Number(application),
        key.environment,
        key.name,
        key.digest,
        key.prefix,
        key.expires_at.map(Time),
        Time(now),
        actor.to_string()
    ];
    sql::execute(connection, insert, values)
}

/// Notes that another key took the place of one, and when that one ends.
pub(crate) fn replace(
    connection: &Connection,
    id: u64,
    replaced_by: u64,
    expires_at: Timestamp,
) -> rusqlite::Result<()> {
    let update = "UPDATE keys SET replaced_by = ?2, expires_at = ?3, generation = generation + 1 WHERE id = ?1";
    sql::execute(connection, update, params![Number(id), Number(replaced_by), Time(expires_at)])
}

pub(crate) fn delete(connection: &Connection, id: u64) -> rusqlite::Result<()> {
    sql::execute(connection, "DELETE FROM keys WHERE id = ?1", [Number(id)])
}

/// Deletes the keys of an application that expired before a time.
pub(crate) fn delete_expired(connection: &Connection, application: u64, before: Timestamp) -> rusqlite::Result<()> {
    let delete = "DELETE FROM keys WHERE application_id = ?1 AND expires_at < ?2";
    sql::execute(connection, delete, params![Number(application), Time(before)])
}
