//! `ringway api`, `env`, `conn` and `audit` as clients of a real node: what they answer, ask and exit with.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::node::{Home, Node, USUAL, ws};
use crate::harness::process::{PROGRAM, run};
use crate::harness::terminal::Terminal;
use crate::harness::{EchoServer, client};

/// A node with `Chat App API` in it, and where it is.
fn with_chat(target: &str) -> (Home, Node) {
    let home = Home::new(USUAL);
    let node = home.start();
    home.works(&["api", "create", "--name", "Chat App API", "--version", "1.0", "--target", target]);
    (home, node)
}

/// The JSON output of a command.
#[track_caller]
fn json(home: &Home, arguments: &[&str]) -> Value {
    let text = home.works(&[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn fails(home: &Home, arguments: &[&str], code: i32, parts: &[&str]) {
    let (is, stdout, stderr) = home.run(arguments);
    assert_eq!((is, stdout.as_str()), (code, ""), "{arguments:?}: {stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{arguments:?}: {part} is not in {stderr}");
    }
}

#[test]
fn an_api_lives_its_life_on_the_command_line() {
    let echo = EchoServer::start();
    let target = ws(echo.address());
    let (home, node) = with_chat(&target);
    let chat = "chat-app-api";

    let (code, stdout, stderr) = home.run(&["api", "deploy", chat, "--env", "development"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stderr, format!("deployed default/chat-app-api:1.0: revision 1 runs in development, to {target}\n"));
    let url = format!("ws://{}/default/chat-app-api/v1.0", node.external("development"));
    let mut lines = stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), ["ENVIRONMENT", "REVISION", "STATUS", "TARGETS", "URL"]);
    assert_eq!(lines.next().unwrap(), ["development", "1", "running", &target, &url]);

    assert_eq!(
        talked(&home, &["api", "test", chat, "--env", "development", "--path", "/room?x=1"], "hello\n"),
        "hello\n"
    );

    home.works(&["api", "update", chat, "--description", "for talking"]);
    home.works(&["api", "deploy", chat, "--env", "development"]);
    let revisions = json(&home, &["api", "revisions", chat]);
    assert_eq!((&revisions[0]["number"], &revisions[1]["number"]), (&2.into(), &1.into()));
    assert_eq!(json(&home, &["api", "rollback", chat, "1"])["revision"], 1);

    let promoted = json(&home, &["api", "promote", chat]);
    assert_eq!((&promoted["environment"], &promoted["revision"]), (&"production".into(), &1.into()));
    fails(&home, &["api", "rollback", chat, "1"], 2, &["runs in development, production: say in which with --env"]);
    assert_eq!(
        json(&home, &["api", "promote", chat, "--target", "ws://127.0.0.1:9"])["targets"][0],
        "ws://127.0.0.1:9"
    );
    assert!(home.works(&["api", "show", chat]).contains("ws://127.0.0.1:9 (its own)"));
    let back = json(&home, &["api", "deploy", chat, "--env", "production", "--api-targets", "--revision", "1"]);
    assert_eq!((&back["targets"], &back["effective_targets"][0]), (&Value::Null, &target.as_str().into()));

    let publish = ["api", "lifecycle", chat, "--to", "published", "--display-name", "Chat"];
    let asked = format!("publish default/chat-app-api:1.0 as `Chat`: revision 1 runs in production, to {target}");
    fails(&home, &publish, 2, &[&asked, "standard input is no terminal; --yes does it without a question"]);
    let (code, stdout, stderr) = home.run(&[&publish[..], &["--yes"]].concat());
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.starts_with("state       Published\nmay become  Created Pre-released Deprecated Blocked\n"),
        "{stdout}"
    );

    assert_eq!(json(&home, &["api", "stop", chat, "--env", "production"])["status"], "stopped");
    assert_eq!(json(&home, &["api", "start", chat, "--env", "production"])["status"], "running");
    home.works(&["api", "undeploy", chat, "--env", "development"]);
    let shown = json(&home, &["api", "show", "default/chat-app-api:1.0"]);
    assert_eq!(shown["deployments"].as_array().map(Vec::len), Some(1), "{shown}");
    home.works(&["api", "delete", chat, "--yes"]);
    fails(&home, &["api", "show", chat], 1, &["there is no API `chat-app-api`"]);

    let audit = json(&home, &["audit", "--limit", "3"]);
    let actions: Vec<&str> = audit.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["api.delete", "api.undeploy", "api.start"]);
    let client = audit[0]["client_name"].as_str().unwrap();
    assert!(!client.is_empty(), "the one at the keyboard: {audit}");
    assert_eq!((&audit[0]["who"], &audit[0]["authenticated_by"]), (&Value::from("admin"), &Value::from("token-file")));
}

