//! The table at the end of a run, for a terminal of 100 columns.

use std::fmt::Write;

use super::figures::{bytes, count, distribution, percent, rate, several, three, time, visible};
use super::model::{Agreed, Latency, Messages, Outcome, Report, Scenario};

/// The look of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Text alone.
    Plain,
    /// ANSI colours for the verdict and for counts that must be zero.
    Coloured,
}

/// Renders the table. Strings from outside cannot add colours.
#[must_use]
pub fn render(report: &Report, look: Look) -> String {
    let mut table = Table { text: String::new(), look };
    table.headline(report);
    let settings = report.settings.iter().map(|set| format!("{}={}", visible(&set.name, 40), visible(&set.value, 200)));
    table.items("settings", settings);
    table.items("connections", connections(report));
    for agreed in report.tls.iter().take(MOST_TERMS) {
        table.line("tls", &terms(agreed));
    }
    if let Some(messages) = &report.messages {
        table.line("messages", &speed(messages));
        table.items("", volume(messages));
        table.items("", table.wrongs(messages));
    }
    table.latencies(report);
    table.errors(report);
    table.items("generator", generator(report));
    table.items("target", target(report));
    table.thresholds(report);
    table.text
}

const WIDTH: usize = 96;
/// The column at which a line's content begins.
const INDENT: usize = 13;
/// The most kinds of negotiated TLS parameters that get their own line.
pub(crate) const MOST_TERMS: usize = 8;
/// The most kinds of errors that get their own line.
const MOST_ERRORS: usize = 20;

const BOLD: &str = "1";
const RED: &str = "1;31";
const GREEN: &str = "1;32";
const YELLOW: &str = "1;33";

/// The name of the scenario on the command line.
pub(crate) fn scenario(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Echo => "echo",
        Scenario::Hold => "hold",
        Scenario::Storm => "storm",
        Scenario::Fanout => "fanout",
    }
}

/// The verdict in one word, and its meaning.
pub(crate) fn outcome(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Valid => ("VALID", "the figures are the target's"),
        Outcome::Void => ("VOID", "the generator was the limit: the figures are its own"),
        Outcome::Failed => {
            ("FAILED", "something was lost, repeated, reordered or changed, or a connection was missing")
        }
    }
}

fn connections(report: &Report) -> Vec<String> {
    let found = &report.connections;
    vec![
        format!("{} asked", count(found.asked)),
        format!("{} opened", count(found.opened)),
        format!("{} failed", count(found.failed)),
        format!("{} lost", count(found.lost)),
        format!("{} open at the end", count(found.open_at_end)),
    ]
}

/// Formats the number of TLS handshakes with these parameters.
pub(crate) fn terms(agreed: &Agreed) -> String {
    let kind = if agreed.resumed { "resumed" } else { "full" };
    let [version, suite, group] = [&agreed.version, &agreed.suite, &agreed.group].map(|name| visible(name, 60));
    format!("{} {kind}: {version}, {suite}, {group}", count(agreed.count))
}

/// The offered and the achieved rate.
pub(crate) fn speed(messages: &Messages) -> String {
    let achieved = rate(messages.achieved_per_s);
    match messages.offered_per_s {
        Some(offered) if offered > 0.0 => {
            format!("offered {}, achieved {achieved} ({})", rate(offered), percent(messages.achieved_per_s / offered))
        }
        Some(offered) => format!("offered {}, achieved {achieved}", rate(offered)),
        None => format!("achieved {achieved}, each after the answer before it (closed loop)"),
    }
}

fn volume(messages: &Messages) -> Vec<String> {
    vec![
        format!("{} due", count(messages.due)),
        format!("{} sent", count(messages.sent)),
        format!("{} received", count(messages.received)),
        format!("{} out", bytes(messages.bytes_sent as f64)),
        format!("{} in", bytes(messages.bytes_received as f64)),
    ]
}

fn generator(report: &Report) -> Vec<String> {
    let used = &report.generator;
    let cpus = used.cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut items = vec![
        format!("busiest shard {} busy", percent(used.busy_share)),
        format!("{} CPU seconds{}", three(used.cpu_seconds), a_second(used.cpu_seconds, report.measured_ms)),
    ];
    if !cpus.is_empty() {
        items.push(format!("on CPU {cpus}"));
    }
    if used.polls {
        items.push("polls, so it fully uses its CPUs".to_owned());
    }
    items
}

fn a_second(cpu_seconds: f64, measured_ms: u64) -> String {
    if measured_ms == 0 {
        return String::new();
    }
    format!(" ({} a second)", three(cpu_seconds * 1000.0 / measured_ms as f64))
}

