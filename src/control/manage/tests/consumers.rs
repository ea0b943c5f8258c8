//! Applications, plans, subscriptions and keys: what is allowed, what the shards are told, and what the audit keeps.

use serde_json::{Value, json};

use super::{Node, key, me, of, rules, word};
use crate::api::change::KeyFields;
use crate::api::consumers::view::{KeyStatus, MadeKey};
use crate::api::consumers::{
    ApiFamily, Application, ApplicationName, ApplicationState, MAX_KEYS, MAX_SUBSCRIPTIONS, PlanName,
};
use crate::api::{Change, Condition, PageRequest, Problems};
use crate::control::manage::{ApplicationFilter, AuditFilter, KeyFilter, Mode};

fn mobile() -> ApplicationName {
    "acme/mobile".parse().unwrap()
}

fn chat() -> ApiFamily {
    "default/chat:1".parse().unwrap()
}

fn plan(name: &str) -> PlanName {
    name.parse().unwrap()
}

impl Node {
    async fn application(&self, name: &str) {
        let name: ApplicationName = name.parse().unwrap();
        let new = json!({ "consumer": name.consumer, "name": name.name });
        self.manager.create_application(me(), of(new)).await.unwrap();
    }

    async fn subscribe(&self, api: &ApiFamily, fields: Value) -> Result<Vec<String>, Problems> {
        let put = self.manager.put_subscription(me(), mobile(), api.clone(), of(fields), Condition::Always).await?;
        Ok(put.value.warnings)
    }

    async fn make_key(&self, fields: Value) -> MadeKey {
        self.manager.create_key(me(), mobile(), of(fields)).await.unwrap().value
    }

    /// The last state of `acme/mobile` that the shards were told, if they were told of any.
    fn told(&self) -> Option<ApplicationState> {
        let changed = self.fake.with(|seen| seen.keys.last().cloned())?;
        changed.into_iter().find_map(|changed| changed.state.filter(|state| state.name == mobile()))
    }

    /// Subscriptions as the shards know them: `api plan open`.
    fn open(&self) -> Vec<String> {
        let subscriptions = self.told().map(|state| state.subscriptions).unwrap_or_default();
        subscriptions.iter().map(|it| format!("{} {} {}", it.api, it.plan, it.is_open)).collect()
    }

    fn publications_of_keys(&self) -> usize {
        self.fake.with(|seen| seen.keys.len())
    }
}

#[tokio::test]
async fn an_application_subscribes_and_gets_a_key_that_the_shards_know() {
    let node = Node::new();
    node.create("Chat").await;
    node.lifecycle(&key("default/chat:1.0"), "Published").await;
    node.application("acme/mobile").await;
    assert_eq!(node.subscribe(&chat(), json!({})).await.unwrap(), Vec::<String>::new());
    let made = node.make_key(json!({ "environment": "production", "name": "CI" })).await;
    assert!(made.secret.starts_with(&made.key.prefix) && made.secret.len() == 47);
    let state = node.told().unwrap();
    assert_eq!(node.open(), ["default/chat:1 default true"]);
    assert_eq!(
        (state.keys.len(), state.keys[0].id, state.keys[0].environment.as_str()),
        (1, made.key.id, "production")
    );
    let shown = node.manager.application(&mobile()).await.unwrap().value;
    assert_eq!((shown.keys, shown.subscriptions.len()), (1, 1));
    let plans = node.manager.plans(PageRequest::default()).await.unwrap().items;
    assert_eq!(plans.iter().map(|plan| (plan.name.as_str(), plan.subscriptions)).collect::<Vec<_>>(), [("default", 1)]);
    // After a restart they are there, but the secret is not.
    let node = node.restart();
    let kept = node.manager.key(made.key.id).await.unwrap().value;
    assert_eq!(kept, made.key);
    let store = std::fs::read(node.folder.path().join("ringway.db")).unwrap();
    let log = std::fs::read(node.folder.path().join("ringway.db-wal")).unwrap_or_default();
    for bytes in [store, log] {
        assert!(!bytes.windows(43).any(|window| window == &made.secret.as_bytes()[4..]), "the secret is stored");
    }
}

