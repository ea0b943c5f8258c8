//! An import for people and for machines: problems with their lines, the values, the routes, and the changes of a new contract.

use std::io::{self, Write};

use serde::Serialize;

use super::values::Values;
use crate::api::{Api, ContractRef};
use crate::cli::Failure;
use crate::cli::api::contract::routes;
use crate::cli::contract_source::{self, ReadContract};
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::{Format, count, list_cell, note, table, without_controls};
use crate::contract::diff::Change;
use crate::contract::display::shown;
use crate::contract::model::Perspective;
use crate::contract::{Level, Model, Problem};

/// The most notes that are shown to people.
const MAX_NOTES: usize = 5;

/// The answer of an import as JSON or YAML.
#[derive(Serialize)]
pub(super) struct ImportReport<'r> {
    source: String,
    contract: &'r ContractRef,
    asyncapi: Option<&'r str>,
    perspective: Option<&'r Perspective>,
    values: ShownValues<'r>,
    problems: &'r [Problem],
    /// Problems that the list leaves out.
    problems_left_out: usize,
    routes: Vec<routes::ShownRoute>,
    /// The changes of meaning to the contract that the API had.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<Change>>,
    /// The API as it is now; nothing in a dry run.
    pub(super) api: Option<Api>,
}

#[derive(Serialize)]
struct ShownValues<'r> {
    project: &'r str,
    identifier: String,
    version: &'r str,
    name: &'r str,
    description: &'r str,
    access: &'r str,
    targets: &'r [String],
    server: Option<&'r str>,
    remarks: &'r std::collections::BTreeMap<&'static str, String>,
}

impl<'r> ImportReport<'r> {
    pub(super) fn new(read: &'r ReadContract, values: &'r Values, source: &'r str) -> Self {
        let model = read.contract.model.as_ref();
        Self {
            source: contract_source::shown(source),
            contract: &read.reference,
            asyncapi: model.map(|model| model.asyncapi.as_str()),
            perspective: model.map(|model| &model.perspective),
            values: ShownValues {
                project: &values.project,
                identifier: values.identifier(),
                version: &values.version,
                name: &values.name,
                description: &values.description,
                access: &values.access,
                targets: &values.targets,
                server: values.server.as_deref(),
                remarks: &values.remarks,
            },
            problems: read.contract.problems.list(),
            problems_left_out: read.contract.problems.left_out(),
            routes: model.map(routes::shown).unwrap_or_default(),
            changes: None,
            api: None,
        }
    }

    pub(super) fn with_outcome(self, changes: Option<Vec<Change>>, api: Api) -> Self {
        Self { changes, api: Some(api), ..self }
    }

    /// Writes the report: for people the values and the routes.
    pub(super) fn write(&self, globals: &GlobalOptions) -> Result<(), Failure> {
        globals.output.write(self, |report| format!("{}\n{}", report.values.table(), routes::table_of(&report.routes)))
    }
}

impl ShownValues<'_> {
    fn table(&self) -> String {
        let target = match self.server {
            Some(server) => format!("{} (server {server})", list_cell(self.targets)),
            None => list_cell(self.targets),
        };
        let rows = [
            ("api", format!("{}/{}:{}", self.project, self.identifier, self.version)),
            ("name", self.name.to_owned()),
            ("version", self.version.to_owned()),
            ("target", target),
            ("access", self.access.to_owned()),
            ("description", self.description.to_owned()),
        ];
        let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
        table(
            &[],
            rows.map(|(name, value)| match self.remarks.get(name) {
                Some(remark) => vec![name.to_owned(), format!("{value}   ({remark})")],
                None => vec![name.to_owned(), value],
            }),
        )
    }
}

/// Shows every problem of a contract: as JSON or YAML on standard output, for people with the lines on standard error.
pub(in crate::cli::api) fn problems(read: &ReadContract, globals: &GlobalOptions) -> Result<(), Failure> {
    if globals.output == Format::Table {
        to_people(read, usize::MAX);
        return Ok(());
    }
    globals.output.write(&serde_json::json!({ "problems": read.contract.problems.list() }), |_| String::new())
}

/// Shows people what a routable contract leaves to be desired, and the side that it is taken to be written from.
pub(super) fn notes(read: &ReadContract, globals: &GlobalOptions) {
    if globals.output != Format::Table {
        return;
    }
    to_people(read, MAX_NOTES);
    if let Some(Model { perspective, .. }) = &read.contract.model {
        let other = match perspective.side {
            crate::api::contract::Side::Server => "client",
            crate::api::contract::Side::Client => "server",
        };
        let advice = if perspective.is_chosen { String::new() } else { format!(" (--perspective {other} turns it)") };
        note(&format!("written from the {}'s side: {}{advice}", perspective.side, perspective.reason));
    }
}

/// Problems with their lines on standard error, at most so many notes.
fn to_people(read: &ReadContract, max_notes: usize) {
    let _ = write!(io::stderr(), "{}", text_of(read, max_notes));
}

/// Problems with their lines, those that block something first, and at most so many notes.
pub(in crate::cli::api) fn text_of(read: &ReadContract, max_notes: usize) -> String {
    let problems = &read.contract.problems;
    let (notes, blocking): (Vec<&Problem>, Vec<&Problem>) =
        problems.list().iter().partition(|problem| problem.level == Level::Note);
    let told: Vec<&&Problem> = blocking.iter().chain(notes.iter().take(max_notes)).collect();
    let mut text: String = told
        .iter()
        .map(|problem| format!("{}\n\n", without_controls(&shown(problem, &read.sources).to_string())))
        .collect();
    let all = [Level::BlocksRouting, Level::BlocksValidation, Level::Note].map(|level| problems.count(level));
    let left_out = all.iter().sum::<usize>().saturating_sub(told.len());
    if left_out > 0 {
        text.push_str(&format!("and {} more; -o json lists them\n", count(left_out as u64, "problem")));
    }
    text
}

/// Shows the changes of meaning from the contract that an API had.
pub(super) fn changes(changes: &[Change]) {
    if changes.is_empty() {
        note("the contract means the same as the one before");
        return;
    }
    let breaking = changes.iter().filter(|change| !change.breaks.is_empty()).count();
    note(&format!("{} to the contract before, {breaking} of them breaking:", count(changes.len() as u64, "change")));
    for change in changes {
        note(&format!("  {change}"));
    }
}

/// Shows somebody at a terminal what would be made.
pub(super) fn to_terminal(read: &ReadContract, values: &Values, is_there: bool, changed: Option<&[Change]>) {
    let report = ImportReport::new(read, values, "");
    note(&report.values.table());
    note(&routes::table_of(&report.routes));
    if is_there {
        note("the API is there already: only its contract and what flags give will change");
    }
    if let Some(changed) = changed {
        changes(changed);
    }
}
