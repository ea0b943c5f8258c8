//! A change: the one way in which projects, APIs and their deployments, plans, applications with their subscriptions and keys,
//! and identities with their tokens are written.
//!
//! Every change says all that has to be known to make it, so that another node could make it as well. What concerns one
//! process alone, as its certificates and its listeners do, is no such change (`control::manage::NodeChange`).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::consumers::request::Described;
use super::consumers::{ApiFamily, ApplicationName, KeyDigest, PlanName, Standing};
use super::definition::Definition;
use super::identity::{Grant, IdentityName, TokenDigest, TokenTerms};
use super::key::{ApiKey, EnvironmentName, ProjectName};
use super::request::{NewLifecycle, OwnTargets};
use super::text::{Description, Name};
use super::view::Status;

/// One change. A change that finds everything as it asks for does nothing, and leaves no entry in the audit.
///
/// Environments are named as the client wrote them: which there are is known when the change is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// Creates a project, or changes its description.
    PutProject {
        /// The project.
        project: ProjectName,
        /// The description that the project is to have.
        description: Description,
    },
    /// Deletes a project, which must have no APIs. Legal where there is no such project.
    DeleteProject {
        /// The project.
        project: ProjectName,
    },
    /// Creates an API, and its project where that is missing. Refused where there is such an API that is not retired.
    CreateApi {
        /// The API.
        api: ApiKey,
        /// The definition that the API is to have.
        definition: Definition,
    },
    /// Changes an API's definition, or creates the API.
    PutApi {
        /// The API.
        api: ApiKey,
        /// The definition that the API is to have.
        definition: Definition,
    },
    /// Undeploys an API everywhere and deletes it, with the retired ones of the same key. Legal where there is none.
    DeleteApi {
        /// The API.
        api: ApiKey,
    },
    /// Runs a revision of an API in an environment. Refused where the API is retired.
    Deploy {
        /// The API.
        api: ApiKey,
        /// The environment's name.
        environment: String,
        /// The revision; `None` for the definition as it is now, which becomes a revision if it is not the latest.
        revision: Option<u64>,
        /// The environment's own targets.
        targets: OwnTargets,
        /// The status of the deployment. One that is to be stopped takes no connection, not for a moment.
        status: Status,
    },
    /// Runs the revision that one environment has in the next one.
    Promote {
        /// The API.
        api: ApiKey,
        /// The environment that has the revision.
        from: String,
        /// The next environment in the order.
        to: String,
        /// The own targets of the environment `to`; [`OwnTargets::Keep`] takes those of `from`.
        targets: OwnTargets,
    },
    /// Runs another revision where one is deployed. The environment keeps its own targets.
    Rollback {
        /// The API.
        api: ApiKey,
        /// The environment's name.
        environment: String,
        /// The revision to run.
        revision: u64,
    },
    /// Takes an API out of an environment. Legal where the API is not deployed there.
    Undeploy {
        /// The API.
        api: ApiKey,
        /// The environment's name.
        environment: String,
    },
    /// Stops a deployment: new handshakes are refused, and live connections are drained.
    Stop {
        /// The API.
        api: ApiKey,
        /// The environment's name.
        environment: String,
    },
    /// Starts a stopped deployment.
    Start {
        /// The API.
        api: ApiKey,
        /// The environment's name.
        environment: String,
    },
    /// Changes an API's lifecycle.
    SetLifecycle {
        /// The API.
        api: ApiKey,
        /// The state to be in, and what goes with that state.
        lifecycle: NewLifecycle,
    },
    /// Creates a plan. Refused where there is one of this name.
    CreatePlan {
        /// The plan.
        plan: PlanName,
        /// The description and status that the plan is to have.
        fields: Described,
    },
    /// Changes a plan, or creates it. Blocking a plan closes every subscription that has it.
    PutPlan {
        /// The plan.
        plan: PlanName,
        /// The description and status that the plan is to have.
        fields: Described,
    },
    /// Deletes a plan, which no subscription may have. Legal where there is no such plan.
    DeletePlan {
        /// The plan.
        plan: PlanName,
    },
    /// Creates an application. Refused where there is one of this name.
    CreateApplication {
        /// The application.
        application: ApplicationName,
        /// The description and status that the application is to have.
        fields: Described,
    },
    /// Changes an application, or creates it. Blocking an application closes all its subscriptions.
    PutApplication {
        /// The application.
        application: ApplicationName,
        /// The description and status that the application is to have.
        fields: Described,
    },
    /// Revokes every key of an application, ends its subscriptions and deletes it. Legal where there is no such application.
    DeleteApplication {
        /// The application.
        application: ApplicationName,
    },
    /// Subscribes an application to an API, or changes the subscription. A new subscription is refused where the API takes none.
    PutSubscription {
        /// The application.
        application: ApplicationName,
        /// The versions that the application may connect to.
        api: ApiFamily,
        /// The plan.
        plan: PlanName,
        /// The status that the subscription is to have.
        status: Standing,
    },
    /// Ends a subscription. Legal where there is no such subscription.
    DeleteSubscription {
        /// The application.
        application: ApplicationName,
        /// The versions that the application may connect to.
        api: ApiFamily,
    },
    /// Gives an application another key.
    CreateKey {
        /// The application.
        application: ApplicationName,
        /// The key.
        key: KeyFields,
    },
    /// Gives an application a key that takes the place of another, which stays valid for a while. A key is rotated once.
    RotateKey {
        /// The number of the key that is replaced.
        id: u64,
        /// The digest of the new key's text.
        digest: KeyDigest,
        /// The beginning of the new key's text.
        prefix: String,
        /// The time for which the old key stays valid.
        overlap: SignedDuration,
        /// The end of the new key; `None` for as long a life as the old key was given.
        expires_at: Option<Timestamp>,
    },
    /// Revokes a key. Legal where there is no such key.
    RevokeKey {
        /// The key's number.
        id: u64,
    },
    /// Creates an identity. Refused where there is one of that name.
    CreateIdentity {
        /// The identity.
        identity: IdentityName,
        /// The roles, scope and description.
        grant: Grant,
    },
    /// Changes what an identity may do, or creates it.
    PutIdentity {
        /// The identity.
        identity: IdentityName,
        /// The roles, scope and description that the identity is to have.
        grant: Grant,
    },
    /// Deletes an identity and its tokens. Legal where there is none.
    RevokeIdentity {
        /// The identity.
        identity: IdentityName,
    },
    /// Gives an identity a token.
    CreateToken {
        /// The identity.
        identity: IdentityName,
        /// The digest of the secret, which nobody but the client has.
        digest: TokenDigest,
        /// The token's terms.
        terms: TokenTerms,
    },
    /// Gives an identity a token in place of another, which ends a little later.
    RotateToken {
        /// The identity.
        identity: IdentityName,
        /// The number of the token that is replaced.
        token: u64,
        /// The time at which that token ends, unless it ends earlier.
        until: Timestamp,
        /// The digest of the new secret.
        digest: TokenDigest,
        /// The expiry of the new token.
        expires_at: Option<Timestamp>,
    },
    /// Deletes a token: it is refused from now on. Legal where there is none.
    RevokeToken {
        /// The identity.
        identity: IdentityName,
        /// The token's number.
        token: u64,
    },
}

