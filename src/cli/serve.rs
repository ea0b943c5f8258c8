//! `ringway serve`: a node with environments from a file and APIs from its store.

use std::path::PathBuf;
use std::process::ExitCode;

use super::environment::Variables;
use super::{Failure, exit_code};
use crate::config::units::number;
use crate::control::state_dir;
use crate::node::announce;
use crate::node::events::Signals;
use crate::node::serve::{Options, Prepared};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Configuration file; without one the node has the environments development and production on loopback
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// State directory: APIs, the admin token, the last good snapshot; created if missing [env: RINGWAY_STATE] [default: ./ringway-data]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// File of APIs, or folder of *.yaml and *.yml files, to apply at the start and on SIGHUP
    #[arg(long, value_name = "FILE|DIR")]
    apply: Option<PathBuf>,
    /// Size of a shard's completion queue; small values are for tests
    #[arg(long, hide = true, value_parser = number::<u32>)]
    ring_completions: Option<u32>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let options = Options {
        config: args.config.clone(),
        state: args.state.clone().or(Variables::read().state).unwrap_or_else(|| state_dir::DEFAULT.into()),
        apply: args.apply.clone(),
        ring_completions: args.ring_completions,
    };
    let running = Prepared::new(options)?.bind()?.start(Signals::Heard)?;
    announce::say(running.announcement().to_owned())?;
    Ok(exit_code(running.wait()?))
}
