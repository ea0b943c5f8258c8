//! `ringway apply`, `diff` and `export`: APIs as files say them (docs/declarative.md). What has to be done is worked out by
//! `declare`; here it is asked of a node.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::api::reference::Reference;
use super::api::target_check;
use super::client::{Client, ResourcePath};
use super::global_options::GlobalOptions;
use super::output::{Format, count, note, print};
use super::{Failure, contract_source, env};
use crate::api::view::apply::{Applied, AppliedStep, DocumentFile, Documents};
use crate::api::{Api, ApiKey, Definition, EnvironmentName, Revision};
use crate::declare::node::{held, held_of, lines};
use crate::declare::written::Written;
use crate::declare::{Document, Held, Node, diff, files, plan, read};

/// The promise of `apply` about APIs that the files do not name.
const STAYS: &str = "what the files do not name stays as it is";
/// `diff`'s exit code where something differs.
const DIFFERS: u8 = 2;

#[derive(clap::Args, Debug)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    sources: Sources,
    /// Show the steps without carrying them out
    #[arg(long)]
    dry_run: bool,
}

#[derive(clap::Args, Debug)]
pub(super) struct DiffArgs {
    #[command(flatten)]
    sources: Sources,
}

/// The documents of a command.
#[derive(clap::Args, Debug)]
struct Sources {
    /// A file, a folder (all *.yaml and *.yml files in it and below, in the order of their names), or `-` for standard input;
    /// may be repeated
    #[arg(long, short, value_name = "FILE|DIR|-", required = true)]
    file: Vec<PathBuf>,
}

impl Sources {
    /// Reads all texts, in the order in which they were named.
    fn texts(&self) -> Result<Vec<DocumentFile>, Failure> {
        files::texts(&self.file).map_err(|faults| Failure::Configuration(lines(&faults)))
    }
}

