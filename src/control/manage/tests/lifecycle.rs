//! An API's life, as it is stored and as shards are told.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Node, key, me, of, rules, word};
use crate::api::etag::Tagged;
use crate::api::view::LifecycleView;
use crate::api::{ApiKey, Condition, Lifecycle, Problems};

fn chat() -> ApiKey {
    key("default/chat:1.0")
}

async fn set(node: &Node, new: Value) -> Result<LifecycleView, Problems> {
    let set = node.manager.set_lifecycle(me(), &chat(), of(new), Condition::Always).await?;
    let Tagged { value, .. } = set;
    Ok(value)
}

/// A way from the beginning to each state.
fn way(to: Lifecycle) -> &'static [&'static str] {
    match to {
        Lifecycle::Created => &[],
        Lifecycle::PreReleased => &["Pre-released"],
        Lifecycle::Published => &["Published"],
        Lifecycle::Deprecated => &["Published", "Deprecated"],
        Lifecycle::Blocked => &["Published", "Blocked"],
        Lifecycle::Retired => &["Published", "Deprecated", "Retired"],
    }
}

#[tokio::test]
async fn every_change_is_made_or_refused_as_the_table_says() {
    let node = Node::new();
    for from in Lifecycle::ALL {
        for to in Lifecycle::ALL {
            node.manager.delete_api(me(), &chat(), Condition::Always).await.unwrap();
            node.create("Chat").await;
            for state in way(from) {
                node.lifecycle(&chat(), state).await;
            }
            let changed = set(&node, json!({ "state": to })).await;
            let is_made = from == to || from.may_become(to);
            assert_eq!(changed.is_ok(), is_made, "{from} to {to}");
            let after = node.api(&chat()).await;
            assert_eq!(after.lifecycle, if is_made { to } else { from });
            if let Err(refused) = changed {
                assert_eq!((refused.code.status, refused.code.word), (409, "lifecycle-not-allowed"));
                assert!(refused.detail.contains(&format!("is {from}, and cannot become {to}")), "{refused}");
            }
        }
    }
}

#[tokio::test]
async fn shards_are_told_of_each_state() {
    let node = Node::new();
    node.create("Chat").await;
    for environment in ["development", "production"] {
        node.deploy(&chat(), environment, json!({})).await.unwrap();
    }
    for state in ["Pre-released", "Published", "Blocked", "Published", "Deprecated"] {
        node.lifecycle(&chat(), state).await;
        let of = |environment: &str| format!("default/chat:1.0 @{environment} #1 ws://a:9000 {state}");
        assert_eq!(node.fake.in_force(), [of("development"), of("production")]);
    }
    node.lifecycle(&chat(), "Retired").await;
    assert_eq!(node.fake.in_force(), [""; 0]);
    let api = node.api(&chat()).await;
    assert_eq!(api.deployments, []);
    assert!(api.deprecated_at.is_some() && api.sunset_at.is_some(), "what was said of its end stays with it");
}

#[tokio::test]
async fn the_history_tells_who_and_when() {
    let node = Node::new();
    node.create("Chat").await;
    let before = node.manager.lifecycle(&chat()).await.unwrap().value;
    let of_created = json!({"state": "Created", "allowed": ["Pre-released", "Published"], "history": []});
    assert_eq!(serde_json::to_value(before).unwrap(), of_created);
    node.lifecycle(&chat(), "Published").await;
    set(&node, json!({"state": "Published", "display_name": "Another"})).await.unwrap();
    node.lifecycle(&chat(), "Blocked").await;
    let view = node.manager.lifecycle(&chat()).await.unwrap().value;
    assert_eq!(view.allowed, [Lifecycle::Published, Lifecycle::Deprecated]);
    let history: Vec<_> = view.history.iter().map(|entry| (entry.who.as_str(), entry.from, entry.to)).collect();
    let (created, published, blocked) = (Lifecycle::Created, Lifecycle::Published, Lifecycle::Blocked);
    assert_eq!(history, [("me", created, published), ("me", published, blocked)]);
    assert!(view.history[0].at <= view.history[1].at);
}

#[tokio::test]
async fn publishing_gives_a_display_name() {
    let node = Node::new();
    node.create("Chat").await;
    node.deploy(&chat(), "development", json!({})).await.unwrap();
    let display_name = async || node.api(&chat()).await.display_name.map(|name| name.to_string());
    assert_eq!(display_name().await, None);
    node.lifecycle(&chat(), "Published").await;
    assert_eq!(display_name().await.as_deref(), Some("Chat"));
    let publications = node.fake.publications();
    set(&node, json!({"state": "Published", "display_name": "Talk to us"})).await.unwrap();
    assert_eq!(node.fake.publications(), publications, "to shards a display name is nothing");
    assert_eq!(display_name().await.as_deref(), Some("Talk to us"));
    for state in ["Blocked", "Published", "Deprecated", "Published"] {
        node.lifecycle(&chat(), state).await;
        assert_eq!(display_name().await.as_deref(), Some("Talk to us"), "{state}");
    }
    node.lifecycle(&chat(), "Created").await;
    assert_eq!(display_name().await, None, "it is no longer for consumers");
    assert_eq!(rules(set(&node, json!({"state": "Published", "display_name": " "})).await), ["display_name: spaces"]);
    assert_eq!(rules(set(&node, json!({"state": "Pre-released", "display_name": "x"})).await), ["display_name: state"]);
}

/// The warning of an API that asks its clients for nothing.
const OPEN: &str = "Everybody may connect to it in production, because `auth.mode` is `none`, and so may every web page, because `origins` is `any`.";

