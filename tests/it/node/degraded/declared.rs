//! Declared files with faults, at the start of a node that has a store.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{home, is_well, lived_in, serves};
use crate::harness::Upstream;
use crate::harness::node::{Node, ws};

fn document(name: &str, environment: &str) -> String {
    format!(
        "apiVersion: ringway/v1\nkind: Api\nname: {name}\nversion: \"1.0\"\ntargets: [\"ws://127.0.0.1:9\"]\n\
         deployments:\n- environment: {environment}\n"
    )
}

fn options(folder: &Path) -> [&str; 2] {
    ["--apply", folder.to_str().unwrap()]
}

/// The health says that the declared state is not what the files say, and why.
fn degraded(node: &Node, says: &[&str]) {
    let health: Value = node.admin.get("/health").expect(200);
    assert_eq!(health["status"], "degraded", "{health}");
    let problems = health["problems"].to_string();
    assert!(problems.contains("declared state") && says.iter().all(|says| problems.contains(says)), "{health}");
}

#[test]
fn c9_an_empty_folder_declares_nothing() {
    let (home, folder) = (home(), tempfile::tempdir().unwrap());
    // The first start, and one with a store.
    let node = home.try_start_with(&options(folder.path())).unwrap();
    is_well(&node);
    node.stop();
    let upstream = lived_in(&home);
    let node = home.try_start_with(&options(folder.path())).unwrap();
    serves(&node, &upstream);
    is_well(&node);
}

#[test]
fn c9_documents_without_a_fault_are_applied_beside_those_with_one() {
    let (home, folder) = (home(), tempfile::tempdir().unwrap());
    let upstream = lived_in(&home);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("a.yaml", &document("one", "development"));
    write("b.yaml", "nonsense: [");
    write("c.yaml", &document("elsewhere", "nowhere"));
    write(
        "d.yaml",
        &[document("two", "production"), document("three", "development").replace("kind", "kidn")].join("---\n"),
    );
    write("e.yaml", &document("twice", "development"));
    write("f.yaml", &document("twice", "production"));
    write("g.yaml", &document("four", "development"));
    let node = home.try_start_with(&options(folder.path())).unwrap();
    serves(&node, &upstream);
    degraded(&node, &["applied in part", "b.yaml", "nowhere", "kidn", "twice", "declared at"]);
    let apis = |node: &Node| -> Vec<String> {
        let mut names: Vec<String> =
            node.admin.all("/apis").iter().map(|api| api["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(apis(&node), ["Chat", "four", "one", "two"]);
    // SIGHUP goes on in the same way, and a fault that is mended is forgotten.
    for name in ["b.yaml", "c.yaml", "f.yaml"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    write("d.yaml", &document("two", "production"));
    node.signal(libc::SIGHUP);
    is_well(&node);
    assert_eq!(apis(&node), ["Chat", "four", "one", "twice", "two"]);
}

#[test]
fn c9_a_node_with_a_store_serves_it_whatever_is_declared() {
    let (home, folder) = (home(), tempfile::tempdir().unwrap());
    let upstream = lived_in(&home);
    fs::write(folder.path().join("a.yaml"), "nonsense: [").unwrap();
    let none = folder.path().join("none");
    for path in [folder.path(), &none] {
        let node = home.try_start_with(&options(path)).unwrap();
        serves(&node, &upstream);
        degraded(&node, &["is not applied", path.to_str().unwrap()]);
        node.admin.put("/projects/new", &json!({ "description": "x" }));
        node.stop();
    }
    // Where there is nothing to serve, a mistake ends the start.
    let fresh = super::home();
    let (code, log) = fresh.try_start_with(&options(&none)).err().unwrap();
    assert!(code == Some(3) && log.contains("none"), "{log}");
}

#[test]
fn targets_that_cannot_be_reached_are_warned_of_once_they_are_declared() {
    let (home, folder, upstream) = (home(), tempfile::tempdir().unwrap(), Upstream::listen());
    let document = document("one", "development")
        .replace("ws://127.0.0.1:9\"", &format!("ws://127.0.0.1:9\", \"{}\"", ws(upstream.address())));
    fs::write(folder.path().join("a.yaml"), document).unwrap();
    let node = home.try_start_with(&options(folder.path())).unwrap();
    let line = node.logged("a declared target cannot be reached");
    let told = ["WARN", "default/one:1.0", "development", "ws://127.0.0.1:9: cannot be reached from this host"];
    assert!(told.iter().all(|told| line.contains(told)), "{line}");
    assert!(!node.log().contains(&format!("cannot be reached: {}", ws(upstream.address()))), "{}", node.log());
    is_well(&node);
}
