//! Projects and APIs: made, found, listed, changed, deleted.

use serde_json::json;

use super::{Node, key, me, of, word};
use crate::api::{Condition, ETag, Lifecycle, PageRequest, ProjectName};
use crate::control::manage::ApiFilter;

#[tokio::test]
async fn an_api_is_made_with_its_project_and_found() {
    let node = Node::new();
    let new = json!({"name": "Chat App API", "version": "1.0", "targets": ["ws://a"], "project": "social"});
    let made = node.manager.create_api(me(), of(new)).await.unwrap();
    let found = node.manager.api(&key("social/chat-app-api:1.0")).await.unwrap();
    assert_eq!(made, found);
    let mut shown = serde_json::to_value(&found.value).unwrap();
    for time in ["created_at", "updated_at"] {
        let text = shown[time].take();
        assert!(text.as_str().unwrap().ends_with('Z'), "{text}");
    }
    let whole = json!({
        "id": 1, "project": "social", "identifier": "chat-app-api", "version": "1.0", "name": "Chat App API",
        "display_name": null, "description": "", "type": "WebSocket", "base_path": "/social/chat-app-api/v1.0",
        "access": "external", "targets": ["ws://a"], "policies": {}, "contract": null, "lifecycle": "Created", "deprecated_at": null, "sunset_at": null,
        "created_at": null, "created_by": "me", "updated_at": null, "updated_by": "me", "latest_revision": null,
        "deployments": []
    });
    assert_eq!(shown, whole);
    assert_eq!(found.etag, ETag { id: 1, generation: 1 });
    let project = node.manager.project(&"social".parse().unwrap()).await.unwrap().value;
    assert_eq!((project.apis, project.created_by.as_str()), (1, "me"));
    assert_eq!(node.audit().await, ["me project.create social", "me api.create social/chat-app-api:1.0"]);
}

#[tokio::test]
async fn what_is_stored_is_there_after_a_restart() {
    let node = Node::new();
    let made = node.create("Chat").await;
    node.deploy(&key("default/chat:1.0"), "development", json!({})).await.unwrap();
    let before = node.api(&key("default/chat:1.0")).await;
    let audit = node.audit().await;
    let node = node.restart();
    let after = node.api(&key("default/chat:1.0")).await;
    assert_eq!(after, before);
    assert_eq!(after.created_at, made.created_at);
    assert_eq!(node.audit().await, audit);
    assert_eq!(node.fake.in_force(), ["default/chat:1.0 @development #1 ws://a:9000 Created"]);
}

#[tokio::test]
async fn two_apis_never_have_one_key() {
    let node = Node::new();
    node.create("Chat").await;
    let new = |version: &str| of(json!({"name": "CHAT", "version": version, "targets": ["ws://b"]}));
    let refused = node.manager.create_api(me(), new("1.0")).await.unwrap_err();
    assert_eq!((refused.code.status, refused.code.word), (409, "api-exists"));
    assert!(refused.detail.contains("default/chat:1.0") && refused.detail.contains("\"Chat\""), "{refused}");
    node.manager.create_api(me(), new("1.1")).await.unwrap();
    let elsewhere = json!({"name": "Chat", "version": "1.0", "targets": ["ws://b"], "project": "other"});
    node.manager.create_api(me(), of(elsewhere)).await.unwrap();
    let all = ["default/chat:1.0 Created", "default/chat:1.1 Created", "other/chat:1.0 Created"];
    assert_eq!(node.listed(ApiFilter::default()).await, all);
}

#[tokio::test]
async fn a_definition_is_put_as_often_as_one_likes() {
    let node = Node::new();
    let chat = key("default/chat:1.0");
    let definition = |name: &str| of(json!({"name": name, "targets": ["ws://a"]}));
    let put = node.manager.put_api(me(), chat.clone(), definition("Chat"), Condition::Always).await.unwrap();
    assert!(put.is_new);
    let again = node.manager.put_api(me(), chat.clone(), definition("Chat"), Condition::Always).await.unwrap();
    assert!(!again.is_new);
    assert_eq!((again.etag, &again.value), (put.etag, &put.value));
    let other = node.manager.put_api(me(), chat.clone(), definition("Talk"), Condition::Always).await.unwrap();
    assert_eq!(other.value.definition.name.as_str(), "Talk");
    assert_ne!(other.etag, put.etag);
    let audit = node.audit().await;
    assert_eq!(audit[1..], ["me api.create default/chat:1.0", "me api.update default/chat:1.0"]);
}

