//! The permission that a change needs: what depends on the environment, or on where an API is deployed, is known only here,
//! inside the change's transaction. Requests for documents are covered by it as well, step by step.

use super::change_context::ChangeContext;
use crate::api::{ApiKey, Change, Permission, Problems};
use crate::control::store::{apis, deployments, keys};

/// Refuses a change that none of the actor's roles allows.
pub(super) fn check(context: &ChangeContext<'_>, change: &Change) -> Result<(), Problems> {
    context.actor.may(permission(context, change)?)?;
    match change {
        // Deleting takes the API away from its consumers first.
        Change::DeleteApi { api } if is_in_last(context, api)? => context.actor.may(Permission::DeployLast),
        _ => Ok(()),
    }
}

fn permission(context: &ChangeContext<'_>, change: &Change) -> Result<Permission, Problems> {
    Ok(match change {
        Change::PutProject { .. }
        | Change::DeleteProject { .. }
        | Change::CreateApi { .. }
        | Change::PutApi { .. }
        | Change::DeleteApi { .. } => Permission::Define,
        Change::Deploy { environment, .. }
        | Change::Promote { to: environment, .. }
        | Change::Rollback { environment, .. }
        | Change::Undeploy { environment, .. }
        | Change::Stop { environment, .. }
        | Change::Start { environment, .. } => deploy(context, environment),
        Change::SetLifecycle { .. } => Permission::Lifecycle,
        Change::CreatePlan { .. }
        | Change::PutPlan { .. }
        | Change::DeletePlan { .. }
        | Change::CreateApplication { .. }
        | Change::PutApplication { .. }
        | Change::DeleteApplication { .. }
        | Change::PutSubscription { .. }
        | Change::DeleteSubscription { .. } => Permission::Consumers,
        Change::CreateKey { key, .. } => keys_of(context, key.environment.as_str()),
        Change::RotateKey { id, .. } | Change::RevokeKey { id } => match keys::find(context.connection, *id)? {
            Some(key) => keys_of(context, key.environment.as_str()),
            None => Permission::Keys,
        },
        Change::CreateIdentity { .. }
        | Change::PutIdentity { .. }
        | Change::RevokeIdentity { .. }
        | Change::CreateToken { .. }
        | Change::RotateToken { .. }
        | Change::RevokeToken { .. } => Permission::Identities,
    })
}

/// The permission for a key of an environment.
pub(super) fn keys_of(context: &ChangeContext<'_>, environment: &str) -> Permission {
    if context.environments.after(environment).is_some() { Permission::Keys } else { Permission::Consumers }
}

/// The permission for a deployment in an environment.
fn deploy(context: &ChangeContext<'_>, environment: &str) -> Permission {
    // One that the configuration no longer has counts as the last: its order is not known.
    if context.environments.after(environment).is_some() { Permission::Deploy } else { Permission::DeployLast }
}

/// True if an API is deployed in the last environment, or in one that the configuration no longer has.
fn is_in_last(context: &ChangeContext<'_>, api: &ApiKey) -> Result<bool, Problems> {
    for row in apis::of_key(context.connection, api)? {
        let deployed = deployments::of_api(context.connection, row.id)?;
        if deployed.iter().any(|row| deploy(context, row.environment.as_str()) == Permission::DeployLast) {
            return Ok(true);
        }
    }
    Ok(false)
}
