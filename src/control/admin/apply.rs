//! Documents: applied as a whole.

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Admin;
use super::extract::{Body, Who};
use crate::api::problem::Code;
use crate::api::view::apply::{Applied, AppliedStep, Documents};
use crate::control::http::problem::{REQUEST_TIMEOUT, Refused};
use crate::control::manage::{Mode, documents_invalid};
use crate::declare::{Step, read};

/// The path below the prefix of the API.
pub(super) const PATH: &str = "/apply";
/// The longest body: some 100,000 documents of the usual length.
pub(super) const MAX_BYTES: usize = 32 << 20;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(apply)).layer(DefaultBodyLimit::max(MAX_BYTES))
}

/// Apply documents: make the node hold what they say, all of it or nothing
#[utoipa::path(post, path = "/apply", tag = "apply", request_body = Documents,
    responses(
        (status = 200, body = Applied, description = "The steps that were taken; in a dry run those that would be"),
        (status = 409, description = "`api-retired`, `lifecycle-not-allowed`"),
        (status = 422, description = "`documents-invalid`, `fields-invalid`")))]
async fn apply(State(admin): State<Admin>, Who(who): Who, request: Request) -> Result<Json<Applied>, Refused> {
    // One body of this length at a time is held in memory.
    let turn = admin.apply_turn().acquire().await;
    let _turn = turn.map_err(|_| Refused::new(REQUEST_TIMEOUT, "The process ends; nothing was done."))?;
    let Body(documents) = Body::<Documents>::from_request(request, &admin).await?;
    let mode = if documents.dry_run { Mode::DryRun } else { Mode::Commit };
    let read = tokio::task::spawn_blocking(move || read::files(&documents.files)).await;
    let read = read.map_err(|_| Refused::new(REQUEST_TIMEOUT, "The process ends; nothing was done."))?;
    let documents = read.map_err(|faults| documents_invalid(&faults))?;
    if documents.is_empty() {
        // An empty file is a mistake somewhere before: no steps would hide it.
        return Err(Refused::field(Code::DOCUMENTS_INVALID, "files", "required", "there is no document in them"));
    }
    let steps = admin.manager().apply_documents(&who, documents, mode).await?;
    let shown = |step: &Step| AppliedStep {
        api: step.key().to_string(),
        environment: step.environment().map(str::to_owned),
        step: step.to_string(),
    };
    Ok(Json(Applied { steps: steps.iter().map(shown).collect() }))
}