#[tokio::test]
async fn who_has_seen_an_older_state_changes_nothing() {
    let node = Node::new();
    node.create("Chat").await;
    let chat = key("default/chat:1.0");
    let first = node.manager.api(&chat).await.unwrap().etag;
    node.deploy(&chat, "development", json!({})).await.unwrap();
    let now = node.manager.api(&chat).await.unwrap().etag;
    assert_ne!(first, now, "where it is deployed is part of what is shown");
    let stale = || Condition::Matches(vec![first]);
    let manager = &node.manager;
    let definition = || of(json!({"name": "Talk", "targets": ["ws://b"]}));
    for refused in [
        word(manager.put_api(me(), chat.clone(), definition(), stale()).await),
        word(manager.put_api(me(), chat.clone(), definition(), Condition::Missing).await),
        word(manager.put_api(me(), key("default/new:1.0"), definition(), Condition::Exists).await),
        word(manager.put_api(me(), key("default/new:1.0"), definition(), stale()).await),
        word(manager.delete_api(me(), &chat, stale()).await),
        word(manager.deploy(me(), &chat, "staging", of(json!({})), stale()).await),
        word(manager.undeploy(me(), &chat, "development", stale()).await),
        word(manager.stop(me(), &chat, "development", stale()).await),
        word(manager.start_again(me(), &chat, "development", stale()).await),
        word(manager.rollback(me(), &chat, "development", of(json!({"revision": 1})), stale()).await),
        word(manager.promote(me(), &chat, of(json!({"from": "development", "to": "staging"})), stale()).await),
        word(manager.set_lifecycle(me(), &chat, of(json!({"state": "Published"})), stale()).await),
        word(manager.delete_api(me(), &key("default/new:1.0"), Condition::Exists).await),
        word(manager.undeploy(me(), &key("default/new:1.0"), "development", Condition::Exists).await),
    ] {
        assert_eq!(refused, "condition-failed");
    }
    assert_eq!(manager.api(&chat).await.unwrap().etag, now);
    assert_eq!(node.audit().await.len(), 3);
    manager.put_api(me(), chat, definition(), Condition::Matches(vec![now])).await.unwrap();
}

#[tokio::test]
async fn an_api_that_is_deleted_is_deployed_nowhere() {
    let node = Node::new();
    node.create("Chat").await;
    node.create("Talk").await;
    let chat = key("default/chat:1.0");
    for environment in ["development", "production"] {
        node.deploy(&chat, environment, json!({})).await.unwrap();
    }
    node.deploy(&key("default/talk:1.0"), "development", json!({})).await.unwrap();
    node.manager.delete_api(me(), &chat, Condition::Always).await.unwrap();
    assert_eq!(node.fake.in_force(), ["default/talk:1.0 @development #1 ws://a:9000 Created"]);
    assert_eq!(word(node.manager.api(&chat).await), "api-not-found");
    // A second time there is nothing to do.
    let entries = node.audit().await.len();
    node.manager.delete_api(me(), &chat, Condition::Always).await.unwrap();
    assert_eq!(node.audit().await.len(), entries);
    // One that is made anew shares nothing with the first.
    let anew = node.create("Chat").await;
    assert_eq!((anew.id, anew.latest_revision, anew.deployments.len()), (3, None, 0));
}

