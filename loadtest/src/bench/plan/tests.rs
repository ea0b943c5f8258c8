//! Figures, the generator's command lines, and the numbers that are read.

use std::time::Duration;

use super::{Extent, Figure, Load, figures, notes};
use crate::bench::downstream::Downstream;
use crate::report::model::{
    Connections, ErrorCount, FORMAT, Generator, Latency, Machine, Messages, Outcome, Report, Scenario, TargetUse,
    Verdict,
};

fn report() -> Report {
    Report {
        format: FORMAT,
        tool: "ringway-load 0.1.0".to_owned(),
        scenario: Scenario::Echo,
        measured_at: String::new(),
        settings: Vec::new(),
        machine: Machine::default(),
        verdict: Verdict { outcome: Outcome::Valid, reasons: Vec::new(), notes: Vec::new(), interrupted: false },
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
    let mut measures = figures(Downstream::Plain, Extent::Whole, 20_000)
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
    let all = figures(Downstream::Plain, Extent::Whole, 20_000);
    let mut ids: Vec<_> = all.iter().map(|figure| figure.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len());
    let held = |files| {
        figures(Downstream::Plain, Extent::Whole, files).iter().find_map(|figure| match figure.load {
            Load::Storm { held, .. } if held > 0 => Some(held),
            _ => None,
        })
    };
    assert_eq!(held(20_000), Some(9_000));
    assert_eq!(held(4_096), Some(1_548));
    assert_eq!(held(0), Some(1));
    assert_eq!(
        figures(Downstream::Plain, Extent::Quick, 20_000)[0].title,
        "Echo of 64 B, 100 connections, one message in flight on each"
    );
}

#[test]
fn with_tls_nothing_else_is_offered_and_sessions_are_taken_up_in_one_figure_alone() {
    let all = figures(Downstream::Tls, Extent::Whole, 20_000);
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
        let all = figures(Downstream::Plain, Extent::Whole, 20_000);
        let figure = all.iter().find(|figure| figure.id == id).expect("it is planned");
        figure.load.arguments(Downstream::Plain, Duration::from_millis(1_500)).join(" ")
    };
    let echo = "echo --connections 1000 --rate 20000 --size 64 --warmup 500ms --duration 1500ms";
    assert_eq!(line("rate-20000"), echo);
    assert_eq!(line("handshake-held"), "storm --closed 1 --close reset --hold 9000 --duration 1500ms");
}
