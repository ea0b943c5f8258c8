//! Filters of lists: one that names what does not exist is a mistake, and an empty list would hide it.

use super::Admin;
use crate::api::consumers::{ApplicationName, PlanName};
use crate::api::problem::{Code, Fault, Faults};
use crate::api::{ApiKey, EnvironmentName, Problems, ProjectName};
use crate::control::http::problem::Refused;

/// The things that a filter names.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    pub(super) project: Option<ProjectName>,
    pub(super) environment: Option<EnvironmentName>,
    pub(super) api: Option<ApiKey>,
    pub(super) application: Option<ApplicationName>,
    pub(super) plan: Option<PlanName>,
}

/// Refuses a filter that names nothing there is. Asked only where nothing was found: what was found is there.
///
/// # Errors
/// `fields-invalid` with the rule `exists`, and the nearest name.
pub(super) async fn exist(admin: &Admin, named: Named) -> Result<(), Refused> {
    let manager = admin.manager();
    let mut faults = Faults::default();
    if let Some(project) = &named.project {
        keep(&mut faults, "project", manager.project(project).await, Code::PROJECT_NOT_FOUND)?;
    }
    if let Some(environment) = &named.environment {
        // A deployment may be left in an environment that the configuration no longer has.
        let deployed = manager.deployed().await?;
        if !deployed.values().any(|deployed| deployed.environment == *environment) {
            keep(
                &mut faults,
                "environment",
                manager.environment(environment.as_str()).await,
                Code::ENVIRONMENT_NOT_FOUND,
            )?;
        }
    }
    if let Some(api) = &named.api {
        keep(&mut faults, "api", manager.api(api).await, Code::API_NOT_FOUND)?;
    }
    if let Some(application) = &named.application {
        keep(&mut faults, "application", manager.application(application).await, Code::APPLICATION_NOT_FOUND)?;
    }
    if let Some(plan) = &named.plan {
        keep(&mut faults, "plan", manager.plan(plan).await, Code::PLAN_NOT_FOUND)?;
    }
    Ok(faults.none()?)
}

/// Notes that `field` names nothing, if that is the problem. Any other problem is the answer.
fn keep<T>(faults: &mut Faults, field: &str, found: Result<T, Problems>, missing: Code) -> Result<(), Problems> {
    match found {
        Err(problems) if problems.code == missing => {
            faults.add(field, Fault::new("exists", problems.detail));
            Ok(())
        }
        found => found.map(drop),
    }
}
