//! The figures of a benchmark as data: for each, the command line of the generator, and where its report holds the
//! numbers. Changes when a figure is added or measured differently.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::downstream::{Downstream, GROUP, SUITE};
use crate::report::model::{Outcome, Report};

/// A figure that is measured of every included peer, with one run of the generator for each peer and round.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The name in `--only` and in `runs.json`.
    pub id: &'static str,
    /// The figure's heading.
    pub title: String,
    /// The generator's work.
    pub load: Load,
    /// The numbers that are read from the report.
    pub measures: &'static [Measure],
}

/// The generator's work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Sends messages of `size` bytes and receives their echo.
    Echo {
        /// The number of connections.
        connections: u64,
        /// The time at which the next message is sent.
        pace: Pace,
        /// Payload bytes.
        size: u64,
    },
    /// Holds idle connections.
    Hold {
        /// The number of connections.
        connections: u64,
    },
    /// Opens and closes connections, one after another.
    Storm {
        /// The number of other connections that stay open meanwhile.
        held: u64,
        /// `true` if each connection resumes the TLS session of the one before.
        resumes: bool,
    },
    /// Sends messages of one publisher to many subscribers.
    Fanout {
        /// The number of subscribers.
        subscribers: u64,
        /// Messages per second.
        rate: u64,
        /// Payload bytes.
        size: u64,
    },
}

/// The time at which the next message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// After the last message returned: as fast as the proxy can.
    Closed,
    /// At this rate per second over all connections, whatever the proxy does.
    Rate(u64),
}

/// A number read from a run's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// CPU time of the proxy per message, delivery or handshake.
    CpuEach(&'static str),
    /// Messages answered per second.
    PerSecond,
    /// The median latency.
    P50,
    /// The 99th percentile of latency.
    P99,
    /// User memory of the proxy per connection.
    MemoryEach,
    /// Handshakes per second.
    HandshakesPerSecond,
    /// The share of deliveries that arrived.
    Delivered,
}

/// The direction in which a number is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Lower numbers are better.
    Lower,
    /// Higher numbers are better.
    Higher,
}

impl Measure {
    /// The name in `runs.json`.
    pub fn id(self) -> &'static str {
        match self {
            Measure::CpuEach(_) => "cpu",
            Measure::PerSecond => "rate",
            Measure::P50 => "p50",
            Measure::P99 => "p99",
            Measure::MemoryEach => "memory",
            Measure::HandshakesPerSecond => "handshakes",
            Measure::Delivered => "delivered",
        }
    }

    /// The name for readers.
    pub fn title(self) -> String {
        match self {
            Measure::CpuEach(what) => format!("CPU a {what}"),
            Measure::PerSecond => "messages".to_owned(),
            Measure::P50 => "latency p50".to_owned(),
            Measure::P99 => "latency p99".to_owned(),
            Measure::MemoryEach => "memory a connection".to_owned(),
            Measure::HandshakesPerSecond => "handshakes".to_owned(),
            Measure::Delivered => "delivered".to_owned(),
        }
    }

    /// The unit of the numbers.
    pub fn unit(self) -> &'static str {
        match self {
            Measure::CpuEach(_) | Measure::P50 | Measure::P99 => "us",
            Measure::PerSecond | Measure::HandshakesPerSecond => "/s",
            Measure::MemoryEach => "bytes",
            Measure::Delivered => "%",
        }
    }

    /// The direction in which the numbers are better.
    pub fn better(self) -> Better {
        match self {
            Measure::CpuEach(_) | Measure::P50 | Measure::P99 | Measure::MemoryEach => Better::Lower,
            Measure::PerSecond | Measure::HandshakesPerSecond | Measure::Delivered => Better::Higher,
        }
    }

    /// Reads the number from a report; `None` if the report lacks it, or if it is not a finite number.
    pub fn read(self, report: &Report) -> Option<f64> {
        let target = report.target.as_ref();
        let messages = report.messages.as_ref();
        let value = match self {
            Measure::CpuEach(_) => target?.cpu_us_each?,
            Measure::PerSecond | Measure::HandshakesPerSecond => messages?.achieved_per_s,
            Measure::P50 => report.latency.as_ref().filter(|latency| latency.count > 0)?.p50_ns as f64 / 1e3,
            Measure::P99 => report.latency.as_ref().filter(|latency| latency.count > 0)?.p99_ns as f64 / 1e3,
            Measure::MemoryEach => target?.memory_bytes_each?,
            Measure::Delivered => {
                let (received, lost) = (messages?.received as f64, messages?.lost as f64);
                received * 100.0 / (received + lost)
            }
        };
        value.is_finite().then_some(value)
    }
}

