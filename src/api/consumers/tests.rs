//! The rules of names and requests, and that a secret is shown nowhere but in its answer.

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::request::{CheckedKey, DescribedFields, KeyRotation, NewApplication, NewKey, NewPlan, SubscriptionFields};
use super::secret::{KeyDigest, KeyText};
use super::{ApiFamily, ApplicationName, ConsumerName, Standing};
use crate::api::{ApiKey, Problems};

fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Fields and rules, as `field: rule`.
fn told<T: std::fmt::Debug>(checked: Result<T, Problems>) -> Vec<String> {
    let problems = checked.unwrap_err();
    assert_eq!(problems.code.word, "fields-invalid");
    problems.errors.iter().map(|error| format!("{}: {}", error.field, error.rule)).collect()
}

fn now() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

#[test]
fn a_consumer_may_be_an_organisation_or_an_address_of_e_mail_and_can_stand_in_a_path_and_a_header() {
    for name in ["a", "0", "acme", "jane.doe+test@example.com", "a-b_c", &"x".repeat(60)] {
        assert_eq!(name.parse::<ConsumerName>().unwrap().as_str(), name);
    }
    for (name, rule) in [
        ("", "length"),
        (&*"x".repeat(61), "length"),
        ("Acme", "characters"),
        ("a/b", "characters"),
        ("a b", "characters"),
        ("a\n", "characters"),
        ("a\u{0}b", "characters"),
        ("a\u{1b}[2J", "characters"),
        ("ä", "characters"),
        ("..", "ends"),
        ("@a", "ends"),
        ("a.", "ends"),
    ] {
        assert_eq!(name.parse::<ConsumerName>().unwrap_err().rule, rule, "{name:?}");
    }
}

#[test]
fn an_application_is_named_with_its_consumer() {
    let name: ApplicationName = "acme/mobile".parse().unwrap();
    assert_eq!((name.consumer.as_str(), name.name.as_str()), ("acme", "mobile"));
    assert_eq!(serde_json::to_value(&name).unwrap(), "acme/mobile");
    assert_eq!(of::<ApplicationName>(json!("acme/mobile")), name);
    assert_eq!(told("acme".parse::<ApplicationName>()), ["application: form"]);
    assert_eq!(told("Acme/a/b".parse::<ApplicationName>()), ["consumer: characters", "application: characters"]);
}

#[test]
fn a_family_is_every_minor_version_of_a_major_one() {
    let family: ApiFamily = "default/chat-app-api:1".parse().unwrap();
    let has = |api: &str| family.has(&api.parse::<ApiKey>().unwrap());
    assert!(has("default/chat-app-api:1.0") && has("default/chat-app-api:1.9999"));
    assert!(!has("default/chat-app-api:2.0") && !has("default/chat:1.0") && !has("other/chat-app-api:1.0"));
    assert_eq!(family.to_string(), "default/chat-app-api:1");
    assert_eq!(of::<ApiFamily>(serde_json::to_value(&family).unwrap()), family);
    assert_eq!(ApiFamily::from(&"default/chat-app-api:1.7".parse::<ApiKey>().unwrap()), family);
    for text in [
        "",
        "chat:1",
        "default/chat",
        "default/chat:1.0",
        "default/chat:01",
        "default/chat:+1",
        "default/chat:10000",
        "default/Chat:1",
        "default/a/b:1",
        "default/chat:",
    ] {
        assert_eq!(text.parse::<ApiFamily>().unwrap_err().rule, "form", "{text}");
    }
    assert_eq!(told(ApiFamily::of("De", "", "x")), ["project: characters", "identifier: length", "major: form"]);
}

