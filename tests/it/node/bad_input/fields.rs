//! Fields of requests: bad values, wrong types, what is missing and what is unknown.

use serde_json::{Value, json};

use super::{API, Scene, new_api, with};

const INVALID: (u16, &str) = (422, "fields-invalid");
const SHAPE: (u16, &str) = (400, "json-shape");

/// A request of the API with all of its fields, each with what type it has.
struct Request {
    method: &'static str,
    path: String,
    base: Value,
    fields: &'static [(&'static str, Kind)],
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Texts,
    Number,
    /// May be left out, or null.
    MaybeText,
    MaybeTexts,
    MaybeNumber,
}

fn requests() -> Vec<Request> {
    use Kind::{MaybeNumber, MaybeText, MaybeTexts, Number, Text, Texts};
    let request = |method, path: &str, base, fields| Request { method, path: path.to_owned(), base, fields };
    vec![
        request(
            "POST",
            "/apis",
            new_api(),
            &[
                ("name", Text),
                ("version", Text),
                ("targets", Texts),
                ("identifier", MaybeText),
                ("project", MaybeText),
                ("description", MaybeText),
                ("access", MaybeText),
                ("type", MaybeText),
            ],
        ),
        request(
            "PUT",
            API,
            json!({ "name": "New", "targets": ["ws://a"] }),
            &[
                ("name", Text),
                ("targets", Texts),
                ("description", MaybeText),
                ("access", MaybeText),
                ("type", MaybeText),
            ],
        ),
        request(
            "PUT",
            &format!("{API}/deployments/development"),
            json!({}),
            &[("revision", MaybeNumber), ("targets", MaybeTexts)],
        ),
        request(
            "POST",
            &format!("{API}/deployments/development/rollback"),
            json!({ "revision": 1 }),
            &[("revision", Number)],
        ),
        request(
            "POST",
            &format!("{API}/promote"),
            json!({ "from": "development", "to": "production" }),
            &[("from", Text), ("to", Text), ("targets", MaybeTexts)],
        ),
        request(
            "PUT",
            &format!("{API}/lifecycle"),
            json!({ "state": "Published" }),
            &[
                ("state", Text),
                ("display_name", MaybeText),
                ("sunset_at", MaybeText),
                ("deprecated_at", MaybeText),
                ("production_targets", MaybeTexts),
            ],
        ),
        request("PUT", "/projects/default", json!({}), &[("description", Text)]),
        request(
            "POST",
            "/connections/close",
            json!({ "environment": "development" }),
            &[("environment", MaybeText), ("api", MaybeText)],
        ),
    ]
}

#[test]
fn a_field_of_another_type_is_named() {
    let scene = Scene::new();
    for Request { method, path, base, fields } in requests() {
        for (field, kind) in fields {
            let is_text = matches!(kind, Kind::Text | Kind::MaybeText);
            let is_list = matches!(kind, Kind::Texts | Kind::MaybeTexts);
            let is_number = matches!(kind, Kind::Number | Kind::MaybeNumber);
            let is_optional = matches!(kind, Kind::MaybeText | Kind::MaybeTexts | Kind::MaybeNumber);
            let values = [
                (json!("text"), !is_text),
                (json!(["text"]), !is_list),
                (json!([]), !is_list),
                (json!({}), true),
                (json!({ "a": 1 }), true),
                (json!(true), true),
                (json!(1), !is_number),
                (json!(1.5), true),
                (json!(Value::Null), !is_optional),
            ];
            for (value, is_wrong) in values {
                if is_wrong {
                    let rule = "type";
                    scene.at_fault((method, &path), &with(&base, field, value), SHAPE, (field, rule));
                }
            }
            if is_list {
                for inner in [json!(1), json!(null), json!([]), json!({})] {
                    let list = json!(["ws://a", inner]);
                    scene.at_fault((method, &path), &with(&base, field, list), SHAPE, (&format!("{field}[1]"), "type"));
                }
            }
            if is_number {
                for number in [json!(-1), json!(-9_223_372_036_854_775_808_i64), json!(1e30)] {
                    let body = with(&base, field, number);
                    let problem = scene.refused(method, &path, &body, 400, "json-shape");
                    assert_eq!(problem["errors"][0]["field"], *field, "{body}: {problem}");
                }
                for number in [json!(0), json!(2), json!(u64::MAX), json!(i64::MAX)] {
                    scene.at_fault((method, &path), &with(&base, field, number), INVALID, (field, "exists"));
                }
            }
        }
    }
}

