use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    AuthMode, CheckedBytes, CredentialPlaces, Effective, KeyCookie, KeyHeader, KeyQuery, MAX_CHANNELS, POLICIES,
    Policies, PolicyLayer, PolicyTree, PolicyValues, Source,
};
use crate::api::problem::Faults;
use crate::api::units::Optional;
use crate::api::written::Written;
use crate::routing::origins::Origins;
use crate::routing::route::UnlistedPaths;
use crate::routing::validation::{CheckMode, OnViolation, OverLimit};

/// A node's values.
pub(in crate::api) fn defaults() -> PolicyValues {
    PolicyValues {
        preserve_host: false,
        abnormal_close_code: Optional(None),
        insecure_allow_missing_key: false,
        insecure_allow_missing_accept: false,
        upstream_server_name: Optional(None),
        unlisted_paths: UnlistedPaths::Refuse,
        origins: Origins::Any,
        auth_mode: AuthMode::None,
        credentials_in: CredentialPlaces::default(),
        key_header: KeyHeader::default(),
        key_query: KeyQuery::default(),
        key_cookie: KeyCookie::default(),
        forward_identity: false,
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Optional(Some(Duration::from_secs(3600))),
        ping_interval: Optional(None),
        upstream_ping_interval: Optional(None),
        pong_timeout: Duration::from_secs(10),
        close_timeout: Duration::from_secs(5),
        max_frame_bytes: 1 << 20,
        max_message_bytes: 2 << 20,
        check_client_sends: CheckMode::Off,
        check_client_receives: CheckMode::Off,
        on_violation: OnViolation::Drop,
        max_checked_bytes: CheckedBytes::USUAL,
        over_limit: OverLimit::Pass,
    }
}

fn tree(value: Value) -> PolicyTree {
    serde_json::from_value(value).unwrap()
}

fn checked(value: Value) -> Result<Policies, Vec<(String, String)>> {
    let mut faults = Faults::default();
    tree(value)
        .check("policies", &mut faults)
        .ok_or_else(|| faults.into_problems().errors.into_iter().map(|error| (error.field, error.rule)).collect())
}

#[test]
fn a_value_is_read_as_a_number_or_as_text_and_shown_as_a_number() {
    let policies = checked(json!({
        "preserve_host": true,
        "limits": { "idle_timeout_ms": "5m", "ping_interval_ms": "off", "pong_timeout_ms": 250, "max_frame_bytes": "64KiB" },
    }))
    .unwrap();
    let layer = &policies.layer;
    assert_eq!(layer.idle_timeout, Some(Optional(Some(Duration::from_secs(300)))));
    assert_eq!(layer.ping_interval, Some(Optional(None)));
    let shown = json!({
        "preserve_host": true,
        "limits": { "idle_timeout_ms": 300_000, "ping_interval_ms": "off", "pong_timeout_ms": 250, "max_frame_bytes": 65536 },
    });
    assert_eq!(serde_json::to_value(&policies).unwrap(), shown);
    assert_eq!(serde_json::from_value::<Policies>(shown).unwrap(), policies);
    assert!(checked(json!({ "preserve_host": null, "limits": {} })).unwrap().is_empty());
}

