//! `ringway-load echo`.

use std::process::ExitCode;
use std::time::Duration;

use ringway::config::units;

use super::common::{self, Common, Extra, MessageArgs};
use super::finish;
use crate::control;
use crate::failure::Failure;
use crate::report::model::Scenario;
use crate::schedule::Rate;
use crate::shard::script::echo::{Echo, Loop};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Number of connections
    #[arg(long, value_name = "N", default_value = "1", value_parser = units::count)]
    connections: u64,
    /// Messages a second over all connections, each due at a fixed time that does not depend on the others
    #[arg(long, value_name = "N", value_parser = common::rate, conflicts_with = "closed")]
    rate: Option<Rate>,
    /// Messages in flight on each connection: the next is sent when one returns. Latency then excludes the time in
    /// which messages could not be sent
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    closed: u32,
    #[command(flatten)]
    messages: MessageArgs,
    /// Length of the warm-up before the measurement; `off` for none
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = common::warmup)]
    warmup: Duration,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let pace = args.rate.map_or(Loop::Closed(args.closed), Loop::Open);
    let shown = match pace {
        Loop::Open(rate) => ("rate", format!("{} messages/s in all", rate.as_per_second())),
        Loop::Closed(each) => ("closed", format!("{each} in flight on each connection")),
    };
    let job = args.common.job(&Extra {
        scenario: Scenario::Echo,
        timed: match pace {
            Loop::Open(_) => "round trip, from the time the message was due",
            Loop::Closed(_) => "round trip, from sending",
        },
        connections: args.connections,
        warmup: args.warmup,
        messages: Some(args.messages.clone()),
        rate: args.rate,
        polls: args.rate.is_some(),
        publishers: None,
        settings: vec![shown],
    })?;
    let connections = args.connections;
    let outcome = control::conduct(&job, move || Echo::new(connections, pace))?;
    finish::finish(&args.common, &outcome)
}
