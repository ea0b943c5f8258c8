//! Sample reports for tests, without a run.

use hdrhistogram::Histogram;

use super::histogram::latency;
use super::model::{
    Connections, ErrorCount, FORMAT, Generator, Latency, Machine, Messages, Outcome, Report, Scenario, Second, Setting,
    TargetUse, ThresholdResult, Verdict,
};

/// A minute of echo at 20,000 messages per second, with a stall near its end.
#[must_use]
pub fn echo() -> Report {
    let series: Vec<Second> = (1..=60_u64).map(second).collect();
    let setting = |name: &str, value: &str| Setting { name: name.to_owned(), value: value.to_owned() };
    Report {
        format: FORMAT,
        tool: "ringway-load 0.1.0".to_owned(),
        scenario: Scenario::Echo,
        measured_at: "2026-11-22T08:15:30Z".to_owned(),
        settings: vec![
            setting("url", "ws://127.0.0.1:8080/chat?room=<b>1</b>&x=\"2\""),
            setting("connections", "1000"),
            setting("rate", "20000/s"),
            setting("message-bytes", "128"),
            setting("duration", "60s"),
            setting("warmup", "5s"),
            setting("header", "Authorization: [redacted]"),
            setting("fail-if", "p99>5ms"),
        ],
        machine: Machine {
            kernel: "Linux 6.18.44".to_owned(),
            cpu: "AMD EPYC 9B14".to_owned(),
            cpus: 4,
            memory_bytes: 16 << 30,
        },
        verdict: Verdict {
            outcome: Outcome::Valid,
            reasons: Vec::new(),
            notes: vec!["the server sent 12 messages of its own".to_owned()],
            interrupted: false,
        },
        warmup_ms: 5000,
        measured_ms: 60_000,
        connections: Connections { asked: 1000, opened: 998, failed: 2, lost: 1, open_at_end: 997 },
        messages: Some(Messages {
            offered_per_s: Some(20_000.0),
            achieved_per_s: 19_983.4,
            due: 1_200_000,
            sent: 1_199_412,
            late: 37,
            unsent: 588,
            received: 1_199_004,
            lost: 408,
            duplicates: 0,
            out_of_order: 0,
            mismatched: 0,
            other_form: 0,
            unexpected: 12,
            bytes_sent: 153_524_736,
            bytes_received: 153_472_512,
        }),
        latency: times("round trip, from the intended send time", 1_199_004, 92_000),
        tls: Vec::new(),
        handshake: times("handshake, from the time it was due to its 101", 998, 640_000),
        errors: vec![error("handshake", "status 503", 2), error("connection", "closed with 1001", 1)],
        series,
        generator: Generator { cpus: vec![2, 3], cpu_seconds: 71.4, busy_share: 0.64, polls: false },
        target: Some(TargetUse {
            pid: 4711,
            cpu_seconds: 48.2,
            utilization: 0.803,
            busiest_thread: 0.803,
            cpu_us_each: Some(40.2),
            memory_before_bytes: 6 << 20,
            memory_half_bytes: 11 << 20,
            memory_end_bytes: 12 << 20,
            memory_bytes_each: None,
        }),
        thresholds: vec![threshold("p99>5ms", "1.21ms", false), threshold("lost>0", "408", true)],
    }
}

/// A failed run of idle connections: no messages, no latency, many kinds of errors.
#[must_use]
pub fn hold_failed() -> Report {
    let mut report = echo();
    report.scenario = Scenario::Hold;
    report.messages = None;
    report.latency = None;
    report.verdict = Verdict {
        outcome: Outcome::Failed,
        reasons: vec![
            "14,211 of 100,000 connections were not opened".to_owned(),
            "31 connections were lost".to_owned(),
        ],
        notes: Vec::new(),
        interrupted: true,
    };
    report.connections = Connections { asked: 100_000, opened: 85_789, failed: 14_211, lost: 31, open_at_end: 85_758 };
    report.errors =
        (0..27_u16).map(|kind| error("handshake", &format!("status {}", 400 + kind), 1000 - u64::from(kind))).collect();
    for second in &mut report.series {
        (second.p50_ns, second.p99_ns, second.max_ns, second.sent, second.received) = (0, 0, 0, 0, 0);
    }
    report
}

/// The smallest possible report: a run that was interrupted before anything arrived.
#[must_use]
pub fn small() -> Report {
    Report {
        verdict: Verdict {
            outcome: Outcome::Void,
            reasons: vec!["nothing was measured".to_owned()],
            notes: Vec::new(),
            interrupted: true,
        },
        settings: Vec::new(),
        machine: Machine::default(),
        warmup_ms: 0,
        measured_ms: 0,
        connections: Connections::default(),
        messages: None,
        latency: None,
        handshake: None,
        tls: Vec::new(),
        errors: Vec::new(),
        series: Vec::new(),
        generator: Generator::default(),
        target: None,
        thresholds: Vec::new(),
        ..echo()
    }
}

/// A latency of `count` values around `median_ns`, with a long tail.
#[must_use]
pub fn times(what: &str, count: u64, median_ns: u64) -> Option<Latency> {
    let mut histogram = Histogram::new(3).ok()?;
    let (mut left, mut value) = (count, median_ns / 2);
    while left > 0 {
        // Each step of 12% takes a sixth of the rest: half of the values are below twice the first, a thousandth is far
        // above.
        let here = (left / 6).max(1);
        histogram.record_n(value, here).ok()?;
        left -= here;
        value += value / 8 + 1;
    }
    latency(what, &histogram)
}

fn second(number: u64) -> Second {
    // Some variation that is the same in every run of the tests.
    let wobble = (number * number * 7919) % 97;
    let stalled = matches!(number, 47 | 48);
    Second {
        until_ms: number * 1000,
        sent: 20_000,
        received: if stalled { 12_400 } else { 19_940 + wobble },
        connections: if number < 30 { 998 } else { 997 },
        errors: u64::from(number == 30),
        p50_ns: if stalled { 1_900_000 } else { 90_000 + wobble * 120 },
        p99_ns: if stalled { 38_000_000 } else { 310_000 + wobble * 2900 },
        max_ns: if stalled { 71_000_000 } else { 1_100_000 + wobble * 41_000 },
    }
}

fn error(during: &str, reason: &str, count: u64) -> ErrorCount {
    ErrorCount { during: during.to_owned(), reason: reason.to_owned(), count }
}

fn threshold(expression: &str, measured: &str, failed: bool) -> ThresholdResult {
    ThresholdResult { expression: expression.to_owned(), measured: measured.to_owned(), failed }
}