#[test]
fn a_field_that_is_missing_or_unknown_is_named() {
    let scene = Scene::new();
    for Request { method, path, base, fields } in requests() {
        for unknown in ["colour", "Name", "targets ", "", "__proto__", "\u{0}", "id", "base_path", "lifecycle"] {
            scene.at_fault(
                (method, &path),
                &with(&base, unknown, json!("x")),
                SHAPE,
                (if unknown == "\u{0}" { " " } else { unknown }, "unknown"),
            );
        }
        for (field, kind) in fields {
            if matches!(kind, Kind::Text | Kind::Texts | Kind::Number) && base.get(field).is_some() {
                let mut body = base.clone();
                body.as_object_mut().unwrap().remove(*field);
                scene.at_fault((method, &path), &body, SHAPE, (field, "required"));
            }
        }
        for body in [json!([]), json!([base]), json!("x"), json!(1), json!(null), json!(true)] {
            let problem = scene.refused(method, &path, &body, 400, "json-shape");
            assert_eq!(problem["errors"][0]["rule"], "type", "{body}: {problem}");
        }
    }
}

#[test]
fn every_bad_value_names_its_field_and_rule() {
    let scene = Scene::new();
    let long = |length: usize| json!("x".repeat(length));
    let new = ("POST", "/apis");
    let put = ("PUT", API);
    for at in [new, put] {
        let base = if at == new { new_api() } else { json!({ "name": "New", "targets": ["ws://a"] }) };
        for (field, value, broken) in [
            ("name", json!(""), ("name", "length")),
            ("name", long(61), ("name", "length")),
            ("name", json!("ä".repeat(61)), ("name", "length")),
            ("name", json!("a/b"), ("name", "characters")),
            ("name", json!("a\nb"), ("name", "characters")),
            ("name", json!("a\u{0}"), ("name", "characters")),
            ("name", json!("\u{202e}a"), ("name", "characters")),
            ("name", json!("<script>"), ("name", "characters")),
            ("name", json!(" a"), ("name", "spaces")),
            ("name", json!("a "), ("name", "spaces")),
            ("description", long(2001), ("description", "length")),
            ("description", json!("a\rb"), ("description", "characters")),
            ("description", json!("\u{7f}"), ("description", "characters")),
            ("access", json!(""), ("access", "one-of")),
            ("access", json!("public"), ("access", "one-of")),
            ("type", json!("web socket"), ("type", "one-of")),
            ("targets", json!([]), ("targets", "count")),
            ("targets", json!(vec!["ws://a"; 17]), ("targets", "count")),
            ("targets", json!(["ws://a", ""]), ("targets[1]", "length")),
            ("targets", json!([format!("ws://a/{}", "x".repeat(2048))]), ("targets[0]", "length")),
            ("targets", json!(["a"]), ("targets[0]", "url")),
            ("targets", json!(["file:///etc/passwd"]), ("targets[0]", "url")),
            ("targets", json!(["ws://a:0"]), ("targets[0]", "url")),
            ("targets", json!(["ws://a:65536"]), ("targets[0]", "url")),
            ("targets", json!(["ws://a/\r\nX-Evil: 1"]), ("targets[0]", "url")),
            ("targets", json!(["ws://u:p4ss@a"]), ("targets[0]", "url")),
            ("targets", json!(["ws://a?p4ss"]), ("targets[0]", "url")),
            ("targets", json!(["ws://a#p4ss"]), ("targets[0]", "url")),
            ("targets", json!(["ws://${A"]), ("targets[0]", "variable-open")),
            ("targets", json!(["ws://${}"]), ("targets[0]", "variable-name")),
            ("targets", json!(["ws://${1A}"]), ("targets[0]", "variable-name")),
            ("targets", json!(["ws://u:p4ss@${HOST}"]), ("targets[0]", "url")),
            ("targets", json!(["ws://${HOST}/?key=p4ss"]), ("targets[0]", "url")),
            ("targets", json!(["ws://a", "http://A:80/"]), ("targets[1]", "twice")),
            ("targets", json!(["ws://${A}", "ws://${A}"]), ("targets[1]", "twice")),
        ] {
            scene.at_fault(at, &with(&base, field, value.clone()), INVALID, broken);
        }
    }
    for (field, value, rule) in [
        ("version", json!(""), "form"),
        ("version", json!("1"), "form"),
        ("version", json!("1.0.0"), "form"),
        ("version", json!("1.0-beta"), "form"),
        ("version", json!(" 1.0"), "form"),
        ("version", json!("01.0"), "leading-zero"),
        ("version", json!("10000.0"), "range"),
        ("version", json!("1.99999999999999999999"), "range"),
        ("identifier", json!(""), "length"),
        ("identifier", long(61), "length"),
        ("identifier", json!("Chat"), "characters"),
        ("identifier", json!("a/../b"), "characters"),
        ("identifier", json!("%61"), "characters"),
        ("identifier", json!("-a"), "hyphens"),
        ("project", json!(""), "length"),
        ("project", json!("a.b"), "characters"),
        ("project", json!("a--b"), "hyphens"),
    ] {
        scene.at_fault(new, &with(&new_api(), field, value), INVALID, (field, rule));
    }
    scene.at_fault(new, &with(&new_api(), "name", json!("Räume")), INVALID, ("identifier", "from-name"));
    let log_and_audit = [scene.node.log(), scene.node.admin.get("/audit").text].concat();
    assert!(!log_and_audit.contains("p4ss"), "{log_and_audit}");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let scene = Scene::new();
    let body = json!({
        "name": "", "version": "x", "targets": ["a", "ws://b", "c"], "identifier": "A", "project": "B",
        "description": "\u{0}", "access": "c", "type": "d",
    });
    let problem = scene.refused("POST", "/apis", &body, 422, "fields-invalid");
    let mut fields: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|it| it["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        ["access", "description", "identifier", "name", "project", "targets[0]", "targets[2]", "type", "version"]
    );
}

