//! The parts of a request: its body, its query, the names in its path. A part that does not fit is a problem that names the
//! field.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::header::HeaderName;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::json;
use crate::api::actor::ClientName;
use crate::api::misfit::misfit;
use crate::api::problem::{Code, FieldError, Problems};
use crate::api::request::Rules;
use crate::api::{Actor, ApiKey};
use crate::control::http::guard::{self, BodyLimit};
use crate::control::http::problem::{self, Refused, echo};

/// The longest time that a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// The most faults of one query that are told.
const MAX_FAULTS: usize = 50;

/// A body that must be there, as JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<T>(pub(super) T);

/// No body, or an empty object: for what needs no more than its path.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoBody;

/// A body as it is: the guard has looked at its type.
#[derive(Clone, Debug)]
pub(super) struct RawBody(pub(super) Bytes);

/// The query. Unknown and repeated parameters are refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<T>(pub(super) T);

/// The names in the path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<T>(pub(super) T);

/// The caller, as the guard has found out, with the name that the client gives itself in the header `Ringway-Actor`.
#[derive(Clone, Debug)]
pub(super) struct Who(pub(super) Actor);

/// The header that says who asks.
pub(super) const ACTOR: HeaderName = HeaderName::from_static("ringway-actor");

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let mut given = parts.headers.get_all(ACTOR).iter();
        let client = match (given.next(), given.next()) {
            (None, _) => Some(None),
            (Some(name), None) => name.to_str().ok().and_then(ClientName::named).map(Some),
            (Some(_), Some(_)) => None,
        };
        let asked = "it must stand there once if at all, with 1 to 64 visible ASCII characters";
        let client = client.ok_or_else(|| Refused::field(problem::HEADER_INVALID, ACTOR.as_str(), "actor", asked))?;
        let caller = parts.extensions.get::<Actor>().cloned();
        let caller = caller.ok_or_else(|| Refused::new(problem::TOKEN, "Nobody knows who asks for this."))?;
        Ok(Self(caller.called(client)))
    }
}

/// The API that a parameter names.
pub(super) fn api(text: Option<&str>) -> Result<Option<ApiKey>, Refused> {
    text.map(str::parse)
        .transpose()
        .map_err(|problems: Problems| Refused::field(Code::FIELDS_INVALID, "api", "api", echo(&problems.detail)))
}

impl<S: Send + Sync, T: DeserializeOwned + Rules> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        // Where there is a body the guard has looked at its type; here there must be one.
        if !guard::is_json(request.headers()) {
            return Err(guard::not_json());
        }
        json::read(&read(request, state).await?).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        read(request, state).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}

        impl Rules for Nothing {}

        let body = read(request, state).await?;
        if !body.is_empty() {
            json::read::<Nothing>(&body)?;
        }
        Ok(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Result<Vec<(String, String)>, _> = serde_urlencoded::from_str(query);
        let pairs = pairs
            .map_err(|_| Refused::new(problem::QUERY_INVALID, "The query is not text in UTF-8, percent-encoded."))?;
        parameters(pairs).map(Self)
    }
}

/// Reads the parameters of a query: all that do not fit are told at once.
fn parameters<T: DeserializeOwned>(mut pairs: Vec<(String, String)>) -> Result<T, Refused> {
    let mut faults: Vec<FieldError> = Vec::new();
    loop {
        // Each value is text until its field says what it is: an error then names the field.
        let fields = pairs.iter().map(|(name, value)| (name.as_str(), Text(value.clone())));
        let fields = serde::de::value::MapDeserializer::new(fields);
        let error = match serde_path_to_error::deserialize(fields) {
            Ok(read) if faults.is_empty() => return Ok(read),
            Ok(_) => break,
            Err(error) => error,
        };
        let path = error.path().to_string();
        let misfit = misfit(&error.into_inner().to_string());
        let name = misfit.name.unwrap_or(path);
        let before = pairs.len();
        pairs.retain(|(given, _)| *given != name);
        faults.push(FieldError { field: echo(&name), rule: misfit.rule.to_owned(), message: echo(&misfit.message) });
        if pairs.len() == before || faults.len() >= MAX_FAULTS {
            break;
        }
    }
    Err(Problems { code: problem::QUERY_INVALID, ..Problems::of_fields(faults) }.into())
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Names<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let names = Path::from_request_parts(parts, state).await;
        names.map(|Path(names)| Self(names)).map_err(|_| {
            let detail = "The path is not text in UTF-8, percent-encoded, or has a number where none can be.";
            Refused::new(problem::PATH_INVALID, detail)
        })
    }
}

/// A parameter's text, which becomes what its field asks for.
struct Text(String);

impl<'de> serde::de::IntoDeserializer<'de, serde::de::value::Error> for Text {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($($deserialize:ident $visit:ident)*) => {$(
        fn $deserialize<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            let number = self.0.parse().map_err(|_| serde::de::Error::custom("it is not a whole number, or too large"))?;
            visitor.$visit(number)
        }
    )*};
}

