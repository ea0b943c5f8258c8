use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CheckedBytes, Effective, POLICIES, Policies, PolicyTree, PolicyValues, Source};
use crate::api::problem::Faults;
use crate::api::units::Optional;
use crate::api::written::Written;
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
    let layer = checked(json!({
        "preserve_host": true,
        "limits": { "idle_timeout_ms": "5m", "ping_interval_ms": "off", "pong_timeout_ms": 250, "max_frame_bytes": "64KiB" },
    }))
    .unwrap();
    assert_eq!(layer.idle_timeout, Some(Optional(Some(Duration::from_secs(300)))));
    assert_eq!(layer.ping_interval, Some(Optional(None)));
    let shown = json!({
        "preserve_host": true,
        "limits": { "idle_timeout_ms": 300_000, "ping_interval_ms": "off", "pong_timeout_ms": 250, "max_frame_bytes": 65536 },
    });
    assert_eq!(serde_json::to_value(&layer).unwrap(), shown);
    assert_eq!(serde_json::from_value::<Policies>(shown).unwrap(), layer);
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

fn layer(of: &BTreeMap<&'static str, Value>) -> Policies {
    let mut policies = Policies::default();
    for (name, value) in of {
        policies.set(name, value).unwrap().unwrap();
    }
    policies
}

proptest! {
    /// The model looks each policy up from the most specific layer down, and knows nothing of how layers are merged.
    #[test]
    fn of_the_layers_that_name_a_policy_the_most_specific_decides(api in any_layer(), environment in any_layer(), turned in any::<bool>()) {
        let node = defaults();
        let layers = [(Source::Api, &layer(&api)), (Source::Environment, &layer(&environment))];
        let given = if turned { [layers[1], layers[0]] } else { layers };
        let effective = Effective::of(&node, &given);
        for (policy, default) in effective.list().into_iter().zip(node.all()) {
            let name = policy.name.as_str();
            let expected = match (environment.get(name), api.get(name)) {
                (Some(value), _) => (value.clone(), Source::Environment),
                (None, Some(value)) => (value.clone(), Source::Api),
                (None, None) => (default, Source::Node),
            };
            prop_assert_eq!((policy.value, policy.source), expected, "{}", name);
        }
    }

    #[test]
    fn what_is_shown_of_a_layer_is_the_layer(of in any_layer()) {
        let layer = layer(&of);
        prop_assert_eq!(layer.named().into_iter().collect::<BTreeMap<_, _>>(), of);
        let again: Policies = serde_json::from_value(serde_json::to_value(&layer).unwrap()).unwrap();
        prop_assert_eq!(again, layer);
    }
}
