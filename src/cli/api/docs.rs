//! `ringway api docs`: the documentation of an API from its contract, as JSON or as a folder of static pages.

use std::fs;
use std::path::{Path, PathBuf};

use super::place;
use super::reference::Reference;
use crate::api::{Api, ApiKey, ContractRef, Deployment, Revision};
use crate::cli::client::Client;
use crate::cli::contract_source::{self, ReadContract, ReadingFlags};
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::{count, note};
use crate::cli::{Failure, program};
use crate::contract::pages::environments::environments;
use crate::contract::pages::{Documentation, Environment, Running};
use crate::declare::held;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF", required_unless_present = "from", conflicts_with = "from")]
    reference: Option<Reference>,
    /// A document instead of an API, for which no node is needed: a file, a folder, a zip archive, a URL, or `-`
    #[arg(long, value_name = "SOURCE")]
    from: Option<String>,
    /// Document the contract of the revision that runs in this environment, instead of the current definition's
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    env: Option<String>,
    /// Write static pages to this folder, instead of JSON to standard output
    #[arg(long, value_name = "DIR")]
    html: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingFlags,
}

/// The contract that is documented.
struct Subject {
    name: String,
    environments: Vec<Environment>,
    read: ReadContract,
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<(), Failure> {
    let Subject { name, environments, read } = subject(args, globals)?;
    let Some(model) = &read.contract.model else {
        let problems = read.contract.problems.list().iter().map(|problem| format!("\n{problem}"));
        return Err(Failure::Configuration(format!("{name} cannot be read{}", problems.collect::<String>())));
    };
    let documentation =
        Documentation { api: &name, model, problems: &read.contract.problems, environments: &environments };
    match &args.html {
        Some(folder) => write(&documentation, folder),
        None => print(&documentation, globals),
    }
}

fn subject(args: &Args, globals: &GlobalOptions) -> Result<Subject, Failure> {
    if let Some(reference) = &args.reference {
        return of_api(reference, args.env.as_deref(), &Client::new(globals)?);
    }
    let read = contract_source::read(args.from.as_deref().unwrap_or_default(), &args.reading)?;
    let title = read.contract.model.as_ref().and_then(|model| model.title.clone());
    let name = title.unwrap_or_else(|| read.sources.main().to_owned());
    Ok(Subject { name, environments: Vec::new(), read })
}

/// The contract of an API's definition, or of the revision that runs in an environment.
fn of_api(reference: &Reference, environment: Option<&str>, client: &Client) -> Result<Subject, Failure> {
    let api: Api = client.get(&place(&reference.key(client)?))?;
    let key = held::key(&api);
    let definition_of = |revision: u64| -> Result<_, Failure> {
        let revision: Revision = client.get(&place(&key).at("revisions").at(&revision.to_string()))?;
        Ok(revision.definition)
    };
    let (name, contract) = match environment {
        Some(environment) => {
            let deployment: Deployment = client.get(&place(&key).at("deployments").at(environment))?;
            let definition = definition_of(deployment.revision)?;
            let name =
                format!("{} {}, revision {} in {environment}", definition.name, key.version, deployment.revision);
            (name, definition.contract)
        }
        None => (format!("{} {}", api.definition.name, key.version), api.definition.contract.clone()),
    };
    let Some(contract) = contract else { return Err(without(&key, environment)) };
    let read = contract_source::of_node(&contract, client)?;
    let mut running = Vec::new();
    for Deployment { environment, url, revision, .. } in api.deployments {
        let Some(url) = url else { continue };
        let contract = definition_of(revision)?.contract;
        running.push(Running { environment: environment.to_string(), url, revision, contract });
    }
    let other = |contract: &ContractRef| {
        contract_source::of_node(contract, client).map(|read| read.contract).map_err(|failure| failure.to_string())
    };
    let environments = match &read.contract.model {
        Some(model) => environments(model, &contract, running, other),
        None => Vec::new(),
    };
    Ok(Subject { name, environments, read })
}

/// The failure for an API without a contract.
fn without(key: &ApiKey, environment: Option<&str>) -> Failure {
    let program = program::name();
    Failure::Failed(match environment {
        Some(environment) => format!("the revision of {key} that runs in {environment} has no contract"),
        None => format!("{key} has no contract: {program} api update {key} --contract SOURCE gives it one"),
    })
}

/// Prints the model as JSON, or as YAML if that is asked for.
fn print(documentation: &Documentation<'_>, globals: &GlobalOptions) -> Result<(), Failure> {
    let unable = |error: serde_json::Error| Failure::Failed(error.to_string());
    let json: serde_json::Value = documentation.json().and_then(|text| serde_json::from_str(&text)).map_err(unable)?;
    globals.output.write(&json, |json| format!("{json:#}\n"))
}

/// Writes all pages to a folder. Pages of a former documentation that have no successor stay.
fn write(documentation: &Documentation<'_>, folder: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let site = documentation.site();
    let mut written = 0_u64;
    for name in site.names() {
        let path = folder.join(&name);
        let Some(page) = site.page(&name) else { continue };
        let page = page.map_err(|error| failed(&path, &error))?;
        fs::write(&path, page).map_err(|error| failed(&path, &error))?;
        written = written.saturating_add(1);
    }
    note(&format!("{} written; begin with {}", count(written, "page"), folder.join("index.html").display()));
    Ok(())
}
