//! The audit: who changed what, when.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{self, Query};
use super::{Admin, page};
use crate::api::problem::Code;
use crate::api::{AuditEntry, Page};
use crate::control::http::problem::Refused;
use crate::control::manage::AuditFilter;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Only changes of this API: `project/identifier:version`.
    #[param(
        nullable = false,
        pattern = r"^[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*:[0-9]{1,4}\.[0-9]{1,4}$",
        example = "default/chat-app-api:1.0"
    )]
    api: Option<String>,
    /// Only changes made at this time or later.
    #[param(nullable = false, value_type = Option<Timestamp>)]
    since: Option<String>,
    /// The most items that the page has; 100 if not given.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The `next` of the page before; without it the first page.
    #[param(nullable = false, max_length = 1024)]
    cursor: Option<String>,
}

/// List changes, the newest first
#[utoipa::path(get, path = "/audit", tag = "audit", params(Asked),
    responses(
        (status = 200, body = Page<AuditEntry>, description = "A page of changes"),
        (status = 422, description = "`fields-invalid`")))]
async fn list(State(admin): State<Admin>, Query(asked): Query<Asked>) -> Result<Json<Page<AuditEntry>>, Refused> {
    let since = asked.since.map(|text| text.parse::<Timestamp>()).transpose().map_err(|_| {
        let asked = "it must be a time (RFC 3339), as in `2027-06-30T00:00:00Z`";
        Refused::field(Code::FIELDS_INVALID, "since", "time", asked)
    })?;
    let filter = AuditFilter { api: extract::api(asked.api.as_deref())?, since };
    let page = page::asked(asked.limit, asked.cursor)?;
    Ok(Json(admin.manager().audit(filter, page).await?))
}