/// Sends lines through a session and returns the answers; the session must end well.
#[track_caller]
pub(super) fn talked(home: &Home, arguments: &[&str], lines: &str) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--state").arg(home.state()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("talking to ws://127.0.0.1:"), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_answer_can_be_had_as_a_table_json_or_yaml_and_goes_to_standard_output_alone() {
    let (home, _node) = with_chat("ws://127.0.0.1:9");
    home.works(&["api", "deploy", "chat-app-api", "--env", "development"]);
    for arguments in [
        &["api", "list"][..],
        &["api", "show", "chat-app-api"],
        &["api", "revisions", "chat-app-api"],
        &["api", "lifecycle", "chat-app-api"],
        &["env", "list"],
        &["conn", "list"],
        &["audit"],
    ] {
        let table = home.works(arguments);
        assert!(!table.contains('\u{1b}') && table.lines().all(|line| line == line.trim_end()), "{table}");
        let from_json = json(&home, arguments);
        let yaml = home.works(&[arguments, &["-o", "yaml"]].concat());
        let from_yaml: Value = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
        assert_eq!(from_json, from_yaml, "{arguments:?}");
    }
    assert_eq!(home.works(&["-o", "json", "conn", "list"]), "[]\n");
    let header = "API                       NAME          LIFECYCLE  ACCESS    DEPLOYED     TARGETS\n";
    assert!(home.works(&["api", "list"]).starts_with(header), "{}", home.works(&["api", "list"]));
    assert_eq!(home.works(&["api", "list", "--lifecycle", "pre-released"]).lines().count(), 1);
    assert_eq!(json(&home, &["api", "list", "--search", "CHAT", "--env", "development"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_long_list_is_read_to_its_end() {
    let home = Home::new(USUAL);
    let node = home.start();
    for number in 0..620 {
        node.make(&format!("api {number}"), &["ws://127.0.0.1:9".to_owned()]);
    }
    assert_eq!(json(&home, &["api", "list"]).as_array().unwrap().len(), 620, "more than a page");
    assert_eq!(json(&home, &["api", "list", "--limit", "7"]).as_array().unwrap().len(), 7);
}

#[test]
fn what_is_wrong_is_told_field_by_field_and_ends_with_its_code() {
    let (home, _node) = with_chat("ws://127.0.0.1:9");
    let create = ["api", "create", "--name", "a/b", "--version", "one", "--target", "ws://a", "--target", "ftp://b"];
    fails(&home, &create, 3, &["(422 fields-invalid)", "\n  name: ", "\n  version: ", "\n  targets[1]: "]);
    let again = ["api", "create", "--name", "Chat App API", "--version", "1.0", "--target", "ws://a"];
    fails(&home, &again, 1, &["(409 api-exists)"]);
    fails(&home, &["api", "deploy", "chat-app-api", "--env", "moon"], 1, &["development, production"]);
    fails(&home, &["api", "promote", "chat-app-api"], 1, &["runs in: -; the order is development, production"]);
    fails(
        &home,
        &["api", "lifecycle", "chat-app-api", "--to", "Retired", "--yes"],
        1,
        &["(409 lifecycle-not-allowed)"],
    );
    fails(&home, &["api", "test", "chat-app-api", "--env", "development"], 1, &["ringway api deploy"]);
    fails(&home, &["conn", "close", "0-12345"], 1, &["(404 connection-not-found)"]);
    for (usage, named) in [
        (&["api", "update", "chat-app-api"][..], "--name"),
        (&["api", "lifecycle", "chat-app-api", "--display-name", "C"], "--to"),
        (&["api", "deploy", "chat-app-api"], "--env"),
        (&["api", "promote", "chat-app-api", "--target", "keep", "--target", "ws://a"], "either `keep` or URLs"),
        (&["conn", "close"], "<ID|--api <REF>>"),
        (&["conn", "close", "0-1", "--env", "production"], "--env"),
    ] {
        fails(&home, usage, 2, &[named]);
    }
    for (wrong, named) in [
        (&["api", "show", "Chat"][..], "the identifier"),
        (&["api", "lifecycle", "chat-app-api", "--to", "Gone"], "it must be one of `Created`"),
        (&["audit", "--since", "yesterday"], "2027-06-30"),
    ] {
        fails(&home, wrong, 3, &[named]);
    }
}

#[test]
fn who_is_not_authorised_or_finds_no_node_is_told_what_to_do() {
    let (home, node) = with_chat("ws://127.0.0.1:9");
    let url = format!("http://{}", node.admin.address());
    let wrong = home.file("wrong-token");
    std::fs::write(&wrong, "0123456789abcdef0123456789abcdef").unwrap();
    let by = |token: &std::path::Path| run(&["api", "list", "--admin", &url, "--token-file", token.to_str().unwrap()]);
    let (code, stdout, stderr) = by(&wrong);
    assert_eq!((code, stdout.as_str()), (4, ""), "{stderr}");
    let (code, stdout, stderr) = by(&home.file("admin-token"));
    assert!(code == 0 && stdout.contains("chat-app-api"), "{stderr}");
    node.stop();
    fails(&home, &["api", "list"], 1, &["no node is running with it", "ringway serve --state"]);
    let (code, _, stderr) = by(&home.file("admin-token"));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains(&format!("no answer from {url} (from --admin): connection refused")), "{stderr}");
}

#[test]
fn connections_are_listed_and_closed() {
    let echo = EchoServer::start();
    let (home, node) = with_chat(&ws(echo.address()));
    home.works(&["api", "deploy", "chat-app-api", "--env", "development"]);
    let open = || {
        let mut client = crate::harness::Peer::connect(node.external("development"));
        client.send(client::handshake("/default/chat-app-api/v1.0/x", "").as_bytes());
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        client
    };
    let mut all = [open(), open(), open()];
    let listed =
        json(&home, &["conn", "list", "--api", "chat-app-api", "--env", "development", "--client", "127.0.0.1"]);
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0]["api"], "default/chat-app-api:1.0");
    assert_eq!(json(&home, &["conn", "list", "--limit", "2"]).as_array().unwrap().len(), 2);
    assert_eq!(json(&home, &["conn", "list", "--env", "production"]), Value::Array(Vec::new()));

    let one = listed.iter().find(|it| it["client"] == all[0].stream.local_addr().unwrap().to_string()).unwrap();
    let id = one["id"].as_str().unwrap();
    home.works(&["conn", "close", id]);
    assert_eq!(all[0].close().0, Some(1001));
    let (_, table, drains) = home.run(&["conn", "list"]);
    assert!(table.contains("  open  ") && drains.is_empty(), "{table}{drains}");
    let closed = json(&home, &["conn", "close", "--api", "chat-app-api"]);
    assert!([2, 3].contains(&closed["closing"].as_u64().unwrap()), "the first may not have ended yet: {closed}");
    for client in &mut all[1..] {
        assert_eq!(client.close().0, Some(1001));
    }
}

