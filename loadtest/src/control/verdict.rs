//! Builds the report from the observations: the figures, and whether they are valid.

use std::time::{Duration, SystemTime};

use super::notes::{self, Lateness};
use super::totals::Totals;
use super::{Job, Outcome};
use crate::proc;
use crate::record::Window;
use crate::report::histogram;
use crate::report::hlog::Interval;
use crate::report::model::{
    Agreed, Connections, ErrorCount, FORMAT, Generator, Messages, Outcome as Word, Report, Scenario, Second, TargetUse,
    Verdict,
};
use crate::tls;

/// A generator that was busy for more than this share of the window was at its own limit.
const MAX_BUSY_SHARE: f64 = 0.95;
/// A target with a thread that used more than this share of a CPU was at its own limit.
const TARGET_AT_LIMIT: f64 = 0.9;

/// The observations of a run, before they are judged.
pub(super) struct Seen {
    pub(super) totals: Totals,
    pub(super) target: Option<TargetUse>,
    /// The reason why the target's process could not be read to the end.
    pub(super) target_lost: Option<String>,
    pub(super) window: Window,
    pub(super) started: SystemTime,
}

pub(super) fn report(job: &Job, seen: Seen, interrupted: bool) -> Outcome {
    let Seen { totals, mut target, target_lost, window, started } = seen;
    let totals = &totals;
    let length = window.until.since(window.from);
    let messages = (job.scenario != Scenario::Hold).then(|| messages(job, totals, length));
    if let Some(target) = &mut target {
        let count = if job.scenario == Scenario::Hold { 0 } else { totals.counts.received };
        target.cpu_us_each = (count > 0).then(|| target.cpu_seconds * 1e6 / float(count));
    }
    let generator = Generator {
        cpus: job.cpus.clone(),
        cpu_seconds: totals.own_cpu_seconds,
        busy_share: totals.busy_share(),
        polls: job.polls,
    };
    let mut report = Report {
        format: FORMAT,
        tool: format!("ringway-load {}", env!("CARGO_PKG_VERSION")),
        scenario: job.scenario,
        measured_at: humantime::format_rfc3339_seconds(started).to_string(),
        settings: job.settings.clone(),
        machine: proc::machine(),
        verdict: Verdict { outcome: Word::Valid, reasons: Vec::new(), notes: Vec::new(), interrupted },
        warmup_ms: millis(job.warmup),
        measured_ms: millis(length),
        connections: connections(job, totals),
        messages,
        latency: histogram::latency(job.timed, &totals.latency),
        handshake: histogram::latency("time to 101, from the time the connection was due", &totals.handshake),
        tls: tls(totals),
        errors: errors(totals),
        series: series(totals, length),
        generator,
        target,
        thresholds: Vec::new(),
    };
    let sends = matches!(job.scenario, Scenario::Echo | Scenario::Fanout);
    let form = sends.then(|| job.plan.format.form());
    report.verdict.notes = notes::notes(totals, form);
    judge(&mut report, totals, target_lost);
    report.thresholds = job.thresholds.iter().map(|threshold| threshold.judge(&report)).collect();
    let intervals = totals
        .seconds
        .iter()
        .zip(0..)
        .map(|(second, number)| Interval {
            start: Duration::from_secs(number),
            length: length.saturating_sub(Duration::from_secs(number)).min(Duration::from_secs(1)),
            histogram: second.latency.clone(),
        })
        .collect();
    Outcome { report, started, intervals }
}

fn messages(job: &Job, totals: &Totals, length: Duration) -> Messages {
    let counts = &totals.counts;
    // A fan-out's rate is the rate of publishing; any other scenario's rate is the rate of answers.
    let achieved = if job.scenario == Scenario::Fanout && job.rate.is_some() { counts.sent } else { counts.received };
    let seconds = length.as_secs_f64();
    Messages {
        offered_per_s: job.rate.map(crate::schedule::Rate::as_per_second),
        achieved_per_s: if seconds > 0.0 { float(achieved) / seconds } else { 0.0 },
        due: counts.due,
        sent: counts.sent,
        late: counts.late,
        unsent: counts.unsent,
        received: counts.received,
        lost: counts.lost,
        duplicates: counts.duplicates,
        out_of_order: counts.out_of_order,
        mismatched: counts.mismatched,
        other_form: counts.other_form,
        unexpected: counts.unexpected,
        bytes_sent: counts.bytes_sent,
        bytes_received: counts.bytes_received,
    }
}

fn connections(job: &Job, totals: &Totals) -> Connections {
    let counts = &totals.counts;
    let tried = counts.opened + counts.failed;
    Connections {
        asked: if job.scenario == Scenario::Storm { tried } else { job.connections },
        opened: counts.opened,
        failed: counts.failed,
        lost: counts.ended,
        open_at_end: totals.open_at_end,
    }
}

