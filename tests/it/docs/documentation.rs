//! The documentation's tables against the program: what they say is what it does.

use std::process::Command;

use ringway::proto::refusal::Refusal;

use crate::harness::documents::{document, rows};

#[test]
fn the_table_of_limits_has_every_flag_with_its_default() {
    let help = Command::new(env!("CARGO_BIN_EXE_ringway")).args(["proxy", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let limits = help.split("Limits and deadlines:").nth(1).unwrap().split("\nLog:").next().unwrap();
    let words: Vec<&str> = limits.split_whitespace().collect();
    let text = document("docs/limits.md");
    let table = rows(&text, "| `--");
    let flags: Vec<&str> = words.iter().copied().filter(|word| word.starts_with("--")).collect();
    let documented: Vec<&str> = table.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(flags, documented, "the flags of `ringway proxy --help` and those of docs/limits.md, in order");
    for (flag, row) in flags.iter().zip(&table) {
        let from = words.iter().position(|word| word == flag).unwrap() + 1;
        let own = words[from..].iter().take_while(|word| !word.starts_with("--"));
        let own = own.copied().collect::<Vec<_>>().join(" ");
        let Some((_, default)) = own.split_once("[default: ") else {
            continue;
        };
        let default = default.split(']').next().unwrap();
        // A default in words has no backticks.
        let is_documented = row[1] == default || row[1].starts_with(&format!("`{default}`"));
        assert!(is_documented, "{flag}: the program says {default}, docs/limits.md {}", row[1]);
    }
}

#[test]
fn the_table_of_refusals_is_the_programs() {
    let text = document("docs/refusals.md");
    let documented: Vec<Vec<String>> = rows(&text, "| 4")
        .into_iter()
        .chain(rows(&text, "| 5"))
        .map(|row| row.into_iter().map(str::to_owned).collect())
        .collect();
    let actual: Vec<Vec<String>> = Refusal::ALL
        .iter()
        .map(|refusal| vec![refusal.status.to_string(), format!("`{}`", refusal.code), refusal.detail.to_owned()])
        .collect();
    assert_eq!(documented, actual);
}

#[test]
fn every_file_that_the_readme_names_is_there() {
    let text = document("README.md");
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://"));
    let links: Vec<&str> = links.collect();
    assert!(links.len() > 5, "{links:?}");
    for link in links {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(link.split('#').next().unwrap());
        assert!(path.exists(), "README.md names {link}");
    }
}

#[test]
fn the_table_of_the_admin_apis_problems_is_the_programs() {
    use ringway::api::problem::Code;
    let mut all: Vec<Code> = ringway::control::http::problem::ALL.iter().chain(Code::ALL).copied().collect();
    all.sort_by_key(|code| code.status);
    let actual: Vec<String> =
        all.iter().map(|code| format!("| {} | `{}` | {} |", code.status, code.word, code.title)).collect();
    let text = document("docs/admin-api.md");
    let documented: Vec<&str> =
        text.lines().filter(|line| line.starts_with("| 4") || line.starts_with("| 5")).collect();
    assert_eq!(documented, actual, "docs/admin-api.md should have:\n{}\n", actual.join("\n"));
}

#[test]
fn the_table_of_figures_is_the_programs() {
    let actual: Vec<String> = ringway::control::metrics::FAMILIES
        .iter()
        .map(|family| {
            let kind = format!("{:?}", family.kind).to_lowercase();
            let labels: Vec<String> =
                family.labels.split(", ").filter(|label| !label.is_empty()).map(|label| format!("`{label}`")).collect();
            let labels = if labels.is_empty() { "-".to_owned() } else { labels.join(", ") };
            format!("| `{}` | {kind} | {labels} | {} |", family.shown(), family.help)
        })
        .collect();
    let text = document("docs/metrics.md");
    let documented: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(documented, actual, "docs/metrics.md should have:\n{}\n", actual.join("\n"));
}

#[test]
fn the_table_of_roles_is_the_programs() {
    use ringway::api::Permission;
    let row = |permission: &Permission| {
        let roles: Vec<String> = permission.roles().iter().map(|role| format!("`{role}`")).collect();
        format!("| {} | {} |", permission.words(), roles.join(", "))
    };
    let actual: Vec<String> = Permission::ALL.iter().map(row).collect();
    let text = document("docs/identities.md");
    let documented: Vec<&str> =
        text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| may")).collect();
    assert_eq!(documented, actual, "docs/identities.md should have:\n{}\n", actual.join("\n"));
}
