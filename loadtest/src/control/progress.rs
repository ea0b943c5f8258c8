//! Progress for the user: a changing line on a terminal, plain lines otherwise. Progress goes to standard error,
//! because standard output is for the result.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ringway::engine::Time;

use super::Job;
use super::totals::Totals;
use crate::record::Window;
use crate::report::figures;

/// A run of at most this length prints a plain line every second; a longer one, every ten seconds.
const SHORT: Duration = Duration::from_secs(30);

pub(super) struct Progress {
    way: Way,
    window: Option<Window>,
    every: u64,
    shown: u64,
    /// Shards report one after another; a second is complete only when all have reported.
    shards: usize,
    updates: usize,
    /// The second of the window that is being reported, from 1.
    pending: u64,
    /// The last second that was shown. The updates after it, while answers are awaited and connections close, add nothing.
    second: u64,
}

enum Way {
    /// The user turned progress off.
    Off,
    Lines,
    Bar(ProgressBar),
}

impl Progress {
    pub(super) fn new(job: &Job) -> Self {
        let way = if !job.progress {
            Way::Off
        } else if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(250));
            Way::Bar(bar)
        } else {
            Way::Lines
        };
        Self {
            way,
            window: None,
            every: if job.duration <= SHORT { 1 } else { 10 },
            shown: 0,
            shards: job.cpus.len().max(1),
            updates: 0,
            pending: 0,
            second: 0,
        }
    }

    /// Shows the current phase.
    pub(super) fn say(&self, what: &str) {
        match &self.way {
            Way::Off => {}
            Way::Lines => line(what),
            Way::Bar(bar) => bar.set_message(what.to_owned()),
        }
    }

    /// Notes that the window has opened.
    pub(super) fn measure(&mut self, window: Window) {
        self.window = Some(window);
        self.say("measuring");
    }

    /// Shows the progress of the run, after an update that ends at `until`.
    pub(super) fn show(&mut self, totals: &Totals, until: Time) {
        let text = match self.window {
            None => {
                self.updates += 1;
                if !self.updates.is_multiple_of(self.shards) {
                    return;
                }
                let open = totals.counts.opened.saturating_sub(totals.counts.ended);
                format!("{} connections open, {} failed", open, totals.counts.failed)
            }
            Some(window) => {
                let Some(second) = whole_second(window, until).filter(|second| *second > self.second) else { return };
                self.updates = if second == self.pending { self.updates + 1 } else { 1 };
                self.pending = second;
                if self.updates < self.shards {
                    return;
                }
                self.second = second;
                measured(totals, window, second)
            }
        };
        match &self.way {
            Way::Off => {}
            Way::Bar(bar) => bar.set_message(text),
            Way::Lines => {
                if self.shown.is_multiple_of(self.every) {
                    line(&text);
                }
                self.shown += 1;
            }
        }
    }

    pub(super) fn finish(&self) {
        if let Way::Bar(bar) = &self.way {
            bar.finish_and_clear();
        }
    }
}

fn line(text: &str) {
    // There may be no reader.
    let _ = writeln!(io::stderr(), "{text}");
}

/// The number of the window's whole second that ends with an update, from 1. An update comes a little after its second.
fn whole_second(window: Window, until: Time) -> Option<u64> {
    let length = window.until.since(window.from).as_secs();
    let second = until.since(window.from).saturating_add(Duration::from_millis(500)).as_secs();
    (until >= window.from && (1..=length).contains(&second)).then_some(second)
}

/// A line on the seconds so far: the rate of the last one, and the latency of all, which becomes that of the report.
fn measured(totals: &Totals, window: Window, second: u64) -> String {
    let left = window.until.since(window.from).saturating_sub(Duration::from_secs(second));
    let errors: u64 = totals.errors.values().sum();
    let rate = totals.seconds.last().map_or(0, |second| second.counts.received);
    let quantile = |name: &str, quantile, least| {
        let known = totals.latency.len() >= least;
        known.then(|| format!(", {name} so far {}", figures::time(float(totals.latency.value_at_quantile(quantile)))))
    };
    let latency: String = [quantile("p50", 0.5, figures::LEAST_FOR_P50), quantile("p99", 0.99, figures::LEAST_FOR_P99)]
        .into_iter()
        .flatten()
        .collect();
    format!("{rate}/s{latency}, {} connections, {errors} errors, {} s left", totals.open(), left.as_secs_f64().round())
}

#[expect(clippy::cast_precision_loss, reason = "an hour in nanoseconds is below 2^52")]
fn float(nanos: u64) -> f64 {
    nanos as f64
}

#[cfg(test)]
mod tests {
    use super::{Time, Totals, Window, measured, whole_second};

    #[test]
    fn each_second_of_the_window_is_one_and_what_comes_after_it_is_none_e3() {
        let at = Time::from_millis;
        let window = Window { from: at(10_000), until: at(13_000) };
        let seconds = [9_999, 10_002, 11_001, 11_400, 12_003, 13_000, 13_040, 13_600, 15_000];
        let shown: Vec<_> = seconds.into_iter().filter_map(|until| whole_second(window, at(until))).collect();
        assert_eq!(shown, [1, 1, 2, 3, 3]);
        let short = Window { from: at(0), until: at(1_500) };
        assert_eq!([900, 1_500, 2_000].map(|until| whole_second(short, at(until))), [Some(1), None, None]);
    }

    #[test]
    fn the_latency_shown_is_that_of_all_seconds_as_in_the_table_e3() {
        let mut totals = Totals::new();
        let window = Window { from: Time::from_millis(0), until: Time::from_millis(3_000) };
        for value in 1..=99 {
            totals.latency.record(value * 10_000).unwrap();
        }
        assert_eq!(measured(&totals, window, 2), "0/s, p50 so far 500us, 0 connections, 0 errors, 1 s left");
        totals.latency.record(50_000_000).unwrap();
        let line = measured(&totals, window, 3);
        assert!(line.contains("p99 so far 990us") && line.ends_with(", 0 s left"), "{line}");
    }
}
