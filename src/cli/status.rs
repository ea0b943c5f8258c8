//! `ringway status`: the health of a node, and how much it holds.

use std::process::ExitCode;

use serde::Serialize;

use super::client::{Client, ResourcePath};
use super::global_options::GlobalOptions;
use super::output::table;
use super::{Failure, env};
use crate::api::view::health::{Health, HealthStatus, StoreState};
use crate::api::view::snapshot::InForce;

/// The answers of a node about itself.
#[derive(Serialize)]
struct Status {
    address: String,
    #[serde(flatten)]
    health: Health,
    environments: Vec<String>,
    deployments: usize,
}

/// Shows the health. The exit code is 0 for a node without problems, and 1 for one that is degraded.
pub(super) fn run(globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(globals)?;
    let health: Health = client.get(&ResourcePath::new(["health"]))?;
    let snapshot: InForce = client.get(&ResourcePath::new(["snapshot"]).with("limit", "1"))?;
    let environments = env::all(&client)?.into_iter().map(|environment| environment.name.into()).collect();
    let code = match health.status {
        HealthStatus::Ok => ExitCode::SUCCESS,
        HealthStatus::Degraded => ExitCode::FAILURE,
    };
    let status = Status { address: client.base().to_owned(), health, environments, deployments: snapshot.deployed };
    globals.output.write(&status, text)?;
    Ok(code)
}

fn text(status: &Status) -> String {
    let Status { address, health, environments, deployments } = status;
    let connections = health.shards.iter().filter_map(|shard| shard.connections).fold(0, usize::saturating_add);
    let answer = health.shards.iter().filter(|shard| shard.answers).count();
    let word = match health.status {
        HealthStatus::Ok => "ok",
        HealthStatus::Degraded => "degraded",
    };
    let store = match health.store.state {
        StoreState::Ok => "ok",
        StoreState::ReadOnly => "read-only",
        StoreState::Full => "full",
        StoreState::Unavailable => "unavailable",
    };
    let mut rows = vec![
        ("status", word.to_owned()),
        ("admin API", address.clone()),
        ("version", health.version.clone()),
        ("store", store.to_owned()),
        ("shards", format!("{answer} of {} answer", health.shards.len())),
        ("environments", environments.join(" ")),
        ("deployments", deployments.to_string()),
        ("connections", connections.to_string()),
    ];
    rows.extend(health.problems.iter().map(|problem| ("problem", problem.clone())));
    table(&[], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]))
}
