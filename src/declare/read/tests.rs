//! Documents read from YAML, and every fault with its place.

use super::{declared_twice, documents};
use crate::api::request::OwnTargets;
use crate::api::view::Status;
use crate::api::{Access, Lifecycle};

/// The faults of a text.
fn faults(text: &str) -> Vec<String> {
    documents("f.yaml", text).unwrap_err().iter().map(ToString::to_string).collect()
}

const HEAD: &str = "apiVersion: ringway/v1\nkind: Api\nname: Chat App\nversion: 1.10\ntargets: [ws://a]\n";

#[test]
fn a_document_is_read_whole() {
    let text = "apiVersion: ringway/v1\nkind: Api\nproject: shop\nname: Chat App\nidentifier: chat\nversion: \"2.1\"\n\
                description: what it is\naccess: internal\ntargets:\n- ws://a:1/x\n- wss://${HOST}\nlifecycle: Deprecated\n\
                display_name: Chat\nsunset_at: 2030-01-01T00:00:00Z\ndeployments:\n- environment: development\n\
                - environment: production\n  revision: 3\n  targets: []\n  status: stopped\n";
    let read = documents("f.yaml", text).unwrap();
    let [document] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(document.key.to_string(), "shop/chat:2.1");
    assert_eq!(document.origin.to_string(), "f.yaml:1:1");
    assert_eq!(document.definition.access, Access::Internal);
    assert_eq!(document.lifecycle, Some(Lifecycle::Deprecated));
    assert_eq!(document.sunset_at.unwrap().to_string(), "2030-01-01T00:00:00Z");
    let [development, production] = document.deployments.as_slice() else { panic!("{document:?}") };
    assert_eq!((&development.targets, development.status), (&OwnTargets::Keep, None));
    assert_eq!((&production.targets, production.status), (&OwnTargets::Revisions, Some(Status::Stopped)));
    assert_eq!(production.revision, Some(3));
}

#[test]
fn what_is_left_out_is_left_open_and_a_version_without_quotes_is_itself() {
    let read = documents("f.yaml", &format!("# first\n---\n{HEAD}---\n{HEAD}project: other\n---\n# last\n")).unwrap();
    let keys: Vec<String> = read.iter().map(|document| document.key.to_string()).collect();
    assert_eq!(keys, ["default/chat-app:1.10", "other/chat-app:1.10"]);
    assert_eq!((read[0].origin.line, read[1].origin.line), (3, 9));
    assert_eq!((read[0].given.as_slice(), read[0].lifecycle), (["name", "targets"].as_slice(), None));
    assert_eq!(documents("f.yaml", "").unwrap(), []);
}

#[test]
fn policies_are_read_as_they_are_written_and_off_is_no_boolean() {
    let text = format!(
        "{HEAD}policies:\n  preserve_host: true\n  limits: {{idle_timeout_ms: off, ping_interval_ms: 5m, max_frame_bytes: 7}}\n"
    );
    let read = documents("f.yaml", &text).unwrap();
    let shown = serde_json::to_value(&read[0].definition.policies).unwrap();
    let limits = serde_json::json!({ "idle_timeout_ms": "off", "ping_interval_ms": 300_000, "max_frame_bytes": 7 });
    assert_eq!(shown, serde_json::json!({ "preserve_host": true, "limits": limits }));
    assert_eq!(read[0].given, ["name", "targets", "policies"]);
}

#[test]
fn a_fault_of_a_channels_policy_has_the_place_of_the_policy() {
    let text = format!(
        "{HEAD}policies:\n  channels:\n    /a: {{validation: {{client_sends: report}}}}\n    /a.b/{{c}}.json:\n      validation:\n        client_sends: on\n"
    );
    let told = faults(&text);
    assert_eq!(
        told,
        [
            "f.yaml:11:23: policies.channels./a.b/{c}.json.validation.client_sends: it must be `off`, `report` or `enforce`"
        ]
    );
}

