//! `ringway api deploy`, `undeploy`, `promote`, `stop`, `start` and `rollback`: what runs where.

use serde_json::json;

use super::{found, place, show, target_check};
use crate::api::request::{NewDeployment, Promotion, Rollback};
use crate::api::{Api, ApiKey, Deployment, nearest};
use crate::cli::api::reference::Reference;
use crate::cli::cells::{status, texts};
use crate::cli::client::Client;
use crate::cli::confirmation::Confirmation;
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::{list_cell, note};
use crate::cli::{Failure, env, program};
use crate::config::units::number;
use crate::declare::held;

/// An API in an environment.
#[derive(clap::Args, Debug)]
pub(super) struct PlaceArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Environment
    #[arg(long, value_name = "NAME")]
    env: String,
}

#[derive(clap::Args, Debug)]
pub(super) struct UndeployArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(clap::Args, Debug)]
pub(super) struct DeployArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Target for this environment only, kept for later deployments; may be repeated
    #[arg(long, value_name = "URL")]
    target: Vec<String>,
    /// Use the API's targets again instead of the environment's own
    #[arg(long, conflicts_with = "target")]
    api_targets: bool,
    /// Revision to deploy [default: the current definition]
    #[arg(long, value_name = "NUMBER", value_parser = number::<u64>)]
    revision: Option<u64>,
}

#[derive(clap::Args, Debug)]
pub(super) struct PromoteArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Environment that runs the revision [default: the only possible one]
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// Next environment in the order
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// Targets in the next environment: `keep` for the ones in use now, or a URL; may be repeated
    #[arg(long, value_name = "keep|URL", default_value = "keep")]
    target: Vec<String>,
}

#[derive(clap::Args, Debug)]
pub(super) struct RollbackArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Revision to run; `api revisions` lists them
    #[arg(value_name = "REV", value_parser = number::<u64>)]
    revision: u64,
    /// Environment [default: the only one that runs the API]
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
}

pub(super) fn deploy(args: &DeployArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let api = found(&args.place.reference, client)?;
    let targets = (args.api_targets || !args.target.is_empty()).then(|| args.target.clone());
    let new = NewDeployment { revision: args.revision, targets };
    let place = place(&held::key(&api)).at("deployments").at(&args.place.env);
    let deployment: Deployment = client.put(&place, &new, None)?;
    deployed_note("deployed", "", &api, &deployment);
    target_check::warn(&held::key(&api), deployment.environment.as_str(), client);
    write(&deployment, globals)
}

pub(super) fn undeploy(args: &UndeployArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let api = found(&args.place.reference, client)?;
    let (key, environment) = (held::key(&api), &args.place.env);
    let runs = deployment_in(&api, environment).is_some();
    // The last environment is the one that consumers use.
    if runs && env::all(client)?.last().is_some_and(|last| last.name.as_str() == environment) {
        let what = format!("undeploy {key} from {environment} and end its connections there");
        args.confirmation.ask(&what, globals)?;
    }
    // The node refuses an environment that it does not have.
    client.delete(&place(&key).at("deployments").at(environment))?;
    if runs {
        note(&format!("undeployed {key} from {environment}"));
    } else {
        note(&format!("unchanged: {key} is not deployed in {environment}"));
    }
    Ok(())
}

/// Starts or stops a deployment.
pub(super) fn switch(args: &PlaceArgs, verb: &str, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let api = found(&args.reference, client)?;
    let key = held::key(&api);
    let place = place(&key).at("deployments").at(&args.env).at(verb);
    let deployment: Deployment = client.post(&place, &json!({}))?;
    let is = format!("{key} is {} in {}", status(&deployment), deployment.environment);
    if is_unchanged(&api, &deployment) {
        note(&format!("unchanged: {is} already"));
    } else {
        note(&is);
    }
    // The node tries nothing for a deployment that is stopped.
    target_check::warn(&key, deployment.environment.as_str(), client);
    write(&deployment, globals)
}

