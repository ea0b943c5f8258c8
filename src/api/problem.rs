//! What is wrong with what somebody asked for: a stable word, a sentence, and each field that breaks a rule.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The HTTP status of an answer that tells it.
    pub status: u16,
    /// A stable word, for programs.
    pub word: &'static str,
    /// The same in a few words, for people; it does not vary.
    pub title: &'static str,
}

macro_rules! codes {
    ($($name:ident = $status:literal $word:literal $title:literal;)*) => {
        impl Code {
            $(#[doc = concat!($title, ".")] pub const $name: Self = Self { status: $status, word: $word, title: $title };)*

            /// Every code that an operation may answer with, in the order of the documentation's table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

codes! {
    CURSOR_INVALID = 400 "cursor-invalid" "The cursor is not one of this list";
    PROJECT_NOT_FOUND = 404 "project-not-found" "There is no such project";
    API_NOT_FOUND = 404 "api-not-found" "There is no such API";
    REVISION_NOT_FOUND = 404 "revision-not-found" "There is no such revision";
    ENVIRONMENT_NOT_FOUND = 404 "environment-not-found" "There is no such environment";
    DEPLOYMENT_NOT_FOUND = 404 "deployment-not-found" "The API is not deployed there";
    API_EXISTS = 409 "api-exists" "There is such an API already";
    NOT_DEPLOYED = 409 "not-deployed" "There is nothing deployed to promote";
    API_RETIRED = 409 "api-retired" "The API is retired";
    PROJECT_NOT_EMPTY = 409 "project-not-empty" "The project has APIs";
    LIFECYCLE_NOT_ALLOWED = 409 "lifecycle-not-allowed" "The lifecycle does not allow this change";
    PROMOTION_ORDER = 409 "promotion-order" "An API is promoted to the next environment in the order";
    TARGETS_DIFFER = 409 "targets-differ" "Other targets are deployed";
    CONDITION_FAILED = 412 "condition-failed" "It has been changed since it was read";
    FIELDS_INVALID = 422 "fields-invalid" "Fields break rules";
    DOCUMENTS_INVALID = 422 "documents-invalid" "Documents cannot be applied";
    STORE_READ_ONLY = 503 "store-read-only" "The store can only be read";
    STORE_FULL = 503 "store-full" "The store's disk is full";
    STORE_UNAVAILABLE = 503 "store-unavailable" "The store cannot be used";
    DRAINING = 503 "draining" "The node is shutting down";
    BUSY = 503 "busy" "Too many operations are waiting";
    NOT_IN_FORCE = 504 "not-in-force" "The change is made, and not yet in force everywhere";
}

/// Why an operation was refused. Nothing secret stands in it: it may be logged, and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The kind.
    pub code: Code,
    /// What happened, where, and what to do.
    pub detail: String,
    /// Of [`Code::FIELDS_INVALID`]: every rule that is broken.
    pub errors: Vec<FieldError>,
}

impl Problems {
    /// A problem of no particular field.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new() }
    }

    /// Fields that break rules; `errors` has at least one.
    #[must_use]
    pub fn of_fields(errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect::<Vec<_>>();
        Self { code: Code::FIELDS_INVALID, detail: detail.join("; "), errors }
    }

    /// The same, with each field's path standing below another: `changes[3].targets[0]`.
    #[must_use]
    pub fn below(mut self, path: &str) -> Self {
        for error in &mut self.errors {
            error.field = format!("{path}.{}", error.field);
        }
        if self.errors.is_empty() {
            self.detail = format!("{path}: {}", self.detail);
            return self;
        }
        Self { code: self.code, ..Self::of_fields(self.errors) }
    }

    /// What an answer says.
    #[must_use]
    pub fn document(&self) -> Problem {
        Problem {
            kind: "about:blank".to_owned(),
            title: self.code.title.to_owned(),
            status: self.code.status,
            code: self.code.word.to_owned(),
            detail: self.detail.clone(),
            errors: self.errors.clone(),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problems {}

/// A problem document (RFC 9457), as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells the kinds apart.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind, in a few words that do not vary.
    pub title: String,
    /// The answer's status.
    pub status: u16,
    /// A stable word, for programs.
    pub code: String,
    /// What happened, where, and what to do.
    pub detail: String,
    /// Every rule that a field breaks; empty where it is not about fields.
    #[serde(default)]
    pub errors: Vec<FieldError>,
}

/// A rule that a field breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where: `name`, `targets[0]`.
    pub field: String,
    /// Which rule: a stable word.
    pub rule: String,
    /// What the rule is, and how it is broken.
    pub message: String,
}

/// A rule that a value breaks, wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which: a stable word.
    pub rule: &'static str,
    /// What the rule is, and how it is broken. Nothing of the value, which may be a secret in the wrong place.
    pub message: String,
}

impl Fault {
    /// A broken rule.
    #[must_use]
    pub fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self { rule, message: message.into() }
    }

    /// The same, of a field.
    #[must_use]
    pub fn at(self, field: impl Into<String>) -> FieldError {
        FieldError { field: field.into(), rule: self.rule.to_owned(), message: self.message }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// Collects what is wrong with several fields, so that all of it is told at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// Adds one.
    pub fn add(&mut self, field: impl Into<String>, fault: Fault) {
        self.0.push(fault.at(field));
    }

    /// The value, or nothing and its fault among the others.
    pub fn keep<T>(&mut self, field: impl Into<String>, checked: Result<T, Fault>) -> Option<T> {
        checked.map_err(|fault| self.add(field, fault)).ok()
    }

    /// Adds what another has collected. Whether that was nothing.
    pub fn join(&mut self, other: Self) -> bool {
        let is_none = other.0.is_empty();
        self.0.extend(other.0);
        is_none
    }

    /// What was collected.
    #[must_use]
    pub fn into_problems(self) -> Problems {
        Problems::of_fields(self.0)
    }

    /// Nothing, if nothing is wrong.
    ///
    /// # Errors
    /// Everything that was collected.
    pub fn none(self) -> Result<(), Problems> {
        if self.0.is_empty() { Ok(()) } else { Err(self.into_problems()) }
    }
}
