//! Documents that others wrote, from the folder that `RINGWAY_CONTRACTS` names; skipped, and said so, where it is not.
//!
//! Snapshots hold facts of them: names, addresses, directions and numbers, and nothing of their prose.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Contract, Level, Options, Sources, read, told};
use crate::contract::diff::diff;
use crate::contract::predefined::{Choice, predefined};

/// The folder, if there is one.
fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("RINGWAY_CONTRACTS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/contracts");
    let found = given.unwrap_or(beside);
    if !found.is_dir() {
        let why = format!("{} is no folder; RINGWAY_CONTRACTS names the documents of others", found.display());
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        // Past the test's capture, so that a skipped test is seen.
        let _ = writeln!(io::stderr(), "skipped: {name}: {why}");
        return None;
    }
    Some(found)
}

fn collect(folder: &Path, root: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, root, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push((path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()));
        }
    }
}

/// A document with all files of its folder.
fn contract_of(name: &str) -> Option<Contract> {
    let root = folder()?;
    let mut files = Vec::new();
    match name.rsplit_once('/') {
        // The folder above, since documents refer to their neighbours.
        Some((below, _)) => collect(&root.join(below.split('/').next().unwrap()), &root, &mut files),
        None => {
            collect(&root.join("commons"), &root, &mut files);
            files.push((name.to_owned(), fs::read(root.join(name)).unwrap()));
        }
    }
    Some(read(&Sources::files(files, Some(name)).unwrap(), Options::default()))
}

/// The facts of a contract, a line each.
fn facts(contract: &Contract) -> String {
    let mut lines = Vec::new();
    let count = |level| contract.problems.count(level);
    lines.push(format!(
        "problems: {} block routing, {} block validation, {} notes",
        count(Level::BlocksRouting),
        count(Level::BlocksValidation),
        count(Level::Note)
    ));
    let mut rules: Vec<String> = Vec::new();
    for problem in contract.problems.list() {
        let line = format!("  {}: {}", problem.level, problem.rule);
        if !rules.contains(&line) {
            rules.push(line);
        }
    }
    rules.sort();
    lines.extend(rules);
    let Some(model) = &contract.model else { return lines.join("\n") };
    lines.push(format!("asyncapi {}, {}", model.asyncapi, model.perspective.reason));
    if let Ok(values) = predefined(model, &Choice::default()) {
        lines.push(format!("name: {}", values.name.value));
        lines.push(format!(
            "version: {} ({})",
            values.version.value,
            values.version.remark.as_deref().unwrap_or("whole")
        ));
        lines.push(format!("target: {} {:?}", values.target.as_deref().unwrap_or("to be asked for"), values.found));
    }
    for scheme in &model.security_schemes {
        lines.push(format!("security {}: {:?}", scheme.name, scheme.proposal));
    }
    for route in &model.routes {
        lines.push(format!(
            "route {} of {:?}{}",
            route.path,
            route.channels,
            if route.is_undirected { ", undirected" } else { "" }
        ));
        for (word, list) in [("parameter", &route.parameters), ("query", &route.query), ("header", &route.headers)] {
            for one in list {
                let rules = format!(
                    "{} values, pattern {:?}, default {:?}, type {:?}",
                    one.allowed.len(),
                    one.pattern,
                    one.default,
                    one.kind
                );
                let claimed = one.claimed_by.as_deref().map(|by| format!(", claimed by {by}")).unwrap_or_default();
                lines.push(format!(
                    "  {word} {}{}: {rules}{claimed}",
                    one.name,
                    if one.is_required { " required" } else { "" }
                ));
            }
        }
        for (words, list, by) in [
            ("client sends", &route.client_sends, &route.client_sends_by),
            ("client receives", &route.client_receives, &route.client_receives_by),
        ] {
            let shown: Vec<&str> = list.iter().take(12).map(String::as_str).collect();
            lines.push(format!("  {words} {} by {:?}: {}", list.len(), by.as_deref(), shown.join(", ")));
        }
    }
    for channel in model.channels.iter().filter(|channel| matches!(channel.used, crate::contract::model::Use::None(_)))
    {
        lines.push(format!("channel {}: {:?}", channel.name, channel.used));
    }
    let unchecked = model.messages.iter().filter(|message| message.unchecked.is_some()).count();
    let examples = model.messages.iter().map(|message| message.examples.len()).sum::<usize>();
    let broken =
        model.messages.iter().flat_map(|message| &message.examples).filter(|example| example.broken.is_some()).count();
    let replies =
        model.channels.iter().flat_map(|channel| &channel.operations).filter(|one| one.reply.is_some()).count();
    let operations = model.channels.iter().map(|channel| channel.operations.len()).sum::<usize>();
    lines.push(format!(
        "{} messages ({unchecked} unchecked), {} schemas, {operations} operations, {replies} replies, {examples} examples ({broken} broken)",
        model.messages.len(),
        model.schemas.len()
    ));
    lines.join("\n")
}

