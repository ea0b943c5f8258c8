//! The examples in docs/cli.md and docs/declarative.md, run as they stand: what is answered is what is printed there, but
//! for times, ports and who runs it.

use std::process::Command;

use crate::harness::EchoServer;
use crate::harness::documents::document;
use crate::harness::node::{Home, USUAL};
use crate::harness::process::{PROGRAM, run};

/// Commands with what they are said to answer.
fn examples(text: &str) -> Vec<(String, String)> {
    let mut examples: Vec<(String, String)> = Vec::new();
    for block in text.split("```console\n").skip(1) {
        for line in block.split("\n```").next().unwrap().lines() {
            match line.strip_prefix("$ ") {
                Some(command) => examples.push((command.to_owned(), String::new())),
                None => examples.last_mut().unwrap().1 += &format!("{line}\n"),
            }
        }
    }
    examples
}

/// Words, without what differs from one run to the next.
fn words(text: &str) -> Vec<String> {
    let masked = |word: &str| {
        let is_time = word.len() > 20 && word.ends_with('Z') && word.contains('T');
        match word.split_once("127.0.0.1:") {
            _ if is_time => "TIME".to_owned(),
            Some((scheme, rest)) => {
                format!("{scheme}HOST{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            None => word.to_owned(),
        }
    };
    // How many shards there are is the host's.
    let lines = text.lines().filter(|line| !line.starts_with("shards "));
    lines.flat_map(str::split_whitespace).map(masked).collect()
}

/// Runs the examples of a page in a folder where `ringway-data` is a node's.
fn runs_as_it_stands(page: &str, prepare: impl FnOnce(&std::path::Path, &str)) {
    let echo = EchoServer::start();
    let upstream = echo.address().to_string();
    let home = Home::new(USUAL);
    let node = home.start();
    let folder = home.state().parent().unwrap().to_owned();
    std::os::unix::fs::symlink(home.state(), folder.join("ringway-data")).unwrap();
    prepare(&folder, &upstream);
    let path =
        format!("{}:{}", std::path::Path::new(PROGRAM).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let all = examples(&document(page));
    assert!(all.len() > 3, "{all:?}");
    for (command, expected) in all {
        let line = format!("( {} ) 2>&1", command.replace("127.0.0.1:9000", &upstream));
        let output = Command::new("sh").args(["-c", &line]).env("PATH", &path).current_dir(&folder).output().unwrap();
        let answered = String::from_utf8(output.stdout).unwrap();
        let user =
            node.admin.get("/audit?limit=1").json["items"][0]["client_name"].as_str().unwrap_or("ada").to_owned();
        let answered: Vec<String> = words(&answered)
            .into_iter()
            .map(|word| if word == format!("({user})") { "(ada)".to_owned() } else { word })
            .collect();
        assert_eq!(answered, words(&expected), "{page}: {command}");
    }
}

#[test]
fn the_examples_of_the_command_line_are_what_it_answers() {
    runs_as_it_stands("docs/cli.md", |_, _| {});
}

#[test]
fn the_examples_of_declared_apis_are_what_is_answered() {
    runs_as_it_stands("docs/declarative.md", |folder, upstream| {
        std::fs::create_dir(folder.join("apis")).unwrap();
        let text = format!(
            "apiVersion: ringway/v1\nkind: Api\nname: Chat App API\nversion: 1.0\ntargets: [\"ws://{upstream}\"]\n\
             lifecycle: Published\ndeployments:\n- environment: development\n"
        );
        std::fs::write(folder.join("apis/chat.yaml"), text).unwrap();
    });
}

#[test]
fn the_documents_that_are_shown_can_be_read() {
    let page = document("docs/declarative.md");
    let shown = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let read = ringway::declare::read::documents("declarative.md", shown).unwrap();
    assert_eq!(read[0].deployments.len(), 2);
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/apis");
    assert_eq!(ringway::declare::files::documents(&shipped).unwrap().len(), 1);
}

#[test]
fn every_command_is_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(&["man", "--out", folder.path().to_str().unwrap()]).0, 0);
    let text = ["cli", "applications", "declarative", "tls"].map(|page| document(&format!("docs/{page}.md"))).concat();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        // Names of commands have hyphens too: `tls dev-cert`.
        let has_three =
            ["ringway-api-contract-", "ringway-identity-token-"].iter().any(|begin| file.starts_with(begin));
        let words = if has_three { 3 } else { 2 };
        let command = file.strip_suffix(".1").unwrap().replacen('-', " ", words);
        let is_there = text.contains(&command) || command.starts_with("ringway config ");
        assert!(is_there, "`{command}` is on no page");
    }
}
