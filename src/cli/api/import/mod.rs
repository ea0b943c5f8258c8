//! `ringway api import`: an API from a contract, or a new contract for an API that is there.
//!
//! The contract is read here, its pre-defined values are shown and can be edited, and only then is anything made: the bytes are
//! uploaded, and one request creates or changes the API. `--dry-run` ends before the first request and needs no node.

pub(super) mod report;
mod values;

use self::report::ImportReport;
use self::values::Values;
use super::{place, show};
use crate::api::contract::NewContractRef;
use crate::api::written::Written;
use crate::api::{Api, ApiKey, ContractRef, Lifecycle, NewApi, NewDefinition};
use crate::cli::client::{Client, ResourcePath, Tagged};
use crate::cli::contract_source::{self, ReadContract, ReadingFlags};
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::{Format, note};
use crate::cli::question::{ask, unable_to_ask};
use crate::cli::{Failure, program};
use crate::contract::diff::{self, Change};

#[derive(clap::Args, Debug)]
pub(super) struct ImportArgs {
    /// AsyncAPI document: a file, a folder, a zip archive, an http:// or https:// URL, or `-` for standard input
    #[arg(value_name = "SOURCE")]
    source: String,
    #[command(flatten)]
    values: values::ValueFlags,
    #[command(flatten)]
    reading: ReadingFlags,
    /// Show what would be made, and make nothing; no node is needed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation at a terminal
    #[arg(long, short)]
    yes: bool,
}

/// The effect of an import on a node: a new API, or a new contract for one that exists.
struct Plan {
    key: ApiKey,
    /// The API that has the key already.
    existing: Option<Tagged<Api>>,
    /// The changes of meaning from its contract to the new one; `None` if it has no contract.
    changes: Option<Vec<Change>>,
}

pub(super) fn import(args: &ImportArgs, globals: &GlobalOptions) -> Result<(), Failure> {
    let mut read = contract_source::read(&args.source, &args.reading)?;
    if args.dry_run {
        refuse_unroutable(&read, globals)?;
        let values = Values::of(&read.contract, &args.values, Asking::Never)?;
        let new = values.new_api(&read.reference)?;
        new.check().map_err(|problems| Failure::Configuration(problems.to_string()))?;
        report::notes(&read, globals);
        return ImportReport::new(&read, &values, &args.source).write(globals);
    }
    // Mistakes in the contract are told without a node.
    refuse_unroutable(&read, globals)?;
    let asking = if args.yes || unable_to_ask(globals).is_some() { Asking::Never } else { Asking::AtTerminal };
    let client = Client::new(globals)?;
    let mut values = Values::of(&read.contract, &args.values, asking)?;
    let mut plan = plan(&mut read, &values, args, &client)?;
    report::notes(&read, globals);
    if asking == Asking::AtTerminal {
        loop {
            report::to_terminal(&read, &values, plan.existing.is_some(), plan.changes.as_deref());
            let what = if plan.existing.is_some() { "Change" } else { "Create" };
            match ask(&format!("{what} this API? [y]es, [e]dit, [N]o:"))?
                .unwrap_or_default()
                .to_ascii_lowercase()
                .as_str()
            {
                "y" | "yes" => break,
                "e" | "edit" => {
                    values.edit()?;
                    plan = self::plan(&mut read, &values, args, &client)?;
                }
                _ => return Err(Failure::Failed("not confirmed: nothing was made".to_owned())),
            }
        }
    }
    let api = made(&read, &values, &plan, args, &client)?;
    finish(&read, &values, &plan, api, args, globals)
}

/// The way in which open values are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    /// The flags decide.
    Never,
    /// Somebody is there to answer.
    AtTerminal,
}

/// Refuses a contract whose channels cannot become routes, after its problems were shown.
fn refuse_unroutable(read: &ReadContract, globals: &GlobalOptions) -> Result<(), Failure> {
    if read.contract.is_routable() {
        return Ok(());
    }
    report::problems(read, globals)?;
    let count = read.contract.problems.count(crate::contract::Level::BlocksRouting);
    let them = if count == 1 { "1 problem blocks".to_owned() } else { format!("{count} problems block") };
    let lacks_files = read.contract.problems.list().iter().any(|problem| problem.rule == "ref-file");
    let advice = if lacks_files {
        "\n  references lead to other files: import the folder that has them all, and name the document with --main"
    } else {
        ""
    };
    Err(Failure::Configuration(format!("{}: {them} routing: nothing was made{advice}", read.sources.main())))
}

/// Looks up what the import would change. The choices that a contract of the API was read with are taken over.
fn plan(read: &mut ReadContract, values: &Values, args: &ImportArgs, client: &Client) -> Result<Plan, Failure> {
    let (key, _) =
        values.new_api(&read.reference)?.check().map_err(|problems| Failure::Configuration(problems.to_string()))?;
    // The key of a retired API is free for a new one.
    let found = client.tagged_if_there::<Api>(&place(&key))?;
    let existing = found.filter(|api| api.value.lifecycle != Lifecycle::Retired);
    let before = existing.as_ref().and_then(|api| api.value.definition.contract.clone());
    let changes = match &before {
        Some(before) => {
            read.remember(before, &args.reading);
            Some(changes(before, read, client)?)
        }
        None => None,
    };
    Ok(Plan { key, existing, changes })
}

/// The changes of meaning from the contract that an API has to the one that was read.
fn changes(before: &ContractRef, read: &ReadContract, client: &Client) -> Result<Vec<Change>, Failure> {
    let before = contract_source::of_node(before, client)?;
    Ok(match (&before.contract.model, &read.contract.model) {
        (Some(before), Some(after)) => diff::diff(before, after),
        _ => Vec::new(),
    })
}

/// Uploads the contract, and creates or changes the API.
fn made(
    read: &ReadContract,
    values: &Values,
    plan: &Plan,
    args: &ImportArgs,
    client: &Client,
) -> Result<Tagged<Api>, Failure> {
    read.upload(client)?;
    match &plan.existing {
        None => {
            let new: NewApi = values.new_api(&read.reference)?;
            let value: Api = client.post(&ResourcePath::new(["apis"]), &new)?;
            Ok(Tagged { value, etag: None })
        }
        Some(existing) => {
            let mut new = NewDefinition::from(&existing.value.definition);
            args.values.set(&mut new);
            new.contract = Some(NewContractRef::of(&Some(read.reference.clone())));
            client.put_tagged(&place(&plan.key), &new, existing.etag.as_deref())
        }
    }
}

fn finish(
    read: &ReadContract,
    values: &Values,
    plan: &Plan,
    api: Tagged<Api>,
    args: &ImportArgs,
    globals: &GlobalOptions,
) -> Result<(), Failure> {
    let (key, program) = (&plan.key, program::name());
    match &plan.existing {
        None => {
            note(&format!("created {key}, which is not deployed yet: {program} api deploy {key} --env ENVIRONMENT"));
        }
        Some(before) if before.etag == api.etag => note(&format!("unchanged: {key} has this contract already")),
        Some(_) => match api.value.deployments.first() {
            Some(first) => note(&format!(
                "{key} has a new contract; its deployments still run the old definition: {program} api deploy {key} --env {}",
                first.environment
            )),
            None => note(&format!("{key} has a new contract")),
        },
    }
    let report = ImportReport::new(read, values, &args.source).with_outcome(plan.changes.clone(), api.value);
    if globals.output == Format::Table {
        if let Some(changes) = &plan.changes {
            report::changes(changes);
        }
        return match &report.api {
            Some(api) => show::write(api, globals),
            None => Ok(()),
        };
    }
    report.write(globals)
}
