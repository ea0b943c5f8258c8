//! Health: whether the process lives, and whether all of it does what it should.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Admin;
use crate::api::problem::Code;
use crate::api::units::counted;
use crate::api::view::health::{Alive, Health, HealthStatus, Ready, ShardHealth, StoreHealth, StoreState};
use crate::control::endpoints;
use crate::control::http::problem::{Refused, SHARDS_SILENT};

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(live))
}

/// Show the health of the process: its store, its shards, the active snapshot
#[utoipa::path(get, path = "/health", tag = "health",
    responses((status = 200, body = Health, description = "The health, good or not")))]
async fn show(State(admin): State<Admin>) -> Json<Health> {
    let (reports, store, number) =
        (admin.shards().reports().await, admin.manager().health(), admin.shards().snapshot().number());
    let answers = |(shard, report): (usize, crate::command::view::Report)| ShardHealth {
        shard,
        answers: true,
        ended: false,
        snapshot: Some(report.snapshot),
        connections: Some(report.connections),
    };
    let silent = |shard| ShardHealth { shard, answers: false, ended: false, snapshot: None, connections: None };
    let ended = |shard| ShardHealth { ended: true, connections: Some(0), ..silent(shard) };
    let mut shards: Vec<ShardHealth> = reports.got.into_iter().map(answers).collect();
    shards.extend(reports.silent.into_iter().map(silent));
    shards.extend(reports.ended.into_iter().map(ended));
    shards.sort_by_key(|shard| shard.shard);
    let mut problems = admin.notes().all();
    let restart_pending = admin.notes().restart_pending();
    problems.extend(store_problem(&store));
    problems.extend(endpoints::problems(&admin.shards().snapshot()));
    problems.extend(endpoints::without_rules(&admin.shards().snapshot()));
    if admin.manager().is_draining() {
        let left = shards.iter().filter_map(|shard| shard.connections).fold(0, usize::saturating_add);
        problems.push(format!(
            "The node is shutting down: it takes no connections and no changes, and has {} left.",
            counted(left as u64, "connection")
        ));
    }
    if admin.manager().is_ending() && !admin.manager().is_draining() {
        problems
            .push("The node is about to shut down: its health checks fail, and it still takes connections.".to_owned());
    }
    for shard in shards.iter().filter(|shard| !shard.ended) {
        match shard.snapshot {
            None => problems.push(format!("Shard {} does not answer: the process should be restarted.", shard.shard)),
            Some(own) if own < number => {
                problems.push(format!("Shard {} still uses snapshot {own}, and {number} was published.", shard.shard));
            }
            Some(_) => {}
        }
    }
    let status = if problems.is_empty() { HealthStatus::Ok } else { HealthStatus::Degraded };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Json(Health { status, version, snapshot: number, store, shards, problems, restart_pending })
}

fn store_problem(store: &StoreHealth) -> Option<String> {
    let what = match store.state {
        StoreState::Ok => return None,
        StoreState::ReadOnly => "The store is read-only: changes are refused until its disk can be written.",
        StoreState::Full => "The store's disk is full: changes are refused until there is room.",
        StoreState::Unavailable => "The store cannot be used: deployments are served from the last good snapshot.",
    };
    Some(store.detail.as_ref().map_or_else(|| what.to_owned(), |detail| format!("{what} {detail}")))
}

/// Show that the process is alive; needs no token
#[utoipa::path(get, path = "/health/live", tag = "health", security(()),
    responses((status = 200, body = Alive, description = "The process is alive")))]
pub(super) async fn live() -> Json<Alive> {
    Json(Alive { alive: true })
}

/// Answers whether a balancer should send new clients here. For a listener without a token.
///
/// # Errors
/// 503 while the process is about to end, 504 if a shard does not answer.
pub(super) async fn ready(State(admin): State<Admin>) -> Result<Json<Ready>, Refused> {
    if admin.manager().is_ending() {
        return Err(Refused::new(Code::DRAINING, "The node is shutting down, or is about to."));
    }
    let reports = admin.shards().reports().await;
    if reports.silent.is_empty() && reports.ended.is_empty() {
        return Ok(Json(Ready { ready: true }));
    }
    Err(Refused::new(SHARDS_SILENT, "A shard does not answer, or has ended."))
}
