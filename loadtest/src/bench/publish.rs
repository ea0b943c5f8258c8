//! The folder for readers: `README.md`, `report.html`, `summary.svg`, and `runs.json` with all data behind them.
//!
//! Pure except for [`write()`]: all texts are built from [`Results`] alone, so that an old `runs.json` gives the same
//! folder again.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::page;
use super::result::Results;
use super::table::{OURS, Table};
use super::wording::{best, heading, introduction, measured, ratio, took_part, value};

/// Writes all files into the folder, which must exist.
///
/// # Errors
/// Fails with the name of a file that cannot be written, and the reason.
pub fn write(results: &Results, folder: &Path) -> Result<(), String> {
    let json = serde_json::to_string(results).map_err(|error| format!("runs.json: {error}"))?;
    // The measurements come first: if a later step fails, the other files can be rebuilt from them.
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    put("runs.json", &format!("{json}\n"))?;
    put("README.md", &readme(results))?;
    put("summary.svg", &page::summary(results))?;
    put("report.html", &page::html(results)?)
}

/// The report as Markdown.
pub fn readme(results: &Results) -> String {
    let mut text = String::from("# Ringway beside other proxies\n\n");
    for line in introduction(results) {
        let _ = writeln!(text, "{line}\n");
    }
    text.push_str("![CPU of each proxy beside Ringway's](summary.svg)\n\n");
    for table in &results.tables {
        let _ = writeln!(text, "## {}\n", table.title);
        markdown_table(&mut text, table);
        for line in table.best.iter().map(|one| best(table, one)) {
            let _ = writeln!(text, "\n{}", escaped(&line));
        }
        if let Some(figure) = results.figures.iter().find(|figure| figure.id == table.figure) {
            let _ = writeln!(text, "\n`ringway-load {}`\n", figure.arguments.join(" "));
        }
    }
    text.push_str("## Who was measured\n\n| proxy | version | started as |\n|---|---|---|\n");
    for peer in took_part(results) {
        let command = if peer.command.is_empty() { "-".to_owned() } else { format!("`{}`", peer.command) };
        let version = peer.version.as_deref().unwrap_or("-");
        let _ = writeln!(text, "| {} | {} | {} |", escaped(&peer.title), escaped(version), command);
    }
    let missing: Vec<_> = results.peers.iter().filter_map(|peer| Some((peer, peer.missing.as_ref()?))).collect();
    if !missing.is_empty() {
        text.push_str("\nNot measured, because it was not installed:\n\n");
        for (peer, what) in missing {
            let _ = writeln!(text, "- {}: `{what}` was not found; `{}`", peer.title, peer.install);
        }
    }
    let left_out: Vec<_> = results.peers.iter().filter_map(|peer| Some((peer, peer.left_out.as_ref()?))).collect();
    if !left_out.is_empty() {
        text.push_str("\nLeft out:\n\n");
        for (peer, why) in left_out {
            let _ = writeln!(text, "- {}: {why}", peer.title);
        }
    }
    configurations(&mut text, results);
    text
}

fn markdown_table(text: &mut String, table: &Table) {
    let _ = write!(text, "| proxy |");
    for measure in &table.measures {
        let _ = write!(text, " {} | ratio |", escaped(&heading(measure)));
    }
    let _ = write!(text, " notes |\n|---|{}---|\n", "--:|--:|".repeat(table.measures.len()));
    for row in &table.rows {
        let name = escaped(&row.title);
        let _ = write!(text, "| {} |", if row.peer == OURS { format!("**{name}**") } else { name });
        for (_, cell) in measured(table, row) {
            let _ = write!(text, " {} | {} |", value(row, cell), ratio(table, row, cell));
        }
        let _ = writeln!(text, " {} |", escaped(&row.notes.join("; ")));
    }
}

/// Escapes text for a table cell: a bar would end the cell, and a line break the row.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace(['\n', '\r'], " ")
}

