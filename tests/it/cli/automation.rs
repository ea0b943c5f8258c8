//! The promises that a script relies on: nothing happens without a yes, an exit code means one thing, a mistake is told whole, and what is so
//! already is told as that.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::node::{Home, Node, USUAL};
use crate::harness::process::{PROGRAM, run};
use crate::harness::terminal::Terminal;

/// A node with `chat` in it, which runs in both environments.
fn with_chat() -> (Home, Node) {
    let home = Home::new(USUAL);
    let node = home.start();
    home.works(&["api", "create", "--name", "chat", "--version", "1.0", "--target", "ws://127.0.0.1:9"]);
    home.works(&["api", "deploy", "chat", "--env", "development"]);
    home.works(&["api", "promote", "chat"]);
    (home, node)
}

#[track_caller]
fn shown(home: &Home) -> Value {
    let mut api: Value = serde_json::from_str(&home.works(&["api", "show", "chat", "-o", "json"])).unwrap();
    for varies in ["updated_at", "id"] {
        api[varies] = Value::Null;
    }
    api
}

#[test]
fn d1_nothing_happens_without_a_yes() {
    let (home, _node) = with_chat();
    let before = shown(&home);
    let state = home.state();
    let state = state.to_str().unwrap();
    for (command, named) in [
        (&["api", "delete", "chat"][..], "delete default/chat:1.0 and end its connections in development, production"),
        (&["api", "undeploy", "chat", "--env", "production"], "undeploy default/chat:1.0 from production"),
        (
            &["api", "lifecycle", "chat", "--to", "blocked"],
            "block default/chat:1.0, which runs in development, production",
        ),
        (&["api", "lifecycle", "chat", "--to", "retired"], "retire default/chat:1.0"),
        (&["api", "lifecycle", "chat", "--to", "published"], "publish default/chat:1.0"),
        (&["project", "delete", "default"], "delete the project default"),
    ] {
        // No terminal, an answer in a pipe, and a terminal that may not be used.
        let (code, stdout, stderr) = home.run(command);
        assert_eq!((code, stdout.as_str()), (2, ""), "{command:?}: {stderr}");
        assert!(stderr.contains(named) && stderr.contains("--yes"), "{named}: {stderr}");
        for answer in ["y\n", "n\n", ""] {
            let mut piped = Command::new(PROGRAM);
            piped.args(command).args(["--state", state]).stdin(Stdio::piped()).stdout(Stdio::null());
            let mut piped = piped.stderr(Stdio::null()).spawn().unwrap();
            let _ = piped.stdin.take().unwrap().write_all(answer.as_bytes());
            assert_eq!(piped.wait().unwrap().code(), Some(2), "{command:?} {answer:?}");
        }
        let (code, _, stderr) = home.run(&[command, &["--no-input"]].concat());
        assert!(code == 2 && stderr.contains("--no-input forbids the question"), "{stderr}");
        // At a terminal each of them asks.
        let (code, asked) = Terminal::open().run(&[command, &["--state", state]].concat(), "n\n");
        assert!(code == 1 && asked.contains(named), "{command:?}: {asked}");
        assert_eq!(shown(&home), before, "{command:?}");
    }
    // Not asked for: what is undone by a command.
    home.works(&["api", "undeploy", "chat", "--env", "development"]);
    home.works(&["api", "stop", "chat", "--env", "production"]);
    home.works(&["api", "undeploy", "chat", "--env", "production", "--yes"]);
    home.works(&["api", "delete", "chat", "--yes"]);
}

#[test]
fn d2_a_wrong_value_ends_with_3_whichever_way_it_comes() {
    let (home, _node) = with_chat();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, "apiVersion: ringway/v1\nkind: Api\nname: a\nversion: one\naccess: Foo\ntargets: [ws://a]\n")
        .unwrap();
    let create = ["api", "create", "--name", "a", "--target", "ws://a"];
    for (command, named) in [
        ([&create[..], &["--version", "one"]].concat(), "version: "),
        ([&create[..], &["--version", "1.0", "--access", "Foo"]].concat(), "access: "),
        ([&create[..], &["--version", "1.0", "--policy", "preserve_host=5"]].concat(), "preserve_host"),
        (vec!["apply", "-f", file.to_str().unwrap()], "access: it must be `external` or `internal`"),
        (vec!["api", "list", "--lifecycle", "gone"], "it must be one of `Created`"),
        (vec!["api", "deploy", "chat", "--env", "development", "--revision", "99"], "no revision 99"),
    ] {
        let (code, _, stderr) = home.run(&command);
        assert!(code == 3 && stderr.contains(named), "{command:?}: {code} {stderr}");
    }
    let (code, _, stderr) = run(&["api", "list", "--admin", "foo", "--token-file", file.to_str().unwrap()]);
    assert!(code == 3 && stderr.contains("http://"), "{stderr}");
    // All of them at once.
    let both = ["--version", "one", "--access", "Foo", "--project", "A"];
    let (code, _, stderr) = home.run(&[&create[..], &both].concat());
    assert_eq!(code, 3, "{stderr}");
    for field in ["\n  version: ", "\n  access: ", "\n  project: "] {
        assert!(stderr.contains(field), "{field}: {stderr}");
    }
    for usage in [&["api", "list", "--colour", "red"][..], &["api", "lst"], &["api", "list", "--limit"]] {
        assert_eq!(home.run(usage).0, 2, "{usage:?}");
    }
}