#[test]
fn every_rule_that_a_request_breaks_is_told_at_once() {
    let application = |value| of::<NewApplication>(value).check();
    let (name, described) = application(json!({ "consumer": "acme", "name": "mobile" })).unwrap();
    assert_eq!((name.to_string().as_str(), described.status), ("acme/mobile", Standing::Active));
    let blocked = json!({ "consumer": "acme", "name": "mobile", "description": "d", "status": "Blocked" });
    assert_eq!(application(blocked).unwrap().1.status, Standing::Blocked);
    let wrong = json!({ "consumer": "A", "name": "a\u{7}", "description": "\u{1b}", "status": "on" });
    let rules = ["consumer: characters", "name: characters", "description: characters", "status: one-of"];
    assert_eq!(told(application(wrong)), rules);
    let own = json!({ "consumer": "ringway", "name": "mobile" });
    assert_eq!(told(application(own)), ["consumer: reserved"], "nobody passes for the node");
    assert_eq!(
        told(of::<NewPlan>(json!({ "name": "Gold", "status": "" })).check()),
        ["name: characters", "status: one-of"]
    );
    let fields = json!({ "description": "x".repeat(2001) });
    assert_eq!(told(of::<DescribedFields>(fields).check()), ["description: length"]);
    let subscription = of::<SubscriptionFields>(json!({})).check().unwrap();
    assert_eq!((subscription.0.as_str(), subscription.1), ("default", Standing::Active));
    assert_eq!(
        told(of::<SubscriptionFields>(json!({ "plan": "", "status": "x" })).check()),
        ["plan: length", "status: one-of"]
    );
    assert!(serde_json::from_value::<NewApplication>(json!({ "consumer": "a", "name": "b", "key": "c" })).is_err());
}

#[test]
fn a_key_ends_in_the_future_or_never() {
    let key = |value| of::<NewKey>(value).check(now());
    let CheckedKey { name, expires_at, .. } = key(json!({ "environment": "development" })).unwrap();
    assert_eq!((name.as_str(), expires_at), ("development", None));
    let until = |at: &str| json!({ "environment": "production", "name": "CI", "expires_at": at });
    let checked = key(until("2026-12-01T12:00:00.001Z")).unwrap();
    assert_eq!(checked.expires_at.unwrap().as_millisecond(), now().as_millisecond() + 1);
    for past in ["2026-12-01T12:00:00Z", "1970-01-01T00:00:00Z", "-009999-01-02T01:59:59Z"] {
        assert_eq!(told(key(until(past))), ["expires_at: past"], "{past}");
    }
    assert_eq!(told(key(until("tomorrow"))), ["expires_at: time"]);
    let wrong = json!({ "environment": "De v", "name": "a\nb", "expires_at": "1999-01-01T00:00:00Z" });
    assert_eq!(told(key(wrong)), ["environment: characters", "name: characters", "expires_at: past"]);
}

#[test]
fn a_rotated_key_stays_valid_for_a_day_unless_the_request_says_otherwise() {
    let rotation = |value| of::<KeyRotation>(value).check(now());
    assert_eq!(rotation(json!({})).unwrap(), (SignedDuration::from_hours(24), None));
    assert_eq!(rotation(json!({ "overlap_s": 0 })).unwrap().0, SignedDuration::ZERO);
    assert_eq!(rotation(json!({ "overlap_s": 7_776_000 })).unwrap().0, SignedDuration::from_hours(90 * 24));
    let wrong = json!({ "overlap_s": u64::MAX, "expires_at": "2026-12-01T11:59:59Z" });
    assert_eq!(told(rotation(wrong)), ["overlap_s: range", "expires_at: past"]);
}

#[test]
fn a_secret_is_shown_by_nothing_but_the_answer_that_reveals_it() {
    let text = KeyText::of_random(&[7; 32]);
    let secret = text.reveal();
    assert_eq!((secret.len(), text.prefix().as_str()), (47, &secret[..10]));
    let digest = text.digest();
    assert_eq!(digest.to_string().parse::<KeyDigest>().unwrap(), digest);
    assert_eq!(of::<KeyDigest>(serde_json::to_value(digest).unwrap()), digest);
    let shown = format!("{text:?} {digest:?}");
    assert!(!shown.contains(&secret[4..]) && !shown.contains(&digest.to_string()), "{shown}");
    assert_ne!(KeyText::of_random(&[8; 32]).digest(), digest);
    for text in ["", "00", &digest.to_string()[1..], &"é".repeat(32)] {
        assert_eq!(text.parse::<KeyDigest>().unwrap_err().rule, "form", "{text}");
    }
}