fn configurations(text: &mut String, results: &Results) {
    if took_part(results).all(|peer| peer.configs.is_empty()) {
        return;
    }
    text.push_str("\n## Configurations\n\nWords between `@` are filled in at the start: ports, the folder, limits.\n");
    for config in took_part(results).flat_map(|peer| &peer.configs) {
        let _ = write!(
            text,
            "\n<details><summary>{}</summary>\n\n```\n{}\n```\n\n</details>\n",
            config.name,
            config.text.trim_end().replace("```", "'''")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::result::{Config, FORMAT, How};
    use super::super::summary::{tables, tests as known};
    use super::super::wording::number;
    use super::*;
    use crate::report::model::Machine;

    fn results() -> Results {
        let mut figure = known::figure("f", &["ringway", "nginx"]);
        figure.instead.insert("nchan".to_owned(), "does | not".to_owned());
        let mut nginx = known::peer("nginx");
        nginx.configs = vec![Config { name: "nginx.conf".to_owned(), text: "# as it comes\n".to_owned() }];
        let mut envoy = known::peer("envoy");
        (envoy.version, envoy.missing) = (None, Some("envoy".to_owned()));
        nginx.title = "nginx, 64 KiB".to_owned();
        let mut slow = known::run("nginx", 2, &[("cpu", 10.0)]);
        slow.notes = vec!["12 messages lost".to_owned()];
        let runs = vec![
            known::run("ringway", 1, &[("cpu", 8.0), ("rate", 125_000.0)]),
            known::run("nginx", 1, &[("cpu", 10.0), ("rate", 100_000.0)]),
            known::run("ringway", 2, &[("cpu", 9.0), ("rate", 120_000.4)]),
            slow,
        ];
        let peers = vec![known::peer("ringway"), nginx, envoy, known::peer("nchan")];
        let figures = vec![figure];
        let mut tables = tables(&figures, &peers, &runs);
        tables[0].rows[1].doubtful = true;
        Results {
            format: FORMAT,
            tool: "ringway-load 0.1.0".to_owned(),
            measured_at: "2026-11-22T08:15:30Z".to_owned(),
            machine: Machine {
                kernel: "Linux 6.18.1".to_owned(),
                cpu: "Some CPU".to_owned(),
                cpus: 2,
                memory_bytes: 4 << 30,
            },
            how: How {
                rounds: 2,
                duration_ms: 3_000,
                cpu: 0,
                load_cpus: "1".to_owned(),
                quick: false,
                files: 20_000,
                tls: None,
            },
            tables,
            peers,
            figures,
            runs,
            interrupted: false,
        }
    }

    #[test]
    fn the_readme_is_as_people_know_it() {
        let golden = include_str!("../../tests/it/bench_readme.md");
        let made = readme(&results());
        assert_eq!(made, golden, "the new one:\n{made}");
    }

    #[test]
    fn what_was_measured_survives_the_file() {
        let before = serde_json::to_string(&results()).expect("JSON");
        let read: Results = serde_json::from_str(&before).expect("the same format");
        assert_eq!(serde_json::to_string(&read).expect("JSON"), before);
        assert_eq!(readme(&read), readme(&results()));
        assert_eq!(read.tables, results().tables);
        assert_eq!(read.runs[3].notes, ["12 messages lost"]);
        assert_eq!(read.runs[0].values.get("rate"), Some(&125_000.0));
    }

    #[test]
    fn an_odd_file_makes_an_odd_report_and_no_panic() {
        let mut odd = results();
        odd.tables[0].rows[0].cells.clear();
        odd.tables[0].rows[1].title = "a|b\n<script>".to_owned();
        odd.figures.clear();
        odd.machine = Machine::default();
        odd.how.duration_ms = u64::MAX;
        if let Some(cell) = odd.tables[0].rows[1].cells[0].as_mut() {
            cell.value.median = f64::NAN;
            cell.value.max = f64::MAX;
            cell.ratio = None;
        }
        let text = readme(&odd);
        assert!(text.contains("a\\|b &lt;script>"), "{text}");
        assert!(page::html(&odd).is_ok_and(|page| !page.contains("<script")));
        assert!(page::summary(&odd).starts_with("<svg"));
        assert!(readme(&Results { tables: Vec::new(), peers: Vec::new(), ..odd }).starts_with("# "));
    }

    #[test]
    fn the_terms_of_tls_and_who_is_left_out_are_told() {
        let mut results = results();
        results.how.tls = Some("TLSv9, SUITE".to_owned());
        results.peers[3].left_out = Some("it <only> fans out".to_owned());
        results.peers.push(known::peer("nginx-64k"));
        results.runs.push(known::run("nginx-64k", 1, &[("cpu", 4.0)]));
        results.tables = tables(&results.figures, &results.peers, &results.runs);
        let text = readme(&results);
        for said in [
            "TLSv9, SUITE",
            "NCHAN: it <only> fans out",
            "the best of nginx, 64 KiB's settings in each round: CPU a message 1.45",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!text.contains("without a proxy"), "{text}");
        let page = page::html(&results).expect("a page");
        assert!(
            page.contains("TLSv9, SUITE") && page.contains("the best of nginx") && !page.contains("<only>"),
            "{page}"
        );
    }

    #[test]
    fn what_makes_the_numbers_less_than_measurements_is_said_first() {
        let mut results = results();
        (results.how.quick, results.interrupted) = (true, true);
        let text = introduction(&results);
        assert!(text[0].contains("--quick") && text[1].contains("signal"), "{text:?}");
    }

    #[test]
    fn numbers_have_three_digits_that_mean_something() {
        let shown: Vec<_> = [0.0, 7.123, 71.23, 712.3, 7123.4, 1_234_567.0, 1e300, -5000.0].map(number).to_vec();
        assert_eq!(shown, ["0.00", "7.12", "71.2", "712", "7,123", "1,234,567", "1.000e300", "-5,000"]);
    }

    #[test]
    fn all_files_are_written() {
        let scratch = super::super::process::Scratch::new().expect("a folder");
        write(&results(), scratch.path()).expect("written");
        for name in ["README.md", "runs.json", "report.html", "summary.svg"] {
            assert!(fs::metadata(scratch.path().join(name)).is_ok_and(|data| data.len() > 100), "{name}");
        }
        let why = write(&results(), Path::new("/nowhere/at/all")).expect_err("no such folder");
        assert!(why.starts_with("/nowhere/at/all/runs.json: "), "{why}");
    }

    #[test]
    fn the_page_needs_nothing_but_itself() {
        let page = page::html(&results()).expect("a page");
        for outside in ["<script", "src=", "http://", "https://", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        for inside in ["prefers-color-scheme: dark", "<details>", "nginx.conf", "12 messages lost", "0.85"] {
            assert!(page.contains(inside), "{inside}");
        }
    }
}
