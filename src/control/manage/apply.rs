//! Several changes at once: all of them or none, in force together.

use super::change_context::ChangeContext;
use super::{Manager, apis, deploy, deployments, lifecycle, projects};
use crate::api::problem::Fault;
use crate::api::request::{NewDefinition, NewDeployment, NewLifecycle, NewProject};
use crate::api::{Action, Actor, ApiKey, Condition, Problems, ProjectName};

/// Changes that are made together at most.
pub const MAX_CHANGES: usize = 1000;

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

impl Manager {
    /// Makes several changes, at most [`MAX_CHANGES`]: all of them or none, in force together.
    ///
    /// # Errors
    /// Those of the first change that is refused, its fields below `changes[n]`.
    pub async fn apply(&self, actor: &Actor, changes: Vec<Change>) -> Result<(), Problems> {
        if changes.len() > MAX_CHANGES {
            let why = format!("there may be {MAX_CHANGES} at most, and there are {}", changes.len());
            return Err(Problems::of_fields(vec![Fault::new("count", why).at("changes")]));
        }
        self.change(actor, move |context| {
            for (at, change) in changes.into_iter().enumerate() {
                make(context, change).map_err(|problems| problems.below(&format!("changes[{at}]")))?;
            }
            Ok(())
        })
        .await
    }
}

fn make(context: &mut ChangeContext<'_>, change: Change) -> Result<(), Problems> {
    let any = &Condition::Always;
    match change {
        Change::PutProject(name, new) => projects::put(context, &name, &new.check()?, any).map(drop),
        Change::PutApi(key, new) => apis::put(context, &key, &new.check()?, any).map(drop),
        Change::Deploy(key, environment, new) => {
            deploy::deploy(context, &key, &environment, new.revision, new.own_targets()?, any).map(drop)
        }
        Change::Undeploy(key, environment) => deployments::undeploy(context, &key, &environment, any),
        Change::Stop(key, environment) => {
            deployments::turn(context, &key, &environment, any, Action::ApiStop).map(drop)
        }
        Change::Start(key, environment) => {
            deployments::turn(context, &key, &environment, any, Action::ApiStart).map(drop)
        }
        Change::Lifecycle(key, new) => lifecycle::set(context, &key, &new, any).map(drop),
        Change::DeleteApi(key) => apis::delete(context, &key, any),
    }
}
