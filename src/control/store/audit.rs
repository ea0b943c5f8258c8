//! Rows of the audit, which are added and never changed.

use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, params};
use serde_json::Value;

use super::sql::{self, Json, Number, Time};
use crate::api::view::LifecycleEntry;
use crate::api::{Action, Actor, ApiKey, AuditEntry, Lifecycle};

/// Entries of an API's life that are shown, the latest.
const MAX_HISTORY: u64 = 1000;

/// An entry to add.
#[derive(Clone, Debug)]
pub(crate) struct NewEntry {
    pub(crate) action: Action,
    pub(crate) subject: String,
    /// The key and the number of the API that the entry is about.
    pub(crate) api: Option<(ApiKey, u64)>,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

pub(crate) fn insert(connection: &Connection, now: Timestamp, actor: &Actor, entry: &NewEntry) -> rusqlite::Result<()> {
    let insert =
        "INSERT INTO audit (at, who, authenticated_by, client_name, action, subject, api, api_id, before, after)
        VALUES (?1, ?2, ?9, ?10, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (key, id) = match &entry.api {
        Some((key, id)) => (Some(key.to_string()), Some(Number(*id))),
        None => (None, None),
    };
    let values = params![
        Time(now),
        actor.name(),
        entry.action,
        entry.subject,
        key,
        id,
        entry.before.as_ref().map(Json),
        entry.after.as_ref().map(Json),
        actor.authentication().to_string(),
        actor.client(),
    ];
    sql::execute(connection, insert, values)
}

fn read(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let Number(id) = row.get("id")?;
    let Time(at) = row.get("at")?;
    let json = |column| row.get::<_, Option<Json<Value>>>(column).map(|json| json.map(|Json(json)| json));
    Ok(AuditEntry {
        id,
        at,
        who: row.get("who")?,
        authenticated_by: row.get("authenticated_by")?,
        client_name: row.get("client_name")?,
        action: row.get("action")?,
        subject: row.get("subject")?,
        before: json("before")?,
        after: json("after")?,
    })
}

/// Reads entries before a number, the newest first, until `take` has enough.
pub(crate) fn list<E: From<rusqlite::Error>>(
    connection: &Connection,
    api: Option<&ApiKey>,
    since: Option<Timestamp>,
    before: Option<u64>,
    limit: u64,
    take: impl FnMut(AuditEntry) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let (before, limit) = (Number(before.unwrap_or(u64::MAX)), Number(limit));
    let (api, since) = (api.map(ApiKey::to_string), since.map(Time));
    let mut select = "SELECT * FROM audit WHERE id < ?1".to_owned();
    let mut values: Vec<&dyn ToSql> = vec![&before, &limit];
    if let Some(api) = &api {
        values.push(api);
        select.push_str(&format!(" AND api = ?{}", values.len()));
    }
    if let Some(since) = &since {
        values.push(since);
        select.push_str(&format!(" AND at >= ?{}", values.len()));
    }
    select.push_str(" ORDER BY id DESC LIMIT ?2");
    sql::walk(connection, &select, values.as_slice(), read, take)
}

/// An API's changes of lifecycle, the oldest first.
pub(crate) fn lifecycle(connection: &Connection, api: u64) -> rusqlite::Result<Vec<LifecycleEntry>> {
    // An API that was created by applying a document began its life in the first state all the same.
    let select =
        "SELECT at, who || coalesce(' (' || client_name || ')', '') AS who, coalesce(before ->> '$.lifecycle', 'Created') AS was, after ->> '$.lifecycle' AS became
        FROM audit WHERE api_id = ?1 AND action IN ('api.lifecycle', 'api.apply') AND was <> became
        ORDER BY id DESC LIMIT ?2";
    let read = |row: &Row<'_>| {
        let Time(at) = row.get("at")?;
        let (from, to) = (row.get::<_, Lifecycle>("was")?, row.get::<_, Lifecycle>("became")?);
        Ok(LifecycleEntry { at, who: row.get("who")?, from, to })
    };
    let mut entries = sql::all(connection, select, [Number(api), Number(MAX_HISTORY)], read)?;
    entries.reverse();
    Ok(entries)
}