#[tokio::test]
async fn blocking_plan_subscription_or_application_closes_and_unblocking_opens_again() {
    let node = Node::new();
    node.create("Chat").await;
    node.application("acme/mobile").await;
    node.application("acme/other").await;
    node.manager.create_plan(me(), of(json!({ "name": "gold" }))).await.unwrap();
    node.subscribe(&chat(), json!({ "plan": "gold" })).await.unwrap();
    let manager = &node.manager;
    let (closed, open) = (["default/chat:1 gold false"], ["default/chat:1 gold true"]);
    for (status, expected) in [("blocked", &closed), ("active", &open)] {
        let fields = json!({ "status": status });
        manager.put_plan(me(), plan("gold"), of(fields), Condition::Always).await.unwrap();
        assert_eq!(node.open(), *expected);
    }
    for (status, expected) in [("blocked", &closed), ("active", &open)] {
        let fields = json!({ "status": status });
        manager.put_application(me(), mobile(), of(fields), Condition::Always).await.unwrap();
        assert_eq!(node.open(), *expected);
    }
    for (status, expected) in [("blocked", &closed), ("active", &open)] {
        node.subscribe(&chat(), json!({ "plan": "gold", "status": status })).await.unwrap();
        assert_eq!(node.open(), *expected);
    }
    // A description is nothing that a shard needs to know, and repeating a change neither.
    let before = node.publications_of_keys();
    manager.put_plan(me(), plan("gold"), of(json!({ "description": "d" })), Condition::Always).await.unwrap();
    manager.put_plan(me(), plan("gold"), of(json!({ "description": "d" })), Condition::Always).await.unwrap();
    node.subscribe(&chat(), json!({ "plan": "gold" })).await.unwrap();
    assert_eq!(node.publications_of_keys(), before);
}

#[tokio::test]
async fn who_may_subscribe_depends_on_the_lifecycle_and_those_that_there_are_stay() {
    let node = Node::new();
    node.application("acme/mobile").await;
    assert_eq!(word(node.subscribe(&chat(), json!({})).await), "api-not-found");
    node.create("Chat").await;
    let warnings = node.subscribe(&chat(), json!({})).await.unwrap();
    assert!(warnings[0].contains("default/chat:1 is Created"), "{warnings:?}");
    node.lifecycle(&key("default/chat:1.0"), "Published").await;
    node.lifecycle(&key("default/chat:1.0"), "Deprecated").await;
    node.manager.create_plan(me(), of(json!({ "name": "gold" }))).await.unwrap();
    node.subscribe(&chat(), json!({ "plan": "gold" })).await.expect("it has one");
    node.manager.delete_subscription(me(), &mobile(), &chat(), Condition::Always).await.unwrap();
    assert_eq!(word(node.subscribe(&chat(), json!({})).await), "subscription-not-allowed");
    // Another minor version that takes subscriptions has the family take them.
    let new = json!({ "name": "Chat", "version": "1.1", "targets": ["ws://a"] });
    node.manager.create_api(me(), of(new)).await.unwrap();
    node.lifecycle(&key("default/chat:1.1"), "Pre-released").await;
    assert_eq!(node.subscribe(&chat(), json!({})).await.unwrap(), Vec::<String>::new());
    assert_eq!(word(node.subscribe(&"default/chat:2".parse().unwrap(), json!({})).await), "api-not-found");
    assert_eq!(word(node.subscribe(&chat(), json!({ "plan": "silver" })).await), "plan-not-found");
}

#[tokio::test]
async fn an_api_that_is_deleted_or_retired_takes_its_subscriptions_with_it_once_no_minor_version_is_left() {
    let node = Node::new();
    node.application("acme/mobile").await;
    for state in ["deleted", "retired"] {
        for version in ["1.0", "1.1"] {
            let new = json!({ "name": "Chat", "version": version, "targets": ["ws://a"] });
            node.manager.create_api(me(), of(new)).await.unwrap();
        }
        node.subscribe(&chat(), json!({})).await.unwrap();
        node.manager.delete_api(me(), &key("default/chat:1.0"), Condition::Always).await.unwrap();
        assert_eq!(node.manager.subscriptions(&mobile()).await.unwrap().value.len(), 1, "1.1 is left");
        if state == "deleted" {
            node.manager.delete_api(me(), &key("default/chat:1.1"), Condition::Always).await.unwrap();
        } else {
            for state in ["Published", "Deprecated", "Retired"] {
                node.lifecycle(&key("default/chat:1.1"), state).await;
            }
        }
        assert_eq!(node.manager.subscriptions(&mobile()).await.unwrap().value, [], "{state}");
        assert_eq!(node.open(), Vec::<String>::new());
        let last = node.audit().await.pop().unwrap();
        assert_eq!(last, "me subscription.delete acme/mobile default/chat:1");
    }
}

