//! `ringway app`: applications of consumers, and what they are subscribed to. An application is named with its consumer, as in
//! `acme/mobile`.

mod family;
mod subscribe;

use std::process::ExitCode;

use clap::Subcommand;

use self::family::FamilyReference;
use super::Failure;
use super::client::{Client, ResourcePath};
use super::confirmation::Confirmation;
use super::global_options::GlobalOptions;
use super::output::{count, list_cell, note, table};
use crate::api::consumers::request::{DescribedFields, NewApplication};
use crate::api::consumers::{Application, ApplicationName, Standing, Subscription};
use crate::api::moment;
use crate::config::units::number;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List applications
    List(ListArgs),
    /// Show an application and what it is subscribed to
    Show(NameArgs),
    /// Create an application
    Create(CreateArgs),
    /// Change the description of an application
    Update(UpdateArgs),
    /// Close everything that the keys of an application open, until it is unblocked
    Block(SwitchArgs),
    /// Have the keys of a blocked application open what it is subscribed to again
    Unblock(SwitchArgs),
    /// Revoke every key of an application, end its subscriptions and delete it
    Delete(DeleteArgs),
    /// Subscribe an application to an API, or change the plan of the subscription
    Subscribe(subscribe::SubscribeArgs),
    /// End the subscription of an application to an API
    Unsubscribe(subscribe::UnsubscribeArgs),
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    /// Applications of this consumer only
    #[arg(long, value_name = "NAME")]
    consumer: Option<String>,
    /// Applications that are subscribed to this API only: IDENTIFIER, IDENTIFIER:1 or PROJECT/IDENTIFIER:1
    #[arg(long, value_name = "API")]
    api: Option<FamilyReference>,
    /// Applications with a subscription that has this plan only
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
    /// Show at most this many [default: all]
    #[arg(long, value_name = "COUNT", value_parser = number::<usize>)]
    limit: Option<usize>,
}

#[derive(clap::Args, Debug)]
struct NameArgs {
    /// The application: CONSUMER/NAME
    #[arg(value_name = "APP", value_parser = name)]
    application: ApplicationName,
}

#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// The application: CONSUMER/NAME
    #[arg(value_name = "APP", value_parser = name)]
    application: ApplicationName,
    /// Description for people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(clap::Args, Debug)]
struct UpdateArgs {
    /// The application: CONSUMER/NAME
    #[arg(value_name = "APP", value_parser = name)]
    application: ApplicationName,
    /// Description for people
    #[arg(long, value_name = "TEXT")]
    description: String,
}

#[derive(clap::Args, Debug)]
struct SwitchArgs {
    /// The application: CONSUMER/NAME
    #[arg(value_name = "APP", value_parser = name)]
    application: ApplicationName,
    /// The API whose subscription alone is meant: IDENTIFIER, IDENTIFIER:1 or PROJECT/IDENTIFIER:1
    #[arg(value_name = "API")]
    api: Option<FamilyReference>,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(clap::Args, Debug)]
