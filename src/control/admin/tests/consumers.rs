//! Plans, applications, subscriptions and keys over HTTP.

use serde_json::{Value, json};

use super::Node;

const APP: &str = "/applications/acme/mobile";
const SUBSCRIPTION: &str = "/applications/acme/mobile/subscriptions/default/chat-app-api/1";

/// A node with an API and an application.
async fn node() -> Node {
    let node = Node::new();
    let chat = json!({ "name": "Chat App API", "version": "1.0", "targets": ["ws://127.0.0.1:9000"] });
    node.post("/apis", chat).await.is(201);
    node.post("/applications", json!({ "consumer": "acme", "name": "mobile" })).await.is(201);
    node
}

#[tokio::test]
async fn an_application_subscribes_and_its_keys_are_made_rotated_and_revoked() {
    let node = node().await;
    let made = node.post("/plans", json!({ "name": "gold", "description": "For partners" })).await.is(201);
    assert_eq!(made.headers["location"], "/api/v1/plans/gold");
    let subscribed = node.put(SUBSCRIPTION, json!({ "plan": "gold" })).await.is(201);
    assert_eq!(subscribed.headers["location"], format!("/api/v1{SUBSCRIPTION}"));
    let told = &subscribed.json;
    assert_eq!(
        (&told["api"], &told["plan"], &told["open"]),
        (&json!("default/chat-app-api:1"), &json!("gold"), &json!(true))
    );
    assert!(told["warnings"][0].as_str().unwrap().contains("is Created"), "{told}");
    assert_eq!(node.put(SUBSCRIPTION, json!({ "plan": "gold" })).await.is(200).json["warnings"], json!([]));

    let key = node.post(&format!("{APP}/keys"), json!({ "environment": "production" })).await.is(201);
    let (id, secret) = (key.json["id"].as_u64().unwrap(), key.json["secret"].as_str().unwrap());
    assert_eq!(key.headers["location"], format!("/api/v1/keys/{id}"));
    assert!(secret.starts_with("rwk_") && secret.len() == 47, "{secret}");
    let shown = node.get(&format!("/keys/{id}")).await.is(200);
    assert_eq!((&shown.json["application"], &shown.json["status"]), (&json!("acme/mobile"), &json!("active")));
    assert_eq!(shown.etag(), key.etag());
    for path in ["/keys".to_owned(), format!("/keys/{id}"), APP.to_owned(), "/audit".to_owned()] {
        let text = node.get(&path).await.is(200).json.to_string();
        assert!(!text.contains(&secret[10..]) && !text.contains("secret"), "{path}: {text}");
    }

    let stale = [("if-match", "\"1-99\"")];
    let rotation = json!({ "overlap_s": 60 });
    assert_eq!(
        node.ask(&format!("POST /keys/{id}/rotate"), &stale, Some(&rotation)).await.is(412).code(),
        "condition-failed"
    );
    let tag = [("if-match", shown.etag())];
    let new = node.ask(&format!("POST /keys/{id}/rotate"), &tag, Some(&rotation)).await.is(201);
    let successor = new.json["id"].as_u64().unwrap();
    assert_ne!(new.json["secret"], json!(secret));
    assert_eq!(node.get(&format!("/keys/{id}")).await.is(200).json["replaced_by"], successor);
    assert_eq!(node.post(&format!("/keys/{id}/rotate"), json!({})).await.is(409).code(), "key-rotated");

    node.delete(&format!("/keys/{id}")).await.is(204);
    node.delete(&format!("/keys/{id}")).await.is(204);
    assert_eq!(node.get(&format!("/keys/{id}")).await.is(404).code(), "key-not-found");
    assert_eq!(node.get("/keys?application=acme/mobile").await.is(200).json["items"].as_array().unwrap().len(), 1);
    assert_eq!(node.get(APP).await.is(200).json["keys"], 1);

    assert_eq!(node.delete("/plans/gold").await.is(409).code(), "plan-in-use");
    node.delete(APP).await.is(204);
    assert_eq!(node.get(&format!("/keys/{successor}")).await.is(404).code(), "key-not-found");
    node.delete("/plans/gold").await.is(204);
}

