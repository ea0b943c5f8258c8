//! `ringway api lifecycle`: shows an API's lifecycle state and changes it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::place;
use crate::api::problem::Fault;
use crate::api::request::NewLifecycle;
use crate::api::view::LifecycleView;
use crate::api::{Api, Deployment, Lifecycle, moment, nearest};
use crate::cli::api::reference::Reference;
use crate::cli::cells::texts;
use crate::cli::client::Client;
use crate::cli::confirmation::Confirmation;
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::{list_cell, note, table};
use crate::cli::{Failure, env};
use crate::declare::held;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    /// New state: Created, Pre-released, Published, Deprecated, Blocked or Retired [default: show the state]
    #[arg(long, value_name = "STATE", value_parser = state)]
    to: Option<Lifecycle>,
    /// With --to Published: name for consumers [default: the previous one, or the API's name]
    #[arg(long, value_name = "NAME", requires = "to")]
    display_name: Option<String>,
    /// With --to Deprecated: end of the API, as 2027-06-30 or 2027-06-30T12:00:00Z [default: in 180 days]
    #[arg(long, value_name = "DATE", requires = "to", value_parser = time)]
    sunset: Option<Timestamp>,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// Parses a state for clap.
pub(super) fn state(text: &str) -> Result<Lifecycle, String> {
    text.parse().map_err(|fault: Fault| {
        let is = |state: &Lifecycle| state.as_str().to_ascii_lowercase();
        let known: Vec<String> = Lifecycle::ALL.iter().map(is).collect();
        let meant = nearest(&text.to_ascii_lowercase(), known.iter().map(String::as_str));
        let meant = meant.and_then(|meant| Lifecycle::ALL.into_iter().find(|state| is(state) == meant));
        meant.map_or(fault.message.clone(), |meant| format!("{}; did you mean {meant}?", fault.message))
    })
}

/// Parses a time for clap, or a day, which begins at midnight UTC.
pub(in crate::cli) fn time(text: &str) -> Result<Timestamp, String> {
    // A time of day without a zone is refused rather than read as its day.
    let day = || Some(text).filter(|text| text.len() == "2027-06-30".len())?.parse::<Date>().ok();
    let midnight = || day().and_then(|day| day.to_zoned(TimeZone::UTC).ok()).map(|day| day.timestamp());
    let read = text.parse().ok().or_else(midnight);
    read.ok_or_else(|| "it must be a day or a time, as in 2027-06-30 or 2027-06-30T12:00:00Z".to_owned())
}

pub(super) fn run(args: &Args, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let Some(to) = args.to else {
        let place = place(&args.reference.key(client)?).at("lifecycle");
        return write(&client.get(&place)?, globals);
    };
    let is = client.tagged::<Api>(&place(&args.reference.key(client)?))?;
    let api = is.value;
    let key = held::key(&api);
    let production = match to {
        Lifecycle::Published => publishing(args, &api, client, globals)?,
        Lifecycle::Blocked | Lifecycle::Retired if api.lifecycle != to => {
            args.confirmation.ask(&ending(&api, to), globals)?;
            None
        }
        _ => None,
    };
    let new = NewLifecycle {
        state: to.to_string(),
        display_name: args.display_name.clone(),
        sunset_at: args.sunset.map(|at| at.to_string()),
        deprecated_at: None,
        production_targets: production,
    };
    let put = client.put_tagged::<LifecycleView>(&place(&key).at("lifecycle"), &new, None)?;
    let view = put.value;
    if put.etag == is.etag {
        note(&format!("unchanged: {key} is {} already", view.state));
    } else {
        note(&format!("{key} is {}, and was {}", view.state, api.lifecycle));
    }
    for warning in view.warnings.iter().flatten() {
        note(&format!("warning: {warning}"));
    }
    write(&view, globals)
}

/// The question before a change that ends connections of the API.
fn ending(api: &Api, to: Lifecycle) -> String {
    let key = held::key(api);
    let running: Vec<&str> = api.deployments.iter().map(|it| it.environment.as_str()).collect();
    let places = if running.is_empty() { "nowhere".to_owned() } else { format!("in {}", running.join(", ")) };
    match to {
        Lifecycle::Retired => {
            format!("retire {key}, which runs {places}: it is undeployed everywhere, and cannot come back")
        }
        _ => format!("block {key}, which runs {places}: new handshakes are refused, and its connections closed"),
    }
}

