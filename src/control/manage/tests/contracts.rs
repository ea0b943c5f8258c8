//! Contracts of definitions, revisions and deployments: what is needed stays, and the rest goes.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Node, key, me, of, rules};
use crate::api::{Condition, ContractDigest};
use crate::control::contracts::UNUSED_FOR;

fn chat(title: &str) -> String {
    format!("asyncapi: 2.6.0\ninfo: {{title: {title}, version: '1.0'}}\nchannels: {{/rooms: {{}}}}\n")
}

fn definition(contract: Option<ContractDigest>) -> Value {
    let contract = contract.map(|digest| json!({ "digest": digest }));
    json!({ "name": "Chat", "targets": ["ws://a"], "contract": contract })
}

impl Node {
    fn keep(&self, title: &str) -> ContractDigest {
        self.manager.contracts().keep(chat(title).as_bytes()).unwrap().digest
    }

    async fn put(&self, contract: Option<ContractDigest>) {
        let put = self.manager.put_api(me(), key("default/chat:1.0"), of(definition(contract)), Condition::Always);
        put.await.unwrap();
    }

    /// Searches for unused contracts two hours from now. The number of those that are left.
    async fn tidy(&self) -> usize {
        let later = SystemTime::now() + UNUSED_FOR + Duration::from_secs(3_600);
        self.manager.ask(move |thread| thread.tidy_contracts(later)).await.unwrap();
        std::fs::read_dir(self.folder.path().join("contracts")).unwrap().count()
    }
}

#[tokio::test]
async fn a_contract_stays_as_long_as_a_definition_or_a_revision_refers_to_it() {
    let node = Node::new();
    let [first, second, unused] = ["A", "B", "C"].map(|title| node.keep(title));
    node.put(Some(first)).await;
    node.deploy(&key("default/chat:1.0"), "development", json!({})).await.unwrap();
    let deployed = node.manager.deployed().await.unwrap();
    assert!(deployed.values().all(|one| one.contract.as_ref().is_some_and(|it| it.digest == first)), "{deployed:?}");
    node.put(Some(second)).await;
    assert_eq!(node.tidy().await, 2);
    assert!(node.manager.contracts().bytes(&unused).is_err());
    node.put(None).await;
    assert_eq!(node.tidy().await, 1, "a deployment has it");
    let node = node.restart();
    assert_eq!(node.manager.deployed().await.unwrap(), deployed);
    let key = &key("default/chat:1.0");
    node.manager.undeploy(me(), key, "development", Condition::Always).await.unwrap();
    assert_eq!(node.tidy().await, 1, "a revision is for ever");
    node.manager.delete_api(me(), key, Condition::Always).await.unwrap();
    assert_eq!(node.tidy().await, 0);
}

#[tokio::test]
async fn a_definition_may_only_refer_to_what_the_node_has() {
    let node = Node::new();
    let unknown = ContractDigest::of(b"unknown");
    let put = |contract| {
        node.manager.put_api(me(), key("default/chat:1.0"), of(definition(Some(contract))), Condition::Always)
    };
    assert_eq!(rules(put(unknown).await), ["contract: unknown"]);
    let broken = node.manager.contracts().keep(b"asyncapi: 0.1.0\n").unwrap().digest;
    assert_eq!(rules(put(broken).await), ["contract: routable"]);
    let digest = node.keep("A");
    put(digest).await.unwrap();
    // What the API has already is no matter of this change.
    std::fs::remove_dir_all(node.folder.path().join("contracts")).unwrap();
    let renamed = json!({ "name": "Talk", "targets": ["ws://a"], "contract": { "digest": digest } });
    node.manager.put_api(me(), key("default/chat:1.0"), of(renamed), Condition::Always).await.unwrap();
}

#[tokio::test]
async fn a_contract_is_read_before_the_transaction_that_needs_it_and_not_inside() {
    let node = Node::new();
    let [first, second] = ["A", "B"].map(|title| node.keep(title));
    let api = key("default/chat:1.0");
    // Nobody uploaded these to this process.
    node.put(Some(first)).await;
    node.deploy(&api, "development", json!({})).await.unwrap();
    node.put(Some(second)).await;
    node.deploy(&api, "development", json!({})).await.unwrap();
    let node = node.restart();
    // The process is new, and has read neither.
    node.put(Some(first)).await;
    node.deploy(&api, "development", json!({ "revision": 1 })).await.unwrap();
    let parsed_on = node.manager.contracts().parsed_on();
    assert!(!parsed_on.is_empty() && parsed_on.iter().all(|name| name != "store"), "{parsed_on:?}");
}