#[test]
fn every_fault_is_reported_with_its_path() {
    let long = "9".repeat(10_000);
    let faults = checked(json!({
        "preserve_host": "yes",
        "preserve_hosts": true,
        "limits": {
            "idle_timeout_ms": "5 minutes", "connect_timeout_ms": "off", "close_timeout_ms": 0, "max_frame_bytes": -1,
            "pong_timeout_ms": long, "max_message_bytes": "1KB", "handshake_timeout_ms": 1,
        },
    }))
    .unwrap_err();
    let expected = [
        ("policies.limits.close_timeout_ms", "value"),
        ("policies.limits.connect_timeout_ms", "value"),
        ("policies.limits.handshake_timeout_ms", "unknown"),
        ("policies.limits.idle_timeout_ms", "value"),
        ("policies.limits.max_frame_bytes", "type"),
        ("policies.limits.max_message_bytes", "value"),
        ("policies.limits.pong_timeout_ms", "type"),
        ("policies.preserve_host", "type"),
        ("policies.preserve_hosts", "unknown"),
    ];
    let mut told: Vec<(&str, &str)> = faults.iter().map(|(field, rule)| (field.as_str(), rule.as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, expected);
    assert_eq!(checked(json!({ "limits": 7 })).unwrap_err(), [("policies.limits".to_owned(), "type".to_owned())]);
}

#[test]
fn a_channel_has_policies_of_its_own_by_its_path() {
    let shown = json!({
        "channels": {
            "unlisted_paths": "pass",
            "/": { "validation": { "client_sends": "report" } },
            "/a.b/{c}": { "validation": { "client_receives": "enforce", "max_bytes": 7 } },
        },
        "validation": { "client_sends": "enforce" },
    });
    let policies = checked(shown.clone()).unwrap();
    assert_eq!(serde_json::to_value(&policies).unwrap(), shown);
    assert_eq!(policies.layer.unlisted_paths, Some(UnlistedPaths::Pass));
    let names: Vec<String> = policies.named().into_iter().map(|(name, _)| name).collect();
    let expected = [
        "channels.unlisted_paths",
        "validation.client_sends",
        "channels./.validation.client_sends",
        "channels./a.b/{c}.validation.client_receives",
        "channels./a.b/{c}.validation.max_bytes",
    ];
    assert_eq!(names, expected);
    // A channel without a policy is as if it were not there.
    let empty = json!({ "channels": { "/a": {}, "/b": null, "/c": { "validation": { "client_sends": null } } } });
    assert!(checked(empty).unwrap().is_empty());
    // By its name, as the command line has it.
    let mut written = PolicyTree::default();
    written.put("channels./a.b/{c}.validation.max_bytes", Some(json!(7)));
    written.put("channels.unlisted_paths", Some(json!("pass")));
    assert_eq!(
        written,
        tree(json!({ "channels": { "/a.b/{c}": { "validation": { "max_bytes": 7 } }, "unlisted_paths": "pass" } }))
    );
    written.put("channels./a.b/{c}.validation.max_bytes", None);
    written.put("channels.unlisted_paths", None);
    assert_eq!(written, PolicyTree::default());
}

#[test]
fn every_fault_of_a_channels_policies_is_reported_with_its_path() {
    let faults = checked(json!({ "channels": {
        "/a": { "validation": { "client_sends": "on", "client_send": "off" }, "limits": { "idle_timeout_ms": 5 } },
        "/b.c": 7,
        "/d\n": { "preserve_host": true, "channels": { "/e": {} } },
        "f": { "validation": {} },
    } }))
    .unwrap_err();
    let mut told: Vec<(&str, &str)> = faults.iter().map(|(field, rule)| (field.as_str(), rule.as_str())).collect();
    told.sort_unstable();
    let expected = [
        ("policies.channels./a.limits", "unknown"),
        ("policies.channels./a.validation.client_send", "unknown"),
        ("policies.channels./a.validation.client_sends", "value"),
        ("policies.channels./b.c", "type"),
        ("policies.channels./d\\n.channels", "unknown"),
        ("policies.channels./d\\n.preserve_host", "unknown"),
        ("policies.channels.f", "unknown"),
    ];
    assert_eq!(told, expected);
    let many = |count: usize| {
        let report = json!({ "validation": { "client_sends": "report" } });
        (0..count).map(|n| (format!("/{n}"), report.clone())).collect::<serde_json::Map<_, _>>()
    };
    assert_eq!(checked(json!({ "channels": many(MAX_CHANNELS) })).unwrap().channels.len(), MAX_CHANNELS);
    let told = checked(json!({ "channels": many(MAX_CHANNELS + 1) })).unwrap_err();
    assert_eq!(told, [("policies.channels".to_owned(), "count".to_owned())]);
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    for (name, said) in [
        ("preserve-host", "did you mean `preserve_host`?"),
        ("idle_timeout", "did you mean `limits.idle_timeout_ms`?"),
        ("colour", "there are preserve_host, abnormal_close_code, insecure_allow_missing_key"),
    ] {
        let mut faults = Faults::default();
        assert_eq!(tree(json!({ name: 1 })).check("policies", &mut faults), None);
        let problems = faults.into_problems();
        assert!(problems.detail.contains(said), "{}", problems.detail);
    }
}

#[test]
fn a_cookie_is_a_credential_only_for_pages_that_are_listed() {
    let auth = json!({ "credentials_in": ["header", "cookie"] });
    for origins in [json!(null), json!("any"), json!("same-host"), json!(["https://a.test", "null"])] {
        let faults = checked(json!({ "auth": auth, "origins": origins })).unwrap_err();
        assert_eq!(faults, [("policies.auth.credentials_in".to_owned(), "cookie-origins".to_owned())], "{origins}");
    }
    assert!(checked(json!({ "auth": auth, "origins": ["https://a.test"] })).is_ok());
    assert!(checked(json!({ "auth": { "credentials_in": ["header", "query"] } })).is_ok());
}

#[test]
fn a_policy_is_put_into_a_tree_and_taken_out_by_its_name() {
    let mut written = PolicyTree::default();
    written.put("limits.idle_timeout_ms", Some(json!(1)));
    written.put("preserve_host", Some(json!(true)));
    written.put("limits.close_timeout_ms", Some(json!(2)));
    assert_eq!(
        written,
        tree(json!({ "preserve_host": true, "limits": { "idle_timeout_ms": 1, "close_timeout_ms": 2 } }))
    );
    written.put("limits.idle_timeout_ms", None);
    written.put("limits.close_timeout_ms", None);
    written.put("limits.pong_timeout_ms", None);
    assert_eq!(written, tree(json!({ "preserve_host": true })));
}

/// A layer as the independent model has it: values by name.
fn any_layer() -> impl Strategy<Value = BTreeMap<&'static str, Value>> {
    let places = prop::collection::vec((0..POLICIES.len(), 1_u64..1000, any::<bool>()), 0..8);
    places.prop_map(|places| {
        let named = places.into_iter().map(|(place, number, flag)| {
            let name = POLICIES[place].name;
            let value = match name {
                "preserve_host" | "insecure_allow_missing_key" | "insecure_allow_missing_accept" => json!(flag),
                "auth.forward_identity" => json!(flag),
                "auth.mode" => json!(if flag { "key" } else { "mtls" }),
                "auth.credentials_in" => {
                    if flag {
                        json!(["query"])
                    } else {
                        json!(["header", "query"])
                    }
                }
                "auth.key_header" | "auth.key_query" | "auth.key_cookie" => json!(format!("x-{number}")),
                "origins" if flag => json!("same-host"),
                "origins" => json!([format!("https://a{number}.test")]),
                "limits.idle_timeout_ms" | "limits.ping_interval_ms" | "abnormal_close_code" if flag => json!("off"),
                "abnormal_close_code" => json!(3000 + number),
                "channels.unlisted_paths" => json!(if flag { "pass" } else { "refuse" }),
                "validation.client_sends" => json!(if flag { "report" } else { "off" }),
                "validation.client_receives" => json!(if flag { "enforce" } else { "off" }),
                "validation.on_violation" => json!(if flag { "close" } else { "drop" }),
                "validation.over_limit" => json!(if flag { "pass" } else { "close" }),
                "upstream_server_name" if flag => json!("off"),
                "upstream_server_name" => json!(format!("host-{number}.test")),
                _ => json!(number),
            };
            (name, value)
        });
        named.collect()
    })
}

