//! `ringway echo`: an upstream that sends every message back.

use std::process::ExitCode;

use super::single_target::SingleTargetArgs;
use super::{Failure, exit_code};
use crate::node::single_target;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    serve: SingleTargetArgs,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let options = args.serve.options()?;
    Ok(exit_code(single_target::run(&options, None, Vec::new(), 1, "echo: every message comes back")?))
}
