//! `ringway api`: commands that create, change, deploy, promote and publish APIs; one file for each group of verbs. Each
//! command sends one or two requests to the admin API and prints the answer to standard output.

mod change;
mod contract;
mod deploy;
mod docs;
mod flags;
mod import;
mod lifecycle;
pub(super) mod reference;
mod session;
mod show;
pub(super) mod target_check;
mod test_key;
mod violations;

use std::process::ExitCode;

use clap::Subcommand;

pub(super) use self::lifecycle::time;
use self::reference::Reference;
use super::Failure;
use super::client::{Client, ResourcePath};
use super::global_options::GlobalOptions;
use crate::api::{Api, ApiKey};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create an API
    Create(change::CreateArgs),
    /// Create an API from an AsyncAPI document, or give a new one to the API that it was made from
    Import(Box<import::ImportArgs>),
    /// Show, compare, check and remove the contract of an API
    Contract(contract::Args),
    /// Write the documentation of an API from its contract: its model as JSON, or a folder of static pages
    Docs(Box<docs::Args>),
    /// List APIs
    List(show::ListArgs),
    /// Show an API and where it is deployed
    Show(show::ShowArgs),
    /// Change the given fields of an API's definition; deployments keep running the old one
    Update(change::UpdateArgs),
    /// Undeploy an API everywhere and delete it
    Delete(change::DeleteArgs),
    /// Deploy an API's current definition, or an older revision, to an environment
    Deploy(deploy::DeployArgs),
    /// Remove an API from an environment and close its connections there
    Undeploy(deploy::UndeployArgs),
    /// Deploy the revision that runs in one environment to the next one
    Promote(deploy::PromoteArgs),
    /// Make a deployment refuse connections and close the open ones
    Stop(deploy::PlaceArgs),
    /// Make a stopped deployment accept connections again
    Start(deploy::PlaceArgs),
    /// List the revisions of an API, newest first
    Revisions(show::RevisionsArgs),
    /// Run another revision in an environment, which keeps its own targets
    Rollback(deploy::RollbackArgs),
    /// Show the lifecycle state of an API, or change it: publish, deprecate, block, retire
    Lifecycle(lifecycle::Args),
    /// Show a sample of the messages that broke an API's contract, and with --follow those that do from now on
    Violations(violations::Args),
    /// Connect to a deployed API through the proxy; each line of input is a message
    Test(session::Args),
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    // These find the node when they need it: some of what they do needs none.
    match &args.verb {
        Verb::Import(args) => return import::import(args, globals).map(|()| ExitCode::SUCCESS),
        Verb::Contract(args) => return contract::run(args, globals),
        Verb::Docs(args) => return docs::run(args, globals).map(|()| ExitCode::SUCCESS),
        _ => {}
    }
    let client = Client::new(globals)?;
    match &args.verb {
        Verb::Import(_) | Verb::Contract(_) | Verb::Docs(_) => Ok(()),
        Verb::Create(args) => change::create(args, &client, globals),
        Verb::List(args) => show::list(args, &client, globals),
        Verb::Show(args) => show::show(args, &client, globals),
        Verb::Update(args) => change::update(args, &client, globals),
        Verb::Delete(args) => change::delete(args, &client, globals),
        Verb::Deploy(args) => deploy::deploy(args, &client, globals),
        Verb::Undeploy(args) => deploy::undeploy(args, &client, globals),
        Verb::Promote(args) => deploy::promote(args, &client, globals),
        Verb::Stop(args) => deploy::switch(args, "stop", &client, globals),
        Verb::Start(args) => deploy::switch(args, "start", &client, globals),
        Verb::Revisions(args) => show::revisions(args, &client, globals),
        Verb::Rollback(args) => deploy::rollback(args, &client, globals),
        Verb::Lifecycle(args) => lifecycle::run(args, &client, globals),
        Verb::Violations(args) => violations::run(args, &client, globals),
        // The session decides the exit code.
        Verb::Test(args) => return session::run(args, &client),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// The path of an API in the admin API.
pub(super) fn place(key: &ApiKey) -> ResourcePath {
    ResourcePath::new(["apis", key.project.as_str(), key.identifier.as_str(), &key.version.to_string()])
}

/// The API that a reference names.
fn found(reference: &Reference, client: &Client) -> Result<Api, Failure> {
    client.get(&place(&reference.key(client)?))
}
