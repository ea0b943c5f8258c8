//! `ringway-load hold`.

use std::process::ExitCode;
use std::time::Duration;

use ringway::config::units;

use super::common::{Common, Extra};
use super::finish;
use crate::control;
use crate::failure::Failure;
use crate::report::model::Scenario;
use crate::shard::script::hold::Hold;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Number of connections
    #[arg(long, value_name = "N", default_value = "1000", value_parser = units::count)]
    connections: u64,
    /// Time between two pings on each connection
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    ping_interval: Duration,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let job = args.common.job(&Extra {
        scenario: Scenario::Hold,
        timed: "ping to pong, from the time the ping was due",
        connections: args.connections,
        warmup: Duration::ZERO,
        messages: None,
        rate: None,
        polls: false,
        publishers: None,
        settings: vec![("ping-interval", units::show_duration(args.ping_interval))],
    })?;
    let (connections, every) = (args.connections, args.ping_interval);
    let outcome = control::conduct(&job, move || Hold::new(connections, every))?;
    finish::finish(&args.common, &outcome)
}