fn errors(totals: &Totals) -> Vec<ErrorCount> {
    let mut errors: Vec<ErrorCount> = totals
        .errors
        .iter()
        .map(|(trouble, count)| ErrorCount {
            during: trouble.during().to_owned(),
            reason: trouble.reason(),
            count: *count,
        })
        .collect();
    errors.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
    errors
}

fn tls(totals: &Totals) -> Vec<Agreed> {
    let agreed = totals.secured.iter().map(|(agreed, count)| Agreed {
        version: agreed.version.replace('_', "."),
        suite: tls::suite_name(agreed.suite),
        group: agreed.group.to_owned(),
        resumed: agreed.resumed,
        count: *count,
    });
    agreed.collect()
}

fn series(totals: &Totals, length: Duration) -> Vec<Second> {
    totals
        .seconds
        .iter()
        .zip(1_u64..)
        .map(|(second, number)| Second {
            until_ms: (number * 1000).min(millis(length)),
            sent: second.counts.sent,
            received: second.counts.received,
            connections: second.open,
            errors: second.errors,
            p50_ns: second.latency.quantile(0.5),
            p99_ns: second.latency.quantile(0.99),
            max_ns: second.latency.quantile(1.0),
        })
        .collect()
}

/// Decides whether the figures are those of the target, and whether anything failed.
fn judge(report: &mut Report, totals: &Totals, target_lost: Option<String>) {
    let mut void = Vec::new();
    let counts = &totals.counts;
    let things = if report.scenario == Scenario::Storm { "connections" } else { "messages" };
    match notes::lateness(counts.late, counts.due, things) {
        Lateness::Void(why) if report.messages.is_some() => void.push(why),
        Lateness::Noted(note) if report.messages.is_some() => report.verdict.notes.push(note),
        Lateness::Void(_) | Lateness::Noted(_) | Lateness::Harmless => {}
    }
    let offered = report.messages.as_ref().is_some_and(|messages| messages.offered_per_s.is_some());
    let target_at_limit = report.target.as_ref().is_some_and(|target| target.busiest_thread > TARGET_AT_LIMIT);
    let busy = report.generator.busy_share;
    let closed = report.messages.is_some() && !offered && report.scenario != Scenario::Fanout;
    if closed && busy > MAX_BUSY_SHARE && !target_at_limit {
        void.push(format!(
            "the generator was the limit: it was busy {:.0} % of the time, so the rate is its own and the target may be \
             capable of more; give it more CPUs (--cpus), or name the target's process (--pid) to show that it was busy too",
            busy * 100.0
        ));
    }
    if report.measured_ms == 0 {
        void.push("nothing was measured: the run was interrupted before the measurement".to_owned());
    }
    let mut failed = faults(report, totals);
    failed.extend(target_lost.map(|why| format!("the target's process could not be read to the end: {why}")));
    let verdict = &mut report.verdict;
    verdict.outcome = match (failed.is_empty(), void.is_empty()) {
        (false, _) => Word::Failed,
        (true, false) => Word::Void,
        (true, true) => Word::Valid,
    };
    verdict.reasons = failed.into_iter().chain(void).collect();
}

/// Faults that must not occur.
fn faults(report: &Report, totals: &Totals) -> Vec<String> {
    let mut faults: Vec<(u64, &str, &str)> = Vec::new();
    let connections = &report.connections;
    if matches!(report.scenario, Scenario::Echo | Scenario::Fanout) {
        faults.push((connections.failed, "connection could not be opened", "connections could not be opened"));
        faults.push((connections.lost, "connection was lost", "connections were lost"));
    }
    if let Some(messages) = &report.messages {
        faults.push((messages.unsent, "message could not be sent", "messages could not be sent"));
        faults.push((messages.lost, "message was lost", "messages were lost"));
        faults.push((messages.duplicates, "message came twice", "messages came twice"));
        faults.push((messages.out_of_order, "message came out of order", "messages came out of order"));
        faults.push((messages.mismatched, "message was not what was sent", "messages were not what was sent"));
        faults.push((
            messages.other_form,
            "answer came as text instead of binary, or the other way round",
            "answers came as text instead of binary, or the other way round",
        ));
    }
    let counted = faults.into_iter().filter(|(count, ..)| *count > 0);
    let mut told: Vec<String> =
        counted.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many })).collect();
    // An interrupted run may have no figures.
    let whole = report.measured_ms > 0 && !report.verdict.interrupted;
    if whole && totals.counts.received == 0 {
        match report.scenario {
            Scenario::Hold if totals.counts.sent > 0 => told.push("no ping was answered".to_owned()),
            Scenario::Hold => {}
            _ => told.push("nothing came back".to_owned()),
        }
    }
    told
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
