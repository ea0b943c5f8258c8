//! Messages of a contract.

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

/// A message.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ContractMessage)]
pub struct Message {
    /// The id, unique in the contract: the key in the document, with a number if several have it.
    pub id: String,
    /// The name of the message.
    pub name: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// The summary.
    pub summary: Option<String>,
    /// The content type; `null` means the default content type, and JSON if there is none either.
    pub content_type: Option<String>,
    /// The payload; `null` if the document does not describe it.
    pub payload: Option<Payload>,
    /// The place of the correlation id of request and reply.
    pub correlation: Option<Correlation>,
    /// Examples, those of the message first.
    pub examples: Vec<Example>,
    /// Properties at the payload's top that have these values alone, for finding the message: by `const`, `enum` or a
    /// discriminator.
    #[schema(value_type = Vec<(String, Vec<Value>)>)]
    pub discriminators: Vec<(String, Vec<Json>)>,
    /// The reason why payloads cannot be checked.
    pub unchecked: Option<String>,
    /// The file, if it is not the main document.
    pub file: Option<String>,
    /// The JSON Pointer.
    pub pointer: String,
}

/// The description of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractPayload)]
pub struct Payload {
    /// The language of the schema.
    pub format: Format,
    /// The schema's key in [`super::Model::schemas`]; for [`Format::Other`] that of the raw schema, as it is written.
    pub schema: String,
}

/// The language of a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ContractFormat)]
pub enum Format {
    /// JSON Schema, or AsyncAPI's superset of it.
    JsonSchema,
    /// The schema of OpenAPI, a dialect of JSON Schema.
    OpenApi,
    /// Something else, as it is written: shown, and not checked.
    Other(String),
}

impl Format {
    /// Reads `schemaFormat`.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let media = media.strip_suffix("+json").or_else(|| media.strip_suffix("+yaml")).unwrap_or(&media);
        match media {
            "application/vnd.aai.asyncapi" | "application/schema" => Self::JsonSchema,
            "application/vnd.oai.openapi" => Self::OpenApi,
            _ => Self::Other(text.chars().take(200).collect()),
        }
    }
}

/// The place of a correlation id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractCorrelation)]
pub struct Correlation {
    /// The JSON Pointer in the payload.
    pub payload: String,
}

/// An example of a message.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ContractExample)]
pub struct Example {
    /// The name.
    pub name: Option<String>,
    /// The payload.
    #[schema(value_type = Value)]
    pub payload: Json,
    /// The rule of the schema that the example breaks, with its place.
    pub broken: Option<String>,
    /// The reason why the example was not checked.
    pub unchecked: Option<String>,
}