#[test]
fn bad_deployments_promotions_and_lives_name_field_and_rule() {
    let scene = Scene::new();
    let development = format!("{API}/deployments/development");
    let rollback = format!("{development}/rollback");
    let promote = format!("{API}/promote");
    let life = format!("{API}/lifecycle");
    for (value, broken) in [
        (json!(["chat"]), ("targets[0]", "url")),
        (json!(["ws://${MISSING}"]), ("targets[0]", "variable-missing")),
        (json!(vec!["ws://a"; 17]), ("targets", "count")),
        (json!(["ws://a", "ws://a"]), ("targets[1]", "twice")),
    ] {
        scene.at_fault(("PUT", &development), &json!({ "targets": value }), INVALID, broken);
        let promotion = json!({ "from": "development", "to": "production", "targets": value });
        scene.at_fault(("POST", &promote), &promotion, INVALID, broken);
    }
    scene.at_fault(("POST", &rollback), &json!({ "revision": 7 }), INVALID, ("revision", "exists"));
    for (from, to, field) in
        [("staging", "production", "from"), ("development", "", "to"), ("development", "../x", "to")]
    {
        scene.at_fault(("POST", &promote), &json!({ "from": from, "to": to }), INVALID, (field, "exists"));
    }
    for (from, to) in [("production", "development"), ("development", "development"), ("production", "production")] {
        scene.refused("POST", &promote, &json!({ "from": from, "to": to }), 409, "promotion-order");
    }
    for (body, broken) in [
        (json!({ "state": "" }), ("state", "one-of")),
        (json!({ "state": "live" }), ("state", "one-of")),
        (json!({ "state": "Published", "display_name": "" }), ("display_name", "length")),
        (json!({ "state": "Published", "display_name": "x".repeat(61) }), ("display_name", "length")),
        (json!({ "state": "Published", "display_name": "a\u{1b}b" }), ("display_name", "characters")),
        (json!({ "state": "Deprecated", "display_name": "a" }), ("display_name", "state")),
        (json!({ "state": "Published", "sunset_at": "2999-01-01T00:00:00Z" }), ("sunset_at", "state")),
        (json!({ "state": "Deprecated", "sunset_at": "tomorrow" }), ("sunset_at", "time")),
        (json!({ "state": "Deprecated", "sunset_at": "2999-01-01" }), ("sunset_at", "time")),
        (json!({ "state": "Deprecated", "sunset_at": "" }), ("sunset_at", "time")),
        // The last second there is: kept to the millisecond it could not be read again, and the store would count as damaged.
        (json!({ "state": "Deprecated", "sunset_at": "9999-12-30T22:00:00.9Z" }), ("sunset_at", "time")),
        (json!({ "state": "Deprecated", "sunset_at": "1999-01-01T00:00:00Z" }), ("sunset_at", "past")),
        (json!({ "state": "Published", "deprecated_at": "1999-01-01T00:00:00Z" }), ("deprecated_at", "state")),
        (json!({ "state": "Deprecated", "deprecated_at": "1999" }), ("deprecated_at", "time")),
        (json!({ "state": "Deprecated", "deprecated_at": "2999-01-01T00:00:00Z" }), ("deprecated_at", "future")),
        (
            json!({ "state": "Deprecated", "deprecated_at": "1999-01-01T00:00:00Z", "sunset_at": "1998-01-01T00:00:00Z" }),
            ("sunset_at", "order"),
        ),
        (json!({ "state": "Published", "production_targets": [] }), ("production_targets", "count")),
        (json!({ "state": "Published", "production_targets": ["x"] }), ("production_targets[0]", "url")),
        (json!({ "state": "Blocked", "production_targets": ["ws://a"] }), ("production_targets", "state")),
    ] {
        scene.at_fault(("PUT", &life), &body, INVALID, broken);
    }
    scene.refused("PUT", &life, &json!({ "state": "Retired" }), 409, "lifecycle-not-allowed");
    scene.at_fault(
        ("PUT", "/projects/default"),
        &json!({ "description": "x".repeat(2001) }),
        INVALID,
        ("description", "length"),
    );
    for (body, broken) in [
        (json!({}), ("api", "required")),
        (json!({ "environment": null }), ("api", "required")),
        (json!({ "environment": "A" }), ("environment", "characters")),
        (json!({ "api": "chat" }), ("api", "api")),
        (json!({ "api": "default/chat:x" }), ("api", "api")),
    ] {
        scene.at_fault(("POST", "/connections/close"), &body, INVALID, broken);
    }
}

