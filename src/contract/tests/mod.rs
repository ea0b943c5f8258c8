//! Whole documents: the traps of public trackers, hostile input, and documents that others wrote.

mod hostile;
mod hostile_files;
mod measured;
mod others;
mod traps_of_channels;
mod traps_of_documents;
mod traps_of_messages;

use super::{Contract, Layout, Level, Model, Options, Problem, Side, Sources, read};

/// Reads one YAML file.
fn contract(text: &str) -> Contract {
    with(text, Options::default())
}

fn with(text: &str, options: Options) -> Contract {
    read(&Sources::one("asyncapi.yaml", text.as_bytes().to_vec()).unwrap(), options)
}

fn seen_from(text: &str, side: Side) -> Contract {
    with(text, Options { perspective: Some(side), layout: Layout::Inferred })
}

/// Reads several files, of which the first is the main one.
fn files(files: &[(&str, &str)]) -> Contract {
    let owned = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    read(&Sources::files(owned, Some(files[0].0)).unwrap(), Options::default())
}

/// The model of a document that can be routed.
#[track_caller]
fn model(text: &str) -> Model {
    let contract = contract(text);
    assert!(contract.is_routable(), "{:#?}", told(&contract));
    contract.model.unwrap()
}

/// All problems, a line each.
fn told(contract: &Contract) -> Vec<String> {
    contract.problems.list().iter().map(ToString::to_string).collect()
}

/// The only problem of a rule.
#[track_caller]
fn problem<'c>(contract: &'c Contract, rule: &str) -> &'c Problem {
    let found: Vec<&Problem> = contract.problems.list().iter().filter(|problem| problem.rule == rule).collect();
    let [problem] = found.as_slice() else { panic!("{rule}: {:#?}", told(contract)) };
    problem
}

/// True if no problem is worse than a note.
fn is_clean(contract: &Contract) -> bool {
    contract.problems.list().iter().all(|problem| problem.level == Level::Note)
}

/// A document of 2.6 with a wss server and what follows.
fn two(rest: &str) -> String {
    format!(
        "asyncapi: 2.6.0\ninfo: {{title: Chat, version: 1.0.0}}\nservers:\n  main: {{url: 'wss://a.example', protocol: wss}}\n{rest}"
    )
}

/// A document of 3.0 with a wss server and what follows.
fn three(rest: &str) -> String {
    format!(
        "asyncapi: 3.0.0\ninfo: {{title: Chat, version: 1.0.0}}\nservers:\n  main: {{host: a.example, protocol: wss}}\n{rest}"
    )
}