const CLOSED: &[Measure] = &[Measure::CpuEach("message"), Measure::PerSecond];
const PACED: &[Measure] = &[Measure::CpuEach("message"), Measure::P50, Measure::P99];
const IDLE: &[Measure] = &[Measure::MemoryEach];
const STORM: &[Measure] = &[Measure::CpuEach("handshake"), Measure::HandshakesPerSecond];
const FANOUT: &[Measure] = &[Measure::CpuEach("delivery"), Measure::P99, Measure::Delivered];

/// Files of one process besides its connections: listeners, logs, rings, a publisher.
const SPARE_FILES: u64 = 1_000;

/// The figures, in the order of the report.
///
/// `quick` uses a tenth of the connections. `files` is the number of files that a process may have open: both the proxy
/// and the generator, which also runs the upstream, need two files per connection.
///
/// With TLS, no peer that fans out is included, and handshakes are measured both full and resumed.
pub fn figures(downstream: Downstream, quick: bool, files: u64) -> Vec<Figure> {
    let most = (files.saturating_sub(SPARE_FILES) / 2).max(1);
    let some = |connections: u64| if quick { connections / 10 } else { connections }.min(most);
    let echo = |connections, pace, size| Load::Echo { connections: some(connections), pace, size };
    let fanout = |rate| Load::Fanout { subscribers: some(5_000), rate, size: 64 };
    let storm = |held, resumes| Load::Storm { held, resumes };
    let mut all = vec![
        ("echo-64", echo(1_000, Pace::Closed, 64), CLOSED),
        ("echo-1k", echo(1_000, Pace::Closed, 1 << 10), CLOSED),
        ("echo-16k", echo(200, Pace::Closed, 16 << 10), CLOSED),
        ("echo-64k", echo(200, Pace::Closed, 64 << 10), CLOSED),
        ("echo-1m", echo(200, Pace::Closed, 1 << 20), CLOSED),
        ("rate-1000", echo(1_000, Pace::Rate(1_000), 64), PACED),
        ("rate-20000", echo(1_000, Pace::Rate(20_000), 64), PACED),
        ("idle", Load::Hold { connections: some(8_000) }, IDLE),
    ];
    all.extend(match downstream {
        Downstream::Plain => [
            ("handshake", storm(0, false), STORM),
            ("handshake-held", storm(some(9_000), false), STORM),
            ("fanout-20", fanout(20), FANOUT),
            ("fanout-200", fanout(200), FANOUT),
        ]
        .to_vec(),
        Downstream::Tls => {
            [("handshake-full", storm(0, false), STORM), ("handshake-resumed", storm(0, true), STORM)].to_vec()
        }
    });
    let figure = |(id, load, measures)| Figure { id, title: title(load, downstream), load, measures };
    all.into_iter().map(figure).collect()
}

impl Load {
    /// Returns `true` if one message goes to many connections, which only some peers support.
    pub fn fans_out(self) -> bool {
        matches!(self, Load::Fanout { .. })
    }

    /// Returns `true` if a measurement without a proxy is meaningful.
    pub fn has_direct(self) -> bool {
        matches!(self, Load::Echo { .. } | Load::Storm { .. })
    }

    /// Returns `true` if each connection but the first resumes a TLS session.
    pub fn resumes(self) -> bool {
        matches!(self, Load::Storm { resumes: true, .. })
    }

    /// The generator's scenario and options, without its target and its output files.
    pub fn arguments(self, downstream: Downstream, duration: Duration) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
        let scenario = match self {
            Load::Echo { connections, pace, size } => {
                add("--connections", connections.to_string());
                match pace {
                    Pace::Closed => add("--closed", "1".to_owned()),
                    Pace::Rate(rate) => add("--rate", rate.to_string()),
                }
                add("--size", size.to_string());
                add("--warmup", "500ms".to_owned());
                "echo"
            }
            Load::Hold { connections } => {
                add("--connections", connections.to_string());
                "hold"
            }
            Load::Storm { held, .. } => {
                add("--closed", "1".to_owned());
                add("--close", "reset".to_owned());
                if held > 0 {
                    add("--hold", held.to_string());
                }
                "storm"
            }
            Load::Fanout { subscribers, rate, size } => {
                add("--connections", subscribers.to_string());
                add("--publishers", "1".to_owned());
                add("--rate", rate.to_string());
                add("--size", size.to_string());
                add("--warmup", "500ms".to_owned());
                "fanout"
            }
        };
        add("--duration", format!("{}ms", duration.as_millis()));
        if downstream == Downstream::Tls {
            add("--tls-suite", SUITE.to_owned());
            add("--tls-group", GROUP.to_owned());
            add("--tls-resume", if self.resumes() { "on" } else { "off" }.to_owned());
        }
        words.insert(0, scenario.to_owned());
        words
    }
}

