//! `ringway api create`, `update` and `delete`.

use super::{found, place, show, texts};
use crate::api::request::{NewApi, NewDefinition};
use crate::api::{Access, Api};
use crate::cli::api::reference::Reference;
use crate::cli::client::{Client, ResourcePath};
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::{confirm, note};
use crate::cli::{Failure, program};
use crate::declare::held;

#[derive(clap::Args, Debug)]
pub(super) struct CreateArgs {
    /// The API's name: 1 to 60 letters, digits, spaces and `-_.`
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Its version, as MAJOR.MINOR
    #[arg(long, value_name = "M.M")]
    version: String,
    /// Where its connections go: a ws://, wss://, http:// or https:// URL; may be repeated
    #[arg(long, value_name = "URL", required = true)]
    target: Vec<String>,
    /// What stands for it in paths [default: made of the name]; it cannot be changed later
    #[arg(long, value_name = "IDENTIFIER")]
    identifier: Option<String>,
    /// Its project [default: default]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Which of an environment's listeners serve it: external or internal [default: external]
    #[arg(long, value_name = "MODE", value_parser = access)]
    access: Option<Access>,
}

#[derive(clap::Args, Debug)]
pub(super) struct UpdateArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    #[command(flatten)]
    changes: Changes,
}

/// At least one of them is given.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = true)]
struct Changes {
    /// Its new name; the identifier stays
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where its connections go, all of it: may be repeated
    #[arg(long, value_name = "URL")]
    target: Vec<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Which of an environment's listeners serve it: external or internal
    #[arg(long, value_name = "MODE", value_parser = access)]
    access: Option<Access>,
}

#[derive(clap::Args, Debug)]
pub(super) struct DeleteArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// For clap: an access mode.
fn access(text: &str) -> Result<Access, String> {
    text.parse().map_err(|fault: crate::api::problem::Fault| fault.message)
}

pub(super) fn create(args: &CreateArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let new = NewApi {
        name: args.name.clone(),
        version: args.version.clone(),
        targets: args.target.clone(),
        identifier: args.identifier.clone(),
        project: args.project.clone(),
        description: args.description.clone(),
        access: args.access.map(|access| access.as_str().to_owned()),
        kind: None,
    };
    let api: Api = client.post(&ResourcePath::new(["apis"]), &new)?;
    let key = held::key(&api);
    note(&format!("created {key}, which is not deployed yet: {} api deploy {key} --env ENVIRONMENT", program::name()));
    show::write(&api, globals)
}

/// What is not given stays as it is; if somebody else has changed it meanwhile, nothing is.
pub(super) fn update(args: &UpdateArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let changes = &args.changes;
    let place = place(&args.reference.key(client)?);
    let is = client.tagged::<Api>(&place)?;
    let targets = if changes.target.is_empty() { texts(&is.value.targets) } else { changes.target.clone() };
    let new = NewDefinition {
        name: changes.name.clone().unwrap_or_else(|| is.value.name.to_string()),
        targets,
        description: Some(changes.description.clone().unwrap_or_else(|| is.value.description.to_string())),
        access: Some(changes.access.unwrap_or(is.value.access).as_str().to_owned()),
        kind: None,
    };
    let api: Api = client.put(&place, &new, is.etag.as_deref())?;
    let key = held::key(&api);
    match api.deployments.first() {
        Some(first) => note(&format!(
            "updated {key}; its deployments still run the old definition: {} api deploy {key} --env {}",
            program::name(),
            first.environment
        )),
        None => note(&format!("updated {key}")),
    }
    show::write(&api, globals)
}

pub(super) fn delete(args: &DeleteArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let api = found(&args.reference, client)?;
    let key = held::key(&api);
    let running: Vec<&str> = api.deployments.iter().map(|it| it.environment.as_str()).collect();
    let what = match running.as_slice() {
        [] => format!("delete {key}, which is not deployed"),
        running => format!("delete {key} and end its connections in {}", running.join(", ")),
    };
    confirm(&what, args.yes, globals.no_input)?;
    client.delete(&place(&key))?;
    note(&format!("deleted {key}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Changes, UpdateArgs, update};
    use crate::cli::client::testing::{Answer, FakeNode, api, default_options};

    #[test]
    fn an_update_sends_what_is_given_and_what_was_there_and_the_tag_that_it_goes_by() {
        let node = FakeNode::new(|asked| match asked.line.split(' ').next() {
            Some("GET") => {
                let there = api("default/chat:1.0", &json!({"description": "old", "access": "internal"}));
                let headers = "content-type: application/json\r\netag: \"1-7\"\r\n";
                Answer(200, headers.to_owned(), there.to_string())
            }
            _ => Answer::problem(412, "condition-failed", "it has been changed"),
        });
        let changes =
            Changes { name: None, target: vec!["ws://b".to_owned()], description: Some(String::new()), access: None };
        let args = UpdateArgs { reference: "default/chat:1.0".parse().unwrap(), changes };
        let (why, code) = update(&args, &node.client(), &default_options()).unwrap_err().into_message_and_code();
        assert_eq!((why.as_str(), code), ("it has been changed (412 condition-failed)", 1));
        let asked = node.asked();
        let put = asked.last().unwrap();
        assert_eq!((put.line.as_str(), put.header("if-match")), ("PUT /api/v1/apis/default/chat/1.0", Some("\"1-7\"")));
        let body = r#"{"name":"Chat App","targets":["ws://b"],"description":"","access":"internal"}"#;
        assert_eq!(put.body, body);
    }
}
