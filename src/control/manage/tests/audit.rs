//! The audit: what each change leaves in it, in order and without gaps.

use serde_json::{Value, json};

use super::{Node, called, key, me, of};
use crate::api::{Action, Actor, ApiKey, AuditEntry, Condition, PageRequest};
use crate::control::manage::{AuditFilter, NodeChange};

async fn entries(node: &Node, filter: AuditFilter) -> Vec<AuditEntry> {
    node.manager.audit(filter, PageRequest { limit: 1000, cursor: None }).await.unwrap().items
}

fn chat() -> ApiKey {
    key("default/chat:1.0")
}

#[tokio::test]
async fn each_change_tells_what_was_and_what_is() {
    let node = Node::new();
    let manager = &node.manager;
    node.create("Chat").await;
    node.deploy(&chat(), "development", json!({})).await.unwrap();
    let changed = of(json!({"name": "Chat", "targets": ["ws://b"]}));
    manager.put_api(me(), chat(), changed, Condition::Always).await.unwrap();
    node.deploy(&chat(), "development", json!({"targets": ["ws://own"]})).await.unwrap();
    node.lifecycle(&chat(), "Published").await;
    manager.undeploy(me(), &chat(), "development", Condition::Always).await.unwrap();
    let told: Vec<(&str, Option<Value>, Option<Value>)> = entries(&node, AuditFilter::default())
        .await
        .into_iter()
        .rev()
        .skip(1)
        .map(|entry| (entry.action.as_str(), entry.before, entry.after))
        .collect();
    let api = |target: &str| {
        json!({"name": "Chat", "description": "", "access": "external", "targets": [target], "type": "WebSocket",
            "policies": {}, "contract": null, "lifecycle": "Created"})
    };
    let deployment = |revision: u64, own: Option<&str>, target: &str| {
        json!({"environment": "development", "revision": revision, "targets": own.map(|own| vec![own]),
            "effective_targets": [target], "status": "running"})
    };
    let life = |state: &str, name: Option<&str>| json!({"lifecycle": state, "display_name": name, "deprecated_at": null, "sunset_at": null});
    let first = deployment(1, None, "ws://a:9000");
    let second = deployment(2, Some("ws://own"), "ws://own");
    assert_eq!(
        told,
        [
            ("api.create", None, Some(api("ws://a:9000"))),
            ("api.deploy", None, Some(first.clone())),
            ("api.update", Some(api("ws://a:9000")), Some(api("ws://b"))),
            ("api.deploy", Some(first), Some(second.clone())),
            ("api.lifecycle", Some(life("Created", None)), Some(life("Published", Some("Chat")))),
            ("api.undeploy", Some(second), None),
        ]
    );
}

#[tokio::test]
async fn what_is_deleted_or_retired_is_told_with_where_it_was() {
    let node = Node::new();
    for state in [&["Published", "Deprecated", "Retired"][..], &[]] {
        node.create("Chat").await;
        node.deploy(&chat(), "staging", json!({})).await.unwrap();
        for state in state {
            node.lifecycle(&chat(), state).await;
        }
    }
    node.manager.delete_api(me(), &chat(), Condition::Always).await.unwrap();
    let told: Vec<_> = entries(&node, AuditFilter::default()).await.into_iter().take(6).collect();
    let deployed = |entry: &AuditEntry| {
        let before = entry.before.as_ref().unwrap();
        before["deployments"].as_array().unwrap().iter().map(|row| row["environment"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((told[0].action, deployed(&told[0])), (Action::ApiDelete, vec![]), "the one that was retired");
    assert_eq!((told[1].action, deployed(&told[1])), (Action::ApiDelete, vec![json!("staging")]));
    let retired = entries(&node, AuditFilter::default())
        .await
        .into_iter()
        .find(|entry| entry.after.as_ref().is_some_and(|after| after["lifecycle"] == "Retired"));
    assert_eq!(deployed(&retired.unwrap()), [json!("staging")]);
}

#[tokio::test]
async fn the_audit_is_filtered_and_comes_in_pages() {
    let node = Node::new();
    for name in ["Chat", "Talk"] {
        node.create(name).await;
        node.deploy(&key(&format!("default/{}:1.0", name.to_lowercase())), "development", json!({})).await.unwrap();
    }
    let node_itself = Actor::node();
    let note = NodeChange::NoteClosing { subject: "connection 7".to_owned(), closing: 1 };
    let closed = node.manager.change_node(&node_itself, note);
    closed.await.unwrap();
    let all = entries(&node, AuditFilter::default()).await;
    let ids: Vec<u64> = all.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [6, 5, 4, 3, 2, 1]);
    assert_eq!((all[0].who.as_str(), all[0].subject.as_str()), ("ringway", "connection 7"));
    let of_chat = entries(&node, AuditFilter { api: Some(chat()), since: None }).await;
    assert_eq!(of_chat.iter().map(|entry| entry.id).collect::<Vec<_>>(), [3, 2]);
    let since = entries(&node, AuditFilter { api: None, since: Some(all[3].at) }).await;
    assert!(since.len() >= 4 && since.iter().all(|entry| entry.at >= all[3].at));
    let future = AuditFilter { api: None, since: Some("2999-01-01T00:00:00Z".parse().unwrap()) };
    assert_eq!(entries(&node, future).await, []);
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let page = node.manager.audit(AuditFilter::default(), PageRequest { limit: 4, cursor }).await.unwrap();
        found.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, all);
}

#[tokio::test]
async fn refused_and_concurrent_changes_leave_no_gap() {
    let node = Node::new();
    let one = async |name: &str| {
        for round in 0..20 {
            let version = format!("1.{}", round / 2);
            // Every second one is there already.
            let new = json!({"name": name, "version": version, "targets": ["ws://a"]});
            let made = node.manager.create_api(&called(name), of(new)).await;
            assert_eq!(made.is_ok(), round % 2 == 0);
        }
    };
    tokio::join!(one("a"), one("b"), one("c"));
    let all = entries(&node, AuditFilter::default()).await;
    let ids: Vec<u64> = all.iter().rev().map(|entry| entry.id).collect();
    assert_eq!(ids, (1..=31).collect::<Vec<_>>());
    assert!(all.is_sorted_by(|newer, older| newer.at >= older.at));
    for who in ["a", "b", "c"] {
        let own: Vec<_> =
            all.iter().rev().filter(|entry| entry.who == who && entry.action == Action::ApiCreate).collect();
        let subjects: Vec<_> = own.iter().map(|entry| entry.subject.clone()).collect();
        let in_order: Vec<_> = (0..10).map(|minor| format!("default/{who}:1.{minor}")).collect();
        assert_eq!(subjects, in_order);
    }
}
