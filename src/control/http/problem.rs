//! Every error as a problem document (RFC 9457): what the rules say, and what is wrong with the request itself.

use axum::Json;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::api::problem::{Code, FieldError, Problem, Problems};
use crate::api::view::contract::ContractProblem;

/// The media type of a problem document.
pub const CONTENT: &str = "application/problem+json";
/// The most bytes of a client's text that a problem repeats.
const MAX_ECHO_BYTES: usize = 300;
/// Seconds after which what is too busy may be asked again.
const AGAIN_SECS: u16 = 5;

macro_rules! codes {
    ($($name:ident = $status:literal $word:literal $title:literal;)*) => {
        $(#[doc = concat!($title, ".")] pub const $name: Code = Code { status: $status, word: $word, title: $title };)*

        /// Every code of the listener's own, in the order of the documentation's table.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    HOST_INVALID = 400 "host-invalid" "The Host header is missing, repeated or malformed";
    HEADER_INVALID = 400 "header-invalid" "A header is malformed";
    PATH_INVALID = 400 "path-invalid" "The path is malformed";
    QUERY_INVALID = 400 "query-invalid" "The query does not fit";
    JSON_SYNTAX = 400 "json-syntax" "The body is not JSON";
    JSON_SHAPE = 400 "json-shape" "The body is JSON of another shape";
    BODY_BROKEN = 400 "body-broken" "The body ended before it was whole";
    HANDSHAKE_INVALID = 400 "handshake-invalid" "The WebSocket handshake breaks a rule";
    REQUEST_REFUSED = 400 "request-refused" "The request cannot be answered";
    TOKEN = 401 "token" "The token is missing or wrong";
    ORIGIN_NOT_ALLOWED = 403 "origin-not-allowed" "Pages of other sites may not call";
    PATH_NOT_FOUND = 404 "path-not-found" "There is nothing at this path";
    CONNECTION_NOT_FOUND = 404 "connection-not-found" "The connection does not exist";
    METHOD_NOT_ALLOWED = 405 "method-not-allowed" "This path has no such method";
    BODY_TIMEOUT = 408 "body-timeout" "The body did not arrive in time";
    BODY_TOO_LARGE = 413 "body-too-large" "The body is too large";
    CONTENT_TYPE_NOT_JSON = 415 "content-type" "The body's content type is not accepted";
    HOST_NOT_ALLOWED = 421 "host-not-allowed" "The listener is not called by this name";
    TOO_MANY_FAILURES = 429 "too-many-failures" "Too many wrong tokens came from this address";
    TOO_MANY_CONNECTIONS = 503 "too-many-connections" "The listener is at its limit of connections";
    REQUEST_TIMEOUT = 504 "request-timeout" "The request was not answered in time";
    SHARDS_SILENT = 504 "shards-silent" "Not every shard has answered in time";
}

/// An error as it is answered: what is wrong, and what stands beside the document.
#[derive(Clone, Debug)]
pub struct Refused {
    problems: Problems,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The problems of a contract. Boxed, because every handler can answer this type and few contracts are refused.
    contract: Option<Box<ContractProblems>>,
}

#[derive(Clone, Debug)]
struct ContractProblems(Vec<ContractProblem>);

impl Refused {
    /// A problem of no particular field.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Problems::new(code, detail).into()
    }

    /// One of this field.
    #[must_use]
    pub fn field(code: Code, field: &str, rule: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let detail = if field.is_empty() { message.clone() } else { format!("{field}: {message}") };
        let error = FieldError { field: field.to_owned(), rule: rule.to_owned(), message };
        Problems { code, detail, errors: vec![error] }.into()
    }

    /// Adds the problems of a contract.
    #[must_use]
    pub fn with_contract(mut self, problems: Vec<ContractProblem>) -> Self {
        self.contract = Some(Box::new(ContractProblems(problems)));
        self
    }

    /// Has the answer carry a header, in place of one of the same name.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
        self
    }

    /// The stable word.
    #[must_use]
    pub fn code(&self) -> Code {
        self.problems.code
    }

    /// The fields at fault.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.problems.errors
    }
}