fn layer(of: &BTreeMap<&'static str, Value>) -> PolicyLayer {
    let mut policies = PolicyLayer::default();
    for (name, value) in of {
        policies.set(name, value).unwrap().unwrap();
    }
    policies
}

proptest! {
    /// The model looks each policy up from the most specific layer down, and knows nothing of how layers are merged.
    #[test]
    fn of_the_layers_that_name_a_policy_the_last_decides(
        api in any_layer(), channel in any_layer(), environment in any_layer(), turn in 0..3_usize,
    ) {
        let node = defaults();
        let all = [layer(&api), layer(&channel), layer(&environment)];
        let mut layers = [(Source::Api, &all[0]), (Source::Channel, &all[1]), (Source::Environment, &all[2])];
        layers.rotate_left(turn);
        let effective = Effective::of(&node, layers);
        for (policy, default) in effective.list().into_iter().zip(node.all()) {
            let name = policy.name.as_str();
            let expected = match (environment.get(name), channel.get(name), api.get(name)) {
                (Some(value), ..) => (value.clone(), Source::Environment),
                (None, Some(value), _) => (value.clone(), Source::Channel),
                (None, None, Some(value)) => (value.clone(), Source::Api),
                (None, None, None) => (default, Source::Node),
            };
            prop_assert_eq!((policy.value, policy.source), expected, "{}", name);
        }
    }

    #[test]
    fn what_is_shown_of_a_layer_is_the_layer(of in any_layer()) {
        let layer = layer(&of);
        prop_assert_eq!(layer.named().into_iter().collect::<BTreeMap<_, _>>(), of);
        let policies = Policies { layer, ..Policies::default() };
        let again: Policies = serde_json::from_value(serde_json::to_value(&policies).unwrap()).unwrap();
        prop_assert_eq!(again, policies);
    }
}
