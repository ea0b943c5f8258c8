//! The flags that the documentation names, held against the command line: each exists, on the command that is named with it, or
//! else on a command that the page names.

use std::path::{Path, PathBuf};

use clap::Command;

use crate::cli::global_options;

/// Pages of the load generator, whose flags its sources declare.
const OF_THE_GENERATOR: &[&str] = &["benchmarks.md"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// README, CHANGELOG, and the pages of docs, by their names.
fn pages() -> Vec<(String, String)> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let all = docs.chain(["README.md", "CHANGELOG.md"].map(|name| root().join(name)));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut pages: Vec<_> = all.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect();
    pages.sort();
    pages
}

/// The spans of code in the prose of a page.
fn spans(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    prose.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The flags in a text, without their values.
fn flags(text: &str) -> Vec<String> {
    let words = text.split(|c: char| c.is_whitespace() || "[]|(),".contains(c));
    let flags = words
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|flag| flag.starts_with(|c: char| c.is_ascii_lowercase()));
    flags
        .map(|flag| flag.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next().unwrap().to_owned())
        .collect()
}

/// The command that a line names: the longest path of names after the program's own.
fn named<'c>(all: &'c Command, line: &str) -> Option<&'c Command> {
    let mut words = line.split_whitespace();
    let program = words.next()?;
    (program == "ringway" || program.ends_with("/ringway")).then_some(())?;
    let mut command = all;
    for word in words {
        // `create|update` stands for both.
        let word = word.split('|').next().unwrap_or_default();
        match command.find_subcommand(word) {
            Some(below) => command = below,
            None if word.starts_with('-') => {}
            None => break,
        }
    }
    Some(command)
}

fn has(command: &Command, flag: &str) -> bool {
    ["help", "version"].contains(&flag) || command.get_arguments().any(|arg| arg.get_long() == Some(flag))
}

/// A command and all below it.
fn tree(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().flat_map(tree);
    std::iter::once(command).chain(below).collect()
}

/// True if the load generator declares an option of this name.
fn generator_has(flag: &str) -> bool {
    fn sources(folder: &Path, field: &str) -> bool {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
            if path.is_dir() { sources(&path, field) } else { std::fs::read_to_string(path).unwrap().contains(field) }
        })
    }
    sources(&root().join("loadtest/src"), &format!("{}:", flag.replace('-', "_")))
}

#[test]
fn d16_every_flag_in_the_documentation_is_one_of_its_command() {
    let mut all = global_options::command("ringway");
    all.build();
    let mut missing = Vec::new();
    let mut count = 0;
    for (page, text) in pages() {
        let spans = spans(&text);
        // The changelog is about the whole program, and about what it once was.
        let mut here: Vec<&Command> = spans.iter().filter_map(|span| named(&all, span)).flat_map(tree).collect();
        if page == "CHANGELOG.md" || page == "cli.md" {
            here = tree(&all);
        }
        for span in &spans {
            let is_bare = span.starts_with("--") || span.starts_with('-');
            let command = named(&all, span);
            // Another program's line has flags of its own.
            if !is_bare && command.is_none() {
                continue;
            }
            for flag in flags(span) {
                count += 1;
                let is_there = match command {
                    Some(command) => has(command, &flag),
                    None => here.iter().any(|command| has(command, &flag)),
                };
                let is_cargos = ["release", "workspace", "lib", "profile", "locked"].contains(&flag.as_str());
                let may_be_generators = OF_THE_GENERATOR.contains(&page.as_str()) || text.contains("ringway-load");
                if !is_there && !(is_bare && (is_cargos || (may_be_generators && generator_has(&flag)))) {
                    missing.push(format!("{page}: `{span}`: there is no --{flag}"));
                }
            }
        }
    }
    assert!(count > 200, "only {count} flags were found");
    assert_eq!(missing, Vec::<String>::new());
}
