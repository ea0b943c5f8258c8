//! Every operation on APIs: checked, made in one transaction, and in force when it is answered.
//!
//! In: what the admin API was asked. Out: what it answers. The work is done on the store's thread, one operation at a time:
//! check, change with an audit row, let the publisher prepare, commit, publish. Who waits here waits for the shards.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::publish::{Publisher, Receipt};
use crate::api::etag::{Put, Tagged};
use crate::api::problem::Code;
use crate::api::request::{NewApi, NewDefinition, NewDeployment, NewLifecycle, NewProject, Promotion, Rollback};
use crate::api::view::LifecycleView;
use crate::api::{
    Action, Actor, Api, ApiKey, AuditEntry, Condition, Deployed, Deployment, DeploymentId, Environment, Environments,
    Lifecycle, Page, PageRequest, Problems, Project, ProjectName, Revision,
};

/// What operations go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long an operation waits for the shards.
    pub in_force_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { in_force_timeout: Duration::from_secs(10) }
    }
}

/// Which APIs are listed; all conditions count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiFilter {
    /// Of this project.
    pub project: Option<ProjectName>,
    /// In this state.
    pub lifecycle: Option<Lifecycle>,
    /// Deployed in this environment.
    pub environment: Option<String>,
    /// With this in name, display name, identifier or description; of ASCII letters small and capital ones are the same.
    pub text: Option<String>,
}

/// Which audit entries are listed; all conditions count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this API.
    pub api: Option<ApiKey>,
    /// Not before this time.
    pub since: Option<jiff::Timestamp>,
}

/// One of several changes that are made together.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A project is there, with this description.
    PutProject(ProjectName, NewProject),
    /// An API is there, with this definition.
    PutApi(ApiKey, NewDefinition),
    /// It is deployed in an environment.
    Deploy(ApiKey, String, NewDeployment),
    /// It is not.
    Undeploy(ApiKey, String),
    /// Its deployment is stopped.
    Stop(ApiKey, String),
    /// Its deployment runs.
    Start(ApiKey, String),
    /// It is in a state of life.
    Lifecycle(ApiKey, NewLifecycle),
    /// It is gone.
    DeleteApi(ApiKey),
}

/// How the store is, for the health page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreHealth {
    /// What can be done.
    pub state: StoreState,
    /// What is wrong, if something is.
    pub detail: Option<String>,
}

/// What can be done with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StoreState {
    /// Everything.
    Ok,
    /// It can be read; the disk takes no changes.
    ReadOnly,
    /// It can be read; the disk is full.
    Full,
    /// Nothing: what was deployed goes on from the last good snapshot.
    Unavailable,
}

/// What a reload of the configuration leads to.
#[derive(Debug)]
pub struct Reconfigured<T> {
    /// The environments from now on.
    pub environments: Environments,
    /// What is to be in force.
    pub prepared: T,
    /// For the audit: what of the configuration was, and is. No secrets.
    pub before: Value,
    /// See `before`.
    pub after: Value,
}

/// Every operation. Clones reach the same store. All of them answer [`Problems`] with the codes that they name, and
/// besides `store-unavailable`, `busy`, and when they change something `store-read-only`, `store-full` and `not-in-force`.
#[derive(Clone, Debug)]
pub struct Manager {}

/// Reloads of the configuration, in turn with all other changes.
#[derive(Debug)]
pub struct Reconfigure<P> {
    manager: Manager,
    publisher: PhantomData<fn(P)>,
}

fn not_available<T>() -> Result<T, Problems> {
    Err(Problems::new(Code::STORE_UNAVAILABLE, "This operation is not available."))
}

/// Projects.
impl Manager {
    /// In the order of their names.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub async fn projects(&self, _page: PageRequest) -> Result<Page<Project>, Problems> {
        not_available()
    }

    /// One of them.
    ///
    /// # Errors
    /// `project-not-found`.
    pub async fn project(&self, _name: &ProjectName) -> Result<Tagged<Project>, Problems> {
        not_available()
    }

    /// Makes one, or changes its description.
    ///
    /// # Errors
    /// `fields-invalid`, `condition-failed`.
    pub async fn put_project(
        &self,
        _actor: &Actor,
        _name: ProjectName,
        _new: NewProject,
        _condition: Condition,
    ) -> Result<Put<Project>, Problems> {
        not_available()
    }

    /// Deletes one without APIs. Nothing happens if there is none.
    ///
    /// # Errors
    /// `project-not-empty`, `condition-failed`.
    pub async fn delete_project(
        &self,
        _actor: &Actor,
        _name: &ProjectName,
        _condition: Condition,
    ) -> Result<(), Problems> {
        not_available()
    }
}

