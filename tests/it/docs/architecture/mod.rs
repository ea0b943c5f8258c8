//! The architecture's absences, read off the sources of the product and the load generator: no plane imports the other,
//! no stage another stage, nothing but the engine has a clock or a ring, no import circle.
//!
//! [`rules::faults`] is a function over paths and texts; [`made_up`] shows it red.

mod made_up;
mod rules;
mod source;
mod tokens;
mod tree;

use std::fs;
use std::path::Path;

use crate::harness::documents::{document, rows};

fn collect(folder: &Path, root: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, root, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// All Rust sources below some folders of the repository, in order.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in folders {
        collect(&root.join(folder), root, &mut files);
    }
    files.sort();
    files
}

#[test]
fn the_sources_keep_every_rule() {
    let files = sources(&["src", "loadtest/src", "tests/it", "tests/sim", "loadtest/tests"]);
    assert!(files.len() > 300, "{} files are too few", files.len());
    let faults = rules::faults(&files);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_documented_table_of_imports_is_the_one_that_is_kept() {
    let text = document("docs/architecture.md");
    let part = text.split("\n## Who imports whom\n").nth(1).expect("the section").split("\n## ").next().unwrap();
    let documented: Vec<(String, Vec<String>)> = rows(part, "| `")
        .iter()
        .map(|row| {
            (
                row[0].trim_matches('`').to_owned(),
                row[1].split(", ").map(|name| name.trim_matches('`').to_owned()).collect(),
            )
        })
        .collect();
    let kept: Vec<(String, Vec<String>)> = rules::MAY_IMPORT
        .iter()
        .map(|(folder, allowed)| {
            let allowed = if allowed.is_empty() {
                vec!["nothing".to_owned()]
            } else {
                allowed.iter().map(|&name| name.to_owned()).collect()
            };
            ((*folder).to_owned(), allowed)
        })
        .collect();
    assert_eq!(documented, kept);
}

#[test]
fn every_folder_of_the_product_has_a_row_in_the_table_of_imports() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<String> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // Templates are no module.
        .filter(|path| path.join("mod.rs").is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    folders.sort();
    let mut known: Vec<&str> = rules::MAY_IMPORT.iter().map(|(folder, _)| *folder).collect();
    known.sort_unstable();
    assert_eq!(folders, known);
}

#[test]
fn every_dependency_is_in_the_table_and_the_table_has_no_other() {
    let manifest: toml::Table = document("Cargo.toml").parse().unwrap();
    let mut actual: Vec<&str> = manifest["dependencies"].as_table().unwrap().keys().map(String::as_str).collect();
    actual.sort_unstable();
    let text = document("docs/architecture.md");
    let part = text.split("\n## Dependencies\n").nth(1).expect("the section");
    let table = rows(part, "| ");
    let mut documented: Vec<&str> = table
        .iter()
        .skip(1)
        .flat_map(|row| row[0].split(", "))
        .map(|name| name.trim_matches(['`', '|', ' ']))
        .filter(|name| !name.starts_with('-'))
        .collect();
    documented.sort_unstable();
    assert_eq!(documented, actual);
}

/// The words in backticks of a text that name a file or a folder of sources.
fn named_paths(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| {
        let is_path = word.contains('/') && !word.starts_with('/') && !word.contains([' ', '*', '<', ':', '$', '{']);
        is_path && (word.ends_with(".rs") || word.ends_with(".py") || word.ends_with('/'))
    })
}

#[test]
fn every_source_that_the_architecture_and_the_rfc_map_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["", "src", "loadtest/src", "tests", "tests/it", "loadtest"];
    let mut missing = Vec::new();
    for page in ["docs/architecture.md", "docs/rfc6455.md", "docs/benchmarks.md", "docs/operating.md", "README.md"] {
        let text = document(page);
        let lost = named_paths(&text).filter(|path| !places.iter().any(|place| root.join(place).join(path).exists()));
        missing.extend(lost.map(|path| format!("{page}: {path}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