#[tokio::test]
async fn of_two_operators_the_second_is_refused() {
    let node = node().await;
    for (path, one, other) in [
        (APP, json!({ "description": "one" }), json!({ "status": "blocked" })),
        ("/plans/gold", json!({ "description": "one" }), json!({ "status": "blocked" })),
    ] {
        node.put(path, json!({})).await;
        let tag = node.get(path).await.is(200).etag().to_owned();
        node.ask(&format!("PUT {path}"), &[("if-match", &tag)], Some(&one)).await.is(200);
        let refused = node.ask(&format!("PUT {path}"), &[("if-match", &tag)], Some(&other)).await.is(412);
        assert_eq!(refused.code(), "condition-failed");
        node.ask(&format!("DELETE {path}"), &[("if-match", &tag)], None).await.is(412);
        assert_eq!(node.get(path).await.is(200).json["description"], "one");
    }
    // A subscription is a change of its application.
    let tag = node.get(APP).await.is(200).etag().to_owned();
    let subscribed = node.ask(&format!("PUT {SUBSCRIPTION}"), &[("if-match", &tag)], Some(&json!({}))).await.is(201);
    assert_eq!(subscribed.etag(), node.get(APP).await.etag());
    node.ask(&format!("PUT {SUBSCRIPTION}"), &[("if-match", &tag)], Some(&json!({ "status": "blocked" })))
        .await
        .is(412);
    node.ask(&format!("DELETE {SUBSCRIPTION}"), &[("if-match", &tag)], None).await.is(412);
    node.delete(SUBSCRIPTION).await.is(204);
    node.delete(SUBSCRIPTION).await.is(204);
    assert_eq!(node.get(SUBSCRIPTION).await.is(404).code(), "subscription-not-found");
    node.ask(&format!("PUT {APP}"), &[("if-none-match", "*")], Some(&json!({}))).await.is(412);
}

#[tokio::test]
async fn every_field_is_refused_with_its_rule() {
    let node = node().await;
    let app = |field: &str, value: Value| {
        let mut body = json!({ "consumer": "acme", "name": "other" });
        body[field] = value;
        body
    };
    for (line, body, status, field, rule) in [
        ("POST /applications", app("consumer", json!("a\u{0}b")), 422, "consumer", "characters"),
        ("POST /applications", app("consumer", json!("ringway")), 422, "consumer", "reserved"),
        ("POST /applications", app("consumer", json!(7)), 400, "consumer", "type"),
        ("POST /applications", app("name", json!("a/b")), 422, "name", "characters"),
        ("POST /applications", app("name", json!("")), 422, "name", "length"),
        ("POST /applications", app("description", json!("\u{1b}[2J")), 422, "description", "characters"),
        ("POST /applications", app("status", json!("off")), 422, "status", "one-of"),
        ("POST /applications", app("keys", json!([])), 400, "keys", "unknown"),
        ("POST /plans", json!({ "name": "Gold" }), 422, "name", "characters"),
        ("PUT /plans/Gold", json!({}), 422, "plan", "characters"),
        ("PUT /plans/gold", json!({ "name": "gold" }), 400, "name", "unknown"),
        ("PUT /applications/acme/A", json!({}), 422, "application", "characters"),
        ("PUT /applications/ringway/a", json!({}), 422, "consumer", "reserved"),
        ("PUT /applications/acme/mobile/subscriptions/default/chat/x", json!({}), 422, "major", "form"),
        ("PUT /applications/acme/mobile/subscriptions/default/chat/99999", json!({}), 422, "major", "range"),
        ("PUT /applications/acme/mobile/subscriptions/default/chat/1", json!({ "plan": "" }), 422, "plan", "length"),
        ("POST /applications/acme/mobile/keys", json!({}), 400, "environment", "required"),
        ("POST /applications/acme/mobile/keys", json!({ "environment": "A" }), 422, "environment", "characters"),
        (
            "POST /applications/acme/mobile/keys",
            json!({ "environment": "production", "expires_at": "2001-01-01T00:00:00Z" }),
            422,
            "expires_at",
            "past",
        ),
        (
            "POST /applications/acme/mobile/keys",
            json!({ "environment": "production", "name": "a\nb" }),
            422,
            "name",
            "characters",
        ),
        ("POST /keys/1/rotate", json!({ "overlap_s": 7_776_001 }), 422, "overlap_s", "range"),
        ("POST /keys/1/rotate", json!({ "overlap_s": -1 }), 400, "overlap_s", "value"),
    ] {
        let answer = node.ask(line, &[], Some(&body)).await;
        assert_eq!(answer.status, status, "{line} {body}: {}", answer.json);
        assert_eq!(answer.faults(), [(field.to_owned(), rule.to_owned())], "{line} {body}: {}", answer.json);
    }
    for (path, status, code) in [
        ("/keys/0", 404, "key-not-found"),
        ("/keys/18446744073709551615", 404, "key-not-found"),
        ("/keys/x", 400, "path-invalid"),
        ("/keys?application=acme", 422, "fields-invalid"),
        ("/keys?application=acme/none", 422, "fields-invalid"),
        ("/keys?environment=moon", 422, "fields-invalid"),
        ("/keys?cursor=x", 400, "cursor-invalid"),
        ("/applications?api=chat", 422, "fields-invalid"),
        ("/applications?plan=none", 422, "fields-invalid"),
        ("/applications?consumer=nobody", 200, ""),
        ("/applications/acme/none/subscriptions", 404, "application-not-found"),
        ("/plans/none", 404, "plan-not-found"),
    ] {
        let answer = node.get(path).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{path}: {}", answer.json);
    }
}
