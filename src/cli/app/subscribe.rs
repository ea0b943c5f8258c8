//! `ringway app subscribe` and `unsubscribe`, and the blocking of one subscription.

use super::family::FamilyReference;
use super::{name, place, subscriptions};
use crate::api::consumers::request::SubscriptionFields;
use crate::api::consumers::view::SubscriptionChange;
use crate::api::consumers::{ApiFamily, ApplicationName, Standing, Subscription};
use crate::cli::Failure;
use crate::cli::client::{Client, ResourcePath};
use crate::cli::confirmation::Confirmation;
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::note;

#[derive(clap::Args, Debug)]
pub(super) struct SubscribeArgs {
    /// The application: CONSUMER/NAME
    #[arg(value_name = "APP", value_parser = name)]
    application: ApplicationName,
    /// The API, all minor versions of a major one: IDENTIFIER, IDENTIFIER:1 or PROJECT/IDENTIFIER:1
    #[arg(value_name = "API")]
    api: FamilyReference,
    /// Plan of the subscription [default: the one it has, or `default`]
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
}

#[derive(clap::Args, Debug)]
pub(super) struct UnsubscribeArgs {
    /// The application: CONSUMER/NAME
    #[arg(value_name = "APP", value_parser = name)]
    application: ApplicationName,
    /// The API, all minor versions of a major one: IDENTIFIER, IDENTIFIER:1 or PROJECT/IDENTIFIER:1
    #[arg(value_name = "API")]
    api: FamilyReference,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// The path of a subscription in the admin API.
fn subscription_place(application: &ApplicationName, api: &ApiFamily) -> ResourcePath {
    let major = api.major.to_string();
    place(application).at("subscriptions").at(api.project.as_str()).at(api.identifier.as_str()).at(&major)
}

/// Subscribes. A subscription that there is keeps what is not named, and is refused if another client changed it meanwhile.
pub(super) fn subscribe(args: &SubscribeArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let api = args.api.family(client)?;
    let place = subscription_place(&args.application, &api);
    let is = client.tagged_if_there::<Subscription>(&place)?;
    let there = is.as_ref().map(|is| &is.value);
    let fields = SubscriptionFields {
        plan: args.plan.clone().or_else(|| there.map(|it| it.plan.to_string())),
        status: there.map(|it| it.status.to_string()),
    };
    let etag = is.as_ref().and_then(|is| is.etag.as_deref());
    write(&client.put(&place, &fields, etag)?, globals)
}

pub(super) fn unsubscribe(args: &UnsubscribeArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let api = args.api.family(client)?;
    let place = subscription_place(&args.application, &api);
    let _: Subscription = client.get(&place)?;
    let what = format!("end the subscription of {} to {api} and its connections", args.application);
    args.confirmation.ask(&what, globals)?;
    client.delete(&place)?;
    note(&format!("{} is not subscribed to {api} any more", args.application));
    Ok(())
}

/// Blocks one subscription, or unblocks it.
pub(super) fn switch(
    application: &ApplicationName,
    api: &FamilyReference,
    to: Standing,
    confirmation: Confirmation,
    client: &Client,
    globals: &GlobalOptions,
) -> Result<(), Failure> {
    let api = api.family(client)?;
    let place = subscription_place(application, &api);
    let is = client.tagged::<Subscription>(&place)?;
    if to == Standing::Blocked && is.value.status != to {
        let what = format!("block the subscription of {application} to {api} and end its connections");
        confirmation.ask(&what, globals)?;
    }
    let fields = SubscriptionFields { plan: Some(is.value.plan.to_string()), status: Some(to.to_string()) };
    write(&client.put(&place, &fields, is.etag.as_deref())?, globals)
}

fn write(change: &SubscriptionChange, globals: &GlobalOptions) -> Result<(), Failure> {
    for warning in &change.warnings {
        note(&format!("warning: {warning}"));
    }
    globals.output.write(change, |change| subscriptions(std::slice::from_ref(&change.subscription)))
}
