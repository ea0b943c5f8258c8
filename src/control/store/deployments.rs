//! Rows of deployments.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::sql::{self, Json, Number, Time};
use crate::api::{Actor, Definition, Deployed, DeploymentId, EnvironmentName, TargetUrl};

/// A deployment as it is stored, with what its revision says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeploymentRow {
    pub(crate) id: DeploymentId,
    pub(crate) environment: EnvironmentName,
    pub(crate) revision: u64,
    pub(crate) definition: Definition,
    /// The environment's own.
    pub(crate) targets: Option<Vec<TargetUrl>>,
    pub(crate) stopped: bool,
    pub(crate) deployed_at: Timestamp,
    pub(crate) deployed_by: String,
}

impl DeploymentRow {
    /// The targets in use.
    pub(crate) fn effective_targets(&self) -> &[TargetUrl] {
        self.targets.as_deref().unwrap_or(&self.definition.targets)
    }
}

const SELECT: &str = "SELECT deployments.*, definition FROM deployments
    JOIN revisions ON revisions.api_id = deployments.api_id AND number = revision";

fn read(row: &Row<'_>) -> rusqlite::Result<DeploymentRow> {
    let Number(id) = row.get("id")?;
    let Number(revision) = row.get("revision")?;
    let Json(definition) = row.get("definition")?;
    let targets: Option<Json<_>> = row.get("targets")?;
    let Time(deployed_at) = row.get("deployed_at")?;
    Ok(DeploymentRow {
        id: DeploymentId(id),
        environment: row.get("environment")?,
        revision,
        definition,
        targets: targets.map(|Json(targets)| targets),
        stopped: row.get("stopped")?,
        deployed_at,
        deployed_by: row.get("deployed_by")?,
    })
}

/// An API's, in the order in which they were made.
pub(crate) fn of_api(connection: &Connection, api: u64) -> rusqlite::Result<Vec<DeploymentRow>> {
    sql::all(connection, &format!("{SELECT} WHERE deployments.api_id = ?1 ORDER BY id"), [Number(api)], read)
}

pub(crate) fn find(connection: &Connection, api: u64, environment: &str) -> rusqlite::Result<Option<DeploymentRow>> {
    let select = format!("{SELECT} WHERE deployments.api_id = ?1 AND environment = ?2");
    sql::first(connection, &select, params![Number(api), environment], read)
}

/// The revision to run in an environment, and how.
#[derive(Clone, Debug)]
pub(crate) struct NewRow<'a> {
    pub(crate) revision: u64,
    pub(crate) targets: Option<&'a [TargetUrl]>,
    pub(crate) stopped: bool,
    pub(crate) now: Timestamp,
    pub(crate) actor: &'a Actor,
}

/// Adds a deployment, or changes the one that is there, which keeps its number.
pub(crate) fn put(
    connection: &Connection,
    api: u64,
    environment: &EnvironmentName,
    new: &NewRow<'_>,
) -> rusqlite::Result<()> {
    let put = "INSERT INTO deployments (api_id, environment, revision, targets, stopped, deployed_at, deployed_by)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (api_id, environment) DO UPDATE SET revision = excluded.revision, targets = excluded.targets,
            stopped = excluded.stopped, deployed_at = excluded.deployed_at, deployed_by = excluded.deployed_by";
    let values = params![
        Number(api),
        environment,
        Number(new.revision),
        new.targets.map(Json),
        new.stopped,
        Time(new.now),
        new.actor.to_string()
    ];
    sql::execute(connection, put, values)
}

pub(crate) fn set_stopped(connection: &Connection, id: DeploymentId, stopped: bool) -> rusqlite::Result<()> {
    sql::execute(connection, "UPDATE deployments SET stopped = ?2 WHERE id = ?1", params![Number(id.0), stopped])
}

pub(crate) fn delete(connection: &Connection, id: DeploymentId) -> rusqlite::Result<()> {
    sql::execute(connection, "DELETE FROM deployments WHERE id = ?1", [Number(id.0)])
}

const SELECT_DEPLOYED: &str =
    "SELECT deployments.id, project, identifier, major, minor, apis.id AS api_id, environment,
    revision, deployments.targets, revisions.definition, lifecycle, deprecated_at, sunset_at, stopped
    FROM deployments
    JOIN apis ON apis.id = deployments.api_id
    JOIN revisions ON revisions.api_id = apis.id AND number = revision";

fn read_deployed(row: &Row<'_>) -> rusqlite::Result<Deployed> {
    let Number(id) = row.get("id")?;
    let Number(api_id) = row.get("api_id")?;
    let Number(revision) = row.get("revision")?;
    let Json(definition): Json<Definition> = row.get("definition")?;
    let targets: Option<Json<Vec<TargetUrl>>> = row.get("targets")?;
    let maybe = |column| row.get::<_, Option<Time>>(column).map(|time| time.map(|Time(time)| time));
    Ok(Deployed {
        id: DeploymentId(id),
        key: sql::key(row)?,
        api_id,
        environment: row.get("environment")?,
        revision,
        access: definition.access,
        policies: definition.policies,
        contract: definition.contract,
        targets: targets.map_or(definition.targets, |Json(targets)| targets),
        lifecycle: row.get("lifecycle")?,
        deprecated_at: maybe("deprecated_at")?,
        sunset_at: maybe("sunset_at")?,
        stopped: row.get("stopped")?,
    })
}

/// One as the data plane needs it.
pub(crate) fn deployed(connection: &Connection, id: DeploymentId) -> rusqlite::Result<Option<Deployed>> {
    let select = format!("{SELECT_DEPLOYED} WHERE deployments.id = ?1");
    sql::first(connection, &select, [Number(id.0)], read_deployed)
}

/// All of them.
pub(crate) fn all_deployed(connection: &Connection) -> rusqlite::Result<Vec<Deployed>> {
    sql::all(connection, &format!("{SELECT_DEPLOYED} ORDER BY deployments.id"), [], read_deployed)
}
