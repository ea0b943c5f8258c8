//! Sequences of calls, and what each leaves behind for the next.

use serde_json::{Value, json};

use super::Node;

fn chat() -> Value {
    json!({ "name": "Chat App API", "version": "1.0", "targets": ["ws://127.0.0.1:9000"] })
}

const CHAT: &str = "/apis/default/chat-app-api/1.0";

#[tokio::test]
async fn an_api_is_made_deployed_promoted_published_and_deleted() {
    let node = Node::new();
    let made = node.post("/apis", chat()).await.is(201);
    assert_eq!(made.headers["location"], format!("/api/v1{CHAT}"));
    assert_eq!(made.json["base_path"], "/default/chat-app-api/v1.0");
    assert_eq!(made.json["lifecycle"], "Created");
    assert_eq!(node.get("/projects/default").await.is(200).json["apis"], 1);

    let deployed = node.put(&format!("{CHAT}/deployments/development"), json!({})).await.is(201);
    assert_eq!(deployed.headers["location"], format!("/api/v1{CHAT}/deployments/development"));
    assert_eq!(deployed.json["revision"], 1);
    assert_eq!(deployed.json["url"], "ws://127.0.0.1:8081/default/chat-app-api/v1.0");
    node.put(&format!("{CHAT}/deployments/development"), json!({})).await.is(200);
    let promotion = json!({ "from": "development", "to": "production", "targets": ["${CHAT}"] });
    let promoted = node.post(&format!("{CHAT}/promote"), promotion).await.is(201);
    assert_eq!(promoted.headers["location"], format!("/api/v1{CHAT}/deployments/production"));
    assert_eq!(promoted.json["effective_targets"], json!(["${CHAT}"]));

    let other = json!({ "state": "Published", "production_targets": ["ws://127.0.0.1:9000"] });
    assert_eq!(node.put(&format!("{CHAT}/lifecycle"), other).await.is(409).code(), "targets-differ");
    let published = node.put(&format!("{CHAT}/lifecycle"), json!({ "state": "Published" })).await.is(200);
    assert_eq!(published.json["state"], "Published");
    assert_eq!(node.get(&format!("{CHAT}/lifecycle")).await.is(200).json["history"].as_array().unwrap().len(), 1);

    let revisions = node.get(&format!("{CHAT}/revisions")).await.is(200);
    assert_eq!(revisions.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(node.get(&format!("{CHAT}/revisions/1")).await.is(200).json["number"], 1);
    assert_eq!(node.get(&format!("{CHAT}/revisions/2")).await.is(404).code(), "revision-not-found");

    let stopped = node.ask(&format!("POST {CHAT}/deployments/production/stop"), &[], None).await.is(200);
    assert_eq!(stopped.json["status"], "stopped");
    let started = node.post(&format!("{CHAT}/deployments/production/start"), json!({})).await.is(200);
    assert_eq!(started.json["status"], "running");
    node.post(&format!("{CHAT}/deployments/production/rollback"), json!({ "revision": 1 })).await.is(200);
    assert_eq!(node.get(&format!("{CHAT}/deployments")).await.is(200).json["items"].as_array().unwrap().len(), 2);

    assert_eq!(node.delete("/projects/default").await.is(409).code(), "project-not-empty");
    node.delete(&format!("{CHAT}/deployments/production")).await.is(204);
    node.delete(CHAT).await.is(204);
    assert_eq!(node.get(CHAT).await.is(404).code(), "api-not-found");
    node.delete("/projects/default").await.is(204);

    let audit = node.get("/audit?limit=1000").await.is(200);
    let actions: Vec<&str> =
        audit.json["items"].as_array().unwrap().iter().rev().map(|entry| entry["action"].as_str().unwrap()).collect();
    // Going back to the revision that runs is no change.
    let expected = [
        "project.create",
        "api.create",
        "api.deploy",
        "api.promote",
        "api.lifecycle",
        "api.stop",
        "api.start",
        "api.undeploy",
        "api.delete",
        "project.delete",
    ];
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn a_change_is_made_only_to_what_was_read() {
    let node = Node::new();
    let made = node.post("/apis", chat()).await.is(201);
    let read = node.get(CHAT).await.is(200);
    assert_eq!(read.etag(), made.etag());

    let change = json!({ "name": "Chat", "targets": ["ws://127.0.0.1:9001"] });
    let put = |etag: &str| {
        let (node, change, header) = (&node, &change, ("if-match", etag.to_owned()));
        async move { node.ask(&format!("PUT {CHAT}"), &[(header.0, &header.1)], Some(change)).await }
    };
    let changed = put(read.etag()).await.is(200);
    assert_ne!(changed.etag(), read.etag());
    assert_eq!(put(read.etag()).await.is(412).code(), "condition-failed");
    // A repetition changes nothing, and so has the same state.
    assert_eq!(put(changed.etag()).await.is(200).etag(), changed.etag());
    assert_eq!(put("W/\"1-1\"").await.is(412).code(), "condition-failed");
    put("nonsense").await.is(400);

    let only_new = [("if-none-match", "*")];
    assert_eq!(node.ask(&format!("PUT {CHAT}"), &only_new, Some(&change)).await.is(412).code(), "condition-failed");
    let other = "/apis/default/chat-app-api/2.0";
    node.ask(&format!("PUT {other}"), &only_new, Some(&change)).await.is(201);
    node.ask(&format!("PUT {other}"), &[("if-match", "*")], Some(&change)).await.is(200);
    node.ask("PUT /apis/default/chat-app-api/3.0", &[("if-match", "*")], Some(&change)).await.is(412);

    // A deployment is a change of its API.
    let before = node.get(CHAT).await.etag().to_owned();
    let deploy = format!("PUT {CHAT}/deployments/development");
    node.ask(&deploy, &[("if-match", "\"999-1\"")], Some(&json!({}))).await.is(412);
    let deployed = node.ask(&deploy, &[("if-match", &before)], Some(&json!({}))).await.is(201);
    assert_eq!(deployed.etag(), node.get(CHAT).await.etag());
    node.ask(&format!("DELETE {CHAT}"), &[("if-match", &before)], None).await.is(412);
    node.ask(&format!("DELETE {CHAT}"), &[("if-match", deployed.etag())], None).await.is(204);
    // What comes after it by its name is another.
    let again = node.post("/apis", chat()).await.is(201);
    assert_ne!(again.etag(), made.etag());
}

#[tokio::test]
async fn what_is_so_already_may_be_asked_for_again() {
    let node = Node::new();
    for (status, line, body) in [
        (201, format!("PUT {CHAT}"), Some(json!({ "name": "Chat", "targets": ["ws://127.0.0.1:9000"] }))),
        (200, format!("PUT {CHAT}"), Some(json!({ "name": "Chat", "targets": ["ws://127.0.0.1:9000"] }))),
        (201, "PUT /projects/mine".to_owned(), Some(json!({ "description": "Mine" }))),
        (200, "PUT /projects/mine".to_owned(), Some(json!({ "description": "Mine" }))),
        (201, format!("PUT {CHAT}/deployments/development"), Some(json!({}))),
        (200, format!("PUT {CHAT}/deployments/development"), Some(json!({}))),
        (200, format!("POST {CHAT}/deployments/development/stop"), None),
        (200, format!("POST {CHAT}/deployments/development/stop"), None),
        (200, format!("POST {CHAT}/deployments/development/start"), None),
        (200, format!("POST {CHAT}/deployments/development/start"), None),
        (204, format!("DELETE {CHAT}/deployments/development"), None),
        (204, format!("DELETE {CHAT}/deployments/development"), None),
        (204, format!("DELETE {CHAT}"), None),
        (204, format!("DELETE {CHAT}"), None),
        (204, "DELETE /projects/mine".to_owned(), None),
        (204, "DELETE /projects/mine".to_owned(), None),
    ] {
        let answer = node.ask(&line, &[], body.as_ref()).await;
        assert_eq!(answer.status, status, "{line}: {}", answer.json);
    }
    let entries = node.get("/audit").await.is(200).json["items"].as_array().unwrap().len();
    // One for each change, none for a repetition; the first API made its project, too.
    assert_eq!(entries, 9);
}

#[tokio::test]
async fn pages_hold_everything_once_while_others_come_and_go() {
    let node = Node::new();
    let make = |name: String| {
        let node = &node;
        let api = json!({ "name": name, "version": "1.0", "targets": ["ws://127.0.0.1:9000"] });
        async move { node.post("/apis", api).await.is(201) }
    };
    for number in (0..50).step_by(2) {
        make(format!("Api {number:04}")).await;
    }
    let (mut seen, mut next, mut page) = (Vec::new(), String::new(), 0);
    loop {
        let answer = node.get(&format!("/apis?limit=4{next}")).await.is(200);
        let items = answer.json["items"].as_array().unwrap();
        assert!(items.len() <= 4 && !items.is_empty());
        seen.extend(items.iter().map(|api| api["identifier"].as_str().unwrap().to_owned()));
        let Some(cursor) = answer.json["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
        // One that comes behind the page, one before it, and one that goes.
        make(format!("Zoo {page}")).await;
        make(format!("Aaa {page}")).await;
        if page == 2 {
            node.delete("/apis/default/api-0048/1.0").await.is(204);
        }
        page += 1;
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, seen, "in order, and none twice");
    for number in (0..48).step_by(2) {
        assert!(seen.contains(&format!("api-{number:04}")), "{number} is missing");
    }
    assert_eq!(node.get("/apis?cursor=abc").await.is(400).code(), "cursor-invalid");
    let foreign = node.get("/projects?limit=1").await.json["next"].clone();
    assert_eq!(foreign, Value::Null);
}

#[tokio::test]
async fn who_asked_is_in_the_audit() {
    let node = Node::new();
    node.ask("PUT /projects/a", &[("ringway-actor", "alice@example.com")], Some(&json!({}))).await.is(201);
    node.ask("PUT /projects/b", &[], Some(&json!({}))).await.is(201);
    let audit = node.get("/audit").await.is(200);
    let who: Vec<[&Value; 3]> = audit.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| ["who", "authenticated_by", "client_name"].map(|field| &entry[field]))
        .collect();
    let (admin, by, alice) = (json!("admin"), json!("token-file"), json!("alice@example.com"));
    assert_eq!(
        who,
        [[&admin, &by, &Value::Null], [&admin, &by, &alice]],
        "the name that a client gives itself is no proof"
    );
    assert_eq!(node.get("/projects/a").await.json["created_by"], "admin (alice@example.com)");
    let long = "x".repeat(65);
    for bad in ["", "a b", &long] {
        let answer = node.ask("PUT /projects/c", &[("ringway-actor", bad)], Some(&json!({}))).await.is(400);
        assert_eq!(answer.faults(), [("ringway-actor".to_owned(), "actor".to_owned())], "{bad}");
    }
    let none = node.get("/audit?since=2100-01-01T00:00:00Z").await.is(200);
    assert_eq!(none.json["items"], json!([]));
    assert_eq!(node.get("/audit?api=default/x:1.0").await.is(200).json["items"], json!([]));
}

#[tokio::test]
async fn what_every_resource_answers_when_there_is_nothing() {
    let node = Node::new();
    for list in ["/projects", "/apis", "/audit", "/connections"] {
        assert_eq!(node.get(list).await.is(200).json, json!({ "items": [], "next": null }), "{list}");
    }
    let environments = node.get("/environments").await.is(200).json;
    assert_eq!(environments["items"][1]["name"], "production");
    assert_eq!(environments["items"][0]["variables"], json!(["CHAT"]));
    assert_eq!(node.get("/environments/production").await.is(200).json["order"], 1);
    assert_eq!(node.get("/health").await.is(200).json["status"], "ok");
    assert_eq!(node.get("/health/live").await.is(200).json, json!({ "alive": true }));
    assert_eq!(node.get("/snapshot").await.is(200).json["deployed"], 0);
    assert_eq!(node.get("/openapi.json").await.is(200).json["openapi"], "3.1.0");
    assert!(node.get("/metrics").await.is(200).json.as_str().unwrap().contains("ringway_shard_up{shard=\"1\"} 1"));
    for (line, code) in [
        ("GET /projects/none", "project-not-found"),
        (&format!("GET {CHAT}"), "api-not-found"),
        (&format!("GET {CHAT}/revisions"), "api-not-found"),
        (&format!("GET {CHAT}/revisions/1"), "api-not-found"),
        (&format!("GET {CHAT}/revisions/18446744073709551615"), "api-not-found"),
        (&format!("GET {CHAT}/deployments"), "api-not-found"),
        (&format!("GET {CHAT}/deployments/development"), "api-not-found"),
        (&format!("GET {CHAT}/lifecycle"), "api-not-found"),
        (&format!("POST {CHAT}/deployments/development/stop"), "api-not-found"),
        ("GET /environments/none", "environment-not-found"),
        ("DELETE /connections/0-1", "connection-not-found"),
        ("DELETE /connections/x", "connection-not-found"),
        ("GET /nothing", "path-not-found"),
        ("GET /apis/default", "path-not-found"),
    ] {
        assert_eq!(node.ask(line, &[], None).await.is(404).code(), code, "{line}");
    }
    let allowed = node.ask("PATCH /apis", &[], None).await.is(405);
    assert_eq!(allowed.headers["allow"], "GET,HEAD,POST");
    assert_eq!(
        node.post("/connections/close", json!({ "environment": "development" })).await.is(200).json,
        json!({ "closing": 0 })
    );
}
