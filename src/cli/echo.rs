//! `ringway echo`: an upstream that sends every message back.

use std::process::ExitCode;

use super::Failure;
use super::serve::{self, ServeArgs, Sides};
use crate::proxy::settings::Serve;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    serve: ServeArgs,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let sides = Sides { serve: Serve::Echo, question: None, upstream_tls: None };
    serve::run(&args.serve, sides, Vec::new(), 1, "echo: every message comes back")
}
