//! Security schemes of a contract, and the Ringway policy that each could become once an operator confirms it.

use serde::Serialize;
use utoipa::ToSchema;

/// A security scheme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractSecurityScheme)]
pub struct SecurityScheme {
    /// The name in the document; for an inline scheme its JSON Pointer.
    pub name: String,
    /// The type as it is written.
    #[serde(rename = "type")]
    pub kind: String,
    /// The policy that it could become.
    pub proposal: Proposal,
    /// The description.
    pub description: Option<String>,
}

/// A policy that a scheme could become. Nothing is ever open because of a scheme that Ringway does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ContractSecurityProposal)]
pub enum Proposal {
    /// An API key in the handshake.
    ApiKey(Credential),
    /// `Authorization: Basic`.
    Basic,
    /// `Authorization: Bearer`, with the format of the token.
    Bearer(Option<String>),
    /// A token of an OpenID provider, with the URL of its configuration.
    OpenId(Option<String>),
    /// No policy, and why.
    None(String),
}

/// The place of a credential in the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ContractCredential)]
pub enum Credential {
    /// A header of this name.
    Header(String),
    /// A query parameter of this name.
    Query(String),
    /// A cookie of this name.
    Cookie(String),
}
