//! A store that cannot be written, or is not there.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use super::{Node, key, me, of, word};
use crate::api::view::Status;
use crate::api::view::health::StoreState;
use crate::api::{Condition, PageRequest};
use crate::control::contracts::Contracts;
use crate::control::manage::{ApiFilter, AuditFilter, Mode, Origin};
use crate::control::state_dir::StateDir;
use crate::control::store::fault::StoreError;

/// Has the store's connection take a pragma.
async fn pragma(node: &Node, name: &'static str, value: i64) {
    let set = node.manager.ask(move |desk| {
        let store = desk.store.as_ref().unwrap();
        store.connection().pragma_update_and_check(None, name, value, |_| Ok(())).or_else(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => Ok(()),
            other => Err(other),
        })
    });
    set.await.unwrap().unwrap();
}

async fn pages(node: &Node) -> i64 {
    let count = node.manager.ask(|desk| {
        let store = desk.store.as_ref().unwrap();
        store.connection().pragma_query_value(None, "page_count", |row| row.get(0))
    });
    count.await.unwrap().unwrap()
}

/// Everything that changes something is refused with a word, and everything else goes on.
async fn only_reads(node: &Node, refused_with: &str, state: StoreState) {
    let chat = key("default/chat:1.0");
    let before = (node.api(&chat).await, node.audit().await, node.fake.in_force(), node.manager.deployed().await);
    let long = "x".repeat(2000);
    let new = json!({"name": "Talk", "version": "1.0", "targets": ["ws://a"], "description": long});
    let mut words = Vec::new();
    // Several: the first may still fit into what is left of a page.
    for version in 0..50 {
        let mut new = new.clone();
        new["version"] = json!(format!("1.{version}"));
        if let Err(problems) = node.manager.create_api(me(), of(new)).await {
            assert_eq!(problems.code.status, 503);
            words.push(problems.code.word);
        }
    }
    assert!(!words.is_empty() && words.iter().all(|word| *word == refused_with), "{words:?}");
    let health = node.manager.health();
    assert_eq!(health.state, state);
    assert!(health.detail.unwrap().contains("reading and traffic go on"));
    assert_eq!(node.api(&chat).await, before.0);
    assert!(node.audit().await.starts_with(&before.1));
    assert_eq!((node.fake.in_force(), node.manager.deployed().await), (before.2, before.3));
}

async fn deployed() -> Node {
    let node = Node::new();
    node.create("Chat").await;
    node.deploy(&key("default/chat:1.0"), "development", json!({})).await.unwrap();
    node
}

