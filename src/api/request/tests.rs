use jiff::Timestamp;
use serde_json::{Value, json};

use super::{NewApi, NewDefinition, NewDeployment, NewLifecycle, OwnTargets};
use crate::api::Problems;

fn new_api(value: Value) -> NewApi {
    serde_json::from_value(value).unwrap()
}

/// Fields and rules, as `field: rule`.
fn told(problems: &Problems) -> Vec<String> {
    problems.errors.iter().map(|error| format!("{}: {}", error.field, error.rule)).collect()
}

#[test]
fn an_api_needs_a_name_a_version_and_a_target() {
    let (key, definition) =
        new_api(json!({"name": "Chat App API", "version": "1.0", "targets": ["ws://a"]})).check().unwrap();
    assert_eq!(key.to_string(), "default/chat-app-api:1.0");
    let shown = serde_json::to_value(&definition).unwrap();
    let whole = json!({"name": "Chat App API", "description": "", "access": "external", "targets": ["ws://a"],
        "type": "WebSocket", "policies": {}, "contract": null});
    assert_eq!(shown, whole);
}

#[test]
fn everything_that_can_be_given_is_kept() {
    let given = json!({"name": "Chat", "version": "2.1", "targets": ["ws://a", "wss://${B}"], "identifier": "talk",
        "project": "social", "description": "Talk.", "access": "internal", "type": "WebSocket"});
    let new = new_api(given.clone());
    assert_eq!(serde_json::to_value(&new).unwrap(), given);
    let (key, definition) = new.check().unwrap();
    assert_eq!(key.to_string(), "social/talk:2.1");
    assert_eq!(definition.description.as_str(), "Talk.");
    assert_eq!(definition.access.as_str(), "internal");
    assert_eq!(definition.targets.len(), 2);
}

#[test]
fn every_rule_that_is_broken_is_told_at_once() {
    let new = new_api(json!({"name": "a/b", "version": "1", "targets": ["ws://a", "ftp://b", "ws://a", "${"],
        "identifier": "A", "project": "", "description": "\u{7}", "access": "public", "type": "REST"}));
    let problems = new.check().unwrap_err();
    let rules = [
        "name: characters",
        "description: characters",
        "access: one-of",
        "targets[1]: url",
        "targets[2]: twice",
        "targets[3]: variable-open",
        "type: one-of",
        "project: length",
        "version: form",
        "identifier: characters",
    ];
    assert_eq!(told(&problems), rules);
    assert_eq!((problems.code.status, problems.code.word), (422, "fields-invalid"));
    for error in &problems.errors {
        assert!(problems.detail.contains(&format!("{}: {}", error.field, error.message)), "{}", problems.detail);
    }
}

#[test]
fn a_name_that_makes_no_identifier_asks_for_one() {
    let new = |identifier: Option<&str>| {
        new_api(json!({"name": "Räume", "version": "1.0", "targets": ["ws://a"], "identifier": identifier}))
    };
    assert_eq!(told(&new(None).check().unwrap_err()), ["identifier: from-name"]);
    assert_eq!(new(Some("rooms")).check().unwrap().0.identifier.as_str(), "rooms");
}

#[test]
fn there_are_1_to_16_targets() {
    let new = |count: usize| {
        let targets: Vec<_> = (0..count).map(|at| format!("ws://a{at}")).collect();
        new_api(json!({"name": "a", "version": "1.0", "targets": targets})).check()
    };
    assert!(new(1).is_ok() && new(16).is_ok());
    assert_eq!(told(&new(0).unwrap_err()), ["targets: count"]);
    assert_eq!(told(&new(17).unwrap_err()), ["targets: count"]);
}

#[test]
fn fields_that_nobody_knows_are_refused() {
    for refused in [
        serde_json::from_value::<NewApi>(json!({"name": "", "version": "", "targets": [], "base_path": "/"})).err(),
        serde_json::from_value::<NewDefinition>(json!({"name": "", "targets": [], "version": "1.0"})).err(),
        serde_json::from_value::<NewDeployment>(json!({"target": "ws://a"})).err(),
        serde_json::from_value::<NewLifecycle>(json!({"state": "Created", "to": "Published"})).err(),
    ] {
        let why = refused.unwrap().to_string();
        assert!(why.contains("unknown field"), "{why}");
    }
}

