//! Deployments: what is there, stopping, starting and taking away. How one comes about is in [`super::deploy`].

use serde_json::Value;

use super::change_context::{ChangeContext, check, no_api};
use super::{Manager, views};
use crate::api::etag::{Put, Tagged};
use crate::api::problem::Code;
use crate::api::view::Status;
use crate::api::{Action, Actor, ApiKey, Change, Condition, Deployment, EnvironmentName, Problems};
use crate::control::store::apis::{self, ApiRow};
use crate::control::store::audit::NewEntry;
use crate::control::store::deployments::{self, DeploymentRow};

/// Deployments. Their state is their API's: they have its entity tag.
impl Manager {
    /// The deployments of an API, in the order of the environments.
    ///
    /// # Errors
    /// `api-not-found`.
    pub async fn deployments(&self, key: &ApiKey) -> Result<Tagged<Vec<Deployment>>, Problems> {
        let key = key.clone();
        self.read(move |reader| {
            let api = apis::find(reader.connection, &key)?.ok_or_else(|| no_api(reader.connection, &key))?;
            Ok(Tagged { value: views::deployments(reader.connection, reader.environments, &api)?, etag: api.etag() })
        })
        .await
    }

    /// One of them.
    ///
    /// # Errors
    /// `api-not-found`, `environment-not-found`, `deployment-not-found`.
    pub async fn deployment(&self, key: &ApiKey, environment: &str) -> Result<Tagged<Deployment>, Problems> {
        let (key, environment) = (key.clone(), environment.to_owned());
        self.read(move |reader| {
            let api = apis::find(reader.connection, &key)?.ok_or_else(|| no_api(reader.connection, &key))?;
            let Some(row) = deployments::find(reader.connection, api.id, &environment)? else {
                reader.environments.known(&environment)?;
                return Err(not_there(&key, &environment));
            };
            Ok(Tagged { value: views::deployment(reader.environments, &key, row), etag: api.etag() })
        })
        .await
    }

    /// Takes an API out of an environment. Nothing happens if it is not deployed there, or if there is none.
    ///
    /// # Errors
    /// `environment-not-found`, `condition-failed`.
    pub async fn undeploy(
        &self,
        actor: &Actor,
        key: &ApiKey,
        environment: &str,
        condition: Condition,
    ) -> Result<(), Problems> {
        let change = Change::Undeploy { api: key.clone(), environment: environment.to_owned() };
        self.apply_one(actor, change, condition, |_, _| Ok(())).await
    }

    /// Has a deployment refuse connections. Nothing happens if it is stopped.
    ///
    /// # Errors
    /// `api-not-found`, `environment-not-found`, `deployment-not-found`, `condition-failed`.
    pub async fn stop(
        &self,
        actor: &Actor,
        key: &ApiKey,
        environment: &str,
        condition: Condition,
    ) -> Result<Tagged<Deployment>, Problems> {
        let (key, environment) = (key.clone(), environment.to_owned());
        let change = Change::Stop { api: key.clone(), environment: environment.clone() };
        self.apply_one(actor, change, condition, move |context, _| {
            let Put { value, etag, .. } = shown(context, &key, &environment, false)?;
            Ok(Tagged { value, etag })
        })
        .await
    }

    /// Has a stopped deployment take connections again. Nothing happens if it runs.
    ///
    /// # Errors
    /// As for [`Self::stop`].
    pub async fn start_again(
        &self,
        actor: &Actor,
        key: &ApiKey,
        environment: &str,
        condition: Condition,
    ) -> Result<Tagged<Deployment>, Problems> {
        let (key, environment) = (key.clone(), environment.to_owned());
        let change = Change::Start { api: key.clone(), environment: environment.clone() };
        self.apply_one(actor, change, condition, move |context, _| {
            let Put { value, etag, .. } = shown(context, &key, &environment, false)?;
            Ok(Tagged { value, etag })
        })
        .await
    }
}

/// Stops a deployment, or starts it.
pub(super) fn set_status(
    context: &mut ChangeContext<'_>,
    key: &ApiKey,
    environment: &str,
    condition: &Condition,
    status: Status,
) -> Result<(), Problems> {
    context.concerns_shards = true;
    let (api, before) = existing(context, key, environment, condition)?;
    let (stopped, action) = match status {
        Status::Stopped => (true, Action::ApiStop),
        Status::Running => (false, Action::ApiStart),
    };
    if before.stopped == stopped {
        return Ok(());
    }
    deployments::set_stopped(context.connection, before.id, stopped)?;
    changed(context, &api, action, &before.environment, Some(&before))
}

/// Takes an API out of an environment, if it is there.
pub(super) fn undeploy(
    context: &mut ChangeContext<'_>,
    key: &ApiKey,
    environment: &str,
    condition: &Condition,
) -> Result<(), Problems> {
    context.concerns_shards = true;
    let api = apis::find(context.connection, key)?;
    check(condition, api.as_ref().map(ApiRow::etag), key)?;
    let row = match &api {
        Some(api) => deployments::find(context.connection, api.id, environment)?,
        None => None,
    };
    let (Some(api), Some(row)) = (api, row) else {
        return context.environments.known(environment).map(drop);
    };
    deployments::delete(context.connection, row.id)?;
    changed(context, &api, Action::ApiUndeploy, &row.environment, Some(&row))
}

/// A deployment that must be there, and its API.
pub(super) fn existing(
    context: &ChangeContext<'_>,
    key: &ApiKey,
    environment: &str,
    condition: &Condition,
) -> Result<(ApiRow, DeploymentRow), Problems> {
    let api = context.api(key, condition)?;
    let Some(row) = deployments::find(context.connection, api.id, environment)? else {
        context.environments.known(environment)?;
        return Err(not_there(key, environment));
    };
    Ok((api, row))
}

/// Writes down what became of a deployment, and has the shards be told.
pub(super) fn changed(
    context: &mut ChangeContext<'_>,
    api: &ApiRow,
    action: Action,
    environment: &EnvironmentName,
    before: Option<&DeploymentRow>,
) -> Result<(), Problems> {
    apis::touch(context.connection, api.id)?;
    let after = deployments::find(context.connection, api.id, environment.as_str())?;
    if let Some(row) = after.as_ref().or(before) {
        context.refresh(row.id)?;
    }
    let shown = |row: &DeploymentRow| -> Value { views::audited_deployment(row) };
    context.record(&NewEntry {
        action,
        subject: format!("{} @{environment}", api.key),
        api: Some((api.key.clone(), api.id)),
        before: before.map(shown),
        after: after.as_ref().map(shown),
    })
}

/// A deployment as it is now.
pub(super) fn shown(
    context: &ChangeContext<'_>,
    key: &ApiKey,
    environment: &str,
    is_new: bool,
) -> Result<Put<Deployment>, Problems> {
    let (api, row) = existing(context, key, environment, &Condition::Always)?;
    Ok(Put { value: views::deployment(context.environments, key, row), etag: api.etag(), is_new })
}

fn not_there(key: &ApiKey, environment: &str) -> Problems {
    Problems::new(Code::DEPLOYMENT_NOT_FOUND, format!("{key} is not deployed in {environment}: deploy it there first."))
}
