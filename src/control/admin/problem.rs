//! Every error as a problem document (RFC 9457): what happened, where, and what to do.

use std::borrow::Cow;

use axum::Json;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What a problem document is sent as.
pub const CONTENT: &str = "application/problem+json";
/// Of a text that repeats what the client sent, this many bytes are repeated.
const MAX_ECHO_BYTES: usize = 300;

/// An error as it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    /// The status's own words.
    #[schema(value_type = String)]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A stable word for programs.
    #[schema(value_type = String)]
    code: &'static str,
    /// What happened, where, and what to do.
    detail: String,
    /// One for each field that breaks a rule; empty where no field is at fault.
    errors: Vec<FieldError>,
    /// Beside the document: `Allow`, `Retry-After`, `WWW-Authenticate`.
    #[serde(skip)]
    #[schema(ignore)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it is: `targets[0]`, or the name of a parameter.
    pub field: String,
    /// Which rule, as a stable word.
    pub rule: Cow<'static, str>,
    /// What the rule asks for.
    pub message: String,
}

impl Problem {
    /// A problem in which no field is at fault.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// The same, of this field.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>, rule: &'static str, message: impl Into<String>) -> Self {
        self.errors.push(FieldError { field: field.into(), rule: rule.into(), message: message.into() });
        self
    }

    /// The same, of these fields.
    #[must_use]
    pub fn of(mut self, errors: impl IntoIterator<Item = FieldError>) -> Self {
        self.errors.extend(errors);
        self
    }

    /// 401: nobody says who they are, or not rightly.
    #[must_use]
    pub fn unauthorised(detail: &'static str) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "token", detail);
        problem.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ringway\"")));
        problem
    }

    /// 404: this is not there.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// The same problem, and that it may be over in so many seconds.
    #[must_use]
    pub fn again_in(mut self, seconds: u16) -> Self {
        self.headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The stable word.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The fields at fault.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let (status, headers) = (self.status(), std::mem::take(&mut self.headers));
        let mut response = (status, Json(self)).into_response();
        // In place of what `Json` says it is.
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
        for (name, value) in headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// What a library answered in words of its own, as a problem document; its `Allow` stays.
#[must_use]
pub fn in_our_words(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == CONTENT) {
        return response;
    }
    let (code, detail) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("method", "This path has no such method: `Allow` names those it has."),
        StatusCode::NOT_FOUND => ("path", "There is nothing at this path: /api/v1/openapi.json names all there is."),
        StatusCode::PAYLOAD_TOO_LARGE => ("body-too-large", "The body is longer than 1 MiB."),
        _ => ("request", "The request cannot be answered."),
    };
    let mut answer = Problem::new(status, code, detail).into_response();
    if let Some(allow) = response.headers().get(ALLOW) {
        answer.headers_mut().insert(ALLOW, allow.clone());
    }
    answer
}

/// A text that may repeat what the client sent: cut to a length, and on one line.
#[must_use]
pub fn echo(text: &str) -> String {
    let end = (0..=MAX_ECHO_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let mut cut: String =
        text.get(..end).unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
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

    use super::{Problem, echo, in_our_words};

    async fn document(response: axum::response::Response) -> serde_json::Value {
        assert_eq!(response.headers().get_all(CONTENT_TYPE).iter().collect::<Vec<_>>(), ["application/problem+json"]);
        serde_json::from_slice(&to_bytes(response.into_body(), 10_000).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_problem_has_every_member_and_its_headers() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store-full", "No room.")
            .at("targets[0]", "scheme", "ws or wss")
            .again_in(5);
        let response = problem.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "5");
        let expected = serde_json::json!({
            "type": "about:blank", "title": "Service Unavailable", "status": 503, "code": "store-full",
            "detail": "No room.", "errors": [{ "field": "targets[0]", "rule": "scheme", "message": "ws or wss" }],
        });
        assert_eq!(document(response).await, expected);
    }

    #[tokio::test]
    async fn what_a_library_answers_becomes_a_problem_and_keeps_allow() {
        let response = (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET,HEAD")], "no").into_response();
        let response = in_our_words(response);
        assert_eq!(response.headers()[ALLOW], "GET,HEAD");
        assert_eq!(document(response).await["code"], "method");
        let fine = in_our_words((StatusCode::OK, "yes").into_response());
        assert_eq!(to_bytes(fine.into_body(), 10).await.unwrap(), "yes");
    }

    #[test]
    fn what_is_repeated_is_short_and_on_one_line() {
        assert_eq!(echo("a\nb"), "a b");
        let long = echo(&"é".repeat(1000));
        assert!(long.len() <= 300 + '…'.len_utf8(), "{}", long.len());
        assert!(long.ends_with('…'));
    }
}
