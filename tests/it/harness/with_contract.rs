//! A node with an API that has a contract.

use serde_json::{Value, json};

use super::Upstream;
use super::node::{Node, ws};

/// A contract with a channel of each kind.
pub(crate) const CONTRACT: &str = r"
asyncapi: 2.6.0
info: { title: Chat, version: '1.0' }
channels:
  /: {}
  /rooms/{roomId}:
    parameters: { roomId: { schema: { type: string, pattern: '^[0-9]{1,6}$' } } }
  /rooms/all: {}
  /colors/{color}.json:
    parameters: { color: { schema: { type: string, enum: [red, dark blue] } } }
  /feed:
    bindings:
      ws:
        query:
          type: object
          required: [token, key]
          properties: { token: {}, key: {}, page: { type: string, pattern: '^[0-9]+$' } }
        headers:
          type: object
          required: [X-Client, Upgrade]
          properties: { X-Client: { type: string, enum: [web, app] }, Upgrade: {} }
components:
  securitySchemes:
    key: { type: httpApiKey, in: query, name: key }
";

/// Uploads a contract, and gives the reference to it.
#[track_caller]
pub(crate) fn upload(node: &Node, text: &str) -> Value {
    let kind = "Content-Type: application/octet-stream\r\n";
    let answer = node.admin.try_send_raw("POST", "/contracts", kind, text.as_bytes()).unwrap();
    assert!([200, 201].contains(&answer.status), "{}{}", answer.head, answer.text);
    answer.json["contract"].clone()
}

/// The definition of an API with a contract.
pub(crate) fn definition(upstream: &Upstream, contract: &Value) -> Value {
    json!({ "name": "Chat", "version": "1.0", "targets": [ws(upstream.address())], "contract": contract })
}

/// Makes an API with a contract and deploys it in development: its path in the admin API, and the reference.
#[track_caller]
pub(crate) fn serve(node: &Node, upstream: &Upstream, text: &str) -> (String, Value) {
    let contract = upload(node, text);
    let api = node.make_with(&definition(upstream, &contract));
    node.deploy(&api, "development");
    (api, contract)
}
