//! Every field, with bad values and what each is told: which field, which rule, in words.

use serde_json::{Value, json};

use super::Node;

const CHAT: &str = "/apis/default/chat-app-api/1.0";

fn chat() -> Value {
    json!({ "name": "Chat App API", "version": "1.0", "targets": ["ws://127.0.0.1:9000"] })
}

/// Sends a body with one field changed, and expects this field to be at fault.
async fn refuse(node: &Node, line: &str, good: &Value, field: &str, cases: Vec<(Value, u16, &str, &str)>) {
    for (value, status, at, rule) in cases {
        let mut body = good.clone();
        body[field] = value.clone();
        let answer = node.ask(line, &[], Some(&body)).await;
        let shown: String = value.to_string().chars().take(80).collect();
        assert_eq!(answer.status, status, "{line} {field} {shown}: {}", answer.json);
        assert!(answer.faults().contains(&(at.to_owned(), rule.to_owned())), "{line} {field} {shown}: {}", answer.json);
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains(at), "{line} {field} {shown}: {detail}");
        assert!(detail.len() < 2_000, "{detail}");
    }
}

fn no_text(field: &'static str) -> Vec<(Value, u16, &'static str, &'static str)> {
    vec![
        (json!(7), 400, field, "type"),
        (json!(true), 400, field, "type"),
        (json!(["a"]), 400, field, "type"),
        (json!({ "a": 1 }), 400, field, "type"),
    ]
}

#[tokio::test]
async fn a_name_is_refused_with_its_rule() {
    let node = Node::new();
    let mut cases = no_text("name");
    cases.extend([
        (Value::Null, 400, "name", "type"),
        (json!(""), 422, "name", "length"),
        (json!("x".repeat(61)), 422, "name", "length"),
        (json!("a/b"), 422, "name", "characters"),
        (json!("a\u{0}b"), 422, "name", "characters"),
        (json!("a\nb"), 422, "name", "characters"),
        (json!("<script>"), 422, "name", "characters"),
        (json!(" a"), 422, "name", "spaces"),
        (json!("a "), 422, "name", "spaces"),
        (json!("---"), 422, "identifier", "from-name"),
        (json!("日本"), 422, "identifier", "from-name"),
    ]);
    refuse(&node, "POST /apis", &chat(), "name", cases).await;
}

#[tokio::test]
async fn what_an_api_is_found_by_is_refused_with_its_rule() {
    let node = Node::new();
    let mut cases = no_text("version");
    cases.extend([
        (json!(""), 422, "version", "form"),
        (json!("1"), 422, "version", "form"),
        (json!("v1.0"), 422, "version", "form"),
        (json!("1.0.0"), 422, "version", "form"),
        (json!("1.-1"), 422, "version", "form"),
        (json!("1.01"), 422, "version", "leading-zero"),
        (json!("1.10000"), 422, "version", "range"),
        (json!("99999999999999999999.0"), 422, "version", "range"),
    ]);
    refuse(&node, "POST /apis", &chat(), "version", cases).await;
    for field in ["identifier", "project"] {
        let mut cases = no_text(field);
        let long = "x".repeat(61);
        for (value, rule) in [
            ("", "length"),
            (long.as_str(), "length"),
            ("Chat", "characters"),
            ("a b", "characters"),
            ("a/b", "characters"),
            ("..", "characters"),
            ("é", "characters"),
            ("-a", "hyphens"),
            ("a--b", "hyphens"),
        ] {
            cases.push((json!(value), 422, field, rule));
        }
        refuse(&node, "POST /apis", &chat(), field, cases).await;
    }
}

#[tokio::test]
async fn targets_are_refused_each_with_its_rule() {
    let node = Node::new();
    let many: Vec<String> = (0..17).map(|port| format!("ws://127.0.0.1:{}", 9000 + port)).collect();
    let cases = vec![
        (Value::Null, 400, "targets", "type"),
        (json!("ws://127.0.0.1:9000"), 400, "targets", "type"),
        (json!([7]), 400, "targets[0]", "type"),
        (json!([]), 422, "targets", "count"),
        (json!(many), 422, "targets", "count"),
        (json!([""]), 422, "targets[0]", "length"),
        (json!([format!("ws://a/{}", "x".repeat(2048))]), 422, "targets[0]", "length"),
        (json!(["ws://127.0.0.1:9000", "ws://127.0.0.1:9000"]), 422, "targets[1]", "twice"),
        (json!(["ftp://127.0.0.1"]), 422, "targets[0]", "url"),
        (json!(["127.0.0.1:9000"]), 422, "targets[0]", "url"),
        (json!(["ws://user:secret@127.0.0.1"]), 422, "targets[0]", "url"),
        (json!(["ws://127.0.0.1/?a=b"]), 422, "targets[0]", "url"),
        (json!(["ws://127.0.0.1/#a"]), 422, "targets[0]", "url"),
        (json!(["ws://127.0.0.1:99999"]), 422, "targets[0]", "url"),
        (json!(["ws://${A"]), 422, "targets[0]", "variable-open"),
        (json!(["ws://${a-b}"]), 422, "targets[0]", "variable-name"),
    ];
    refuse(&node, "POST /apis", &chat(), "targets", cases.clone()).await;
    let definition = json!({ "name": "Chat", "targets": ["ws://127.0.0.1:9000"] });
    refuse(&node, &format!("PUT {CHAT}"), &definition, "targets", cases).await;
    let secret = node.post("/apis", json!({ "name": "a", "version": "1.0", "targets": ["ws://user:hunter2@h"] })).await;
    assert!(!secret.json.to_string().contains("hunter2"), "{}", secret.json);
}

