//! `ringway apply`, `diff` and `export` against a real node.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::node::{Home, USUAL};
use crate::harness::until;

/// A folder with two APIs in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shop")).unwrap();
    write(folder.path(), "chat.yaml", &chat("ws://127.0.0.1:9000", "Published"));
    let orders = "apiVersion: ringway/v1\nkind: Api\nproject: shop\nname: Orders\nversion: 2.1\naccess: internal\n\
                  targets: [ws://127.0.0.1:9001]\n";
    write(folder.path(), "shop/orders.yml", orders);
    folder
}

fn chat(target: &str, lifecycle: &str) -> String {
    format!(
        "apiVersion: ringway/v1\nkind: Api\nname: Chat\nversion: 1.0\ntargets: [\"{target}\"]\nlifecycle: {lifecycle}\n\
         deployments:\n- environment: development\n- environment: production\n  targets: [\"ws://127.0.0.1:9002\"]\n  status: stopped\n"
    )
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[test]
fn what_files_say_is_made_so_and_then_there_is_nothing_to_do() {
    let home = Home::new(USUAL);
    let _node = home.start();
    let folder = folder();
    let files = folder.path().to_str().unwrap();
    let steps = "create default/chat:1.0\n\
                 deploy default/chat:1.0 in development\n\
                 deploy default/chat:1.0 in production, stopped\n\
                 lifecycle of default/chat:1.0: Published\n\
                 create shop/orders:2.1\n";
    let (code, stdout, stderr) = home.run(&["apply", "-f", files, "--dry-run"]);
    assert_eq!((code, stdout.as_str()), (0, steps), "{stderr}");
    assert_eq!(stderr, "5 steps to carry out; what the files do not name stays as it is\n");
    assert_eq!(home.works(&["-o", "json", "api", "list"]), "[]\n", "nothing was done");

    let (code, stdout, stderr) = home.run(&["apply", "-f", files]);
    assert_eq!((code, stdout.as_str()), (0, steps), "{stderr}");
    // What follows are warnings of targets where nobody listens.
    assert!(stderr.starts_with("5 steps carried out; what the files do not name stays as it is\n"), "{stderr}");
    for dry in [&["--dry-run"][..], &[]] {
        let (code, stdout, stderr) = home.run(&[&["apply", "-f", files][..], dry].concat());
        assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
        assert_eq!(stderr, "nothing to do: the node holds what the files say\n");
    }
    assert_eq!(home.run(&["diff", "-f", files]), (0, String::new(), String::new()));

    let chat: Value = serde_json::from_str(&home.works(&["api", "show", "chat", "-o", "json"])).unwrap();
    assert_eq!((&chat["lifecycle"], &chat["display_name"]), (&"Published".into(), &"Chat".into()));
    assert_eq!(chat["deployments"][1]["status"], "stopped");
    assert_eq!(chat["deployments"][1]["targets"][0], "ws://127.0.0.1:9002");
}

#[test]
fn trap_26_an_export_with_its_contracts_is_the_same_api_on_another_node() {
    let home = Home::new(USUAL);
    let _node = home.start();
    let folder = tempfile::tempdir().unwrap();
    let asyncapi =
        "asyncapi: 2.6.0\ninfo: {title: Chat, version: '1.0'}\nchannels: {/rooms: {publish: {message: {name: say}}}}\n";
    std::fs::create_dir_all(folder.path().join("apis/docs")).unwrap();
    write(folder.path(), "apis/docs/chat.yaml", asyncapi);
    write(folder.path(), "apis/docs/other.yaml", "x: 1\n");
    let contract = "contract:\n  path: docs\n  perspective: client\n  layout: by-address\n";
    write(folder.path(), "apis/chat.yaml", &(chat("ws://127.0.0.1:9000", "Published") + contract));
    let plain = chat("ws://127.0.0.1:9000", "Created").replace("Chat", "Plain") + "contract: plain.asyncapi.yaml\n";
    write(folder.path(), "apis/plain.yaml", &plain);
    write(folder.path(), "apis/plain.asyncapi.yaml", asyncapi);
    let files = folder.path().join("apis");
    let files = files.to_str().unwrap();
    home.works(&["apply", "-f", files, "--dry-run"]);
    home.works(&["apply", "-f", files]);
    assert_eq!(home.run(&["diff", "-f", files]), (0, String::new(), String::new()));
    assert_eq!(home.works(&["api", "contract", "show", "plain", "--raw"]), asyncapi);

    let export = folder.path().join("export");
    home.works(&["export", "--dir", export.to_str().unwrap()]);
    let text = std::fs::read_to_string(export.join("default-chat-1.0.yaml")).unwrap();
    assert!(text.contains("path: default-chat-1.0.contract.zip\n") && !text.contains("digest"), "{text}");
    assert_eq!(std::fs::read_to_string(export.join("default-plain-1.0.contract.yaml")).unwrap(), asyncapi);
    let export = export.to_str().unwrap();
    assert_eq!(home.run(&["diff", "-f", export]), (0, String::new(), String::new()));

    let other = Home::new(USUAL);
    let node = other.try_start_with(&["--apply", export]).unwrap();
    assert_eq!(other.works(&["export"]), home.works(&["export"]));
    drop(node);

    write(folder.path(), "apis/plain.yaml", &plain.replace("plain.asyncapi", "nothing"));
    let (code, stdout, stderr) = home.run(&["apply", "-f", files]);
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    assert!(stderr.contains("contract: nothing.yaml: no such file or directory"), "{stderr}");
}

#[test]
fn an_export_can_be_applied_where_it_comes_from_and_where_there_is_nothing() {
    let (home, other) = (Home::new(USUAL), Home::new(USUAL));
    let (_node, _other_node) = (home.start(), other.start());
    home.works(&["apply", "-f", folder().path().to_str().unwrap()]);
    // What runs in production is older than the definition: on this node its revision says so.
    home.works(&["api", "update", "chat", "--target", "ws://127.0.0.1:9003"]);
    home.works(&["api", "deploy", "chat", "--env", "development"]);
    let (_, export, stderr) = home.run(&["export"]);
    assert_eq!(export.matches("apiVersion: ringway/v1\n").count(), 2, "{export}{stderr}");
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "all.yaml", &export);
    let files = folder.path().to_str().unwrap();
    let (code, _, stderr) = home.run(&["apply", "-f", files]);
    assert_eq!((code, stderr.as_str()), (0, "nothing to do: the node holds what the files say\n"));
    assert_eq!(home.run(&["diff", "-f", files]).0, 0);
    assert_eq!(home.works(&["export"]), export, "an export is the same every time");

    let (code, stdout, stderr) = other.run(&["apply", "-f", files]);
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    assert!(stderr.contains("there is no revision 1 of default/chat:1.0: it has none yet"), "{stderr}");
    write(folder.path(), "all.yaml", &export.replace("  revision: 1\n", ""));
    other.works(&["apply", "-f", files]);
    assert_eq!(other.works(&["export"]), export.replace("  revision: 1\n", ""));
    assert!(other.works(&["export", "--api", "orders"]).contains("identifier: orders\n"));
    let documents: Value = serde_json::from_str(&other.works(&["export", "-o", "json"])).unwrap();
    assert_eq!(documents[1]["name"], "Orders");
}

