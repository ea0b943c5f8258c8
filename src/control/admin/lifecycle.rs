//! Lifecycle: the state of an API, and the states that it may change to.

use axum::extract::State;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::etag::{self, If};
use super::extract::{Body, Names, Who};
use super::{Admin, apis};
use crate::api::request::NewLifecycle;
use crate::api::view::LifecycleView;
use crate::control::http::problem::Refused;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(show, change))
}

/// Show an API's lifecycle state, the states that it may change to, and its history
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/lifecycle", tag = "lifecycle",
    params(apis::Place),
    responses(
        (status = 200, body = LifecycleView, description = "The lifecycle"),
        (status = 404, description = "`api-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn show(State(admin): State<Admin>, Names(place): Names<apis::Place>) -> Result<Response, Refused> {
    Ok(etag::shown(admin.manager().lifecycle(&place.key()?).await?))
}

/// Change an API's lifecycle state: publish, deprecate, block or retire it
#[utoipa::path(put, path = "/apis/{project}/{identifier}/{version}/lifecycle", tag = "lifecycle",
    params(apis::Place), request_body = NewLifecycle,
    responses(
        (status = 200, body = LifecycleView, description = "The lifecycle after the change"),
        (status = 404, description = "`api-not-found`"),
        (status = 409, description = "`lifecycle-not-allowed`, `targets-differ`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn change(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<apis::Place>,
    If(condition): If,
    Body(new): Body<NewLifecycle>,
) -> Result<Response, Refused> {
    Ok(etag::shown(admin.manager().set_lifecycle(&who, &place.key()?, new, condition).await?))
}
