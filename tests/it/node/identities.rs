//! Identities with the real process: their tokens over restarts and failures, and where a secret is and is not.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::node::{Home, Node, USUAL, bytes};
use crate::harness::process::run;

/// Runs a command that must succeed, and returns its answer.
#[track_caller]
fn json_of(home: &Home, arguments: &[&str]) -> Value {
    serde_json::from_str(&home.works(&[arguments, &["-o", "json"]].concat())).unwrap()
}

/// A new token of a new identity: its secret.
#[track_caller]
fn made(home: &Home, name: &str, role: &str) -> String {
    home.works(&["identity", "create", name, "--role", role]);
    home.works(&["identity", "token", "create", name]).trim().to_owned()
}

/// Every file below a folder that holds a text.
fn holding(folder: &Path, text: &str, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, text, into);
        } else if bytes(&path).windows(text.len()).any(|window| window == text.as_bytes()) {
            into.push(path.display().to_string());
        }
    }
}

#[track_caller]
fn is_let_in(node: &Node, token: &str) -> bool {
    let answer = node.admin.with_token(token).get("/whoami");
    assert!([200, 401].contains(&answer.status), "{}", answer.text);
    answer.status == 200
}

#[test]
fn tokens_and_revocations_outlive_a_kill() {
    let home = Home::new(USUAL);
    let node = home.start();
    let (kept, revoked) = (made(&home, "kept", "viewer"), made(&home, "gone", "viewer"));
    assert!(is_let_in(&node, &kept) && is_let_in(&node, &revoked));
    home.works(&["identity", "revoke", "gone", "--yes"]);
    assert!(!is_let_in(&node, &revoked), "in force when it is answered");
    node.kill();
    let node = home.start();
    assert!(is_let_in(&node, &kept) && !is_let_in(&node, &revoked), "a revocation is on the disk when it is answered");
    node.stop();
}

#[test]
fn a_secret_is_shown_once_and_is_nowhere_else() {
    let home = Home::new(&format!("log.level = \"trace\"\n{USUAL}"));
    let node = home.start();
    let secret = made(&home, "ci", "viewer");
    let wrong = format!("rwa_{}", "w".repeat(43));
    assert!(is_let_in(&node, &secret) && !is_let_in(&node, &wrong));
    node.admin.with_token(&secret).put("/projects/a", &json!({})).refused(403, "role-missing");
    home.works(&["identity", "token", "rotate", "ci", "1"]);
    let file = home.file("../ci-token").display().to_string();
    home.works(&["identity", "token", "create", "ci", "--out", &file, "--days", "9"]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(is_let_in(&node, written.trim()));
    let (code, _, stderr) = home.run(&["identity", "token", "create", "ci", "--out", &file]);
    assert!(code == 1 && stderr.contains("there is such a file already"), "{stderr}");
    assert_eq!(
        json_of(&home, &["identity", "show", "ci"])["tokens"].as_array().unwrap().len(),
        3,
        "none was made for it"
    );
    let shown = [
        home.works(&["identity", "show", "ci", "-o", "json"]),
        home.works(&["audit", "-o", "json"]),
        node.admin.figures().text,
        node.log(),
    ];
    for secret in [secret.as_str(), wrong.as_str(), written.trim()] {
        for text in &shown {
            assert!(!text.contains(&secret[4..]), "{text}");
        }
        let mut files = Vec::new();
        holding(&home.state(), &secret[4..], &mut files);
        assert_eq!(files, [""; 0]);
    }
    node.stop();
    let mut files = Vec::new();
    holding(&home.state(), &secret[4..], &mut files);
    assert_eq!(files, [""; 0]);
}

#[test]
fn a_command_acts_as_the_identity_of_its_token_and_exits_with_4_where_it_may_not() {
    let home = Home::new(USUAL);
    let node = home.start();
    let developer = made(&home, "dev", "developer");
    let file = home.file("../dev-token");
    std::fs::write(&file, developer).unwrap();
    let url = format!("http://{}", node.admin.address());
    let as_developer =
        |arguments: &[&str]| run(&[arguments, &["--admin", &url, "--token-file", file.to_str().unwrap()]].concat());
    let (code, stdout, stderr) = as_developer(&["identity", "whoami"]);
    assert_eq!((code, stdout.as_str()), (0, "name   dev\nby     token 1\nroles  developer\n"), "{stderr}");
    let create = ["api", "create", "--name", "Chat", "--version", "1.0", "--target", "ws://127.0.0.1:9"];
    assert_eq!(as_developer(&create).0, 0);
    assert_eq!(as_developer(&["api", "deploy", "chat", "--env", "development"]).0, 0);
    let (code, _, stderr) = as_developer(&["api", "promote", "chat"]);
    assert!(code == 4 && stderr.contains("publisher or admin") && stderr.contains("403 role-missing"), "{stderr}");
    let (code, _, stderr) = as_developer(&["identity", "list"]);
    assert!(code == 4 && stderr.contains("the role admin"), "{stderr}");
    let audit = json_of(&home, &["audit", "--limit", "1"]);
    assert_eq!((&audit[0]["who"], &audit[0]["authenticated_by"]), (&json!("dev"), &json!("token 1")));
    assert_ne!(audit[0]["client_name"], Value::Null);
}

#[test]
fn without_a_store_nobody_but_the_file_is_let_in() {
    let home = Home::new(USUAL);
    let node = home.start();
    let token = made(&home, "ci", "admin");
    node.stop();
    // A damaged store: the node serves the last good snapshot.
    std::fs::write(home.file("ringway.db"), vec![b'x'; 8192]).unwrap();
    for name in ["ringway.db-wal", "ringway.db-shm"] {
        let _ = std::fs::remove_file(home.file(name));
    }
    let node = home.start();
    let refused = node.admin.with_token(&token).get("/whoami").refused(503, "store-unavailable");
    assert!(refused["detail"].as_str().unwrap().contains("admin-token"), "{refused}");
    node.admin.get("/whoami").expect(200);
}