#[test]
fn an_api_whose_end_is_past_comes_back_from_an_export_as_it_was() {
    let (home, empty) = (Home::new(USUAL), Home::new(USUAL));
    let node = home.start();
    let folder = folder();
    write(folder.path(), "chat.yaml", &chat("ws://127.0.0.1:9000", "Published"));
    home.works(&["apply", "-f", folder.path().to_str().unwrap()]);
    // It is taken only while it is still to come, which on a busy host it may not be any more.
    let (soon, over) = until("its end is set", || {
        let soon = Timestamp::now() + SignedDuration::from_millis(300);
        let over = json!({ "state": "Deprecated", "sunset_at": soon.to_string() });
        (node.admin.put("/apis/default/chat/1.0/lifecycle", &over).status == 200).then_some((soon, over))
    });
    until("its end is past", || (Timestamp::now() > soon).then_some(()));
    // An end that it has already is no news; one that it has not is a mistake.
    node.admin.put("/apis/default/chat/1.0/lifecycle", &over).expect(200);
    let mistake = json!({ "state": "Deprecated", "sunset_at": "2020-01-01T00:00:00Z" });
    node.admin.put("/apis/default/chat/1.0/lifecycle", &mistake).refused(422, "fields-invalid");

    let export = home.works(&["export"]);
    let backup = tempfile::tempdir().unwrap();
    write(backup.path(), "all.yaml", &export);
    let files = backup.path().to_str().unwrap();
    let other = empty.start();
    empty.works(&["apply", "-f", files]);
    assert_eq!(empty.works(&["export"]), export);
    assert_eq!(empty.run(&["diff", "-f", files]), (0, String::new(), String::new()));
    let [was, is] = [&node, &other].map(|node| node.admin.get("/apis/default/chat/1.0").expect(200));
    for field in ["lifecycle", "deprecated_at", "sunset_at", "display_name"] {
        assert_eq!(is[field], was[field], "{field}");
    }
}

#[test]
fn a_difference_is_shown_as_one_and_ends_with_2() {
    let home = Home::new(USUAL);
    let _node = home.start();
    let folder = folder();
    let files = folder.path().to_str().unwrap();
    home.works(&["apply", "-f", files]);
    write(folder.path(), "chat.yaml", &chat("ws://127.0.0.1:9009", "Deprecated"));
    let (code, stdout, stderr) = home.run(&["diff", "-f", files]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stdout.starts_with("--- node default/chat:1.0\n+++ "), "{stdout}");
    for line in
        ["-- ws://127.0.0.1:9000\n", "+- ws://127.0.0.1:9009\n", "-lifecycle: Published\n", "+lifecycle: Deprecated\n"]
    {
        assert!(stdout.contains(line), "{line}: {stdout}");
    }
    assert!(!stdout.contains("orders"), "{stdout}");
    assert!(home.works(&["api", "show", "chat"]).contains("Published"), "a diff changes nothing");
}