fn title(load: Load, downstream: Downstream) -> String {
    match load {
        Load::Echo { connections, pace: Pace::Closed, size } => {
            format!("Echo of {}, {} connections, one message in flight on each", bytes(size), thousands(connections))
        }
        Load::Echo { connections, pace: Pace::Rate(rate), size } => format!(
            "Echo of {} at {} messages/s over {} connections",
            bytes(size),
            thousands(rate),
            thousands(connections)
        ),
        Load::Hold { connections } => format!("{} idle connections", thousands(connections)),
        Load::Storm { held: 0, resumes } => match (downstream, resumes) {
            (Downstream::Plain, _) => "Handshakes, one after the other".to_owned(),
            (Downstream::Tls, false) => "Full TLS and WebSocket handshakes, one after the other".to_owned(),
            (Downstream::Tls, true) => "Resumed TLS and WebSocket handshakes, one after the other".to_owned(),
        },
        Load::Storm { held, .. } => {
            format!("Handshakes, one after the other, over {} held connections", thousands(held))
        }
        Load::Fanout { subscribers, rate, size } => {
            format!("{} to {} subscribers, {} messages/s", bytes(size), thousands(subscribers), thousands(rate))
        }
    }
}

fn bytes(size: u64) -> String {
    match size {
        size if size >= 1 << 20 && size % (1 << 20) == 0 => format!("{} MiB", size >> 20),
        size if size >= 1 << 10 && size % (1 << 10) == 0 => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    }
}

/// Formats an integer with a comma at every third digit.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A peer below this share of the requested rate is called too slow.
const KEPT_UP: f64 = 0.98;

/// Notes that a reader must know about a run's numbers; empty if there are none.
pub fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let reasons: Vec<_> = report.verdict.reasons.iter().map(|reason| clause(reason)).collect();
    match (report.verdict.outcome, reasons.is_empty()) {
        (Outcome::Valid, _) => {}
        (Outcome::Void, true) => notes.push("void: the generator was the limit".to_owned()),
        (Outcome::Void, false) => notes.push(format!("void: {}", reasons.join("; "))),
        (Outcome::Failed, true) => notes.push("failed".to_owned()),
        (Outcome::Failed, false) => notes.push(format!("failed: {}", reasons.join("; "))),
    }
    if report.verdict.interrupted {
        notes.push("cut short".to_owned());
    }
    if let Some(messages) = &report.messages {
        if let Some(offered) = messages.offered_per_s.filter(|offered| messages.achieved_per_s < offered * KEPT_UP) {
            notes.push(format!("too slow: {:.0} of {offered:.0} messages/s", messages.achieved_per_s));
        }
        // The reasons of a failed run already mention lost messages.
        if messages.lost > 0 && (report.verdict.outcome != Outcome::Failed || reasons.is_empty()) {
            notes.push(format!("{} messages lost", thousands(messages.lost)));
        }
    }
    if report.connections.failed > 0 {
        notes.push(format!("{} connections not opened", thousands(report.connections.failed)));
    }
    if report.connections.lost > 0 {
        notes.push(format!("{} connections lost", thousands(report.connections.lost)));
    }
    notes
}

