//! Applications with their subscriptions and keys, as the data plane needs to know them.

use rusqlite::{Connection, Row};

use super::applications;
use super::sql::{self, Number, Time};
use crate::api::consumers::ApplicationState;
use crate::api::consumers::state::{KeyState, SubscriptionState};

const APPLICATIONS: &str = "SELECT id, consumer, name AS application FROM applications";
const SUBSCRIPTIONS: &str = "SELECT application_id, project, identifier, major, plans.name AS plan,
        applications.status = 'active' AND subscriptions.status = 'active' AND plans.status = 'active' AS is_open
    FROM subscriptions
    JOIN plans ON plans.id = plan_id
    JOIN applications ON applications.id = application_id";
const KEYS: &str = "SELECT id, application_id, environment, digest, expires_at FROM keys";

fn read_application(row: &Row<'_>) -> rusqlite::Result<ApplicationState> {
    let Number(id) = row.get("id")?;
    Ok(ApplicationState { id, name: applications::name(row)?, subscriptions: Vec::new(), keys: Vec::new() })
}

/// A row of an application, with the application's number.
type Of<T> = (u64, T);

fn read_subscription(row: &Row<'_>) -> rusqlite::Result<Of<SubscriptionState>> {
    let Number(application) = row.get("application_id")?;
    let (api, plan, is_open) = (sql::family(row)?, row.get("plan")?, row.get("is_open")?);
    Ok((application, SubscriptionState { api, plan, is_open }))
}

fn read_key(row: &Row<'_>) -> rusqlite::Result<Of<KeyState>> {
    let (Number(id), Number(application)) = (row.get("id")?, row.get("application_id")?);
    let expires_at: Option<Time> = row.get("expires_at")?;
    let expires_at = expires_at.map(|Time(time)| time);
    Ok((application, KeyState { id, environment: row.get("environment")?, digest: row.get("digest")?, expires_at }))
}

/// One of them; `None` if there is no such application.
pub(crate) fn of(connection: &Connection, id: u64) -> rusqlite::Result<Option<ApplicationState>> {
    let found = sql::first(connection, &format!("{APPLICATIONS} WHERE id = ?1"), [Number(id)], read_application)?;
    let Some(mut application) = found else { return Ok(None) };
    let select = format!("{SUBSCRIPTIONS} WHERE application_id = ?1 ORDER BY project, identifier, major");
    let subscriptions = sql::all(connection, &select, [Number(id)], read_subscription)?;
    application.subscriptions = subscriptions.into_iter().map(|(_, subscription)| subscription).collect();
    let keys = sql::all(connection, &format!("{KEYS} WHERE application_id = ?1 ORDER BY id"), [Number(id)], read_key)?;
    application.keys = keys.into_iter().map(|(_, key)| key).collect();
    Ok(Some(application))
}

/// All of them, in the order of their numbers.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<ApplicationState>> {
    let mut all = sql::all(connection, &format!("{APPLICATIONS} ORDER BY id"), [], read_application)?;
    let select = format!("{SUBSCRIPTIONS} ORDER BY application_id, project, identifier, major");
    let mut subscriptions = sql::all(connection, &select, [], read_subscription)?.into_iter().peekable();
    let select = format!("{KEYS} ORDER BY application_id, id");
    let mut keys = sql::all(connection, &select, [], read_key)?.into_iter().peekable();
    for application in &mut all {
        // Each row belongs to an application that there is: the store's foreign keys see to it.
        while let Some((_, subscription)) = subscriptions.next_if(|(of, _)| *of <= application.id) {
            application.subscriptions.push(subscription);
        }
        while let Some((_, key)) = keys.next_if(|(of, _)| *of <= application.id) {
            application.keys.push(key);
        }
    }
    Ok(all)
}
