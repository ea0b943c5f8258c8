//! The folder that people read: `README.md`, `report.html`, `summary.svg`, and `runs.json` with everything behind them.
//!
//! Pure up to [`write()`]: texts are made of [`Results`] alone, so that an old `runs.json` gives the same folder again.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::page;
use super::plan::{Better, thousands};
use super::result::{MeasureRecord, PeerRecord, Results};
use super::summary::{Best, Cell, OURS, Row, Spread, Table};

/// Writes all files into the folder, which must be there.
///
/// # Errors
/// When one cannot be written: its name and why.
pub fn write(results: &Results, folder: &Path) -> Result<(), String> {
    let json = serde_json::to_string(results).map_err(|error| format!("runs.json: {error}"))?;
    // The measurements first: whatever fails below can be made of them again.
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

/// How it was measured, a paragraph each.
pub fn introduction(results: &Results) -> Vec<String> {
    let (how, machine) = (&results.how, &results.machine);
    let mut lines = Vec::new();
    if how.quick {
        lines.push("**This was a quick look (`--quick`): one short round over few connections. It shows that everything works; its numbers are not measurements.**".to_owned());
    }
    if results.interrupted {
        lines.push("**It was ended by a signal before everything was measured.**".to_owned());
    }
    let gib = machine.memory_bytes as f64 / f64::from(1u32 << 30);
    let began = if results.measured_at.is_empty() { "never" } else { &results.measured_at };
    lines.push(format!(
        "Measured with {} from {began} on {}, {}, {} CPUs, {gib:.1} GiB.",
        results.tool, machine.kernel, machine.cpu, machine.cpus
    ));
    lines.push(format!(
        "The proxy under test ran alone on CPU {}, the generator, which also plays the upstream, on CPU {}, all over loopback. \
         Each run had a freshly started proxy and a window of {:.1} s; each figure was measured in {}, every proxy once \
         in each, one after the other. A process could have {} files open.",
        how.cpu,
        how.load_cpus,
        how.duration_ms as f64 / 1e3,
        counted(u64::from(how.rounds), "round", "rounds"),
        thousands(how.files)
    ));
    if let Some(terms) = &how.tls {
        lines.push(format!(
            "The generator reached every proxy by TLS: {terms}. It offered nothing else, so that all did the same work; a run \
             in which other terms were agreed on, or in which a handshake was resumed that was to be full or the other \
             way round, is void. Every connection made a full handshake but where handshakes are called resumed. The \
             proxies reached their upstream without TLS."
        ));
    }
    let direct =
        if how.tls.is_some() { "" } else { " The row without a proxy shows what the generator reaches by itself." };
    lines.push(format!(
        "A number is the median over the rounds, with the least and the most in parentheses. A ratio is Ringway divided by \
         the other, taken within each round, and then the median: below 1 Ringway used or took less. CPU is that of the \
         process and its children, from `/proc`; memory is what they allocated and touched, without the kernel's. A run \
         in which the generator was the limit is called void, one in which something was lost or wrong failed; numbers \
         with † have such a run behind them, and are not to be trusted.{direct}"
    ));
    lines.push(
        "Ringway ran with its defaults, which write a log record for each connection and ping a side that is silent for 30 \
         seconds; the others wrote no access log and pinged nobody."
            .to_owned(),
    );
    lines
}

pub(super) fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
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

/// How Ringway stands beside the best of a program's settings, in a line.
pub(super) fn best(table: &Table, best: &Best) -> String {
    let parts = table.measures.iter().zip(&best.ratios).filter_map(|(measure, ratio)| {
        let shown = spread(ratio.as_ref()?, |value| format!("{value:.2}"));
        Some(format!("{} {shown}{}", measure.title, if best.doubtful { DOUBT } else { "" }))
    });
    let parts: Vec<_> = parts.collect();
    format!("Ringway divided by the best of {}'s settings in each round: {}.", best.title, parts.join("; "))
}

/// The peers that something was measured of, or tried.
pub(super) fn took_part(results: &Results) -> impl Iterator<Item = &PeerRecord> {
    results.peers.iter().filter(|peer| results.runs.iter().any(|run| run.peer == peer.id))
}

/// A row's cells with what they are of; one that an odd file left out is empty.
pub(super) fn measured<'a>(
    table: &'a Table,
    row: &'a Row,
) -> impl Iterator<Item = (&'a MeasureRecord, Option<&'a Cell>)> {
    table.measures.iter().enumerate().map(|(place, measure)| (measure, row.cells.get(place).and_then(Option::as_ref)))
}

/// A column's heading.
pub(super) fn heading(measure: &MeasureRecord) -> String {
    let better = match measure.better {
        Better::Lower => "less",
        Better::Higher => "more",
    };
    format!("{}, {} ({better} is better)", measure.title, measure.unit)
}

/// What stands behind a number that is not to be trusted.
pub(super) const DOUBT: &str = " †";

/// A cell's number, with its range where there were several rounds.
pub(super) fn value(row: &Row, cell: Option<&Cell>) -> String {
    let doubt = if row.doubtful { DOUBT } else { "" };
    cell.map_or_else(|| "-".to_owned(), |cell| spread(&cell.value, number) + doubt)
}

/// A cell's ratio, likewise.
pub(super) fn ratio(table: &Table, row: &Row, cell: Option<&Cell>) -> String {
    let Some(ratio) = cell.and_then(|cell| cell.ratio.as_ref()) else { return "-".to_owned() };
    let doubtful = row.doubtful || table.rows.iter().any(|row| row.peer == OURS && row.doubtful);
    spread(ratio, |ratio| format!("{ratio:.2}")) + if doubtful { DOUBT } else { "" }
}

fn spread(spread: &Spread, show: fn(f64) -> String) -> String {
    let middle = show(spread.median);
    if spread.rounds < 2 { middle } else { format!("{middle} ({}..{})", show(spread.min), show(spread.max)) }
}

/// Three digits that mean something, and a comma at every third one.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e15 => format!("{value:.3e}"),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 1e15, and not negative")]
        size if size >= 1e3 => format!("{}{}", if value < 0.0 { "-" } else { "" }, thousands(size.round() as u64)),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A bar would end the cell, and a line break the row.
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
