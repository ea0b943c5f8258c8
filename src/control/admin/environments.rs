//! Environments: the places to run in, as the configuration has them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Admin;
use super::extract::Names;
use crate::api::{Environment, EnvironmentName, Page};
use crate::control::http::problem::Refused;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Place {
    /// The environment's name.
    #[param(value_type = EnvironmentName)]
    name: String,
}

/// List environments, in their order
#[utoipa::path(get, path = "/environments", tag = "environments",
    responses((status = 200, body = Page<Environment>, description = "All environments")))]
async fn list(State(admin): State<Admin>) -> Result<Json<Page<Environment>>, Refused> {
    Ok(Json(Page { items: admin.manager().environments().await?, next: None }))
}

/// Show an environment
#[utoipa::path(get, path = "/environments/{name}", tag = "environments", params(Place),
    responses(
        (status = 200, body = Environment, description = "The environment"),
        (status = 404, description = "`environment-not-found`")))]
async fn show(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Json<Environment>, Refused> {
    Ok(Json(admin.manager().environment(&place.name).await?))
}
