//! A step: one change that a document asks for, and why, as people are told.

use std::fmt;

use crate::api::view::Status;
use crate::api::{ApiKey, Change};

/// A change, and why it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The API that the change is about.
    pub api: ApiKey,
    /// The change.
    pub change: Change,
    /// Why it is made.
    pub why: Why,
}

/// Why a change is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The API, or the deployment, is not there.
    Missing,
    /// These fields of the definition differ.
    Fields(Vec<&'static str>),
    /// Another definition runs there.
    Definition,
    /// Another revision was asked for.
    Revision,
    /// The environment's own targets are others.
    Targets,
    /// The status of the deployment, or the state of the API's life, is another.
    State,
}

impl Step {
    /// The API that the change is about.
    #[must_use]
    pub fn key(&self) -> &ApiKey {
        &self.api
    }

    /// The environment of a change that is about a deployment.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        match &self.change {
            Change::Deploy { environment, .. }
            | Change::Stop { environment, .. }
            | Change::Start { environment, .. } => Some(environment),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.api;
        match &self.change {
            Change::CreateApi { .. } => write!(f, "create {key}"),
            Change::Deploy { environment, revision, status, .. } => {
                write!(f, "deploy {key} in {environment}")?;
                match (&self.why, revision) {
                    (Why::Missing, None) => {}
                    (Why::Missing | Why::Revision, Some(revision)) => write!(f, ": revision {revision}")?,
                    (Why::Targets, _) => write!(f, ": the environment's own targets")?,
                    _ => write!(f, ": the definition as it is now")?,
                }
                if *status == Status::Stopped { f.write_str(", stopped") } else { Ok(()) }
            }
            Change::Stop { environment, .. } => write!(f, "stop {key} in {environment}"),
            Change::Start { environment, .. } => write!(f, "start {key} in {environment}"),
            Change::SetLifecycle { lifecycle: new, .. } => {
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
            Change::PutApi { .. } => match &self.why {
                Why::Fields(fields) => write!(f, "update {key}: {}", fields.join(", ")),
                _ => write!(f, "update {key}"),
            },
            // Documents ask for none of the others.
            _ => write!(f, "change {key}"),
        }
    }
}