/// A reason without the advice after it, which is for users who run the generator by hand.
fn clause(reason: &str) -> &str {
    reason.split_once("; ").map_or(reason, |(clause, _)| clause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{Connections, ErrorCount, FORMAT, Generator, Latency, Machine, Messages, Scenario};
    use crate::report::model::{TargetUse, Verdict};

    fn report() -> Report {
        Report {
            format: FORMAT,
            tool: "ringway-load 0.1.0".to_owned(),
            scenario: Scenario::Echo,
            measured_at: String::new(),
            settings: Vec::new(),
            machine: Machine::default(),
            verdict: Verdict { outcome: Outcome::Valid, reasons: Vec::new(), interrupted: false },
            warmup_ms: 500,
            measured_ms: 2_000,
            connections: Connections::default(),
            messages: None,
            latency: None,
            handshake: None,
            tls: Vec::new(),
            errors: Vec::<ErrorCount>::new(),
            series: Vec::new(),
            generator: Generator::default(),
            target: None,
            thresholds: Vec::new(),
        }
    }

    fn all(report: &Report) -> Vec<Option<f64>> {
        let mut measures = figures(Downstream::Plain, false, 20_000)
            .iter()
            .flat_map(|figure| figure.measures)
            .copied()
            .collect::<Vec<_>>();
        measures.sort_by_key(|measure| measure.id());
        measures.dedup_by_key(|measure| measure.id());
        assert_eq!(measures.len(), 7);
        measures.into_iter().map(|measure| measure.read(report)).collect()
    }

    #[test]
    fn each_number_is_read_from_its_field() {
        let mut report = report();
        report.messages = Some(Messages { achieved_per_s: 1_234.5, received: 99, lost: 1, ..Messages::default() });
        report.latency = Some(Latency {
            what: String::new(),
            count: 10,
            min_ns: 1,
            mean_ns: 2.0,
            p50_ns: 92_300,
            p90_ns: 3,
            p99_ns: 4_000_000,
            p999_ns: 5,
            p9999_ns: 6,
            max_ns: 7,
            histogram: String::new(),
        });
        let use_of = TargetUse { cpu_us_each: Some(8.5), memory_bytes_each: Some(575.0), ..TargetUse::default() };
        report.target = Some(use_of);
        // Measures sorted by name: cpu, delivered, handshakes, memory, p50, p99, rate.
        let read = [8.5, 99.0, 1_234.5, 575.0, 92.3, 4_000.0, 1_234.5].map(Some);
        assert_eq!(all(&report), read);
    }

    #[test]
    fn an_odd_report_has_no_numbers_and_makes_no_panic() {
        assert!(all(&report()).iter().flatten().all(|number| *number == 0.0), "{:?}", all(&report()));
        let mut odd = report();
        odd.measured_ms = 0;
        odd.messages = Some(Messages { achieved_per_s: f64::NAN, ..Messages::default() });
        odd.target = Some(TargetUse { cpu_us_each: Some(f64::INFINITY), ..TargetUse::default() });
        assert_eq!(all(&odd), [None; 7]);
    }

    #[test]
    fn what_a_reader_has_to_know_is_noted() {
        assert!(notes(&report()).is_empty());
        let mut odd = report();
        odd.verdict.outcome = Outcome::Void;
        odd.verdict.reasons = vec!["it fell behind; give it CPUs".to_owned()];
        odd.messages =
            Some(Messages { offered_per_s: Some(1_000.0), achieved_per_s: 812.0, lost: 3, ..Messages::default() });
        odd.connections = Connections { failed: 1_200, lost: 2, ..Connections::default() };
        let noted = [
            "void: it fell behind",
            "too slow: 812 of 1000 messages/s",
            "3 messages lost",
            "1,200 connections not opened",
            "2 connections lost",
        ];
        assert_eq!(notes(&odd), noted);
    }

    #[test]
    fn figures_are_named_once_and_fit_the_files_that_may_be_open() {
        let all = figures(Downstream::Plain, false, 20_000);
        let mut ids: Vec<_> = all.iter().map(|figure| figure.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
        let held = |files| {
            figures(Downstream::Plain, false, files).iter().find_map(|figure| match figure.load {
                Load::Storm { held, .. } if held > 0 => Some(held),
                _ => None,
            })
        };
        assert_eq!(held(20_000), Some(9_000));
        assert_eq!(held(4_096), Some(1_548));
        assert_eq!(held(0), Some(1));
        assert_eq!(
            figures(Downstream::Plain, true, 20_000)[0].title,
            "Echo of 64 B, 100 connections, one message in flight on each"
        );
    }

    #[test]
    fn with_tls_nothing_else_is_offered_and_sessions_are_taken_up_in_one_figure_alone() {
        let all = figures(Downstream::Tls, false, 20_000);
        assert!(all.iter().all(|figure| !figure.load.fans_out()));
        let line = |figure: &Figure| figure.load.arguments(Downstream::Tls, Duration::from_secs(1)).join(" ");
        let offered = "--tls-suite TLS_AES_128_GCM_SHA256 --tls-group X25519 --tls-resume";
        assert!(all.iter().all(|figure| line(figure).contains(offered)));
        let resumed: Vec<_> = all.iter().filter(|figure| line(figure).ends_with("resume on")).collect();
        assert_eq!(resumed.iter().map(|figure| figure.id).collect::<Vec<_>>(), ["handshake-resumed"]);
    }

    #[test]
    fn the_generators_command_line_is_as_it_reads_it() {
        let line = |id: &str| {
            let all = figures(Downstream::Plain, false, 20_000);
            let figure = all.iter().find(|figure| figure.id == id).expect("it is planned");
            figure.load.arguments(Downstream::Plain, Duration::from_millis(1_500)).join(" ")
        };
        let echo = "echo --connections 1000 --rate 20000 --size 64 --warmup 500ms --duration 1500ms";
        assert_eq!(line("rate-20000"), echo);
        assert_eq!(line("handshake-held"), "storm --closed 1 --close reset --hold 9000 --duration 1500ms");
    }
}
