//! Deployments: which revision of an API runs in which environment, and where its connections go from there.

use std::slice;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tracing::warn;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::etag::{self, If};
use super::extract::{Body, Names, NoBody, Who};
use super::{Admin, apis};
use crate::api::request::{NewDeployment, Promotion, Rollback};
use crate::api::view::endpoints::TargetCheck;
use crate::api::{ApiKey, Deployment, EnvironmentName, Identifier, Page, ProjectName, Version};
use crate::control::endpoints::{self, probe};
use crate::control::http::problem::Refused;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, deploy, undeploy))
        .routes(routes!(stop))
        .routes(routes!(start))
        .routes(routes!(check))
        .routes(routes!(rollback))
        .routes(routes!(promote))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Place {
    /// The project's name.
    #[param(value_type = ProjectName)]
    project: String,
    /// The API's identifier.
    #[param(value_type = Identifier)]
    identifier: String,
    /// The API's version.
    #[param(value_type = Version)]
    version: String,
    /// The environment's name.
    #[param(value_type = EnvironmentName)]
    pub(super) environment: String,
}

impl Place {
    pub(super) fn key(&self) -> Result<ApiKey, Refused> {
        Ok(ApiKey::of(&self.project, &self.identifier, &self.version)?)
    }
}

fn location(key: &ApiKey, deployment: &Deployment) -> String {
    format!("{}/deployments/{}", apis::location(key), deployment.environment)
}

/// List an API's deployments, in the order of the environments
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/deployments", tag = "deployments",
    params(apis::Place),
    responses(
        (status = 200, body = Page<Deployment>, description = "All deployments of the API"),
        (status = 404, description = "`api-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn list(State(admin): State<Admin>, Names(place): Names<apis::Place>) -> Result<Json<Page<Deployment>>, Refused> {
    let key = place.key()?;
    let mut items = admin.manager().deployments(&key).await?.value;
    endpoints::add_to(&mut items, &key, &admin.shards().snapshot());
    Ok(Json(Page { items, next: None }))
}

/// Show a deployment
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/deployments/{environment}", tag = "deployments",
    params(Place),
    responses(
        (status = 200, body = Deployment, description = "The deployment"),
        (status = 404, description = "`api-not-found`, `environment-not-found`, `deployment-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn show(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Response, Refused> {
    let key = place.key()?;
    let mut tagged = admin.manager().deployment(&key, &place.environment).await?;
    endpoints::add_to(slice::from_mut(&mut tagged.value), &key, &admin.shards().snapshot());
    Ok(etag::shown(tagged))
}

/// Deploy an API in an environment
#[utoipa::path(put, path = "/apis/{project}/{identifier}/{version}/deployments/{environment}", tag = "deployments",
    params(Place), request_body = NewDeployment,
    responses(
        (status = 200, body = Deployment, description = "The API was deployed there before, and the deployment was updated"),
        (status = 201, body = Deployment, description = "The API is now deployed there"),
        (status = 404, description = "`api-not-found`, `environment-not-found`"),
        (status = 409, description = "`api-retired`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn deploy(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
    Body(new): Body<NewDeployment>,
) -> Result<Response, Refused> {
    let key = place.key()?;
    let put = admin.manager().deploy(&who, &key, &place.environment, new, condition).await?;
    let location = location(&key, &put.value);
    Ok(etag::put(put, location))
}

/// Undeploy an API from an environment
#[utoipa::path(delete, path = "/apis/{project}/{identifier}/{version}/deployments/{environment}",
    tag = "deployments", params(Place),
    responses(
        (status = 204, description = "The API was undeployed, or was not deployed there"),
        (status = 404, description = "`environment-not-found`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn undeploy(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
) -> Result<StatusCode, Refused> {
    admin.manager().undeploy(&who, &place.key()?, &place.environment, condition).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stop a deployment: refuse handshakes, and drain live connections
#[utoipa::path(post, path = "/apis/{project}/{identifier}/{version}/deployments/{environment}/stop",
    tag = "deployments", params(Place),
    responses(
        (status = 200, body = Deployment, description = "The deployment is stopped"),
        (status = 404, description = "`api-not-found`, `environment-not-found`, `deployment-not-found`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn stop(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
    _: NoBody,
) -> Result<Response, Refused> {
    Ok(etag::shown(admin.manager().stop(&who, &place.key()?, &place.environment, condition).await?))
}

/// Start a stopped deployment
#[utoipa::path(post, path = "/apis/{project}/{identifier}/{version}/deployments/{environment}/start",
    tag = "deployments", params(Place),
    responses(
        (status = 200, body = Deployment, description = "The deployment is running"),
        (status = 404, description = "`api-not-found`, `environment-not-found`, `deployment-not-found`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn start(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
    _: NoBody,
) -> Result<Response, Refused> {
    Ok(etag::shown(admin.manager().start_again(&who, &place.key()?, &place.environment, condition).await?))
}

/// Try to open a TCP connection to each target of a deployment, once
///
/// The deployment is not touched, and neither is what handshakes found out about its endpoints. The answer comes within a
/// second.
#[utoipa::path(post, path = "/apis/{project}/{identifier}/{version}/deployments/{environment}/check",
    tag = "deployments", params(Place),
    responses(
        (status = 200, body = TargetCheck, description = "The targets that cannot be reached"),
        (status = 404, description = "`api-not-found`, `environment-not-found`, `deployment-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn check(
    State(admin): State<Admin>,
    // Read although nothing is changed: the rule of this header is the same for every POST.
    _: Who,
    Names(place): Names<Place>,
    _: NoBody,
) -> Result<Json<TargetCheck>, Refused> {
    let key = place.key()?;
    let deployment = admin.manager().deployment(&key, &place.environment).await?.value;
    let snapshot = admin.shards().snapshot();
    let warnings = match endpoints::route_of(&snapshot, &key, deployment.environment.as_str()) {
        Some(route) => probe::warnings(route).await,
        None => Vec::new(),
    };
    for warning in &warnings {
        warn!(api = %key, environment = %deployment.environment, "a target cannot be reached: {warning}");
    }
    Ok(Json(TargetCheck { warnings }))
}

/// Run another revision of an API where one is deployed
#[utoipa::path(post, path = "/apis/{project}/{identifier}/{version}/deployments/{environment}/rollback",
    tag = "deployments", params(Place), request_body = Rollback,
    responses(
        (status = 200, body = Deployment, description = "The revision is deployed"),
        (status = 404, description = "`api-not-found`, `environment-not-found`, `deployment-not-found`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn rollback(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
    Body(to): Body<Rollback>,
) -> Result<Response, Refused> {
    Ok(etag::shown(admin.manager().rollback(&who, &place.key()?, &place.environment, to, condition).await?))
}

/// Deploy what runs in one environment to the next
#[utoipa::path(post, path = "/apis/{project}/{identifier}/{version}/promote", tag = "deployments",
    params(apis::Place), request_body = Promotion,
    responses(
        (status = 200, body = Deployment, description = "The API was deployed there before, and the deployment was updated"),
        (status = 201, body = Deployment, description = "The API is now deployed there"),
        (status = 404, description = "`api-not-found`"),
        (status = 409, description = "`promotion-order`, `not-deployed`, `api-retired`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn promote(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<apis::Place>,
    If(condition): If,
    Body(promotion): Body<Promotion>,
) -> Result<Response, Refused> {
    let key = place.key()?;
    let put = admin.manager().promote(&who, &key, promotion, condition).await?;
    let location = location(&key, &put.value);
    Ok(etag::put(put, location))
}
