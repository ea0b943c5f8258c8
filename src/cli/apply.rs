//! `ringway apply`, `diff` and `export`: APIs as files say them (docs/declarative.md). What has to be done is worked out by
//! `declare`; here it is asked of a node.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::api::reference::Reference;
use super::client::{Client, ResourcePath};
use super::global_options::GlobalOptions;
use super::output::{Format, count, note, print};
use super::{Failure, env};
use crate::api::{Api, ApiKey, Definition, EnvironmentName, Revision};
use crate::declare::node::{held, held_of, lines};
use crate::declare::written::Written;
use crate::declare::{Document, Node, Step, Stopped, apply, diff, files, plan};

/// What apply never does.
const STAYS: &str = "what the files do not name stays as it is";
/// `diff`'s exit code where something differs.
const DIFFERS: u8 = 2;

#[derive(clap::Args, Debug)]
pub(super) struct ApplyArgs {
    /// A file, or a folder: all *.yaml and *.yml files in it and below, in the order of their names
    #[arg(long, short, value_name = "FILE|DIR")]
    file: PathBuf,
    /// Show the steps without carrying them out
    #[arg(long)]
    dry_run: bool,
}

#[derive(clap::Args, Debug)]
pub(super) struct DiffArgs {
    /// A file, or a folder: all *.yaml and *.yml files in it and below, in the order of their names
    #[arg(long, short, value_name = "FILE|DIR")]
    file: PathBuf,
}

#[derive(clap::Args, Debug)]
pub(super) struct ExportArgs {
    /// Export this API only: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(long, value_name = "REF")]
    api: Option<Reference>,
}

