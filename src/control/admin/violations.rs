//! Messages that broke an API's contract: a sample of the newest.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Names, Query};
use super::{Admin, apis, page};
use crate::api::Page;
use crate::api::view::violations::Violation;
use crate::control::http::problem::{QUERY_INVALID, Refused};
use crate::control::violations::ViolationFilter;

/// The greatest number of a sample: what the type `int64` of the OpenAPI document can hold.
const MAX_NUMBER: u64 = i64::MAX.cast_unsigned();

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(violations))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Only samples of this environment.
    #[param(nullable = false)]
    environment: Option<String>,
    /// Only samples with a higher number: 0 to 2^63 - 1.
    #[param(nullable = false, minimum = 0)]
    after: Option<u64>,
    /// The most items that the page has; 100 if not given.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The `next` of the page before; without it the first page.
    #[param(nullable = false, max_length = 1024)]
    cursor: Option<String>,
}

/// List messages that broke the contract, the oldest first
///
/// A sample: the newest 500 of each API since the node started. The metrics count all of them.
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/violations", tag = "apis",
    params(apis::Place, Asked),
    responses(
        (status = 200, body = Page<Violation>, description = "A page of samples"),
        (status = 404, description = "`api-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn violations(
    State(admin): State<Admin>,
    Names(place): Names<apis::Place>,
    Query(asked): Query<Asked>,
) -> Result<Json<Page<Violation>>, Refused> {
    let page = page::asked(asked.limit, asked.cursor)?;
    let key = place.key()?;
    admin.manager().api(&key).await?;
    let after = asked.after.unwrap_or_default();
    if after > MAX_NUMBER {
        return Err(Refused::field(QUERY_INVALID, "after", "range", format!("it must be from 0 to {MAX_NUMBER}")));
    }
    let filter = ViolationFilter { environment: asked.environment, after };
    Ok(Json(admin.violations().page(&key, &filter, &page)?))
}
