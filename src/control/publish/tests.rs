//! The publisher without shards: what it builds, what it keeps, what it refuses.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::runtime::Handle;

use super::Publisher;
use super::shards::ShardPublisher;
use crate::api::{Access, ContractDigest, ContractRef, Deployed, DeploymentId, Lifecycle, Policies};
use crate::config::file::{Configuration, File, Opened};
use crate::control::contracts::Contracts;
use crate::control::resolver::Resolver;
use crate::control::runtime::BackgroundRuntime;
use crate::proto::authority::Authority;
use crate::routing::channels::Match;
use crate::routing::loops::Listening;
use crate::routing::route::{Gate, Route, RouteId, UnlistedPaths};
use crate::routing::validation::CheckMode;

type All = BTreeMap<DeploymentId, Deployed>;

fn configured(text: &str) -> (Configuration, Opened) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringway.toml");
    std::fs::write(&path, text).unwrap();
    let file = File::read(Some(Path::new(&path))).unwrap();
    let configuration = file.configuration().unwrap();
    let opened = file.open(&configuration).unwrap();
    (configuration, opened)
}

/// A runtime for the resolvers of all tests.
fn runtime() -> &'static Handle {
    static RUNTIME: LazyLock<BackgroundRuntime> = LazyLock::new(|| BackgroundRuntime::start("control").unwrap());
    RUNTIME.handle()
}

fn publisher(text: &str) -> ShardPublisher {
    with_contracts(text, Contracts::of(Path::new("/nonexistent")))
}

fn with_contracts(text: &str, contracts: Contracts) -> ShardPublisher {
    let (configuration, opened) = configured(text);
    let names = Resolver::start(runtime(), Duration::from_secs(1));
    ShardPublisher::new(&configuration, &opened, names, contracts, Listening::default())
}

fn deployed(id: u64, minor: u64, target: &str) -> Deployed {
    Deployed {
        id: DeploymentId(id),
        key: format!("default/chat:1.{minor}").parse().unwrap(),
        api_id: id,
        environment: "development".parse().unwrap(),
        revision: 1,
        access: Access::External,
        targets: vec![target.parse().unwrap()],
        contract: None,
        policies: Policies::default(),
        lifecycle: Lifecycle::Created,
        deprecated_at: None,
        sunset_at: None,
        stopped: false,
    }
}

fn all(some: impl IntoIterator<Item = Deployed>) -> All {
    some.into_iter().map(|one| (one.id, one)).collect()
}

fn publish(publisher: &mut ShardPublisher, deployed: &All) {
    publisher.prepare(deployed).unwrap();
    assert!(publisher.publish().unwrap().is_in_force());
}

fn route(publisher: &ShardPublisher, id: u64) -> Option<Arc<Route>> {
    publisher.in_force().route(RouteId(id)).cloned()
}

fn found(publisher: &ShardPublisher, listener: u16, path: &str) -> Option<u64> {
    publisher.in_force().find(listener, Authority::parse("any").unwrap(), path).map(|found| found.route.id.0)
}

#[test]
fn what_did_not_change_is_the_same_object_in_the_next_snapshot() {
    let mut publisher = publisher("");
    let mut deployments = all([deployed(1, 0, "ws://10.0.0.1"), deployed(2, 1, "ws://10.0.0.2")]);
    publish(&mut publisher, &deployments);
    let before = [1, 2].map(|id| route(&publisher, id).unwrap());
    deployments.insert(DeploymentId(2), deployed(2, 1, "ws://10.0.0.3"));
    deployments.insert(DeploymentId(3), deployed(3, 2, "ws://10.0.0.2"));
    publish(&mut publisher, &deployments);
    assert!(Arc::ptr_eq(&before[0], &route(&publisher, 1).unwrap()));
    assert!(!Arc::ptr_eq(&before[1], &route(&publisher, 2).unwrap()));
    assert_eq!(found(&publisher, 0, "/default/chat/v1"), Some(3));
    deployments.remove(&DeploymentId(3));
    publish(&mut publisher, &deployments);
    assert_eq!(found(&publisher, 0, "/default/chat/v1"), Some(2));
    assert_eq!(*publisher.published().borrow(), 3);
}

