//! The report as an HTML page without scripts or external requests, readable on a phone, in dark mode and on paper.

use askama::Template;

use super::chart::{COLOURS, LineChart, STYLE, Size, typeset};
use super::curves;
use super::figures::{bytes, count, distribution, percent, rate, several, three, time, visible};
use super::model::{Latency, Outcome, Report};
use super::text;

/// The complete page.
///
/// # Errors
/// Fails if the template cannot be filled in; writing into memory gives no reason for that.
pub fn render(report: &Report) -> Result<String, String> {
    let (word, meaning) = text::outcome(report.verdict.outcome);
    let tone = match report.verdict.outcome {
        Outcome::Valid => "good",
        Outcome::Void => "warn",
        Outcome::Failed => "bad",
    };
    let missed = report.thresholds.iter().filter(|threshold| threshold.failed).count();
    let page = Page {
        scenario: text::scenario(report.scenario),
        url: report
            .settings
            .iter()
            .find(|set| set.name == "url")
            .map(|set| visible(&set.value, 400))
            .unwrap_or_default(),
        // A valid run that missed a threshold is still valid, but must not look like a success.
        tone: if missed > 0 { "bad" } else { tone },
        word,
        word_tone: tone,
        meaning,
        missed: if missed == 0 { String::new() } else { format!("{} missed", several(missed, "threshold")) },
        reasons: report.verdict.reasons.iter().map(|reason| visible(reason, 1000)).collect(),
        notes: report.verdict.notes.iter().map(|note| visible(note, 1000)).collect(),
        interrupted: report.verdict.interrupted,
        tool: visible(&report.tool, 100),
        at: visible(&report.measured_at, 60),
        measured: time(report.measured_ms as f64 * 1e6),
        warmup: time(report.warmup_ms as f64 * 1e6),
        tiles: tiles(report),
        latencies: [("Latency", &report.latency), ("Handshake", &report.handshake)]
            .into_iter()
            .filter_map(|(name, latency)| latency.as_ref().map(|latency| table(name, latency)))
            .collect(),
        percentiles: figures(curves::percentiles(report)),
        series: figures(curves::series(report)),
        connections: connections(report),
        messages: messages(report),
        errors: report.errors.iter().take(MOST_ERRORS).map(Failure::from).collect(),
        more_errors: more(report.errors.get(MOST_ERRORS..).unwrap_or_default()),
        thresholds: report
            .thresholds
            .iter()
            .map(|one| (visible(&one.expression, 200), typeset(&visible(&one.measured, 100)), one.failed))
            .collect(),
        settings: report.settings.iter().map(|set| (visible(&set.name, 60), visible(&set.value, 4000))).collect(),
        machine: machine(report),
        generator: generator(report),
        reading: reading(report),
        target: target(report),
        style: format!("{COLOURS}{STYLE}{}", include_str!("../../templates/report.css")),
    };
    page.render().map_err(|error| format!("the page was not written: {error}"))
}

