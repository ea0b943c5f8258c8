//! `ringway-load compare`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::report::{compare, json};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The report to compare with, as written by --json
    a: PathBuf,
    /// The report to compare
    b: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let read = |path| json::read(path).map_err(Failure::Configuration);
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    let text = compare::render(&a, &b).map_err(Failure::Configuration)?;
    // There may be no reader.
    let _ = write!(io::stdout(), "{text}");
    Ok(ExitCode::SUCCESS)
}
