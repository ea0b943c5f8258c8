//! `ringway api violations`: messages that broke an API's contract, and those that do while the command runs.

use std::thread;
use std::time::Duration;

use super::place;
use crate::api::moment;
use crate::api::view::violations::Violation;
use crate::cli::Failure;
use crate::cli::api::reference::Reference;
use crate::cli::client::Client;
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::{list_cell, without_controls};

/// The time between two questions while the command follows.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Messages in this environment only
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Go on showing messages as they come, until the command is interrupted
    #[arg(long, short)]
    follow: bool,
}

pub(super) fn run(args: &Args, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let key = args.reference.key(client)?;
    let all = place(&key).at("violations").with_some("environment", args.env.as_deref());
    let mut violations: Vec<Violation> = client.list(&all, None)?;
    let header = ["NUMBER", "AT", "ENVIRONMENT", "CHANNEL", "DIRECTION", "RULE", "PLACE", "MESSAGE", "ACTION", "FAULT"];
    globals.output.list(&violations, &header, cells)?;
    if !args.follow {
        return Ok(());
    }
    let mut after = 0;
    loop {
        after = violations.last().map_or(after, |violation| violation.number);
        thread::sleep(LOOK_EVERY);
        violations = client.list(&all.clone().with("after", &after.to_string()), None)?;
        if !violations.is_empty() {
            globals.output.list(&violations, &[], cells)?;
        }
    }
}

/// Names of fields come from clients: nothing in them may reach the terminal as a command.
fn cells(violation: &Violation) -> Vec<String> {
    vec![
        violation.number.to_string(),
        moment::shown(violation.at),
        violation.environment.clone(),
        violation.channel.clone(),
        violation.direction.clone(),
        violation.rule.clone(),
        without_controls(&violation.pointer),
        list_cell(&violation.messages),
        violation.action.clone(),
        violation.text.clone(),
    ]
}
