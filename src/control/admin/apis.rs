//! APIs: what is proxied where, by project, identifier and version.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::etag::{self, If};
use super::extract::{Body, Names, Query, Who};
use super::filters::{self, Named};
use super::{Admin, page};
use crate::api::etag::Put;
use crate::api::problem::Faults;
use crate::api::{
    Api, ApiKey, EnvironmentName, Identifier, Lifecycle, NewApi, NewDefinition, Page, ProjectName, Version,
};
use crate::control::endpoints;
use crate::control::http::problem::{QUERY_INVALID, Refused};
use crate::control::manage::ApiFilter;

/// Characters of the longest text to search for.
const MAX_TEXT_CHARS: usize = 200;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, put, delete))
}

/// The names in an API's path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Place {
    /// The project's name.
    #[param(value_type = ProjectName)]
    project: String,
    /// The API's identifier.
    #[param(value_type = Identifier)]
    identifier: String,
    /// The API's version.
    #[param(value_type = Version)]
    version: String,
}

impl Place {
    pub(super) fn key(&self) -> Result<ApiKey, Refused> {
        Ok(ApiKey::of(&self.project, &self.identifier, &self.version)?)
    }
}

/// The path of an API.
pub(super) fn location(key: &ApiKey) -> String {
    format!("/api/v1/apis/{}/{}/{}", key.project, key.identifier, key.version)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Only APIs of this project.
    #[param(nullable = false, value_type = Option<ProjectName>)]
    project: Option<String>,
    /// Only APIs in this state.
    #[param(nullable = false, value_type = Option<Lifecycle>)]
    lifecycle: Option<String>,
    /// Only APIs deployed in this environment.
    #[param(nullable = false, value_type = Option<EnvironmentName>)]
    environment: Option<String>,
    /// Only APIs with this text in name, display name, identifier or description.
    #[param(nullable = false, max_length = 200)]
    q: Option<String>,
    /// The most items that the page has; 100 if not given.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The `next` of the page before; without it the first page.
    #[param(nullable = false, max_length = 1024)]
    cursor: Option<String>,
}

impl Asked {
    fn filter(&mut self) -> Result<(ApiFilter, Option<EnvironmentName>), Refused> {
        let mut faults = Faults::default();
        let environment =
            self.environment.take().and_then(|text| faults.keep("environment", text.parse::<EnvironmentName>()));
        let filter = ApiFilter {
            project: self.project.take().and_then(|text| faults.keep("project", text.parse())),
            lifecycle: self.lifecycle.take().and_then(|text| faults.keep("lifecycle", text.parse())),
            environment: environment.as_ref().map(|name| name.as_str().to_owned()),
            text: self.q.take(),
        };
        faults.none()?;
        if filter.text.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT_CHARS) {
            let message = format!("it must have {MAX_TEXT_CHARS} characters at most");
            return Err(Refused::field(QUERY_INVALID, "q", "length", message));
        }
        Ok((filter, environment))
    }
}

/// List APIs, in the order of project, identifier and version
#[utoipa::path(get, path = "/apis", tag = "apis", params(Asked),
    responses(
        (status = 200, body = Page<Api>, description = "A page of APIs"),
        (status = 422, description = "`fields-invalid`")))]
async fn list(State(admin): State<Admin>, Query(mut asked): Query<Asked>) -> Result<Json<Page<Api>>, Refused> {
    let (filter, named_environment) = asked.filter()?;
    let page = page::asked(asked.limit, asked.cursor)?;
    let named = Named { project: filter.project.clone(), environment: named_environment, ..Named::default() };
    let found = admin.manager().apis(filter, page).await?;
    if found.items.is_empty() {
        filters::exist(&admin, named).await?;
    }
    Ok(Json(found))
}

/// Create an API, and its project if there is none
#[utoipa::path(post, path = "/apis", tag = "apis", request_body = NewApi,
    responses(
        (status = 201, body = Api, description = "The API was created"),
        (status = 409, description = "`api-exists`"),
        (status = 422, description = "`fields-invalid`")))]
async fn create(State(admin): State<Admin>, Who(who): Who, Body(new): Body<NewApi>) -> Result<Response, Refused> {
    let made = admin.manager().create_api(&who, new).await?;
    let put = Put { value: made.value, etag: made.etag, is_new: true };
    let location = location(&key(&put.value));
    Ok(etag::put(put, location))
}

/// Show an API
#[utoipa::path(get, path = "/apis/{project}/{identifier}/{version}", tag = "apis", params(Place),
    responses(
        (status = 200, body = Api, description = "The API"),
        (status = 404, description = "`api-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn show(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Response, Refused> {
    let key = place.key()?;
    let mut tagged = admin.manager().api(&key).await?;
    endpoints::add_to(&mut tagged.value.deployments, &key, &admin.shards().snapshot());
    Ok(etag::shown(tagged))
}

/// Update an API's definition, or create the API
#[utoipa::path(put, path = "/apis/{project}/{identifier}/{version}", tag = "apis", params(Place),
    request_body = NewDefinition,
    responses(
        (status = 200, body = Api, description = "The API existed and was updated"),
        (status = 201, body = Api, description = "The API was created"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn put(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
    Body(new): Body<NewDefinition>,
) -> Result<Response, Refused> {
    let put = admin.manager().put_api(&who, place.key()?, new, condition).await?;
    let location = location(&key(&put.value));
    Ok(etag::put(put, location))
}

/// Undeploy an API everywhere and delete it
#[utoipa::path(delete, path = "/apis/{project}/{identifier}/{version}", tag = "apis", params(Place),
    responses(
        (status = 204, description = "The API was deleted, or did not exist"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn delete(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
) -> Result<StatusCode, Refused> {
    admin.manager().delete_api(&who, &place.key()?, condition).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn key(api: &Api) -> ApiKey {
    ApiKey { project: api.project.clone(), identifier: api.identifier.clone(), version: api.version }
}
