//! `ringway api create`, `update` and `delete`.

use super::flags::DefinitionFlags;
use super::{found, place, show};
use crate::api::{Api, NewApi, NewDefinition};
use crate::cli::api::reference::Reference;
use crate::cli::client::{Client, ResourcePath};
use crate::cli::confirmation::Confirmation;
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::note;
use crate::cli::{Failure, program};
use crate::declare::held;

#[derive(clap::Args, Debug)]
#[command(mut_args(required))]
pub(super) struct CreateArgs {
    /// Version of the API, as MAJOR.MINOR
    #[arg(long, value_name = "M.M")]
    version: String,
    /// The API's name in paths [default: derived from the name]; it cannot be changed later
    #[arg(long, value_name = "IDENTIFIER")]
    identifier: Option<String>,
    /// Project of the API [default: default]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    #[command(flatten)]
    definition: DefinitionFlags,
}

#[derive(clap::Args, Debug)]
#[command(mut_group("DefinitionFlags", |group| group.required(true)))]
pub(super) struct UpdateArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    #[command(flatten)]
    definition: DefinitionFlags,
}

/// Marks the flags that a new API needs as required.
fn required(arg: clap::Arg) -> clap::Arg {
    let is_required = arg.is_required_set() || ["name", "target"].contains(&arg.get_id().as_str());
    arg.required(is_required)
}

#[derive(clap::Args, Debug)]
pub(super) struct DeleteArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(super) fn create(args: &CreateArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let mut definition = NewDefinition::default();
    args.definition.set(args.definition.upload(None, client)?.as_ref(), &mut definition);
    let new = NewApi {
        identifier: args.identifier.clone(),
        project: args.project.clone(),
        ..NewApi::new(args.version.clone(), definition)
    };
    let api: Api = client.post(&ResourcePath::new(["apis"]), &new)?;
    let key = held::key(&api);
    note(&format!("created {key}, which is not deployed yet: {} api deploy {key} --env ENVIRONMENT", program::name()));
    show::write(&api, globals)
}

/// Changes the fields that are given. The node refuses the change if another client changed the API meanwhile.
pub(super) fn update(args: &UpdateArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let place = place(&args.reference.key(client)?);
    let is = client.tagged::<Api>(&place)?;
    let mut new = NewDefinition::from(&is.value.definition);
    let uploaded = args.definition.upload(is.value.definition.contract.as_ref(), client)?;
    args.definition.set(uploaded.as_ref(), &mut new);
    let put = client.put_tagged::<Api>(&place, &new, is.etag.as_deref())?;
    let api = put.value;
    let key = held::key(&api);
    if put.etag == is.etag {
        note(&format!("unchanged: {key} has these fields already"));
        return show::write(&api, globals);
    }
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
    args.confirmation.ask(&what, globals)?;
    client.delete(&place(&key))?;
    note(&format!("deleted {key}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{DefinitionFlags, UpdateArgs, update};
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
        let definition = DefinitionFlags {
            target: vec!["ws://b".to_owned()],
            description: Some(String::new()),
            ..DefinitionFlags::default()
        };
        let args = UpdateArgs { reference: "default/chat:1.0".parse().unwrap(), definition };
        let (why, code) = update(&args, &node.client(), &default_options()).unwrap_err().into_message_and_code();
        assert_eq!((why.as_str(), code), ("it has been changed (412 condition-failed)", 1));
        let asked = node.asked();
        let put = asked.last().unwrap();
        assert_eq!((put.line.as_str(), put.header("if-match")), ("PUT /api/v1/apis/default/chat/1.0", Some("\"1-7\"")));
        let body = r#"{"name":"Chat App","description":"","access":"internal","targets":["ws://b"],"type":"WebSocket","policies":{},"contract":""}"#;
        assert_eq!(put.body, body);
    }
}