/// The most kinds of errors that get their own row.
const MOST_ERRORS: usize = 100;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    scenario: &'static str,
    /// The target, without its query; empty if the report does not say.
    url: String,
    tone: &'static str,
    word: &'static str,
    word_tone: &'static str,
    meaning: &'static str,
    missed: String,
    reasons: Vec<String>,
    notes: Vec<String>,
    interrupted: bool,
    tool: String,
    at: String,
    measured: String,
    warmup: String,
    tiles: Vec<Tile>,
    latencies: Vec<Times>,
    percentiles: Vec<Figure>,
    series: Vec<Figure>,
    connections: Vec<(&'static str, String)>,
    messages: Vec<(&'static str, String)>,
    errors: Vec<Failure>,
    more_errors: String,
    thresholds: Vec<(String, String, bool)>,
    settings: Vec<(String, String)>,
    machine: Vec<(&'static str, String)>,
    generator: Vec<(&'static str, String)>,
    reading: &'static str,
    target: Vec<(&'static str, String)>,
    style: String,
}

/// A key figure.
struct Tile {
    name: &'static str,
    value: String,
    note: String,
    bad: bool,
}

/// A distribution as a row.
struct Times {
    name: &'static str,
    what: String,
    values: Vec<(&'static str, String)>,
    count: String,
}

/// A chart, drawn for a desktop and for a phone. The drawings are SVG, escaped where they were created.
struct Figure {
    heading: String,
    wide: String,
    narrow: String,
}

struct Failure {
    during: String,
    reason: String,
    count: String,
}

impl From<&super::model::ErrorCount> for Failure {
    fn from(error: &super::model::ErrorCount) -> Self {
        Self { during: visible(&error.during, 60), reason: visible(&error.reason, 400), count: count(error.count) }
    }
}

fn figures(charts: Vec<LineChart>) -> Vec<Figure> {
    let drawn = |chart: LineChart| {
        let (wide, narrow) = (chart.svg(Size::Wide), chart.svg(Size::Narrow));
        Figure { heading: chart.title, wide, narrow }
    };
    charts.into_iter().map(drawn).collect()
}

fn facts(all: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    all.to_vec()
}

fn tiles(report: &Report) -> Vec<Tile> {
    let tile = |name, value: String, note: String, bad| Tile { name, value: typeset(&value), note, bad };
    let mut tiles = Vec::new();
    if let Some(messages) = &report.messages {
        let note = match messages.offered_per_s {
            Some(offered) if offered > 0.0 => {
                format!("{} of {}", percent(messages.achieved_per_s / offered), rate(offered))
            }
            Some(offered) => format!("of {}", rate(offered)),
            None => "closed loop".to_owned(),
        };
        tiles.push(tile("Achieved", rate(messages.achieved_per_s), note, false));
    }
    let latency = report.latency.as_ref().map(|latency| ("Latency", latency));
    let shown = latency.or(report.handshake.as_ref().map(|latency| ("Handshake", latency)));
    if let Some((name, latency)) = shown {
        for (part, value) in distribution(latency) {
            if let ("p50" | "p99" | "p99.9" | "max", Some(ns)) = (part, value) {
                tiles.push(tile(part, time(ns), name.to_lowercase(), false));
            }
        }
    }
    let found = &report.connections;
    let note = format!("of {}; {} failed, {} lost", count(found.asked), count(found.failed), count(found.lost));
    tiles.push(tile("Connections", count(found.opened), note, found.failed > 0 || found.lost > 0));
    if let Some(messages) = &report.messages {
        let wrong =
            [messages.lost, messages.duplicates, messages.out_of_order, messages.mismatched, messages.other_form];
        let wrong = wrong.into_iter().fold(0, u64::saturating_add);
        tiles.push(tile("Lost or wrong", count(wrong), format!("of {} due", count(messages.due)), wrong > 0));
    }
    let each = |us: f64| tile("Target's CPU", time(us * 1e3), text::each(report.scenario).to_owned(), false);
    tiles.extend(report.target.as_ref().and_then(|used| used.cpu_us_each).map(each));
    tiles
}

fn table(name: &'static str, latency: &Latency) -> Times {
    let shown = |value: Option<f64>| value.map_or("-".to_owned(), |ns| typeset(&time(ns)));
    Times {
        name,
        what: visible(&latency.what, 200),
        values: distribution(latency).into_iter().map(|(name, value)| (name, shown(value))).collect(),
        count: count(latency.count),
    }
}

fn connections(report: &Report) -> Vec<(&'static str, String)> {
    let found = &report.connections;
    let mut known = vec![
        ("asked", count(found.asked)),
        ("opened", count(found.opened)),
        ("failed", count(found.failed)),
        ("lost", count(found.lost)),
        ("open at the end", count(found.open_at_end)),
    ];
    known.extend(report.tls.iter().take(text::MOST_TERMS).map(|agreed| ("TLS", text::terms(agreed))));
    facts(&known)
}

fn messages(report: &Report) -> Vec<(&'static str, String)> {
    let Some(found) = &report.messages else { return Vec::new() };
    facts(&[
        ("rate", text::speed(found)),
        ("due", count(found.due)),
        ("sent", count(found.sent)),
        ("late", count(found.late)),
        ("unsent", count(found.unsent)),
        ("received", count(found.received)),
        ("lost", count(found.lost)),
        ("duplicates", count(found.duplicates)),
        ("out of order", count(found.out_of_order)),
        ("mismatched", count(found.mismatched)),
        ("in the other form", count(found.other_form)),
        ("unexpected", count(found.unexpected)),
        ("payload sent", bytes(found.bytes_sent as f64)),
        ("payload received", bytes(found.bytes_received as f64)),
    ])
}

fn more(rest: &[super::model::ErrorCount]) -> String {
    if rest.is_empty() {
        return String::new();
    }
    let sum = rest.iter().fold(0_u64, |sum, error| sum.saturating_add(error.count));
    format!("{} in {} more", count(sum), several(rest.len(), "kind"))
}

fn machine(report: &Report) -> Vec<(&'static str, String)> {
    let machine = &report.machine;
    facts(&[
        ("kernel", visible(&machine.kernel, 100)),
        ("processor", visible(&machine.cpu, 200)),
        ("CPUs", count(machine.cpus)),
        ("memory", bytes(machine.memory_bytes as f64)),
    ])
}

fn generator(report: &Report) -> Vec<(&'static str, String)> {
    let used = &report.generator;
    let cpus = used.cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    facts(&[
        ("busiest shard", format!("{} busy", percent(used.busy_share))),
        ("CPU seconds", three(used.cpu_seconds)),
        ("on CPUs", if cpus.is_empty() { "not pinned".to_owned() } else { cpus }),
        ("polls", if used.polls { "yes" } else { "no" }.to_owned()),
    ])
}

/// A generator that is busier than this is near its own limit, and its measurements include its own delays.
const BUSY: f64 = 0.8;

fn reading(report: &Report) -> &'static str {
    let used = &report.generator;
    match (used.busy_share >= BUSY, used.polls) {
        (true, _) => {
            "The busiest shard had hardly a moment to spare. Part of the latency above may be the generator's own: \
             give it more CPUs or a lower rate, and see whether the figures stay."
        }
        (false, true) => {
            "The shards poll without sleeping and so fully use their CPUs; the CPU seconds say nothing. The busy share is \
             the time in which there was something to do, and it left room."
        }
        (false, false) => {
            "The busiest shard had time to spare, so the figures are not those of a generator at its limit."
        }
    }
}

fn target(report: &Report) -> Vec<(&'static str, String)> {
    let Some(used) = &report.target else { return Vec::new() };
    let mut found = facts(&[
        ("process", used.pid.to_string()),
        ("CPU seconds", format!("{} ({} a second)", three(used.cpu_seconds), three(used.utilization))),
        ("memory before", bytes(used.memory_before_bytes as f64)),
        ("memory at the half", bytes(used.memory_half_bytes as f64)),
        ("memory at the end", bytes(used.memory_end_bytes as f64)),
    ]);
    found.extend(
        used.cpu_us_each
            .map(|us| ("CPU each", format!("{} {}", typeset(&time(us * 1e3)), text::each(report.scenario)))),
    );
    found.extend(used.memory_bytes_each.map(|size| ("memory each", format!("{} a connection", bytes(size)))));
    found
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::report::model::{Report, Setting};
    use crate::report::sample;
    use proptest::prelude::{ProptestConfig, any, proptest};

    /// Element names and attribute names of the page, to which no string of a report may add.
    fn shape(page: &str) -> Vec<String> {
        let tags = page.split('<').skip(1).filter_map(|tag| tag.split_once('>'));
        tags.map(|(tag, _)| tag.split('"').step_by(2).collect::<Vec<_>>().join("\"")).collect()
    }

    /// A report with the same string in every field that may come from outside.
    fn filled(text: &str, number: u64, share: f64) -> Report {
        let mut report = sample::echo();
        report.series.truncate(3);
        report.settings = vec![Setting { name: text.to_owned(), value: text.to_owned() }];
        report.verdict.reasons = vec![text.to_owned()];
        for field in [&mut report.tool, &mut report.measured_at, &mut report.machine.kernel, &mut report.machine.cpu] {
            text.clone_into(field);
        }
        for latency in [&mut report.latency, &mut report.handshake].into_iter().flatten() {
            text.clone_into(&mut latency.what);
            latency.mean_ns = share;
        }
        for error in &mut report.errors {
            (error.during, error.reason, error.count) = (text.to_owned(), text.to_owned(), number);
        }
        for threshold in &mut report.thresholds {
            (threshold.expression, threshold.measured) = (text.to_owned(), text.to_owned());
        }
        for second in &mut report.series {
            (second.until_ms, second.received, second.p99_ns, second.max_ns) = (number, number, number, number);
        }
        if let Some(messages) = &mut report.messages {
            (messages.offered_per_s, messages.achieved_per_s, messages.lost) = (Some(share), share, number);
        }
        (report.generator.busy_share, report.measured_ms) = (share, number);
        report
    }

    #[test]
    fn the_head_of_the_page_names_the_target_e3() {
        let page = render(&sample::echo()).unwrap();
        let (head, rest) = page.split_once("</head>").unwrap();
        assert!(head.contains("<title>VALID: echo ws://127.0.0.1:8080/chat"), "{head}");
        let top = rest.split_once("</header>").unwrap().0;
        assert!(top.contains("ws://127.0.0.1:8080/chat"), "{top}");
        assert!(rest.contains("<li>Note: the server sent 12 messages of its own.</li>"));
        assert!(!render(&sample::small()).unwrap().contains("<title>VOID: echo ws"));
    }

    #[test]
    fn the_page_has_every_part() {
        let page = render(&sample::echo()).unwrap();
        for part in [
            "VALID",
            "1 threshold missed",
            "Key figures",
            "Latency by percentile",
            "Rate",
            "Connections",
            "Errors",
            "status 503",
            "Settings",
            "Machine",
            "Generator",
            "Thresholds",
            "lost&#62;0",
            "Linux 6.18.44",
            "19,983/s",
            "40.2µs",
        ] {
            assert!(page.contains(part), "no {part}");
        }
        assert!(
            page.contains("room=&#60;b&#62;1&#60;/b&#62;&#38;x=&#34;2&#34;"),
            "the target is not escaped as it should be"
        );
    }

    #[test]
    fn the_page_asks_for_nothing_and_runs_nothing() {
        for report in [sample::echo(), sample::hold_failed(), sample::small()] {
            let page = render(&report).unwrap();
            for part in [
                "<script",
                "src=",
                "url(",
                "@import",
                "http:",
                "https:",
                "<link rel=\"stylesheet",
                "NaN",
                "javascript:",
            ] {
                assert!(!page.contains(part), "{part} in the page");
            }
            assert!(page.contains("default-src 'none'"));
        }
    }

    #[test]
    fn a_report_that_lacks_things_is_a_shorter_page() {
        let page = render(&sample::small()).unwrap();
        assert!(page.contains("VOID") && page.contains("nothing was measured"));
        assert!(!page.contains("<svg") && page.contains("interrupted"));
        let page = render(&sample::hold_failed()).unwrap();
        assert!(page.contains("FAILED") && !page.contains("Lost or wrong") && page.contains("Connections open"));
    }

    #[test]
    fn a_broken_histogram_costs_the_curve_and_not_the_page() {
        let mut report = sample::echo();
        report.latency.as_mut().unwrap().histogram = "%".to_owned();
        let page = render(&report).unwrap();
        assert!(!page.contains("Latency by percentile") && page.contains("Handshake by percentile"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn no_string_becomes_markup(
            text in "([<>&\"'/=! a-z\u{202e}\u{0}]|<script>|\" onload=|</style>|\\PC){0,40}", number: u64, share in any::<f64>()
        ) {
            let page = render(&filled(&text, number, share)).unwrap();
            let plain = render(&filled("x", number, share)).unwrap();
            assert_eq!(shape(&page), shape(&plain));
            assert!(!page.contains('\u{202e}') && !page.contains('\u{0}'));
            let _ = crate::report::text::render(&filled(&text, number, share), crate::report::text::Look::Coloured);
            let _ = crate::report::compare::render(&filled(&text, number, share), &sample::echo());
        }
    }
}