#[tokio::test]
async fn a_plan_in_use_is_not_deleted() {
    let node = Node::new();
    node.create("Chat").await;
    node.application("acme/mobile").await;
    node.subscribe(&chat(), json!({})).await.unwrap();
    let delete = async || node.manager.delete_plan(me(), &plan("default"), Condition::Always).await;
    assert_eq!(word(delete().await), "plan-in-use");
    node.manager.delete_subscription(me(), &mobile(), &chat(), Condition::Always).await.unwrap();
    delete().await.unwrap();
    delete().await.expect("it is gone");
    assert_eq!(word(node.manager.plan(&plan("default")).await), "plan-not-found");
}

#[tokio::test]
async fn a_key_is_rotated_once_and_the_old_one_ends_after_the_overlap() {
    let node = Node::new();
    node.application("acme/mobile").await;
    let manager = &node.manager;
    let first = node.make_key(json!({ "environment": "staging", "expires_at": "2999-01-01T00:00:00Z" })).await.key;
    let rotate = async |id, body: Value, condition| manager.rotate_key(me(), id, of(body), condition).await;
    let stale = Condition::Matches(vec![]);
    assert_eq!(word(rotate(first.id, json!({}), stale).await), "condition-failed");
    let second = rotate(first.id, json!({ "overlap_s": 3600 }), Condition::Always).await.unwrap().value;
    assert_eq!((second.key.name.clone(), second.key.environment.as_str()), (first.name.clone(), "staging"));
    let old = manager.key(first.id).await.unwrap().value;
    assert_eq!((old.replaced_by, old.status), (Some(second.key.id), KeyStatus::Active));
    let left = old.expires_at.unwrap().duration_since(second.key.created_at);
    assert_eq!(left.as_secs(), 3600);
    // The new key was given as long a life as the old one.
    let lives = second.key.expires_at.unwrap().duration_since(second.key.created_at);
    assert_eq!(lives, first.expires_at.unwrap().duration_since(first.created_at));
    let problems = rotate(first.id, json!({}), Condition::Always).await.unwrap_err();
    assert_eq!(problems.code.word, "key-rotated");
    assert!(problems.detail.contains(&format!("to key {}", second.key.id)), "{problems}");
    // An overlap never makes a key live longer.
    let brief =
        json!({ "environment": "staging", "expires_at": (second.key.created_at + std::time::Duration::from_secs(60)) });
    let brief = node.make_key(brief).await.key;
    rotate(brief.id, json!({}), Condition::Always).await.unwrap();
    assert_eq!(manager.key(brief.id).await.unwrap().value.expires_at, brief.expires_at);
    // Without an overlap the old key ends at once.
    let third = rotate(second.key.id, json!({ "overlap_s": 0 }), Condition::Always).await.unwrap().value;
    assert_eq!(manager.key(second.key.id).await.unwrap().value.status, KeyStatus::Expired);
    assert_eq!(third.key.status, KeyStatus::Active);
    assert_eq!(word(rotate(999, json!({}), Condition::Always).await), "key-not-found");
}

#[tokio::test]
async fn a_revoked_key_is_gone_and_its_number_is_never_used_again() {
    let node = Node::new();
    node.application("acme/mobile").await;
    let first = node.make_key(json!({ "environment": "staging" })).await.key;
    let stale = Condition::Matches(vec![]);
    assert_eq!(word(node.manager.revoke_key(me(), first.id, stale).await), "condition-failed");
    node.manager.revoke_key(me(), first.id, Condition::Always).await.unwrap();
    assert_eq!(node.told().unwrap().keys, []);
    let before = node.publications_of_keys();
    node.manager.revoke_key(me(), first.id, Condition::Always).await.expect("it is gone");
    assert_eq!(node.publications_of_keys(), before);
    assert_eq!(word(node.manager.key(first.id).await), "key-not-found");
    let second = node.make_key(json!({ "environment": "staging" })).await.key;
    assert!(second.id > first.id);
}