#[derive(clap::Args, Debug)]
pub(super) struct ExportArgs {
    /// Export this API only: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(long, value_name = "REF")]
    api: Option<Reference>,
    /// Write a file for each API into this folder, and beside it its contract as it was uploaded
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &ApplyArgs, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    // Mistakes in the files are told without a node.
    let mut files = args.sources.texts()?;
    let contracts = files::read_contracts(&mut files);
    let documents = documents(&files)?;
    let client = Client::new(globals)?;
    for contract in documents.iter().filter_map(|document| document.definition.contract.as_ref()) {
        if let Some(bytes) = contracts.get(&contract.digest) {
            contract_source::upload(contract, bytes.clone(), &client)?;
        }
    }
    let asked = Documents { files, dry_run: args.dry_run };
    let applied: Applied = client.post(&ResourcePath::new(["apply"]), &asked)?;
    let table = |steps: &Vec<AppliedStep>| steps.iter().map(|it| format!("{}\n", it.step)).collect();
    globals.output.write(&applied.steps, table)?;
    let count = count(applied.steps.len() as u64, "step");
    match (applied.steps.is_empty(), args.dry_run) {
        (true, _) => note("nothing to do: the node holds what the files say"),
        (false, true) => note(&format!("{count} to carry out; {STAYS}")),
        (false, false) => {
            note(&format!("{count} carried out; {STAYS}"));
            target_check::warn_of_all(&deployments(&applied.steps), &client);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The deployments that steps were about, each once.
fn deployments(steps: &[AppliedStep]) -> Vec<(ApiKey, String)> {
    let mut deployments = Vec::new();
    for AppliedStep { api, environment, .. } in steps {
        let (Ok(key), Some(environment)) = (api.parse(), environment.clone()) else { continue };
        let deployment = (key, environment);
        // Documents are applied one after the other, so the steps of a deployment follow each other.
        if deployments.last() != Some(&deployment) {
            deployments.push(deployment);
        }
    }
    deployments
}

pub(super) fn diff(args: &DiffArgs, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let mut files = args.sources.texts()?;
    let _ = files::read_contracts(&mut files);
    let documents = documents(&files)?;
    let mut client = Client::new(globals)?;
    let held = held_of(&mut client, &documents)?;
    // What cannot be done has no difference worth showing.
    plan(&held, &documents).map_err(|faults| Failure::Configuration(lines(&faults)))?;
    let text = diff::unified(&held, &documents).map_err(Failure::Failed)?;
    print(&text)?;
    Ok(if text.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
}

pub(super) fn export(args: &ExportArgs, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let mut client = Client::new(globals)?;
    let key = args.api.as_ref().map(|api| api.key(&client)).transpose()?;
    let keys = key.clone().map(|key| std::iter::once(key).collect());
    let held = held(&mut client, keys.as_ref())?;
    if let Some(key) = key.filter(|_| held.apis.is_empty()) {
        return Err(Failure::Failed(format!("{key} is not there, or is retired: a retired API is not exported")));
    }
    if let Some(folder) = &args.dir {
        return export_to(folder, &held, &client);
    }
    let documents: Vec<Written> = held.apis.values().map(Written::held).collect();
    let contracts = held.apis.values().filter(|held| held.api.definition.contract.is_some()).count();
    if contracts > 0 {
        note(&format!(
            "{} by digest alone: --dir DIR writes the documents too",
            if contracts == 1 { "a contract is named".to_owned() } else { format!("{contracts} contracts are named") }
        ));
    }
    if globals.output == Format::Json {
        Format::Json.write(&documents, |_| String::new())?;
        return Ok(ExitCode::SUCCESS);
    }
    let texts: Result<Vec<String>, String> = documents.iter().map(Written::yaml).collect();
    print(&texts.map_err(Failure::Failed)?.join("---\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes each API and its contract into files of a folder, which `apply -f` reads as a whole.
fn export_to(folder: &Path, held: &Held, client: &Client) -> Result<ExitCode, Failure> {
    let failed = |path: &Path, error: std::io::Error| Failure::Failed(format!("{}: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|error| failed(&path, error))
    };
    for held in held.apis.values() {
        let mut written = Written::held(held);
        let stem = written.file_stem();
        if let Some(contract) = &held.api.definition.contract {
            let bytes = client.bytes(&contract_source::place(&contract.digest))?;
            let name = format!("{stem}.contract.{}", contract_source::ending(contract, &bytes));
            write(&name, &bytes)?;
            written.name_contract(name);
        }
        write(&format!("{stem}.yaml"), written.yaml().map_err(Failure::Failed)?.as_bytes())?;
    }
    note(&format!("{} written to {}", count(held.apis.len() as u64, "API"), folder.display()));
    Ok(ExitCode::SUCCESS)
}

fn documents(files: &[DocumentFile]) -> Result<Vec<Document>, Failure> {
    read::files(files).map_err(|faults| Failure::Configuration(lines(&faults)))
}

impl Node for Client {
    type Error = Failure;

    fn environments(&mut self) -> Result<Vec<EnvironmentName>, Failure> {
        Ok(env::all(self)?.into_iter().map(|environment| environment.name).collect())
    }

    fn apis(&mut self) -> Result<Vec<Api>, Failure> {
        self.list(&ResourcePath::new(["apis"]), None)
    }

    fn revision(&mut self, key: &ApiKey, number: u64) -> Result<Definition, Failure> {
        let revision: Revision = self.get(&super::api::place(key).at("revisions").at(&number.to_string()))?;
        Ok(revision.definition)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::api::view::apply::{Applied, Documents};
    use crate::cli::client::ResourcePath;
    use crate::cli::client::testing::{Answer, FakeNode};

    #[test]
    fn documents_that_a_node_refuses_are_an_invalid_configuration() {
        let node = FakeNode::new(|_| Answer::problem(422, "documents-invalid", "f.yaml:1:1: lifecycle: no way"));
        let asked = Documents { files: Vec::new(), dry_run: true };
        let refused = node.client().post::<Applied>(&ResourcePath::new(["apply"]), &asked).map(drop);
        let (why, code) = refused.unwrap_err().into_message_and_code();
        assert_eq!((code, why.contains("f.yaml:1:1: lifecycle: no way")), (3, true), "{why}");
        let asked = &node.asked()[0];
        assert_eq!(asked.line, "POST /api/v1/apply");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&asked.body).unwrap(),
            json!({"files": [], "dry_run": true})
        );
    }
}