/// Asks for the health until it is good: asking has the store looked at.
async fn recovers(node: &Node) {
    while node.manager.health().state != StoreState::Ok {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_full_disk_stops_changes_alone() {
    let node = deployed().await;
    let most = pages(&node).await;
    pragma(&node, "max_page_count", most).await;
    only_reads(&node, "store-full", StoreState::Full).await;
    pragma(&node, "max_page_count", most + 10_000).await;
    node.deploy(&key("default/chat:1.0"), "staging", json!({})).await.unwrap();
    assert_eq!(node.manager.health().state, StoreState::Ok);
    assert_eq!(node.fake.in_force().len(), 2);
}

#[tokio::test]
async fn a_store_that_can_only_be_read_stops_changes_alone() {
    let node = deployed().await;
    pragma(&node, "query_only", 1).await;
    only_reads(&node, "store-read-only", StoreState::ReadOnly).await;
    let stopped = node.manager.stop(me(), &key("default/chat:1.0"), "development", Condition::Always).await;
    assert_eq!(word(stopped), "store-read-only");
    assert_eq!(node.fake.in_force(), ["default/chat:1.0 @development #1 ws://a:9000 Created"]);
    pragma(&node, "query_only", 0).await;
    recovers(&node).await;
    node.manager.stop(me(), &key("default/chat:1.0"), "development", Condition::Always).await.unwrap();
}

#[tokio::test]
async fn without_a_store_what_was_deployed_goes_on() {
    let node = deployed().await;
    let deployed = node.manager.deployed().await.unwrap();
    let why = StoreError::Broken { why: "page 3".to_owned() };
    let folder = node.end();
    let state = StateDir::take(folder.path()).unwrap();
    let node = Node::with(folder, Origin::Snapshot { state, why, deployed: deployed.clone(), keys: None });
    assert_eq!(node.fake.in_force(), ["default/chat:1.0 @development #1 ws://a:9000 Created"]);
    let (manager, chat) = (&node.manager, key("default/chat:1.0"));
    let new = || of(json!({"name": "Chat", "version": "1.0", "targets": ["ws://a"]}));
    let page = PageRequest::default;
    for refused in [
        word(manager.create_api(me(), new()).await),
        word(manager.api(&chat).await),
        word(manager.apis(ApiFilter::default(), page()).await),
        word(manager.projects(page()).await),
        word(manager.audit(AuditFilter::default(), page()).await),
        word(manager.lifecycle(&chat).await),
        word(node.deploy(&chat, "staging", json!({})).await),
        word(manager.undeploy(me(), &chat, "development", Condition::Always).await),
        word(manager.apply(me(), Vec::new(), Mode::Commit).await),
    ] {
        assert_eq!(refused, "store-unavailable");
    }
    let health = manager.health();
    assert_eq!(health.state, StoreState::Unavailable);
    let detail = health.detail.unwrap();
    assert!(detail.contains("page 3") && detail.contains("put back a copy"), "{detail}");
    assert_eq!(manager.deployed().await.unwrap(), deployed);
    assert_eq!(manager.environments().await.unwrap().len(), 3);
    // The configuration can still be reloaded.
    node.manager.change_node(me(), super::reload(super::environments())).await.unwrap();
    assert_eq!(node.fake.publications(), 2);
}

/// A node whose store was filled before, and which begins with nothing deployed and this reason.
async fn without_store(why: StoreError, harm: impl FnOnce(&Path)) -> Node {
    let folder = deployed().await.end();
    harm(folder.path());
    let state = StateDir::take(folder.path()).unwrap();
    Node::with(folder, Origin::Snapshot { state, why, deployed: BTreeMap::new(), keys: None })
}

#[tokio::test]
async fn a_store_that_somebody_held_is_taken_up_when_it_is_free() {
    let mut held = None;
    let node = without_store(StoreError::Busy, |folder| {
        let other = Connection::open(folder.join("ringway.db")).unwrap();
        other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
        held = Some(other);
    })
    .await;
    let chat = key("default/chat:1.0");
    let refused = node.manager.api(&chat).await.unwrap_err();
    assert!(refused.detail.contains("another program holds") && refused.detail.contains("every 20ms"), "{refused}");
    let (then, is_there) = tokio::sync::oneshot::channel();
    node.manager.reopen_store(&tokio::runtime::Handle::current(), || then.send(()).unwrap());
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(word(node.manager.api(&chat).await), "store-unavailable");
        assert_eq!(node.manager.environments().await.unwrap().len(), 3, "nobody waits for who holds it");
    }
    assert_eq!(node.fake.publications(), 1);
    drop(held);
    is_there.await.unwrap();
    assert_eq!(node.manager.health().state, StoreState::Ok);
    assert_eq!(node.fake.in_force(), ["default/chat:1.0 @development #1 ws://a:9000 Created"]);
    node.deploy(&chat, "staging", json!({})).await.unwrap();
    assert_eq!((node.fake.publications(), node.manager.deployed().await.unwrap().len()), (3, 2));
}

#[tokio::test]
async fn what_the_operator_must_decide_is_not_tried_again() {
    for (harm, says) in [
        (&(|folder: &Path| std::fs::remove_file(folder.join("ringway.db")).unwrap()) as &dyn Fn(&Path), "missing"),
        (&|folder: &Path| std::fs::write(folder.join("ringway.db"), [0xA5; 8192]).unwrap(), "damaged"),
    ] {
        let node = without_store(StoreError::Failed { why: "later".to_owned() }, |folder| {
            std::fs::write(folder.join("snapshot.json"), "").unwrap();
            harm(folder);
        })
        .await;
        node.manager.reopen_store(&tokio::runtime::Handle::current(), || {});
        while node.manager.ask(|desk| desk.reopening.is_some()).await.unwrap() {
            tokio::task::yield_now().await;
        }
        let detail = node.manager.health().detail.unwrap();
        assert!(detail.contains(says) && !detail.contains("tried again"), "{detail}");
        assert_eq!(node.manager.projects(PageRequest::default()).await.unwrap_err().detail, detail);
        assert_eq!((node.manager.health().state, node.fake.publications()), (StoreState::Unavailable, 1));
    }
}

#[tokio::test]
async fn a_manager_does_not_begin_with_what_the_publisher_refuses() {
    let fake = super::Fake::default();
    fake.with(|seen| seen.refuses = true);
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::take(folder.path()).unwrap();
    let origin = Origin::Snapshot { state, why: StoreError::Full, deployed: BTreeMap::new(), keys: None };
    let contracts = Contracts::of(folder.path());
    let started = super::Manager::start(origin, fake, contracts, super::environments(), super::settings());
    assert_eq!(started.unwrap_err().detail, "The publisher refuses.");
}

#[tokio::test]
async fn a_store_that_does_not_answer_keeps_nobody_waiting_for_good() {
    let mut node = deployed().await;
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    let blocked = node.manager.clone();
    let blocked = tokio::spawn(async move { blocked.ask(move |_| waits.recv()).await });
    tokio::task::yield_now().await;
    node.manager.settings.store_timeout = Duration::from_millis(20);
    let made = node.manager.stop(me(), &key("default/chat:1.0"), "development", Condition::Always).await.unwrap_err();
    assert_eq!((made.code.status, made.code.word), (503, "busy"));
    assert!(made.detail.contains("for 20 ms") && made.detail.contains("may still be done"), "{made}");
    while node.manager.jobs.try_send(Box::new(|_| ())).is_ok() {}
    let refused = node.manager.environments().await.unwrap_err();
    assert!(refused.detail.contains("too many others are waiting"), "{refused}");
    assert_eq!(node.manager.health().state, StoreState::Ok, "who is asked for health does not wait");
    go_on.send(()).unwrap();
    blocked.await.unwrap().unwrap().unwrap();
    node.manager.settings.store_timeout = Duration::from_secs(30);
    assert_eq!(node.api(&key("default/chat:1.0")).await.deployments[0].status, Status::Stopped);
}