fn target(report: &Report) -> Vec<String> {
    let Some(used) = &report.target else { return Vec::new() };
    let mut items = vec![
        format!("process {}", used.pid),
        format!("{} CPU seconds ({} a second)", three(used.cpu_seconds), three(used.utilization)),
    ];
    items.extend(used.cpu_us_each.map(|us| format!("{} CPU {}", time(us * 1e3), each(report.scenario))));
    let memory =
        [used.memory_before_bytes, used.memory_half_bytes, used.memory_end_bytes].map(|size| bytes(size as f64));
    items.push(format!("memory {} before, {} at the half, {} at the end", memory[0], memory[1], memory[2]));
    items.extend(used.memory_bytes_each.map(|size| format!("{} a connection", bytes(size))));
    items
}

/// The unit by which the target's CPU time is divided.
pub(crate) fn each(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Echo => "a message",
        Scenario::Fanout => "a delivery",
        Scenario::Storm => "a handshake",
        Scenario::Hold => "a connection",
    }
}

struct Table {
    text: String,
    look: Look,
}

impl Table {
    fn painted(&self, code: &str, text: &str) -> String {
        match self.look {
            Look::Coloured => format!("\x1b[{code}m{text}\x1b[0m"),
            Look::Plain => text.to_owned(),
        }
    }

