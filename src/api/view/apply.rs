//! Documents to apply, and what applying them took.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::ContractDigest;
use crate::api::request::Rules;

/// Files with documents, which are applied as a whole: all that they say, or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    /// The files, in the order in which their documents are applied. An API may be declared once in all of them.
    pub files: Vec<DocumentFile>,
    /// Check everything and answer with the steps, but change nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl Rules for Documents {}

/// A file with documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentFile {
    /// The name that problems give as the place.
    #[schema(examples("apis/chat.yaml"))]
    pub name: String,
    /// YAML documents, as docs/declarative.md describes them.
    #[schema(examples(
        "apiVersion: ringway/v1\nkind: Api\nname: Chat\nversion: \"1.0\"\ntargets:\n- ws://127.0.0.1:9000\n"
    ))]
    pub text: String,
    /// The contracts that documents of the file name by a path: the path as it is written, and what was uploaded for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contracts: BTreeMap<String, DeclaredContract>,
    /// Why contracts could not be read, by their paths. Never sent: whoever sends a file has read them.
    #[serde(skip)]
    pub unread: BTreeMap<String, String>,
}

impl DocumentFile {
    /// A file whose contracts are not read yet.
    #[must_use]
    pub fn new(name: String, text: String) -> Self {
        Self { name, text, contracts: BTreeMap::new(), unread: BTreeMap::new() }
    }
}

/// A contract that a document names by a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredContract {
    /// The digest of its bytes.
    pub digest: ContractDigest,
    /// The file name of the AsyncAPI document, unless it is an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<String>,
}

/// The steps that documents led to, or, in a dry run, would lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// The steps in their order; empty if the node holds what the documents say.
    pub steps: Vec<AppliedStep>,
}

/// A step of an apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppliedStep {
    /// The API, as `project/identifier:version`.
    #[schema(examples("default/chat-app-api:1.0"))]
    pub api: String,
    /// The environment of a step that is about a deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(examples("development"))]
    pub environment: Option<String>,
    /// The change, for people.
    #[schema(examples("create default/chat-app-api:1.0"))]
    pub step: String,
}
