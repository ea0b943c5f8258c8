//! The API's description (OpenAPI 3.1): what the handlers say of themselves, and what holds for all of them.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Header, HeaderBuilder, InfoBuilder, LicenseBuilder, OpenApi, Ref, RefOr, Required,
    ResponseBuilder, SecurityRequirement, ServerBuilder, schema,
};
use utoipa::{PartialSchema, ToSchema};

use super::access::{self, Access};
use super::{described, extract};
use crate::api::Problem;
use crate::api::problem::Code;
use crate::control::http::problem;

/// The name of the token's security scheme.
const TOKEN: &str = "token";

/// The description, as in `docs/openapi.json`.
#[must_use]
pub fn document() -> String {
    let (_, description) = described().split_for_parts();
    // It is made of texts and numbers.
    let mut text = finish(description).to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

pub(super) fn answer(description: &OpenApi) -> Response {
    ([(CONTENT_TYPE, "application/json")], description.to_json().unwrap_or_default()).into_response()
}

/// Adds what holds for all operations: the token, who asks, conditions, and the problems that each may answer with.
pub(super) fn finish(mut description: OpenApi) -> OpenApi {
    description.info = InfoBuilder::new()
        .title("Ringway admin API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Creates, deploys, promotes and publishes WebSocket APIs. Every call but GET /api/v1/health/live needs a \
             token: of an identity, whose roles say what it may do, or that of the state directory's file admin-token, which may \
             do everything. Every error is a problem document (RFC 9457).",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    description.servers = Some(vec![ServerBuilder::new().url("http://127.0.0.1:9600").build()]);
    description.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(TOKEN, [])]);
    let components = description.components.get_or_insert_with(Components::new);
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.security_schemes.insert(TOKEN.to_owned(), bearer.into());
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    let mut schemas = Vec::new();
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for (path, item) in &mut description.paths.paths {
        for (name, method, operation) in [
            ("GET", HttpMethod::Get, &mut item.get),
            ("PUT", HttpMethod::Put, &mut item.put),
            ("POST", HttpMethod::Post, &mut item.post),
            ("DELETE", HttpMethod::Delete, &mut item.delete),
        ] {
            if let Some(operation) = operation {
                finish_operation(&method, operation);
                name_roles(access::of(name, path), operation);
            }
        }
    }
    description
}

/// Says in the description of an operation which roles may ask for it.
fn name_roles(access: Option<Access>, operation: &mut Operation) {
    let Some(Access::Needs(permission)) = access else { return };
    let roles: Vec<String> = permission.roles().iter().map(|role| format!("`{role}`")).collect();
    let own = operation.description.take().map(|own| format!("{own}\n\n")).unwrap_or_default();
    operation.description = Some(format!("{own}Roles: {}.", roles.join(", ")));
}

