//! Problems: why a request was refused, with a stable code, a sentence, and each field that breaks a rule.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::contract_problem::ContractProblem;

/// A kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The HTTP status of the answer.
    pub status: u16,
    /// A stable word, for programs.
    pub word: &'static str,
    /// A short title for people; it never varies.
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
    ROLE_MISSING = 403 "role-missing" "The caller has no role that allows this";
    URL_NOT_ALLOWED = 403 "url-not-allowed" "The node may not fetch from there";
    PROJECT_NOT_FOUND = 404 "project-not-found" "The project does not exist";
    API_NOT_FOUND = 404 "api-not-found" "The API does not exist";
    REVISION_NOT_FOUND = 404 "revision-not-found" "The revision does not exist";
    ENVIRONMENT_NOT_FOUND = 404 "environment-not-found" "The environment does not exist";
    DEPLOYMENT_NOT_FOUND = 404 "deployment-not-found" "The API is not deployed there";
    CONTRACT_NOT_FOUND = 404 "contract-not-found" "The contract does not exist";
    PLAN_NOT_FOUND = 404 "plan-not-found" "The plan does not exist";
    APPLICATION_NOT_FOUND = 404 "application-not-found" "The application does not exist";
    SUBSCRIPTION_NOT_FOUND = 404 "subscription-not-found" "The application has no such subscription";
    KEY_NOT_FOUND = 404 "key-not-found" "The key does not exist";
    IDENTITY_NOT_FOUND = 404 "identity-not-found" "The identity does not exist";
    TOKEN_NOT_FOUND = 404 "token-not-found" "The token does not exist";
    API_EXISTS = 409 "api-exists" "The API exists already";
    NOT_DEPLOYED = 409 "not-deployed" "Nothing is deployed to promote";
    API_RETIRED = 409 "api-retired" "The API is retired";
    PROJECT_NOT_EMPTY = 409 "project-not-empty" "The project has APIs";
    LIFECYCLE_NOT_ALLOWED = 409 "lifecycle-not-allowed" "The lifecycle does not allow this change";
    PROMOTION_ORDER = 409 "promotion-order" "An API is promoted to the next environment in the order";
    TARGETS_DIFFER = 409 "targets-differ" "Other targets are deployed";
    PLAN_EXISTS = 409 "plan-exists" "The plan exists already";
    PLAN_IN_USE = 409 "plan-in-use" "Subscriptions have the plan";
    APPLICATION_EXISTS = 409 "application-exists" "The application exists already";
    APPLICATION_FULL = 409 "application-full" "The application has as many as it may have";
    SUBSCRIPTION_NOT_ALLOWED = 409 "subscription-not-allowed" "The API takes no new subscriptions";
    KEY_ROTATED = 409 "key-rotated" "The key was rotated already";
    IDENTITY_EXISTS = 409 "identity-exists" "The identity exists already";
    IDENTITIES_FULL = 409 "identities-full" "There are as many identities or tokens as there may be";
    CONDITION_FAILED = 412 "condition-failed" "The resource has changed since it was read";
    FIELDS_INVALID = 422 "fields-invalid" "Fields break rules";
    CONTRACT_INVALID = 422 "contract-invalid" "The contract cannot become routes";
    DOCUMENTS_INVALID = 422 "documents-invalid" "Documents cannot be applied";
    CONTRACT_NOT_FETCHED = 502 "contract-not-fetched" "The contract did not come from its URL";
    STORE_READ_ONLY = 503 "store-read-only" "The store is read-only";
    STORE_FULL = 503 "store-full" "The store's disk is full";
    STORE_UNAVAILABLE = 503 "store-unavailable" "The store cannot be used";
    DRAINING = 503 "draining" "The node is shutting down";
    BUSY = 503 "busy" "Too many operations are waiting";
    NOT_IN_FORCE = 504 "not-in-force" "The change is committed, and not yet active on every shard";
    CONTRACTS_FULL = 507 "contracts-full" "The node keeps no more contracts";
}

/// The reason why an operation was refused. It holds no secret, so that it may be logged and sent to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The kind of problem.
    pub code: Code,
    /// A sentence for people: what happened, where, and what to do.
    pub detail: String,
    /// Every rule that is broken, with [`Code::FIELDS_INVALID`]; otherwise empty.
    pub errors: Vec<FieldError>,
}

impl Problems {
    /// A problem that concerns no particular field.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new() }
    }

    /// A problem of fields that break rules. `errors` must not be empty.
    #[must_use]
    pub fn of_fields(errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect::<Vec<_>>();
        Self { code: Code::FIELDS_INVALID, detail: detail.join("; "), errors }
    }

    /// Prefixes each field's path with another path: `changes[3].targets[0]`.
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

    /// The body of the answer.
    #[must_use]
    pub fn document(&self) -> Problem {
        Problem {
            kind: "about:blank".to_owned(),
            title: self.code.title.to_owned(),
            status: self.code.status,
            code: self.code.word.to_owned(),
            detail: self.detail.clone(),
            errors: self.errors.clone(),
            problems: Vec::new(),
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
    /// A short title that never varies.
    pub title: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// A stable word, for programs.
    pub code: String,
    /// A sentence for people: what happened, where, and what to do.
    pub detail: String,
    /// Every rule that a field breaks; empty if the problem does not concern fields.
    #[serde(default)]
    pub errors: Vec<FieldError>,
    /// With `contract-invalid`: the problems of the contract, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ContractProblem>,
}

/// A rule that a field breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The field's path: `name`, `targets[0]`.
    pub field: String,
    /// The rule: a stable word, for programs.
    pub rule: String,
    /// The rule in words, and how the value breaks it.
    pub message: String,
}

/// A rule that a value breaks, without the field's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The rule: a stable word, for programs.
    pub rule: &'static str,
    /// The rule in words, and how the value breaks it. The value is not repeated: it may be a secret in the wrong place.
    pub message: String,
}

impl Fault {
    /// A fault.
    #[must_use]
    pub fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self { rule, message: message.into() }
    }

    /// Names the field that breaks the rule.
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

/// The faults of several fields, collected so that a client learns all of them at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// Adds a fault of a field.
    pub fn add(&mut self, field: impl Into<String>, fault: Fault) {
        self.0.push(fault.at(field));
    }

    /// Adds a fault that names its field already.
    pub fn add_error(&mut self, error: FieldError) {
        self.0.push(error);
    }

    /// Returns the checked value; or adds its fault, and returns `None`.
    pub fn keep<T>(&mut self, field: impl Into<String>, checked: Result<T, Fault>) -> Option<T> {
        checked.map_err(|fault| self.add(field, fault)).ok()
    }

    /// Adds the faults of another collection. Returns whether there were none.
    pub fn join(&mut self, other: Self) -> bool {
        let is_none = other.0.is_empty();
        self.0.extend(other.0);
        is_none
    }

    /// All faults as one problem.
    #[must_use]
    pub fn into_problems(self) -> Problems {
        Problems::of_fields(self.0)
    }

    /// `Ok` if no fault was added.
    ///
    /// # Errors
    /// All faults as one problem.
    pub fn none(self) -> Result<(), Problems> {
        if self.0.is_empty() { Ok(()) } else { Err(self.into_problems()) }
    }
}