#[test]
fn d13_a_value_of_another_kind_is_told_in_our_words() {
    let text = "apiVersion: ringway/v1\nkind: Api\nname: [a]\nversion: {a: 1}\ntargets: 5\ndeployments:\n- environment: a\n  revision: one\n\
                - environment: b\n  revision: -1\n";
    let told = faults(text);
    for (start, says) in [
        ("f.yaml:3:7: name: ", "text is expected"),
        ("f.yaml:4:10: version: ", "text is expected"),
        ("f.yaml:5:10: targets: ", "a list is expected"),
        ("f.yaml:8:13: deployments[0].revision: ", "it must be a whole number, and is text"),
        ("f.yaml:10:13: deployments[1].revision: ", "it must be a whole number from 0 to"),
    ] {
        assert!(told.iter().any(|line| line.starts_with(start) && line.contains(says)), "{start}: {told:#?}");
    }
    assert_eq!(told.len(), 5, "{told:#?}");
}

#[test]
fn every_broken_rule_is_told_with_its_place() {
    let text = "apiVersion: v1\nkind: Pod\nproject: Bad\nname: a/b\nidentifier: '-'\nversion: one\ntargets:\n- ws://a\n- ftp://b\n\
                access: both\nlifecycle: live\nsunset_at: soon\ndeployments:\n- environment: a\n  targets: [ws://x, http://]\n\
                - environment: a\n  revision: 0\n  status: on\n";
    let told = faults(text);
    for expected in [
        "f.yaml:1:13: apiVersion: it must be `ringway/v1`",
        "f.yaml:2:7: kind: it must be `Api`",
        "f.yaml:3:10: project: ",
        "f.yaml:4:7: name: ",
        "f.yaml:5:13: identifier: ",
        "f.yaml:6:10: version: it must be `major.minor`",
        "f.yaml:9:3: targets[1]: it must begin with ws://",
        "f.yaml:10:9: access: it must be `external` or `internal`",
        "f.yaml:11:12: lifecycle: it must be one of `Created`",
        "f.yaml:12:12: sunset_at: it must be a time",
        "f.yaml:15:21: deployments[0].targets[1]: ",
        "f.yaml:17:13: deployments[1].revision: revisions count from 1",
        "f.yaml:18:11: deployments[1].status: it must be `running` or `stopped`",
    ] {
        assert!(told.iter().any(|line| line.starts_with(expected)), "{expected}: {told:#?}");
    }
    assert_eq!(told.len(), 13, "{told:#?}");
}

#[test]
fn what_is_not_yaml_is_told_with_its_place_and_nothing_that_may_be_secret() {
    let long = format!("{HEAD}targets: ws://me:hunter2@a\n");
    for (text, expected) in [
        (format!("{HEAD}name: Chat\n"), "f.yaml:6:1: name: duplicate mapping key: name"),
        (long, "f.yaml:6:1: targets: duplicate mapping key"),
        ("a: b: c\n".into(), "f.yaml:1:"),
        ("kind: \"Api\n".into(), "f.yaml:2:1: "),
    ] {
        let told = faults(&text);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{expected}: {told:?}");
        assert!(!told[0].contains("hunter2") && !told[0].contains(" at line "), "{told:?}");
    }
}

