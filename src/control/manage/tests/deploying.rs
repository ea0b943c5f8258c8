//! Revisions and deployments.

use serde_json::{Value, json};

use super::{Node, key, me, of, rules, word};
use crate::api::etag::Tagged;
use crate::api::view::Status;
use crate::api::{Api, ApiKey, Condition, PageRequest};

async fn change(node: &Node, target: &str) -> Api {
    let definition = json!({"name": "Chat", "targets": [target]});
    node.manager.put_api(me(), chat(), of(definition), Condition::Always).await.unwrap().value
}

fn chat() -> ApiKey {
    key("default/chat:1.0")
}

async fn revisions(node: &Node) -> Vec<(u64, String)> {
    let page = node.manager.revisions(&chat(), PageRequest::default()).await.unwrap();
    page.items.iter().map(|revision| (revision.number, revision.definition.targets[0].to_string())).collect()
}

#[tokio::test]
async fn deploying_keeps_the_definition_as_a_revision_and_runs_it() {
    let node = Node::new();
    node.create("Chat").await;
    assert_eq!(node.deploy(&chat(), "development", json!({})).await, Ok(true));
    let api = node.api(&chat()).await;
    assert_eq!(api.latest_revision, Some(1));
    let mut shown = serde_json::to_value(&api.deployments).unwrap();
    assert!(shown[0]["deployed_at"].take().is_string());
    let whole = json!([{
        "environment": "development", "revision": 1, "targets": null, "effective_targets": ["ws://a:9000"],
        "status": "running", "deployed_at": null, "deployed_by": "me",
        "url": "ws://127.0.0.1:8081/default/chat/v1.0"
    }]);
    assert_eq!(shown, whole);
    assert_eq!(node.fake.in_force(), ["default/chat:1.0 @development #1 ws://a:9000 Created"]);
    let found = node.manager.deployment(&chat(), "development").await.unwrap();
    assert_eq!(found.value, api.deployments[0]);
}

#[tokio::test]
async fn deployments_are_told_in_the_order_of_environments() {
    let node = Node::new();
    node.create("Chat").await;
    for environment in ["production", "development", "staging"] {
        node.deploy(&chat(), environment, json!({})).await.unwrap();
    }
    let told = node.manager.deployments(&chat()).await.unwrap();
    let environments: Vec<_> = told.value.iter().map(|deployment| deployment.environment.as_str()).collect();
    assert_eq!(environments, ["development", "staging", "production"]);
    assert_eq!(
        told,
        node.manager.api(&chat()).await.map(|api| Tagged { value: api.value.deployments, etag: api.etag }).unwrap()
    );
}

#[tokio::test]
async fn a_revision_is_made_only_of_what_has_changed() {
    let node = Node::new();
    node.create("Chat").await;
    for environment in ["development", "production"] {
        node.deploy(&chat(), environment, json!({})).await.unwrap();
    }
    assert_eq!(revisions(&node).await, [(1, "ws://a:9000".to_owned())]);
    change(&node, "ws://b").await;
    assert_eq!(revisions(&node).await.len(), 1, "changing alone makes none");
    node.deploy(&chat(), "development", json!({})).await.unwrap();
    assert_eq!(revisions(&node).await, [(2, "ws://b".to_owned()), (1, "ws://a:9000".to_owned())]);
    // Back to what the first one was: a revision is the latest definition, never an older one found again.
    change(&node, "ws://a:9000").await;
    node.deploy(&chat(), "development", json!({})).await.unwrap();
    assert_eq!(revisions(&node).await.len(), 3);
    let page = node.manager.revisions(&chat(), PageRequest { limit: 2, cursor: None }).await.unwrap();
    let rest = node.manager.revisions(&chat(), PageRequest { limit: 2, cursor: page.next }).await.unwrap();
    assert_eq!((rest.items[0].number, rest.next), (1, None));
    assert_eq!(node.manager.revision(&chat(), 2).await.unwrap().definition.targets[0].as_str(), "ws://b");
    assert_eq!(word(node.manager.revision(&chat(), 4).await), "revision-not-found");
    assert_eq!(word(node.manager.revision(&chat(), u64::MAX).await), "revision-not-found");
}

#[tokio::test]
async fn what_runs_already_is_not_touched() {
    let node = Node::new();
    node.create("Chat").await;
    node.deploy(&chat(), "development", json!({"targets": ["ws://own"]})).await.unwrap();
    let (before, audit, publications) = (node.api(&chat()).await, node.audit().await, node.fake.publications());
    for again in [json!({}), json!({"targets": ["ws://own"]}), json!({"revision": 1})] {
        assert_eq!(node.deploy(&chat(), "development", again).await, Ok(false));
    }
    assert_eq!(node.api(&chat()).await, before);
    assert_eq!(node.audit().await, audit);
    assert_eq!(node.fake.publications(), publications);
}

