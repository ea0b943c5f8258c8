//! The one place where callers are let through to a route: a table of every route with the permission that it needs.
//!
//! A route that is not in the table is refused to everybody but an admin; a test compares the table with the description of
//! the API. What a change needs besides, which depends on the environment, is checked with the change itself.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::problem::Code;
use crate::api::{Actor, Permission, Role};
use crate::control::http::problem::{self, Refused};

/// The need of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing, not even a token.
    Open,
    /// A role that has this permission.
    Needs(Permission),
}

const ASK: Access = Access::Needs(Permission::Ask);
const READ: Access = Access::Needs(Permission::Read);
const DEFINE: Access = Access::Needs(Permission::Define);
const APPLY: Access = Access::Needs(Permission::Apply);
const DEPLOY: Access = Access::Needs(Permission::Deploy);
const LIFECYCLE: Access = Access::Needs(Permission::Lifecycle);
const CONSUMERS: Access = Access::Needs(Permission::Consumers);
const KEYS: Access = Access::Needs(Permission::Keys);
const CLOSE: Access = Access::Needs(Permission::Close);
const IDENTITIES: Access = Access::Needs(Permission::Identities);

/// Every route. HEAD is as GET.
pub(super) const ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/metrics", READ),
    ("GET", "/api/v1/openapi.json", ASK),
    ("GET", "/api/v1/whoami", ASK),
    ("GET", "/api/v1/identities", IDENTITIES),
    ("POST", "/api/v1/identities", IDENTITIES),
    ("GET", "/api/v1/identities/{name}", IDENTITIES),
    ("PUT", "/api/v1/identities/{name}", IDENTITIES),
    ("DELETE", "/api/v1/identities/{name}", IDENTITIES),
    ("POST", "/api/v1/identities/{name}/tokens", IDENTITIES),
    ("DELETE", "/api/v1/identities/{name}/tokens/{id}", IDENTITIES),
    ("POST", "/api/v1/identities/{name}/tokens/{id}/rotate", IDENTITIES),
    ("GET", "/api/v1/projects", READ),
    ("GET", "/api/v1/projects/{project}", READ),
    ("PUT", "/api/v1/projects/{project}", DEFINE),
    ("DELETE", "/api/v1/projects/{project}", DEFINE),
    ("GET", "/api/v1/apis", READ),
    ("POST", "/api/v1/apis", DEFINE),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}", READ),
    ("PUT", "/api/v1/apis/{project}/{identifier}/{version}", DEFINE),
    ("DELETE", "/api/v1/apis/{project}/{identifier}/{version}", DEFINE),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}/docs", READ),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}/docs/{page}", READ),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}/deployments/{environment}/docs", READ),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}/deployments/{environment}/docs/{page}", READ),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}/policies", READ),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}/revisions", READ),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}/revisions/{number}", READ),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}/violations", READ),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}/deployments", READ),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}/deployments/{environment}", READ),
    ("PUT", "/api/v1/apis/{project}/{identifier}/{version}/deployments/{environment}", DEPLOY),
    ("DELETE", "/api/v1/apis/{project}/{identifier}/{version}/deployments/{environment}", DEPLOY),
    ("POST", "/api/v1/apis/{project}/{identifier}/{version}/deployments/{environment}/stop", DEPLOY),
    ("POST", "/api/v1/apis/{project}/{identifier}/{version}/deployments/{environment}/start", DEPLOY),
    ("POST", "/api/v1/apis/{project}/{identifier}/{version}/deployments/{environment}/test-key", KEYS),
    // The node opens connections to targets for it.
    ("POST", "/api/v1/apis/{project}/{identifier}/{version}/deployments/{environment}/check", DEPLOY),
    ("POST", "/api/v1/apis/{project}/{identifier}/{version}/deployments/{environment}/rollback", DEPLOY),
    ("POST", "/api/v1/apis/{project}/{identifier}/{version}/promote", DEPLOY),
    ("GET", "/api/v1/apis/{project}/{identifier}/{version}/lifecycle", READ),
    ("PUT", "/api/v1/apis/{project}/{identifier}/{version}/lifecycle", LIFECYCLE),
    ("POST", "/api/v1/contracts", DEFINE),
    ("POST", "/api/v1/contracts/fetch", DEFINE),
    ("GET", "/api/v1/contracts/{digest}", READ),
    ("GET", "/api/v1/plans", READ),
    ("POST", "/api/v1/plans", CONSUMERS),
    ("GET", "/api/v1/plans/{plan}", READ),
    ("PUT", "/api/v1/plans/{plan}", CONSUMERS),
    ("DELETE", "/api/v1/plans/{plan}", CONSUMERS),
    ("GET", "/api/v1/applications", READ),
    ("POST", "/api/v1/applications", CONSUMERS),
    ("GET", "/api/v1/applications/{consumer}/{application}", READ),
    ("PUT", "/api/v1/applications/{consumer}/{application}", CONSUMERS),
    ("DELETE", "/api/v1/applications/{consumer}/{application}", CONSUMERS),
    ("GET", "/api/v1/applications/{consumer}/{application}/subscriptions", READ),
    ("GET", "/api/v1/applications/{consumer}/{application}/subscriptions/{project}/{identifier}/{major}", READ),
    ("PUT", "/api/v1/applications/{consumer}/{application}/subscriptions/{project}/{identifier}/{major}", CONSUMERS),
    ("DELETE", "/api/v1/applications/{consumer}/{application}/subscriptions/{project}/{identifier}/{major}", CONSUMERS),
    ("POST", "/api/v1/applications/{consumer}/{application}/keys", KEYS),
    ("GET", "/api/v1/keys", READ),
    ("GET", "/api/v1/keys/{key}", READ),
    ("DELETE", "/api/v1/keys/{key}", KEYS),
    ("POST", "/api/v1/keys/{key}/rotate", KEYS),
    ("POST", "/api/v1/apply", APPLY),
    ("GET", "/api/v1/environments", READ),
    ("GET", "/api/v1/environments/{name}", READ),
    ("GET", "/api/v1/connections", READ),
    ("DELETE", "/api/v1/connections/{id}", CLOSE),
    ("POST", "/api/v1/connections/close", CLOSE),
    ("GET", "/api/v1/audit", READ),
    ("GET", "/api/v1/snapshot", READ),
    ("GET", "/api/v1/health", READ),
    ("GET", "/api/v1/health/live", Access::Open),
    ("GET", "/api/v1/test-socket", READ),
];

