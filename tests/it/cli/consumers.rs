//! `ringway app`, `plan` and `key` against a real node: what is asked for, what is shown, and where a secret is not.

use std::fs;

use serde_json::{Value, json};

use crate::harness::node::{Home, Node, USUAL};
use crate::harness::terminal::Terminal;

/// A node with the API `chat` and the application `acme/mobile`, which is subscribed to it.
fn with_app() -> (Home, Node) {
    let home = Home::new(USUAL);
    let node = home.start();
    home.works(&["api", "create", "--name", "chat", "--version", "1.0", "--target", "ws://127.0.0.1:9"]);
    home.works(&["api", "lifecycle", "chat", "--to", "pre-released"]);
    home.works(&["app", "create", "acme/mobile", "--description", "In the stores"]);
    home.works(&["app", "subscribe", "acme/mobile", "chat"]);
    (home, node)
}

fn read(home: &Home, command: &[&str]) -> Value {
    serde_json::from_str(&home.works(&[command, &["-o", "json"]].concat())).unwrap()
}

#[test]
fn an_application_is_made_subscribed_given_keys_and_deleted() {
    let (home, node) = with_app();
    let shown = home.works(&["app", "show", "acme/mobile"]);
    assert!(
        shown.contains("app          acme/mobile\n") && shown.contains("default/chat:1  default  active  yes"),
        "{shown}"
    );
    home.works(&["plan", "create", "gold", "--description", "For partners"]);
    let subscribed = home.works(&["app", "subscribe", "acme/mobile", "chat:1.0", "--plan", "gold"]);
    assert!(subscribed.contains("default/chat:1  gold"), "{subscribed}");
    assert!(home.works(&["plan", "list"]).contains("gold     active  1"));
    assert!(
        home.works(&["app", "list", "--api", "chat", "--plan", "gold"])
            .contains("acme/mobile  active  0     default/chat:1")
    );

    let (code, stdout, stderr) = home.run(&["key", "create", "acme/mobile", "--env", "production", "--name", "CI"]);
    assert!(code == 0 && stderr.contains("never again"), "{stderr}");
    let secret = stdout.lines().find_map(|line| line.strip_prefix("secret")).unwrap().trim().to_owned();
    assert!(secret.starts_with("rwk_") && secret.len() == 47, "{stdout}");
    let list = home.works(&["key", "list", "--app", "acme/mobile", "--prefix", &secret[..10]]);
    assert!(list.contains("acme/mobile  CI    production") && !list.contains(&secret[10..]), "{list}");
    let new = read(&home, &["key", "rotate", "1", "--overlap", "2h", "--expires", "2999-01-01"]);
    assert_eq!((&new["id"], &new["expires_at"]), (&json!(2), &json!("2999-01-01T00:00:00.000Z")));
    assert!(home.works(&["key", "show", "1"]).contains("status       rotated\n"));
    assert!(home.works(&["key", "show", "1"]).contains("replaced by  2\n"));
    let (code, _, stderr) = home.run(&["key", "rotate", "1"]);
    assert!(code == 1 && stderr.contains("409 key-rotated"), "{stderr}");

    home.works(&["key", "revoke", "2", "--yes"]);
    let (code, _, stderr) = home.run(&["key", "revoke", "2", "--yes"]);
    assert!(code == 1 && stderr.contains("404 key-not-found"), "{stderr}");
    home.works(&["app", "update", "acme/mobile", "--description", "Old"]);
    home.works(&["app", "unsubscribe", "acme/mobile", "chat", "--yes"]);
    home.works(&["app", "delete", "acme/mobile", "--yes"]);
    home.works(&["plan", "delete", "gold", "--yes"]);
    assert_eq!(home.works(&["key", "list"]).lines().count(), 1);
    let audit = home.works(&["audit"]);
    for action in ["application.delete", "subscription.delete", "key.rotate", "key.revoke", "plan.delete"] {
        assert!(audit.contains(action), "{audit}");
    }
    // A secret is in the one answer, and nowhere on the disk or in the log.
    drop(node.log());
    for entry in fs::read_dir(home.state()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        assert!(!bytes.windows(37).any(|window| window == &secret.as_bytes()[10..]), "{}", path.display());
    }
    assert!(!node.log().contains(&secret[10..]));
}

