//! A manual page: what clap knows of a command, then examples, exit codes and files.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::examples;
use crate::cli::environment;

/// Exit codes that every command has.
const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "The command did what it was asked to do."),
    ("1", "The command failed. The message says what failed, where, and what to do."),
    (
        "2",
        "Usage: a command or an option is unknown, missing, or does not go with another; or a confirmation is missing.",
    ),
    ("3", "Invalid value: of an option, in a file, or of a field that the node refused."),
];
/// The exit code of commands that talk to a node.
const NOT_AUTHORISED: (&str, &str) =
    ("4", "Not authorised: the node refused the token, or this user may not read the token's file.");
const DIFFERS: (&str, &str) =
    ("2", "Files and node differ; or a usage error, which prints a message on standard error.");
const WS_FAILED: (&str, &str) =
    ("1", "The connection could not be opened, or ended abnormally. The message says why; a close code is part of it.");

/// Files of a state directory, as a client of the node uses them.
const CLIENT_FILES: &[(&str, &str)] = &[
    ("./ringway-data/admin.addr", "The address of the node's admin listener. --state names another directory."),
    ("./ringway-data/admin-token", "The admin token. Only the user that the node runs as, and root, may read it."),
];
/// The variables that name a node where the line does not.
const CLIENT_VARIABLES: &[(&str, &str)] = &[
    (environment::STATE, "Stands for --state."),
    (environment::ADMIN, "Stands for --admin."),
    (environment::TOKEN_FILE, "Stands for --token-file."),
];
const SERVE_VARIABLES: &[(&str, &str)] = &[(environment::STATE, "Stands for --state.")];
const NODE_FILES: &[(&str, &str)] = &[
    ("./ringway-data", "The state directory. --state names another one. It holds the files below."),
    ("ringway.db", "The store: APIs, revisions, deployments and the audit (SQLite)."),
    ("snapshot.json", "The last good snapshot, from which the node serves when the store cannot be opened."),
    ("admin-token", "The admin token, created at the first start with mode 0600."),
    ("admin.addr", "The address of the admin listener, while the node runs."),
    ("/etc/hosts, /etc/resolv.conf", "The sources of the addresses of targets."),
];
const RELAY_FILES: &[(&str, &str)] = &[
    ("/etc/hosts, /etc/resolv.conf", "The sources of the target's addresses, unless --resolver is given."),
    ("/etc/ssl/certs", "The authorities trusted for wss:// targets, unless --upstream-ca is given."),
];
const TRUST_FILES: &[(&str, &str)] =
    &[("/etc/ssl/certs", "The authorities trusted for wss:// URLs, unless --tls-ca is given.")];
const CERTIFICATE_FILES: &[(&str, &str)] = &[
    ("./dev-cert/ca.pem, ./dev-cert/ca-key.pem", "The authority and its key. An existing authority is used again."),
    ("./dev-cert/cert.pem, ./dev-cert/key.pem", "The certificate and its key. --out names another directory."),
];
const NO_FILES: &[(&str, &str)] = &[("none", "The command reads and writes only what its options name.")];

/// The files that a command reads or writes beside those that its options name.
fn files(path: &str) -> &'static [(&'static str, &'static str)] {
    match path.split(' ').next().unwrap_or_default() {
        "api" | "project" | "env" | "conn" | "status" | "audit" | "apply" | "diff" | "export" => CLIENT_FILES,
        "" | "serve" => NODE_FILES,
        "proxy" => RELAY_FILES,
        "ws" => TRUST_FILES,
        "tls" => CERTIFICATE_FILES,
        _ => NO_FILES,
    }
}

/// The environment variables that a command reads.
fn variables(path: &str) -> &'static [(&'static str, &'static str)] {
    match path.split(' ').next().unwrap_or_default() {
        "serve" => SERVE_VARIABLES,
        "" => CLIENT_VARIABLES,
        _ if files(path) == CLIENT_FILES => CLIENT_VARIABLES,
        _ => &[],
    }
}

/// The exit codes of a command, in order.
fn exit_codes(path: &str) -> Vec<(&'static str, &'static str)> {
    let mut codes = EXIT_CODES.to_vec();
    let mut replace = |code: (&'static str, &'static str)| {
        for known in codes.iter_mut().filter(|(number, _)| *number == code.0) {
            *known = code;
        }
    };
    match path {
        "diff" => replace(DIFFERS),
        "ws" | "api test" => replace(WS_FAILED),
        _ => {}
    }
    if path.is_empty() || files(path) == CLIENT_FILES {
        codes.push(NOT_AUTHORISED);
    }
    codes
}

/// The page of a command at a path such as `api deploy`, in roff.
pub(super) fn page(command: &Command, path: &str) -> io::Result<Vec<u8>> {
    let name = file_stem(path);
    let man = Man::new(command.clone().display_name(&name)).manual("Ringway Manual");
    // Only the whole program has a version; a page of a command would be signed with the command's name.
    let man = man.source(concat!("ringway ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    for example in examples::of(path) {
        roff.control("PP", []).text([roman(format!("{}:", example.purpose))]);
        roff.control("PP", []).control("EX", []);
        for line in examples::indented(example.line).lines() {
            roff.text([roman(line)]);
        }
        roff.control("EE", []);
    }
    list(&mut roff, "EXIT STATUS", &exit_codes(path));
    let variables = variables(path);
    if !variables.is_empty() {
        list(&mut roff, "ENVIRONMENT", variables);
    }
    list(&mut roff, "FILES", files(path));
    roff.to_writer(&mut page)?;
    Ok(page)
}

fn list(roff: &mut Roff, heading: &str, items: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (name, meaning) in items {
        roff.control("TP", []).text([bold(*name)]).text([roman(*meaning)]);
    }
}

/// The name of a page: `api deploy` is `ringway-api-deploy`.
pub(super) fn file_stem(path: &str) -> String {
    let dash = if path.is_empty() { "" } else { "-" };
    format!("ringway{dash}{}", path.replace(' ', "-"))
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::page;
    use crate::cli::global_options;
    use crate::cli::manual::examples::join;

    fn walk(command: &Command, path: &str) {
        let page = String::from_utf8(page(command, path).unwrap()).unwrap();
        let title = page.lines().find(|line| line.starts_with(".TH ")).unwrap();
        assert!(title.contains(concat!("ringway ", env!("CARGO_PKG_VERSION"))), "d8: {path}: {title}");
        let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "\"EXIT STATUS\"", "FILES"] {
            assert_eq!(headings.iter().filter(|it| **it == heading).count(), 1, "{path}: {heading} in {headings:?}");
        }
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            walk(below, &join(path, below.get_name()));
        }
    }

    #[test]
    fn d8_every_manual_page_has_examples_exit_codes_files_and_a_version() {
        let mut command = global_options::command("ringway");
        command.build();
        walk(&command, "");
    }
}
