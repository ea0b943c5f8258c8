//! Several changes at once.

use serde_json::json;

use super::{Node, key, me, of, rules, word};
use crate::api::ApiKey;
use crate::control::manage::{ApiFilter, Change};

fn chat() -> ApiKey {
    key("default/chat:1.0")
}

fn put(target: &str) -> Change {
    Change::PutApi(chat(), of(json!({"name": "Chat", "targets": [target]})))
}

fn deploy(environment: &str) -> Change {
    Change::Deploy(chat(), environment.to_owned(), of(json!({})))
}

#[tokio::test]
async fn several_changes_are_in_force_together() {
    let node = Node::new();
    let before = node.fake.publications();
    let changes = vec![
        Change::PutProject("default".parse().unwrap(), of(json!({"description": "Ours."}))),
        put("ws://a"),
        deploy("development"),
        deploy("production"),
        Change::Stop(chat(), "production".to_owned()),
        Change::Lifecycle(chat(), of(json!({"state": "Published"}))),
    ];
    node.manager.apply(me(), changes.clone()).await.unwrap();
    assert_eq!(node.fake.publications(), before + 1);
    let published = [
        "default/chat:1.0 @development #1 ws://a Published",
        "default/chat:1.0 @production #1 ws://a Published stopped",
    ];
    assert_eq!(node.fake.in_force(), published);
    // Deploying runs what was stopped, and the second change of the two stops it again: shards see no difference.
    let audit = node.audit().await;
    node.manager.apply(me(), vec![put("ws://a"), deploy("development")]).await.unwrap();
    assert_eq!(node.audit().await, audit);
    let others =
        vec![Change::Start(chat(), "production".to_owned()), Change::Undeploy(chat(), "development".to_owned())];
    node.manager.apply(me(), others).await.unwrap();
    assert_eq!(node.fake.in_force(), ["default/chat:1.0 @production #1 ws://a Published"]);
    node.manager.apply(me(), vec![Change::DeleteApi(chat())]).await.unwrap();
    assert_eq!(node.fake.in_force(), [""; 0]);
}

#[tokio::test]
async fn one_that_is_refused_refuses_all() {
    let node = Node::new();
    let (publications, in_force) = (node.fake.publications(), node.fake.in_force());
    let bad = Change::PutApi(key("default/talk:1.0"), of(json!({"name": "", "targets": ["ws://a", "x"]})));
    let refused = node.manager.apply(me(), vec![put("ws://a"), deploy("development"), bad]).await;
    assert_eq!(rules(refused), ["changes[2].name: length", "changes[2].targets[1]: url"]);
    let refused = node.manager.apply(me(), vec![put("ws://a"), deploy("elsewhere")]).await.unwrap_err();
    assert_eq!(refused.code.word, "environment-not-found");
    assert!(refused.detail.starts_with("changes[1]: "), "{refused}");
    assert_eq!(node.listed(ApiFilter::default()).await, [""; 0]);
    assert_eq!(node.audit().await, [""; 0]);
    assert_eq!((node.fake.publications(), node.fake.in_force()), (publications, in_force));
    assert_eq!(
        word(node.manager.deployed().await.map(|all| assert!(all.is_empty())).and(node.manager.api(&chat()).await)),
        "api-not-found"
    );
}

#[tokio::test]
async fn there_is_a_limit_to_how_many() {
    let node = Node::new();
    let many = |count: usize| vec![put("ws://a"); count];
    assert_eq!(rules(node.manager.apply(me(), many(1001)).await), ["changes: count"]);
    node.manager.apply(me(), many(1000)).await.unwrap();
    assert_eq!(node.audit().await.len(), 2);
}