macro_rules! documents {
    ($($test:ident: $name:literal,)*) => {$(
        #[test]
        fn $test() {
            let Some(contract) = contract_of($name) else { return };
            insta::assert_snapshot!(stringify!($test), facts(&contract));
        }
    )*};
}

documents! {
    bijira_chat: "wso2-bijira-chat.yaml",
    blueapi: "blueapi-2.6.yaml",
    firezone: "firezone-2.5.yml",
    gemini_of_2_6: "gemini-marketdata-2.6.yml",
    gemini_of_3_1: "gemini-marketdata-3.yml",
    hoppscotch_echo: "hoppscotch-echo-client-3.yml",
    kraken_filter_in_reply: "kraken-filter-in-reply-3.yml",
    kraken_multiple_channels: "kraken-multiple-channels-3.yml",
    postman_echo: "postman-echo-3.yml",
    slack_rtm: "slack-rtm-2.6.yml",
    slack_socket_mode: "slack-socket-mode-client-3.yml",
    social_media_backend: "social-media/backend/asyncapi.yaml",
    social_media_frontend: "social-media/frontend/asyncapi.yaml",
    supermq: "supermq-websocket-2.6.yaml",
    trustgraph: "trustgraph/websocket/asyncapi.yaml",
    ucr_core: "ucr-core-2.2.yaml",
    voiceblender: "voiceblender/asyncapi.yaml",
}

#[test]
fn one_api_in_two_versions_of_asyncapi_has_one_model() {
    let (Some(two), Some(three)) = (contract_of("gemini-marketdata-2.6.yml"), contract_of("gemini-marketdata-3.yml"))
    else {
        return;
    };
    let (two, three) = (two.model.unwrap(), three.model.unwrap());
    let changes: Vec<String> = diff(&two, &three).iter().map(ToString::to_string).collect();
    // A parameter of 3.x has no type.
    assert_eq!(
        changes,
        ["~ route `/v1/marketdata/{symbol}`, parameter `symbol`: its type changed (breaks clients and the upstream)"]
    );
    assert_eq!(two.schemas.keys().collect::<Vec<_>>(), three.schemas.keys().collect::<Vec<_>>());
    assert_eq!(two.routes[0].client_receives, three.routes[0].client_receives);
}

#[test]
fn what_describes_no_websocket_api_says_so_in_one_sentence() {
    let Some(contract) = contract_of("blueapi-2.6.yaml") else { return };
    assert!(!contract.is_routable());
    let blocking: Vec<String> = told(&contract).into_iter().filter(|line| line.contains("blocks routing")).collect();
    assert_eq!(blocking.len(), 1, "{blocking:#?}");
    assert!(
        blocking[0].contains("this describes no WebSocket API: it names no server and no ws binding"),
        "{blocking:?}"
    );
}
