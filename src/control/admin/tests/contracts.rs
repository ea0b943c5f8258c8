//! Contracts: uploads, and definitions that refer to them.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Node, SECRET};

pub(super) const CHAT: &str = "asyncapi: 2.6.0\ninfo: {title: Chat, version: 1.2.0}\nservers: {p: {url: 'ws://127.0.0.1:9000', protocol: ws}}\n\
    channels: {'/rooms/{id}': {parameters: {id: {schema: {type: string}}}, publish: {message: {payload: {type: string}}}}}\n";

/// Sends bytes as an upload. The status, the header `Location`, and the body.
pub(super) async fn upload(node: &Node, query: &str, kind: &str, bytes: &[u8]) -> (u16, String, Value) {
    let request = Request::post(format!("/api/v1/contracts{query}"))
        .header("host", "localhost")
        .header("authorization", format!("Bearer {SECRET}"))
        .header("content-type", kind)
        .header("content-length", bytes.len())
        .body(Body::from(bytes.to_vec()))
        .unwrap();
    let response = node.router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let location = response.headers().get("location").map_or("", |value| value.to_str().unwrap()).to_owned();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, location, serde_json::from_slice(&body).unwrap())
}

pub(super) const FILE: &str = "application/octet-stream";

#[tokio::test]
async fn an_upload_is_kept_and_a_definition_may_refer_to_it() {
    let node = Node::new();
    let (status, location, uploaded) = upload(&node, "?main=chat.yaml&perspective=server", FILE, CHAT.as_bytes()).await;
    assert_eq!(status, 201, "{uploaded}");
    let contract = &uploaded["contract"];
    assert_eq!(location, format!("/api/v1/contracts/{}", contract["digest"].as_str().unwrap()));
    assert_eq!((&contract["main"], &contract["perspective"]), (&json!("chat.yaml"), &json!("server")));
    assert_eq!(uploaded["predefined"]["target"], "ws://127.0.0.1:9000");
    assert_eq!(uploaded["predefined"]["version"]["value"], "1.2");
    assert_eq!(upload(&node, "?main=chat.yaml", "application/yaml", CHAT.as_bytes()).await.0, 200);
    let original = node.get(location.strip_prefix("/api/v1").unwrap()).await.is(200);
    assert_eq!(original.json, Value::String(CHAT.to_owned()));
    let new = json!({ "name": "Chat", "version": "1.0", "targets": ["ws://a"], "contract": contract });
    let made = node.post("/apis", new).await.is(201);
    let expected =
        json!({ "digest": contract["digest"], "main": "chat.yaml", "perspective": "server", "layout": "inferred" });
    assert_eq!(made.json["contract"], expected);
    node.put("/apis/default/chat/1.0/deployments/development", json!({})).await.is(201);
    let revision = node.get("/apis/default/chat/1.0/revisions/1").await.is(200);
    assert_eq!(revision.json["definition"]["contract"], expected);
    let without = node.put("/apis/default/chat/1.0", json!({ "name": "Chat", "targets": ["ws://a"] })).await.is(200);
    assert_eq!(without.json["contract"], Value::Null);
}

#[tokio::test]
async fn a_definition_that_refers_to_no_contract_of_the_node_is_refused() {
    let node = Node::new();
    let digest = "0".repeat(64);
    let new = json!({ "name": "Chat", "version": "1.0", "targets": ["ws://a"], "contract": { "digest": digest } });
    let refused = node.post("/apis", new.clone()).await.is(422);
    assert_eq!(refused.faults(), [("contract".to_owned(), "unknown".to_owned())]);
    assert!(refused.json["detail"].as_str().unwrap().contains("upload it first"), "{}", refused.json);
    node.get("/apis/default/chat/1.0").await.is(404);
    node.get(&format!("/contracts/{digest}")).await.is(404);
    node.get("/contracts/x").await.is(422);
    let wrong = json!({ "name": "Chat", "version": "1.0", "targets": ["ws://a"], "contract": "chat.yaml" });
    assert_eq!(node.post("/apis", wrong).await.is(422).faults(), [("contract".to_owned(), "path".to_owned())]);
    let wrong = json!({ "name": "Chat", "version": "1.0", "targets": ["ws://a"], "contract": [digest] });
    assert_eq!(node.post("/apis", wrong).await.is(400).faults(), [("contract".to_owned(), "type".to_owned())]);
}

#[tokio::test]
async fn what_blocks_routing_is_told_with_its_place() {
    let node = Node::new();
    let text = CHAT.replace("parameters", "params").replace("{id: {schema", "{ib: {schema");
    let broken = format!("{text}components: {{$ref: '#/nowhere'}}\n").replace("message: {", "message: {$ref: '#/x', ");
    let (status, _, problem) = upload(&node, "?main=a.yaml", FILE, broken.replace("2.6.0", "1.0.0").as_bytes()).await;
    assert_eq!((status, &problem["code"]), (422, &json!("contract-invalid")), "{problem}");
    let first = &problem["problems"][0];
    assert_eq!(
        (&first["level"], &first["line"], &first["file"]),
        (&json!("blocks-routing"), &json!(1), &json!("a.yaml"))
    );
    assert!(problem["detail"].as_str().unwrap().contains("a.yaml:1:"), "{problem}");
    for (query, kind, bytes, status, code) in [
        ("", FILE, &b""[..], 422, "contract-invalid"),
        ("", FILE, b"\xff\xfe\0", 422, "contract-invalid"),
        ("", FILE, b"PK\x03\x04", 422, "contract-invalid"),
        ("?layout=wide", FILE, CHAT.as_bytes(), 422, "fields-invalid"),
        ("?file=x", FILE, CHAT.as_bytes(), 400, "query-invalid"),
        ("", "text/plain", CHAT.as_bytes(), 415, "content-type"),
        ("", "application/x-www-form-urlencoded", CHAT.as_bytes(), 415, "content-type"),
        ("", FILE, &vec![b' '; (16 << 20) + 1], 413, "body-too-large"),
    ] {
        let (found, _, problem) = upload(&node, query, kind, bytes).await;
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{problem}");
    }
}
