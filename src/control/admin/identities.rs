//! Identities: who may call the admin API, with which roles, by which tokens.

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
use crate::api::etag::Put;
use crate::api::identity::view::{Identity, MadeToken, WhoAmI};
use crate::api::identity::{NewIdentity, NewToken, PutIdentity, Rotation};
use crate::api::problem::{Fault, Problems};
use crate::api::{IdentityName, Page};
use crate::control::http::problem::Refused;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, put, revoke))
        .routes(routes!(create_token))
        .routes(routes!(revoke_token))
        .routes(routes!(rotate_token))
        .routes(routes!(who_am_i))
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

/// The name in an identity's path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Place {
    /// The identity's name.
    #[param(value_type = IdentityName)]
    name: String,
}

/// The names in a token's path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct TokenPlace {
    /// The identity's name.
    #[param(value_type = IdentityName)]
    name: String,
    /// The token's number.
    #[param(minimum = 1)]
    id: u64,
}

fn name(text: &str) -> Result<IdentityName, Refused> {
    text.parse().map_err(|fault: Fault| Problems::of_fields(vec![fault.at("name")]).into())
}

fn location(identity: &Identity) -> String {
    format!("/api/v1/identities/{}", identity.name)
}

/// List identities with their tokens, in the order of their names
#[utoipa::path(get, path = "/identities", tag = "identities", params(Asked),
    responses((status = 200, body = Page<Identity>, description = "A page of identities")))]
async fn list(State(admin): State<Admin>, Query(asked): Query<Asked>) -> Result<Json<Page<Identity>>, Refused> {
    let page = page::asked(asked.limit, asked.cursor)?;
    Ok(Json(admin.manager().identities(page).await?))
}

/// Create an identity
#[utoipa::path(post, path = "/identities", tag = "identities", request_body = NewIdentity,
    responses(
        (status = 201, body = Identity, description = "The identity was created, without a token"),
        (status = 409, description = "`identity-exists`, `identities-full`"),
        (status = 422, description = "`fields-invalid`")))]
async fn create(State(admin): State<Admin>, Who(who): Who, Body(new): Body<NewIdentity>) -> Result<Response, Refused> {
    let made = admin.manager().create_identity(&who, new).await?;
    let location = location(&made.value);
    Ok(etag::put(Put { value: made.value, etag: made.etag, is_new: true }, location))
}

/// Show an identity and its tokens
#[utoipa::path(get, path = "/identities/{name}", tag = "identities", params(Place),
    responses(
        (status = 200, body = Identity, description = "The identity"),
        (status = 404, description = "`identity-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn show(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Response, Refused> {
    Ok(etag::shown(admin.manager().identity(&name(&place.name)?).await?))
}

/// Change an identity's roles, scope and description, or create the identity
#[utoipa::path(put, path = "/identities/{name}", tag = "identities", params(Place), request_body = PutIdentity,
    responses(
        (status = 200, body = Identity, description = "The identity existed and was changed: its tokens have the new roles at once"),
        (status = 201, body = Identity, description = "The identity was created, without a token"),
        (status = 409, description = "`identities-full`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn put(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
    Body(new): Body<PutIdentity>,
) -> Result<Response, Refused> {
    let put = admin.manager().put_identity(&who, name(&place.name)?, new, condition).await?;
    let location = location(&put.value);
    Ok(etag::put(put, location))
}

/// Revoke an identity: all of its tokens are refused from now on
#[utoipa::path(delete, path = "/identities/{name}", tag = "identities", params(Place),
    responses(
        (status = 204, description = "The identity and its tokens are deleted, or did not exist"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn revoke(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
) -> Result<StatusCode, Refused> {
    admin.manager().revoke_identity(&who, &name(&place.name)?, condition).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Create a token of an identity; the answer is the only place where its secret is shown
#[utoipa::path(post, path = "/identities/{name}/tokens", tag = "identities", params(Place), request_body = NewToken,
    responses(
        (status = 200, body = MadeToken, description = "The token and its secret"),
        (status = 404, description = "`identity-not-found`"),
        (status = 409, description = "`identities-full`"),
        (status = 422, description = "`fields-invalid`")))]
async fn create_token(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    Body(new): Body<NewToken>,
) -> Result<Json<MadeToken>, Refused> {
    Ok(Json(admin.manager().create_token(&who, &name(&place.name)?, new).await?))
}

/// Revoke a token: it is refused from now on
#[utoipa::path(delete, path = "/identities/{name}/tokens/{id}", tag = "identities", params(TokenPlace),
    responses(
        (status = 204, description = "The token is deleted, or did not exist"),
        (status = 404, description = "`identity-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn revoke_token(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<TokenPlace>,
) -> Result<StatusCode, Refused> {
    admin.manager().revoke_token(&who, &name(&place.name)?, place.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replace a token by a new one; the old one stays valid for a while
#[utoipa::path(post, path = "/identities/{name}/tokens/{id}/rotate", tag = "identities", params(TokenPlace),
    request_body = Rotation,
    responses(
        (status = 200, body = MadeToken, description = "The new token and its secret"),
        (status = 404, description = "`identity-not-found`, `token-not-found`"),
        (status = 409, description = "`identities-full`"),
        (status = 422, description = "`fields-invalid`")))]
async fn rotate_token(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<TokenPlace>,
    Body(rotation): Body<Rotation>,
) -> Result<Json<MadeToken>, Refused> {
    Ok(Json(admin.manager().rotate_token(&who, &name(&place.name)?, place.id, rotation).await?))
}

/// Show the caller: the identity, how it was proved, and its roles
#[utoipa::path(get, path = "/whoami", tag = "identities",
    responses((status = 200, body = WhoAmI, description = "The caller")))]
async fn who_am_i(Who(who): Who) -> Json<WhoAmI> {
    let (name, authenticated_by) = (who.name().to_owned(), who.authentication().to_string());
    Json(WhoAmI { name, authenticated_by, roles: who.roles() })
}
