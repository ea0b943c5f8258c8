//! Rows of plans.

use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::sql::{self, Number, Time};
use crate::api::consumers::request::Described;
use crate::api::consumers::{Plan, PlanName};
use crate::api::{Actor, ETag};

/// A plan, and its state.
#[derive(Clone, Debug)]
pub(crate) struct PlanRow {
    pub(crate) id: u64,
    pub(crate) plan: Plan,
    pub(crate) etag: ETag,
}

impl PlanRow {
    /// The part that a change sets.
    pub(crate) fn described(&self) -> Described {
        Described { description: self.plan.description.clone(), status: self.plan.status }
    }
}

const SELECT: &str =
    "SELECT *, (SELECT count(*) FROM subscriptions WHERE plan_id = plans.id) AS subscriptions FROM plans";

fn read(row: &Row<'_>) -> rusqlite::Result<PlanRow> {
    let number = |column| row.get::<_, Number>(column).map(|Number(number)| number);
    let time = |column| row.get::<_, Time>(column).map(|Time(time)| time);
    let id = number("id")?;
    Ok(PlanRow {
        id,
        plan: Plan {
            name: row.get("name")?,
            description: row.get("description")?,
            status: row.get("status")?,
            subscriptions: number("subscriptions")?,
            created_at: time("created_at")?,
            created_by: row.get("created_by")?,
            updated_at: time("updated_at")?,
            updated_by: row.get("updated_by")?,
        },
        etag: ETag { id, generation: number("generation")? },
    })
}

pub(crate) fn find(connection: &Connection, name: &PlanName) -> rusqlite::Result<Option<PlanRow>> {
    sql::first(connection, &format!("{SELECT} WHERE name = ?1"), [name], read)
}

/// The number of the plan of this name. Unlike [`find`], this does not count its subscriptions.
pub(crate) fn id(connection: &Connection, name: &PlanName) -> rusqlite::Result<Option<u64>> {
    let read = |row: &Row<'_>| row.get::<_, Number>(0).map(|Number(id)| id);
    sql::first(connection, "SELECT id FROM plans WHERE name = ?1", [name], read)
}

/// Reads plans after `after`, in the order of their names, until `take` has enough.
pub(crate) fn list<E: From<rusqlite::Error>>(
    connection: &Connection,
    after: &str,
    limit: u64,
    take: impl FnMut(Plan) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let select = format!("{SELECT} WHERE name > ?1 ORDER BY name LIMIT ?2");
    sql::walk(connection, &select, params![after, Number(limit)], |row| read(row).map(|row| row.plan), take)
}

pub(crate) fn insert(
    connection: &Connection,
    name: &PlanName,
    fields: &Described,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let insert =
        "INSERT INTO plans (name, description, status, generation, created_at, created_by, updated_at, updated_by)
        VALUES (?1, ?2, ?3, 1, ?4, ?5, ?4, ?5)";
    sql::execute(connection, insert, params![name, fields.description, fields.status, Time(now), actor.to_string()])
}

pub(crate) fn update(
    connection: &Connection,
    id: u64,
    fields: &Described,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let update = "UPDATE plans SET description = ?2, status = ?3, generation = generation + 1, updated_at = ?4,
        updated_by = ?5 WHERE id = ?1";
    let values = params![Number(id), fields.description, fields.status, Time(now), actor.to_string()];
    sql::execute(connection, update, values)
}

pub(crate) fn delete(connection: &Connection, id: u64) -> rusqlite::Result<()> {
    sql::execute(connection, "DELETE FROM plans WHERE id = ?1", [Number(id)])
}