#[test]
fn every_field_of_the_wrong_form_is_told_with_its_place_and_nothing_that_may_be_secret() {
    for (text, expected) in [
        (format!("{HEAD}tragets: []\n"), vec!["f.yaml:6:1: unknown field `tragets`: did you mean `targets`?"]),
        (format!("{HEAD}colour: red\n"), vec!["f.yaml:6:1: unknown field `colour`: expected one of apiVersion, "]),
        (
            format!("{HEAD}deployments:\n- environmnt: hunter2\n"),
            vec![
                "f.yaml:7:3: deployments[0]: unknown field `environmnt`: did you mean `environment`?",
                "f.yaml:7:3: deployments[0]: missing field `environment`",
            ],
        ),
        (
            format!("{HEAD}deployments: [a]\n"),
            vec!["f.yaml:6:15: deployments[0]: fields (`name: value`) are expected here"],
        ),
        (format!("{HEAD}deployments: a\n"), vec!["f.yaml:6:14: deployments: a list is expected here"]),
        (
            format!("{HEAD}---\n{HEAD}deployments:\n- targets: a:hunter2@c\n"),
            vec![
                "f.yaml:13:3: deployments[0]: missing field `environment`",
                "f.yaml:13:12: deployments[0].targets: a list is expected here",
            ],
        ),
        (
            "kind: [a]\nname: 7\ntargets: ws://me:hunter2@a\nversion: ~\n".into(),
            vec![
                "f.yaml:1:1: missing field `apiVersion`",
                "f.yaml:4:10: version: it is empty",
                "f.yaml:1:7: kind: a text is expected here",
                "f.yaml:3:10: targets: a list is expected here",
            ],
        ),
        ("- a\n".into(), vec!["f.yaml:1:1: fields (`name: value`) are expected here"]),
        (
            "kind: Api\n".into(),
            vec![
                "f.yaml:1:1: missing field `apiVersion`",
                "f.yaml:1:1: missing field `name`",
                "f.yaml:1:1: missing field `version`",
                "f.yaml:1:1: missing field `targets`",
            ],
        ),
    ] {
        let told = faults(&text);
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (line, expected) in told.iter().zip(expected) {
            assert!(line.starts_with(expected) && !line.contains("hunter2"), "{expected}: {line}");
        }
    }
}

#[test]
fn what_a_state_does_not_have_is_refused() {
    for (lines, expected) in [
        ("display_name: Chat\n", "f.yaml:6:15: display_name: it goes with `lifecycle: Published`"),
        ("display_name: Chat\nlifecycle: Created\n", "f.yaml:6:15: display_name: it goes with"),
        ("sunset_at: 2030-01-01T00:00:00Z\nlifecycle: Published\n", "f.yaml:6:12: sunset_at: it goes with"),
        ("deprecated_at: 2020-01-01T00:00:00Z\nlifecycle: Blocked\n", "f.yaml:6:16: deprecated_at: it goes with"),
        ("deprecated_at: then\nlifecycle: Deprecated\n", "f.yaml:6:16: deprecated_at: it must be a time"),
        ("lifecycle: Retired\ndeployments:\n- environment: a\n", "f.yaml:8:3: deployments: an API that is `Retired`"),
        ("deployments:\n- environment: a\n- environment: a\n", "f.yaml:8:16: deployments[1].environment: there is"),
    ] {
        let told = faults(&format!("{HEAD}{lines}"));
        assert!(told.len() == 1 && told[0].starts_with(expected), "{expected}: {told:?}");
    }
    for lines in ["display_name: C\nlifecycle: Blocked\n", "lifecycle: Retired\ndeployments: []\n"] {
        assert!(documents("f.yaml", &format!("{HEAD}{lines}")).is_ok(), "{lines}");
    }
}

#[test]
fn two_documents_for_an_api_are_refused_with_both_places() {
    let mut all = documents("a.yaml", HEAD).unwrap();
    all.extend(
        documents(
            "b.yaml",
            &format!("{HEAD}---\n{HEAD}version: 2.0\n")
                .replace("version: 1.10\ntargets: [ws://a]\nversion", "targets: [ws://a]\nversion"),
        )
        .unwrap(),
    );
    let told: Vec<String> = declared_twice(&all).1.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["b.yaml:1:1: default/chat-app:1.10 is declared at a.yaml:1:1 already"]);
}

#[test]
fn aliases_that_grow_are_refused() {
    let mut text = "a: &a [x]\n".to_owned();
    for (at, before) in ('b'..='z').zip('a'..) {
        let ten = vec![format!("*{before}"); 10].join(",");
        text += &format!("{at}: &{at} [{ten}]\n");
    }
    assert_eq!(documents("f.yaml", &text).unwrap_err().len(), 1);
}
