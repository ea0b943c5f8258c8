//! Keys of applications. A secret is in the answer that makes its key, and in no other.

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
use super::{Admin, applications, page};
use crate::api::consumers::request::{KeyRotation, NewKey};
use crate::api::consumers::view::MadeKey;
use crate::api::consumers::{ApplicationName, Key};
use crate::api::problem::Faults;
use crate::api::{EnvironmentName, Page, Problems};
use crate::control::http::problem::{QUERY_INVALID, Refused};
use crate::control::manage::KeyFilter;

/// Characters of the longest prefix that is searched for.
const MAX_PREFIX_CHARS: usize = 60;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(create))
        .routes(routes!(show, revoke))
        .routes(routes!(rotate))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Place {
    /// The key's number.
    #[param(minimum = 1)]
    key: u64,
}

fn location(key: &MadeKey) -> String {
    format!("/api/v1/keys/{}", key.key.id)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Only keys of this application: `consumer/application`.
    #[param(nullable = false, example = "acme/mobile")]
    application: Option<String>,
    /// Only keys of this environment.
    #[param(nullable = false, value_type = Option<EnvironmentName>)]
    environment: Option<String>,
    /// Only keys that begin with this, as `prefix` of a key shows it.
    #[param(nullable = false, max_length = 60, example = "rwk_Zr3b1Q")]
    prefix: Option<String>,
    /// The most items that the page has; 100 if not given.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The `next` of the page before; without it the first page.
    #[param(nullable = false, max_length = 1024)]
    cursor: Option<String>,
}

impl Asked {
    fn filter(&mut self) -> Result<KeyFilter, Refused> {
        let mut faults = Faults::default();
        let application = match self.application.take().map(|text| text.parse::<ApplicationName>()).transpose() {
            Ok(application) => application,
            Err(Problems { errors, .. }) => {
                for error in errors {
                    faults.add_error(error);
                }
                None
            }
        };
        let environment = self.environment.take().and_then(|text| faults.keep("environment", text.parse()));
        faults.none()?;
        let prefix = self.prefix.take();
        if prefix.as_ref().is_some_and(|prefix| prefix.chars().count() > MAX_PREFIX_CHARS) {
            let message = format!("it must have {MAX_PREFIX_CHARS} characters at most");
            return Err(Refused::field(QUERY_INVALID, "prefix", "length", message));
        }
        Ok(KeyFilter { application, environment, prefix })
    }
}

/// List keys, in the order in which they were made
#[utoipa::path(get, path = "/keys", tag = "keys", params(Asked),
    responses(
        (status = 200, body = Page<Key>, description = "A page of keys"),
        (status = 422, description = "`fields-invalid`")))]
async fn list(State(admin): State<Admin>, Query(mut asked): Query<Asked>) -> Result<Json<Page<Key>>, Refused> {
    let filter = asked.filter()?;
    let page = page::asked(asked.limit, asked.cursor)?;
    let (environment, application) = (filter.environment.clone(), filter.application.clone());
    let found = admin.manager().keys(filter, page).await?;
    if found.items.is_empty() {
        filters::exist(&admin, Named { environment, application, ..Named::default() }).await?;
    }
    Ok(Json(found))
}

/// Make a key of an application. The answer alone has its secret
#[utoipa::path(post, path = "/applications/{consumer}/{application}/keys", tag = "keys",
    params(applications::Place), request_body = NewKey,
    responses(
        (status = 201, body = MadeKey, description = "The key, with its secret"),
        (status = 404, description = "`application-not-found`, `environment-not-found`"),
        (status = 409, description = "`application-full`"),
        (status = 422, description = "`fields-invalid`")))]
async fn create(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<applications::Place>,
    Body(new): Body<NewKey>,
) -> Result<Response, Refused> {
    let made = admin.manager().create_key(&who, place.name()?, new).await?;
    let location = location(&made.value);
    Ok(etag::put(made, location))
}

/// Show a key
#[utoipa::path(get, path = "/keys/{key}", tag = "keys", params(Place),
    responses(
        (status = 200, body = Key, description = "The key, without its secret"),
        (status = 404, description = "`key-not-found`")))]
async fn show(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Response, Refused> {
    Ok(etag::shown(admin.manager().key(place.key).await?))
}

/// Make a key that takes the place of another, which stays valid for a while. The answer alone has its secret
#[utoipa::path(post, path = "/keys/{key}/rotate", tag = "keys", params(Place), request_body = KeyRotation,
    responses(
        (status = 201, body = MadeKey, description = "The new key, with its secret"),
        (status = 404, description = "`key-not-found`, `environment-not-found`"),
        (status = 409, description = "`key-rotated`, `application-full`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn rotate(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
    Body(rotation): Body<KeyRotation>,
) -> Result<Response, Refused> {
    let made = admin.manager().rotate_key(&who, place.key, rotation, condition).await?;
    let location = location(&made.value);
    Ok(etag::put(made, location))
}

/// Revoke a key: it opens nothing from now on, and its live connections are closed
#[utoipa::path(delete, path = "/keys/{key}", tag = "keys", params(Place),
    responses(
        (status = 204, description = "The key was revoked, or did not exist"),
        (status = 412, description = "`condition-failed`")))]
async fn revoke(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
) -> Result<StatusCode, Refused> {
    admin.manager().revoke_key(&who, place.key, condition).await?;
    Ok(StatusCode::NO_CONTENT)
}