pub(super) fn rollback(args: &RollbackArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let api = found(&args.reference, client)?;
    let environment = match &args.env {
        Some(name) => name.clone(),
        None => only_environment(&api)?,
    };
    let place = place(&held::key(&api)).at("deployments").at(&environment).at("rollback");
    let deployment: Deployment = client.post(&place, &Rollback { revision: args.revision })?;
    deployed_note("rolled back", "", &api, &deployment);
    target_check::warn(&held::key(&api), deployment.environment.as_str(), client);
    write(&deployment, globals)
}

pub(super) fn promote(args: &PromoteArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let targets = match args.target.as_slice() {
        [keep] if keep == "keep" => None,
        some if some.iter().any(|target| target == "keep") => {
            return Err(Failure::Usage("--target is either `keep` or URLs, not both".to_owned()));
        }
        some => Some(some.to_vec()),
    };
    let api = found(&args.reference, client)?;
    let (from, to) = match (&args.from, &args.to) {
        (Some(from), Some(to)) => (from.clone(), to.clone()),
        (from, to) => {
            let order: Vec<String> = env::all(client)?.into_iter().map(|it| String::from(it.name)).collect();
            only_promotion(&api, &order, from.as_deref(), to.as_deref())?
        }
    };
    let promotion = Promotion { from: from.clone(), to, targets };
    let deployment: Deployment = client.post(&place(&held::key(&api)).at("promote"), &promotion)?;
    deployed_note("promoted", &format!(" from {from}"), &api, &deployment);
    target_check::warn(&held::key(&api), deployment.environment.as_str(), client);
    write(&deployment, globals)
}

/// Refuses the name of an environment that there is not.
fn known(order: &[String], given: Option<&str>) -> Result<(), Failure> {
    let Some(name) = given.filter(|name| !order.iter().any(|known| known == name)) else { return Ok(()) };
    let meant = nearest(name, order.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    let why = format!("there is no environment `{name}`{meant}\n  there are: {}", order.join(", "));
    Err(Failure::Failed(why))
}

/// The one environment that an API runs in.
fn only_environment(api: &Api) -> Result<String, Failure> {
    match api.deployments.as_slice() {
        [only] => Ok(only.environment.to_string()),
        [] => Err(Failure::Failed(format!("{} is not deployed", held::key(api)))),
        several => {
            let names: Vec<&str> = several.iter().map(|it| it.environment.as_str()).collect();
            let names = names.join(", ");
            Err(Failure::Usage(format!("{} runs in {names}: say in which with --env", held::key(api))))
        }
    }
}

/// The only possible promotion that fits the flags.
fn only_promotion(
    api: &Api,
    order: &[String],
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(String, String), Failure> {
    known(order, from)?;
    known(order, to)?;
    let runs_in = |name: &str| api.deployments.iter().any(|it| it.environment.as_str() == name);
    let steps = order.iter().zip(order.iter().skip(1)).filter(|(before, _)| runs_in(before));
    let fits = |(before, after): &(&String, &String)| {
        from.is_none_or(|from| from == *before) && to.is_none_or(|to| to == *after)
    };
    let possible: Vec<(&String, &String)> = steps.filter(fits).collect();
    let key = held::key(api);
    match possible.as_slice() {
        [(from, to)] => Ok(((*from).clone(), (*to).clone())),
        [] => {
            let running: Vec<&str> = api.deployments.iter().map(|it| it.environment.as_str()).collect();
            let (running, order) = (list_cell(&running), order.join(", "));
            let why = "an API is promoted from where it runs to the next in the order";
            Err(Failure::Failed(format!("{why}: {key} runs in: {running}; the order is {order}")))
        }
        several => {
            let lines: String = several.iter().map(|(from, to)| format!("\n  --from {from} --to {to}")).collect();
            Err(Failure::Usage(format!("{key} can be promoted in several ways; name one:{lines}")))
        }
    }
}

/// The deployment of an API in an environment.
fn deployment_in<'a>(api: &'a Api, environment: &str) -> Option<&'a Deployment> {
    api.deployments.iter().find(|it| it.environment.as_str() == environment)
}