#[tokio::test]
async fn publishing_confirms_what_is_in_production() {
    let node = Node::new();
    node.create("Chat").await;
    let published = |targets: Value| json!({"state": "Published", "production_targets": targets});
    let refused = set(&node, published(json!(["ws://a:9000"]))).await.unwrap_err();
    assert_eq!((refused.code.status, refused.code.word), (409, "targets-differ"));
    assert!(refused.detail.contains("production, which is: nothing"), "{refused}");
    let view = set(&node, json!({"state": "Published"})).await.unwrap();
    assert_eq!(view.warnings.unwrap(), ["It is not deployed in production: consumers cannot reach it there.", OPEN]);
    node.deploy(&chat(), "production", json!({"targets": ["ws://b", "ws://c"]})).await.unwrap();
    let refused = set(&node, published(json!(["ws://a:9000"]))).await.unwrap_err();
    assert!(refused.detail.contains("ws://b, ws://c"), "{refused}");
    let view = set(&node, published(json!(["ws://b", "ws://c"]))).await.unwrap();
    assert_eq!(view.warnings.unwrap(), [OPEN]);
    node.manager.stop(me(), &chat(), "production", Condition::Always).await.unwrap();
    let view = set(&node, published(json!(["ws://b", "ws://c"]))).await.unwrap();
    assert_eq!(view.warnings.unwrap(), ["It is stopped in production: consumers cannot reach it there.", OPEN]);
    // The deployed revision decides, not the definition as it is now.
    let asks = |policies: Value| json!({"name": "Chat", "targets": ["ws://b"], "policies": policies});
    let closed = of(asks(json!({"auth": {"mode": "key"}})));
    node.manager.put_api(me(), chat(), closed, Condition::Always).await.unwrap();
    node.manager.start_again(me(), &chat(), "production", Condition::Always).await.unwrap();
    assert_eq!(set(&node, json!({"state": "Published"})).await.unwrap().warnings.unwrap(), [OPEN]);
    node.deploy(&chat(), "production", json!({})).await.unwrap();
    assert_eq!(set(&node, json!({"state": "Published"})).await.unwrap().warnings, Some(vec![]));
    let listed = of(asks(json!({"origins": ["https://app.example.com"]})));
    node.manager.put_api(me(), chat(), listed, Condition::Always).await.unwrap();
    node.deploy(&chat(), "production", json!({})).await.unwrap();
    let warnings = set(&node, json!({"state": "Published"})).await.unwrap().warnings.unwrap();
    assert_eq!(warnings, ["Everybody may connect to it in production, because `auth.mode` is `none`."]);
}

#[tokio::test]
async fn a_deprecated_api_has_an_end() {
    let node = Node::new();
    node.create("Chat").await;
    node.deploy(&chat(), "development", json!({})).await.unwrap();
    node.lifecycle(&chat(), "Published").await;
    node.lifecycle(&chat(), "Deprecated").await;
    let api = node.api(&chat()).await;
    let (since, end) = (api.deprecated_at.unwrap(), api.sunset_at.unwrap());
    assert_eq!(end.duration_since(since), SignedDuration::from_hours(180 * 24));
    let told = node.manager.deployed().await.unwrap();
    let told = told.values().next().unwrap();
    assert_eq!((told.deprecated_at, told.sunset_at), (Some(since), Some(end)));

    let later = "2999-12-31T00:00:00Z";
    set(&node, json!({"state": "Deprecated", "sunset_at": later})).await.unwrap();
    let api = node.api(&chat()).await;
    assert_eq!((api.deprecated_at, api.sunset_at), (Some(since), Some(later.parse::<Timestamp>().unwrap())));
    set(&node, json!({"state": "Deprecated"})).await.unwrap();
    assert_eq!(node.api(&chat()).await.sunset_at, api.sunset_at, "what is not given stays");
    assert_eq!(
        rules(set(&node, json!({"state": "Deprecated", "sunset_at": "2020-01-01T00:00:00Z"})).await),
        ["sunset_at: past"]
    );

    node.lifecycle(&chat(), "Published").await;
    let api = node.api(&chat()).await;
    assert_eq!((api.deprecated_at, api.sunset_at), (None, None));

    let [then, end]: [Timestamp; 2] = ["2020-01-01T00:00:00Z", "2020-06-01T00:00:00Z"].map(|at| at.parse().unwrap());
    set(&node, json!({"state": "Deprecated", "deprecated_at": then, "sunset_at": end})).await.unwrap();
    for again in [json!({"state": "Deprecated", "sunset_at": end}), json!({"state": "Deprecated"})] {
        set(&node, again).await.unwrap();
        let api = node.api(&chat()).await;
        assert_eq!((api.deprecated_at, api.sunset_at), (Some(then), Some(end)));
    }
    let later: Timestamp = "2021-01-01T00:00:00Z".parse().unwrap();
    set(&node, json!({"state": "Deprecated", "deprecated_at": later})).await.unwrap();
    let end = node.api(&chat()).await.sunset_at.unwrap();
    assert_eq!(
        end.duration_since(later),
        SignedDuration::from_hours(180 * 24),
        "it does not end before it is deprecated"
    );
}

#[tokio::test]
async fn a_change_that_changes_nothing_leaves_no_trace() {
    let node = Node::new();
    node.create("Chat").await;
    node.lifecycle(&chat(), "Published").await;
    let (etag, audit) = (node.manager.api(&chat()).await.unwrap().etag, node.audit().await);
    for again in [json!({"state": "Published"}), json!({"state": "Published", "display_name": "Chat"})] {
        set(&node, again).await.unwrap();
    }
    assert_eq!(node.manager.api(&chat()).await.unwrap().etag, etag);
    assert_eq!(node.audit().await, audit);
    assert_eq!(word(node.manager.lifecycle(&key("default/none:1.0")).await), "api-not-found");
}
