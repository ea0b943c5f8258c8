//! Rows of APIs.

use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, params};

use super::sql::{self, Json, Number, Time};
use crate::api::consumers::ApiFamily;
use crate::api::{Actor, ApiKey, Definition, ETag, Lifecycle, Name, ProjectName};

/// An API as it is stored: without where it is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiRow {
    pub(crate) id: u64,
    pub(crate) key: ApiKey,
    pub(crate) definition: Definition,
    pub(crate) life: Life,
    pub(crate) latest_revision: Option<u64>,
    pub(crate) generation: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) created_by: String,
    pub(crate) updated_at: Timestamp,
    pub(crate) updated_by: String,
}

/// The part of an API that its lifecycle decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) state: Lifecycle,
    pub(crate) display_name: Option<Name>,
    pub(crate) deprecated_at: Option<Timestamp>,
    pub(crate) sunset_at: Option<Timestamp>,
}

/// Which APIs are listed; all conditions count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter<'a> {
    pub(crate) project: Option<&'a ProjectName>,
    pub(crate) lifecycle: Option<Lifecycle>,
    pub(crate) environment: Option<&'a str>,
    pub(crate) text: Option<&'a str>,
}

/// The position of an API in the list.
pub(crate) type Position = (String, String, u16, u16, u64);

impl ApiRow {
    pub(crate) fn etag(&self) -> ETag {
        ETag { id: self.id, generation: self.generation }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<ApiRow> {
    let number = |column| row.get::<_, Number>(column).map(|Number(number)| number);
    let time = |column| row.get::<_, Time>(column).map(|Time(time)| time);
    let maybe = |column| row.get::<_, Option<Time>>(column).map(|time| time.map(|Time(time)| time));
    let Json(definition) = row.get("definition")?;
    Ok(ApiRow {
        id: number("id")?,
        key: sql::key(row)?,
        definition,
        life: Life {
            state: row.get("lifecycle")?,
            display_name: row.get("display_name")?,
            deprecated_at: maybe("deprecated_at")?,
            sunset_at: maybe("sunset_at")?,
        },
        latest_revision: row.get::<_, Option<Number>>("latest_revision")?.map(|Number(number)| number),
        generation: number("generation")?,
        created_at: time("created_at")?,
        created_by: row.get("created_by")?,
        updated_at: time("updated_at")?,
        updated_by: row.get("updated_by")?,
    })
}

/// All with this key: the one that is not retired first, then the newest.
pub(crate) fn of_key(connection: &Connection, key: &ApiKey) -> rusqlite::Result<Vec<ApiRow>> {
    let select = "SELECT * FROM apis WHERE project = ?1 AND identifier = ?2 AND major = ?3 AND minor = ?4
        ORDER BY lifecycle = 'Retired', id DESC";
    let ApiKey { project, identifier, version } = key;
    sql::all(connection, select, params![project, identifier, version.major, version.minor], read)
}

/// The one that a key names: the one that is not retired, or else the newest.
pub(crate) fn find(connection: &Connection, key: &ApiKey) -> rusqlite::Result<Option<ApiRow>> {
    Ok(of_key(connection, key)?.into_iter().next())
}

/// The states of a family's APIs, without those that are retired.
pub(crate) fn states_of_family(connection: &Connection, family: &ApiFamily) -> rusqlite::Result<Vec<Lifecycle>> {
    let select = "SELECT lifecycle FROM apis WHERE project = ?1 AND identifier = ?2 AND major = ?3
        AND lifecycle <> 'Retired' ORDER BY minor";
    let ApiFamily { project, identifier, major } = family;
    sql::all(connection, select, params![project, identifier, major], |row| row.get("lifecycle"))
}

/// Reads APIs after a position, in the list's order, until `take` has enough.
pub(crate) fn list<E: From<rusqlite::Error>>(
    connection: &Connection,
    filter: &Filter<'_>,
    after: Option<&Position>,
    limit: u64,
    take: impl FnMut(ApiRow) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let first = Position::default();
    let (project, identifier, major, minor, id) = after.unwrap_or(&first);
    let (id, limit) = (Number(*id), Number(limit));
    let mut select =
        "SELECT * FROM apis WHERE (project, identifier, major, minor, id) > (?1, ?2, ?3, ?4, ?5)".to_owned();
    let mut values: Vec<&dyn ToSql> = vec![project, identifier, major, minor, &id, &limit];
    // `?6` is the limit, so the first condition's value is `?7`.
    let mut also = |condition: &str, value| {
        values.push(value);
        select.push_str(" AND ");
        select.push_str(&condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(project) = &filter.project {
        also("project = ?", project);
    }
    if let Some(lifecycle) = &filter.lifecycle {
        also("lifecycle = ?", lifecycle);
    }
    if let Some(environment) = &filter.environment {
        also("id IN (SELECT api_id FROM deployments WHERE environment = ?)", environment);
    }
    if let Some(text) = &filter.text {
        let anywhere = "instr(lower(definition ->> 'name' || char(10) || identifier || char(10)
            || coalesce(display_name, '') || char(10) || (definition ->> 'description')), lower(?)) > 0";
        also(anywhere, text);
    }
    select.push_str(" ORDER BY project, identifier, major, minor, id LIMIT ?6");
    sql::walk(connection, &select, values.as_slice(), read, take)
}

/// Adds one, in the state in which every API begins. Its number.
pub(crate) fn insert(
    connection: &Connection,
    key: &ApiKey,
    definition: &Definition,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO apis (project, identifier, major, minor, definition, lifecycle, generation,
            created_at, created_by, updated_at, updated_by)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8, ?7, ?8)";
    let ApiKey { project, identifier, version } = key;
    let values = params![
        project,
        identifier,
        version.major,
        version.minor,
        Json(definition),
        Lifecycle::Created,
        Time(now),
        actor.to_string()
    ];
    sql::execute(connection, insert, values)
}

pub(crate) fn update(
    connection: &Connection,
    id: u64,
    definition: &Definition,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let update = "UPDATE apis SET definition = ?2, updated_at = ?3, updated_by = ?4, generation = generation + 1
        WHERE id = ?1";
    let values = params![Number(id), Json(definition), Time(now), actor.to_string()];
    sql::execute(connection, update, values)
}

pub(crate) fn set_life(
    connection: &Connection,
    id: u64,
    life: &Life,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let update = "UPDATE apis SET lifecycle = ?2, display_name = ?3, deprecated_at = ?4, sunset_at = ?5,
        updated_at = ?6, updated_by = ?7, generation = generation + 1 WHERE id = ?1";
    let Life { state, display_name, deprecated_at, sunset_at } = life;
    let (deprecated_at, sunset_at) = (deprecated_at.map(Time), sunset_at.map(Time));
    let values = params![Number(id), state, display_name, deprecated_at, sunset_at, Time(now), actor.to_string()];
    sql::execute(connection, update, values)
}

/// Something of it has changed that is not in its row: where it is deployed.
pub(crate) fn touch(connection: &Connection, id: u64) -> rusqlite::Result<()> {
    sql::execute(connection, "UPDATE apis SET generation = generation + 1 WHERE id = ?1", [Number(id)])
}

/// Takes one away with its revisions. It must be deployed nowhere.
pub(crate) fn delete(connection: &Connection, id: u64) -> rusqlite::Result<()> {
    sql::execute(connection, "DELETE FROM revisions WHERE api_id = ?1", [Number(id)])?;
    sql::execute(connection, "DELETE FROM apis WHERE id = ?1", [Number(id)])
}
