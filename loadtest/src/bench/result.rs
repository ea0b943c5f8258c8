//! The results of a benchmark, as stored in `runs.json`. Changes when other data must be stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::downstream::Downstream;
use super::peer;
use super::plan::{self, Figure};
use super::table::{MeasureRecord, Table};
use crate::report::model::{Machine, Outcome, Report};

/// The version of the format of `runs.json`.
pub const FORMAT: u32 = 1;

/// The results of a whole benchmark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: u32,
    /// The program and its version.
    pub tool: String,
    /// The time of the first run's start, as `2026-11-22T08:15:30Z`; empty if there was no run.
    pub measured_at: String,
    /// The machine.
    pub machine: Machine,
    /// The conditions of the measurement.
    pub how: How,
    /// The peers.
    pub peers: Vec<PeerRecord>,
    /// The figures.
    pub figures: Vec<FigureRecord>,
    /// All runs, in the order in which they were made.
    pub runs: Vec<Run>,
    /// `true` if a signal ended the benchmark before all was measured.
    pub interrupted: bool,
    /// The tables computed from the runs.
    pub tables: Vec<Table>,
}

/// The conditions of the measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct How {
    /// The number of rounds of each figure.
    pub rounds: u32,
    /// The measured window of each run.
    pub duration_ms: u64,
    /// The CPU of the proxy.
    pub cpu: usize,
    /// The CPUs of the load.
    pub load_cpus: String,
    /// `true` for a quick check that everything works.
    pub quick: bool,
    /// The number of files that a process could have open.
    pub files: u64,
    /// The TLS parameters, in words; `None` without TLS.
    #[serde(default)]
    pub tls: Option<String>,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRecord {
    /// The peer's name in this file.
    pub id: String,
    /// The name for readers.
    pub title: String,
    /// The version; `None` if the program is missing or none is started.
    pub version: Option<String>,
    /// The missing program or module.
    pub missing: Option<String>,
    /// The reason why the peer was left out.
    #[serde(default)]
    pub left_out: Option<String>,
    /// The command that installs the peer.
    pub install: String,
    /// The command that starts the peer, with placeholders.
    pub command: String,
    /// The peer's configuration files, with placeholders.
    pub configs: Vec<Config>,
}

/// A configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The file's name.
    pub name: String,
    /// The file's content.
    pub text: String,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FigureRecord {
    /// The figure's name in this file.
    pub id: String,
    /// The figure's heading.
    pub title: String,
    /// The generator's scenario and options.
    pub arguments: Vec<String>,
    /// The numbers that were read from each run.
    pub measures: Vec<MeasureRecord>,
    /// The included peers, in the report's order.
    pub takes_part: Vec<String>,
    /// Peers with a reason in place of numbers.
    pub instead: BTreeMap<String, String>,
}

/// One run of the generator, or a failed attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The figure.
    pub figure: String,
    /// The peer.
    pub peer: String,
    /// The round, from 1.
    pub round: u32,
    /// The numbers, by measure.
    pub values: BTreeMap<String, f64>,
    /// Notes that a reader must know about the numbers.
    pub notes: Vec<String>,
    /// `true` if the run measured something other than intended, which the generator cannot know.
    #[serde(default)]
    pub void: bool,
    /// The reason why there is no report.
    pub failure: Option<String>,
    /// The generator's report, without the histograms.
    pub report: Option<Report>,
}

impl Run {
    /// Creates a run that gave a report.
    pub fn measured(figure: &Figure, downstream: Downstream, peer: &str, round: u32, mut report: Report) -> Run {
        lighten(&mut report);
        let broken = downstream.broken_terms(figure.load.sessions(), &report);
        let mut notes = if is_ceiling(peer, &report) { Vec::new() } else { plan::notes(&report) };
        notes.extend(broken.as_ref().map(|why| format!("void: {why}")));
        let values =
            figure.measures.iter().filter_map(|measure| Some((measure.id().to_owned(), measure.read(&report)?)));
        Run {
            figure: figure.id.to_owned(),
            peer: peer.to_owned(),
            round,
            values: values.collect(),
            notes,
            void: broken.is_some(),
            failure: None,
            report: Some(report),
        }
    }

    /// Creates a run that gave no report.
    pub fn failed(figure: &Figure, peer: &str, round: u32, why: String) -> Run {
        Run {
            figure: figure.id.to_owned(),
            peer: peer.to_owned(),
            round,
            values: BTreeMap::new(),
            notes: Vec::new(),
            void: false,
            failure: Some(why),
            report: None,
        }
    }

    /// Returns `true` if the run's numbers are not reliable, by the generator's verdict or by the benchmark's own.
    pub fn is_doubtful(&self) -> bool {
        let valid = |report: &Report| report.verdict.outcome == Outcome::Valid || is_ceiling(&self.peer, report);
        self.void || self.report.as_ref().is_some_and(|report| !valid(report))
    }
}

/// Returns `true` if a run measures the generator's own limit: there is no proxy and no fixed rate.
fn is_ceiling(peer: &str, report: &Report) -> bool {
    let rated = report.messages.as_ref().is_some_and(|messages| messages.offered_per_s.is_some());
    peer == peer::DIRECT && report.verdict.outcome == Outcome::Void && !rated
}

/// Removes the histograms, which would be most of the file, and the path of the run's own report, which says nothing.
fn lighten(report: &mut Report) {
    for latency in report.latency.iter_mut().chain(report.handshake.iter_mut()) {
        latency.histogram.clear();
    }
    report.settings.retain(|setting| setting.name != "json");
}

impl From<&Figure> for FigureRecord {
    fn from(figure: &Figure) -> FigureRecord {
        let measures = figure.measures.iter().map(|measure| MeasureRecord {
            id: measure.id().to_owned(),
            title: measure.title(),
            unit: measure.unit().to_owned(),
            better: measure.better(),
        });
        FigureRecord {
            id: figure.id.to_owned(),
            title: figure.title.clone(),
            arguments: Vec::new(),
            measures: measures.collect(),
            takes_part: Vec::new(),
            instead: BTreeMap::new(),
        }
    }
}
