//! Several changes at once, and documents.

use serde_json::json;

use super::{Node, key, me, of, rules, word};
use crate::api::request::OwnTargets;
use crate::api::view::Status;
use crate::api::{ApiKey, Change, Definition, NewDefinition, Problems};
use crate::control::manage::{ApiFilter, AuditFilter, Mode};
use crate::declare::Step;
use crate::declare::testing::documents;

fn chat() -> ApiKey {
    key("default/chat:1.0")
}

fn definition(target: &str) -> Definition {
    of::<NewDefinition>(json!({"name": "Chat", "targets": [target]})).check().unwrap()
}

fn put(target: &str) -> Change {
    Change::PutApi { api: chat(), definition: definition(target) }
}

fn deploy(environment: &str, status: Status) -> Change {
    let (api, environment) = (chat(), environment.to_owned());
    Change::Deploy { api, environment, revision: None, targets: OwnTargets::Keep, status }
}

/// A document of `Chat 1.0` with these lines.
fn document(lines: &str) -> String {
    format!("apiVersion: ringway/v1\nkind: Api\nname: Chat\nversion: 1.0\ntargets: [\"ws://a\"]\n{lines}")
}

async fn apply(node: &Node, text: &str, mode: Mode) -> Result<Vec<String>, Problems> {
    let steps = node.manager.apply_documents(me(), documents(text), mode).await?;
    Ok(steps.iter().map(Step::to_string).collect())
}

#[tokio::test]
async fn several_changes_are_active_together() {
    let node = Node::new();
    let before = node.fake.publications();
    let project = "default".parse().unwrap();
    let changes = vec![
        Change::PutProject { project, description: "Ours.".parse().unwrap() },
        put("ws://a"),
        deploy("development", Status::Running),
        deploy("production", Status::Stopped),
        Change::SetLifecycle { api: chat(), lifecycle: of(json!({"state": "Published"})) },
    ];
    let made = node.manager.apply(me(), changes, Mode::Commit).await.unwrap();
    assert_eq!(made.iter().map(|made| made.is_new).collect::<Vec<_>>(), [true, true, true, true, false]);
    assert_eq!(node.fake.publications(), before + 1);
    let published = [
        "default/chat:1.0 @development #1 ws://a Published",
        "default/chat:1.0 @production #1 ws://a Published stopped",
    ];
    assert_eq!(node.fake.in_force(), published);
    let audit = node.audit().await;
    let again = vec![put("ws://a"), deploy("development", Status::Running)];
    node.manager.apply(me(), again, Mode::Commit).await.unwrap();
    assert_eq!(node.audit().await, audit, "what is so already is not done again");
    let environment = |name: &str| name.to_owned();
    let others = vec![
        Change::Start { api: chat(), environment: environment("production") },
        Change::Undeploy { api: chat(), environment: environment("development") },
    ];
    node.manager.apply(me(), others, Mode::Commit).await.unwrap();
    assert_eq!(node.fake.in_force(), ["default/chat:1.0 @production #1 ws://a Published"]);
    node.manager.apply(me(), vec![Change::DeleteApi { api: chat() }], Mode::Commit).await.unwrap();
    assert_eq!(node.fake.in_force(), [""; 0]);
}

#[tokio::test]
async fn one_change_that_is_refused_refuses_all() {
    let node = Node::new();
    let (publications, in_force) = (node.fake.publications(), node.fake.in_force());
    let bad = Change::SetLifecycle { api: chat(), lifecycle: of(json!({"state": "Public"})) };
    let refused = node.manager.apply(me(), vec![put("ws://a"), bad], Mode::Commit).await;
    assert_eq!(rules(refused), ["changes[1].state: one-of"]);
    let changes = vec![put("ws://a"), deploy("elsewhere", Status::Running)];
    let refused = node.manager.apply(me(), changes, Mode::Commit).await.unwrap_err();
    assert_eq!(refused.code.word, "environment-not-found");
    assert!(refused.detail.starts_with("changes[1]: "), "{refused}");
    assert_eq!(node.listed(ApiFilter::default()).await, [""; 0]);
    assert_eq!(node.audit().await, [""; 0]);
    assert_eq!((node.fake.publications(), node.fake.in_force()), (publications, in_force));
    assert_eq!(word(node.manager.api(&chat()).await), "api-not-found");
}

