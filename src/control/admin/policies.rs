//! Policies of an API as they are in effect.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Admin;
use super::apis::Place;
use super::extract::{Names, Query};
use crate::api::EnvironmentName;
use crate::api::problem::Faults;
use crate::api::view::EffectivePolicies;
use crate::control::http::problem::Refused;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(show))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// The environment; the definition as it is now counts where the API is not deployed in it.
    #[param(nullable = false, value_type = Option<EnvironmentName>)]
    environment: Option<String>,
}

/// Show the policies in effect for an API, and the layer that each value comes from
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/policies", tag = "policies", params(Place, Asked),
    responses(
        (status = 200, body = EffectivePolicies, description = "Every policy with its value and source"),
        (status = 404, description = "`api-not-found`, `environment-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn show(
    State(admin): State<Admin>,
    Names(place): Names<Place>,
    Query(asked): Query<Asked>,
) -> Result<Json<EffectivePolicies>, Refused> {
    let mut faults = Faults::default();
    let environment = asked.environment.and_then(|text| faults.keep("environment", text.parse::<EnvironmentName>()));
    faults.none()?;
    let environment = environment.map(String::from);
    Ok(Json(admin.manager().policies(&place.key()?, environment).await?))
}
