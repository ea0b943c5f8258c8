//! Progress for the user: a changing line on a terminal, plain lines otherwise. Progress goes to standard error,
//! because standard output is for the result.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ringway::engine::Time;

use super::Job;
use super::totals::Totals;
use crate::record::Window;

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

    /// Shows the progress of the run.
    pub(super) fn show(&mut self, totals: &Totals) {
        self.updates += 1;
        // After the window there is nothing more to show.
        let over =
            self.window.is_some_and(|window| Time::of_the_clock() > window.until.after(Duration::from_millis(500)));
        if !self.updates.is_multiple_of(self.shards) || over {
            return;
        }
        let text = match self.window {
            None => format!(
                "{} connections open, {} failed",
                totals.counts.opened.saturating_sub(totals.counts.ended),
                totals.counts.failed
            ),
            Some(window) => self.measured(totals, window),
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

    fn measured(&self, totals: &Totals, window: Window) -> String {
        let left = window.until.since(Time::of_the_clock());
        let errors: u64 = totals.errors.values().sum();
        let (rate, latency) = totals.seconds.last().map_or((0, None), |second| {
            (second.counts.received, (!second.latency.is_empty()).then_some(&second.latency))
        });
        let latency = latency.map_or_else(String::new, |latency| {
            format!(", p50 {}, p99 {}", micros(latency.quantile(0.5)), micros(latency.quantile(0.99)))
        });
        format!(
            "{rate}/s{latency}, {} connections, {errors} errors, {} s left",
            totals.open(),
            left.as_secs_f64().round()
        )
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

fn micros(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{} us", nanos / 1000),
        _ => format!("{}.{} ms", nanos / 1_000_000, nanos / 100_000 % 10),
    }
}