/// APIs and their revisions. Of several with the same key, all but one of them retired, a key names the one that is not
/// retired, or else the newest.
impl Manager {
    /// In the order of project, identifier, version and age.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub async fn apis(&self, _filter: ApiFilter, _page: PageRequest) -> Result<Page<Api>, Problems> {
        not_available()
    }

    /// One of them.
    ///
    /// # Errors
    /// `api-not-found`.
    pub async fn api(&self, _key: &ApiKey) -> Result<Tagged<Api>, Problems> {
        not_available()
    }

    /// Makes one, and its project if need be.
    ///
    /// # Errors
    /// `fields-invalid`, `api-exists`.
    pub async fn create_api(&self, _actor: &Actor, _new: NewApi) -> Result<Tagged<Api>, Problems> {
        not_available()
    }

    /// Changes one's definition, or makes one if there is none that is not retired.
    ///
    /// # Errors
    /// `fields-invalid`, `condition-failed`.
    pub async fn put_api(
        &self,
        _actor: &Actor,
        _key: ApiKey,
        _new: NewDefinition,
        _condition: Condition,
    ) -> Result<Put<Api>, Problems> {
        not_available()
    }

    /// Undeploys and deletes one, and retired ones with the same key. Nothing happens if there is none.
    ///
    /// # Errors
    /// `condition-failed`.
    pub async fn delete_api(&self, _actor: &Actor, _key: &ApiKey, _condition: Condition) -> Result<(), Problems> {
        not_available()
    }

    /// An API's revisions, the newest first.
    ///
    /// # Errors
    /// `api-not-found`, `cursor-invalid`.
    pub async fn revisions(&self, _key: &ApiKey, _page: PageRequest) -> Result<Page<Revision>, Problems> {
        not_available()
    }

    /// One of them.
    ///
    /// # Errors
    /// `api-not-found`, `revision-not-found`.
    pub async fn revision(&self, _key: &ApiKey, _number: u64) -> Result<Revision, Problems> {
        not_available()
    }

    /// Where an API is in its life, and may go.
    ///
    /// # Errors
    /// `api-not-found`.
    pub async fn lifecycle(&self, _key: &ApiKey) -> Result<Tagged<LifecycleView>, Problems> {
        not_available()
    }

    /// Changes it. Nothing happens if it is there already and nothing else is asked for.
    ///
    /// # Errors
    /// `fields-invalid`, `api-not-found`, `lifecycle-not-allowed`, `targets-differ`, `condition-failed`.
    pub async fn set_lifecycle(
        &self,
        _actor: &Actor,
        _key: &ApiKey,
        _new: NewLifecycle,
        _condition: Condition,
    ) -> Result<Tagged<LifecycleView>, Problems> {
        not_available()
    }
}

/// Deployments. Their state is their API's: they have its entity tag.
impl Manager {
    /// Where an API is deployed, in the environments' order.
    ///
    /// # Errors
    /// `api-not-found`.
    pub async fn deployments(&self, _key: &ApiKey) -> Result<Tagged<Vec<Deployment>>, Problems> {
        not_available()
    }

    /// One of them.
    ///
    /// # Errors
    /// `api-not-found`, `environment-not-found`, `deployment-not-found`.
    pub async fn deployment(&self, _key: &ApiKey, _environment: &str) -> Result<Tagged<Deployment>, Problems> {
        not_available()
    }

    /// Runs a revision in an environment. Nothing happens if it runs there with these targets.
    ///
    /// # Errors
    /// `fields-invalid`, `api-not-found`, `api-retired`, `environment-not-found`, `condition-failed`.
    pub async fn deploy(
        &self,
        _actor: &Actor,
        _key: &ApiKey,
        _environment: &str,
        _new: NewDeployment,
        _condition: Condition,
    ) -> Result<Put<Deployment>, Problems> {
        not_available()
    }

