//! A figure's table, as `runs.json` keeps it: a row for each peer, a cell for each measure. Pure.

use serde::{Deserialize, Serialize};

use super::plan::Better;

/// Whom the others are compared with.
pub const OURS: &str = "ringway";

/// A figure's numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The figure.
    pub figure: String,
    /// Its heading.
    pub title: String,
    /// What the cells of a row are, in their order.
    pub measures: Vec<MeasureRecord>,
    /// A peer each.
    pub rows: Vec<Row>,
    /// A program each that was measured with several settings.
    #[serde(default)]
    pub best: Vec<Best>,
}

/// What was read from each run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureRecord {
    /// Its name in this file.
    pub id: String,
    /// What a reader calls it.
    pub title: String,
    /// Its unit.
    pub unit: String,
    /// Which way it is good.
    pub better: Better,
}

/// A program at the best that its settings gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// What a reader calls it.
    pub title: String,
    /// One a measure: Ringway divided by the best of its settings, within each round.
    pub ratios: Vec<Option<Spread>>,
    /// Whether a run behind them is not to be trusted.
    pub doubtful: bool,
}

/// A peer's numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The peer.
    pub peer: String,
    /// What a reader calls it.
    pub title: String,
    /// One a measure; `None` where there is no number.
    pub cells: Vec<Option<Cell>>,
    /// Whether one of the runs was void or failed, so that the numbers are not to be trusted.
    pub doubtful: bool,
    /// What has to be known beside the numbers, or why there are none.
    pub notes: Vec<String>,
}

/// A number over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What was measured.
    pub value: Spread,
    /// Ringway divided by this peer; `None` for Ringway itself and where one of the two has no number.
    pub ratio: Option<Spread>,
}

/// The middle of several numbers, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// How many there were.
    pub rounds: usize,
}

impl Spread {
    /// Of the numbers among them that are finite; `None` if there are none.
    pub fn of(numbers: &[f64]) -> Option<Spread> {
        let mut sorted: Vec<f64> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (*sorted.get((sorted.len() - 1) / 2)?, *sorted.get(sorted.len() / 2)?);
        Some(Spread { median: low / 2.0 + high / 2.0, min, max, rounds: sorted.len() })
    }
}

/// A program's name: what stands before the settings in a peer's.
pub(super) fn program(peer: &str) -> &str {
    peer.split('-').next().unwrap_or(peer)
}