struct DeleteArgs {
    /// The application: CONSUMER/NAME
    #[arg(value_name = "APP", value_parser = name)]
    application: ApplicationName,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// Parses the name of an application for clap.
pub(super) fn name(text: &str) -> Result<ApplicationName, String> {
    text.parse().map_err(|problems: crate::api::Problems| problems.detail)
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(globals)?;
    match &args.verb {
        Verb::List(args) => list(args, &client, globals),
        Verb::Show(args) => write(&client.get(&place(&args.application))?, globals),
        Verb::Create(args) => create(args, &client, globals),
        Verb::Update(args) => update(args, &client, globals),
        Verb::Block(args) => switch(args, Standing::Blocked, &client, globals),
        Verb::Unblock(args) => switch(args, Standing::Active, &client, globals),
        Verb::Delete(args) => delete(args, &client, globals),
        Verb::Subscribe(args) => subscribe::subscribe(args, &client, globals),
        Verb::Unsubscribe(args) => subscribe::unsubscribe(args, &client, globals),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// The path of an application in the admin API.
pub(super) fn place(name: &ApplicationName) -> ResourcePath {
    ResourcePath::new(["applications", name.consumer.as_str(), name.name.as_str()])
}

fn list(args: &ListArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let api = args.api.as_ref().map(|api| api.family(client)).transpose()?.map(|api| api.to_string());
    let place = ResourcePath::new(["applications"])
        .with_some("consumer", args.consumer.as_deref())
        .with_some("api", api.as_deref())
        .with_some("plan", args.plan.as_deref());
    let applications: Vec<Application> = client.list(&place, args.limit)?;
    globals.output.list(&applications, &["APP", "STATUS", "KEYS", "SUBSCRIPTIONS"], |application| {
        let apis: Vec<String> = application.subscriptions.iter().map(|it| it.api.to_string()).collect();
        vec![
            application.whole_name().to_string(),
            application.status.to_string(),
            application.keys.to_string(),
            list_cell(&apis),
        ]
    })
}

fn create(args: &CreateArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let ApplicationName { consumer, name } = &args.application;
    let new = NewApplication {
        consumer: consumer.to_string(),
        name: name.to_string(),
        description: args.description.clone(),
        status: None,
    };
    let application: Application = client.post(&ResourcePath::new(["applications"]), &new)?;
    write(&application, globals)
}

/// Changes the description. The node refuses the change if another client changed the application meanwhile.
fn update(args: &UpdateArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let is = client.tagged::<Application>(&place(&args.application))?;
    let description = Some(args.description.clone());
    let fields = DescribedFields { description, status: Some(is.value.status.to_string()) };
    write(&client.put(&place(&args.application), &fields, is.etag.as_deref())?, globals)
}

fn switch(args: &SwitchArgs, to: Standing, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    if let Some(api) = &args.api {
        return subscribe::switch(&args.application, api, to, args.confirmation, client, globals);
    }
    let is = client.tagged::<Application>(&place(&args.application))?;
    if to == Standing::Blocked && is.value.status != to {
        let what = format!("block {} and end its connections", args.application);
        args.confirmation.ask(&what, globals)?;
    }
    let description = Some(is.value.description.to_string());
    let fields = DescribedFields { description, status: Some(to.to_string()) };
    write(&client.put(&place(&args.application), &fields, is.etag.as_deref())?, globals)
}

fn delete(args: &DeleteArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let application: Application = client.get(&place(&args.application))?;
    let what = match application.keys {
        0 => format!("delete {}, which has no keys", args.application),
        keys => format!("delete {}, revoke {} and end its connections", args.application, count(keys, "key")),
    };
    args.confirmation.ask(&what, globals)?;
    client.delete(&place(&args.application))?;
    note(&format!("deleted {}", args.application));
    Ok(())
}

fn write(application: &Application, globals: &GlobalOptions) -> Result<(), Failure> {
    globals.output.write(application, |application| {
        let fields = [
            ("app", application.whole_name().to_string()),
            ("description", application.description.to_string()),
            ("status", application.status.to_string()),
            ("keys", application.keys.to_string()),
            ("created", format!("{} by {}", moment::shown(application.created_at), application.created_by)),
            ("updated", format!("{} by {}", moment::shown(application.updated_at), application.updated_by)),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let fields = table(&[], given.map(|(name, value)| vec![name.to_owned(), value]));
        if application.subscriptions.is_empty() {
            return fields;
        }
        format!("{fields}\n{}", subscriptions(&application.subscriptions))
    })
}

/// The table of subscriptions.
fn subscriptions(subscriptions: &[Subscription]) -> String {
    let rows = subscriptions.iter().map(|subscription| {
        vec![
            subscription.api.to_string(),
            subscription.plan.to_string(),
            subscription.status.to_string(),
            if subscription.open { "yes" } else { "no" }.to_owned(),
            moment::shown(subscription.created_at),
        ]
    });
    table(&["API", "PLAN", "STATUS", "OPEN", "SINCE"], rows)
}