#[test]
fn d3_a_dry_run_finds_what_apply_finds() {
    let home = Home::new(USUAL);
    let _node = home.start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    let text = "apiVersion: ringway/v1\nkind: Api\nname: a\nversion: 1.0\ntargets: [\"ws://${NOVAR}:9000\"]\n\
                deployments:\n- environment: development\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let dry = home.run(&["apply", "-f", file, "--dry-run"]);
    assert!(dry.0 == 3 && dry.2.contains("NOVAR"), "{dry:?}");
    assert_eq!(home.run(&["apply", "-f", file]), dry, "the same checks");
    assert_eq!(home.works(&["api", "list", "-o", "json"]), "[]\n", "nothing was done");
}

#[test]
fn d4_all_faults_of_a_document_and_of_a_request_are_told_at_once() {
    let home = Home::new(USUAL);
    let node = home.start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    let text = "apiVersion: ringway/v1\nkind: Api\nname: a/b\nversion: one\ncolour: red\ntargets: [ftp://a]\n\
                deployments:\n- environment: X\n  size: 1\n";
    std::fs::write(&file, text).unwrap();
    let (code, _, stderr) = home.run(&["apply", "-f", file.to_str().unwrap()]);
    assert_eq!(code, 3);
    for fault in
        [":3:", ":4:", ":5:1: unknown field `colour`", ":6:", ":8:", ":9:3: deployments[0]: unknown field `size`"]
    {
        assert!(stderr.contains(fault), "{fault}: {stderr}");
    }
    let body = json!({"name": "a/b", "version": "one", "colour": "red", "targets": ["ftp://a"], "access": 5});
    let problem = node.admin.post("/apis", &body).refused(400, "json-shape");
    let mut fields: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["access", "colour", "name", "targets[0]", "version"], "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(!detail.contains("struct") && !detail.contains("invalid type"), "{detail}");
}

#[test]
fn d5_apply_takes_a_pipe_and_several_files_and_refuses_nothing_at_all() {
    let home = Home::new(USUAL);
    let node = home.start();
    let folder = tempfile::tempdir().unwrap();
    let document =
        |name: &str| format!("apiVersion: ringway/v1\nkind: Api\nname: {name}\nversion: 1.0\ntargets: [ws://a]\n");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let piped = |arguments: &[&str], text: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg("--state").arg(home.state());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    std::fs::create_dir(folder.path().join("below")).unwrap();
    let (one, empty) = (write("one.yaml", &document("one")), write("empty.yaml", ""));
    write("below/two.yaml", &document("two"));
    let below = folder.path().join("below");
    let all = ["apply", "-f", &one, "-f", "-", "-f", below.to_str().unwrap()];
    let (code, stdout, stderr) = piped(&all, &document("piped"));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, "create default/one:1.0\ncreate default/piped:1.0\ncreate default/two:1.0\n");
    let (code, stdout, _) = piped(&["diff", "-f", "-"], &document("piped"));
    assert_eq!((code, stdout.as_str()), (0, ""));
    for (arguments, text, named) in [
        (&["apply", "-f", "-"][..], "", "(standard input): there is no document in it"),
        (&["apply", "-f", "-", "--dry-run"], "# nothing\n---\n", "(standard input): there is no document in it"),
        (&["diff", "-f", "-"], "", "(standard input): there is no document in it"),
        (&["apply", "-f", &one, "-f", &empty], "", "empty.yaml: there is no document in it"),
        (&["apply", "-f", "-", "-f", "-"], &document("x"), "(standard input): it is named twice"),
        (&["apply", "-f", "-"], "name: [", "(standard input):1:"),
    ] {
        let (code, stdout, stderr) = piped(arguments, text);
        assert_eq!((code, stdout.as_str()), (3, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(named), "{named}: {stderr}");
    }
    for files in [json!([]), json!([{"name": "a", "text": ""}])] {
        node.admin.post("/apply", &json!({ "files": files })).refused(422, "documents-invalid");
    }
}

