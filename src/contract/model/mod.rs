//! The normalised model: one for every version of AsyncAPI, in the words of Ringway.
//!
//! In: nothing; [`super::build`] fills it. Out: plain data that serialises. Nothing here refers to the document but by JSON
//! Pointers, and nothing is nested in itself: messages and schemas are named, and a schema refers to others by
//! `#/schemas/<key>`.

pub mod channel;
pub mod message;
pub mod security;
pub mod server;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

pub use self::channel::{Channel, Direction, Operation, Parameter, Reply, Route, Use};
pub use self::message::{Correlation, Example, Format, Message, Payload};
pub use self::security::{Credential, Proposal, SecurityScheme};
pub use self::server::{Protocol, Server, Variable};
pub use crate::api::contract::Side;

/// A contract.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ContractModel)]
pub struct Model {
    /// The version of AsyncAPI, as it is written.
    pub asyncapi: String,
    /// `info.title`.
    pub title: Option<String>,
    /// `info.version`, as it is written.
    pub version: Option<String>,
    /// `info.description`.
    pub description: Option<String>,
    /// The content type of messages that name none.
    pub default_content_type: Option<String>,
    /// The side that the document is written from.
    pub perspective: Perspective,
    /// Servers in the document's order.
    pub servers: Vec<Server>,
    /// Routes below the API's base path, in the order of their first channels.
    pub routes: Vec<Route>,
    /// Channels in the document's order, those without a route among them.
    pub channels: Vec<Channel>,
    /// Messages that some channel uses, each once.
    pub messages: Vec<Message>,
    /// Schemas that some message or parameter uses, by key: the JSON Pointer in the main document as a fragment, with the file's
    /// name before it elsewhere. References between them are `#/schemas/<key>`, with the key as a pointer's step.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub schemas: BTreeMap<String, Json>,
    /// Security schemes of the document.
    pub security_schemes: Vec<SecurityScheme>,
}

impl Model {
    /// The message of an id.
    #[must_use]
    pub fn message(&self, id: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.id == id)
    }
}

/// The side that a document is written from, and why Ringway thinks so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractPerspective)]
pub struct Perspective {
    /// The side.
    pub side: Side,
    /// True if an operator chose it.
    pub is_chosen: bool,
    /// The reason, in one line.
    pub reason: String,
}