#[test]
fn targets_of_an_environment_are_kept_replaced_or_dropped() {
    let own = |value: Value| serde_json::from_value::<NewDeployment>(value).unwrap().own_targets();
    assert_eq!(own(json!({})), Ok(OwnTargets::Keep));
    assert_eq!(own(json!({"targets": null})), Ok(OwnTargets::Keep));
    assert_eq!(own(json!({"targets": []})), Ok(OwnTargets::Revisions));
    assert_eq!(own(json!({"targets": ["ws://a"]})), Ok(OwnTargets::These(vec!["ws://a".parse().unwrap()])));
    assert_eq!(told(&own(json!({"targets": ["ws://a", "x"]})).unwrap_err()), ["targets[1]: url"]);
}

#[test]
fn what_comes_with_a_change_of_lifecycle_depends_on_the_state() {
    let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
    let check = |value: Value| serde_json::from_value::<NewLifecycle>(value).unwrap().check(now, None);
    let published = json!({"state": "Published", "display_name": "Chat", "production_targets": ["ws://a"]});
    assert!(check(published).is_ok());
    let deprecated = check(json!({"state": "Deprecated", "sunset_at": "2026-11-23T11:00:01+01:00"})).unwrap();
    assert_eq!(deprecated.sunset_at, Some("2026-11-23T10:00:01Z".parse().unwrap()));
    let back = json!({"state": "Deprecated", "deprecated_at": "2025-01-01T00:00:00.0009Z", "sunset_at": "2025-01-01T00:00:00Z"});
    let back = check(back).unwrap();
    assert_eq!((back.deprecated_at, back.sunset_at), (back.sunset_at, Some("2025-01-01T00:00:00Z".parse().unwrap())));
    let again: NewLifecycle =
        serde_json::from_value(json!({"state": "Deprecated", "sunset_at": "2025-01-01T00:00:00Z"})).unwrap();
    assert_eq!(again.check(now, back.sunset_at).unwrap().sunset_at, back.sunset_at);
    for (value, rules) in [
        (json!({"state": "live"}), vec!["state: one-of"]),
        (json!({"state": "Created", "display_name": "Chat"}), vec!["display_name: state"]),
        (
            json!({"state": "Deprecated", "display_name": "a/b", "production_targets": []}),
            vec![
                "display_name: state",
                "production_targets: state",
                "display_name: characters",
                "production_targets: count",
            ],
        ),
        (json!({"state": "Published", "sunset_at": "2027-01-01T00:00:00Z"}), vec!["sunset_at: state"]),
        (json!({"state": "Deprecated", "sunset_at": "2026-11-23T10:00:00Z"}), vec!["sunset_at: past"]),
        (json!({"state": "Deprecated", "sunset_at": "tomorrow"}), vec!["sunset_at: time"]),
        (json!({"state": "Deprecated", "deprecated_at": "2026-11-23T10:00:01Z"}), vec!["deprecated_at: future"]),
        (json!({"state": "Blocked", "deprecated_at": "2026-11-23T10:00:00Z"}), vec!["deprecated_at: state"]),
        (
            json!({"state": "Deprecated", "deprecated_at": "2025-01-02T00:00:00Z", "sunset_at": "2025-01-01T00:00:00Z"}),
            vec!["sunset_at: order"],
        ),
        (
            json!({"state": "Deprecated", "deprecated_at": "then", "sunset_at": "2025-01-01T00:00:00Z"}),
            vec!["deprecated_at: time"],
        ),
        (json!({"state": "", "sunset_at": "tomorrow"}), vec!["state: one-of", "sunset_at: time"]),
    ] {
        assert_eq!(told(&check(value.clone()).unwrap_err()), rules, "{value}");
    }
}
