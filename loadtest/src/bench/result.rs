//! Everything that a benchmark measured, as `runs.json` keeps it. Changes when something else is to be kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::downstream::Downstream;
use super::peer;
use super::plan::{self, Figure};
use super::table::{MeasureRecord, Table};
use crate::report::model::{Machine, Outcome, Report};

/// The version of the format of `runs.json`.
pub const FORMAT: u32 = 1;

/// A whole benchmark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: u32,
    /// The program and its version.
    pub tool: String,
    /// When the first run began, as `2026-11-22T08:15:30Z`; empty if none did.
    pub measured_at: String,
    /// Where.
    pub machine: Machine,
    /// How.
    pub how: How,
    /// Who.
    pub peers: Vec<PeerRecord>,
    /// What.
    pub figures: Vec<FigureRecord>,
    /// Each run, in the order in which they were made.
    pub runs: Vec<Run>,
    /// Whether a signal ended it before all was measured.
    pub interrupted: bool,
    /// What the runs come to.
    pub tables: Vec<Table>,
}

/// How it was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct How {
    /// How often each figure was measured.
    pub rounds: u32,
    /// The measured window of each run.
    pub duration_ms: u64,
    /// The CPU of the proxy.
    pub cpu: usize,
    /// The CPUs of the load.
    pub load_cpus: String,
    /// Whether it was only a look at whether everything works.
    pub quick: bool,
    /// How many files a process could have open.
    pub files: u64,
    /// The terms of TLS, in words; `None` where there was none.
    #[serde(default)]
    pub tls: Option<String>,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRecord {
    /// Its name in this file.
    pub id: String,
    /// What a reader calls it.
    pub title: String,
    /// Its version; `None` if it is missing or nothing is started for it.
    pub version: Option<String>,
    /// What was not found of it.
    pub missing: Option<String>,
    /// Why it took no part.
    #[serde(default)]
    pub left_out: Option<String>,
    /// What installs it.
    pub install: String,
    /// How it is started, with placeholders.
    pub command: String,
    /// Its configuration, with placeholders.
    pub configs: Vec<Config>,
}

/// A configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FigureRecord {
    /// Its name in this file.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// The generator's scenario and options.
    pub arguments: Vec<String>,
    /// What was read from each run.
    pub measures: Vec<MeasureRecord>,
    /// The peers that take part, in the report's order.
    pub takes_part: Vec<String>,
    /// Peers with a reason in place of numbers.
    pub instead: BTreeMap<String, String>,
}

/// One run of the generator, or the attempt.
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
    /// What has to be known beside them.
    pub notes: Vec<String>,
    /// Whether it measured something else than was asked, which the generator cannot know.
    #[serde(default)]
    pub void: bool,
    /// Why there is no report.
    pub failure: Option<String>,
    /// What the generator reported, without the histograms.
    pub report: Option<Report>,
}

impl Run {
    /// A run that gave a report.
    pub fn measured(figure: &Figure, downstream: Downstream, peer: &str, round: u32, mut report: Report) -> Run {
        lighten(&mut report);
        let broken = downstream.broken_terms(figure.load.resumes(), &report);
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

    /// A run that gave none.
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

    /// Whether its numbers are not to be trusted, by the generator's own judgement or by ours.
    pub fn is_doubtful(&self) -> bool {
        let valid = |report: &Report| report.verdict.outcome == Outcome::Valid || is_ceiling(&self.peer, report);
        self.void || self.report.as_ref().is_some_and(|report| !valid(report))
    }
}

/// Whether a run shows what the generator reaches by itself: without a proxy, and without a rate, it is its own limit.
fn is_ceiling(peer: &str, report: &Report) -> bool {
    let rated = report.messages.as_ref().is_some_and(|messages| messages.offered_per_s.is_some());
    peer == peer::DIRECT && report.verdict.outcome == Outcome::Void && !rated
}

/// Histograms would be most of the file, and the path of the run's own report tells nothing.
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