    /// Takes an API out of an environment. Nothing happens if it is not deployed there, or if there is none.
    ///
    /// # Errors
    /// `condition-failed`.
    pub async fn undeploy(
        &self,
        _actor: &Actor,
        _key: &ApiKey,
        _environment: &str,
        _condition: Condition,
    ) -> Result<(), Problems> {
        not_available()
    }

    /// Has a deployment refuse connections. Nothing happens if it is stopped.
    ///
    /// # Errors
    /// `api-not-found`, `environment-not-found`, `deployment-not-found`, `condition-failed`.
    pub async fn stop(
        &self,
        _actor: &Actor,
        _key: &ApiKey,
        _environment: &str,
        _condition: Condition,
    ) -> Result<Tagged<Deployment>, Problems> {
        not_available()
    }

    /// Has a stopped deployment take connections again. Nothing happens if it runs.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub async fn start_again(
        &self,
        _actor: &Actor,
        _key: &ApiKey,
        _environment: &str,
        _condition: Condition,
    ) -> Result<Tagged<Deployment>, Problems> {
        not_available()
    }

    /// Runs another revision where one runs already; the environment keeps its own targets.
    ///
    /// # Errors
    /// As [`Self::stop`], and `fields-invalid` where there is no such revision.
    pub async fn rollback(
        &self,
        _actor: &Actor,
        _key: &ApiKey,
        _environment: &str,
        _to: Rollback,
        _condition: Condition,
    ) -> Result<Tagged<Deployment>, Problems> {
        not_available()
    }

    /// Runs what one environment has in the next.
    ///
    /// # Errors
    /// `fields-invalid`, `api-not-found`, `environment-not-found`, `deployment-not-found` (of `from`), `promotion-order`,
    /// `condition-failed`.
    pub async fn promote(
        &self,
        _actor: &Actor,
        _key: &ApiKey,
        _promotion: Promotion,
        _condition: Condition,
    ) -> Result<Put<Deployment>, Problems> {
        not_available()
    }

    /// Makes several changes, all of them or none, in force together; at most 1,000.
    ///
    /// # Errors
    /// Those of the first change that is refused, its fields below `changes[n]`.
    pub async fn apply(&self, _actor: &Actor, _changes: Vec<Change>) -> Result<(), Problems> {
        not_available()
    }
}

/// All else that is asked.
impl Manager {
    /// In their order.
    ///
    /// # Errors
    /// None of its own.
    pub async fn environments(&self) -> Result<Vec<Environment>, Problems> {
        not_available()
    }

    /// One of them.
    ///
    /// # Errors
    /// `environment-not-found`.
    pub async fn environment(&self, _name: &str) -> Result<Environment, Problems> {
        not_available()
    }

    /// Entries of the audit, the newest first.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub async fn audit(&self, _filter: AuditFilter, _page: PageRequest) -> Result<Page<AuditEntry>, Problems> {
        not_available()
    }

    /// Adds an entry for what was done elsewhere, as closing connections is.
    ///
    /// # Errors
    /// None of its own.
    pub async fn record(
        &self,
        _actor: &Actor,
        _action: Action,
        _subject: String,
        _before: Option<Value>,
        _after: Option<Value>,
    ) -> Result<(), Problems> {
        not_available()
    }

    /// Every deployment there is, as it was last committed.
    ///
    /// # Errors
    /// None of its own.
    pub async fn deployed(&self) -> Result<BTreeMap<DeploymentId, Deployed>, Problems> {
        not_available()
    }

    /// How the store is. Never waits.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        StoreHealth { state: StoreState::Unavailable, detail: None }
    }
}

impl<P: Publisher> Reconfigure<P> {
    /// Has the configuration changed by `change`, which runs on the store's thread with every deployment there is; then
    /// publishes what it has prepared. Works without a store as well, with no audit entry then.
    ///
    /// # Errors
    /// What `change` answers, and then nothing has changed; or `not-in-force`.
    pub async fn run(
        &self,
        _actor: &Actor,
        _change: impl FnOnce(&mut P, &BTreeMap<DeploymentId, Deployed>) -> Result<Reconfigured<P::Prepared>, Problems>
        + Send
        + 'static,
    ) -> Result<(), Problems> {
        let _: (&Manager, Option<Receipt>) = (&self.manager, None);
        not_available()
    }
}
