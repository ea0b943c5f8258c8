//! `ringway env`: the environments of a node, in their order.

use std::process::ExitCode;

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use super::Failure;
use super::anywhere::Anywhere;
use super::client::{Client, Place};
use super::output::joined;

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

/// An environment, as the admin API shows it: of its variables the names alone.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Environment {
    pub(super) name: String,
    pub(super) order: usize,
    pub(super) external: String,
    pub(super) internal: String,
    pub(super) hosts: Vec<String>,
    pub(super) variables: Vec<String>,
}

pub(super) fn run(args: &Args, anywhere: &Anywhere) -> Result<ExitCode, Failure> {
    let client = Client::new(anywhere)?;
    match args.verb {
        Verb::List => {
            let header = ["NAME", "EXTERNAL", "INTERNAL", "HOSTS", "VARIABLES"];
            anywhere.output.list(&all(&client)?, &header, |it| {
                let (hosts, variables) = (joined(&it.hosts), joined(&it.variables));
                vec![it.name.clone(), it.external.clone(), it.internal.clone(), hosts, variables]
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All of them, the first one first.
pub(super) fn all(client: &Client) -> Result<Vec<Environment>, Failure> {
    let mut all: Vec<Environment> = client.list(&Place::new(["environments"]), None)?;
    all.sort_by_key(|environment| environment.order);
    Ok(all)
}
