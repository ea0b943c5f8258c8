//! `ringway completions`: a script that completes the command line in a shell. The script calls this program for what fits
//! ([`answer`]); this program asks the node for the names of its APIs, environments, projects, applications, plans
//! and identities.
//!
//! The engine is clap_complete's, whose protocol between script and program may change from one version to the next: a script
//! should be read at the start of the shell, and not kept in a file.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use super::client::{Client, ResourcePath};
use super::global_options::{self, GlobalOptions};
use super::output::Format;
use super::{Failure, output};
use crate::api::consumers::{Application, Plan};
use crate::api::identity::view::Identity;
use crate::api::{Access, Api, Environment, Lifecycle, Page, Project};
use crate::declare::held;

/// The variable by which a script calls: it names the shell.
const CALLED_BY: &str = "RINGWAY_COMPLETE";
/// The most names of one kind that are offered.
const MAX_NAMES: &str = "500";

#[derive(clap::Args, Debug)]
pub(super) struct CompletionArgs {
    /// The shell to complete in
    shell: clap_complete::Shell,
}

pub(super) fn completions(args: &CompletionArgs) -> Result<ExitCode, Failure> {
    let (shells, name) = (Shells::builtins(), args.shell.to_string());
    let shell = shells.completer(&name).ok_or_else(|| Failure::Failed(format!("there is no script for {name}")))?;
    let mut script = Vec::new();
    shell.write_registration(CALLED_BY, "ringway", "ringway", "ringway", &mut script)?;
    output::print_bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Answers a script that calls for what fits. Returns `None` for any other call.
pub(super) fn answer() -> Option<ExitCode> {
    env::var_os(CALLED_BY).filter(|shell| !shell.is_empty() && shell != "0")?;
    let command = || with_candidates(global_options::command("ringway"));
    let folder = env::current_dir().ok();
    let answered = CompleteEnv::with_factory(command).var(CALLED_BY).try_complete(env::args_os(), folder.as_deref());
    // A shell that completes a line has no place for a message.
    Some(if answered.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The kinds of values that are completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Api,
    Environment,
    Project,
    Application,
    Plan,
    Identity,
    State,
    Access,
}

/// The kind of an option's or argument's value, by its name and that of its command.
fn kind(command: &str, arg: &Arg) -> Option<Kind> {
    let value = arg.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str());
    match (arg.get_id().as_str(), value, command) {
        (_, "REF" | "API", _) => Some(Kind::Api),
        (_, "APP", _) => Some(Kind::Application),
        (_, "PLAN", _) => Some(Kind::Plan),
        (_, "IDENTITY", _) => Some(Kind::Identity),
        (_, "STATE", _) => Some(Kind::State),
        ("access", ..) => Some(Kind::Access),
        ("env" | "from" | "to", "NAME", _) | ("name", "NAME", "env") => Some(Kind::Environment),
        ("project", "NAME", _) | ("name", "NAME", "project") => Some(Kind::Project),
        _ => None,
    }
}

/// Adds candidates to the values of a command and of all below it.
fn with_candidates(command: Command) -> Command {
    below(command, "")
}

fn below(command: Command, noun: &str) -> Command {
    let noun = noun.to_owned();
    let of = noun.clone();
    let command = command.mut_args(move |arg| match kind(&of, &arg) {
        Some(kind) => arg.add(ArgValueCandidates::new(move || candidates(kind))),
        None => arg,
    });
    command.mut_subcommands(move |verb| {
        let name = if noun.is_empty() { verb.get_name().to_owned() } else { noun.clone() };
        below(verb, &name)
    })
}

fn candidates(kind: Kind) -> Vec<CompletionCandidate> {
    let names = match kind {
        Kind::State => Lifecycle::ALL.map(|state| state.as_str().to_owned()).to_vec(),
        Kind::Access => [Access::External, Access::Internal].map(|access| access.to_string()).to_vec(),
        // A node that does not answer has no names to offer.
        Kind::Api | Kind::Environment | Kind::Project | Kind::Application | Kind::Plan | Kind::Identity => {
            from_node(kind).unwrap_or_default()
        }
    };
    names.into_iter().map(CompletionCandidate::new).collect()
}

fn from_node(kind: Kind) -> Result<Vec<String>, Failure> {
    let options = options(env::args_os().skip_while(|word| word != "--").skip(1));
    if options.token_file.as_ref().is_some_and(|file| file.as_os_str() == "-") {
        return Ok(Vec::new());
    }
    let client = Client::brief(&options)?;
    let list = |name| ResourcePath::new([name]).with("limit", MAX_NAMES);
    Ok(match kind {
        Kind::Api => references(&client.get::<Page<Api>>(&list("apis"))?.items),
        Kind::Project => {
            let projects: Page<Project> = client.get(&list("projects"))?;
            projects.items.into_iter().map(|project| project.name.into()).collect()
        }
        Kind::Application => {
            let applications: Page<Application> = client.get(&list("applications"))?;
            applications.items.iter().map(|application| application.whole_name().to_string()).collect()
        }
        Kind::Plan => {
            let plans: Page<Plan> = client.get(&list("plans"))?;
            plans.items.into_iter().map(|plan| plan.name.into()).collect()
        }
        Kind::Identity => {
            let identities: Page<Identity> = client.get(&list("identities"))?;
            identities.items.into_iter().map(|identity| identity.name.into()).collect()
        }
        _ => {
            let environments: Page<Environment> = client.get(&ResourcePath::new(["environments"]))?;
            environments.items.into_iter().map(|environment| environment.name.into()).collect()
        }
    })
}

/// The shortest reference to each API: its identifier where no other API has it, else its whole key.
fn references(apis: &[Api]) -> Vec<String> {
    let live: Vec<&Api> = apis.iter().filter(|api| held::counts(api)).collect();
    let is_unique = |api: &Api| live.iter().filter(|other| other.identifier == api.identifier).count() == 1;
    live.iter()
        .map(|api| if is_unique(api) { api.identifier.to_string() } else { held::key(api).to_string() })
        .collect()
}

/// The options of a line that name a node.
fn options(words: impl IntoIterator<Item = OsString>) -> GlobalOptions {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let value = |name: &str| {
        let given = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(name) {
            Some("") => words.get(at.saturating_add(1)).cloned(),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        });
        given.filter(|value| !value.is_empty())
    };
    GlobalOptions {
        output: Format::Table,
        no_input: true,
        state: value("--state").map(PathBuf::from),
        admin: value("--admin"),
        token_file: value("--token-file").map(PathBuf::from),
        admin_ca: value("--admin-ca").map(PathBuf::from),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::{options, references, with_candidates};
    use crate::api::Api;
    use crate::cli::client::testing::api;
    use crate::cli::global_options;

    #[test]
    fn d8_a_reference_is_as_short_as_it_can_be() {
        let apis = [
            api("default/chat:1.0", &json!({})),
            api("default/chat:2.0", &json!({})),
            api("shop/orders:1.0", &json!({})),
            api("shop/old:1.0", &json!({"lifecycle": "Retired"})),
        ];
        let apis: Vec<Api> = apis.into_iter().map(|api| serde_json::from_value(api).unwrap()).collect();
        assert_eq!(references(&apis), ["default/chat:1.0", "default/chat:2.0", "orders"]);
    }

    #[test]
    fn d8_the_line_names_the_node_to_ask() {
        let words = |line: &str| options(line.split(' ').map(Into::into));
        assert_eq!(words("ringway api --state s show").state.as_deref(), Some(Path::new("s")));
        assert_eq!(words("ringway --state=s api").state.as_deref(), Some(Path::new("s")));
        let both = words("ringway --admin http://a --token-file t api");
        assert_eq!((both.admin.as_deref(), both.token_file.as_deref()), (Some("http://a"), Some(Path::new("t"))));
        assert_eq!(words("ringway api show --state").state, None);
    }

    #[test]
    fn d8_the_command_line_is_whole_with_its_candidates() {
        with_candidates(global_options::command("ringway")).debug_assert();
    }
}
