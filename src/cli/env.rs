//! `ringway env`: lists the environments of a node in their order.

use std::process::ExitCode;

use clap::Subcommand;

use super::Failure;
use super::client::{Client, ResourcePath};
use super::global_options::GlobalOptions;
use super::output::list_cell;
use crate::api::Environment;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the environments in the order in which an API is promoted
    List,
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(globals)?;
    match args.verb {
        Verb::List => {
            let header = ["NAME", "EXTERNAL", "INTERNAL", "HOSTS", "VARIABLES"];
            globals.output.list(&all(&client)?, &header, |it| {
                let (hosts, variables) = (list_cell(&it.hosts), list_cell(&it.variables));
                vec![it.name.to_string(), it.external.clone(), it.internal.clone(), hosts, variables]
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All environments of the node, in the order of promotion.
pub(super) fn all(client: &Client) -> Result<Vec<Environment>, Failure> {
    let mut all: Vec<Environment> = client.whole(&ResourcePath::new(["environments"]))?;
    all.sort_by_key(|environment| environment.order);
    Ok(all)
}
