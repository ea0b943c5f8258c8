//! `ringway key`: the keys of applications. A secret goes to standard output once, when its key is made.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;

use super::Failure;
use super::app;
use super::client::{Client, ResourcePath};
use super::confirmation::Confirmation;
use super::global_options::GlobalOptions;
use super::output::{note, table};
use crate::api::consumers::request::{KeyRotation, NewKey};
use crate::api::consumers::view::{KeyStatus, MadeKey};
use crate::api::consumers::{ApplicationName, Key};
use crate::api::moment;
use crate::config::units::{delay, number};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List keys, without their secrets
    List(ListArgs),
    /// Show a key, without its secret
    Show(NumberArgs),
    /// Make a key of an application, and print its secret, which is never shown again
    Create(CreateArgs),
    /// Make a key that takes the place of another, which stays valid for a while, and print its secret
    Rotate(RotateArgs),
    /// Revoke a key and close the connections that it opened
    Revoke(RevokeArgs),
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    /// Keys of this application only: CONSUMER/NAME
    #[arg(long, value_name = "APP", value_parser = app::name)]
    app: Option<ApplicationName>,
    /// Keys of this environment only
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Keys that begin with this only, as rwk_Zr3b1Q
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Show at most this many [default: all]
    #[arg(long, value_name = "COUNT", value_parser = number::<usize>)]
    limit: Option<usize>,
}

#[derive(clap::Args, Debug)]
struct NumberArgs {
    /// Number of the key
    #[arg(value_name = "KEY", value_parser = number::<u64>)]
    key: u64,
}

#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// The application: CONSUMER/NAME
    #[arg(value_name = "APP", value_parser = app::name)]
    application: ApplicationName,
    /// The only environment that the key opens
    #[arg(long, value_name = "NAME")]
    env: String,
    /// Name of the key, for people [default: the environment]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// End of the key, as 2027-06-30 or 2027-06-30T12:00:00Z [default: never]
    #[arg(long, value_name = "TIME", value_parser = super::api::time)]
    expires: Option<Timestamp>,
}

#[derive(clap::Args, Debug)]
struct RotateArgs {
    /// Number of the key
    #[arg(value_name = "KEY", value_parser = number::<u64>)]
    key: u64,
    /// Time for which the old key stays valid; 0 ends it at once
    #[arg(long, value_name = "DURATION", value_parser = delay, default_value = "24h")]
    overlap: Duration,
    /// End of the new key, as 2027-06-30 or 2027-06-30T12:00:00Z [default: as long a life as the old key was given]
    #[arg(long, value_name = "TIME", value_parser = super::api::time)]
    expires: Option<Timestamp>,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(clap::Args, Debug)]
struct RevokeArgs {
    /// Number of the key
    #[arg(value_name = "KEY", value_parser = number::<u64>)]
    key: u64,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(globals)?;
    match &args.verb {
        Verb::List(args) => list(args, &client, globals),
        Verb::Show(args) => show(args, &client, globals),
        Verb::Create(args) => create(args, &client, globals),
        Verb::Rotate(args) => rotate(args, &client, globals),
        Verb::Revoke(args) => revoke(args, &client, globals),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn place(key: u64) -> ResourcePath {
    ResourcePath::new(["keys", &key.to_string()])
}

fn list(args: &ListArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let app = args.app.as_ref().map(ApplicationName::to_string);
    let place = ResourcePath::new(["keys"])
        .with_some("application", app.as_deref())
        .with_some("environment", args.env.as_deref())
        .with_some("prefix", args.prefix.as_deref());
    let keys: Vec<Key> = client.list(&place, args.limit)?;
    let header = ["KEY", "APP", "NAME", "ENVIRONMENT", "PREFIX", "STATUS", "EXPIRES", "LAST USED"];
    globals.output.list(&keys, &header, |key| {
        vec![
            key.id.to_string(),
            key.application.to_string(),
            key.name.to_string(),
            key.environment.to_string(),
            key.prefix.clone(),
            status(key).to_owned(),
            key.expires_at.map_or_else(|| "-".to_owned(), moment::shown),
            key.last_used_on.map_or_else(|| "-".to_owned(), |day| day.to_string()),
        ]
    })
}

fn show(args: &NumberArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let key: Key = client.get(&place(args.key))?;
    globals.output.write(&key, |key| rows(key, None))
}

fn create(args: &CreateArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let new = NewKey {
        environment: args.env.clone(),
        name: args.name.clone(),
        expires_at: args.expires.map(|at| at.to_string()),
    };
    let made: MadeKey = client.post(&app::place(&args.application).at("keys"), &new)?;
    write(&made, globals)
}

fn rotate(args: &RotateArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    if args.overlap.is_zero() {
        let what = format!("end key {} at once and close the connections that it opened", args.key);
        args.confirmation.ask(&what, globals)?;
    }
    // The node takes whole seconds; a part of one counts as one.
    let overlap_s = args.overlap.as_secs().saturating_add(u64::from(args.overlap.subsec_nanos() > 0));
    let rotation = KeyRotation { overlap_s: Some(overlap_s), expires_at: args.expires.map(|at| at.to_string()) };
    let made: MadeKey = client.post(&place(args.key).at("rotate"), &rotation)?;
    write(&made, globals)
}

fn revoke(args: &RevokeArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let key: Key = client.get(&place(args.key))?;
    let what = format!("revoke key {} ({}) of {} and end its connections", key.id, key.prefix, key.application);
    args.confirmation.ask(&what, globals)?;
    client.delete(&place(args.key))?;
    note(&format!("revoked key {} ({}) of {}", key.id, key.prefix, key.application));
    Ok(())
}

/// The word for a key's state.
fn status(key: &Key) -> &'static str {
    match (key.status, key.replaced_by) {
        (KeyStatus::Expired, _) => "expired",
        (KeyStatus::Active, Some(_)) => "rotated",
        (KeyStatus::Active, None) => "active",
    }
}

fn write(made: &MadeKey, globals: &GlobalOptions) -> Result<(), Failure> {
    note("the secret is shown now and never again: the node keeps its SHA-256 only");
    globals.output.write(made, |made| rows(&made.key, Some(&made.secret)))
}

fn rows(key: &Key, secret: Option<&str>) -> String {
    let fields = [
        ("key", key.id.to_string()),
        ("app", key.application.to_string()),
        ("name", key.name.to_string()),
        ("environment", key.environment.to_string()),
        ("prefix", key.prefix.clone()),
        ("status", status(key).to_owned()),
        ("expires", key.expires_at.map_or_else(|| "never".to_owned(), moment::shown)),
        ("replaced by", key.replaced_by.map(|id| id.to_string()).unwrap_or_default()),
        ("last used", key.last_used_on.map(|day| day.to_string()).unwrap_or_default()),
        ("created", format!("{} by {}", moment::shown(key.created_at), key.created_by)),
        ("secret", secret.unwrap_or_default().to_owned()),
    ];
    let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
    table(&[], given.map(|(name, value)| vec![name.to_owned(), value]))
}
