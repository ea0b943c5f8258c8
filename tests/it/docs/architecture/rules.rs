//! The rules of docs/architecture.md that are absences: who imports whom, who reads a clock, who names the ring.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Crate, File, Tree};

pub(super) const PRODUCT: Crate = Crate { folder: "src/", roots: &["crate", "ringway"] };
pub(super) const LOADTEST: Crate = Crate { folder: "loadtest/src/", roots: &["crate", "ringway_load"] };

/// The folders that each folder of the product may import, besides the files at the crate's top, which import nothing.
/// docs/architecture.md has the same table.
pub(super) const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("engine", &[]),
    ("proto", &[]),
    ("routing", &["proto"]),
    ("command", &["engine", "proto", "routing"]),
    ("tls", &["engine", "proto"]),
    ("proxy", &["command", "engine", "proto", "routing", "tls"]),
    ("api", &["command", "proto", "routing"]),
    ("contract", &["api", "routing"]),
    ("declare", &["api", "contract", "proto", "routing"]),
    ("config", &["api", "engine", "proto", "routing", "tls"]),
    ("control", &["api", "command", "config", "contract", "declare", "engine", "proto", "routing", "tls"]),
    ("node", &["api", "command", "config", "control", "declare", "engine", "proto", "proxy", "routing", "tls"]),
    (
        "cli",
        &[
            "api", "command", "config", "contract", "control", "declare", "engine", "node", "proto", "proxy",
            "routing", "tls",
        ],
    ),
];

/// Folders that run on shards. `engine` alone of them has the clock and the ring.
const ON_SHARDS: &[&str] = &["proto", "routing", "command", "tls", "proxy"];

/// Crates of the ring, of sockets and of raw system calls.
const OF_THE_ENGINE: &[&str] = &["io_uring", "libc", "glommio", "socket2"];

/// Types that have a `now`.
const CLOCKS: &[&str] = &["Instant", "SystemTime", "Timestamp", "Zoned", "UtcTime"];

/// The stages of a connection, each a file or a folder of `src/proxy`. `proxy/connection` composes them.
const STAGES: &[&str] = &[
    "answer",
    "closing",
    "decline",
    "dial",
    "echo",
    "handshake",
    "linger",
    "preamble",
    "relay",
    "secure",
    "terminated",
    "upgrade",
];

/// The only files with unsafe code.
const UNSAFE: &[&str] = &["src/engine/ring.rs", "src/engine/sys.rs"];

/// All that breaks a rule in a tree of sources, a line each.
pub(super) fn faults(files: &[(String, String)]) -> Vec<String> {
    let (product, loadtest) = (Tree::new(PRODUCT, files), Tree::new(LOADTEST, files));
    let mut faults = forbidden_imports(&product);
    faults.extend(stages_that_import_stages(&product));
    faults.extend(product.files.iter().flat_map(clocks_and_rings));
    for tree in [&product, &loadtest] {
        faults.extend(circles_of_files(tree));
        faults.extend(circles_of_folders(tree));
        faults.extend(tree.files.iter().filter_map(unsafe_code));
    }
    faults.extend(modules_beside_their_folder(files));
    faults.extend(folders_without_a_word(files));
    faults
}

fn forbidden_imports(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (file, used) in tree.pairs() {
        let (from, to) = (file.folder(), used.folder());
        let allowed = MAY_IMPORT.iter().find(|(folder, _)| *folder == from).map(|(_, allowed)| *allowed);
        match allowed {
            _ if from == to || from.is_empty() || (used.is_at_the_top() && !file.is_at_the_top()) => {}
            None => faults.push(format!("{} is in a folder that no rule knows: {from}", file.path)),
            Some(allowed) if allowed.contains(&to) => {}
            Some(_) => faults.push(format!("{} imports {}: {from} must not import {to}", file.path, used.path)),
        }
    }
    faults
}

fn stages_that_import_stages(tree: &Tree) -> Vec<String> {
    let stage = |file: &File| file.below("proxy").and_then(|name| STAGES.iter().find(|stage| **stage == name));
    let both = |(file, used)| Some((file, used, stage(file)?, stage(used)?));
    let pairs = tree.pairs().into_iter().filter_map(both);
    pairs
        .filter(|(_, _, from, to)| from != to)
        .map(|(file, used, _, _)| format!("{} imports {}: a stage knows no other stage", file.path, used.path))
        .collect()
}

fn clocks_and_rings(file: &File) -> Vec<String> {
    if !ON_SHARDS.contains(&file.folder()) {
        return Vec::new();
    }
    let reads_a_clock =
        |path: &[String]| matches!(path, [.., of, now] if now == "now" && CLOCKS.contains(&of.as_str()));
    let clocks = file.source.named.iter().filter(|named| reads_a_clock(&named.path));
    let clocks = clocks.map(|named| format!("{} reads a clock: {}", file.path, named.path.join("::")));
    let words: BTreeSet<&str> = file.source.words.iter().map(String::as_str).collect();
    let rings = OF_THE_ENGINE.iter().filter(|word| words.contains(**word));
    clocks.chain(rings.map(|word| format!("{} names {word}, which is the engine's", file.path))).collect()
}

fn circles_of_files(tree: &Tree) -> Vec<String> {
    let circles = tree.circles();
    circles.into_iter().map(|circle| format!("import each other: {}", words(circle))).collect()
}

fn circles_of_folders(tree: &Tree) -> Vec<String> {
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (file, used) in tree.pairs() {
        if file.folder() != used.folder() {
            uses.entry(file.folder()).or_default().insert(used.folder());
        }
    }
    let mut faults = BTreeSet::new();
    for from in uses.keys() {
        let (mut found, mut next) = (BTreeSet::new(), vec![*from]);
        while let Some(folder) = next.pop() {
            next.extend(uses.get(folder).into_iter().flatten().copied().filter(|used| found.insert(*used)));
        }
        if found.contains(from) {
            faults.insert(format!("{}{from} imports what imports it", tree.folder));
        }
    }
    faults.into_iter().collect()
}

fn unsafe_code(file: &File) -> Option<String> {
    let is_unsafe = file.source.words.iter().any(|word| word == "unsafe");
    (is_unsafe && !UNSAFE.contains(&file.path.as_str())).then(|| format!("{} has unsafe code", file.path))
}

fn modules_beside_their_folder(files: &[(String, String)]) -> Vec<String> {
    let beside = |path: &&str| {
        let folder = format!("{}/", path.strip_suffix(".rs").unwrap_or_default());
        files.iter().any(|(other, _)| other.starts_with(&folder))
    };
    let paths = files.iter().map(|(path, _)| path.as_str()).filter(beside);
    paths.map(|path| format!("{path} is to be the mod.rs of the folder beside it")).collect()
}

fn folders_without_a_word(files: &[(String, String)]) -> Vec<String> {
    let silent = |(path, text): &&(String, String)| path.ends_with("/mod.rs") && !text.starts_with("//!");
    files.iter().filter(silent).map(|(path, _)| format!("{path} does not say what its folder is for")).collect()
}

fn words(circle: BTreeSet<&str>) -> String {
    circle.into_iter().collect::<Vec<_>>().join(", ")
}