#[tokio::test]
async fn an_environments_own_targets_are_kept_until_they_are_replaced_or_dropped() {
    let node = Node::new();
    node.create("Chat").await;
    let deployed = async |new: Value| {
        node.deploy(&chat(), "development", new).await.unwrap();
        let deployment = node.manager.deployment(&chat(), "development").await.unwrap().value;
        (deployment.targets.map(|own| own[0].to_string()), deployment.effective_targets[0].to_string())
    };
    let own = |target: &str| (Some(target.to_owned()), target.to_owned());
    assert_eq!(deployed(json!({"targets": ["ws://own"]})).await, own("ws://own"));
    change(&node, "ws://b").await;
    assert_eq!(deployed(json!({})).await, own("ws://own"));
    assert_eq!(deployed(json!({"targets": ["ws://other"]})).await, own("ws://other"));
    assert_eq!(deployed(json!({"targets": []})).await, (None, "ws://b".to_owned()));
    assert_eq!(deployed(json!({"revision": 1})).await, (None, "ws://a:9000".to_owned()));
    assert_eq!(node.fake.in_force(), ["default/chat:1.0 @development #1 ws://a:9000 Created"]);
}

#[tokio::test]
async fn a_deployment_keeps_its_number_until_it_is_taken_away() {
    let node = Node::new();
    node.create("Chat").await;
    let ids = async || -> Vec<_> {
        let deployed = node.manager.deployed().await.unwrap();
        deployed.into_values().filter(|it| it.key == chat()).map(|it| it.id).collect()
    };
    node.deploy(&chat(), "development", json!({})).await.unwrap();
    let first = ids().await;
    node.deploy(&chat(), "development", json!({"targets": ["ws://own"]})).await.unwrap();
    assert_eq!(ids().await, first);
    node.manager.undeploy(me(), &chat(), "development", Condition::Always).await.unwrap();
    assert_eq!(ids().await, []);
    assert_eq!(node.fake.in_force(), [""; 0]);
    node.deploy(&chat(), "development", json!({})).await.unwrap();
    assert_ne!(ids().await, first);
    let deployed = node.manager.deployed().await.unwrap();
    assert!(deployed.values().all(|it| it.environment.as_str() != "staging"), "{deployed:?}");
}

#[tokio::test]
async fn a_deployment_is_stopped_and_started() {
    let node = Node::new();
    node.create("Chat").await;
    node.deploy(&chat(), "development", json!({})).await.unwrap();
    let running = "default/chat:1.0 @development #1 ws://a:9000 Created";
    for _ in 0..2 {
        let stopped = node.manager.stop(me(), &chat(), "development", Condition::Always).await.unwrap();
        assert_eq!(stopped.value.status, Status::Stopped);
        assert_eq!(node.fake.in_force(), [format!("{running} stopped")]);
    }
    for _ in 0..2 {
        let started = node.manager.start_again(me(), &chat(), "development", Condition::Always).await.unwrap();
        assert_eq!(started.value.status, Status::Running);
        assert_eq!(node.fake.in_force(), [running]);
    }
    let audit = node.audit().await;
    let on = "default/chat:1.0 @development";
    assert_eq!(audit[2..], [format!("me api.deploy {on}"), format!("me api.stop {on}"), format!("me api.start {on}")]);
    // Deploying runs it.
    node.manager.stop(me(), &chat(), "development", Condition::Always).await.unwrap();
    assert_eq!(node.deploy(&chat(), "development", json!({})).await, Ok(false));
    assert_eq!(node.fake.in_force(), [running]);
}

#[tokio::test]
async fn a_deployment_goes_back_to_any_revision() {
    let node = Node::new();
    node.create("Chat").await;
    for target in ["ws://a", "ws://b", "ws://c"] {
        change(&node, target).await;
        node.deploy(&chat(), "development", json!({})).await.unwrap();
    }
    let chat = chat();
    let back = |revision: u64| {
        node.manager.rollback(me(), &chat, "development", of(json!({ "revision": revision })), Condition::Always)
    };
    for (revision, target) in [(1, "ws://a"), (3, "ws://c"), (2, "ws://b")] {
        let deployment = back(revision).await.unwrap().value;
        assert_eq!((deployment.revision, deployment.effective_targets[0].as_str()), (revision, target));
        assert_eq!(node.fake.in_force(), [format!("default/chat:1.0 @development #{revision} {target} Created")]);
    }
    assert_eq!(revisions(&node).await.len(), 3, "going back makes none");
    assert_eq!(rules(back(4).await), ["revision: exists"]);
    assert_eq!(rules(back(0).await), ["revision: exists"]);
    let audit = node.audit().await;
    assert_eq!(audit.last().unwrap(), "me api.rollback default/chat:1.0 @development");
    // Where nothing is deployed there is nothing to go back from.
    let nowhere = node.manager.rollback(me(), &chat, "staging", of(json!({"revision": 1})), Condition::Always);
    assert_eq!(word(nowhere.await), "deployment-not-found");
}

