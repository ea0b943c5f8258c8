//! Rows of applications.

use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, params};

use super::sql::{self, Number, Time};
use crate::api::consumers::request::Described;
use crate::api::consumers::{ApiFamily, ApplicationName, ConsumerName, PlanName};
use crate::api::{Actor, ETag};

/// An application as it is stored: without its subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApplicationRow {
    pub(crate) id: u64,
    pub(crate) name: ApplicationName,
    pub(crate) fields: Described,
    pub(crate) keys: u64,
    pub(crate) generation: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) created_by: String,
    pub(crate) updated_at: Timestamp,
    pub(crate) updated_by: String,
}

/// Which applications are listed; all conditions count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter<'a> {
    pub(crate) consumer: Option<&'a ConsumerName>,
    /// Subscribed to this.
    pub(crate) api: Option<&'a ApiFamily>,
    /// With a subscription that has this plan.
    pub(crate) plan: Option<&'a PlanName>,
}

/// The position of an application in the list.
pub(crate) type Position = (String, String);

impl ApplicationRow {
    pub(crate) fn etag(&self) -> ETag {
        ETag { id: self.id, generation: self.generation }
    }
}

const SELECT: &str =
    "SELECT *, (SELECT count(*) FROM keys WHERE application_id = applications.id) AS keys FROM applications";

/// The whole name in two columns of a row: consumer, and the application's own.
pub(super) fn name(row: &Row<'_>) -> rusqlite::Result<ApplicationName> {
    Ok(ApplicationName { consumer: row.get("consumer")?, name: row.get("application")? })
}

fn read(row: &Row<'_>) -> rusqlite::Result<ApplicationRow> {
    let number = |column| row.get::<_, Number>(column).map(|Number(number)| number);
    let time = |column| row.get::<_, Time>(column).map(|Time(time)| time);
    Ok(ApplicationRow {
        id: number("id")?,
        name: ApplicationName { consumer: row.get("consumer")?, name: row.get("name")? },
        fields: Described { description: row.get("description")?, status: row.get("status")? },
        keys: number("keys")?,
        generation: number("generation")?,
        created_at: time("created_at")?,
        created_by: row.get("created_by")?,
        updated_at: time("updated_at")?,
        updated_by: row.get("updated_by")?,
    })
}

pub(crate) fn find(connection: &Connection, name: &ApplicationName) -> rusqlite::Result<Option<ApplicationRow>> {
    let select = format!("{SELECT} WHERE consumer = ?1 AND name = ?2");
    sql::first(connection, &select, params![name.consumer, name.name], read)
}

/// Reads applications after a position, in the order of their names, until `take` has enough.
pub(crate) fn list<E: From<rusqlite::Error>>(
    connection: &Connection,
    filter: &Filter<'_>,
    after: Option<&Position>,
    limit: u64,
    take: impl FnMut(ApplicationRow) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let first = Position::default();
    let (consumer, name) = after.unwrap_or(&first);
    let limit = Number(limit);
    let mut select = format!("{SELECT} WHERE (consumer, name) > (?1, ?2)");
    let mut values: Vec<&dyn ToSql> = vec![consumer, name, &limit];
    if let Some(consumer) = &filter.consumer {
        values.push(consumer);
        select.push_str(&format!(" AND consumer = ?{}", values.len()));
    }
    if let Some(ApiFamily { project, identifier, major }) = &filter.api {
        let next = values.len().saturating_add(1);
        values.extend([project as &dyn ToSql, identifier, major]);
        select.push_str(&format!(
            " AND id IN (SELECT application_id FROM subscriptions WHERE (project, identifier, major) = (?{next}, ?{}, ?{}))",
            next.saturating_add(1),
            next.saturating_add(2)
        ));
    }
    if let Some(plan) = &filter.plan {
        values.push(plan);
        select.push_str(&format!(
            " AND id IN (SELECT application_id FROM subscriptions
                WHERE plan_id = (SELECT id FROM plans WHERE name = ?{}))",
            values.len()
        ));
    }
    select.push_str(" ORDER BY consumer, name LIMIT ?3");
    sql::walk(connection, &select, values.as_slice(), read, take)
}

pub(crate) fn insert(
    connection: &Connection,
    name: &ApplicationName,
    fields: &Described,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO applications
            (consumer, name, description, status, generation, created_at, created_by, updated_at, updated_by)
        VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?5, ?6)";
    let values = params![name.consumer, name.name, fields.description, fields.status, Time(now), actor.to_string()];
    sql::execute(connection, insert, values)
}

pub(crate) fn update(
    connection: &Connection,
    id: u64,
    fields: &Described,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let update = "UPDATE applications SET description = ?2, status = ?3, generation = generation + 1, updated_at = ?4,
        updated_by = ?5 WHERE id = ?1";
    let values = params![Number(id), fields.description, fields.status, Time(now), actor.to_string()];
    sql::execute(connection, update, values)
}

/// Something of it has changed that is not in its row: a subscription.
pub(crate) fn touch(connection: &Connection, id: u64) -> rusqlite::Result<()> {
    sql::execute(connection, "UPDATE applications SET generation = generation + 1 WHERE id = ?1", [Number(id)])
}

/// Takes one away with its subscriptions and keys.
pub(crate) fn delete(connection: &Connection, id: u64) -> rusqlite::Result<()> {
    sql::execute(connection, "DELETE FROM keys WHERE application_id = ?1", [Number(id)])?;
    sql::execute(connection, "DELETE FROM subscriptions WHERE application_id = ?1", [Number(id)])?;
    sql::execute(connection, "DELETE FROM applications WHERE id = ?1", [Number(id)])
}