#[tokio::test]
async fn the_other_fields_of_an_api_are_refused_with_their_rules() {
    let node = Node::new();
    let mut description = no_text("description");
    description.push((json!("x".repeat(2001)), 422, "description", "length"));
    description.push((json!("a\u{7}"), 422, "description", "characters"));
    refuse(&node, "POST /apis", &chat(), "description", description).await;
    for (field, bad) in [("access", "public"), ("type", "REST")] {
        let mut cases = no_text(field);
        cases.push((json!(bad), 422, field, "one-of"));
        cases.push((json!(""), 422, field, "one-of"));
        refuse(&node, "POST /apis", &chat(), field, cases).await;
    }
    for unknown in ["id", "base_path", "lifecycle", "target", "Name"] {
        refuse(&node, "POST /apis", &chat(), unknown, vec![(json!("x"), 400, unknown, "unknown")]).await;
    }
    for missing in ["name", "version", "targets"] {
        let mut body = chat();
        body.as_object_mut().unwrap().remove(missing);
        let answer = node.post("/apis", body).await.is(400);
        assert_eq!(answer.faults(), [(missing.to_owned(), "required".to_owned())]);
    }
    // What stands in the path cannot be changed.
    let definition = json!({ "name": "Chat", "targets": ["ws://127.0.0.1:9000"] });
    for fixed in ["identifier", "project", "version"] {
        let cases = vec![(json!("x"), 400, fixed, "unknown")];
        refuse(&node, &format!("PUT {CHAT}"), &definition, fixed, cases).await;
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let node = Node::new();
    let bad = json!({
        "name": "", "version": "x", "targets": ["ftp://a", "ws://b", "nothing"], "identifier": "A", "project": "-",
        "access": "x", "type": "y", "description": "x".repeat(2001),
    });
    let faults = node.post("/apis", bad).await.is(422).faults();
    let fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
    for field in
        ["name", "version", "targets[0]", "targets[2]", "identifier", "project", "access", "type", "description"]
    {
        assert!(fields.contains(&field), "{field} is missing in {fields:?}");
    }
    assert!(!fields.contains(&"targets[1]"), "{fields:?}");
}

#[tokio::test]
async fn fields_of_deployments_and_lifecycles_are_refused_with_their_rules() {
    let node = Node::new();
    node.post("/apis", chat()).await.is(201);
    let deploy = format!("PUT {CHAT}/deployments/development");
    refuse(
        &node,
        &deploy,
        &json!({}),
        "revision",
        vec![
            (json!("1"), 400, "revision", "type"),
            (json!(-1), 400, "revision", "value"),
            (json!(1.5), 400, "revision", "type"),
            (json!(0), 422, "revision", "exists"),
            (json!(7), 422, "revision", "exists"),
            (json!(u64::MAX), 422, "revision", "exists"),
        ],
    )
    .await;
    refuse(
        &node,
        &deploy,
        &json!({}),
        "targets",
        vec![
            (json!("x"), 400, "targets", "type"),
            (json!(["x"]), 422, "targets[0]", "url"),
            (json!(["ws://${NOBODY}"]), 422, "targets[0]", "variable-missing"),
        ],
    )
    .await;
    node.put(&format!("{CHAT}/deployments/development"), json!({})).await.is(201);
    let promote = format!("POST {CHAT}/promote");
    let promotion = json!({ "from": "development", "to": "production" });
    refuse(&node, &promote, &promotion, "targets", vec![(json!(["x"]), 422, "targets[0]", "url")]).await;
    refuse(&node, &promote, &promotion, "from", no_text("from")).await;
    for (body, status, code) in [
        (json!({ "from": "production", "to": "development" }), 409, "promotion-order"),
        (json!({ "from": "nowhere", "to": "production" }), 422, "fields-invalid"),
        (json!({ "from": "development", "to": "nowhere" }), 422, "fields-invalid"),
    ] {
        assert_eq!(node.post(&format!("{CHAT}/promote"), body).await.is(status).code(), code);
    }
    let rollback = format!("POST {CHAT}/deployments/development/rollback");
    refuse(
        &node,
        &rollback,
        &json!({ "revision": 1 }),
        "revision",
        vec![(Value::Null, 400, "revision", "type"), (json!(9), 422, "revision", "exists")],
    )
    .await;
    let lifecycle = format!("PUT {CHAT}/lifecycle");
    let publish = json!({ "state": "Published" });
    let mut states = no_text("state");
    states.push((json!("live"), 422, "state", "one-of"));
    refuse(&node, &lifecycle, &publish, "state", states).await;
    refuse(&node, &lifecycle, &publish, "display_name", vec![(json!(""), 422, "display_name", "length")]).await;
    refuse(&node, &lifecycle, &publish, "sunset_at", vec![(json!("2100-01-01T00:00:00Z"), 422, "sunset_at", "state")])
        .await;
    refuse(
        &node,
        &lifecycle,
        &publish,
        "production_targets",
        vec![(json!(["x"]), 422, "production_targets[0]", "url"), (json!([]), 422, "production_targets", "count")],
    )
    .await;
    let deprecate = json!({ "state": "Deprecated" });
    refuse(
        &node,
        &lifecycle,
        &deprecate,
        "sunset_at",
        vec![(json!("tomorrow"), 422, "sunset_at", "time"), (json!("2001-01-01T00:00:00Z"), 422, "sunset_at", "past")],
    )
    .await;
    assert_eq!(node.put(&format!("{CHAT}/lifecycle"), deprecate).await.is(409).code(), "lifecycle-not-allowed");
}

#[tokio::test]
async fn names_in_a_path_are_refused_with_their_rules() {
    let node = Node::new();
    for (path, field, rule) in [
        ("/apis/Default/chat/1.0", "project", "characters"),
        ("/apis/default/chat_app/1.0", "identifier", "characters"),
        ("/apis/default/chat/v1.0", "version", "form"),
        ("/apis/default/chat/1.0%2f", "version", "form"),
        ("/apis/default/%00/1.0", "identifier", "characters"),
        ("/projects/-", "project", "hyphens"),
    ] {
        for method in ["GET", "DELETE"] {
            let answer = node.ask(&format!("{method} {path}"), &[], None).await.is(422);
            assert_eq!(answer.faults(), [(field.to_owned(), rule.to_owned())], "{path}");
        }
    }
    assert_eq!(node.get("/apis/default/%FF/1.0").await.is(400).code(), "path-invalid");
    assert_eq!(node.get(&format!("{CHAT}/revisions/x")).await.is(400).code(), "path-invalid");
    assert_eq!(node.get(&format!("{CHAT}/revisions/-1")).await.is(400).code(), "path-invalid");
}

#[tokio::test]
async fn parameters_are_refused_with_their_rules() {
    let node = Node::new();
    let long = "x".repeat(201);
    for (path, status, field, rule) in [
        ("/apis?limit=0", 400, "limit", "range"),
        ("/apis?limit=1001", 400, "limit", "range"),
        ("/apis?limit=x", 400, "limit", "value"),
        ("/apis?limit=", 400, "limit", "value"),
        ("/apis?colour=red", 400, "colour", "unknown"),
        ("/apis?limit=1&limit=2", 400, "limit", "duplicate"),
        (&format!("/apis?q={long}"), 400, "q", "length"),
        ("/apis?lifecycle=made", 422, "lifecycle", "one-of"),
        ("/apis?project=A", 422, "project", "characters"),
        ("/apis?environment=", 422, "environment", "length"),
        ("/audit?api=chat", 422, "api", "api"),
        ("/audit?since=yesterday", 422, "since", "time"),
        ("/connections?client=localhost", 422, "client", "address"),
        ("/connections?api=a:1", 422, "api", "api"),
        ("/connections?environment=A", 422, "environment", "characters"),
        ("/snapshot?limit=0", 400, "limit", "range"),
    ] {
        let answer = node.get(path).await.is(status);
        assert_eq!(answer.faults(), [(field.to_owned(), rule.to_owned())], "{path}: {}", answer.json);
    }
    for path in ["/connections?cursor=x", "/snapshot?cursor=x", "/audit?cursor=x", "/projects?cursor=x"] {
        assert_eq!(node.get(path).await.is(400).code(), "cursor-invalid", "{path}");
    }
    refuse(
        &node,
        "POST /connections/close",
        &json!({}),
        "environment",
        vec![(json!("A"), 422, "environment", "characters")],
    )
    .await;
    refuse(&node, "POST /connections/close", &json!({}), "api", vec![(json!("a"), 422, "api", "api")]).await;
    assert_eq!(node.post("/connections/close", json!({})).await.is(422).faults(), [("api".into(), "required".into())]);
    assert_eq!(node.put("/projects/a", json!({ "description": 7 })).await.is(400).code(), "json-shape");
}