fn finish_operation(method: &HttpMethod, operation: &mut Operation) {
    // Handlers are named in their own file only; a client generated from this names them all in one.
    if let (Some(id), Some(tag)) = (&mut operation.operation_id, operation.tags.iter().flatten().next()) {
        *id = format!("{tag}-{}", id.replace('_', "-"));
    }
    let is_open = operation.security.is_some();
    let changes = *method != HttpMethod::Get;
    let has_condition = operation.responses.responses.contains_key("412");
    // What a condition can be about is shown with its state.
    let has_state = has_condition || is_shown_with_state(operation);
    let parameters = operation.parameters.get_or_insert_with(Vec::new);
    if changes {
        parameters.push(header(
            extract::ACTOR.as_str(),
            "The name that the client gives itself, for the audit beside the identity that the token proves",
            r"^[!-~]{1,64}$",
        ));
    }
    if has_condition {
        let tags = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#;
        parameters.push(header(
            "If-Match",
            "Make the change only if the resource has one of these entity tags, or exists at all (`*`)",
            tags,
        ));
        parameters.push(header(
            "If-None-Match",
            "Make the change only if the resource does not exist yet: `*`",
            r"^\*$",
        ));
    }
    let has_parameters = !parameters.is_empty();
    let has_body = operation.request_body.is_some();
    let has_json = operation.request_body.as_ref().is_some_and(is_json);
    let mut all: Vec<(u16, Vec<&str>)> = Vec::new();
    let mut may = |is_so: bool, status: u16, code: &'static str| {
        if is_so {
            match all.iter_mut().find(|(known, _)| *known == status) {
                Some((_, codes)) => codes.push(code),
                None => all.push((status, vec![code])),
            }
        }
    };
    may(true, 400, problem::HOST_INVALID.word);
    may(has_parameters, 400, problem::PATH_INVALID.word);
    may(has_parameters, 400, problem::QUERY_INVALID.word);
    may(has_parameters, 400, problem::HEADER_INVALID.word);
    may(has_json, 400, problem::JSON_SYNTAX.word);
    may(has_json, 400, problem::JSON_SHAPE.word);
    may(!is_open, 401, problem::TOKEN.word);
    may(true, 403, problem::ORIGIN_NOT_ALLOWED.word);
    may(!is_open, 403, Code::ROLE_MISSING.word);
    may(has_body, 408, problem::BODY_TIMEOUT.word);
    may(true, 413, problem::BODY_TOO_LARGE.word);
    may(true, 415, problem::CONTENT_TYPE_NOT_JSON.word);
    may(true, 421, problem::HOST_NOT_ALLOWED.word);
    may(!is_open, 429, problem::TOO_MANY_FAILURES.word);
    may(true, 503, problem::TOO_MANY_CONNECTIONS.word);
    may(!is_open, 503, "store-unavailable");
    may(!is_open, 503, "busy");
    may(changes, 503, "store-read-only");
    may(changes, 503, "store-full");
    may(changes, 503, "draining");
    may(true, 504, problem::REQUEST_TIMEOUT.word);
    may(changes, 504, "not-in-force");
    let responses = &mut operation.responses.responses;
    let too_large = "The head has more than 16 KiB or 64 lines; there is no body";
    responses.insert("431".to_owned(), ResponseBuilder::new().description(too_large).build().into());
    for (status, codes) in all {
        let codes = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
        let responses = &mut operation.responses.responses;
        let known = responses.entry(status.to_string()).or_insert_with(|| ResponseBuilder::new().build().into());
        if let RefOr::T(response) = known {
            let own = std::mem::take(&mut response.description);
            response.description = if own.is_empty() { codes } else { format!("{own}, {codes}") };
        }
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5']) && status != "431" {
            let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
            response.content.insert(problem::CONTENT.to_owned(), problem.into());
        }
        let is_tagged = has_state && matches!(status.as_str(), "200" | "201");
        if is_tagged {
            response.headers.insert("ETag".to_owned(), text_header("The entity tag of the resource"));
        }
        if status == "201" {
            response.headers.insert("Location".to_owned(), text_header("The path of the resource"));
        }
    }
}

fn is_json(body: &RefOr<RequestBody>) -> bool {
    let RefOr::T(body) = body else { return true };
    body.content.keys().any(|kind| kind == "application/json")
}

/// True for an operation that shows one resource with its entity tag.
fn is_shown_with_state(operation: &Operation) -> bool {
    let names = [
        "projects-show",
        "apis-create",
        "apis-show",
        "deployments-show",
        "lifecycle-show",
        "plans-create",
        "plans-show",
        "applications-create",
        "applications-show",
        "subscriptions-show",
        "keys-create",
        "keys-show",
        "identities-create",
        "identities-show",
    ];
    operation.operation_id.as_deref().is_some_and(|id| names.contains(&id))
}

fn header(name: &str, what: &str, pattern: &str) -> RefOr<Parameter> {
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).build();
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(what))
        .schema(Some(RefOr::T(schema::Schema::Object(schema))))
        .build();
    RefOr::T(parameter)
}

fn text_header(what: &str) -> RefOr<Header> {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    RefOr::T(HeaderBuilder::new().schema(Some(schema)).description(Some(what)).build())
}

#[cfg(test)]
mod tests {
    use super::document;

    const UPDATE: &str = "RINGWAY_UPDATE_OPENAPI";

    #[test]
    fn the_description_in_the_documentation_is_the_programs() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        let now = document();
        if std::env::var_os(UPDATE).is_some_and(|value| value == "1") {
            std::fs::write(path, &now).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            now == kept,
            "docs/openapi.json is not what the handlers say; if the change is meant: \
             {UPDATE}=1 cargo test --lib the_description_in_the_documentation"
        );
    }
    #[test]
    fn every_operation_has_a_name_of_its_own_and_refers_to_what_is_there() {
        let description: serde_json::Value = serde_json::from_str(&document()).unwrap();
        let mut names = std::collections::HashSet::new();
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{name} twice");
                let responses = operation["responses"].as_object().unwrap();
                let refused = responses.iter().filter(|(status, _)| status.starts_with(['4', '5']) && *status != "431");
                for (status, response) in refused {
                    let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
                    assert_eq!(problem, "#/components/schemas/Problem", "{method} {path} {status}");
                    assert!(response["description"].as_str().unwrap().starts_with('`'), "{method} {path} {status}");
                }
            }
        }
        assert!(names.len() > 25, "{names:?}");
        let schemas = description["components"]["schemas"].as_object().unwrap();
        for part in document().split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name} is not described");
        }
    }
}
