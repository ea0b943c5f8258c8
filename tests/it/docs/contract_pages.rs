//! The documentation of a contract in a browser: its pages are drawn under their own policy, and nothing of a contract runs.

use std::fs;
use std::path::Path;

use ringway::contract::pages::environments::RunningContract;
use ringway::contract::pages::{Documentation, Environment};
use ringway::contract::{Options, Sources, read};
use tempfile::TempDir;

use crate::harness::browser;

const CHAT: &str = include_str!("../../fixtures/contracts/chat.yaml");

/// A contract whose texts try to become markup.
const HOSTILE: &str = r#"
asyncapi: 2.6.0
info: {title: "</title><script>console.log('title')</script>", version: "<img src=x onerror=console.log('version')>"}
servers: {s: {url: 'ws://a.example', protocol: ws}}
channels:
  "/a\"><script>console.log('channel')</script>":
    description: "</style><script>console.log('text')</script><iframe src='javascript:console.log(1)'></iframe>"
    publish:
      message:
        name: "<svg onload=console.log('message')>"
        payload: {properties: {"<b onclick=x>": {description: "[x](javascript:console.log('link'))"}}}
        examples: [{payload: {"<script>": "</code></pre><script>console.log('example')</script>"}}]
"#;

/// Writes the pages of a contract to a folder, and returns their names.
fn written(text: &str, folder: &Path) -> Vec<String> {
    let contract = read(&Sources::one("asyncapi.yaml", text.as_bytes().to_vec()).unwrap(), Options::default());
    let model = contract.model.as_ref().unwrap();
    let environments = [Environment {
        name: "production".to_owned(),
        url: "wss://chat.example/v1".to_owned(),
        revision: 1,
        contract: RunningContract::Same,
    }];
    let site = Documentation { api: "Chat", model, problems: &contract.problems, environments: &environments }.site();
    let names: Vec<String> = site.names().collect();
    for name in &names {
        fs::write(folder.join(name), site.page(name).unwrap().unwrap()).unwrap();
    }
    names
}

fn url(folder: &Path, name: &str) -> String {
    format!("file://{}", folder.join(name).display())
}

#[test]
fn a_browser_draws_the_pages_of_a_contract_without_a_complaint() {
    let Some(found) = browser::find() else { return };
    let folder = TempDir::new().unwrap();
    let profile = folder.path().join("profile").display().to_string();
    for text in [CHAT, HOSTILE] {
        for name in written(text, folder.path()) {
            let opened = browser::opened(&found, &profile, &url(folder.path(), &name));
            assert_eq!(opened.console, [""; 0], "{name}");
            assert!(opened.document.contains("<main id=\"content\">"), "{name}: {}", opened.document);
            for tag in ["<script", "<iframe", "<img", "<svg"] {
                assert!(!opened.document.contains(tag), "{name} has {tag}: {}", opened.document);
            }
        }
    }
}

#[test]
fn a_script_that_came_into_a_page_would_be_refused_by_its_policy() {
    let Some(found) = browser::find() else { return };
    let folder = TempDir::new().unwrap();
    let profile = folder.path().join("profile").display().to_string();
    written(CHAT, folder.path());
    let index = folder.path().join("index.html");
    let page = fs::read_to_string(&index).unwrap();
    fs::write(&index, page.replace("<main", "<script>console.log('it ran')</script><main")).unwrap();
    let opened = browser::opened(&found, &profile, &url(folder.path(), "index.html"));
    assert!(opened.console.iter().any(|line| line.contains("Content Security Policy")), "{:?}", opened.console);
    assert!(!opened.console.iter().any(|line| line.contains("\"it ran\"")), "{:?}", opened.console);
}