#[test]
fn names_in_paths_are_checked_like_fields() {
    let scene = Scene::new();
    for (path, field, rule) in [
        ("/apis/Default/chat/1.0", "project", "characters"),
        ("/apis/default/cha_t/1.0", "identifier", "characters"),
        ("/apis/default/chat/1", "version", "form"),
        ("/apis/default/chat/1.00", "version", "leading-zero"),
        ("/apis/%2e%2e/chat/1.0", "project", "characters"),
        ("/apis/default/%2Fetc%2Fpasswd/1.0", "identifier", "characters"),
        ("/apis/default/%00/1.0", "identifier", "characters"),
        ("/apis/default/chat/1.0%0d%0aX", "version", "form"),
    ] {
        for (method, body) in
            [("GET", None), ("PUT", Some(json!({ "name": "a", "targets": ["ws://a"] }))), ("DELETE", None)]
        {
            let problem = scene.node.admin.send(method, path, body.as_ref()).refused(422, "fields-invalid");
            assert_eq!(
                (&problem["errors"][0]["field"], &problem["errors"][0]["rule"]),
                (&json!(field), &json!(rule)),
                "{method} {path}"
            );
        }
    }
    for (path, code) in [
        ("/apis/default/chat/1.0/deployments/Development", "environment-not-found"),
        ("/apis/default/chat/1.0/deployments/%2e%2e", "environment-not-found"),
        ("/environments/%2e%2e", "environment-not-found"),
        ("/apis/default/chat/1.0/revisions/0", "revision-not-found"),
        ("/apis/default/chat/1.0/revisions/18446744073709551615", "revision-not-found"),
    ] {
        scene.node.admin.get(path).refused(404, code);
    }
    for path in [
        "/apis/default/chat/1.0/revisions/x",
        "/apis/default/chat/1.0/revisions/-1",
        "/apis/default/chat/1.0/revisions/18446744073709551616",
        "/apis/%FF/chat/1.0",
    ] {
        scene.node.admin.get(path).refused(400, "path-invalid");
    }
    for id in ["", "x", "0", "0-", "-1", "0-x", "99999-1", "0-18446744073709551616", "..%2F..", "%00"] {
        let answer = scene.node.admin.delete(&format!("/connections/{id}"));
        assert!([404, 405].contains(&answer.status), "{id}: {}{}", answer.head, answer.text);
    }
}
