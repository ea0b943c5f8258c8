//! Links of the documentation: each file and each heading that one leads to is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every page: README, CHANGELOG, and all Markdown below docs.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// The text without its blocks of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The anchors of a page: those that it names itself (`<a id="..">`), and those that GitHub makes of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let named = text.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut anchors: BTreeSet<String> = named.map(str::to_owned).collect();
    for line in prose(text).lines().filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        // A heading may hold a link, whose address is no part of it.
        let heading = heading.split("](").map(|part| part.split_once(')').map_or(part, |(_, rest)| rest));
        let heading: String = heading.collect();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let again = (1..).map(|number| format!("{slug}-{number}"));
        let slug = std::iter::once(slug.clone()).chain(again).find(|slug| !anchors.contains(slug)).unwrap();
        anchors.insert(slug);
    }
    anchors
}

#[test]
fn d16_every_link_and_every_anchor_of_the_documentation_is_there() {
    let mut links = 0;
    let mut missing = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let shown = page.strip_prefix(root()).unwrap().display().to_string();
        // Code may look like a link: `[x](y)`.
        let prose: String = prose(&text).split('`').step_by(2).collect();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in targets.filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            links += 1;
            let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let there = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            if !there.exists() {
                missing.push(format!("{shown}: {link}: no such file"));
            } else if let Some(anchor) = anchor
                && there.extension().is_some_and(|extension| extension == "md")
                && !anchors(&std::fs::read_to_string(&there).unwrap()).contains(anchor)
            {
                missing.push(format!("{shown}: {link}: no such heading"));
            }
        }
        // Files that are named without a link, as the changelog does: (docs/apis.md).
        for named in text.split("docs/").skip(1) {
            let end = named.find(|c: char| !(c.is_ascii_alphanumeric() || "/-_.".contains(c))).unwrap_or(named.len());
            let name = named[..end].trim_end_matches('.');
            let is_below = text.contains(&format!("]({}", name)) || name.is_empty();
            if name.ends_with(".md") && !is_below && !Path::new(&root()).join("docs").join(name).exists() {
                missing.push(format!("{shown}: docs/{name}: no such file"));
            }
        }
    }
    assert!(links > 100, "only {links} links were found");
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn an_anchor_is_the_heading_in_small_letters() {
    let page =
        "# A page\n## ringway api stop, ringway api start\n## `code` & more\n```sh\n# no heading\n```\n## A page\n";
    let expected = ["a-page", "a-page-1", "code--more", "ringway-api-stop-ringway-api-start"];
    assert_eq!(anchors(page).into_iter().collect::<Vec<_>>(), expected);
}
