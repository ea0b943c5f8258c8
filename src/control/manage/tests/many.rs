//! Ten thousand APIs.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{environments, key, me, of, settings};
use crate::api::Condition;
use crate::control::contracts::Contracts;
use crate::control::manage::{Manager, Origin};
use crate::control::publish::no_shards::NoShards;
use crate::control::state_dir::StateDir;
use crate::control::store::Store;

/// APIs with a revision each, deployed in development.
const FILL: &str = r#"
    INSERT INTO projects VALUES (1, 'default', '', 1, 0, 'me', 0, 'me');
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000)
    INSERT INTO apis SELECT n, 'default', 'api-' || n, 1, 0, NULL, 'Created', NULL, NULL, 1, 1, 0, 'me', 0, 'me',
        json_object('name', 'API ' || n, 'description', 'What a team says of its API, in a line.', 'access', 'external',
            'targets', json_array('ws://10.0.0.1:' || (10000 + n)), 'type', 'WebSocket')
        FROM numbers;
    INSERT INTO revisions SELECT id, 1, definition, 0, 'me' FROM apis;
    INSERT INTO deployments SELECT id, id, 'development', 1, NULL, 0, 0, 'me' FROM apis;
"#;

/// Far above what docs/apis.md says was measured, and without optimisation: what is wrong by an order still shows.
const LONGEST_LOAD: Duration = Duration::from_secs(5);
const LONGEST_CHANGE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn ten_thousand_apis_are_loaded_and_changed_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::take(folder.path()).unwrap();
    Store::open(&state).unwrap().connection().execute_batch(FILL).unwrap();

    let begin = Instant::now();
    let store = Store::open(&state).unwrap();
    let opened = begin.elapsed();
    let deployed = store.deployed().unwrap();
    let loaded = begin.elapsed();
    assert_eq!(deployed.len(), 10_000);

    let contracts = Contracts::of(store.state().path());
    let started = Manager::start(Origin::Store(store), NoShards, contracts, environments(), settings()).unwrap();
    let begin = Instant::now();
    for number in 1..=100 {
        let key = key(&format!("default/api-{}:1.0", number * 97));
        let deployed = started.manager.deploy(me(), &key, "staging", of(json!({})), Condition::Always).await;
        assert!(deployed.unwrap().is_new);
    }
    let each = begin.elapsed() / 100;
    assert_eq!(started.manager.deployed().await.unwrap().len(), 10_100);
    let told = format!("10,000 deployments: opened in {opened:?}, loaded in {loaded:?}; a change took {each:?}");
    let _ = writeln!(std::io::stderr(), "{told}");
    assert!(loaded < LONGEST_LOAD && each < LONGEST_CHANGE, "{told}");
}
