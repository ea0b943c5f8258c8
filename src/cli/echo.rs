//! `ringway echo`: an upstream that sends every message back.

use std::process::ExitCode;

use super::Failure;
use super::single_target::{self, SingleTargetArgs};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    serve: SingleTargetArgs,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    single_target::run(args.serve.options()?)
}