    fn put(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn line(&mut self, label: &str, content: &str) {
        self.put(&format!("{label:INDENT$}{content}"));
    }

    /// Writes items after a label, as many on a line as fit. An item that is longer than a line gets its own, unbroken.
    fn items(&mut self, label: &str, items: impl IntoIterator<Item = String>) {
        let (mut line, mut columns) = (format!("{label:INDENT$}"), INDENT);
        let mut fresh = true;
        for item in items {
            let width = columns_of(&item);
            if !fresh && columns + 2 + width > WIDTH {
                self.put(&line);
                (line, columns, fresh) = (" ".repeat(INDENT), INDENT, true);
            }
            if !fresh {
                line.push_str("  ");
                columns += 2;
            }
            line.push_str(&item);
            (columns, fresh) = (columns + width, false);
        }
        if !fresh {
            self.put(&line);
        }
    }

    fn headline(&mut self, report: &Report) {
        let (word, meaning) = outcome(report.verdict.outcome);
        let code = match report.verdict.outcome {
            Outcome::Valid => GREEN,
            Outcome::Void => YELLOW,
            Outcome::Failed => RED,
        };
        let missed = report.thresholds.iter().filter(|threshold| threshold.failed).count();
        let mut headline = format!("{}: {}, {meaning}", scenario(report.scenario), self.painted(code, word));
        if missed > 0 {
            let _ = write!(headline, "; {}", self.painted(RED, &format!("{} missed", several(missed, "threshold"))));
        }
        self.put(&headline);
        for reason in &report.verdict.reasons {
            self.put(&format!("  - {}", visible(reason, 400)));
        }
        for note in &report.verdict.notes {
            self.put(&format!("  note: {}", visible(note, 400)));
        }
        let cut = if report.verdict.interrupted { ", interrupted" } else { "" };
        let warmup = match report.warmup_ms {
            0 => String::new(),
            millis => format!(" after {} of warm-up", time(millis as f64 * 1e6)),
        };
        self.put(&format!(
            "{}, from {}, {} measured{warmup}{cut}",
            visible(&report.tool, 60),
            visible(&report.measured_at, 40),
            time(report.measured_ms as f64 * 1e6),
        ));
        self.put("");
        let machine = &report.machine;
        let facts =
            [visible(&machine.kernel, 60), visible(&machine.cpu, 80)].into_iter().filter(|fact| !fact.is_empty());
        let sizes =
            (machine.cpus > 0).then(|| format!("{} CPUs, {}", machine.cpus, bytes(machine.memory_bytes as f64)));
        self.items("machine", facts.chain(sizes));
    }

    /// Counts that must be zero in a valid run, in red if they are not.
    fn wrongs(&self, messages: &Messages) -> Vec<String> {
        [
            ("late", messages.late),
            ("unsent", messages.unsent),
            ("lost", messages.lost),
            ("duplicates", messages.duplicates),
            ("out of order", messages.out_of_order),
            ("mismatched", messages.mismatched),
            ("in the other form", messages.other_form),
        ]
        .into_iter()
        .map(|(name, number)| {
            let text = format!("{} {name}", count(number));
            if number > 0 { self.painted(RED, &text) } else { text }
        })
        .chain((messages.unexpected > 0).then(|| format!("{} unexpected", count(messages.unexpected))))
        .collect()
    }

    fn latencies(&mut self, report: &Report) {
        let rows: Vec<(&str, &Latency)> = [("latency", &report.latency), ("handshake", &report.handshake)]
            .into_iter()
            .filter_map(|(label, latency)| Some((label, latency.as_ref()?)))
            .collect();
        let Some((_, first)) = rows.first() else {
            self.line("latency", "nothing came, so there is none");
            return;
        };
        self.put("");
        let mut header = " ".repeat(INDENT);
        distribution(first).iter().for_each(|(name, _)| header.push_str(&format!("{name:>9}")));
        let header = self.painted(BOLD, &format!("{header}{:>12}", "values"));
        self.put(&header);
        for (label, latency) in &rows {
            let mut line = format!("{label:INDENT$}");
            for (_, value) in distribution(latency) {
                let _ = write!(line, "{:>9}", value.map_or("-".to_owned(), time));
            }
            self.put(&format!("{line}{:>12}", count(latency.count)));
        }
        for (label, latency) in &rows {
            self.put(&format!("  {label}: {}", visible(&latency.what, 120)));
        }
        self.put("");
    }

    fn errors(&mut self, report: &Report) {
        for (index, error) in report.errors.iter().take(MOST_ERRORS).enumerate() {
            let label = if index == 0 { "errors" } else { "" };
            let line =
                format!("{:>10}  {}: {}", count(error.count), visible(&error.during, 20), visible(&error.reason, 120));
            self.line(label, &line);
        }
        let rest = report.errors.get(MOST_ERRORS..).unwrap_or_default();
        if !rest.is_empty() {
            let sum = rest.iter().fold(0_u64, |sum, error| sum.saturating_add(error.count));
            self.line("", &format!("{:>10}  in {} more", count(sum), several(rest.len(), "kind")));
        }
    }

    fn thresholds(&mut self, report: &Report) {
        for (index, threshold) in report.thresholds.iter().enumerate() {
            let label = if index == 0 { "thresholds" } else { "" };
            let word = if threshold.failed { self.painted(RED, "missed") } else { self.painted(GREEN, "met   ") };
            let measured = visible(&threshold.measured, 60);
            self.line(label, &format!("{word}  fail if {}: {measured}", visible(&threshold.expression, 80)));
        }
    }
}

/// The number of columns that a text takes, without its colour codes.
fn columns_of(text: &str) -> usize {
    let mut inside = false;
    text.chars()
        .filter(|character| {
            let escape = *character == '\x1b';
            let shown = !inside && !escape;
            inside = escape || inside && *character != 'm';
            shown
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::{Look, render};
    use crate::report::model::Report;
    use crate::report::sample;

    #[test]
    fn the_table_says_all_of_it_in_100_columns() {
        let text = render(&sample::echo(), Look::Plain);
        for part in [
            "echo: VALID, the figures are the target's; 1 threshold missed",
            "60.0s measured after 5.00s of warm-up",
            "connections=1000",
            "1,000 asked  998 opened  2 failed  1 lost  997 open at the end",
            "offered 20,000/s, achieved 19,983/s (99.92%)",
            "37 late  588 unsent  408 lost  0 duplicates  0 out of order  0 mismatched",
            "p99.99",
            "2  handshake: status 503",
            "busiest shard 64% busy",
            "40.2us CPU a message",
            "missed  fail if lost>0: 408",
            "met     fail if p99>5ms: 1.21ms",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
            assert_eq!(line, line.trim_end());
        }
    }

    #[test]
    fn a_failed_run_says_why_first() {
        let text = render(&sample::hold_failed(), Look::Plain);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("hold: FAILED, "), "{text}");
        assert_eq!(lines[1], "  - 14,211 of 100,000 connections were not opened");
        assert!(lines[3].ends_with(", interrupted"), "{text}");
        // 27 kinds, of which 7 are summed: 980 down to 974.
        assert!(text.contains("      6,839  in 7 kinds more"), "{text}");
        assert!(!text.contains("messages "), "{text}");
    }

    #[test]
    fn a_percentile_of_too_few_values_is_not_shown() {
        let report = Report { latency: sample::times("t", 9_999, 90_000), ..sample::echo() };
        let text = render(&report, Look::Plain);
        let row = text.lines().find(|line| line.starts_with("latency")).unwrap();
        assert_eq!(row.split_whitespace().nth(6), Some("-"), "{row}");
        assert_ne!(row.split_whitespace().nth(5), Some("-"), "{row}");
        let report = Report { latency: sample::times("t", 10_000, 90_000), ..sample::echo() };
        assert!(!render(&report, Look::Plain).lines().any(|line| line.starts_with("latency") && line.contains(" -")));
    }

    #[test]
    fn colours_come_from_us_alone() {
        let mut report = sample::echo();
        report.errors[0].reason = "\x1b[2Jgone\r\n".to_owned();
        report.settings[0].value = "\x1b]0;title\x07".to_owned();
        assert!(!render(&report, Look::Plain).contains('\x1b'));
        let plain =
            render(&report, Look::Coloured).replace("\x1b[1;31m", "").replace("\x1b[1;32m", "").replace("\x1b[1m", "");
        assert_eq!(plain.replace("\x1b[0m", ""), render(&report, Look::Plain));
    }

    #[test]
    fn a_run_without_anything_is_a_short_table() {
        let text = render(&sample::small(), Look::Plain);
        assert!(text.contains("VOID") && text.contains("nothing came"), "{text}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}