#[test]
fn what_closes_connections_is_asked_for() {
    let (home, _node) = with_app();
    home.works(&["key", "create", "acme/mobile", "--env", "production"]);
    let state = home.state();
    for (command, named) in [
        (&["app", "block", "acme/mobile"][..], "block acme/mobile and end its connections"),
        (&["app", "block", "acme/mobile", "chat"], "block the subscription of acme/mobile to default/chat:1"),
        (&["app", "unsubscribe", "acme/mobile", "chat"], "end the subscription of acme/mobile to default/chat:1"),
        (&["app", "delete", "acme/mobile"], "delete acme/mobile, revoke 1 key and end its connections"),
        (&["plan", "block", "default"], "block the plan default and close 1 subscription"),
        (&["plan", "delete", "default"], "delete the plan default"),
        (&["key", "revoke", "1"], "revoke key 1 ("),
        (&["key", "rotate", "1", "--overlap", "0"], "end key 1 at once"),
    ] {
        let (code, stdout, stderr) = home.run(command);
        assert!(
            code == 2 && stdout.is_empty() && stderr.contains(named) && stderr.contains("--yes"),
            "{command:?}: {stderr}"
        );
        let line = [command, &["--state", state.to_str().unwrap()]].concat();
        let (code, asked) = Terminal::open().run(&line, "n\n");
        assert!(code == 1 && asked.contains(named), "{command:?}: {asked}");
    }
    let shown = read(&home, &["app", "show", "acme/mobile"]);
    assert_eq!(
        (&shown["status"], &shown["keys"], &shown["subscriptions"][0]["open"]),
        (&json!("active"), &json!(1), &json!(true))
    );
    let open = || read(&home, &["app", "show", "acme/mobile"])["subscriptions"][0]["open"].clone();
    for (noun, subject) in [("plan", &["default"][..]), ("app", &["acme/mobile"]), ("app", &["acme/mobile", "chat"])] {
        home.works(&[&[noun, "block"], subject, &["--yes"]].concat());
        assert_eq!(open(), json!(false), "{noun} {subject:?}");
        home.works(&[&[noun, "unblock"], subject].concat());
        assert_eq!(open(), json!(true), "{noun} {subject:?}");
    }
    let described = read(&home, &["app", "show", "acme/mobile"]);
    assert_eq!(described["description"], "In the stores", "blocking keeps what it does not name");
}

#[test]
fn a_wrong_value_ends_with_3_and_what_is_not_there_with_1() {
    let (home, _node) = with_app();
    for (command, code, told) in [
        (&["app", "show", "mobile"][..], 3, "consumer/application"),
        (&["app", "create", "ringway/app"], 3, "is the node itself"),
        (&["app", "create", "Acme/app"], 3, "it may hold `a` to `z`"),
        (&["app", "create", "acme/mobile"], 1, "409 application-exists"),
        (&["app", "show", "acme/mobil"], 1, "did you mean acme/mobile?"),
        (&["app", "subscribe", "acme/mobile", "weather"], 1, "there is no API `weather`"),
        (&["app", "subscribe", "acme/mobile", "chat:x"], 3, "it must be a number"),
        (&["app", "subscribe", "acme/mobile", "chat", "--plan", "gold"], 1, "404 plan-not-found"),
        (&["app", "list", "--plan", "gold"], 3, "There is no plan gold"),
        (&["plan", "create", "default"], 1, "409 plan-exists"),
        (&["plan", "show", "defualt"], 1, "did you mean default?"),
        (&["key", "create", "acme/mobile", "--env", "moon"], 1, "404 environment-not-found"),
        (
            &["key", "create", "acme/mobile", "--env", "production", "--expires", "2001-01-01"],
            3,
            "it must be in the future",
        ),
        (
            &["key", "create", "acme/mobile", "--env", "production", "--expires", "soon"],
            3,
            "it must be a day or a time",
        ),
        (&["key", "show", "x"], 3, "is not a whole number"),
        (&["key", "show", "7"], 1, "404 key-not-found"),
        (&["key", "rotate", "7", "--overlap", "9999h"], 3, "it must be 366 days at most"),
        (&["key", "rotate", "7", "--overlap", "2400h"], 3, "90 days"),
        (&["key", "create", "acme/mobile"], 2, "--env"),
    ] {
        let (was, _, stderr) = home.run(command);
        assert!(was == code && stderr.contains(told), "{command:?}: {was} {stderr}");
    }
}
