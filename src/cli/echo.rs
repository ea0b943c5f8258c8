//! `ringway echo`: an upstream that sends every message back.

use std::process::ExitCode;

use super::Failure;
use super::serve::{self, ServeArgs};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    serve: ServeArgs,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    serve::run(&args.serve, None, Vec::new(), 1, "echo: every message comes back")
}
