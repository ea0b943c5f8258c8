//! A figure's table, as stored in `runs.json`: a row for each peer, a cell for each measure. Pure.

use serde::{Deserialize, Serialize};

use super::plan::Better;

/// The peer with which the others are compared.
pub const OURS: &str = "ringway";

/// The numbers of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The figure.
    pub figure: String,
    /// The figure's heading.
    pub title: String,
    /// The measures of a row's cells, in order.
    pub measures: Vec<MeasureRecord>,
    /// One row for each peer.
    pub rows: Vec<Row>,
    /// One entry for each program that was measured with several settings.
    #[serde(default)]
    pub best: Vec<Best>,
}

/// A number that was read from each run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureRecord {
    /// The measure's name in this file.
    pub id: String,
    /// The name for readers.
    pub title: String,
    /// The unit of the numbers.
    pub unit: String,
    /// The direction in which the numbers are better.
    pub better: Better,
}

/// The best results of a program over its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The name for readers.
    pub title: String,
    /// One ratio for each measure: Ringway divided by the best of the program's settings, within each round.
    pub ratios: Vec<Option<Spread>>,
    /// `true` if a run behind the ratios is not reliable.
    pub doubtful: bool,
}

/// The numbers of a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The peer.
    pub peer: String,
    /// The name for readers.
    pub title: String,
    /// One cell for each measure; `None` where there is no number.
    pub cells: Vec<Option<Cell>>,
    /// `true` if one of the runs was void or failed, so that the numbers are not reliable.
    pub doubtful: bool,
    /// Notes that a reader must know about the numbers, or the reason why there are none.
    pub notes: Vec<String>,
}

/// A number over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The measured number.
    pub value: Spread,
    /// Ringway divided by this peer; `None` for Ringway itself, and where one of the two has no number.
    pub ratio: Option<Spread>,
}

/// The median of several numbers, and their range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The smallest number.
    pub min: f64,
    /// The largest number.
    pub max: f64,
    /// The count of numbers.
    pub rounds: usize,
}

impl Spread {
    /// The spread of the finite ones among `numbers`; `None` if there are none.
    pub fn of(numbers: &[f64]) -> Option<Spread> {
        let mut sorted: Vec<f64> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (*sorted.get((sorted.len() - 1) / 2)?, *sorted.get(sorted.len() / 2)?);
        Some(Spread { median: low / 2.0 + high / 2.0, min, max, rounds: sorted.len() })
    }
}

/// A program's name: the part of a peer's name before the settings.
pub(super) fn program(peer: &str) -> &str {
    peer.split('-').next().unwrap_or(peer)
}
