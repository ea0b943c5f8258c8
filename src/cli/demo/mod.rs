//! `ringway demo`: a node with a deployed API, in one process. Its state is in a temporary folder; its upstream is a chat
//! ([`chat`]); its API was created, deployed, promoted and published as anybody would do it: by the admin API.

mod chat;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;

use tempfile::TempDir;

use self::chat::{Bounds, Chat};
use super::client::{Client, ResourcePath};
use super::global_options::GlobalOptions;
use super::output::Format;
use super::{Failure, api, exit_code, program};
use crate::api::request::{NewApi, NewDeployment, NewLifecycle, Promotion};
use crate::api::view::LifecycleView;
use crate::api::{Api, Deployment};
use crate::config::units::number;
use crate::declare::held;
use crate::node::announce;
use crate::node::events::Signals;
use crate::node::serve::{Options, Prepared};

/// The ports that a node has if nothing else is said: of both environments, external and internal, and of the admin API.
const USUAL: [(Listener, u16); 5] = [
    (Listener::Environment("development", "external"), 8081),
    (Listener::Environment("development", "internal"), 8091),
    (Listener::Environment("production", "external"), 8080),
    (Listener::Environment("production", "internal"), 8090),
    (Listener::Admin, 9600),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listener {
    Environment(&'static str, &'static str),
    Admin,
}

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Listen on free ports instead of the usual ones
    #[arg(long)]
    any_port: bool,
    /// Log level: error, warn, info, debug, trace, or a filter such as `info,ringway::access=off`
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log_level: String,
    /// Size of a shard's completion queue; small values are for tests
    #[arg(long, hide = true, value_parser = number::<u32>)]
    ring_completions: Option<u32>,
}

/// Runs until it is told to end. Then the node goes first, so that the chat's clients are told by it; the folder last.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let folder = TempDir::with_prefix("ringway-demo-")?;
    let chat = Chat::open(Bounds::default())?;
    let config = folder.path().join("ringway.toml");
    std::fs::write(&config, configuration(args.any_port, &args.log_level))?;
    let options = Options {
        config: Some(config),
        state: folder.path().to_owned(),
        apply: None,
        ring_completions: args.ring_completions,
    };
    let running = Prepared::new(options)?.bind()?.start(Signals::Heard)?;
    let shutdown = match publish(folder.path(), chat.address()) {
        Ok([development, production]) => {
            announce::say(text(folder.path(), running.admin(), &development, &production))?;
            running.wait()?
        }
        Err(failure) => {
            running.shut_down()?;
            return Err(failure);
        }
    };
    drop(chat);
    Ok(exit_code(shutdown))
}

/// The node's configuration. The drain window is short, so that a user who ends the demo does not wait.
fn configuration(any_port: bool, log_level: &str) -> String {
    let listen = |wanted: Listener| {
        let usual = USUAL.iter().find(|(listener, _)| *listener == wanted).map_or(0, |(_, port)| *port);
        let port = if any_port || !is_free(usual) { 0 } else { usual };
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()
    };
    let level = toml::Value::String(log_level.to_owned());
    let admin = listen(Listener::Admin);
    let mut text = format!(
        "drain_window_ms = 500\n\n[contracts]\nallow_url_import = [\"raw.githubusercontent.com\"]\n\n[admin]\nlisten = \"{admin}\"\n\n\
         [log]\nlevel = {level}\n"
    );
    for environment in ["development", "production"] {
        let _ = write!(text, "\n[[environments]]\nname = \"{environment}\"\n");
        for side in ["external", "internal"] {
            let address = listen(Listener::Environment(environment, side));
            let _ = writeln!(text, "{side}.listen = \"{address}\"");
        }
    }
    text
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Creates the API, deploys it, promotes it, publishes it. Where it is deployed.
fn publish(state: &Path, chat: SocketAddr) -> Result<[Deployment; 2], Failure> {
    let client = Client::new(&GlobalOptions {
        output: Format::Table,
        no_input: true,
        state: Some(state.to_owned()),
        admin: None,
        token_file: None,
        admin_ca: None,
    })?;
    let new = NewApi {
        name: "Chat App API".to_owned(),
        version: "1.0".to_owned(),
        targets: vec![format!("ws://{chat}")],
        description: Some("What one says all hear. A connection's ?name= is its name.".to_owned()),
        ..NewApi::default()
    };
    let made: Api = client.post(&ResourcePath::new(["apis"]), &new)?;
    let place = api::place(&held::key(&made));
    let deployed = place.at("deployments").at("development");
    let development: Deployment = client.put(&deployed, &NewDeployment::default(), None)?;
    let onwards = Promotion { from: "development".to_owned(), to: "production".to_owned(), targets: None };
    let production: Deployment = client.post(&place.at("promote"), &onwards)?;
    let published = NewLifecycle { state: "Published".to_owned(), ..NewLifecycle::default() };
    let _: LifecycleView = client.put(&place.at("lifecycle"), &published, None)?;
    Ok([development, production])
}

/// The text at the start. A user can copy the commands as they are.
fn text(state: &Path, admin: SocketAddr, development: &Deployment, production: &Deployment) -> String {
    let url = |deployment: &Deployment| deployment.url.clone().unwrap_or_default();
    let (state, ringway) = (state.display(), program::name());
    format!(
        "Chat App API 1.0 is published.\n  \
         production   {production}\n  \
         development  {development}\n  \
         admin API    http://{admin} (token in {state}/admin-token)\n\n\
         Try, in other terminals:\n  \
         {ringway} ws '{production}?name=ada'\n  \
         {ringway} api show chat-app-api --state {state}\n  \
         {ringway} conn list --state {state}\n\n\
         Ctrl-C ends it, and removes {state}.\n",
        production = url(production),
        development = url(development),
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{USUAL, configuration};
    use crate::config::file::File;

    fn ports(any_port: bool) -> Vec<u16> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ringway.toml");
        std::fs::write(&path, configuration(any_port, "info,ringway::access=off")).unwrap();
        let configuration = File::read(Some(&path)).unwrap().configuration().unwrap();
        configuration.listeners.iter().map(|it| it.listen.port()).chain([configuration.admin.port()]).collect()
    }

    #[test]
    fn usual_ports_are_taken_where_they_are_free() {
        assert_eq!(ports(true), [0; 5]);
        // Others may run on this host: a port is either the usual one or any.
        let held: Vec<TcpListener> =
            USUAL[..2].iter().filter_map(|(_, port)| TcpListener::bind(("127.0.0.1", *port)).ok()).collect();
        let is = ports(false);
        assert_eq!(is[..2], [0; 2], "these are taken");
        for (port, (_, usual)) in is.iter().zip(USUAL) {
            assert!([0, usual].contains(port), "{is:?}");
        }
        drop(held);
    }
}
