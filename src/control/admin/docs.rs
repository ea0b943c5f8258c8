//! The documentation of an API, from the contract of its definition: JSON for programs, and pages for people.

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::task::spawn_blocking;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::Names;
use super::{Admin, apis};
use crate::api::problem::Code;
use crate::api::{ApiKey, Identifier, ProjectName, Version};
use crate::contract::pages::{Documentation, Environment, POLICY};
use crate::control::http::problem::{PATH_NOT_FOUND, REQUEST_TIMEOUT, Refused};

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(documentation)).routes(routes!(documentation_page))
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
    /// The page's name: `index.html`, and those that its links name.
    #[param(example = "index.html")]
    page: String,
}

/// Show the documentation of an API: its contract as one model, with the URL of each channel in each environment
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/docs", tag = "apis", params(apis::Place),
    responses(
        (status = 200, body = serde_json::Value, description = "The model"),
        (status = 404, description = "`api-not-found`, `contract-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn documentation(State(admin): State<Admin>, Names(place): Names<apis::Place>) -> Result<Response, Refused> {
    let json =
        drawn(&admin, &place.key()?, |documentation| documentation.json().map_err(|error| unable(&error))).await?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response())
}

/// Show a page of the documentation of an API
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/docs/{page}", tag = "apis", params(Place),
    responses(
        (status = 200, body = String, content_type = "text/html", description = "The page"),
        (status = 404, description = "`api-not-found`, `contract-not-found`, `path-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn documentation_page(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Response, Refused> {
    let key = ApiKey::of(&place.project, &place.identifier, &place.version)?;
    let name = place.page;
    let html = drawn(&admin, &key, move |documentation| match documentation.site().page(&name) {
        Some(page) => page.map_err(|error| unable(&error)),
        None => Err(Refused::new(PATH_NOT_FOUND, "The documentation has no such page; it begins at index.html.")),
    });
    let html = html.await?;
    let policy = HeaderValue::from_str(&POLICY).map_err(|error| unable(&error))?;
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")), (CONTENT_SECURITY_POLICY, policy)];
    Ok((headers, html).into_response())
}

/// Draws something of the documentation of an API. Reading a contract takes up to a second of a CPU: one is read at a time.
async fn drawn(
    admin: &Admin,
    key: &ApiKey,
    draw: impl FnOnce(&Documentation<'_>) -> Result<String, Refused> + Send + 'static,
) -> Result<String, Refused> {
    let api = admin.manager().api(key).await?.value;
    let Some(reference) = api.definition.contract else {
        return Err(Refused::new(
            Code::CONTRACT_NOT_FOUND,
            format!("{key} has no contract, so there is nothing to show."),
        ));
    };
    let deployments = api.deployments.into_iter();
    let environments: Vec<Environment> =
        deployments.filter_map(|one| Some(Environment { name: one.environment.to_string(), url: one.url? })).collect();
    let title = format!("{} {}", api.definition.name, key.version);
    let contracts = admin.manager().contracts().clone();
    let _turn = admin.contract_turn().acquire().await.map_err(|error| unable(&error))?;
    let drawing = spawn_blocking(move || {
        let contract =
            contracts.read(&reference).map_err(|fault| Refused::new(Code::CONTRACT_NOT_FOUND, fault.to_string()))?;
        let Some(model) = &contract.model else {
            return Err(Refused::new(Code::CONTRACT_INVALID, "The contract cannot be read."));
        };
        draw(&Documentation { api: &title, model, problems: &contract.problems, environments: &environments })
    });
    drawing.await.map_err(|error| unable(&error))?
}

/// Nothing that a contract causes.
fn unable(error: &dyn std::fmt::Display) -> Refused {
    Refused::new(REQUEST_TIMEOUT, format!("The documentation was not drawn: {error}"))
}