#[test]
fn connections_that_are_to_end_are_told_of_with_how_many_are_left() {
    let echo = EchoServer::start();
    // So long that it has not passed when it is looked at.
    let home = Home::new(&format!("drain_window_ms = 600_000\n\n[limits]\ndrain_timeout_ms = 700_000\n{USUAL}"));
    let node = home.start();
    let (api, path) = node.serve("chat", &[ws(echo.address())]);
    let open = || {
        let mut client = crate::harness::Peer::connect(node.external("development"));
        client.send(client::handshake(&path, "").as_bytes());
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        client
    };
    let _all: Vec<_> = std::iter::repeat_with(open).take(8).collect();
    assert_eq!(home.works(&["conn", "close", "--api", "chat"]), "8 connections of default/chat:1.0 closing\n");
    let told = "default/chat:1.0 in development: draining, ";
    let (code, _, stderr) = home.run(&["conn", "list"]);
    assert!(
        code == 0 && stderr.starts_with(told) && stderr.contains(" of 8 connections are not closed yet\n"),
        "{stderr}"
    );
    assert!(home.run(&["conn", "list", "--api", "chat"]).2.starts_with(told));
    assert_eq!(home.run(&["conn", "list", "--env", "production"]).2, "");
    assert_eq!(home.run(&["conn", "list", "-o", "json"]).2, "");
    node.admin.delete(&api);
}

