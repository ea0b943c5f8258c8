//! The admin API: HTTP and JSON on a listener of its own, one file for each resource.
//!
//! In: requests that [`http::guard`](super::http::guard) let through. Out: calls of the manager, questions to the shards,
//! and the answers that docs/admin-api.md defines. Nothing here decides what an API may be: [`crate::api`] has those rules,
//! and a broken one is answered as a problem document. The handlers run on the thread `control`, and no shard waits for them.

// What utoipa's macros write is qualified in full.
#![allow(unused_qualifications)]

mod access;
mod apis;
mod applications;
mod apply;
mod audit;
pub mod connections;
mod contracts;
mod deployments;
mod docs;
mod environments;
mod etag;
mod extract;
mod filters;
pub mod health;
mod identities;
mod json;
mod keys;
mod lifecycle;
pub mod openapi;
mod page;
mod plans;
mod policies;
mod projects;
mod revisions;
pub mod snapshot;
mod subscriptions;
mod test_keys;
mod test_socket;
#[cfg(test)]
mod tests;
mod violations;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;

use self::test_socket::MAX_TEST_SOCKETS;
use super::fetch::Fetcher;
use super::http::guard::{AllowedHosts, BodyForm, Guard, MAX_BODY_BYTES, guard};
use super::identity::authenticator::Authenticator;
use super::identity::file_token::FileToken;
use super::manage::Manager;
use super::metrics::Metrics;
use super::metrics::format::Format;
use super::notes::Notes;
use super::shards::ShardClient;
use super::violations::Violations;

/// The prefix of every path of the API.
pub const PREFIX: &str = "/api/v1";

/// The state that the handlers share. Clones share it too.
#[derive(Clone, Debug)]
pub struct Admin(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    manager: Manager,
    shards: ShardClient,
    metrics: Metrics,
    notes: Notes,
    violations: Arc<Violations>,
    /// Held while documents are applied.
    apply_turn: Semaphore,
    /// Held while a contract is uploaded.
    contract_turn: Semaphore,
    /// Fetches contracts by URL, in a process that may.
    fetcher: OnceLock<Fetcher>,
    /// One permit for each test socket that may be open.
    test_sockets: Arc<Semaphore>,
}

impl Admin {
    /// Creates the handlers' state. `notes` has further problems for the health page, `violations` samples of messages that break
    /// a contract.
    #[must_use]
    pub fn new(manager: Manager, shards: ShardClient, notes: Notes, violations: Arc<Violations>) -> Self {
        let metrics = Metrics::new(shards.clone(), manager.clone(), notes.clone());
        let [apply_turn, contract_turn] = [Semaphore::new(1), Semaphore::new(1)];
        let test_sockets = Arc::new(Semaphore::new(MAX_TEST_SOCKETS));
        let fetcher = OnceLock::new();
        Self(Arc::new(Parts {
            manager,
            shards,
            metrics,
            notes,
            violations,
            apply_turn,
            contract_turn,
            fetcher,
            test_sockets,
        }))
    }

    /// Has contracts fetched by URL from now on. Only the first call counts.
    #[must_use]
    pub fn fetching_with(self, fetcher: Fetcher) -> Self {
        let _ = self.0.fetcher.set(fetcher);
        self
    }

    fn fetcher(&self) -> Option<&Fetcher> {
        self.0.fetcher.get()
    }

    fn manager(&self) -> &Manager {
        &self.0.manager
    }

    fn shards(&self) -> &ShardClient {
        &self.0.shards
    }

    fn apply_turn(&self) -> &Semaphore {
        &self.0.apply_turn
    }

    fn contract_turn(&self) -> &Semaphore {
        &self.0.contract_turn
    }

    fn test_sockets(&self) -> &Arc<Semaphore> {
        &self.0.test_sockets
    }

    fn violations(&self) -> &Violations {
        &self.0.violations
    }

    fn notes(&self) -> &Notes {
        &self.0.notes
    }

    /// The router of the admin listener: the API, its description, and the metrics. `token` is that of the token file, and
    /// `hosts` are names that clients may call it by besides those of this host.
    pub fn router(&self, token: FileToken, hosts: impl Into<AllowedHosts>) -> Router {
        let (api, description) = described().split_for_parts();
        let description = openapi::finish(description);
        let described = get(move || {
            let description = description.clone();
            async move { openapi::answer(&description) }
        });
        let manager = self.manager().clone();
        let identities = manager.known_identities().clone();
        let failed = self.0.metrics.failed_logins().clone();
        let callers = Authenticator::new(token, identities, failed, move |token, day| manager.note_use(token, day));
        let guarded = Guard::new(callers, hosts)
            .with_body(format!("{PREFIX}{}", apply::PATH), apply::MAX_BYTES, BodyForm::Json)
            .with_body(format!("{PREFIX}{}", contracts::PATH), contracts::MAX_BODY_BYTES, BodyForm::File);
        api.route(&format!("{PREFIX}/openapi.json"), described)
            .route("/metrics", get(figures))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(from_fn(access::allowed))
            .layer(from_fn_with_state(guarded, guard))
            .with_state(self.clone())
    }

    /// The router of a listener that serves metrics, and the answers to probes, without a token.
    pub fn metrics_router(&self) -> Router {
        Router::new()
            .route("/metrics", get(figures))
            .route("/health/live", get(health::live))
            .route("/health/ready", get(health::ready))
            .layer(from_fn_with_state(Guard::open(), guard))
            .with_state(self.clone())
    }
}

/// The API, and the part of its description that the handlers give.
fn described() -> OpenApiRouter<Admin> {
    let resources = OpenApiRouter::new()
        .merge(identities::routes())
        .merge(projects::routes())
        .merge(apis::routes())
        .merge(docs::routes())
        .merge(policies::routes())
        .merge(contracts::routes())
        .merge(violations::routes())
        .merge(revisions::routes())
        .merge(deployments::routes())
        .merge(lifecycle::routes())
        .merge(plans::routes())
        .merge(applications::routes())
        .merge(subscriptions::routes())
        .merge(keys::routes())
        .merge(test_keys::routes())
        .merge(apply::routes())
        .merge(environments::routes())
        .merge(connections::routes())
        .merge(audit::routes())
        .merge(snapshot::routes())
        .merge(health::routes())
        .merge(test_socket::routes());
    OpenApiRouter::new().nest(PREFIX, resources)
}

async fn figures(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let format = Format::accepted(headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok()));
    let text = admin.0.metrics.text(format).await;
    ([(CONTENT_TYPE, format.content_type()), (VARY, "Accept")], text).into_response()
}
