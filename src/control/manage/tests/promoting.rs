//! Promotion: what one environment has, in the next.

use serde_json::{Value, json};

use super::{Node, key, me, of, rules, word};
use crate::api::etag::Put;
use crate::api::{Condition, Deployment, Problems};

async fn promote(node: &Node, promotion: Value) -> Result<Put<Deployment>, Problems> {
    node.manager.promote(me(), &key("default/chat:1.0"), of(promotion), Condition::Always).await
}

/// The chat, with revision 1 in development, and a definition that has changed since.
async fn prepared() -> Node {
    let node = Node::new();
    node.create("Chat").await;
    let chat = key("default/chat:1.0");
    node.deploy(&chat, "development", json!({})).await.unwrap();
    let changed = of(json!({"name": "Chat", "targets": ["ws://changed"]}));
    node.manager.put_api(me(), chat, changed, Condition::Always).await.unwrap();
    node
}

#[tokio::test]
async fn what_runs_in_one_environment_runs_in_the_next() {
    let node = prepared().await;
    let put = promote(&node, json!({"from": "development", "to": "staging"})).await.unwrap();
    assert!(put.is_new);
    assert_eq!((put.value.revision, put.value.targets), (1, None));
    let runs = |environment: &str| format!("default/chat:1.0 @{environment} #1 ws://a:9000 Created");
    assert_eq!(node.fake.in_force(), [runs("development"), runs("staging")]);
    assert!(!promote(&node, json!({"from": "development", "to": "staging"})).await.unwrap().is_new);
    assert!(promote(&node, json!({"from": "staging", "to": "production"})).await.unwrap().is_new);
    assert_eq!(node.fake.in_force().len(), 3);
    let audit = node.audit().await;
    let on = "me api.promote default/chat:1.0";
    assert_eq!(audit[audit.len() - 2..], [format!("{on} @staging"), format!("{on} @production")]);
}

#[tokio::test]
async fn targets_are_kept_replaced_or_dropped_on_the_way() {
    let node = prepared().await;
    let chat = key("default/chat:1.0");
    node.deploy(&chat, "development", json!({"targets": ["ws://own"]})).await.unwrap();
    node.deploy(&chat, "staging", json!({"targets": ["ws://stage"]})).await.unwrap();
    for (targets, own, effective) in [
        (json!(null), Some("ws://own"), "ws://own"),
        (json!(["ws://new"]), Some("ws://new"), "ws://new"),
        (json!([]), None, "ws://changed"),
    ] {
        let promotion = json!({"from": "development", "to": "staging", "targets": targets});
        let deployment = promote(&node, promotion).await.unwrap().value;
        assert_eq!(deployment.targets.as_deref().map(|own| own[0].as_str()), own, "{targets}");
        assert_eq!(deployment.effective_targets[0].as_str(), effective);
    }
}

#[tokio::test]
async fn a_promotion_goes_one_step_and_forwards() {
    let node = prepared().await;
    for (from, to) in [
        ("development", "production"),
        ("staging", "development"),
        ("development", "development"),
        ("production", "development"),
        ("production", "staging"),
    ] {
        let refused = promote(&node, json!({"from": from, "to": to})).await.unwrap_err();
        assert_eq!((refused.code.status, refused.code.word), (409, "promotion-order"), "{from} to {to}");
    }
    let nowhere = promote(&node, json!({"from": "dev", "to": "prod"})).await;
    assert_eq!(rules(nowhere), ["from: exists", "to: exists"]);
    assert_eq!(word(promote(&node, json!({"from": "staging", "to": "production"})).await), "not-deployed");
    assert_eq!(node.fake.in_force().len(), 1);
}

#[tokio::test]
async fn a_promotion_needs_what_its_targets_need() {
    let node = prepared().await;
    let chat = key("default/chat:1.0");
    node.deploy(&chat, "development", json!({"targets": ["ws://${SAME}"]})).await.unwrap();
    let refused = promote(&node, json!({"from": "development", "to": "staging"})).await;
    let detail = refused.as_ref().unwrap_err().detail.clone();
    assert!(detail.contains("in staging") && detail.contains("`SAME`"), "{detail}");
    assert_eq!(rules(refused), ["targets[0]: variable-missing"]);
    let own = json!({"from": "development", "to": "staging", "targets": ["ws://${HOST}"]});
    promote(&node, own).await.unwrap();
}
