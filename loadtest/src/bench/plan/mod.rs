//! The figures of a benchmark as data: for each, the command line of the generator, and where its report holds the
//! numbers. Changes when a figure is added or measured differently.

mod measure;
mod notes;
mod title;

use std::time::Duration;

use super::downstream::{Downstream, GROUP, SUITE, Sessions};

pub use measure::{Better, Measure};
pub use notes::notes;
pub(super) use title::thousands;

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
        /// The TLS sessions of the connections, if there is TLS.
        sessions: Sessions,
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

/// The size of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All connections.
    Whole,
    /// A tenth of the connections: shows that everything works, and measures nothing.
    Quick,
}

/// The time at which the next message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// After the last message returned: as fast as the proxy can.
    Closed,
    /// At this rate per second over all connections, whatever the proxy does.
    Rate(u64),
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
/// `files` is the number of files that a process may have open: both the proxy and the generator, which also runs the
/// upstream, need two files per connection.
///
/// With TLS, no peer that fans out is included, and handshakes are measured both full and resumed.
pub fn figures(downstream: Downstream, extent: Extent, files: u64) -> Vec<Figure> {
    let most = (files.saturating_sub(SPARE_FILES) / 2).max(1);
    let some = |connections: u64| match extent {
        Extent::Whole => connections.min(most),
        Extent::Quick => (connections / 10).min(most),
    };
    let echo = |connections, pace, size| Load::Echo { connections: some(connections), pace, size };
    let fanout = |rate| Load::Fanout { subscribers: some(5_000), rate, size: 64 };
    let storm = |held, sessions| Load::Storm { held, sessions };
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
            ("handshake", storm(0, Sessions::New), STORM),
            ("handshake-held", storm(some(9_000), Sessions::New), STORM),
            ("fanout-20", fanout(20), FANOUT),
            ("fanout-200", fanout(200), FANOUT),
        ]
        .to_vec(),
        Downstream::Tls => [
            ("handshake-full", storm(0, Sessions::New), STORM),
            ("handshake-resumed", storm(0, Sessions::Resumed), STORM),
        ]
        .to_vec(),
    });
    let figure = |(id, load, measures)| Figure { id, title: title::of(load, downstream), load, measures };
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

    /// The TLS sessions of the connections.
    pub fn sessions(self) -> Sessions {
        match self {
            Load::Storm { sessions, .. } => sessions,
            Load::Echo { .. } | Load::Hold { .. } | Load::Fanout { .. } => Sessions::New,
        }
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
            add("--tls-resume", if self.sessions() == Sessions::Resumed { "on" } else { "off" }.to_owned());
        }
        words.insert(0, scenario.to_owned());
        words
    }
}

#[cfg(test)]
mod tests;
