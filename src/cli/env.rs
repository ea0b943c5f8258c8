//! `ringway env`: lists the environments of a node in their order, and shows one of them.

use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::Failure;
use super::cells::{status, texts};
use super::client::{Client, ResourcePath};
use super::global_options::GlobalOptions;
use super::output::{list_cell, table};
use crate::api::{Api, Deployment, Environment};
use crate::declare::held;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the environments in the order in which an API is promoted
    List,
    /// Show an environment: its listeners, host names and variables, and what is deployed in it
    Show(ShowArgs),
}

#[derive(clap::Args, Debug)]
struct ShowArgs {
    /// The environment
    #[arg(value_name = "NAME")]
    name: String,
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(globals)?;
    match &args.verb {
        Verb::List => {
            let header = ["NAME", "EXTERNAL", "INTERNAL", "HOSTS", "VARIABLES"];
            globals.output.list(&all(&client)?, &header, |it| {
                let (hosts, variables) = (list_cell(&it.hosts), list_cell(&it.variables));
                vec![it.name.to_string(), it.external.clone(), it.internal.clone(), hosts, variables]
            })?;
        }
        Verb::Show(args) => show(&args.name, &client, globals)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// An environment, and what is deployed in it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    environment: Environment,
    deployments: Vec<Deployed>,
}

/// A deployment in the environment that is shown.
#[derive(Serialize)]
struct Deployed {
    api: String,
    #[serde(flatten)]
    deployment: Deployment,
}

fn show(name: &str, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let environment: Environment = client.get(&ResourcePath::new(["environments", name]))?;
    let apis: Vec<Api> = client.list(&ResourcePath::new(["apis"]).with("environment", name), None)?;
    let there = apis.into_iter().filter_map(|api| {
        let key = held::key(&api).to_string();
        let deployment = api.deployments.into_iter().find(|it| it.environment == environment.name)?;
        Some(Deployed { api: key, deployment })
    });
    let deployments = there.collect();
    globals.output.write(&Shown { environment, deployments }, |Shown { environment, deployments }| {
        let fields = [
            ("name", environment.name.to_string()),
            ("external", environment.external.clone()),
            ("internal", environment.internal.clone()),
            ("hosts", list_cell(&environment.hosts)),
            ("variables", list_cell(&environment.variables)),
        ];
        let fields = table(&[], fields.into_iter().map(|(name, value)| vec![name.to_owned(), value]));
        if deployments.is_empty() {
            return fields;
        }
        let rows = deployments.iter().map(|Deployed { api, deployment }| {
            vec![
                api.clone(),
                deployment.revision.to_string(),
                status(deployment).to_owned(),
                list_cell(&texts(&deployment.effective_targets)),
                deployment.url.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        });
        format!("{fields}\n{}", table(&["API", "REVISION", "STATUS", "TARGETS", "URL"], rows))
    })
}

/// All environments of the node, in the order of promotion.
pub(super) fn all(client: &Client) -> Result<Vec<Environment>, Failure> {
    let mut all: Vec<Environment> = client.whole(&ResourcePath::new(["environments"]))?;
    all.sort_by_key(|environment| environment.order);
    Ok(all)
}
