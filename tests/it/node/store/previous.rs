//! A state directory that the version before left: `previous/` has its store and its last good snapshot, with what its admin
//! API answered (`answers.json`, without the ports of that day).

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::node::Home;

const CONFIGURATION: &str = "
[[environments]]
name = \"development\"
external.listen = \"127.0.0.1:0\"
internal.listen = \"127.0.0.1:0\"
variables = { BACKEND = \"127.0.0.1:9000\" }
[[environments]]
name = \"production\"
external.listen = \"127.0.0.1:0\"
internal.listen = \"127.0.0.1:0\"
";

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/node/store/previous").join(name)
}

/// A home whose state directory has these files of the version before.
fn home(files: &[&str]) -> Home {
    let home = Home::new(CONFIGURATION);
    fs::create_dir(home.state()).unwrap();
    for name in files {
        fs::copy(fixture(name), home.file(name)).unwrap();
    }
    home
}

/// True if an answer has everything that the earlier one had; it may have more.
fn has(answer: &Value, expected: &Value) -> bool {
    match (answer, expected) {
        (Value::Object(answer), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| has(answer.get(name).unwrap_or(&Value::Null), value))
        }
        (Value::Array(answer), Value::Array(expected)) => {
            answer.len() == expected.len()
                && answer.iter().zip(expected).all(|(answer, expected)| has(answer, expected))
        }
        (Value::String(answer), Value::String(expected)) => instant(answer) == instant(expected),
        _ => answer == expected,
    }
}

/// A time without zeros behind its second, which the earlier version left out; any other text as it is.
fn instant(text: &str) -> &str {
    match text.strip_suffix('Z') {
        Some(time) if time.contains('T') && time.contains('.') => time.trim_end_matches('0').trim_end_matches('.'),
        Some(time) => time,
        None => text,
    }
}

#[test]
fn a_store_of_the_version_before_holds_all_that_it_held() {
    let home = home(&["ringway.db", "snapshot.json"]);
    let node = home.start();
    let expected: Value = serde_json::from_slice(&fs::read(fixture("answers.json")).unwrap()).unwrap();
    for (path, expected) in expected.as_object().unwrap() {
        let answer = node.admin.get(path).expect(200);
        assert!(has(&answer, expected), "{path}: {answer:#}\nand it was\n{expected:#}");
    }
    node.admin.put("/apis/default/old/1.0/deployments/development", &json!({})).expect(201);
    let rolled_back = json!({ "revision": 2 });
    node.admin.post("/apis/default/chat-app-api/1.0/deployments/development/rollback", &rolled_back).expect(200);
}

#[test]
fn a_last_good_snapshot_of_the_version_before_is_served() {
    let home = home(&["snapshot.json"]);
    let node = home.start();
    let served = node.admin.get("/snapshot").expect(200);
    let states: Vec<(&str, &str, &str)> = served["deployments"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| ["api", "environment", "state"].map(|field| it[field].as_str().unwrap()).into())
        .collect();
    let expected = [
        ("default/chat-app-api:1.0", "development", "open"),
        ("default/chat-app-api:1.0", "production", "open"),
        ("shop/orders:2.1", "production", "stopped"),
    ];
    assert_eq!(states, expected);
    node.admin.get("/apis").refused(503, "store-unavailable");
}
