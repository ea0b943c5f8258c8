//! A problem document (RFC 9457) as a message for a person: what, the rule broken by each field on a line of its own.

use std::fmt::Write as _;

use serde::Deserialize;
use ureq::http::StatusCode;

pub(super) const MEDIA_TYPE: &str = "application/problem+json";
/// The most bytes of a document that are read.
pub(super) const MAX_BYTES: u64 = 1024 * 1024;

/// The members that are shown. Another program's document may lack some.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    code: String,
    detail: String,
    errors: Vec<FieldError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FieldError {
    field: String,
    message: String,
}

/// The message for a user, from a status and a problem document.
pub(super) fn message(status: StatusCode, document: &[u8]) -> String {
    let Ok(problem) = serde_json::from_slice::<Problem>(document) else {
        return format!("answered {status} with a problem document that cannot be read");
    };
    // Each field has a line of its own, so a detail that repeats it is left out.
    let is_said_below = problem.errors.iter().any(|error| problem.detail.contains(&error.message));
    let is_title = problem.detail.is_empty() || (is_said_below && !problem.title.is_empty());
    let mut text = if is_title { problem.title } else { problem.detail };
    match problem.code.as_str() {
        "" => drop(write!(text, " ({})", status.as_u16())),
        code => drop(write!(text, " ({} {code})", status.as_u16())),
    }
    for FieldError { field, message } in &problem.errors {
        let _ = write!(text, "\n  {field}: {message}");
    }
    text.trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use ureq::http::StatusCode;

    use super::message;

    #[test]
    fn each_broken_rule_is_a_line() {
        let document = br#"{"type":"about:blank","title":"Unprocessable","status":422,"code":"invalid","detail":"2 fields are wrong",
            "errors":[{"field":"name","rule":"length","message":"it is empty"},{"field":"targets[0]","rule":"scheme","message":"ftp"}]}"#;
        let text = message(StatusCode::UNPROCESSABLE_ENTITY, document);
        let expected = "2 fields are wrong (422 invalid)\n  name: it is empty\n  targets[0]: ftp";
        assert_eq!(text, expected);
        let repeats =
            String::from_utf8(document.to_vec()).unwrap().replace("2 fields are wrong", "name: it is empty; ftp");
        let text = message(StatusCode::UNPROCESSABLE_ENTITY, repeats.as_bytes());
        assert_eq!(text, expected.replace("2 fields are wrong", "Unprocessable"));
    }

    #[test]
    fn a_document_with_less_in_it_is_shown_too() {
        assert_eq!(message(StatusCode::CONFLICT, br#"{"title":"Conflict"}"#), "Conflict (409)");
        assert_eq!(message(StatusCode::CONFLICT, b"{}"), "(409)");
        let unreadable = "answered 409 Conflict with a problem document that cannot be read";
        assert_eq!(message(StatusCode::CONFLICT, b"<html>"), unreadable);
    }
}
