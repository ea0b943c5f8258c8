//! The end of a run: shows and writes the report, and derives the exit code.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use super::common::Common;
use crate::control::Outcome;
use crate::failure::Failure;
use crate::report::model::Outcome as Word;
use crate::report::{file, hlog, html, json, text};

/// The exit code of a run that missed a threshold.
const THRESHOLD_MISSED: u8 = 99;

/// Shows and writes the report.
///
/// Exit codes: 99 if a threshold was missed, 1 if the run is void or failed or was cut short, else 0.
///
/// # Errors
/// Fails if a file cannot be written. The other files are still written.
pub(super) fn finish(common: &Common, outcome: &Outcome) -> Result<ExitCode, Failure> {
    let report = &outcome.report;
    let mut result = Ok(());
    if let Some(path) = &common.json {
        result = result.and(json::write(report, path));
    }
    if let Some(path) = &common.hlog {
        result = result.and(hlog::write(path, outcome.started, &outcome.intervals));
    }
    if let Some(path) = &common.html {
        let page = html::render(report).and_then(|page| file::write(path, page.as_bytes()));
        result = result.and(page);
    }
    // Standard output carries only the requested file, if one was requested there.
    let taken = [&common.json, &common.hlog, &common.html].into_iter().flatten().any(|path| path == Path::new("-"));
    if !taken {
        let coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let look = if coloured { text::Look::Coloured } else { text::Look::Plain };
        // There may be no reader.
        let _ = write!(io::stdout(), "{}", text::render(report, look));
    }
    result.map_err(Failure::Failed)?;
    Ok(if report.thresholds.iter().any(|threshold| threshold.failed) {
        ExitCode::from(THRESHOLD_MISSED)
    } else if report.verdict.outcome == Word::Valid && !report.verdict.interrupted {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
