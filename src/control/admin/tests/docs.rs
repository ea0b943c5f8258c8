//! The documentation of an API: the model as JSON, and pages.

use serde_json::{Value, json};

use super::Node;
use super::contracts::{CHAT, FILE, upload};
use crate::contract::pages::POLICY;
use crate::control::admin::openapi;

const DOCS: &str = "/apis/default/chat/1.0/docs";

#[tokio::test]
async fn the_documentation_of_an_api_is_json_and_pages_with_the_urls_where_it_runs() {
    let node = Node::new();
    let (_, _, uploaded) = upload(&node, "?main=chat.yaml", FILE, CHAT.as_bytes()).await;
    let new = json!({ "name": "Chat", "version": "1.0", "targets": ["ws://a"], "contract": uploaded["contract"] });
    node.post("/apis", new).await.is(201);
    let nowhere = node.get(DOCS).await.is(200).json;
    assert_eq!((&nowhere["api"], &nowhere["environments"]), (&json!("Chat 1.0"), &json!([])));
    node.put("/apis/default/chat/1.0/deployments/development", json!({})).await.is(201);
    let documented = node.get(DOCS).await.is(200).json;
    let url = "ws://127.0.0.1:8081/default/chat/v1.0/rooms/{id}";
    let shown = json!({ "name": "/rooms/{id}", "path": "/rooms/{id}", "url": url, "state": "same" });
    assert_eq!(documented["environments"][0]["channels"][0], shown);
    assert_eq!(documented["contract"]["title"], "Chat");
    for (name, told) in [("index.html", "channel-1.html"), ("channel-1.html", url)] {
        let page = node.get(&format!("{DOCS}/{name}")).await.is(200);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers["content-security-policy"], POLICY.as_str());
        let text = page.json.as_str().unwrap();
        assert!(text.starts_with("<!doctype html>") && text.contains(told), "{text}");
    }
}

#[tokio::test]
async fn the_documentation_of_an_environment_is_that_of_the_revision_that_runs_there() {
    let node = Node::new();
    let (_, _, first) = upload(&node, "", FILE, CHAT.as_bytes()).await;
    let new = json!({ "name": "Chat", "version": "1.0", "targets": ["ws://a"], "contract": first["contract"] });
    node.post("/apis", new).await.is(201);
    node.put("/apis/default/chat/1.0/deployments/development", json!({})).await.is(201);
    let (_, _, second) = upload(&node, "", FILE, CHAT.replace("/rooms/{id}", "/halls/{id}").as_bytes()).await;
    let with = json!({ "name": "Chat", "targets": ["ws://a"], "contract": second["contract"] });
    node.put("/apis/default/chat/1.0", with).await.is(200);
    let definition = node.get(DOCS).await.is(200).json;
    let place = &definition["environments"][0];
    assert_eq!((&place["contract"], &place["revision"]), (&json!("other"), &json!(1)));
    assert_eq!(
        place["channels"][0],
        json!({ "name": "/halls/{id}", "path": "/halls/{id}", "url": null, "state": "missing" })
    );
    assert_eq!(place["only_there"], json!(["/rooms/{id}"]));
    let there = "/apis/default/chat/1.0/deployments/development/docs";
    let deployed = node.get(there).await.is(200).json;
    assert_eq!(deployed["api"], "Chat 1.0, revision 1 in development");
    assert_eq!(deployed["environments"][0]["channels"][0]["state"], "same");
    let page = node.get(&format!("{there}/channel-1.html")).await.is(200);
    assert!(page.json.as_str().unwrap().contains("/rooms/{id}"));
    assert_eq!(
        node.get("/apis/default/chat/1.0/deployments/production/docs").await.is(404).code(),
        "deployment-not-found"
    );
    assert_eq!(node.get("/apis/default/chat/1.0/deployments/x/docs").await.is(404).code(), "environment-not-found");
}

#[tokio::test]
async fn there_is_no_documentation_without_a_contract_and_no_page_of_another_name() {
    let node = Node::new();
    node.get(DOCS).await.is(404);
    node.post("/apis", json!({ "name": "Chat", "version": "1.0", "targets": ["ws://a"] })).await.is(201);
    for path in [DOCS.to_owned(), format!("{DOCS}/index.html")] {
        assert_eq!(node.get(&path).await.is(404).code(), "contract-not-found");
    }
    let (_, _, uploaded) = upload(&node, "", FILE, CHAT.as_bytes()).await;
    let with = json!({ "name": "Chat", "targets": ["ws://a"], "contract": uploaded["contract"] });
    node.put("/apis/default/chat/1.0", with).await.is(200);
    for name in ["channel-2.html", "channel-01.html", "x", "..%2Findex.html"] {
        assert_eq!(node.get(&format!("{DOCS}/{name}")).await.is(404).code(), "path-not-found", "{name}");
    }
}

#[tokio::test]
async fn a_process_that_fetches_nothing_says_so() {
    let node = Node::new();
    let refused = node.post("/contracts/fetch", json!({ "url": "https://a.example/x.yaml" })).await.is(403);
    assert_eq!(refused.code(), "url-not-allowed");
    node.post("/contracts/fetch", json!({ "uri": "https://a.example/x.yaml" })).await.is(400);
}

#[tokio::test]
async fn the_documentation_is_as_the_description_of_the_admin_api_says() {
    let described: Value = serde_json::from_str(&openapi::document()).unwrap();
    let schema = json!({ "$ref": "#/components/schemas/DocumentedApi", "components": described["components"] });
    let schema = jsonschema::validator_for(&schema).unwrap();
    let rich = include_str!("../../../../tests/fixtures/contracts/chat.yaml");
    let node = Node::new();
    let (_, _, old) = upload(&node, "", FILE, CHAT.as_bytes()).await;
    let new = json!({ "name": "Chat", "version": "1.0", "targets": ["ws://a"], "contract": old["contract"] });
    node.post("/apis", new).await.is(201);
    node.put("/apis/default/chat/1.0/deployments/development", json!({})).await.is(201);
    let (_, _, now) = upload(&node, "", FILE, rich.as_bytes()).await;
    let with = json!({ "name": "Chat", "targets": ["ws://a"], "contract": now["contract"] });
    node.put("/apis/default/chat/1.0", with).await.is(200);
    for path in [DOCS, "/apis/default/chat/1.0/deployments/development/docs"] {
        let shown = node.get(path).await.is(200).json;
        let faults: Vec<String> = schema.iter_errors(&shown).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{path}: {faults:#?}");
    }
    // A description that fits everything would prove nothing.
    assert!(!schema.is_valid(&json!({ "api": "Chat 1.0" })));
}