pub(super) fn run(args: &ApplyArgs, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let documents = read(&args.file)?;
    let mut client = Client::new(globals)?;
    let done = if args.dry_run {
        let held = held_of(&mut client, &documents)?;
        let steps = plan(&held, &documents).map_err(|faults| Failure::Configuration(lines(&faults)))?;
        tell(&steps, globals.output)?;
        steps.len()
    } else {
        let mut steps = Vec::new();
        let result = apply(&mut client, &documents, |step| {
            steps.push(step.clone());
            if globals.output == Format::Table {
                // As it happens: the next may take a while.
                let _ = print(&format!("{step}\n"));
            }
        });
        if globals.output != Format::Table {
            tell(&steps, globals.output)?;
        }
        result.map_err(stopped)?
    };
    match (done, args.dry_run) {
        (0, _) => note("nothing to do: the node holds what the files say"),
        (done, true) => note(&format!("{} to carry out; {STAYS}", count(done as u64, "step"))),
        (done, false) => note(&format!("{} carried out; {STAYS}", count(done as u64, "step"))),
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn diff(args: &DiffArgs, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let documents = read(&args.file)?;
    let mut client = Client::new(globals)?;
    let held = held_of(&mut client, &documents)?;
    // What cannot be done has no difference worth showing.
    plan(&held, &documents).map_err(|faults| Failure::Configuration(lines(&faults)))?;
    let text = diff::unified(&held, &documents).map_err(Failure::Failed)?;
    print(&text)?;
    Ok(if text.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
}

pub(super) fn export(args: &ExportArgs, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let mut client = Client::new(globals)?;
    let key = args.api.as_ref().map(|api| api.key(&client)).transpose()?;
    let keys = key.clone().map(|key| std::iter::once(key).collect());
    let held = held(&mut client, keys.as_ref())?;
    if let Some(key) = key.filter(|_| held.apis.is_empty()) {
        return Err(Failure::Failed(format!("{key} is not there, or is retired: a retired API is not exported")));
    }
    let documents: Vec<Written> = held.apis.values().map(Written::held).collect();
    if globals.output == Format::Json {
        Format::Json.write(&documents, |_| String::new())?;
        return Ok(ExitCode::SUCCESS);
    }
    let texts: Result<Vec<String>, String> = documents.iter().map(Written::yaml).collect();
    print(&texts.map_err(Failure::Failed)?.join("---\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &std::path::Path) -> Result<Vec<Document>, Failure> {
    files::documents(path).map_err(|faults| Failure::Configuration(lines(&faults)))
}

/// Steps, as they are told or as they are.
fn tell(steps: &[Step], format: Format) -> Result<(), Failure> {
    let told: Vec<Value> =
        steps.iter().map(|step| json!({"api": step.key().to_string(), "step": step.to_string()})).collect();
    format.write(&told, |_| steps.iter().map(|step| format!("{step}\n")).collect())
}

fn stopped(stopped: Stopped<Failure>) -> Failure {
    let said = stopped.to_string();
    match stopped {
        Stopped::Unread(failure) => failure,
        Stopped::Impossible(_) => Failure::Configuration(said),
        Stopped::At { error: Failure::NotAuthorised(_), .. } => Failure::NotAuthorised(said),
        Stopped::At { .. } => Failure::Failed(said),
    }
}

impl Node for Client {
    type Error = Failure;

    fn environments(&mut self) -> Result<Vec<EnvironmentName>, Failure> {
        Ok(env::all(self)?.into_iter().map(|environment| environment.name).collect())
    }

    fn apis(&mut self) -> Result<Vec<Api>, Failure> {
        self.list(&ResourcePath::new(["apis"]), None)
    }

    fn revision(&mut self, key: &ApiKey, number: u64) -> Result<Definition, Failure> {
        let revision: Revision = self.get(&super::api::place(key).at("revisions").at(&number.to_string()))?;
        Ok(revision.definition)
    }

    fn carry_out(&mut self, step: &Step) -> Result<(), Failure> {
        let deployment = |key: &ApiKey, environment: &EnvironmentName| {
            super::api::place(key).at("deployments").at(environment.as_str())
        };
        // What is answered was seen when it was planned, or will be.
        let _: Value = match step {
            Step::Create(_, new) => self.post(&ResourcePath::new(["apis"]), new)?,
            Step::Update(key, new, _) => self.put(&super::api::place(key), new, None)?,
            Step::Deploy(key, environment, new, _) => self.put(&deployment(key, environment), new, None)?,
            Step::Stop(key, environment) => self.post(&deployment(key, environment).at("stop"), &json!({}))?,
            Step::Start(key, environment) => self.post(&deployment(key, environment).at("start"), &json!({}))?,
            Step::Lifecycle(key, new) => self.put(&super::api::place(key).at("lifecycle"), new, None)?,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::client::testing::{Answer, Asked, FakeNode, api, deployment};
    use crate::declare::testing::chat;
    use crate::declare::{Stopped, apply};

    /// A node with `chat:1.0`, deployed in development.
    fn node() -> FakeNode {
        FakeNode::new(|asked: &Asked| match asked.line.as_str() {
            "GET /api/v1/environments" => {
                let of = |name: &str, order: u32| json!({"name": name, "order": order, "external": "a:1", "internal": "a:2", "hosts": [], "variables": []});
                Answer::json(&json!({"items": [of("production", 1), of("development", 0)], "next": null}).to_string())
            }
            line if line.starts_with("GET /api/v1/apis?") => {
                let fields =
                    json!({"latest_revision": 3, "deployments": [deployment("development", 3)], "name": "Chat"});
                Answer::json(&json!({"items": [api("default/chat:1.0", &fields)], "next": null}).to_string())
            }
            "GET /api/v1/apis/default/chat/1.0/revisions/3" => {
                let definition = json!({"name": "Chat", "description": "", "access": "external",
                    "targets": ["ws://127.0.0.1:9000"], "type": "WebSocket"});
                let created = "2026-01-01T00:00:00Z";
                Answer::json(
                    &json!({"number": 3, "definition": definition, "created_at": created, "created_by": "me"})
                        .to_string(),
                )
            }
            line if line.ends_with("/lifecycle") => Answer::problem(403, "not-you", "you may not"),
            _ => Answer::json("{}"),
        })
    }

    #[test]
    fn steps_are_requests_in_their_order_and_the_first_refusal_ends_them() {
        let node = node();
        let wanted = chat(
            "description: new\nlifecycle: Published\ndeployments:\n- {environment: production, targets: [\"ws://p\"], status: stopped}\n\
             - environment: development\n",
        );
        let stopped = apply(&mut node.client(), &wanted, |_| {}).unwrap_err();
        let asked: Vec<String> =
            node.asked().into_iter().skip(3).map(|it| format!("{} {}", it.line, it.body)).collect();
        let chat = "/api/v1/apis/default/chat/1.0";
        assert_eq!(
            asked,
            [
                format!(
                    r#"PUT {chat} {{"name":"Chat","description":"new","access":"external","targets":["ws://a"],"type":"WebSocket"}}"#
                ),
                format!("PUT {chat}/deployments/development {{}}"),
                format!(r#"PUT {chat}/deployments/production {{"targets":["ws://p"]}}"#),
                format!("POST {chat}/deployments/production/stop {{}}"),
                format!(r#"PUT {chat}/lifecycle {{"state":"Published"}}"#),
            ]
        );
        assert!(matches!(&stopped, Stopped::At { done: 4, of: 5, .. }), "{stopped}");
        let (why, code) = super::stopped(stopped).into_message_and_code();
        assert_eq!(code, 4);
        assert!(why.contains("you may not (403 not-you)\n  4 of 5 steps are done"), "{why}");
    }
}
