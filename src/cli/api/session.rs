//! `ringway api test`: a WebSocket from the terminal to an API, through the proxy. The session is that of `ringway ws`.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use super::{found, place, test_key};
use crate::api::{Access, Environment, Revision};
use crate::cli::api::reference::Reference;
use crate::cli::client::{Client, ResourcePath};
use crate::cli::output::note;
use crate::cli::{Failure, program, ws};
use crate::declare::held;
use crate::proto::authority::{bracketed, reached_locally};
use crate::routing::target::{self, Target, TargetError};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Environment
    #[arg(long, value_name = "NAME")]
    env: String,
    /// Path and query to add to the API's base path, as /room?name=me
    #[arg(long, value_name = "PATH", default_value = "")]
    path: String,
    #[command(flatten)]
    options: ws::Options,
}

pub(super) fn run(args: &Args, client: &Client) -> Result<ExitCode, Failure> {
    let api = found(&args.reference, client)?;
    let key = held::key(&api);
    let Some(deployment) = api.deployments.iter().find(|it| it.environment.as_str() == args.env) else {
        // The node refuses an environment that it does not have.
        let _: Environment = client.get(&ResourcePath::new(["environments", &args.env]))?;
        let why =
            format!("{key} is not deployed in {}: {} api deploy {key} --env {}", args.env, program::name(), args.env);
        return Err(Failure::Failed(why));
    };
    let Some(url) = &deployment.url else {
        return Err(Failure::Failed(format!(
            "{} is not an environment of the node's configuration any more",
            args.env
        )));
    };
    let environment: Environment = client.get(&ResourcePath::new(["environments", &args.env]))?;
    let revision: Revision = client.get(&place(&key).at("revisions").at(&deployment.revision.to_string()))?;
    let listener = match revision.definition.access {
        Access::External => &environment.external,
        Access::Internal => &environment.internal,
    };
    let failed = |why: String| Failure::Failed(format!("{key}: {url}: {why}"));
    let route = route(url, listener, client.remote_host()).map_err(failed)?;
    let url = joined(&route.url, &args.path);
    match &route.address {
        Some(address) => note(&format!("talking to {url} at {}", address.authority)),
        None => note(&format!("talking to {url}")),
    }
    let mut options = args.options.clone();
    test_key::add(&key, &args.env, client, &mut options)?;
    ws::open(&url, route.address.as_ref(), &options)
}

/// The way to a deployment: the URL to ask for, and the address to dial if that is not the URL's own.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    url: String,
    address: Option<Target>,
}

/// Finds the way. A host name need not lead to this node, and in a test it must: the node's own listener is dialled, and asked
/// for by that name. From another host, a name whose listener is on loopback can only be dialled as it is.
fn route(url: &str, listener: &str, remote_host: Option<&str>) -> Result<Route, String> {
    let (parsed, _) = target::client_url(url).map_err(|error| error.to_string())?;
    if parsed.host.parse::<IpAddr>().is_ok() {
        return dialled(url, remote_host).map(|url| Route { url, address: None });
    }
    let scheme = if parsed.tls { "wss" } else { "ws" };
    let address = dialled(&format!("{scheme}://{listener}"), remote_host);
    match (address, remote_host) {
        (Ok(address), _) => {
            let address = address.parse().map_err(|error: TargetError| error.to_string())?;
            Ok(Route { url: url.to_owned(), address: Some(address) })
        }
        (Err(_), Some(_)) => Ok(Route { url: url.to_owned(), address: None }),
        (Err(why), None) => Err(why),
    }
}

/// The URL with a path appended.
fn joined(url: &str, path: &str) -> String {
    let begins = path.is_empty() || path.starts_with(['/', '?']);
    format!("{}{}{path}", url.trim_end_matches('/'), if begins { "" } else { "/" })
}

/// The address to dial. A listener on all addresses is reached at loopback, or at the node's address if that is another host;
/// a loopback listener of another host cannot be reached.
fn dialled(url: &str, remote_host: Option<&str>) -> Result<String, String> {
    let (parsed, path) = target::client_url(url).map_err(|error| error.to_string())?;
    let Ok(address) = parsed.host.parse::<IpAddr>() else { return Ok(url.to_owned()) };
    let host = match (address, remote_host) {
        (address, None) if address.is_unspecified() => {
            reached_locally(SocketAddr::new(address, parsed.port)).ip().to_string()
        }
        (address, Some(host)) if address.is_unspecified() => host.to_owned(),
        (address, Some(host)) if address.is_loopback() => {
            return Err(format!("it is for {host} itself only, where the node is; try it there"));
        }
        _ => return Ok(url.to_owned()),
    };
    let scheme = if parsed.tls { "wss" } else { "ws" };
    Ok(format!("{scheme}://{}:{}{path}", bracketed(&host), parsed.port))
}

#[cfg(test)]
mod tests {
    use super::{dialled, joined, route};

    #[test]
    fn a_listener_is_dialled_where_it_can_be_reached() {
        for (url, remote, expected) in [
            ("ws://127.0.0.1:8081/a/b", None, Ok("ws://127.0.0.1:8081/a/b")),
            ("ws://0.0.0.0:8081/a", None, Ok("ws://127.0.0.1:8081/a")),
            ("wss://[::]:8443/a", None, Ok("wss://[::1]:8443/a")),
            ("ws://0.0.0.0:8081/a", Some("node.test"), Ok("ws://node.test:8081/a")),
            ("ws://0.0.0.0:8081/a", Some("2001:db8::1"), Ok("ws://[2001:db8::1]:8081/a")),
            ("ws://10.0.0.7:8081/a", Some("node.test"), Ok("ws://10.0.0.7:8081/a")),
            ("wss://chat.test/a", Some("node.test"), Ok("wss://chat.test/a")),
            ("ws://127.0.0.1:8081/a", Some("node.test"), Err("for node.test itself only")),
        ] {
            match (dialled(url, remote), expected) {
                (Ok(is), Ok(expected)) => assert_eq!(is, expected),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
                (is, expected) => panic!("{url}: {is:?} is not {expected:?}"),
            }
        }
    }

    #[test]
    fn d7_a_host_name_is_asked_for_at_the_nodes_own_listener() {
        for (url, listener, remote, address) in [
            ("wss://chat.test/a", "127.0.0.1:8443", None, Some("wss://127.0.0.1:8443")),
            ("ws://chat.test:81/a", "0.0.0.0:8081", None, Some("ws://127.0.0.1:8081")),
            ("ws://chat.test/a", "[::]:8081", Some("node.test"), Some("ws://node.test:8081")),
            ("ws://chat.test/a", "10.0.0.7:8081", Some("node.test"), Some("ws://10.0.0.7:8081")),
            ("ws://chat.test/a", "127.0.0.1:8081", Some("node.test"), None),
            ("ws://127.0.0.1:8081/a", "127.0.0.1:8081", None, None),
        ] {
            let route = route(url, listener, remote).unwrap();
            let is = route.address.map(|address| address.to_string());
            assert_eq!((route.url.as_str(), is.as_deref()), (url, address), "{url} {listener} {remote:?}");
        }
    }

    #[test]
    fn a_path_stands_behind_the_base_path() {
        for (path, expected) in [
            ("", "ws://a/b"),
            ("/room", "ws://a/b/room"),
            ("room", "ws://a/b/room"),
            ("?x=1", "ws://a/b?x=1"),
            ("/", "ws://a/b/"),
        ] {
            assert_eq!(joined("ws://a/b", path), expected);
        }
    }
}