#[test]
fn d9_the_environment_names_a_node_and_status_project_and_env_show_it() {
    let (home, node) = with_chat();
    let by = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).stdin(Stdio::null()).current_dir("/");
        for name in ["RINGWAY_STATE", "RINGWAY_ADMIN", "RINGWAY_TOKEN_FILE"] {
            command.env_remove(name);
        }
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (state, token) = (home.state(), home.file("admin-token"));
    let (state, token) = (state.to_str().unwrap(), token.to_str().unwrap());
    let url = format!("http://{}", node.admin.address());
    for variables in [
        &[("RINGWAY_STATE", state)][..],
        &[("RINGWAY_ADMIN", &url), ("RINGWAY_TOKEN_FILE", token)],
        &[("RINGWAY_STATE", state), ("RINGWAY_ADMIN", ""), ("RINGWAY_TOKEN_FILE", token)],
    ] {
        let (code, stdout, stderr) = by(variables, &["status"]);
        assert_eq!(code, 0, "{stderr}");
        for line in ["status        ok\n", "deployments   2\n", "environments  development production\n", &url] {
            assert!(stdout.contains(line), "{line}: {stdout}");
        }
    }
    let (code, _, stderr) = by(&[("RINGWAY_STATE", state), ("RINGWAY_ADMIN", &url)], &["status"]);
    assert!(code == 2 && stderr.contains("name two nodes"), "{stderr}");
    let (code, _, stderr) = by(&[("RINGWAY_STATE", "/nowhere")], &["status", "--state", state]);
    assert_eq!(code, 0, "the line decides: {stderr}");

    let environment: Value = serde_json::from_str(&home.works(&["env", "show", "production", "-o", "json"])).unwrap();
    assert_eq!(environment["name"], "production");
    assert_eq!(environment["deployments"][0]["api"], "default/chat:1.0");
    assert!(home.works(&["env", "show", "production"]).contains("default/chat:1.0  1         running"));
    home.works(&["project", "set", "shop", "--description", "tab\there"]);
    assert!(
        home.works(&["project", "show", "shop"]).contains("description  tab here\n"),
        "d14: a tab is a space in a table"
    );
    assert_eq!(home.works(&["project", "list"]).lines().count(), 3);
    let (code, _, stderr) = home.run(&["project", "delete", "default", "--yes"]);
    assert!(code == 1 && stderr.contains("(409 project-not-empty)"), "{stderr}");
    home.works(&["project", "delete", "shop", "--yes"]);
}

#[test]
fn d10_what_is_so_already_is_unchanged() {
    let (home, node) = with_chat();
    let entries = || node.admin.get("/audit?limit=1").json["items"][0]["id"].clone();
    home.works(&["api", "lifecycle", "chat", "--to", "published", "--yes"]);
    let before = entries();
    for command in [
        &["api", "promote", "chat"][..],
        &["api", "promote", "chat", "--from", "development", "--to", "production"],
        &["api", "deploy", "chat", "--env", "development"],
        &["api", "rollback", "chat", "1", "--env", "production"],
        &["api", "start", "chat", "--env", "production"],
        &["api", "update", "chat", "--name", "chat"],
        &["api", "lifecycle", "chat", "--to", "published", "--yes"],
    ] {
        let (code, stdout, stderr) = home.run(command);
        assert!(code == 0 && stderr.starts_with("unchanged: ") && !stdout.is_empty(), "{command:?}: {stderr}");
    }
    assert_eq!(entries(), before);
    home.works(&["api", "undeploy", "chat", "--env", "development"]);
    let (code, _, stderr) = home.run(&["api", "undeploy", "chat", "--env", "development"]);
    assert_eq!((code, stderr.as_str()), (0, "unchanged: default/chat:1.0 is not deployed in development\n"));
    let (code, _, stderr) = home.run(&["api", "undeploy", "chat", "--env", "moon"]);
    assert!(code == 1 && stderr.contains("(404 environment-not-found)"), "{stderr}");
    assert!(home.run(&["api", "stop", "chat", "--env", "production"]).2.starts_with("default/chat:1.0 is stopped"));
    assert!(home.run(&["api", "stop", "chat", "--env", "production"]).2.starts_with("unchanged: "));
}