impl<'de> serde::Deserializer<'de> for Text {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: serde::de::Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(serde::de::value::StringDeserializer::new(self.0))
    }

    fn deserialize_newtype_struct<V: serde::de::Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    numbers! { deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64 }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refused> {
    let limit = request.extensions().get::<BodyLimit>().copied().unwrap_or_default();
    let reading = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state));
    let bytes = reading.await.map_err(|_| {
        let detail = format!("The body did not arrive within {} s.", BODY_TIMEOUT.as_secs());
        Refused::new(problem::BODY_TIMEOUT, detail)
    })?;
    bytes.map_err(|rejection: BytesRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => guard::too_large(limit),
        _ => Refused::new(problem::BODY_BROKEN, "The body ended before it was whole, or is not well chunked."),
    })
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body as Sent, to_bytes};
    use axum::extract::DefaultBodyLimit;
    use axum::http::Request;
    use axum::routing::post;
    use serde::Deserialize;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::{Body, Names, NoBody, Query};
    use crate::api::FieldError;
    use crate::api::problem::Fault;
    use crate::api::request::Rules;
    use crate::control::http::guard::MAX_BODY_BYTES;

    impl Rules for Thing {
        fn broken(&self) -> Vec<FieldError> {
            let is_long = self.name.len() > 3;
            is_long.then(|| Fault::new("length", "it is too long").at("name")).into_iter().collect()
        }
    }

    // Their fields are read by their `Debug` alone.
    #[allow(dead_code)]
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[allow(dead_code)]
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        port: u16,
        mode: Option<Mode>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Fast,
    }

    #[allow(dead_code)]
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        limit: Option<u16>,
        mode: Option<Mode>,
        name: Option<String>,
    }

    fn router() -> Router {
        Router::new()
            .route("/thing", post(|Body(thing): Body<Thing>| async move { format!("{thing:?}") }))
            .route("/nothing", post(|_: NoBody| async {}))
            .route("/asked", post(|Query(asked): Query<Asked>| async move { format!("{asked:?}") }))
            .route("/named/{name}", post(|Names(name): Names<String>| async move { name }))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
    }

    async fn post_to(path: &str, body: impl Into<Sent>) -> (u16, Value) {
        let request = Request::post(path).header("content-type", "application/json").body(body.into()).unwrap();
        let response = router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 3 << 20).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn fault(path: &str, body: impl Into<Sent>) -> (u16, String, String, String) {
        let (status, problem) = post_to(path, body).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let error = &problem["errors"][0];
        (status, text(&problem["code"]), text(&error["field"]), text(&error["rule"]))
    }

    #[tokio::test]
    async fn a_misfit_in_a_body_names_its_field_and_rule() {
        for (body, field, rule) in [
            (json!({}), "name", "required"),
            (json!({ "name": 5 }), "name", "type"),
            (json!({ "name": null }), "name", "type"),
            (json!({ "name": "a", "colour": "red" }), "colour", "unknown"),
            (json!({ "name": "a", "inner": [{ "port": 1 }, { "port": "x" }] }), "inner[1].port", "type"),
            (json!({ "name": "a", "inner": [{ "port": 65536 }] }), "inner[0].port", "value"),
            (json!({ "name": "a", "inner": [{}] }), "inner[0].port", "required"),
            (json!({ "name": "a", "inner": [{ "port": 1, "up": 2 }] }), "inner[0].up", "unknown"),
            (json!({ "name": "a", "inner": [{ "port": 1, "mode": "slow" }] }), "inner[0].mode", "one-of"),
            (json!(["a", []]), "", "type"),
            (json!("x"), "", "type"),
        ] {
            let (status, code, at, broken) = fault("/thing", body.to_string()).await;
            assert_eq!(
                (status, code.as_str(), at.as_str(), broken.as_str()),
                (400, "json-shape", field, rule),
                "{body}"
            );
        }
        let (status, code, at, broken) = fault("/thing", r#"{"name": "a", "name": "b"}"#).await;
        assert_eq!((status, code.as_str(), at.as_str(), broken.as_str()), (400, "json-shape", "name", "duplicate"));
    }

    #[tokio::test]
    async fn d4_all_faults_of_a_body_are_told_at_once() {
        let body = json!({
            "name": "long", "colour": 1, "size": 2,
            "inner": [{ "port": "x" }, { "up": 1 }, { "port": 1, "mode": "slow" }],
        });
        let (status, problem) = post_to("/thing", body.to_string()).await;
        assert_eq!((status, &problem["code"]), (400, &json!("json-shape")), "{problem}");
        let told = |problem: &Value| {
            let errors = problem["errors"].as_array().unwrap().iter();
            let text =
                |error: &Value| format!("{}: {}", error["field"].as_str().unwrap(), error["rule"].as_str().unwrap());
            let mut told: Vec<String> = errors.map(text).collect();
            told.sort_unstable();
            told
        };
        let expected = [
            "colour: unknown",
            "inner[0].port: type",
            "inner[1].port: required",
            "inner[1].up: unknown",
            "inner[2].mode: one-of",
            "name: length",
            "size: unknown",
        ];
        assert_eq!(told(&problem), expected, "{problem}");
        let (_, problem) = post_to("/thing", json!({ "name": ["a"], "inner": 5, "colour": 1 }).to_string()).await;
        assert_eq!(told(&problem), ["colour: unknown", "inner: type", "name: type"], "no fault of a value of ours");
        let (_, problem) = post_to("/thing", json!({ "inner": [{}], "colour": 1 }).to_string()).await;
        assert_eq!(told(&problem), ["colour: unknown", "inner[0].port: required", "name: required"]);
        let (status, problem) = post_to("/asked?colour=red&limit=x&mode=slow&name=a", "").await;
        assert_eq!((status, &problem["code"]), (400, &json!("query-invalid")));
        assert_eq!(told(&problem), ["colour: unknown", "limit: value", "mode: one-of"]);
        let many: String = (0..500).map(|number| format!("\"u{number}\": 1,")).collect();
        let (_, problem) = post_to("/thing", format!("{{{many} \"name\": \"a\"}}")).await;
        assert!(problem["errors"].as_array().unwrap().len() <= 51, "bounded");
    }

    #[tokio::test]
    async fn what_is_no_json_says_where() {
        for (body, place) in [
            ("", "line 1, column 0"),
            ("{\n  \"name\": \"a\",\n}", "line 3, column 1"),
            ("{\"name\": \"a\"} x", "line 1, column 15"),
            ("{\"name\": \"\\ud800\"}", "line 1, column"),
            ("\u{feff}{}", "line 1, column 1"),
        ] {
            let (status, problem) = post_to("/thing", body).await;
            assert_eq!((status, &problem["code"]), (400, &json!("json-syntax")), "{body}");
            assert!(problem["detail"].as_str().unwrap().contains(place), "{problem}");
        }
        let deep = format!("{{\"name\": {}", "[".repeat(100_000));
        assert_eq!(post_to("/thing", deep).await.0, 400);
        let not_text = vec![b'"', 0xFF, b'"'];
        assert_eq!(post_to("/thing", not_text).await.0, 400);
    }

    #[tokio::test]
    async fn what_a_misfit_repeats_of_the_client_is_short() {
        let (_, problem) = post_to("/thing", json!({ "name": "a", "x".repeat(10_000): 1 }).to_string()).await;
        assert!(problem.to_string().len() < 1_500, "{}", problem.to_string().len());
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_not_read_to_its_end() {
        let (status, problem) = post_to("/thing", " ".repeat(MAX_BODY_BYTES + 1)).await;
        assert_eq!((status, &problem["code"]), (413, &json!("body-too-large")));
        let (status, _) = post_to("/thing", format!("{{\"name\": \"a\"}}{}", " ".repeat(MAX_BODY_BYTES - 13))).await;
        assert_eq!(status, 200);
    }

    #[tokio::test]
    async fn what_needs_no_body_takes_none_or_an_empty_one() {
        assert_eq!(post_to("/nothing", "").await.0, 200);
        assert_eq!(post_to("/nothing", "{}").await.0, 200);
        assert_eq!(fault("/nothing", "{\"a\": 1}").await, (400, "json-shape".into(), "a".into(), "unknown".into()));
        assert_eq!(fault("/nothing", "x").await.1, "json-syntax");
    }

    #[tokio::test]
    async fn a_misfit_in_the_query_names_its_parameter() {
        let fine = post_to("/asked?limit=7&mode=fast&name=a%20b", "").await;
        assert_eq!(fine, (200, "Asked { limit: Some(7), mode: Some(Fast), name: Some(\"a b\") }".into()));
        for (query, field, rule) in [
            ("limit=x", "limit", "value"),
            ("limit=", "limit", "value"),
            ("limit=-1", "limit", "value"),
            ("limit=65536", "limit", "value"),
            ("limit=1&limit=2", "limit", "duplicate"),
            ("mode=slow", "mode", "one-of"),
            ("other=1", "other", "unknown"),
        ] {
            let expected = (400, "query-invalid".to_owned(), field.to_owned(), rule.to_owned());
            assert_eq!(fault(&format!("/asked?{query}"), "").await, expected, "{query}");
        }
    }

    #[tokio::test]
    async fn a_path_that_is_no_text_is_refused() {
        assert_eq!(post_to("/named/a%20b", "").await, (200, "a b".into()));
        assert_eq!(fault("/named/%FF", "").await.1, "path-invalid");
    }
}