/// A key that is to be made. Its text is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFields {
    /// The only environment that the key opens.
    pub environment: EnvironmentName,
    /// The name for people.
    pub name: Name,
    /// The digest of the key's text.
    pub digest: KeyDigest,
    /// The beginning of the key's text.
    pub prefix: String,
    /// The time from which on the key opens nothing.
    pub expires_at: Option<Timestamp>,
}

impl Change {
    /// The API that the change is about; `None` if it is about something else.
    #[must_use]
    pub fn api(&self) -> Option<&ApiKey> {
        match self {
            Self::PutProject { .. }
            | Self::DeleteProject { .. }
            | Self::CreatePlan { .. }
            | Self::PutPlan { .. }
            | Self::DeletePlan { .. }
            | Self::CreateApplication { .. }
            | Self::PutApplication { .. }
            | Self::DeleteApplication { .. }
            | Self::PutSubscription { .. }
            | Self::DeleteSubscription { .. }
            | Self::CreateKey { .. }
            | Self::RotateKey { .. }
            | Self::RevokeKey { .. }
            | Self::CreateIdentity { .. }
            | Self::PutIdentity { .. }
            | Self::RevokeIdentity { .. }
            | Self::CreateToken { .. }
            | Self::RotateToken { .. }
            | Self::RevokeToken { .. } => None,
            Self::CreateApi { api, .. }
            | Self::PutApi { api, .. }
            | Self::DeleteApi { api }
            | Self::Deploy { api, .. }
            | Self::Promote { api, .. }
            | Self::Rollback { api, .. }
            | Self::Undeploy { api, .. }
            | Self::Stop { api, .. }
            | Self::Start { api, .. }
            | Self::SetLifecycle { api, .. } => Some(api),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Change;
    use crate::api::request::OwnTargets;
    use crate::api::view::Status;

    #[test]
    fn a_change_is_read_as_it_was_written() {
        let api = "default/chat:1.0".parse().unwrap();
        let deploy = |targets| Change::Deploy {
            api: "default/chat:1.0".parse().unwrap(),
            environment: "development".to_owned(),
            revision: None,
            targets,
            status: Status::Stopped,
        };
        let these = OwnTargets::These(vec!["ws://a:9000".parse().unwrap()]);
        for (change, targets) in [
            (deploy(OwnTargets::Keep), json!(null)),
            (deploy(OwnTargets::Revisions), json!([])),
            (deploy(these), json!(["ws://a:9000"])),
        ] {
            let text = serde_json::to_value(&change).unwrap();
            assert_eq!((&text["change"], &text["targets"]), (&json!("deploy"), &targets));
            assert_eq!(serde_json::from_value::<Change>(text).unwrap(), change);
        }
        let delete = Change::DeleteApi { api };
        assert_eq!(serde_json::from_value::<Change>(serde_json::to_value(&delete).unwrap()).unwrap(), delete);
    }
}
