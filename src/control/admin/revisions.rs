//! Revisions: what an API was each time it was deployed.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Names, Query};
use super::{Admin, apis, page};
use crate::api::{ApiKey, Identifier, Page, ProjectName, Revision, Version};
use crate::control::http::problem::Refused;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Place {
    /// The project's name.
    #[param(value_type = ProjectName)]
    project: String,
    /// The API's identifier.
    #[param(value_type = Identifier)]
    identifier: String,
    /// The API's version.
    #[param(value_type = Version)]
    version: String,
    /// The revision's number.
    #[param(minimum = 1)]
    number: u64,
}

/// List an API's revisions, the newest first
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/revisions", tag = "revisions",
    params(apis::Place, Asked),
    responses(
        (status = 200, body = Page<Revision>, description = "A page of revisions"),
        (status = 404, description = "`api-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn list(
    State(admin): State<Admin>,
    Names(place): Names<apis::Place>,
    Query(asked): Query<Asked>,
) -> Result<Json<Page<Revision>>, Refused> {
    let page = page::asked(asked.limit, asked.cursor)?;
    Ok(Json(admin.manager().revisions(&place.key()?, page).await?))
}

/// Show a revision
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/revisions/{number}", tag = "revisions",
    params(Place),
    responses(
        (status = 200, body = Revision, description = "The revision"),
        (status = 404, description = "`api-not-found`, `revision-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn show(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Json<Revision>, Refused> {
    let key = ApiKey::of(&place.project, &place.identifier, &place.version)?;
    Ok(Json(admin.manager().revision(&key, place.number).await?))
}
