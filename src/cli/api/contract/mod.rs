//! `ringway api contract`: the contract of an API is shown, compared, checked, and taken away.

pub(super) mod routes;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::import::report;
use super::place;
use crate::api::contract::NewContractRef;
use crate::api::{Api, ApiKey, ContractRef, NewDefinition};
use crate::cli::api::reference::Reference;
use crate::cli::client::{Client, Tagged};
use crate::cli::confirmation::Confirmation;
use crate::cli::contract_source::{self, ReadContract, ReadingFlags};
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::{count, note, print_bytes, table};
use crate::cli::{Failure, program};
use crate::contract::diff::{self, Change};
use crate::contract::model::Perspective;
use crate::contract::sources::is_url;
use crate::contract::{Level, Problem};
use crate::declare::held;

/// The exit code of `diff` where the contracts differ.
const DIFFERS: u8 = 2;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the contract of an API and its routes, or the document as it was uploaded
    Show(ShowArgs),
    /// Show what another contract would change for an API, and for whom it breaks; exits with 2 where the contracts differ
    Diff(DiffArgs),
    /// Check the contract of an API, or a document that is on no node yet
    Validate(ValidateArgs),
    /// Take the contract away from an API's definition
    Remove(RemoveArgs),
}

#[derive(clap::Args, Debug)]
struct ShowArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Write the document or archive itself, as it was uploaded
    #[arg(long)]
    raw: bool,
}

#[derive(clap::Args, Debug)]
struct DiffArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    /// The other contract: a file, a folder, a zip archive, a URL, or `-` for standard input
    #[arg(value_name = "SOURCE")]
    source: String,
    #[command(flatten)]
    reading: ReadingFlags,
}

#[derive(clap::Args, Debug)]
struct ValidateArgs {
    /// The API, or a document: a file, a folder, a zip archive, a URL, or `-` for standard input. What exists as a file is a file
    #[arg(value_name = "REF|SOURCE")]
    subject: String,
    #[command(flatten)]
    reading: ReadingFlags,
}

#[derive(clap::Args, Debug)]
struct RemoveArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    match &args.verb {
        Verb::Show(args) => show(args, globals)?,
        Verb::Diff(args) => return diff(args, globals),
        Verb::Validate(args) => validate(args, globals)?,
        Verb::Remove(args) => remove(args, globals)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The answer of `show` as JSON or YAML.
#[derive(Serialize)]
struct ShownContract<'r> {
    api: String,
    contract: &'r ContractRef,
    asyncapi: Option<&'r str>,
    title: Option<&'r str>,
    version: Option<&'r str>,
    perspective: Option<&'r Perspective>,
    bytes: usize,
    files: usize,
    routes: Vec<routes::ShownRoute>,
}

fn show(args: &ShowArgs, globals: &GlobalOptions) -> Result<(), Failure> {
    let client = Client::new(globals)?;
    let (key, read) = of_api(&args.reference, &client)?;
    if args.raw {
        return print_bytes(&read.bytes);
    }
    let model = read.contract.model.as_ref();
    let shown = ShownContract {
        api: key.to_string(),
        contract: &read.reference,
        asyncapi: model.map(|model| model.asyncapi.as_str()),
        title: model.and_then(|model| model.title.as_deref()),
        version: model.and_then(|model| model.version.as_deref()),
        perspective: model.map(|model| &model.perspective),
        bytes: read.bytes.len(),
        files: read.sources.names().count(),
        routes: model.map(routes::shown).unwrap_or_default(),
    };
    globals.output.write(&shown, |shown| format!("{}\n{}", fields(shown), routes::table_of(&shown.routes)))
}

fn fields(shown: &ShownContract<'_>) -> String {
    let mut rows = vec![vec!["api".to_owned(), shown.api.clone()]];
    let mut add = |name: &str, value: Option<String>| rows.extend(value.map(|value| vec![name.to_owned(), value]));
    add("asyncapi", shown.asyncapi.map(str::to_owned));
    add("title", shown.title.map(str::to_owned));
    add("version", shown.version.map(str::to_owned));
    add("document", shown.contract.main.clone());
    add("sha256", Some(shown.contract.digest.to_string()));
    add("size", Some(format!("{} in {}", count(shown.bytes as u64, "byte"), count(shown.files as u64, "file"))));
    add("written from", shown.perspective.map(|it| format!("the {}'s side: {}", it.side, it.reason)));
    add("layout", Some(shown.contract.layout.to_string()));
    table(&[], rows.into_iter())
}

