//! A step: one operation of the admin API, and how it is told.

use std::fmt;

use crate::api::request::{NewApi, NewDefinition, NewDeployment, NewLifecycle};
use crate::api::{ApiKey, EnvironmentName};

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes an API.
    Create(ApiKey, NewApi),
    /// Changes an API's definition; which fields of it, for people.
    Update(ApiKey, NewDefinition, Vec<&'static str>),
    /// Deploys it; why, for people.
    Deploy(ApiKey, EnvironmentName, NewDeployment, Why),
    /// Stops a deployment.
    Stop(ApiKey, EnvironmentName),
    /// Starts a deployment.
    Start(ApiKey, EnvironmentName),
    /// Changes an API's lifecycle.
    Lifecycle(ApiKey, NewLifecycle),
}

/// Why something is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is not deployed there.
    Missing,
    /// Another definition runs there.
    Definition,
    /// Another revision was asked for.
    Revision,
    /// The environment's own targets are others.
    Targets,
}

impl Step {
    /// The API that it is about.
    #[must_use]
    pub fn key(&self) -> &ApiKey {
        match self {
            Self::Create(key, _)
            | Self::Update(key, ..)
            | Self::Deploy(key, ..)
            | Self::Stop(key, _)
            | Self::Start(key, _)
            | Self::Lifecycle(key, _) => key,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(key, _) => write!(f, "create {key}"),
            Self::Update(key, _, fields) => write!(f, "update {key}: {}", fields.join(", ")),
            Self::Deploy(key, environment, new, why) => {
                write!(f, "deploy {key} in {environment}")?;
                match (why, new.revision) {
                    (Why::Missing, None) => Ok(()),
                    (Why::Missing | Why::Revision, Some(revision)) => write!(f, ": revision {revision}"),
                    (Why::Definition | Why::Revision, _) => write!(f, ": the definition as it is now"),
                    (Why::Targets, _) => write!(f, ": the environment's own targets"),
                }
            }
            Self::Stop(key, environment) => write!(f, "stop {key} in {environment}"),
            Self::Start(key, environment) => write!(f, "start {key} in {environment}"),
            Self::Lifecycle(key, new) => {
                write!(f, "lifecycle of {key}: {}", new.state)?;
                if let Some(name) = &new.display_name {
                    write!(f, ", displayed as {name}")?;
                }
                if let Some(at) = &new.deprecated_at {
                    write!(f, ", since {at}")?;
                }
                match &new.sunset_at {
                    Some(at) => write!(f, ", ends {at}"),
                    None => Ok(()),
                }
            }
        }
    }
}
