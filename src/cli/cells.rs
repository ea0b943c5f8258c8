//! Cells of tables that several nouns show.

use crate::api::view::Status;
use crate::api::{Deployment, TargetUrl};

/// The word for a deployment's status.
pub(super) fn status(deployment: &Deployment) -> &'static str {
    match deployment.status {
        Status::Running => "running",
        Status::Stopped => "stopped",
    }
}

/// Targets as they are written.
pub(super) fn texts(targets: &[TargetUrl]) -> Vec<String> {
    targets.iter().map(ToString::to_string).collect()
}
