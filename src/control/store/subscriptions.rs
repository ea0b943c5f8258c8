//! Rows of subscriptions.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::applications;
use super::sql::{self, Number, Time};
use crate::api::Actor;
use crate::api::consumers::{ApiFamily, ApplicationName, Standing, Subscription};

const SELECT: &str = "SELECT subscriptions.*, plans.name AS plan,
        applications.status = 'active' AND subscriptions.status = 'active' AND plans.status = 'active' AS is_open
    FROM subscriptions
    JOIN plans ON plans.id = plan_id
    JOIN applications ON applications.id = application_id";

fn read(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    let Time(created_at) = row.get("created_at")?;
    Ok(Subscription {
        api: sql::family(row)?,
        plan: row.get("plan")?,
        status: row.get("status")?,
        open: row.get("is_open")?,
        created_at,
        created_by: row.get("created_by")?,
    })
}

/// An application's, in the order of their APIs.
pub(crate) fn of_application(connection: &Connection, application: u64) -> rusqlite::Result<Vec<Subscription>> {
    let select = format!("{SELECT} WHERE application_id = ?1 ORDER BY project, identifier, major");
    sql::all(connection, &select, [Number(application)], read)
}

pub(crate) fn find(
    connection: &Connection,
    application: u64,
    api: &ApiFamily,
) -> rusqlite::Result<Option<Subscription>> {
    let select = format!("{SELECT} WHERE application_id = ?1 AND project = ?2 AND identifier = ?3 AND major = ?4");
    sql::first(connection, &select, params![Number(application), api.project, api.identifier, api.major], read)
}

/// The number of an application's subscriptions.
pub(crate) fn count(connection: &Connection, application: u64) -> rusqlite::Result<u64> {
    let select = "SELECT count(*) FROM subscriptions WHERE application_id = ?1";
    let count = sql::first(connection, select, [Number(application)], |row| row.get::<_, Number>(0))?;
    Ok(count.map_or(0, |Number(count)| count))
}

/// The applications that are subscribed to an API, each with its number and name.
pub(crate) fn subscribers(connection: &Connection, api: &ApiFamily) -> rusqlite::Result<Vec<(u64, ApplicationName)>> {
    let select = "SELECT application_id, consumer, applications.name AS application FROM subscriptions
        JOIN applications ON applications.id = application_id
        WHERE project = ?1 AND identifier = ?2 AND major = ?3 ORDER BY application_id";
    let read = |row: &Row<'_>| {
        let Number(id) = row.get("application_id")?;
        Ok((id, applications::name(row)?))
    };
    sql::all(connection, select, params![api.project, api.identifier, api.major], read)
}

/// The numbers of the applications with a subscription that has this plan.
pub(crate) fn applications_of_plan(connection: &Connection, plan: u64) -> rusqlite::Result<Vec<u64>> {
    let select = "SELECT DISTINCT application_id FROM subscriptions WHERE plan_id = ?1";
    sql::all(connection, select, [Number(plan)], |row| row.get::<_, Number>(0).map(|Number(id)| id))
}

/// A subscription that is to be there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewRow<'a> {
    pub(crate) api: &'a ApiFamily,
    pub(crate) plan: u64,
    pub(crate) status: Standing,
    pub(crate) now: Timestamp,
    pub(crate) actor: &'a Actor,
}

/// Adds a subscription, or changes plan and status of the one that is there.
pub(crate) fn put(connection: &Connection, application: u64, new: &NewRow<'_>) -> rusqlite::Result<()> {
    let put = "INSERT INTO subscriptions
            (application_id, project, identifier, major, plan_id, status, created_at, created_by)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT DO UPDATE SET plan_id = excluded.plan_id, status = excluded.status";
    let NewRow { api, plan, status, now, actor } = new;
    let values = params![
        Number(application),
        api.project,
        api.identifier,
        api.major,
        Number(*plan),
        status,
        Time(*now),
        actor.to_string()
    ];
    sql::execute(connection, put, values)
}

pub(crate) fn delete(connection: &Connection, application: u64, api: &ApiFamily) -> rusqlite::Result<()> {
    let delete =
        "DELETE FROM subscriptions WHERE application_id = ?1 AND project = ?2 AND identifier = ?3 AND major = ?4";
    sql::execute(connection, delete, params![Number(application), api.project, api.identifier, api.major])
}
