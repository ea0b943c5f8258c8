//! docs/apis.md against the model: the answers to bad values, the lifecycle, the policies and the problems are what the program
//! does. `documented_fields` has the table of fields; no test compares the other tables.

use jiff::Timestamp;
use ringway::api::lifecycle::AtRunTime;
use ringway::api::policy::{Live, POLICIES};
use ringway::api::problem::Code;
use ringway::api::request::{NewApi, NewDeployment, NewLifecycle, NewProject};
use ringway::api::{Lifecycle, Problems};
use ringway::config::limits::LimitArgs;
use serde_json::{Value, json};

use crate::harness::documents::{document, rows};

/// A value as the table has it: JSON, or a text and how often it is repeated.
fn value(written: &str) -> Value {
    let (json, times) = match written.split_once(" * ") {
        Some((json, times)) => (json, times.parse().unwrap()),
        None => (written, 1),
    };
    match serde_json::from_str(json).unwrap_or_else(|error| panic!("{written}: {error}")) {
        Value::String(text) => Value::String(text.repeat(times)),
        other => other,
    }
}

/// The problems of an input in which one field is wrong.
fn refused(of: &str, field: &str, value: Value) -> Problems {
    let with = |mut right: Value| {
        right[field] = value;
        right
    };
    let api = || json!({"name": "Chat", "version": "1.0", "targets": ["ws://chat"]});
    let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
    let state = if field == "display_name" || field == "production_targets" { "Published" } else { "Created" };
    match of {
        "API" => serde_json::from_value::<NewApi>(with(api())).unwrap().check().unwrap_err(),
        "deployment" => serde_json::from_value::<NewDeployment>(with(json!({}))).unwrap().own_targets().unwrap_err(),
        "project" => serde_json::from_value::<NewProject>(with(json!({}))).unwrap().check().unwrap_err(),
        "lifecycle" => serde_json::from_value::<NewLifecycle>(with(json!({ "state": state })))
            .unwrap()
            .check(now, None)
            .unwrap_err(),
        other => panic!("{other} is none of the inputs"),
    }
}

#[test]
fn every_bad_value_gets_what_the_table_says() {
    let text = document("docs/apis.md");
    let inputs = ["API", "deployment", "lifecycle", "project"];
    let table: Vec<_> = inputs.iter().flat_map(|of| rows(&text, &format!("| {of} | `"))).collect();
    assert!(table.len() > 40, "{}", table.len());
    for row in table {
        let [of, field, written, rule, message] = row[..] else { panic!("{row:?}") };
        let told = field.split('`').nth(1).unwrap();
        // The identifier is made of the name.
        let given = if field.ends_with("of the name") { "name" } else { told.split(['[', '.']).next().unwrap() };
        let problems = refused(of, given, value(written.trim_matches('`')));
        assert_eq!(problems.errors.len(), 1, "{row:?}: {problems}");
        let error = &problems.errors[0];
        let actual = (error.field.as_str(), format!("`{}`", error.rule), error.message.as_str());
        assert_eq!(actual, (told, rule.to_owned(), message), "{of} {written}");
        assert!(!problems.detail.contains("secret"), "{problems}");
    }
}

#[test]
fn the_table_of_the_lifecycle_is_the_programs() {
    let text = document("docs/apis.md");
    for from in Lifecycle::ALL {
        let line = text.lines().find(|line| line.starts_with(&format!("| {from} |"))).unwrap();
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 8, "{line}");
        for (to, cell) in Lifecycle::ALL.into_iter().zip(&cells[1..]) {
            assert_eq!(*cell == "yes", from.may_become(to), "{from} to {to}");
        }
        let meaning = match from.at_run_time() {
            AtRunTime::Served => "it is served",
            AtRunTime::ServedWithNotice => "it is served, and each 101 tells that it is deprecated",
            AtRunTime::Refused => "new handshakes are refused",
            AtRunTime::Gone => "it is deployed nowhere",
        };
        assert!(cells[7].starts_with(meaning), "{line}");
    }
}

#[test]
fn the_table_of_policies_is_the_programs() {
    let text = document("docs/apis.md");
    let starts = [
        "| `preserve_host` | `true`",
        "| `abnormal_close_code` | a close",
        "| `insecure_",
        "| `upstream_server_name` | a host",
        "| `channels.",
        "| `origins` |",
        "| `auth.",
        "| `limits.",
        "| `validation.",
    ];
    let rows = starts.iter().flat_map(|start| rows(&text, start));
    let documented: Vec<String> = rows.map(|row| row.join(" | ")).collect();
    let node = LimitArgs::default().policies(false);
    let all = POLICIES.iter().zip(node.all()).map(|(policy, default)| {
        let live = match policy.live {
            Live::AtOnce => "at once",
            Live::NextTimer => "from the next bytes, or when the old time is up",
            Live::NextClose => "when their close begins",
            Live::NextMessage => "from their next message",
            Live::NextHandshake => "from the next handshake",
        };
        format!("`{}` | {} | `{default}` | {live}", policy.name, policy.form)
    });
    assert_eq!(documented, all.collect::<Vec<_>>());
}

#[test]
fn the_table_of_problems_is_the_programs() {
    let text = document("docs/apis.md");
    let documented: Vec<String> =
        ["| 4", "| 5"].iter().flat_map(|start| rows(&text, start)).map(|row| row.join(" ")).collect();
    let all = Code::ALL.iter().map(|code| format!("{} `{}` {}", code.status, code.word, code.title));
    assert_eq!(documented, all.collect::<Vec<_>>());
}