#[tokio::test]
async fn what_cannot_run_there_is_refused_and_leaves_no_trace() {
    let node = Node::new();
    let new = json!({"name": "Chat", "version": "1.0", "targets": ["ws://${HOST}:9000", "ws://${SAME}:9000"]});
    node.manager.create_api(me(), of(new)).await.unwrap();
    let audit = node.audit().await;
    let refused = node.deploy(&chat(), "production", json!({})).await;
    let detail = refused.as_ref().unwrap_err().detail.clone();
    assert!(detail.contains("in production") && detail.contains("`HOST`") && detail.contains("`SAME`"), "{detail}");
    assert_eq!(rules(refused), ["targets[0]: variable-missing", "targets[1]: variable-missing"]);
    assert_eq!(rules(node.deploy(&chat(), "development", json!({})).await), ["targets[1]: twice"]);
    assert_eq!(rules(node.deploy(&chat(), "development", json!({"targets": ["x"]})).await), ["targets[0]: url"]);
    assert_eq!(rules(node.deploy(&chat(), "development", json!({"revision": 1})).await), ["revision: exists"]);
    assert_eq!(word(node.deploy(&chat(), "elsewhere", json!({})).await), "environment-not-found");
    assert_eq!(word(node.deploy(&key("default/none:1.0"), "development", json!({})).await), "api-not-found");
    assert_eq!(node.audit().await, audit);
    assert_eq!(node.api(&chat()).await.latest_revision, None, "a revision that was made for it is gone as well");
    assert_eq!(node.fake.publications(), 1, "the first, when the node began");
}

#[tokio::test]
async fn what_the_publisher_refuses_is_not_stored() {
    let node = Node::new();
    node.create("Chat").await;
    for environment in ["development", "production"] {
        node.deploy(&chat(), environment, json!({})).await.unwrap();
    }
    let deployed = node.manager.deployed().await.unwrap();
    let (before, audit, in_force) = (node.api(&chat()).await, node.audit().await, node.fake.in_force());
    node.fake.with(|seen| seen.refuses = true);
    let manager = &node.manager;
    for refused in [
        node.deploy(&chat(), "staging", json!({})).await.map(drop),
        node.deploy(&chat(), "development", json!({"targets": ["ws://b"]})).await.map(drop),
        manager.undeploy(me(), &chat(), "development", Condition::Always).await,
        manager.stop(me(), &chat(), "development", Condition::Always).await.map(drop),
        manager.delete_api(me(), &chat(), Condition::Always).await,
    ] {
        assert_eq!(refused.unwrap_err().detail, "The publisher refuses.");
    }
    assert_eq!(node.api(&chat()).await, before);
    assert_eq!(node.audit().await, audit);
    assert_eq!(node.manager.deployed().await.unwrap(), deployed);
    node.fake.with(|seen| seen.refuses = false);
    // What is prepared next knows nothing of what was refused.
    node.create("Talk").await;
    node.deploy(&key("default/talk:1.0"), "development", json!({})).await.unwrap();
    assert_eq!(node.fake.in_force()[..2], in_force);
    assert_eq!(node.fake.in_force().len(), 3);
}

#[tokio::test]
async fn what_is_not_deployed_is_not_found_and_undeployed_all_the_same() {
    let node = Node::new();
    node.create("Chat").await;
    let manager = &node.manager;
    for nothing in [
        word(manager.deployment(&chat(), "staging").await),
        word(manager.stop(me(), &chat(), "staging", Condition::Always).await),
        word(manager.start_again(me(), &chat(), "staging", Condition::Always).await),
    ] {
        assert_eq!(nothing, "deployment-not-found");
    }
    assert_eq!(word(manager.deployment(&chat(), "elsewhere").await), "environment-not-found");
    assert_eq!(word(manager.undeploy(me(), &chat(), "elsewhere", Condition::Always).await), "environment-not-found");
    manager.undeploy(me(), &chat(), "staging", Condition::Always).await.unwrap();
    manager.undeploy(me(), &key("default/none:1.0"), "staging", Condition::Always).await.unwrap();
    assert_eq!(node.audit().await.len(), 2);
}