#[test]
fn at_a_terminal_what_cannot_be_taken_back_is_asked_for() {
    let (home, _node) = with_chat("ws://127.0.0.1:9");
    let state = home.state();
    let state = state.to_str().unwrap();
    let publish = ["api", "lifecycle", "chat-app-api", "--to", "Published", "--state", state];
    let lifecycle = || json(&home, &["api", "show", "chat-app-api"])["lifecycle"].clone();
    for (typed, code, expected) in [("n\n", 1, "Created"), ("\n", 1, "Created"), ("y\n", 0, "Published")] {
        let (is, shown) = Terminal::open().run(&publish, typed);
        assert_eq!((is, lifecycle()), (code, expected.into()), "{typed:?}: {shown}");
        assert!(shown.contains("nothing of it is deployed in production"), "{shown}");
    }
    let (code, shown) = Terminal::open().run(&["api", "delete", "chat-app-api", "--state", state], "no\n");
    assert_eq!(code, 1, "{shown}");
    // Not asked: the terminal is there, and nobody answers.
    let terminal = Terminal::open();
    let mut command = Command::new(PROGRAM);
    command.args(["api", "delete", "chat-app-api", "--yes", "--state", state]);
    let status =
        command.stdin(terminal.slave.try_clone().unwrap()).stderr(terminal.slave.try_clone().unwrap()).status();
    assert!(status.unwrap().success());
    assert!(terminal.master.as_raw_fd() >= 0, "the terminal was there all the while");
    fails(&home, &["api", "show", "chat-app-api"], 1, &["there is no API"]);
}

#[test]
fn manual_pages_and_completions_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = run(&["man", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    for (page, part) in [
        ("ringway", "ringway\\-api(1)"),
        ("ringway-api", "promote"),
        ("ringway-api-deploy", "the current definition"),
        ("ringway-conn-close", "drain window"),
        ("ringway-demo", "free ports"),
    ] {
        let text = std::fs::read_to_string(folder.path().join(format!("{page}.1"))).unwrap();
        assert!(text.contains(part), "{part} is not in {page}: {text}");
    }
    assert_eq!(
        run(&["man", "api", "deploy"]).1,
        std::fs::read_to_string(folder.path().join("ringway-api-deploy.1")).unwrap()
    );
    let (code, _, stderr) = run(&["man", "api", "fly"]);
    assert!(code == 2 && stderr.contains("`api fly`"), "{stderr}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(run(&["completions", shell]).1.contains("RINGWAY_COMPLETE"), "{shell}");
    }
}

/// The completions that are offered for the last word of a line.
fn offered(home: &Home, words: &[&str]) -> Vec<String> {
    let mut command = Command::new(PROGRAM);
    command.arg("--").arg("ringway").args(words).env("RINGWAY_COMPLETE", "bash").env("RINGWAY_STATE", home.state());
    command.env("_CLAP_COMPLETE_INDEX", words.len().to_string()).env("_CLAP_IFS", "\n");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let all = String::from_utf8(output.stdout).unwrap();
    // Options go with every word that is no option yet.
    let asks_for_options = words.last().is_some_and(|word| word.starts_with('-'));
    all.lines().filter(|word| asks_for_options || !word.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn d8_a_line_is_completed_with_what_the_node_has() {
    let (home, node) = with_chat("ws://127.0.0.1:9");
    home.works(&["project", "set", "shop"]);
    for (words, expected) in [
        (&["api", "show", ""][..], &["chat-app-api"][..]),
        (&["api", "deploy", "ch"], &["chat-app-api"]),
        (&["api", "deploy", "chat-app-api", "--env", ""], &["development", "production"]),
        (&["api", "promote", "chat-app-api", "--to", "p"], &["production"]),
        (&["api", "list", "--project", ""], &["default", "shop"]),
        (&["project", "show", "s"], &["shop"]),
        (&["env", "show", "d"], &["development"]),
        (&["conn", "close", "--api", ""], &["chat-app-api"]),
        (&["api", "lifecycle", "chat-app-api", "--to", "Pu"], &["Published"]),
        (&["api", "create", "--access", "i"], &["internal"]),
        (&["api", "lifecycle", "x", "--disp"], &["--display-name"]),
        (&["demo", "--any"], &["--any-port"]),
        (&["-o", "j"], &["json"]),
    ] {
        assert_eq!(offered(&home, words), expected, "{words:?}");
    }
    node.stop();
    assert_eq!(
        offered(&home, &["api", "show", ""]),
        Vec::<String>::new(),
        "without a node there are no names, and no error"
    );
    assert_eq!(offered(&home, &["api", "prom"]), ["promote"]);
}