/// The need of a route; `None` if it is not in the table.
pub(super) fn of(method: &str, path: &str) -> Option<Access> {
    ROUTES.iter().find(|(known, at, _)| *known == method && *at == path).map(|(.., access)| *access)
}

/// Refuses a request that the caller's roles do not allow.
pub(super) async fn allowed(request: Request, next: Next) -> Response {
    match check(&request) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

fn check(request: &Request) -> Result<(), Refused> {
    // Where there is nothing, nothing is done.
    let Some(path) = request.extensions().get::<MatchedPath>() else { return Ok(()) };
    let method = if *request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let access = of(method.as_str(), path.as_str());
    if access == Some(Access::Open) {
        return Ok(());
    }
    let Some(actor) = request.extensions().get::<Actor>() else {
        return Err(Refused::new(problem::TOKEN, "Every call needs `Authorization: Bearer TOKEN`, once."));
    };
    match access {
        Some(Access::Needs(permission)) => Ok(actor.may(permission)?),
        // A path that has no such method is answered 405 to those who may do everything.
        _ if actor.roles().has(Role::Admin) => Ok(()),
        _ => {
            let detail = format!("This needs the role admin, and {} has {}.", actor.name(), actor.roles());
            Err(Refused::new(Code::ROLE_MISSING, detail))
        }
    }
}