impl From<Problems> for Refused {
    fn from(problems: Problems) -> Self {
        let mut headers = Vec::new();
        match problems.code.status {
            // RFC 6750 section 3.1.
            403 if problems.code == Code::ROLE_MISSING => {
                let challenge = HeaderValue::from_static("Bearer realm=\"ringway\", error=\"insufficient_scope\"");
                headers.push((WWW_AUTHENTICATE, challenge));
            }
            401 => headers.push((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ringway\""))),
            503 => headers.push((RETRY_AFTER, HeaderValue::from(AGAIN_SECS))),
            _ => {}
        }
        Self { problems, headers, contract: None }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let contract = self.contract.map(|problems| problems.0).unwrap_or_default();
        let document = Problem { problems: contract, ..self.problems.document() };
        let status = StatusCode::from_u16(document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(document)).into_response();
        // In place of what `Json` says it is.
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
        response.headers_mut().extend(self.headers);
        response
    }
}

/// Turns an error that a library answered into a problem document, and keeps its `Allow`.
pub(crate) fn in_our_words(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == CONTENT) {
        return response;
    }
    let mut refused = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            Refused::new(METHOD_NOT_ALLOWED, "This path has no such method: `Allow` names those that it has.")
        }
        StatusCode::NOT_FOUND => {
            Refused::new(PATH_NOT_FOUND, "There is nothing at this path: /api/v1/openapi.json names all there is.")
        }
        _ => Refused::new(Code { status: status.as_u16(), ..REQUEST_REFUSED }, "The request cannot be answered."),
    };
    refused.headers.extend(response.headers().get(ALLOW).map(|allow| (ALLOW, allow.clone())));
    refused.into_response()
}

/// A text that may repeat what the client sent: cut to a length, and on one line.
pub(crate) fn echo(text: &str) -> String {
    let end = (0..=MAX_ECHO_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let start = text.get(..end).unwrap_or_default();
    let mut cut: String = start.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if end < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::StatusCode;
    use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
    use axum::response::IntoResponse;

    use super::{ALL, JSON_SHAPE, Refused, echo, in_our_words};
    use crate::api::problem::{Code, Problems};

    async fn document(response: axum::response::Response) -> serde_json::Value {
        assert_eq!(response.headers().get_all(CONTENT_TYPE).iter().collect::<Vec<_>>(), ["application/problem+json"]);
        serde_json::from_slice(&to_bytes(response.into_body(), 10_000).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_problem_has_every_member_and_its_headers() {
        let response = Refused::field(JSON_SHAPE, "targets[0]", "type", "a text is asked for").into_response();
        assert_eq!(response.status(), 400);
        let expected = serde_json::json!({
            "type": "about:blank", "title": "The body is JSON of another shape", "status": 400, "code": "json-shape",
            "detail": "targets[0]: a text is asked for",
            "errors": [{ "field": "targets[0]", "rule": "type", "message": "a text is asked for" }],
        });
        assert_eq!(document(response).await, expected);
        let full = Refused::from(Problems::new(Code::STORE_FULL, "No room.")).into_response();
        assert_eq!(full.headers()[RETRY_AFTER], "5");
        assert_eq!(document(full).await["errors"], serde_json::json!([]));
    }

    #[tokio::test]
    async fn what_a_library_answers_becomes_a_problem_and_keeps_allow() {
        let response = (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET,HEAD")], "no").into_response();
        let response = in_our_words(response);
        assert_eq!(response.headers()[ALLOW], "GET,HEAD");
        assert_eq!(document(response).await["code"], "method-not-allowed");
        let fine = in_our_words((StatusCode::OK, "yes").into_response());
        assert_eq!(to_bytes(fine.into_body(), 10).await.unwrap(), "yes");
    }

    #[test]
    fn every_code_is_a_word_of_its_own() {
        let mut words = std::collections::HashSet::new();
        for code in ALL.iter().chain(Code::ALL) {
            assert!(words.insert(code.word), "{} twice", code.word);
        }
    }

    #[test]
    fn what_is_repeated_is_short_and_on_one_line() {
        assert_eq!(echo("a\nb"), "a b");
        let long = echo(&"é".repeat(1000));
        assert!(long.len() <= 300 + '…'.len_utf8(), "{}", long.len());
        assert!(long.ends_with('…'));
    }
}
