//! Notes on a run's numbers, for readers of the report.

use super::thousands;
use crate::report::model::{Outcome, Report};

/// A peer below this share of the requested rate is called too slow.
const KEPT_UP: f64 = 0.98;

/// Notes that a reader must know about a run's numbers; empty if there are none.
pub fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let reasons: Vec<_> = report.verdict.reasons.iter().map(|reason| clause(reason)).collect();
    match (report.verdict.outcome, reasons.is_empty()) {
        (Outcome::Valid, _) => {}
        (Outcome::Void, true) => notes.push("void: the generator was the limit".to_owned()),
        (Outcome::Void, false) => notes.push(format!("void: {}", reasons.join("; "))),
        (Outcome::Failed, true) => notes.push("failed".to_owned()),
        (Outcome::Failed, false) => notes.push(format!("failed: {}", reasons.join("; "))),
    }
    if report.verdict.interrupted {
        notes.push("cut short".to_owned());
    }
    if let Some(messages) = &report.messages {
        if let Some(offered) = messages.offered_per_s.filter(|offered| messages.achieved_per_s < offered * KEPT_UP) {
            notes.push(format!("too slow: {:.0} of {offered:.0} messages/s", messages.achieved_per_s));
        }
        // The reasons of a failed run already mention lost messages.
        if messages.lost > 0 && (report.verdict.outcome != Outcome::Failed || reasons.is_empty()) {
            notes.push(format!("{} messages lost", thousands(messages.lost)));
        }
    }
    if report.connections.failed > 0 {
        notes.push(format!("{} connections not opened", thousands(report.connections.failed)));
    }
    if report.connections.lost > 0 {
        notes.push(format!("{} connections lost", thousands(report.connections.lost)));
    }
    notes
}

/// A reason without the advice after it, which is for users who run the generator by hand.
fn clause(reason: &str) -> &str {
    reason.split_once("; ").map_or(reason, |(clause, _)| clause)
}
