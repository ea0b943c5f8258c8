//! From a [`Change`] to what it does, inside its transaction.

use super::change_context::{ChangeContext, Made};
use super::identities::change as identities;
use super::{access, apis, applications, deploy, deployments, keys, lifecycle, plans, projects, subscriptions};
use crate::api::view::Status;
use crate::api::{Change, Condition, Problems};

/// Makes a change of something that is in the state that `condition` asks for, if the actor may make it.
pub(super) fn make(context: &mut ChangeContext<'_>, change: &Change, condition: &Condition) -> Result<Made, Problems> {
    access::check(context, change)?;
    match change {
        Change::PutProject { project, description } => {
            projects::put(context, project, description, condition).map(Made::of)
        }
        Change::DeleteProject { project } => projects::delete(context, project, condition).map(|()| Made::default()),
        Change::CreateApi { api, definition } => apis::create(context, api, definition).map(|()| Made::of(true)),
        Change::PutApi { api, definition } => apis::put(context, api, definition, condition).map(Made::of),
        Change::DeleteApi { api } => apis::delete(context, api, condition).map(|()| Made::default()),
        Change::Deploy { api, environment, revision, targets, status } => {
            let wanted = deploy::Wanted { revision: *revision, targets, status: *status };
            deploy::deploy(context, api, environment, &wanted, condition).map(Made::of)
        }
        Change::Promote { api, from, to, targets } => {
            deploy::promote(context, api, (from, to), targets, condition).map(Made::of)
        }
        Change::Rollback { api, environment, revision } => {
            deploy::roll_back(context, api, environment, *revision, condition).map(|()| Made::default())
        }
        Change::Undeploy { api, environment } => {
            deployments::undeploy(context, api, environment, condition).map(|()| Made::default())
        }
        Change::Stop { api, environment } => {
            deployments::set_status(context, api, environment, condition, Status::Stopped).map(|()| Made::default())
        }
        Change::Start { api, environment } => {
            deployments::set_status(context, api, environment, condition, Status::Running).map(|()| Made::default())
        }
        Change::SetLifecycle { api, lifecycle } => {
            let warnings = lifecycle::set(context, api, lifecycle, condition)?;
            Ok(Made { is_new: false, warnings })
        }
        Change::CreatePlan { plan, fields } => plans::create(context, plan, fields).map(|()| Made::of(true)),
        Change::PutPlan { plan, fields } => plans::put(context, plan, fields, condition).map(Made::of),
        Change::DeletePlan { plan } => plans::delete(context, plan, condition).map(|()| Made::default()),
        Change::CreateApplication { application, fields } => {
            applications::create(context, application, fields).map(|()| Made::of(true))
        }
        Change::PutApplication { application, fields } => {
            applications::put(context, application, fields, condition).map(Made::of)
        }
        Change::DeleteApplication { application } => {
            applications::delete(context, application, condition).map(|()| Made::default())
        }
        Change::PutSubscription { application, api, plan, status } => {
            subscriptions::put(context, application, api, (plan, *status), condition)
        }
        Change::DeleteSubscription { application, api } => {
            subscriptions::delete(context, application, api, condition).map(|()| Made::default())
        }
        Change::CreateKey { application, key } => keys::create(context, application, key).map(|()| Made::of(true)),
        Change::RotateKey { id, digest, prefix, overlap, expires_at } => {
            let new = keys::Successor { digest: *digest, prefix, overlap: *overlap, expires_at: *expires_at };
            keys::rotate(context, *id, &new, condition).map(|()| Made::of(true))
        }
        Change::RevokeKey { id } => keys::revoke(context, *id, condition).map(|()| Made::default()),
        Change::CreateIdentity { identity, grant } => {
            identities::create(context, identity, grant).map(|()| Made::of(true))
        }
        Change::PutIdentity { identity, grant } => identities::put(context, identity, grant, condition).map(Made::of),
        Change::RevokeIdentity { identity } => {
            identities::revoke(context, identity, condition).map(|()| Made::default())
        }
        Change::CreateToken { identity, digest, terms } => {
            identities::create_token(context, identity, digest, terms).map(|()| Made::of(true))
        }
        Change::RotateToken { identity, token, until, digest, expires_at } => {
            let new = (digest, *expires_at);
            identities::rotate_token(context, identity, *token, *until, new).map(|()| Made::of(true))
        }
        Change::RevokeToken { identity, token } => {
            identities::revoke_token(context, identity, *token).map(|()| Made::default())
        }
    }
}
