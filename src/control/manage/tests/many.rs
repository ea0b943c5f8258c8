//! Ten thousand APIs.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Node, key, me, of};
use crate::control::manage::Change;
use crate::control::store::Store;
use crate::control::store::state::StateDir;

/// Far above what is measured (docs/apis.md), so that a busy host is no failure: what is wrong by an order shows.
const SLOW: u32 = 10;

#[tokio::test]
async fn ten_thousand_apis_are_deployed_loaded_and_changed_one_by_one() {
    let node = Node::new();
    for part in 0..20 {
        let mut changes = Vec::new();
        for number in part * 500..(part + 1) * 500 {
            let key = key(&format!("default/api-{number}:1.0"));
            let definition = json!({"name": format!("API {number}"), "targets": [format!("ws://10.0.0.1:{}", 10_000 + number)],
                "description": "What a team says of its API, in a line or two, as people do."});
            changes.push(Change::PutApi(key.clone(), of(definition)));
            changes.push(Change::Deploy(key, "development".to_owned(), of(json!({}))));
        }
        node.manager.apply(me(), changes).await.unwrap();
    }
    let folder = node.end();

    let state = StateDir::take(folder.path()).unwrap();
    let begin = Instant::now();
    let deployed = Store::open(&state).unwrap().deployed().unwrap();
    let loaded = begin.elapsed();
    assert_eq!(deployed.len(), 10_000);
    drop((deployed, state));

    let node = Node::in_folder(folder);
    let begin = Instant::now();
    let changes = 20;
    for number in 0..changes {
        let key = key(&format!("default/api-{}:1.0", number * 17));
        node.deploy(&key, "staging", json!({})).await.unwrap();
    }
    let each = begin.elapsed() / changes;
    eprintln!("10,000 deployments loaded in {loaded:?}; a change among them took {each:?}");
    assert!(loaded < Duration::from_millis(500) * SLOW, "{loaded:?}");
    assert!(each < Duration::from_millis(50) * SLOW, "{each:?}");
}