fn diff(args: &DiffArgs, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let mut after = contract_source::read(&args.source, &args.reading)?;
    let client = Client::new(globals)?;
    let (_, before) = of_api(&args.reference, &client)?;
    after.remember(&before.reference, &args.reading);
    let changes: Vec<Change> = match (&before.contract.model, &after.contract.model) {
        (Some(before), Some(after)) => diff::diff(before, after),
        _ => {
            report::problems(&after, globals)?;
            return Err(Failure::Configuration(format!("{} cannot be read", after.sources.main())));
        }
    };
    globals.output.write(&changes, |changes| changes.iter().map(|change| format!("{change}\n")).collect())?;
    if changes.is_empty() {
        note("both contracts mean the same");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(DIFFERS))
}

/// The answer of `validate` as JSON or YAML.
#[derive(Serialize)]
struct Validated<'r> {
    is_routable: bool,
    problems: &'r [Problem],
    problems_left_out: usize,
}

fn validate(args: &ValidateArgs, globals: &GlobalOptions) -> Result<(), Failure> {
    let read = subject(args, globals)?;
    let problems = &read.contract.problems;
    let validated = Validated {
        is_routable: read.contract.is_routable(),
        problems: problems.list(),
        problems_left_out: problems.left_out(),
    };
    globals.output.write(&validated, |_| report::text_of(&read, usize::MAX))?;
    let [routing, validation, notes] =
        [Level::BlocksRouting, Level::BlocksValidation, Level::Note].map(|level| problems.count(level) as u64);
    if !read.contract.is_routable() {
        let them = if routing == 1 { "1 problem blocks".to_owned() } else { format!("{routing} problems block") };
        return Err(Failure::Configuration(format!("{}: {them} routing", read.sources.main())));
    }
    let routes = read.contract.model.as_ref().map_or(0, |model| model.routes.len() as u64);
    note(&format!(
        "{}: {}, {} in the way of validation, {}",
        read.sources.main(),
        count(routes, "route"),
        count(validation, "problem"),
        count(notes, "note")
    ));
    Ok(())
}

/// A document that is here, or else the contract of the API of that name.
fn subject(args: &ValidateArgs, globals: &GlobalOptions) -> Result<ReadContract, Failure> {
    let is_source = args.subject == "-" || is_url(&args.subject) || Path::new(&args.subject).exists();
    match args.subject.parse::<Reference>() {
        Ok(reference) if !is_source => of_api(&reference, &Client::new(globals)?).map(|(_, read)| read),
        _ => contract_source::read(&args.subject, &args.reading),
    }
}

fn remove(args: &RemoveArgs, globals: &GlobalOptions) -> Result<(), Failure> {
    let client = Client::new(globals)?;
    let key = args.reference.key(&client)?;
    let Tagged { value: api, etag } = client.tagged::<Api>(&place(&key))?;
    if api.definition.contract.is_none() {
        note(&format!("{key} has no contract"));
        return Ok(());
    }
    args.confirmation.ask(&format!("take the contract away from {key}, which then takes every path"), globals)?;
    let mut new = NewDefinition::from(&api.definition);
    new.contract = Some(NewContractRef::None);
    let api: Api = client.put(&place(&key), &new, etag.as_deref())?;
    match api.deployments.first() {
        Some(first) => note(&format!(
            "{key} has no contract; its deployments still have one: {} api deploy {key} --env {}",
            program::name(),
            first.environment
        )),
        None => note(&format!("{key} has no contract")),
    }
    Ok(())
}

/// The contract of an API.
fn of_api(reference: &Reference, client: &Client) -> Result<(ApiKey, ReadContract), Failure> {
    let api: Api = client.get(&place(&reference.key(client)?))?;
    let key = held::key(&api);
    let Some(contract) = &api.definition.contract else {
        let program = program::name();
        return Err(Failure::Failed(format!(
            "{key} has no contract: {program} api update {key} --contract SOURCE gives it one"
        )));
    };
    Ok((key, contract_source::of_node(contract, client)?))
}