#[test]
fn mistakes_in_files_end_it_with_3_and_their_places_before_anything_is_done() {
    let home = Home::new(USUAL);
    let _node = home.start();
    let folder = folder();
    let files = folder.path().to_str().unwrap();
    write(folder.path(), "again.yaml", &chat("ws://127.0.0.1:9000", "Created"));
    write(folder.path(), "bad.yaml", "apiVersion: ringway/v1\nkind: Api\nname: Bad\nversion: 1.0\ntragets: []\n");
    for verb in ["apply", "diff"] {
        let (code, stdout, stderr) = home.run(&[verb, "-f", files]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        assert!(stderr.contains(&format!("{files}/bad.yaml:5:1: unknown field `tragets`")), "{stderr}");
        let twice = format!("{files}/chat.yaml:1:1: default/chat:1.0 is declared at {files}/again.yaml:1:1 already");
        assert!(stderr.contains(&twice), "{stderr}");
    }
    let nowhere = chat("ws://a", "Created").replace("production", "moon");
    write(folder.path(), "bad.yaml", &nowhere.replace("name: Chat", "name: Moon"));
    std::fs::remove_file(folder.path().join("again.yaml")).unwrap();
    let (code, _, stderr) = home.run(&["apply", "-f", files]);
    assert_eq!(code, 3, "{stderr}");
    assert!(
        stderr.contains("deployments: the node has no environment `moon`; it has development, production"),
        "{stderr}"
    );
    assert_eq!(home.works(&["-o", "json", "api", "list"]), "[]\n", "nothing was done");
}

#[test]
fn an_apply_that_the_node_refuses_names_the_step_and_changes_nothing() {
    let home = Home::new(USUAL);
    let node = home.start();
    let folder = folder();
    let files = folder.path().to_str().unwrap();
    write(folder.path(), "chat.yaml", &chat("ws://${BACKEND}", "Published"));
    for dry in [&["--dry-run"][..], &[]] {
        let (code, stdout, stderr) = home.run(&[&["apply", "-f", files][..], dry].concat());
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        let step = format!("{files}/chat.yaml:1:1: deploy default/chat:1.0 in development: targets[0]: ");
        assert!(stderr.contains(&step) && stderr.contains("BACKEND"), "{stderr}");
    }
    assert_eq!(home.works(&["-o", "json", "api", "list"]), "[]\n", "nothing was done");
    assert_eq!(node.admin.get("/audit").expect(200)["items"], json!([]));
}

#[test]
fn what_is_declared_as_stopped_never_takes_a_connection() {
    let home = Home::new(USUAL);
    let node = home.start();
    let folder = folder();
    home.works(&["apply", "-f", folder.path().to_str().unwrap()]);
    let published = node.admin.get("/snapshot").expect(200);
    assert_eq!(published["number"], 2, "one change after the first snapshot: {published}");
    let states: Vec<&Value> =
        published["deployments"]["items"].as_array().unwrap().iter().map(|it| &it["state"]).collect();
    assert_eq!(states, ["open", "stopped"]);
    let entries = node.admin.get("/audit?api=default/chat:1.0").expect(200);
    let actions: Vec<&Value> = entries["items"].as_array().unwrap().iter().map(|it| &it["action"]).collect();
    assert_eq!(actions, ["api.apply"], "one entry an API");
}

#[test]
fn a_thousand_documents_are_one_transaction() {
    let home = Home::new(USUAL);
    let node = home.start();
    let folder = tempfile::tempdir().unwrap();
    let document = |number: usize| {
        format!(
            "apiVersion: ringway/v1\nkind: Api\nname: Api {number}\nversion: 1.0\ntargets: [\"ws://127.0.0.1:9000\"]\n\
             lifecycle: Published\ndeployments:\n- environment: development\n"
        )
    };
    let all: Vec<String> = (0..1_000).map(document).collect();
    write(folder.path(), "all.yaml", &all.join("---\n"));
    let files = folder.path().to_str().unwrap();
    let (code, _, stderr) = home.run(&["apply", "-f", files]);
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!((code, lines[0]), (0, "3000 steps carried out; what the files do not name stays as it is"));
    // Nobody listens at any target: a reader needs no thousand lines to see that.
    assert!(lines.len() <= 22 && lines.last().unwrap().contains(" deployments were not tried, after "), "{stderr}");
    let published = node.admin.get("/snapshot?limit=1").expect(200);
    assert_eq!((&published["number"], &published["deployed"]), (&json!(2), &json!(1_000)));
    let (_, _, stderr) = home.run(&["apply", "-f", files]);
    assert_eq!(stderr, "nothing to do: the node holds what the files say\n");
}
