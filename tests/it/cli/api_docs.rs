//! `ringway api docs`: with a node and without one.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::EchoServer;
use crate::harness::node::{Home, USUAL, ws};
use crate::harness::process::run;

const CHAT: &str = include_str!("../../fixtures/contracts/chat.yaml");

fn document(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("chat.yaml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_document_is_documented_without_a_node() {
    let folder = TempDir::new().unwrap();
    let chat = document(&folder, CHAT);
    let (code, stdout, stderr) = run(&["api", "docs", "--from", &chat]);
    assert_eq!(code, 0, "{stderr}");
    let documented: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&documented["api"], &documented["environments"]), (&json!("Chat"), &json!([])));
    assert_eq!(documented["contract"]["routes"].as_array().map(Vec::len), Some(2));
    let pages = folder.path().join("a/pages");
    let (code, stdout, stderr) = run(&["api", "docs", "--from", &chat, "--html", pages.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.contains("4 pages written"), "{stderr}");
    let mut names: Vec<String> =
        fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["channel-1.html", "channel-2.html", "index.html", "schemas-1.html"]);
    let broken = document(&folder, "asyncapi: 1.2.0\n");
    let (code, _, stderr) = run(&["api", "docs", "--from", &broken]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("chat.yaml:1:"), "{stderr}");
    assert_eq!(run(&["api", "docs"]).0, 2);
}

#[test]
fn an_api_is_documented_with_the_urls_where_it_runs() {
    let (home, echo, folder) = (Home::new(USUAL), EchoServer::start(), TempDir::new().unwrap());
    let node = home.start();
    let chat = document(&folder, CHAT);
    home.works(&["api", "import", &chat, "--yes", "--target", &ws(echo.address())]);
    home.works(&["api", "deploy", "chat", "--env", "development"]);
    let documented: Value = serde_json::from_str(&home.works(&["api", "docs", "chat"])).unwrap();
    let url = format!("ws://{}/default/chat/v1.2/rooms/{{roomId}}", node.external("development"));
    assert_eq!(documented["environments"][0]["channels"][0]["url"], url);
    let pages = folder.path().join("pages");
    home.works(&["api", "docs", "chat", "--html", pages.to_str().unwrap()]);
    assert!(fs::read_to_string(pages.join("channel-1.html")).unwrap().contains(&url));
}

#[test]
fn an_environment_that_runs_an_older_contract_is_marked_and_documented_by_its_name() {
    let (home, echo, folder) = (Home::new(USUAL), EchoServer::start(), TempDir::new().unwrap());
    let _node = home.start();
    let chat = document(&folder, CHAT);
    home.works(&["api", "import", &chat, "--yes", "--target", &ws(echo.address())]);
    home.works(&["api", "deploy", "chat", "--env", "development"]);
    home.works(&["api", "promote", "chat", "--from", "development", "--to", "production"]);
    let chat = document(&folder, &CHAT.replace("/health:", "/alive:"));
    home.works(&["api", "import", &chat, "--yes"]);
    home.works(&["api", "deploy", "chat", "--env", "development"]);
    let documented: Value = serde_json::from_str(&home.works(&["api", "docs", "chat"])).unwrap();
    let places = documented["environments"].as_array().unwrap();
    let seen: Vec<_> = places.iter().map(|place| (&place["contract"], &place["channels"][1]["state"])).collect();
    assert_eq!(seen, [(&json!("same"), &json!("same")), (&json!("other"), &json!("missing"))]);
    let old: Value = serde_json::from_str(&home.works(&["api", "docs", "chat", "--env", "production"])).unwrap();
    assert_eq!(old["api"], "Chat 1.2, revision 1 in production");
    assert_eq!(old["contract"]["channels"][1]["name"], "/health");
    assert_eq!(old["environments"][0]["channels"][1]["state"], "missing");
    let (code, _, stderr) = home.run(&["api", "docs", "chat", "--env", "nowhere"]);
    assert!(code == 1 && stderr.contains("There are: development, production."), "{code} {stderr}");
}
