//! `ringway-load storm`.

use std::process::ExitCode;
use std::time::Duration;

use super::common::{self, Common, Extra};
use super::finish;
use crate::control;
use crate::failure::Failure;
use crate::report::model::Scenario;
use crate::schedule::Rate;
use crate::shard::script::storm::{Pace, Storm};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Connections a second, each due at a fixed time that does not depend on the others
    #[arg(long, value_name = "N", value_parser = common::rate, conflicts_with = "closed")]
    rate: Option<Rate>,
    /// Connections at a time on each CPU: the next opens when one has closed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    closed: u32,
    /// Connections to open before the measurement and to hold during it
    #[arg(long, value_name = "N", default_value_t = 0)]
    hold: u32,
    /// Length of the warm-up before the measurement; `off` for none
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = common::warmup)]
    warmup: Duration,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let pace = args.rate.map_or(Pace::AtATime(args.closed), Pace::Rate);
    let shown = match pace {
        Pace::Rate(rate) => ("rate", format!("{} connections/s in all", rate.as_per_second())),
        Pace::AtATime(most) => ("closed", format!("{most} at a time on each CPU")),
    };
    let held = args.hold;
    let job = args.common.job(&Extra {
        scenario: Scenario::Storm,
        timed: match pace {
            Pace::Rate(_) => "time to 101, from the time the connection was due",
            Pace::AtATime(_) => "time to 101, from dialling",
        },
        // The first connection of the run opens alone, to check that there is a target.
        connections: u64::from(held.max(1)),
        warmup: args.warmup,
        messages: None,
        rate: args.rate,
        polls: args.rate.is_some(),
        publishers: None,
        settings: vec![shown, ("hold", held.to_string()), ("close", args.common.close_word().to_owned())],
    })?;
    let outcome = control::conduct(&job, move || Storm::new(pace, held))?;
    finish::finish(&args.common, &outcome)
}
