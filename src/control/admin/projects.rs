//! Projects, which group APIs. The first API of a project creates it; here a project gets a description, or is deleted.

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
use super::{Admin, page};
use crate::api::problem::{Fault, Problems};
use crate::api::request::NewProject;
use crate::api::{Page, Project, ProjectName};
use crate::control::http::problem::Refused;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, put, delete))
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
}

impl Place {
    fn name(&self) -> Result<ProjectName, Refused> {
        let name = self.project.parse();
        name.map_err(|fault: Fault| Problems::of_fields(vec![fault.at("project")]).into())
    }
}

/// List projects, in the order of their names
#[utoipa::path(get, path = "/projects", tag = "projects", params(Asked),
    responses((status = 200, body = Page<Project>, description = "A page of projects")))]
async fn list(State(admin): State<Admin>, Query(asked): Query<Asked>) -> Result<Json<Page<Project>>, Refused> {
    let page = page::asked(asked.limit, asked.cursor)?;
    Ok(Json(admin.manager().projects(page).await?))
}

/// Show a project
#[utoipa::path(get, path = "/projects/{project}", tag = "projects", params(Place),
    responses(
        (status = 200, body = Project, description = "The project"),
        (status = 404, description = "`project-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn show(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Response, Refused> {
    Ok(etag::shown(admin.manager().project(&place.name()?).await?))
}

/// Create a project, or update its description
#[utoipa::path(put, path = "/projects/{project}", tag = "projects", params(Place), request_body = NewProject,
    responses(
        (status = 200, body = Project, description = "The project existed and was updated"),
        (status = 201, body = Project, description = "The project was created"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn put(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
    Body(new): Body<NewProject>,
) -> Result<Response, Refused> {
    let put = admin.manager().put_project(&who, place.name()?, new, condition).await?;
    let location = format!("/api/v1/projects/{}", put.value.name);
    Ok(etag::put(put, location))
}

/// Delete a project that has no APIs
#[utoipa::path(delete, path = "/projects/{project}", tag = "projects", params(Place),
    responses(
        (status = 204, description = "The project was deleted, or did not exist"),
        (status = 409, description = "`project-not-empty`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn delete(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
) -> Result<StatusCode, Refused> {
    admin.manager().delete_project(&who, &place.name()?, condition).await?;
    Ok(StatusCode::NO_CONTENT)
}
