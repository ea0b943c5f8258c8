//! The documentation of an API, from the contract of its definition or of a deployed revision: JSON for programs, and pages for
//! people.

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
use super::{Admin, apis, deployments};
use crate::api::contract::ContractRef;
use crate::api::problem::Code;
use crate::api::{Api, ApiKey, EnvironmentName, Identifier, ProjectName, Version};
use crate::contract::pages::environments::environments;
use crate::contract::pages::json::DocumentedApi;
use crate::contract::pages::{Documentation, POLICY, Running};
use crate::control::http::problem::{PATH_NOT_FOUND, REQUEST_TIMEOUT, Refused};

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new()
        .routes(routes!(documentation))
        .routes(routes!(documentation_page))
        .routes(routes!(deployed_documentation))
        .routes(routes!(deployed_documentation_page))
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct DeployedPlace {
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
    environment: String,
    /// The page's name: `index.html`, and those that its links name.
    #[param(example = "index.html")]
    page: String,
}

/// Show the documentation of an API: its contract as one model, with the URL of each channel in each environment
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/docs", tag = "apis", params(apis::Place),
    responses(
        (status = 200, body = DocumentedApi<'static>, description = "The documentation"),
        (status = 404, description = "`api-not-found`, `contract-not-found`"),
        (status = 422, description = "`fields-invalid`, `contract-invalid`")))]
async fn documentation(State(admin): State<Admin>, Names(place): Names<apis::Place>) -> Result<Response, Refused> {
    json(&admin, &place.key()?, None).await
}

/// Show a page of the documentation of an API
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/docs/{page}", tag = "apis", params(Place),
    responses(
        (status = 200, body = String, content_type = "text/html", description = "The page"),
        (status = 404, description = "`api-not-found`, `contract-not-found`, `path-not-found`"),
        (status = 422, description = "`fields-invalid`, `contract-invalid`")))]
async fn documentation_page(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Response, Refused> {
    let key = ApiKey::of(&place.project, &place.identifier, &place.version)?;
    page(&admin, &key, None, place.page).await
}

/// Show the documentation of the revision that runs in an environment
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/deployments/{environment}/docs", tag = "deployments",
    params(deployments::Place),
    responses(
        (status = 200, body = DocumentedApi<'static>, description = "The documentation"),
        (status = 404, description = "`api-not-found`, `environment-not-found`, `deployment-not-found`, `contract-not-found`"),
        (status = 422, description = "`fields-invalid`, `contract-invalid`")))]
async fn deployed_documentation(
    State(admin): State<Admin>,
    Names(place): Names<deployments::Place>,
) -> Result<Response, Refused> {
    json(&admin, &place.key()?, Some(place.environment)).await
}

/// Show a page of the documentation of the revision that runs in an environment
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}/deployments/{environment}/docs/{page}",
    tag = "deployments", params(DeployedPlace),
    responses(
        (status = 200, body = String, content_type = "text/html", description = "The page"),
        (status = 404, description = "`api-not-found`, `environment-not-found`, `deployment-not-found`, \
            `contract-not-found`, `path-not-found`"),
        (status = 422, description = "`fields-invalid`, `contract-invalid`")))]
async fn deployed_documentation_page(
    State(admin): State<Admin>,
    Names(place): Names<DeployedPlace>,
) -> Result<Response, Refused> {
    let key = ApiKey::of(&place.project, &place.identifier, &place.version)?;
    page(&admin, &key, Some(place.environment), place.page).await
}

async fn json(admin: &Admin, key: &ApiKey, environment: Option<String>) -> Result<Response, Refused> {
    let write = |documentation: &Documentation<'_>| documentation.json().map_err(|error| unable(&error));
    let json = drawn(admin, key, environment, write).await?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response())
}

async fn page(admin: &Admin, key: &ApiKey, environment: Option<String>, name: String) -> Result<Response, Refused> {
    let html = drawn(admin, key, environment, move |documentation| match documentation.site().page(&name) {
        Some(page) => page.map_err(|error| unable(&error)),
        None => Err(Refused::new(PATH_NOT_FOUND, "The documentation has no such page; it begins at index.html.")),
    });
    let html = html.await?;
    let policy = HeaderValue::from_str(&POLICY).map_err(|error| unable(&error))?;
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")), (CONTENT_SECURITY_POLICY, policy)];
    Ok((headers, html).into_response())
}

/// The contract that is documented.
struct Subject {
    title: String,
    contract: ContractRef,
    running: Vec<Running>,
}

/// Finds the contract of an API's definition, or of the revision that runs in an environment.
async fn subject(admin: &Admin, key: &ApiKey, environment: Option<String>) -> Result<Subject, Refused> {
    let manager = admin.manager();
    let chosen = match environment {
        Some(name) => Some(manager.deployment(key, &name).await?.value),
        None => None,
    };
    let Api { definition, deployments, .. } = manager.api(key).await?.value;
    let (contract, title) = match &chosen {
        Some(chosen) => {
            let revision = manager.revision(key, chosen.revision).await?;
            let title = format!(
                "{} {}, revision {} in {}",
                revision.definition.name, key.version, chosen.revision, chosen.environment
            );
            (revision.definition.contract, title)
        }
        None => (definition.contract, format!("{} {}", definition.name, key.version)),
    };
    let Some(contract) = contract else {
        let detail = match &chosen {
            Some(chosen) => format!(
                "Revision {} of {key}, which runs in {}, has no contract, so there is nothing to show.",
                chosen.revision, chosen.environment
            ),
            None => format!("{key} has no contract, so there is nothing to show."),
        };
        return Err(Refused::new(Code::CONTRACT_NOT_FOUND, detail));
    };
    let mut running = Vec::new();
    for deployment in deployments {
        let Some(url) = deployment.url else { continue };
        let contract = manager.revision(key, deployment.revision).await?.definition.contract;
        let environment = deployment.environment.to_string();
        running.push(Running { environment, url, revision: deployment.revision, contract });
    }
    Ok(Subject { title, contract, running })
}

/// Draws something of the documentation of an API. Reading a contract takes up to a second of a CPU: one is read at a time.
async fn drawn(
    admin: &Admin,
    key: &ApiKey,
    environment: Option<String>,
    draw: impl FnOnce(&Documentation<'_>) -> Result<String, Refused> + Send + 'static,
) -> Result<String, Refused> {
    let Subject { title, contract: reference, running } = subject(admin, key, environment).await?;
    let contracts = admin.manager().contracts().clone();
    let _turn = admin.contract_turn().acquire().await.map_err(|error| unable(&error))?;
    let drawing = spawn_blocking(move || {
        let read = |reference: &ContractRef| contracts.read(reference).map_err(|fault| fault.to_string());
        let contract = read(&reference).map_err(|fault| Refused::new(Code::CONTRACT_NOT_FOUND, fault))?;
        let Some(model) = &contract.model else {
            return Err(Refused::new(Code::CONTRACT_INVALID, "The contract cannot be read."));
        };
        let environments = environments(model, &reference, running, read);
        draw(&Documentation { api: &title, model, problems: &contract.problems, environments: &environments })
    });
    drawing.await.map_err(|error| unable(&error))?
}

/// Nothing that a contract causes.
fn unable(error: &dyn std::fmt::Display) -> Refused {
    Refused::new(REQUEST_TIMEOUT, format!("The documentation was not drawn: {error}"))
}
