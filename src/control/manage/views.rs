//! Rows as others are shown them, and as the audit keeps them.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::api::consumers::Subscription;
use crate::api::view::Status;
use crate::api::{Api, ApiKey, Deployment, Environments, Problems};
use crate::control::store::apis::{ApiRow, Life};
use crate::control::store::deployments::{self, DeploymentRow};
use crate::control::store::keys::KeyRow;

pub(super) fn api(connection: &Connection, environments: &Environments, row: ApiRow) -> Result<Api, Problems> {
    let deployments = deployments(connection, environments, &row)?;
    let ApiRow { id, key, definition, life, latest_revision, created_at, created_by, updated_at, updated_by, .. } = row;
    Ok(Api {
        id,
        base_path: key.base_path(),
        project: key.project,
        identifier: key.identifier,
        version: key.version,
        definition,
        display_name: life.display_name,
        lifecycle: life.state,
        deprecated_at: life.deprecated_at,
        sunset_at: life.sunset_at,
        created_at,
        created_by,
        updated_at,
        updated_by,
        latest_revision,
        deployments,
    })
}

/// The deployments of an API in the order of the environments, those in unconfigured environments last.
pub(super) fn deployments(
    connection: &Connection,
    environments: &Environments,
    api: &ApiRow,
) -> Result<Vec<Deployment>, Problems> {
    let mut rows = deployments::of_api(connection, api.id)?;
    let order =
        |row: &DeploymentRow| environments.iter().position(|place| place.name == row.environment).unwrap_or(usize::MAX);
    rows.sort_by_key(|row| (order(row), row.environment.clone()));
    Ok(rows.into_iter().map(|row| deployment(environments, &api.key, row)).collect())
}

pub(super) fn deployment(environments: &Environments, key: &ApiKey, row: DeploymentRow) -> Deployment {
    let place = environments.find(row.environment.as_str());
    Deployment {
        url: place.map(|place| place.url(row.definition.access, &key.base_path())),
        effective_targets: row.effective_targets().to_vec(),
        environment: row.environment,
        revision: row.revision,
        targets: row.targets,
        status: if row.stopped { Status::Stopped } else { Status::Running },
        deployed_at: row.deployed_at,
        deployed_by: row.deployed_by,
        endpoints: None,
        channels: None,
    }
}

/// An API, as the audit keeps it.
pub(super) fn audited_api(row: &ApiRow) -> Value {
    // Nothing in a definition can fail to be written.
    let mut kept = serde_json::to_value(&row.definition).unwrap_or_default();
    if let Some(fields) = kept.as_object_mut() {
        fields.insert("lifecycle".to_owned(), row.life.state.as_str().into());
    }
    kept
}

/// An API with its lifecycle and deployments, as the audit keeps it.
pub(super) fn audited_whole(row: &ApiRow, deployments: &[DeploymentRow]) -> Value {
    let (mut whole, life) = (audited_api(row), audited_life(&row.life));
    if let (Some(whole), Value::Object(life)) = (whole.as_object_mut(), life) {
        whole.extend(life);
        whole.insert("deployments".to_owned(), deployments.iter().map(audited_deployment).collect());
    }
    whole
}

/// An API's lifecycle, as the audit keeps it.
pub(super) fn audited_life(life: &Life) -> Value {
    json!({
        "lifecycle": life.state,
        "display_name": life.display_name,
        "deprecated_at": life.deprecated_at,
        "sunset_at": life.sunset_at,
    })
}

/// A deployment, as the audit keeps it.
pub(super) fn audited_deployment(row: &DeploymentRow) -> Value {
    json!({
        "environment": row.environment,
        "revision": row.revision,
        "targets": row.targets,
        "effective_targets": row.effective_targets(),
        "status": if row.stopped { Status::Stopped } else { Status::Running },
    })
}

/// A subscription, as the audit keeps it.
pub(super) fn audited_subscription(subscription: &Subscription) -> Value {
    json!({ "api": subscription.api, "plan": subscription.plan, "status": subscription.status })
}

/// A key, as the audit keeps it: without its digest.
pub(super) fn audited_key(row: &KeyRow) -> Value {
    json!({
        "id": row.id,
        "name": row.name,
        "environment": row.environment,
        "prefix": row.prefix,
        "expires_at": row.expires_at,
        "replaced_by": row.replaced_by,
    })
}