#[tokio::test]
async fn a_retired_api_leaves_its_key_to_a_new_one() {
    let node = Node::new();
    node.create("Chat").await;
    let chat = key("default/chat:1.0");
    for state in ["Published", "Deprecated", "Retired"] {
        node.lifecycle(&chat, state).await;
    }
    assert_eq!(node.api(&chat).await.lifecycle, Lifecycle::Retired);
    assert_eq!(word(node.deploy(&chat, "development", json!({})).await), "api-retired");
    let put = of(json!({"name": "Chat", "targets": ["ws://a"]}));
    let anew = node.manager.put_api(me(), chat.clone(), put, Condition::Missing).await.unwrap();
    assert!(anew.is_new);
    assert_eq!(node.api(&chat).await.id, 2, "the key names the one that is not retired");
    assert_eq!(node.listed(ApiFilter::default()).await, ["default/chat:1.0 Retired", "default/chat:1.0 Created"]);
    node.manager.delete_api(me(), &chat, Condition::Always).await.unwrap();
    assert_eq!(word(node.manager.api(&chat).await), "api-not-found");
    assert_eq!(node.listed(ApiFilter::default()).await, [""; 0]);
}

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages() {
    let node = Node::new();
    for (project, name, version) in [
        ("b", "Chat", "1.10"),
        ("a", "Voice", "1.0"),
        ("a", "Chat", "10.0"),
        ("a", "Chat", "9.0"),
        ("b", "Chat", "1.9"),
    ] {
        let new = json!({"name": name, "version": version, "project": project, "targets": ["ws://a"],
            "description": format!("100% of {project}_")});
        node.manager.create_api(me(), of(new)).await.unwrap();
    }
    let all = [
        "a/chat:9.0 Created",
        "a/chat:10.0 Created",
        "a/voice:1.0 Created",
        "b/chat:1.9 Created",
        "b/chat:1.10 Created",
    ];
    assert_eq!(node.listed(ApiFilter::default()).await, all);
    for limit in 1..=6 {
        let mut found = Vec::new();
        let mut cursor = None;
        loop {
            let page = node.manager.apis(ApiFilter::default(), PageRequest { limit, cursor }).await.unwrap();
            assert!(page.items.len() <= usize::from(limit));
            found.extend(
                page.items.iter().map(|api| format!("{}/{}:{} Created", api.project, api.identifier, api.version)),
            );
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, all, "{limit} at a time");
    }
    node.deploy(&key("b/chat:1.9"), "development", json!({})).await.unwrap();
    node.lifecycle(&key("a/voice:1.0"), "Published").await;
    let text = |text: &str| ApiFilter { text: Some(text.to_owned()), ..ApiFilter::default() };
    let of_project = |name: &str| ApiFilter { project: Some(name.parse().unwrap()), ..ApiFilter::default() };
    assert_eq!(node.listed(of_project("b")).await, all[3..]);
    assert_eq!(node.listed(of_project("c")).await, [""; 0]);
    assert_eq!(node.listed(text("VOI")).await, ["a/voice:1.0 Published"]);
    assert_eq!(node.listed(text("100% of b_")).await, all[3..]);
    assert_eq!(node.listed(text("_%")).await, [""; 0]);
    let deployed = ApiFilter { environment: Some("development".to_owned()), ..text("chat") };
    assert_eq!(node.listed(deployed).await, ["b/chat:1.9 Created"]);
    let published = ApiFilter { lifecycle: Some(Lifecycle::Published), ..ApiFilter::default() };
    assert_eq!(node.listed(published).await, ["a/voice:1.0 Published"]);
    let strange = PageRequest { limit: 10, cursor: Some("x".to_owned()) };
    assert_eq!(word(node.manager.apis(ApiFilter::default(), strange).await), "cursor-invalid");
}

#[tokio::test]
async fn a_project_with_apis_is_not_deleted() {
    let node = Node::new();
    node.create("Chat").await;
    let name: ProjectName = "default".parse().unwrap();
    let refused = node.manager.delete_project(me(), &name, Condition::Always).await.unwrap_err();
    assert_eq!(refused.code.word, "project-not-empty");
    node.manager.delete_api(me(), &key("default/chat:1.0"), Condition::Always).await.unwrap();
    node.manager.delete_project(me(), &name, Condition::Always).await.unwrap();
    node.manager.delete_project(me(), &name, Condition::Always).await.unwrap();
    assert_eq!(word(node.manager.project(&name).await), "project-not-found");
}

#[tokio::test]
async fn a_project_is_put_with_a_description() {
    let node = Node::new();
    let name: ProjectName = "social".parse().unwrap();
    let put = |text: &str, condition| {
        node.manager.put_project(me(), name.clone(), of(json!({ "description": text })), condition)
    };
    let first = put("Chat.", Condition::Missing).await.unwrap();
    assert!(first.is_new);
    assert_eq!(put("Chat.", Condition::Always).await.unwrap().etag, first.etag);
    let second = put("Talk.", Condition::Matches(vec![first.etag])).await.unwrap();
    assert_eq!(second.value.description.as_str(), "Talk.");
    assert_eq!(word(put("x", Condition::Matches(vec![first.etag])).await), "condition-failed");
    assert_eq!(word(put("x", Condition::Missing).await), "condition-failed");
    assert_eq!(word(put("\u{0}", Condition::Always).await), "fields-invalid");
    assert_eq!(node.audit().await, ["me project.create social", "me project.update social"]);
    let others = node.manager.put_project(me(), "another".parse().unwrap(), of(json!({})), Condition::Always);
    others.await.unwrap();
    let page = node.manager.projects(PageRequest { limit: 1, cursor: None }).await.unwrap();
    assert_eq!(page.items[0].name.as_str(), "another");
    let page = node.manager.projects(PageRequest { limit: 1, cursor: page.next }).await.unwrap();
    assert_eq!((page.items[0].name.as_str(), page.next), ("social", None));
}
