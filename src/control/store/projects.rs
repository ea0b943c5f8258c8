//! Rows of projects.

use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::sql::{self, Number, Time};
use crate::api::{Actor, Description, ETag, Project, ProjectName};

/// A project, and its state.
#[derive(Clone, Debug)]
pub(crate) struct ProjectRow {
    pub(crate) project: Project,
    pub(crate) etag: ETag,
}

const SELECT: &str = "SELECT *, (SELECT count(*) FROM apis WHERE project = projects.name) AS apis FROM projects";

fn read(row: &Row<'_>) -> rusqlite::Result<ProjectRow> {
    let number = |column| row.get::<_, Number>(column).map(|Number(number)| number);
    let time = |column| row.get::<_, Time>(column).map(|Time(time)| time);
    Ok(ProjectRow {
        project: Project {
            name: row.get("name")?,
            description: row.get("description")?,
            apis: number("apis")?,
            created_at: time("created_at")?,
            created_by: row.get("created_by")?,
            updated_at: time("updated_at")?,
            updated_by: row.get("updated_by")?,
        },
        etag: ETag { id: number("id")?, generation: number("generation")? },
    })
}

pub(crate) fn find(connection: &Connection, name: &ProjectName) -> rusqlite::Result<Option<ProjectRow>> {
    sql::first(connection, &format!("{SELECT} WHERE name = ?1"), [name], read)
}

/// True if there is a project of this name. Unlike [`find`], this does not count its APIs.
pub(crate) fn exists(connection: &Connection, name: &ProjectName) -> rusqlite::Result<bool> {
    Ok(sql::first(connection, "SELECT 1 FROM projects WHERE name = ?1", [name], |_| Ok(()))?.is_some())
}

/// Reads projects after `after`, in the order of their names, until `take` has enough.
pub(crate) fn list<E: From<rusqlite::Error>>(
    connection: &Connection,
    after: &str,
    limit: u64,
    take: impl FnMut(Project) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let select = format!("{SELECT} WHERE name > ?1 ORDER BY name LIMIT ?2");
    sql::walk(connection, &select, params![after, Number(limit)], |row| read(row).map(|row| row.project), take)
}

pub(crate) fn insert(
    connection: &Connection,
    name: &ProjectName,
    description: &Description,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO projects (name, description, generation, created_at, created_by, updated_at, updated_by)
        VALUES (?1, ?2, 1, ?3, ?4, ?3, ?4)";
    sql::execute(connection, insert, params![name, description, Time(now), actor.to_string()])
}

pub(crate) fn update(
    connection: &Connection,
    name: &ProjectName,
    description: &Description,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let update = "UPDATE projects SET description = ?2, generation = generation + 1, updated_at = ?3, updated_by = ?4
        WHERE name = ?1";
    sql::execute(connection, update, params![name, description, Time(now), actor.to_string()])
}

pub(crate) fn delete(connection: &Connection, name: &ProjectName) -> rusqlite::Result<()> {
    sql::execute(connection, "DELETE FROM projects WHERE name = ?1", [name])
}
