//! `ringway audit`: who changed what, when.

use std::process::ExitCode;

use jiff::Timestamp;

use super::Failure;
use super::api::reference::Reference;
use super::client::{Client, ResourcePath};
use super::global_options::GlobalOptions;
use crate::api::{AuditEntry, moment};
use crate::config::units::number;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Changes of this API only: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(long, value_name = "REF")]
    api: Option<Reference>,
    /// Changes since this day or time only, as 2027-06-30 or 2027-06-30T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = super::api::time)]
    since: Option<Timestamp>,
    /// Show at most this many entries, newest first
    #[arg(long, value_name = "COUNT", value_parser = number::<usize>, default_value_t = 50)]
    limit: usize,
}

/// Lists the audit. The values before and after a change are in the JSON and YAML output only.
pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(globals)?;
    let api = args.api.as_ref().map(|api| api.key(&client)).transpose()?.map(|key| key.to_string());
    let since = args.since.map(|since| since.to_string());
    let place = ResourcePath::new(["audit"]).with_some("api", api.as_deref()).with_some("since", since.as_deref());
    let entries: Vec<AuditEntry> = client.list(&place, Some(args.limit))?;
    if let Some(api) = args.api.as_ref().filter(|_| entries.is_empty() && args.limit > 0 && args.since.is_none()) {
        // An API that was deleted has entries; one that never was has none.
        api.existing(&client)?;
    }
    globals.output.list(&entries, &["ID", "AT", "BY", "ACTION", "SUBJECT"], |entry| {
        let who = match &entry.client_name {
            Some(client) => format!("{} ({client})", entry.who),
            None => entry.who.clone(),
        };
        vec![entry.id.to_string(), moment::shown(entry.at), who, entry.action.to_string(), entry.subject.clone()]
    })?;
    Ok(ExitCode::SUCCESS)
}