#[tokio::test]
async fn a_key_needs_an_environment_that_there_is_and_an_end_that_is_to_come() {
    let node = Node::new();
    node.application("acme/mobile").await;
    let create = async |fields: Value| node.manager.create_key(me(), mobile(), of(fields)).await;
    assert_eq!(word(create(json!({ "environment": "moon" })).await), "environment-not-found");
    let past = json!({ "environment": "staging", "expires_at": "2001-01-01T00:00:00Z" });
    assert_eq!(rules(create(past).await), ["expires_at: past"]);
    // Also where the end has passed between the question and the change.
    let change = Change::CreateKey {
        application: mobile(),
        key: KeyFields {
            environment: "staging".parse().unwrap(),
            name: "late".parse().unwrap(),
            digest: [7; 32].into(),
            prefix: "rwk_late".to_owned(),
            expires_at: Some("2001-01-01T00:00:00Z".parse().unwrap()),
        },
    };
    assert_eq!(rules(node.manager.apply(me(), vec![change], Mode::Commit).await), ["changes[0].expires_at: past"]);
    let other: ApplicationName = "acme/mobil".parse().unwrap();
    let problems = node.manager.create_key(me(), other, of(json!({ "environment": "staging" }))).await.unwrap_err();
    assert!(problems.detail.ends_with("did you mean acme/mobile?"), "{problems}");
}

#[tokio::test]
async fn a_deleted_application_takes_its_keys_with_it() {
    let node = Node::new();
    node.create("Chat").await;
    node.application("acme/mobile").await;
    node.subscribe(&chat(), json!({})).await.unwrap();
    let made = node.make_key(json!({ "environment": "staging" })).await;
    let etag = node.manager.application(&mobile()).await.unwrap().etag;
    let stale = Condition::Matches(vec![crate::api::ETag { generation: etag.generation - 1, ..etag }]);
    assert_eq!(word(node.manager.delete_application(me(), &mobile(), stale).await), "condition-failed");
    node.manager.delete_application(me(), &mobile(), Condition::Matches(vec![etag])).await.unwrap();
    let last = node.fake.with(|seen| seen.keys.last().cloned()).unwrap();
    assert_eq!(last.iter().map(|changed| (changed.id, changed.state.is_none())).collect::<Vec<_>>(), [(etag.id, true)]);
    assert_eq!(word(node.manager.key(made.key.id).await), "key-not-found");
    node.manager.delete_application(me(), &mobile(), Condition::Always).await.expect("it is gone");
    let entry = node.manager.audit(AuditFilter::default(), PageRequest::default()).await.unwrap().items.remove(0);
    let before = entry.before.unwrap();
    assert_eq!(
        (&before["keys"][0]["prefix"], &before["subscriptions"][0]["plan"]),
        (&json!(made.key.prefix), &json!("default"))
    );
    // An application of the same name that is made later is another.
    node.application("acme/mobile").await;
    assert!(node.manager.application(&mobile()).await.unwrap().etag.id > etag.id);
    assert_eq!(node.manager.subscriptions(&mobile()).await.unwrap().value, []);
}

#[tokio::test]
async fn an_application_has_only_so_many_keys_and_subscriptions() {
    let node = Node::new();
    node.application("acme/mobile").await;
    for _ in 0..MAX_KEYS {
        node.make_key(json!({ "environment": "staging" })).await;
    }
    let more = node.manager.create_key(me(), mobile(), of(json!({ "environment": "staging" }))).await;
    assert_eq!(word(more), "application-full");
    let rotated = node.manager.rotate_key(me(), 1, of(json!({})), Condition::Always).await;
    assert_eq!(word(rotated), "application-full");
    for major in 0..=MAX_SUBSCRIPTIONS {
        let new = json!({ "name": "Chat", "version": format!("{major}.0"), "targets": ["ws://a"] });
        node.manager.create_api(me(), of(new)).await.unwrap();
        let api = ApiFamily { major: u16::try_from(major).unwrap(), ..chat() };
        let answer = node.subscribe(&api, json!({})).await;
        if major < MAX_SUBSCRIPTIONS {
            answer.unwrap();
        } else {
            assert_eq!(word(answer), "application-full");
        }
    }
}

#[tokio::test]
async fn nobody_but_the_node_has_the_consumer_ringway_and_names_are_taken_once() {
    let node = Node::new();
    node.application("acme/mobile").await;
    let create = async |consumer: &str, name: &str| {
        let new = json!({ "consumer": consumer, "name": name });
        node.manager.create_application(me(), of(new)).await.map(drop)
    };
    assert_eq!(word(create("acme", "mobile").await), "application-exists");
    create("other", "mobile").await.expect("a name is its consumer's own");
    assert_eq!(rules(create("ringway", "mobile").await), ["consumer: reserved"]);
    let own: ApplicationName = "ringway/test".parse().unwrap();
    let put = node.manager.put_application(me(), own, of(json!({})), Condition::Always).await;
    assert_eq!(rules(put), ["consumer: reserved"]);
    node.manager.create_plan(me(), of(json!({ "name": "gold" }))).await.unwrap();
    assert_eq!(word(node.manager.create_plan(me(), of(json!({ "name": "gold" }))).await), "plan-exists");
}

