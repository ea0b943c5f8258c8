//! When a change is answered, and reloads of the configuration.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Node, environments, key, me, of, place, reload, word};
use crate::api::{Condition, Environments};
use crate::config::file::Configuration;
use crate::config::limits::LimitArgs;
use crate::control::manage::{NodeChange, ProcessControl};
use crate::control::publish::Receipt;

#[tokio::test]
async fn a_change_is_answered_when_every_shard_has_it() {
    let node = Node::new();
    node.create("Chat").await;
    let chat = key("default/chat:1.0");
    node.fake.with(|seen| seen.holds = true);
    let refused = node.deploy(&chat, "development", json!({})).await.unwrap_err();
    assert_eq!((refused.code.status, refused.code.word), (504, "not-in-force"));
    assert!(refused.detail.contains("on shards 1 after 100 ms"), "{refused}");
    // It is made all the same; asking again waits for the same, and changes nothing.
    let audit = node.audit().await;
    assert_eq!(word(node.deploy(&chat, "development", json!({})).await), "not-in-force");
    assert_eq!(node.audit().await, audit);
    node.fake.with(|seen| seen.held.drain(..).for_each(|held| held.confirm(1)));
    assert_eq!(node.deploy(&chat, "development", json!({})).await, Ok(false));
    // What shards have nothing to do with waits for none, whatever they have not confirmed.
    node.fake.with(|seen| seen.holds = true);
    assert_eq!(word(node.deploy(&chat, "staging", json!({})).await), "not-in-force");
    let publications = node.fake.publications();
    node.create("Talk").await;
    let changed = of(json!({"name": "C", "targets": ["ws://b"]}));
    node.manager.put_api(me(), chat, changed, Condition::Always).await.unwrap();
    assert_eq!(node.fake.publications(), publications);
}

#[tokio::test]
async fn a_receipt_tells_who_is_missing() {
    let (receipt, confirmations) = Receipt::new(7, [0, 1, 2]);
    confirmations.confirm(1);
    confirmations.confirm(1);
    let missing = receipt.clone().wait(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!((missing.number, missing.shards.as_slice()), (7, &[0, 2][..]));
    assert_eq!(missing.to_string(), "snapshot 7 is not yet active on shards 0, 2");
    let waiting = tokio::spawn(receipt.clone().wait(Duration::from_secs(10)));
    confirmations.confirm(0);
    confirmations.confirm(2);
    assert_eq!(waiting.await.unwrap(), Ok(()));
    drop(confirmations);
    assert_eq!(receipt.wait(Duration::ZERO).await, Ok(()));
    let (receipt, confirmations) = Receipt::new(8, [0]);
    drop(confirmations);
    assert_eq!(receipt.wait(Duration::from_secs(10)).await.unwrap_err().shards, [0], "nobody is left to confirm it");
    assert_eq!(Receipt::new(9, []).0.wait(Duration::ZERO).await, Ok(()));
}

#[tokio::test]
async fn a_reload_of_the_configuration_takes_its_turn() {
    let node = Node::new();
    node.create("Chat").await;
    let chat = key("default/chat:1.0");
    node.deploy(&chat, "development", json!({})).await.unwrap();
    assert_eq!(word(node.manager.environment("testing").await), "environment-not-found");
    let places = vec![place("testing", 7000, &[("NEW", "secret")])];
    node.manager
        .change_node(me(), reload(Environments::new(LimitArgs::default().policies(false), places)))
        .await
        .unwrap();
    assert_eq!(node.manager.environment("testing").await.unwrap().variables, ["NEW"]);
    assert_eq!(node.manager.environments().await.unwrap().len(), 1);
    assert_eq!(node.audit().await.last().unwrap(), "me config.reload configuration");
    // Where it is deployed is no longer configured, and it can still be taken away.
    let api = node.api(&chat).await;
    assert_eq!((api.deployments.len(), api.deployments[0].url.as_deref()), (1, None));
    assert_eq!(word(node.deploy(&chat, "development", json!({})).await), "environment-not-found");
    node.manager.undeploy(me(), &chat, "development", Condition::Always).await.unwrap();
    assert_eq!(node.fake.in_force(), [""; 0]);
}

/// The parts of a configuration that do not reach the shards.
struct Process(std::sync::mpsc::Sender<&'static str>);

impl ProcessControl for Process {
    fn configure(&mut self, _: &Arc<Configuration>) -> Result<(), String> {
        self.0.send("configured").map_err(|error| error.to_string())
    }

    fn reload_certificates(&mut self) {
        self.0.send("certificates").unwrap();
    }
}

#[tokio::test]
async fn a_change_of_the_node_reaches_the_process_and_drains_or_not() {
    let node = Node::new();
    let (send, reached) = std::sync::mpsc::channel();
    node.manager.attach(Process(send));
    node.manager.drain();
    node.manager.change_node(me(), reload(environments())).await.unwrap();
    node.manager.change_node(me(), NodeChange::ReloadCertificates).await.unwrap();
    let note = NodeChange::NoteClosing { subject: "default/chat:1.0".to_owned(), closing: 7 };
    node.manager.change_node(me(), note).await.unwrap();
    assert_eq!(reached.try_iter().collect::<Vec<_>>(), ["configured", "certificates"]);
    assert_eq!(node.audit().await, ["me config.reload configuration", "me connections.close default/chat:1.0"]);
}

#[tokio::test]
async fn a_reload_that_is_refused_changes_nothing() {
    let node = Node::new();
    let publications = node.fake.publications();
    node.fake.with(|seen| seen.refuses = true);
    let refused = node.manager.change_node(me(), reload(environments())).await;
    assert_eq!(refused.unwrap_err().detail, "The publisher refuses.");
    assert_eq!(node.fake.publications(), publications);
    assert_eq!(node.manager.environments().await.unwrap(), environments().views());
    assert_eq!(node.audit().await, [""; 0]);
}

#[tokio::test]
async fn nothing_is_answered_when_the_node_has_gone() {
    let node = Node::new();
    let manager = node.manager.clone();
    // A clone keeps the thread: what is asked of it is still done.
    let asked = manager.projects(crate::api::PageRequest::default());
    assert!(asked.await.is_ok());
    let refused = {
        let (jobs, queue) = tokio::sync::mpsc::channel(1);
        drop(queue);
        crate::control::manage::Manager { jobs, ..manager }.environments().await
    };
    assert_eq!(word(refused), "store-unavailable");
}
