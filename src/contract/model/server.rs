//! Servers of a contract.

use serde::Serialize;
use utoipa::ToSchema;

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractServer)]
pub struct Server {
    /// The name in the document.
    pub name: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The protocol as it is written.
    pub protocol_written: String,
    /// The URL with `{variable}`s: scheme, host, port and path. `null` if no URL can be made of the parts.
    pub url: Option<String>,
    /// The variables of the URL.
    pub variables: Vec<Variable>,
    /// The alternatives of security: names of schemes that are asked for together.
    pub security: Vec<Vec<String>>,
    /// The JSON Pointer.
    pub pointer: String,
}

impl Server {
    /// True if WebSocket connections to the server are certain, and not only possible.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        matches!(self.protocol, Protocol::Ws | Protocol::Wss)
    }
}

/// The protocol of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ContractProtocol)]
pub enum Protocol {
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// HTTP or HTTPS, with which a WebSocket may begin.
    Http,
    /// Something else, or nothing.
    Other,
}

impl Protocol {
    /// Reads a protocol, case-blind.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "ws" | "websocket" | "websockets" => Self::Ws,
            "wss" | "secure-websocket" => Self::Wss,
            "http" | "https" => Self::Http,
            _ => Self::Other,
        }
    }

    /// True if a WebSocket may begin with it.
    #[must_use]
    pub fn may_be_websocket(self) -> bool {
        self != Self::Other
    }
}

/// A variable of a server's URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractVariable)]
pub struct Variable {
    /// The name.
    pub name: String,
    /// The value without another choice: the default, else the first of `allowed`.
    pub value: Option<String>,
    /// The only values; none for any.
    pub allowed: Vec<String>,
    /// The description.
    pub description: Option<String>,
}