/// True if a deployment is what it was when `api` was read. The state of its endpoints is no part of it: they fail and recover
/// by themselves, and not each answer of the node lists them.
fn is_unchanged(api: &Api, deployment: &Deployment) -> bool {
    let without_endpoints =
        |deployment: &Deployment| Deployment { endpoints: None, channels: None, ..deployment.clone() };
    deployment_in(api, deployment.environment.as_str()).map(without_endpoints) == Some(without_endpoints(deployment))
}

/// Says what runs where after `verb`, and whether it did before. `from` is the environment that it came from, if any.
fn deployed_note(verb: &str, from: &str, before: &Api, deployment: &Deployment) {
    let Deployment { environment, revision, effective_targets, .. } = deployment;
    let (key, targets): (ApiKey, _) = (held::key(before), list_cell(&texts(effective_targets)));
    if is_unchanged(before, deployment) {
        note(&format!("unchanged: revision {revision} of {key} runs in {environment} already, to {targets}"));
    } else {
        note(&format!("{verb} {key}{from}: revision {revision} runs in {environment}, to {targets}"));
    }
    if deployment.status == crate::api::view::Status::Stopped {
        let program = program::name();
        note(&format!("the deployment is stopped and accepts no connections: {program} api start"));
    }
}

fn write(deployment: &Deployment, globals: &GlobalOptions) -> Result<(), Failure> {
    globals.output.write(deployment, |deployment| show::deployed(std::slice::from_ref(deployment)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{only_environment, only_promotion};
    use crate::api::Api;
    use crate::cli::client::testing::{api, deployment};

    const ORDER: [&str; 3] = ["development", "staging", "production"];

    fn running_in(names: &[&str]) -> Api {
        let deployments: Vec<Value> = names.iter().map(|name| deployment(name, 1)).collect();
        serde_json::from_value(api("default/chat:1.0", &json!({"deployments": deployments}))).unwrap()
    }

    fn promotion(names: &[&str], from: Option<&str>, to: Option<&str>) -> Result<(String, String), (String, u8)> {
        let order = ORDER.map(str::to_owned);
        only_promotion(&running_in(names), &order, from, to).map_err(crate::cli::Failure::into_message_and_code)
    }

    #[test]
    fn a_promotion_that_is_the_only_one_needs_no_names() {
        let both = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        for (running, from, to, expected) in [
            (&ORDER[..1], None, None, both("development", "staging")),
            (&ORDER[1..2], None, None, both("staging", "production")),
            (&ORDER[..2], Some("development"), None, both("development", "staging")),
            (&ORDER[..2], None, Some("production"), both("staging", "production")),
            (&ORDER[1..], None, None, both("staging", "production")),
        ] {
            assert_eq!(promotion(running, from, to).unwrap(), expected);
        }
    }

    #[test]
    fn a_promotion_that_is_not_clear_or_not_possible_says_what_is() {
        let (why, code) = promotion(&ORDER[..2], None, None).unwrap_err();
        assert_eq!(code, 2);
        assert!(why.contains("\n  --from development --to staging\n  --from staging --to production"), "{why}");
        for (running, from, to) in [
            (&[][..], None, None),
            (&ORDER[2..], None, None),
            (&ORDER[..1], Some("staging"), None),
            (&ORDER[..1], None, Some("production")),
        ] {
            let (why, code) = promotion(running, from, to).unwrap_err();
            assert_eq!(code, 1);
            assert!(why.contains("the order is development, staging, production"), "{why}");
        }
    }

    #[test]
    fn a_rollback_needs_no_environment_where_there_is_one_only() {
        assert_eq!(only_environment(&running_in(&["staging"])).unwrap(), "staging");
        let (why, code) = only_environment(&running_in(&ORDER[..2])).unwrap_err().into_message_and_code();
        assert_eq!((why.as_str(), code), ("default/chat:1.0 runs in development, staging: say in which with --env", 2));
        let (why, code) = only_environment(&running_in(&[])).unwrap_err().into_message_and_code();
        assert_eq!((why.as_str(), code), ("default/chat:1.0 is not deployed", 1));
    }
}
