//! `ringway project`: the projects that APIs are kept in. The first API of a project creates it; here it gets a description,
//! or is deleted.

use std::process::ExitCode;

use clap::Subcommand;

use super::Failure;
use super::client::{Client, ResourcePath};
use super::confirmation::Confirmation;
use super::global_options::GlobalOptions;
use super::output::{note, table};
use crate::api::request::NewProject;
use crate::api::{Project, moment};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the projects of a node
    List,
    /// Show a project
    Show(NameArgs),
    /// Create a project, or change its description
    Set(SetArgs),
    /// Delete a project that has no APIs
    Delete(DeleteArgs),
}

#[derive(clap::Args, Debug)]
struct NameArgs {
    /// The project
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(clap::Args, Debug)]
struct SetArgs {
    /// The project
    #[arg(value_name = "NAME")]
    name: String,
    /// Description for people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
}

#[derive(clap::Args, Debug)]
struct DeleteArgs {
    /// The project
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(globals)?;
    match &args.verb {
        Verb::List => list(&client, globals),
        Verb::Show(args) => write(&client.get(&place(&args.name))?, globals),
        Verb::Set(args) => set(args, &client, globals),
        Verb::Delete(args) => delete(args, &client, globals),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn place(name: &str) -> ResourcePath {
    ResourcePath::new(["projects", name])
}

fn list(client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let projects: Vec<Project> = client.list(&ResourcePath::new(["projects"]), None)?;
    globals.output.list(&projects, &["NAME", "APIS", "DESCRIPTION"], |project| {
        vec![project.name.to_string(), project.apis.to_string(), project.description.to_string()]
    })
}

fn set(args: &SetArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let new = NewProject { description: args.description.clone() };
    let project: Project = client.put(&place(&args.name), &new, None)?;
    write(&project, globals)
}

fn delete(args: &DeleteArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let project: Project = client.get(&place(&args.name))?;
    args.confirmation.ask(&format!("delete the project {}", project.name), globals)?;
    client.delete(&place(&args.name))?;
    note(&format!("deleted the project {}", project.name));
    Ok(())
}

fn write(project: &Project, globals: &GlobalOptions) -> Result<(), Failure> {
    globals.output.write(project, |project| {
        let fields = [
            ("name", project.name.to_string()),
            ("description", project.description.to_string()),
            ("apis", project.apis.to_string()),
            ("created", format!("{} by {}", moment::shown(project.created_at), project.created_by)),
            ("updated", format!("{} by {}", moment::shown(project.updated_at), project.updated_by)),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        table(&[], given.map(|(name, value)| vec![name.to_owned(), value]))
    })
}
