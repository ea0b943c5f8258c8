//! Sentences, headings and numbers that a benchmark's README and page share. Pure.

use super::peer::BEFORE;
use super::plan::{Better, thousands};
use super::result::{PeerRecord, Results};
use super::table::{Best, Cell, MeasureRecord, OURS, Row, Spread, Table};

/// The mark after a number that is not reliable.
pub(super) const DOUBT: &str = " †";

/// The conditions of the measurement, one paragraph each.
pub(super) fn introduction(results: &Results) -> Vec<String> {
    let (how, machine) = (&results.how, &results.machine);
    let mut lines = Vec::new();
    if how.quick {
        lines.push("**This was a quick look (`--quick`): one short round over few connections. It shows that everything works; its numbers are not measurements.**".to_owned());
    }
    if results.interrupted {
        lines.push("**A signal ended the benchmark before everything was measured.**".to_owned());
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
             way round, is void. Every connection made a full handshake, except where handshakes are called resumed. The \
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
    if results.peers.iter().any(|peer| peer.id == BEFORE.id) {
        lines.push(format!(
            "\"{}\" is another build of Ringway, started like the first. Its ratio shows what has changed between the two; \
             a second call with one build in both places shows how much of that is noise.",
            BEFORE.title
        ));
    }
    lines.push(
        "Ringway ran with its defaults, which write a log record for each connection and ping a client that is silent for 30 \
         seconds; the others wrote no access log and pinged nobody."
            .to_owned(),
    );
    lines
}

pub(super) fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// A comparison of Ringway with the best of a program's settings, on one line.
pub(super) fn best(table: &Table, best: &Best) -> String {
    let parts = table.measures.iter().zip(&best.ratios).filter_map(|(measure, ratio)| {
        let shown = spread(ratio.as_ref()?, |value| format!("{value:.2}"));
        Some(format!("{} {shown}{}", measure.title, if best.doubtful { DOUBT } else { "" }))
    });
    let parts: Vec<_> = parts.collect();
    format!("Ringway divided by the best of {}'s settings in each round: {}.", best.title, parts.join("; "))
}

/// The peers with at least one run, even if it failed.
pub(super) fn took_part(results: &Results) -> impl Iterator<Item = &PeerRecord> {
    results.peers.iter().filter(|peer| results.runs.iter().any(|run| run.peer == peer.id))
}

/// A row's cells with their measures; a cell that is missing from the file is empty.
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

/// A cell's number, with its range if there were several rounds.
pub(super) fn value(row: &Row, cell: Option<&Cell>) -> String {
    let doubt = if row.doubtful { DOUBT } else { "" };
    cell.map_or_else(|| "-".to_owned(), |cell| spread(&cell.value, number) + doubt)
}

/// A cell's ratio, with its range if there were several rounds.
pub(super) fn ratio(table: &Table, row: &Row, cell: Option<&Cell>) -> String {
    let Some(ratio) = cell.and_then(|cell| cell.ratio.as_ref()) else { return "-".to_owned() };
    let doubtful = row.doubtful || table.rows.iter().any(|row| row.peer == OURS && row.doubtful);
    spread(ratio, |ratio| format!("{ratio:.2}")) + if doubtful { DOUBT } else { "" }
}

fn spread(spread: &Spread, show: fn(f64) -> String) -> String {
    let middle = show(spread.median);
    if spread.rounds < 2 { middle } else { format!("{middle} ({}..{})", show(spread.min), show(spread.max)) }
}

/// Formats a number with about three significant digits; from 1,000 on, an integer with a comma at every third digit.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e15 => format!("{value:.3e}"),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 1e15, and not negative")]
        size if size >= 1e3 => format!("{}{}", if value < 0.0 { "-" } else { "" }, thousands(size.round() as u64)),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