/// Asks the user to confirm the targets of the API that is to be published, and returns them.
fn publishing(
    args: &Args,
    api: &Api,
    client: &Client,
    globals: &GlobalOptions,
) -> Result<Option<Vec<String>>, Failure> {
    let environments = env::all(client)?;
    let last = environments.last();
    let running: Option<&Deployment> =
        last.and_then(|last| api.deployments.iter().find(|deployment| deployment.environment == last.name));
    let (key, name) = (held::key(api), last.map_or("production", |last| last.name.as_str()));
    let shown = args.display_name.clone().or_else(|| api.display_name.as_ref().map(ToString::to_string));
    let shown = shown.unwrap_or_else(|| api.definition.name.to_string());
    let what = match running {
        Some(it) => {
            let targets = list_cell(&texts(&it.effective_targets));
            format!("publish {key} as `{shown}`: revision {} runs in {name}, to {targets}", it.revision)
        }
        None => format!("publish {key} as `{shown}`: nothing of it is deployed in {name}"),
    };
    args.confirmation.ask(&what, globals)?;
    Ok(running.map(|it| texts(&it.effective_targets)))
}

fn write(view: &LifecycleView, globals: &GlobalOptions) -> Result<(), Failure> {
    globals.output.write(view, |view| {
        let allowed: Vec<&str> = view.allowed.iter().map(|state| state.as_str()).collect();
        let fields = [("state", view.state.to_string()), ("may become", list_cell(&allowed))];
        let fields = table(&[], fields.into_iter().map(|(name, value)| vec![name.to_owned(), value]));
        let rows = view
            .history
            .iter()
            .map(|it| vec![moment::shown(it.at), it.who.clone(), it.from.to_string(), it.to.to_string()]);
        match view.history.as_slice() {
            [] => fields,
            _ => format!("{fields}\n{}", table(&["AT", "BY", "FROM", "TO"], rows)),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Args, Confirmation, run, state, time};
    use crate::api::Lifecycle;
    use crate::cli::client::testing::{Answer, Asked, FakeNode, api, default_options, deployment};

    #[test]
    fn a_state_is_read_in_any_case_and_with_or_without_its_hyphen() {
        for text in ["Pre-released", "pre-released", "prereleased", "PreReleased", "PRE-RELEASED"] {
            assert_eq!(state(text), Ok(Lifecycle::PreReleased));
        }
        for all in Lifecycle::ALL {
            assert_eq!(state(all.as_str()), Ok(all));
        }
        let why = state("live").unwrap_err();
        let all = "`Created`, `Pre-released`, `Published`, `Deprecated`, `Blocked`, `Retired`";
        assert_eq!(why, format!("it must be one of {all}"));
    }

    #[test]
    fn a_slip_of_the_pen_finds_the_state_that_was_meant() {
        for (text, meant) in [
            ("publish", "Published"),
            ("PUBLISHD", "Published"),
            ("deprecate", "Deprecated"),
            ("retierd", "Retired"),
            ("pre-release", "Pre-released"),
        ] {
            let why = state(text).unwrap_err();
            assert!(why.ends_with(&format!("; did you mean {meant}?")), "{text}: {why}");
        }
    }

    #[test]
    fn an_end_is_a_time_or_a_day() {
        assert_eq!(time("2027-06-30").unwrap().to_string(), "2027-06-30T00:00:00Z");
        assert_eq!(time("2027-06-30T12:00:00+02:00").unwrap().to_string(), "2027-06-30T10:00:00Z");
        for text in ["", "tomorrow", "2027-13-01", "2027-06-30T12:00:00", "30.06.2027"] {
            assert!(time(text).unwrap_err().contains("2027-06-30T12:00:00Z"), "{text}");
        }
    }

    #[test]
    fn publishing_confirms_the_targets_of_the_last_environment() {
        let node = FakeNode::new(|asked: &Asked| {
            let of = |name: &str, order: u32| json!({"name": name, "order": order, "external": "a:1", "internal": "a:2", "hosts": [], "variables": []});
            match asked.line.as_str() {
                "GET /api/v1/environments" => Answer::json(
                    &json!({"items": [of("production", 1), of("development", 0)], "next": null}).to_string(),
                ),
                line if line.starts_with("GET") => {
                    let deployments = [deployment("development", 4), deployment("production", 3)];
                    Answer::json(&api("default/chat:1.0", &json!({"deployments": deployments})).to_string())
                }
                _ => Answer::problem(409, "targets-differ", "others are deployed"),
            }
        });
        let reference = "default/chat:1.0".parse().unwrap();
        let args = Args {
            reference,
            to: Some(Lifecycle::Published),
            display_name: None,
            sunset: None,
            confirmation: Confirmation { yes: true },
        };
        let (why, code) = run(&args, &node.client(), &default_options()).unwrap_err().into_message_and_code();
        assert_eq!((why.as_str(), code), ("others are deployed (409 targets-differ)", 1));
        let asked = node.asked();
        let body = r#"{"state":"Published","production_targets":["ws://127.0.0.1:9000"]}"#;
        assert_eq!(asked.last().map(|put| put.body.as_str()), Some(body));
    }
}
