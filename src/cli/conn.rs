//! `ringway conn`: lists and closes live connections.

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use super::Failure;
use super::api::reference::Reference;
use super::client::{Client, ResourcePath};
use super::global_options::GlobalOptions;
use super::output::{Format, count, note};
use crate::api::Page;
use crate::api::view::connections::{Closed, Closing, Connection};
use crate::api::view::snapshot::{Draining, InForce, Served};
use crate::config::units::{address, number};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List live connections
    List(ListArgs),
    /// Close one connection, or all connections of an API, with close code 1001 on both sides
    Close(CloseArgs),
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    /// Connections in this environment only
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Connections of this API only: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(long, value_name = "REF")]
    api: Option<Reference>,
    /// Connections from this client address only
    #[arg(long, value_name = "IP", value_parser = address)]
    client: Option<IpAddr>,
    /// Show at most this many [default: all]
    #[arg(long, value_name = "COUNT", value_parser = number::<usize>)]
    limit: Option<usize>,
}

#[derive(clap::Args, Debug)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["id", "api"])))]
struct CloseArgs {
    /// ID of the connection, from `conn list`
    #[arg(value_name = "ID", conflicts_with = "env")]
    id: Option<String>,
    /// Close all connections of this API, spread over the drain window: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(long, value_name = "REF")]
    api: Option<Reference>,
    /// With --api: only connections in this environment
    #[arg(long, value_name = "NAME", requires = "api")]
    env: Option<String>,
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(globals)?;
    match &args.verb {
        Verb::List(args) => list(args, &client, globals),
        Verb::Close(args) => close(args, &client, globals),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn list(args: &ListArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let api = args.api.as_ref().map(|api| api.existing(client)).transpose()?.map(|key| key.to_string());
    let from = args.client.map(|address| address.to_string());
    let place = ResourcePath::new(["connections"])
        .with_some("environment", args.env.as_deref())
        .with_some("api", api.as_deref())
        .with_some("client", from.as_deref());
    let connections: Vec<Connection> = client.list(&place, args.limit)?;
    let header = [
        "ID",
        "CLIENT",
        "API",
        "ENVIRONMENT",
        "STAGE",
        "AGE",
        "MESSAGES UP/DOWN",
        "BYTES UP/DOWN",
        "CONSUMER",
        "CHANNEL",
        "PATH",
        "ENDPOINT",
    ];
    globals.output.list(&connections, &header, |it| {
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            it.id.clone(),
            it.client.clone(),
            dash(&it.api),
            dash(&it.environment),
            it.stage.name().to_owned(),
            age(Duration::from_millis(it.age_ms)),
            format!("{}/{}", it.messages.from_client, it.messages.from_upstream),
            format!("{}/{}", it.bytes.from_client, it.bytes.from_upstream),
            party(it),
            dash(&it.channel),
            it.path.clone(),
            dash(&it.endpoint),
        ]
    })?;
    if globals.output == Format::Table { report_drains(args, api.as_deref(), client) } else { Ok(()) }
}

/// The consumer, with the application whose key it presented.
fn party(it: &Connection) -> String {
    match (&it.consumer, &it.application) {
        (None, _) => "-".to_owned(),
        (Some(consumer), None) => consumer.clone(),
        (Some(consumer), Some(application)) => format!("{consumer}/{application}"),
    }
}

/// Reports the progress of each drain that is under way.
fn report_drains(args: &ListArgs, api: Option<&str>, client: &Client) -> Result<(), Failure> {
    let mut cursor = None;
    loop {
        let page = ResourcePath::new(["snapshot"]).with("limit", "1000").with_some("cursor", cursor.as_deref());
        let Page { items, next } = client.get::<InForce>(&page)?.deployments;
        for Served { api: of, environment, draining, .. } in &items {
            let is_asked = api.is_none_or(|api| api == of) && args.env.as_ref().is_none_or(|env| env == environment);
            if let Some(Draining { left, of: all }) = draining.filter(|_| is_asked) {
                note(&format!(
                    "{of} in {environment}: draining, {left} of {} are not closed yet",
                    count(all, "connection")
                ));
            }
        }
        cursor = match next {
            Some(next) if cursor.as_ref() != Some(&next) => Some(next),
            _ => return Ok(()),
        };
    }
}

fn close(args: &CloseArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    if let Some(id) = &args.id {
        client.delete(&ResourcePath::new(["connections", id]))?;
        note(&format!("{id} is closing"));
        return Ok(());
    }
    let Some(api) = &args.api else { return Err(Failure::Usage("name a connection, or an API with --api".to_owned())) };
    let key = api.existing(client)?;
    let asked = Closing { environment: args.env.clone(), api: Some(key.to_string()) };
    let closed: Closed = client.post(&ResourcePath::new(["connections", "close"]), &asked)?;
    globals.output.write(&closed, |closed| format!("{} of {key} closing\n", count(closed.closing, "connection")))
}

/// A duration in its two largest units.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (0, hours, minutes, _) => format!("{hours}h{minutes:02}m"),
        (days, hours, ..) => format!("{days}d{hours:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::age;

    #[test]
    fn an_age_has_two_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m00s"),
            (3_599, "59m59s"),
            (3_600, "1h00m"),
            (86_399, "23h59m"),
            (90_000, "1d01h"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), expected);
        }
    }
}