#[test]
fn d11_words_are_read_in_any_case_and_written_in_one() {
    let home = Home::new(USUAL);
    let node = home.start();
    let create = ["api", "create", "--version", "1.0", "--target", "ws://a", "--access", "INTERNAL", "--name", "one"];
    assert!(home.works(&create).contains("access     internal\n"));
    let body =
        json!({"name": "two", "version": "1.0", "targets": ["ws://a"], "access": "External", "type": "websocket"});
    let made = node.admin.post("/apis", &body).expect(201);
    assert_eq!((&made["access"], &made["type"]), (&json!("external"), &json!("WebSocket")));
    let folder = tempfile::tempdir().unwrap();
    let text = "apiVersion: ringway/v1\nkind: Api\nname: three\nversion: 1.0\ntargets: [ws://a]\naccess: Internal\n\
                lifecycle: pre_released\ndeployments:\n- environment: development\n  status: STOPPED\n";
    std::fs::write(folder.path().join("a.yaml"), text).unwrap();
    home.works(&["apply", "-f", folder.path().to_str().unwrap()]);
    let three = node.admin.get("/apis/default/three/1.0").expect(200);
    assert_eq!((&three["lifecycle"], &three["deployments"][0]["status"]), (&json!("Pre-released"), &json!("stopped")));
    for query in ["PRE-RELEASED", "prereleased", "Pre-released"] {
        assert_eq!(
            node.admin.get(&format!("/apis?lifecycle={query}")).expect(200)["items"].as_array().unwrap().len(),
            1
        );
        assert_eq!(home.works(&["api", "list", "--lifecycle", query]).lines().count(), 2);
    }
    let put = node.admin.put("/apis/default/two/1.0/lifecycle", &json!({"state": "published"})).expect(200);
    assert_eq!(put["state"], "Published");
    let exported = home.works(&["export", "-o", "JSON"]);
    assert!(exported.contains("\"internal\"") && !exported.contains("INTERNAL"), "{exported}");
}

#[test]
fn d12_a_name_that_is_not_there_is_an_error_with_the_nearest() {
    let (home, node) = with_chat();
    for (command, code, named) in [
        (&["api", "show", "caht"][..], 1, "did you mean `chat`?"),
        (&["api", "show", "default/chatt:1.0"], 1, "did you mean default/chat:1.0?"),
        (&["api", "deploy", "chat", "--env", "developmnt"], 1, "did you mean `development`?"),
        (&["api", "promote", "chat", "--to", "prodution"], 1, "did you mean `production`?"),
        (&["api", "test", "chat", "--env", "prodution"], 1, "did you mean `production`?"),
        (&["api", "list", "--env", "prodution"], 3, "did you mean `production`?"),
        (&["api", "list", "--project", "defualt"], 3, "did you mean default?"),
        (&["conn", "list", "--env", "prodution"], 3, "did you mean `production`?"),
        (&["conn", "list", "--api", "default/chatt:1.0"], 1, "did you mean default/chat:1.0?"),
        (&["conn", "close", "--api", "chatt"], 1, "did you mean `chat`?"),
        (&["conn", "close", "--api", "chat", "--env", "prodution"], 3, "did you mean `production`?"),
        (&["audit", "--api", "default/chatt:1.0"], 1, "did you mean default/chat:1.0?"),
        (&["project", "show", "defualt"], 1, "did you mean default?"),
        (&["env", "show", "prodution"], 1, "did you mean `production`?"),
    ] {
        let (is, stdout, stderr) = home.run(command);
        assert_eq!((is, stdout.as_str()), (code, ""), "{command:?}: {stderr}");
        assert!(stderr.contains(named), "{command:?}: {stderr}");
    }
    for filter in ["/apis?environment=moon", "/apis?project=moon", "/connections?environment=moon"] {
        let problem = node.admin.get(filter).refused(422, "fields-invalid");
        assert_eq!(problem["errors"][0]["rule"], "exists", "{problem}");
    }
    // What is there and has nothing is an empty list.
    assert_eq!(home.works(&["api", "list", "--lifecycle", "retired"]).lines().count(), 1);
    assert_eq!(home.works(&["conn", "list", "--env", "production"]).lines().count(), 1);
    assert_eq!(home.works(&["conn", "list", "--api", "chat"]).lines().count(), 1);
}
