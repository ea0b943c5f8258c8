//! Test keys: made for one API in one environment, valid for a quarter of an hour.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Admin;
use super::deployments::Place;
use super::extract::{Names, NoBody, Who};
use crate::api::consumers::view::TestKey;
use crate::control::http::problem::Refused;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Make a key that opens this API in this environment for 15 minutes. The answer alone has its secret
#[utoipa::path(post, path = "/apis/{project}/{identifier}/{version}/deployments/{environment}/test-key", tag = "test-keys",
    params(Place),
    responses(
        (status = 200, body = TestKey, description = "The secret, and the end of the key"),
        (status = 404, description = "`api-not-found`, `environment-not-found`, `deployment-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn create(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    _: NoBody,
) -> Result<Json<TestKey>, Refused> {
    Ok(Json(admin.manager().test_key(&who, &place.key()?, &place.environment).await?))
}
