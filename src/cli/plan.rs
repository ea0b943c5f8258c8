//! `ringway plan`: the plans that subscriptions have.

use std::process::ExitCode;

use clap::Subcommand;

use super::Failure;
use super::client::{Client, ResourcePath};
use super::confirmation::Confirmation;
use super::global_options::GlobalOptions;
use super::output::{count, note, table};
use crate::api::consumers::request::{DescribedFields, NewPlan};
use crate::api::consumers::{Plan, Standing};
use crate::api::moment;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List plans
    List,
    /// Show a plan
    Show(NameArgs),
    /// Create a plan
    Create(CreateArgs),
    /// Change the description of a plan
    Update(UpdateArgs),
    /// Close every subscription that has a plan, until it is unblocked
    Block(ConfirmedArgs),
    /// Open the subscriptions that have a blocked plan again
    Unblock(NameArgs),
    /// Delete a plan that no subscription has
    Delete(ConfirmedArgs),
}

#[derive(clap::Args, Debug)]
struct NameArgs {
    /// The plan
    #[arg(value_name = "PLAN")]
    name: String,
}

#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// The plan
    #[arg(value_name = "PLAN")]
    name: String,
    /// Description for people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(clap::Args, Debug)]
struct UpdateArgs {
    /// The plan
    #[arg(value_name = "PLAN")]
    name: String,
    /// Description for people
    #[arg(long, value_name = "TEXT")]
    description: String,
}

#[derive(clap::Args, Debug)]
struct ConfirmedArgs {
    /// The plan
    #[arg(value_name = "PLAN")]
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(globals)?;
    match &args.verb {
        Verb::List => list(&client, globals),
        Verb::Show(args) => write(&client.get(&place(&args.name))?, globals),
        Verb::Create(args) => create(args, &client, globals),
        Verb::Update(args) => update(args, &client, globals),
        Verb::Block(args) => block(args, &client, globals),
        Verb::Unblock(args) => switch(&args.name, Standing::Active, &client, globals),
        Verb::Delete(args) => delete(args, &client, globals),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn place(name: &str) -> ResourcePath {
    ResourcePath::new(["plans", name])
}

fn list(client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let plans: Vec<Plan> = client.list(&ResourcePath::new(["plans"]), None)?;
    globals.output.list(&plans, &["PLAN", "STATUS", "SUBSCRIPTIONS", "DESCRIPTION"], |plan| {
        let subscriptions = plan.subscriptions.to_string();
        vec![plan.name.to_string(), plan.status.to_string(), subscriptions, plan.description.to_string()]
    })
}

fn create(args: &CreateArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let new = NewPlan { name: args.name.clone(), description: args.description.clone(), status: None };
    let plan: Plan = client.post(&ResourcePath::new(["plans"]), &new)?;
    write(&plan, globals)
}

/// Changes the description. The node refuses the change if another client changed the plan meanwhile.
fn update(args: &UpdateArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let is = client.tagged::<Plan>(&place(&args.name))?;
    let description = Some(args.description.clone());
    let fields = DescribedFields { description, status: Some(is.value.status.to_string()) };
    write(&client.put(&place(&args.name), &fields, is.etag.as_deref())?, globals)
}

fn block(args: &ConfirmedArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let plan: Plan = client.get(&place(&args.name))?;
    if plan.status != Standing::Blocked {
        let subscriptions = count(plan.subscriptions, "subscription");
        args.confirmation.ask(&format!("block the plan {} and close {subscriptions}", plan.name), globals)?;
    }
    switch(&args.name, Standing::Blocked, client, globals)
}

fn switch(name: &str, to: Standing, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let is = client.tagged::<Plan>(&place(name))?;
    let description = Some(is.value.description.to_string());
    let fields = DescribedFields { description, status: Some(to.to_string()) };
    write(&client.put(&place(name), &fields, is.etag.as_deref())?, globals)
}

fn delete(args: &ConfirmedArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let plan: Plan = client.get(&place(&args.name))?;
    args.confirmation.ask(&format!("delete the plan {}", plan.name), globals)?;
    client.delete(&place(&args.name))?;
    note(&format!("deleted the plan {}", plan.name));
    Ok(())
}

fn write(plan: &Plan, globals: &GlobalOptions) -> Result<(), Failure> {
    globals.output.write(plan, |plan| {
        let fields = [
            ("plan", plan.name.to_string()),
            ("description", plan.description.to_string()),
            ("status", plan.status.to_string()),
            ("subscriptions", plan.subscriptions.to_string()),
            ("created", format!("{} by {}", moment::shown(plan.created_at), plan.created_by)),
            ("updated", format!("{} by {}", moment::shown(plan.updated_at), plan.updated_by)),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        table(&[], given.map(|(name, value)| vec![name.to_owned(), value]))
    })
}