#[test]
fn the_state_of_an_api_is_what_a_shard_sees_of_its_route() {
    let mut publisher = publisher("");
    let sunset = "2027-05-01T12:00:00Z".parse().unwrap();
    let deprecated = Some("2026-11-22T00:00:00Z".parse().unwrap());
    publish(
        &mut publisher,
        &all([
            deployed(1, 0, "ws://10.0.0.1"),
            Deployed { stopped: true, ..deployed(2, 1, "ws://10.0.0.1") },
            Deployed { lifecycle: Lifecycle::Blocked, stopped: true, ..deployed(3, 2, "ws://10.0.0.1") },
            Deployed { lifecycle: Lifecycle::Retired, ..deployed(4, 3, "ws://10.0.0.1") },
            Deployed {
                lifecycle: Lifecycle::Deprecated,
                deprecated_at: deprecated,
                sunset_at: Some(sunset),
                ..deployed(5, 4, "ws://10.0.0.1")
            },
            Deployed { access: Access::Internal, ..deployed(6, 5, "ws://10.0.0.1") },
        ]),
    );
    let gates = [1, 2, 3].map(|id| route(&publisher, id).unwrap().gate);
    assert_eq!(gates, [Gate::Open, Gate::Stopped, Gate::Blocked]);
    assert!(route(&publisher, 4).is_none());
    let lines = route(&publisher, 5).unwrap().answer_lines.clone();
    assert_eq!(
        String::from_utf8(lines.to_vec()).unwrap(),
        "Deprecation: @1795305600\r\nSunset: Sat, 01 May 2027 12:00:00 GMT\r\n"
    );
    assert!(route(&publisher, 1).unwrap().answer_lines.is_empty());
    assert_eq!(found(&publisher, 0, "/default/chat/v1.5"), None);
    assert_eq!(found(&publisher, 1, "/default/chat/v1.5"), Some(6));
    assert_eq!(found(&publisher, 1, "/default/chat/v1.0"), None);
}

#[test]
fn a_target_that_cannot_be_used_is_refused_but_does_not_keep_the_others_from_starting() {
    let mut publisher = publisher("");
    let mut deployments = all([deployed(1, 0, "ws://${GONE}"), deployed(2, 1, "ws://10.0.0.1")]);
    publisher.prepare_kept(&deployments).unwrap();
    publisher.publish();
    assert_eq!((route(&publisher, 1).is_some(), route(&publisher, 2).is_some()), (false, true));
    // It goes on being left out, and is in nobody's way.
    deployments.insert(DeploymentId(3), deployed(3, 2, "ws://10.0.0.1"));
    publish(&mut publisher, &deployments);
    deployments.insert(DeploymentId(4), deployed(4, 3, "ws://${GONE}"));
    let problems = publisher.prepare(&deployments).unwrap_err();
    assert_eq!(
        (problems.errors[0].field.as_str(), problems.errors[0].rule.as_str()),
        ("targets[0]", "variable-missing")
    );
    assert!(problems.errors[0].message.contains("GONE") && problems.errors[0].message.contains("development"));
    // A store that comes later is as one at the start; who is served already stays what it is.
    let before = route(&publisher, 2).unwrap();
    publisher.prepare_kept(&deployments).unwrap();
    publisher.publish();
    assert!(route(&publisher, 4).is_none() && Arc::ptr_eq(&before, &route(&publisher, 2).unwrap()));
}

