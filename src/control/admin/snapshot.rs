//! The active snapshot: the deployments that the shards serve, and the drains that are under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::Query;
use super::{Admin, page};
use crate::api::Page;
use crate::api::view::snapshot::{Draining, InForce, Served, ServedState};
use crate::command::view::Report;
use crate::control::http::problem::Refused;
use crate::control::page::{self as pages, List};
use crate::routing::route::{Gate, RouteId, RouteLabels};
use crate::routing::snapshot::Snapshot;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(show))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// The most items that the page has; 100 if not given.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The `next` of the page before; without it the first page.
    #[param(nullable = false, max_length = 1024)]
    cursor: Option<String>,
}

/// Show the active snapshot, and the progress of drains
#[utoipa::path(get, path = "/snapshot", tag = "snapshot", params(Asked),
    responses(
        (status = 200, body = InForce, description = "The active snapshot"),
        (status = 504, description = "`shards-silent`")))]
async fn show(State(admin): State<Admin>, Query(asked): Query<Asked>) -> Result<Json<InForce>, Refused> {
    let page = page::asked(asked.limit, asked.cursor)?;
    let after = pages::read(List::Snapshot, page.cursor.as_deref())?.map(RouteId);
    let snapshot = admin.shards().snapshot();
    let reports: Vec<Report> = admin.shards().reports().await.all()?.into_iter().map(|(_, report)| report).collect();
    let everywhere = reports.iter().all(|report| report.snapshot >= snapshot.number());
    let deployments = deployments(&snapshot, &reports, after, usize::from(page.limit));
    Ok(Json(InForce { number: snapshot.number(), everywhere, deployed: snapshot.len(), deployments }))
}

fn deployments(snapshot: &Snapshot, reports: &[Report], after: Option<RouteId>, limit: usize) -> Page<Served> {
    let mut all: BTreeMap<RouteId, Served> = BTreeMap::new();
    let is_behind = |id: RouteId| after.is_none_or(|after| id > after);
    for route in snapshot.routes().filter(|route| is_behind(route.id)) {
        let state = match route.gate {
            Gate::Open => ServedState::Open,
            Gate::Blocked => ServedState::Blocked,
            Gate::Stopped => ServedState::Stopped,
            Gate::Unavailable => ServedState::Unavailable,
        };
        all.insert(route.id, served(route.id, route.labels.as_ref(), state));
    }
    for route in reports.iter().flat_map(|report| &report.routes) {
        let Some(id) = route.id.filter(|id| is_behind(*id)) else { continue };
        let entry = all.entry(id).or_insert_with(|| served(id, route.labels.as_ref(), ServedState::Undeployed));
        entry.open = entry.open.saturating_add(route.tally.open);
        let (left, of) = route.draining;
        if of > 0 {
            let so_far = entry.draining.unwrap_or(Draining { left: 0, of: 0 });
            entry.draining =
                Some(Draining { left: so_far.left.saturating_add(left), of: so_far.of.saturating_add(of) });
        }
    }
    // A shard speaks of a drain until its window is over; it is over for whoever asks once nobody has to be told.
    all.values_mut().for_each(|entry| entry.draining = entry.draining.filter(|draining| draining.left > 0));
    all.retain(|_, entry| entry.state != ServedState::Undeployed || entry.open > 0 || entry.draining.is_some());
    let more = all.len() > limit;
    let items: Vec<Served> = all.into_values().take(limit).collect();
    let next = items.last().filter(|_| more).map(|last| pages::write(List::Snapshot, last.id));
    Page { items, next }
}

fn served(id: RouteId, labels: Option<&Arc<RouteLabels>>, state: ServedState) -> Served {
    let api = labels.map(ToString::to_string).unwrap_or_default();
    let environment = labels.map(|labels| labels.environment.as_ref().to_owned()).unwrap_or_default();
    Served { id: id.0, api, environment, state, open: 0, draining: None }
}