#[tokio::test]
async fn documents_are_applied_as_a_whole_with_one_entry_an_api() {
    let node = Node::new();
    let before = node.fake.publications();
    let both = document(
        "lifecycle: Deprecated\ndeployments:\n- {environment: production, status: stopped}\n- environment: development\n\
         ---\napiVersion: ringway/v1\nkind: Api\nname: Talk\nversion: 2.0\ntargets: [\"ws://t\"]\n",
    );
    let expected = [
        "create default/chat:1.0",
        "deploy default/chat:1.0 in development",
        "deploy default/chat:1.0 in production, stopped",
        "lifecycle of default/chat:1.0: Published",
        "lifecycle of default/chat:1.0: Deprecated",
        "create default/talk:2.0",
    ];
    assert_eq!(apply(&node, &both, Mode::DryRun).await.unwrap(), expected);
    assert_eq!((node.fake.publications(), node.audit().await.len()), (before, 0), "a dry run changes nothing");
    assert_eq!(apply(&node, &both, Mode::Commit).await.unwrap(), expected);
    assert_eq!(node.fake.publications(), before + 1);
    let served = [
        "default/chat:1.0 @development #1 ws://a Deprecated",
        "default/chat:1.0 @production #1 ws://a Deprecated stopped",
    ];
    assert_eq!(node.fake.in_force(), served);
    let audit = ["me project.create default", "me api.apply default/chat:1.0", "me api.apply default/talk:2.0"];
    assert_eq!(node.audit().await, audit);
    let filter = AuditFilter { api: Some(chat()), since: None };
    let entry = node.manager.audit(filter, Default::default()).await.unwrap().items.remove(0);
    assert_eq!(entry.before, None);
    let after = entry.after.unwrap();
    assert_eq!((&after["lifecycle"], &after["deployments"][1]["status"]), (&json!("Deprecated"), &json!("stopped")));
    let history = node.manager.lifecycle(&chat()).await.unwrap().value.history;
    let history: Vec<_> = history.iter().map(|entry| (entry.from.as_str(), entry.to.as_str())).collect();
    assert_eq!(history, [("Created", "Deprecated")]);
    assert_eq!(apply(&node, &both, Mode::Commit).await.unwrap(), [""; 0]);
    assert_eq!(node.audit().await.len(), 3, "what was applied leaves nothing to do");
}

#[tokio::test]
async fn a_document_that_is_refused_refuses_all_and_is_named() {
    let node = Node::new();
    let wanted = |lines: &str| format!("{}---\n{}", document("").replace("Chat", "Talk"), document(lines));
    for (lines, code, place) in [
        ("deployments:\n- environment: elsewhere\n", "documents-invalid", "f.yaml:7:1: deployments: the node has no"),
        (
            "deployments:\n- {environment: production, targets: [\"ws://${HOST}\"]}\n",
            "fields-invalid",
            "f.yaml:7:1: deploy default/chat:1.0 in production: targets[0]",
        ),
    ] {
        for mode in [Mode::DryRun, Mode::Commit] {
            let refused = apply(&node, &wanted(lines), mode).await.unwrap_err();
            assert_eq!(refused.code.word, code, "{refused}");
            assert!(refused.detail.contains(place), "{refused}");
            assert_eq!(node.listed(ApiFilter::default()).await, [""; 0]);
        }
    }
    assert_eq!(node.audit().await, [""; 0]);
    node.fake.with(|seen| seen.refuses = true);
    let deployed = document("deployments:\n- environment: development\n");
    for mode in [Mode::DryRun, Mode::Commit] {
        assert_eq!(word(apply(&node, &deployed, mode).await), "fields-invalid", "a dry run asks the publisher, too");
    }
}