#[test]
fn another_configuration_must_serve_what_is_served() {
    const WITH: &str = "[[environments]]\nname = \"development\"\nexternal.listen = \"127.0.0.1:8081\"\n\
        internal.listen = \"127.0.0.1:8091\"\nvariables = { HOST = \"10.0.0.7\" }\n";
    let mut publisher = publisher(WITH);
    let deployments = all([deployed(1, 0, "ws://${HOST}:9000")]);
    publish(&mut publisher, &deployments);
    let (without, opened) = configured(&WITH.replace("HOST", "OTHER"));
    assert!(publisher.prepare_with(&without, &opened, &deployments).is_err());
    assert_eq!(route(&publisher, 1).unwrap().endpoints[0].target.host, "10.0.0.7");
    let (other, opened) = configured(&WITH.replace("10.0.0.7", "10.0.0.8"));
    publisher.prepare_with(&other, &opened, &deployments).unwrap();
    publisher.publish();
    assert_eq!(route(&publisher, 1).unwrap().endpoints[0].target.host, "10.0.0.8");
    // What was made of it before counts no more.
    publish(&mut publisher, &deployments);
    assert_eq!(route(&publisher, 1).unwrap().endpoints[0].target.host, "10.0.0.8");
}

#[test]
fn policies_of_an_api_decide_over_the_nodes_and_an_environments_over_both() {
    let mut publisher = publisher(
        "preserve_host = true\nlimits.idle_timeout_ms = 1000\nlimits.close_timeout_ms = 2000\n[[environments]]\n\
         name = \"development\"\nlimits.idle_timeout_ms = 3000\n[[environments]]\nname = \"production\"\n",
    );
    let policies = |text: &str| serde_json::from_str::<Policies>(text).unwrap();
    let here = |id, policies| Deployed { policies, ..deployed(id, id, "ws://10.0.0.1") };
    let there = |id, policies| Deployed { environment: "production".parse().unwrap(), ..here(id, policies) };
    let own = policies(r#"{"preserve_host": false, "limits": {"idle_timeout_ms": "off", "max_frame_bytes": 7}}"#);
    let none = Policies::default();
    let deployments = all([here(1, none.clone()), here(2, none), here(3, own.clone()), there(4, own.clone())]);
    publish(&mut publisher, &deployments);
    let seen = |id| {
        let route = route(&publisher, id).unwrap();
        let (timeouts, frames) = (route.policy.timeouts, route.policy.frames);
        (
            route.preserve_host,
            timeouts.idle.map(|idle| idle.as_millis()),
            timeouts.close.as_millis(),
            frames.max_frame_bytes,
        )
    };
    assert_eq!(seen(1), (true, Some(3000), 2000, 64 << 20));
    assert_eq!(seen(3), (false, Some(3000), 2000, 7));
    assert_eq!(seen(4), (false, None, 2000, 7));
    let shared = [1, 2].map(|id| route(&publisher, id).unwrap());
    assert!(Arc::ptr_eq(&shared[0].policy, &shared[1].policy), "APIs without policies share one");
}

#[test]
fn policies_of_a_channel_decide_over_the_apis_and_an_environments_over_both() {
    let mut publisher = publisher(
        "validation.client_receives = \"report\"\n[[environments]]\nname = \"development\"\n[[environments]]\nname = \"production\"\n\
         validation.client_sends = \"enforce\"\n",
    );
    let policies: Policies = serde_json::from_str(
        r#"{"validation": {"client_sends": "report", "max_bytes": 9}, "channels": {"/a": {"validation": {"client_sends": "off"}}}}"#,
    )
    .unwrap();
    let here = Deployed { policies, ..deployed(1, 1, "ws://10.0.0.1") };
    let there = Deployed { id: DeploymentId(2), environment: "production".parse().unwrap(), ..here.clone() };
    publish(&mut publisher, &all([here, there]));
    let seen = |id, channel| {
        let validation = route(&publisher, id).unwrap().policy.validation.of(channel);
        (validation.client_sends, validation.client_receives, validation.max_bytes)
    };
    assert_eq!(seen(1, "/b"), (CheckMode::Report, CheckMode::Report, 9));
    assert_eq!(seen(1, "/a"), (CheckMode::Off, CheckMode::Report, 9));
    assert_eq!(seen(2, "/a"), (CheckMode::Enforce, CheckMode::Report, 9));
}

#[test]
fn what_another_configuration_does_not_change_is_the_same_object() {
    const TWO: &str = "[[environments]]\nname = \"development\"\nexternal.listen = \"127.0.0.1:8081\"\n\
        internal.listen = \"127.0.0.1:8091\"\n[[environments]]\nname = \"production\"\n\
        external.listen = \"127.0.0.1:8080\"\ninternal.listen = \"127.0.0.1:8090\"\nlimits.idle_timeout_ms = 60000\n";
    let mut publisher = publisher(TWO);
    let in_production = Deployed { environment: "production".parse().unwrap(), ..deployed(2, 0, "wss://10.0.0.2") };
    let named = deployed(3, 1, "wss://somewhere.invalid");
    let deployments = all([deployed(1, 0, "ws://10.0.0.1"), in_production, named]);
    publish(&mut publisher, &deployments);
    let routes = |publisher: &ShardPublisher| [1, 2, 3].map(|id| route(publisher, id).unwrap());
    let mut reconfigured = |text: &str| {
        let before = routes(&publisher);
        let (configuration, opened) = configured(text);
        publisher.prepare_with(&configuration, &opened, &deployments).unwrap();
        publisher.publish();
        let now = routes(&publisher);
        [0, 1, 2].map(|at| Arc::ptr_eq(&before[at], &now[at]))
    };
    assert_eq!(reconfigured(TWO), [true, true, true]);
    assert_eq!(reconfigured(&TWO.replace("60000", "60001")), [true, false, true]);
    assert_eq!(reconfigured(&format!("drain_window_ms = 77\n{TWO}")), [false, false, false]);
    assert_eq!(reconfigured(&format!("preserve_host = true\ndrain_window_ms = 77\n{TWO}")), [false, false, false]);
    let resolver = format!("resolver = [\"127.0.0.1:5353\"]\npreserve_host = true\ndrain_window_ms = 77\n{TWO}");
    assert_eq!(reconfigured(&resolver), [true, true, false]);
    assert_eq!(route(&publisher, 2).unwrap().policy.drain_window, Duration::from_millis(77));
}

const CHAT: &str = "asyncapi: 2.6.0\ninfo: {title: Chat, version: '1.0'}\nchannels:\n  /rooms/{id}:\n    parameters: {id: {schema: \
    {type: string, pattern: '^[0-9]+$'}}}\n    bindings: {ws: {query: {type: object, required: [token, key], properties: {token: {}, key: {}}}}}\n\
    components: {securitySchemes: {k: {type: httpApiKey, in: query, name: key}}}\n";

fn reference(digest: ContractDigest) -> ContractRef {
    ContractRef { digest, main: None, perspective: None, layout: Default::default() }
}

fn with_contract(id: u64, digest: ContractDigest) -> Deployed {
    Deployed { contract: Some(reference(digest)), ..deployed(id, id, "ws://10.0.0.1") }
}

/// The path of the channel found, or the broken rule with its name.
fn channel(route: &Route, rest: &str) -> String {
    match route.channels.as_ref().unwrap().find(rest, std::iter::empty()) {
        Ok(Match::Listed(channel)) => channel.path.to_string(),
        Ok(Match::Unlisted | Match::Reserved) => "-".to_owned(),
        Err(unfit) => format!("{:?} {}", unfit.rule, unfit.name),
    }
}

#[test]
fn the_channels_of_a_contract_are_those_of_its_routes_and_it_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let contracts = Contracts::of(folder.path());
    let digest = contracts.keep(CHAT.as_bytes()).unwrap().digest;
    let mut publisher = with_contracts("", contracts);
    let unlisted = Deployed {
        policies: serde_json::from_str(r#"{"channels": {"unlisted_paths": "pass"}}"#).unwrap(),
        ..with_contract(2, digest)
    };
    let mut deployments = all([with_contract(1, digest), unlisted, deployed(3, 3, "ws://10.0.0.1")]);
    publish(&mut publisher, &deployments);
    let [one, other, without] = [1, 2, 3].map(|id| route(&publisher, id).unwrap());
    assert!(Arc::ptr_eq(one.channels.as_ref().unwrap(), other.channels.as_ref().unwrap()));
    assert!(without.channels.is_none());
    assert_eq!((one.unlisted_paths, other.unlisted_paths), (UnlistedPaths::Refuse, UnlistedPaths::Pass));
    for (rest, is) in [
        ("/rooms/17?token=1", "/rooms/{id}"),
        ("/rooms/x?token=1", "ParameterInvalid id"),
        // The security scheme's own name is not asked for.
        ("/rooms/17", "QueryMissing token"),
        ("/rooms", "-"),
    ] {
        assert_eq!(channel(&one, rest), is, "{rest}");
    }
    // The file is not needed again, whatever changes elsewhere.
    std::fs::remove_file(folder.path().join("contracts").join(digest.to_string())).unwrap();
    deployments.insert(DeploymentId(4), with_contract(4, digest));
    deployments.insert(DeploymentId(3), deployed(3, 3, "ws://10.0.0.2"));
    publish(&mut publisher, &deployments);
    assert!(Arc::ptr_eq(&one, &route(&publisher, 1).unwrap()));
    let (same, opened) = configured("");
    publisher.prepare_with(&same, &opened, &deployments).unwrap();
    publisher.publish();
    assert!(Arc::ptr_eq(&one, &route(&publisher, 1).unwrap()));
    // What nobody refers to is forgotten.
    publish(&mut publisher, &all([deployed(3, 3, "ws://10.0.0.2")]));
    deployments.retain(|id, _| id.0 != 4);
    assert_eq!(publisher.prepare(&deployments).unwrap_err().errors[0].field, "contract");
}

#[test]
fn an_api_whose_contract_cannot_be_loaded_is_refused_or_refuses_its_clients() {
    let folder = tempfile::tempdir().unwrap();
    let contracts = Contracts::of(folder.path());
    let lost = ContractDigest::of(CHAT.as_bytes());
    let touching = contracts.keep(CHAT.replace("{id}", "{id}{no}").as_bytes()).unwrap().digest;
    let mut publisher = with_contracts("", contracts.clone());
    for (digest, told) in [(lost, "upload it first"), (touching, "nothing tells the value of `no`")] {
        let problems = publisher.prepare(&all([with_contract(1, digest)])).unwrap_err();
        let error = &problems.errors[0];
        assert_eq!((error.field.as_str(), error.rule.as_str()), ("contract", "channels"));
        assert!(error.message.contains(told) && error.message.contains("in development"), "{}", error.message);
    }
    // What was deployed before is there, and refuses; others are served.
    let stopped = Deployed { stopped: true, ..with_contract(3, lost) };
    let mut deployments = all([with_contract(1, lost), deployed(2, 2, "ws://10.0.0.1"), stopped]);
    publisher.prepare_kept(&deployments).unwrap();
    publisher.publish();
    let gates = |publisher: &ShardPublisher| [1, 2, 3].map(|id| route(publisher, id).unwrap().gate);
    assert_eq!(gates(&publisher), [Gate::Unavailable, Gate::Open, Gate::Stopped]);
    let before = route(&publisher, 1).unwrap();
    // It is in nobody's way, neither a change's nor a reload's, and a change of its own may be made.
    deployments.insert(DeploymentId(2), deployed(2, 2, "ws://10.0.0.2"));
    publish(&mut publisher, &deployments);
    assert!(Arc::ptr_eq(&before, &route(&publisher, 1).unwrap()));
    let (same, opened) = configured("");
    publisher.prepare_with(&same, &opened, &deployments).unwrap();
    publisher.publish();
    deployments.insert(DeploymentId(1), Deployed { lifecycle: Lifecycle::Published, ..with_contract(1, lost) });
    publish(&mut publisher, &deployments);
    assert_eq!(gates(&publisher), [Gate::Unavailable, Gate::Open, Gate::Stopped]);
    // The next change finds the contract that was uploaded again.
    assert_eq!(publisher.unread_contracts().len(), 1);
    contracts.keep(CHAT.as_bytes()).unwrap();
    publish(&mut publisher, &deployments);
    assert_eq!(gates(&publisher), [Gate::Open, Gate::Open, Gate::Stopped]);
    assert!(publisher.unread_contracts().is_empty());
    assert_eq!(channel(&route(&publisher, 1).unwrap(), "/rooms/17?token=1"), "/rooms/{id}");
}