#[tokio::test]
async fn the_audit_tells_of_each_change_and_holds_no_secret() {
    let node = Node::new();
    node.create("Chat").await;
    node.application("acme/mobile").await;
    node.subscribe(&chat(), json!({})).await.unwrap();
    let made = node.make_key(json!({ "environment": "staging" })).await;
    let new = node.manager.rotate_key(me(), made.key.id, of(json!({})), Condition::Always).await.unwrap().value;
    node.manager.revoke_key(me(), made.key.id, Condition::Always).await.unwrap();
    let told = node.audit().await;
    let (one, two) = (made.key.id, new.key.id);
    assert_eq!(
        told[2..],
        [
            "me application.create acme/mobile".to_owned(),
            "me plan.create default".to_owned(),
            "me subscription.create acme/mobile default/chat:1".to_owned(),
            format!("me key.create acme/mobile key {one}"),
            format!("me key.create acme/mobile key {two}"),
            format!("me key.rotate acme/mobile key {one}"),
            format!("me key.revoke acme/mobile key {one}"),
        ]
    );
    let page = PageRequest { limit: 1000, cursor: None };
    let entries = node.manager.audit(AuditFilter::default(), page).await.unwrap().items;
    let text = serde_json::to_string(&entries).unwrap();
    for secret in [&made.secret, &new.secret] {
        assert!(!text.contains(&secret[12..]), "a secret is in the audit");
    }
    assert!(text.contains(&made.key.prefix) && !text.contains("digest"));
}

#[tokio::test]
async fn many_applications_come_in_pages_and_are_filtered() {
    let node = Node::new();
    node.create("Chat").await;
    let mut changes = Vec::new();
    for number in 0..2500 {
        let application = format!("c{}/app-{number:04}", number % 7).parse().unwrap();
        changes.push(Change::CreateApplication { application, fields: Default::default() });
    }
    node.manager.apply(me(), changes, Mode::Commit).await.unwrap();
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: 1000, cursor };
        let page = node.manager.applications(ApplicationFilter::default(), page).await.unwrap();
        found.extend(page.items.iter().map(Application::whole_name));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 2500);
    assert!(found.is_sorted());
    let filter = ApplicationFilter { consumer: Some("c3".parse().unwrap()), ..ApplicationFilter::default() };
    let page = node.manager.applications(filter, PageRequest { limit: 1000, cursor: None }).await.unwrap();
    assert_eq!(page.items.len(), 357);
    node.application("acme/mobile").await;
    node.subscribe(&chat(), json!({})).await.unwrap();
    for filter in [
        ApplicationFilter { api: Some(chat()), ..ApplicationFilter::default() },
        ApplicationFilter { plan: Some(plan("default")), ..ApplicationFilter::default() },
    ] {
        let page = node.manager.applications(filter, PageRequest::default()).await.unwrap();
        assert_eq!(page.items.iter().map(Application::whole_name).collect::<Vec<_>>(), [mobile()]);
    }
    let made = node.make_key(json!({ "environment": "staging" })).await.key;
    node.make_key(json!({ "environment": "production" })).await;
    let count = async |filter| node.manager.keys(filter, PageRequest::default()).await.unwrap().items.len();
    assert_eq!(count(KeyFilter { application: Some(mobile()), ..KeyFilter::default() }).await, 2);
    assert_eq!(count(KeyFilter { environment: Some("staging".parse().unwrap()), ..KeyFilter::default() }).await, 1);
    assert_eq!(count(KeyFilter { prefix: Some(made.prefix), ..KeyFilter::default() }).await, 1);
    assert_eq!(count(KeyFilter { prefix: Some("rwk_".to_owned()), ..KeyFilter::default() }).await, 0);
}

#[tokio::test]
async fn a_dry_run_and_a_refused_set_of_changes_leave_nothing() {
    let node = Node::new();
    let application = |name: &str| Change::CreateApplication {
        application: format!("acme/{name}").parse().unwrap(),
        fields: Default::default(),
    };
    node.manager.apply(me(), vec![application("one")], Mode::DryRun).await.unwrap();
    let twice = node.manager.apply(me(), vec![application("one"), application("one")], Mode::Commit).await;
    assert_eq!(word(twice), "application-exists");
    assert_eq!(node.publications_of_keys(), 0);
    let page = node.manager.applications(ApplicationFilter::default(), PageRequest::default()).await.unwrap();
    assert_eq!(page.items, []);
}
