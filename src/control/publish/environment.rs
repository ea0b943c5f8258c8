//! The part of a configuration that routes depend on, computed once for each configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::entry::EntryPolicy;
use crate::api::policy::{Effective, Source, UpstreamServerName};
use crate::api::{Access, Policies, PolicyLayer, PolicyValues};
use crate::config::file::{Configuration, Opened};
use crate::invariant::Invariant;
use crate::routing::host::HostPattern;
use crate::routing::plain::PlainPaths;
use crate::routing::policy::Policy;
use crate::routing::route::UnlistedPaths;
use crate::routing::settings::Settings;
use crate::routing::snapshot::{Builder, Conflict, Site};
use crate::tls::client::ClientTls;
use crate::tls::server::ServerTls;

/// A configuration, as far as routes depend on it.
#[derive(Debug)]
pub(super) struct RoutingBase {
    pub(super) settings: Arc<Settings>,
    pub(super) environments: BTreeMap<String, Environment>,
    /// TLS configurations for upstreams; environments refer to them by index.
    pub(super) trust: Vec<ClientTls>,
    pub(super) resolver: Arc<[SocketAddr]>,
    pub(super) gone_name_timeout: Option<Duration>,
    listeners: u16,
}

/// An environment, as far as its routes depend on it.
#[derive(Debug)]
pub(super) struct Environment {
    external: u16,
    internal: u16,
    hosts: Vec<HostPattern>,
    pub(super) variables: BTreeMap<String, String>,
    layers: Layers,
    /// True for the external and the internal listener if it verifies certificates of clients.
    verifies_clients: [bool; 2],
    /// The settings of every API that names no policy.
    usual: Treatment,
    /// The index into [`RoutingBase::trust`], or the reason why the environment has no usable TLS configuration.
    pub(super) trust: Result<u16, String>,
}

/// The layers of policies around an API's own, and the times of a route that are no policies.
#[derive(Debug)]
struct Layers {
    node: PolicyValues,
    environment: PolicyLayer,
    handshake_timeout: Duration,
    drain_window: Duration,
}

/// The settings of a route that follow from the policies of all layers.
#[derive(Clone, Debug)]
pub(super) struct Treatment {
    pub(super) preserve_host: bool,
    /// The name in the certificates of TLS targets; `None` for each target's own host.
    pub(super) upstream_server_name: Option<UpstreamServerName>,
    pub(super) policy: Arc<Policy>,
    /// The treatment of paths that are no channel.
    pub(super) unlisted_paths: UnlistedPaths,
    pub(super) entry: EntryPolicy,
}

impl Layers {
    /// The policies in effect for an API, or for one of its channels.
    fn effective(&self, api: &Policies, channel: Option<&str>) -> Effective {
        Effective::of(&self.node, api.layers(channel).chain([(Source::Environment, &self.environment)]))
    }

    fn treatment(&self, api: &Policies) -> Treatment {
        let effective = self.effective(api, None);
        let values = effective.values();
        let mut policy = values.route_policy(self.handshake_timeout, self.drain_window);
        for path in api.channels.keys() {
            policy.validation.set(path.clone(), self.effective(api, Some(path)).values().validation());
        }
        let upstream_server_name = values.upstream_server_name.0.clone();
        Treatment {
            preserve_host: values.preserve_host,
            upstream_server_name,
            policy: Arc::new(policy),
            unlisted_paths: values.unlisted_paths,
            entry: EntryPolicy::of(values),
        }
    }
}

/// The sites of an environment in the snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sites {
    external: Site,
    internal: Site,
}

impl Sites {
    pub(super) fn of(self, access: Access) -> Site {
        match access {
            Access::External => self.external,
            Access::Internal => self.internal,
        }
    }
}

impl Environment {
    /// The settings for connections of an API that names these policies.
    pub(super) fn treatment(&self, api: &Policies) -> Treatment {
        if api.is_empty() { self.usual.clone() } else { self.layers.treatment(api) }
    }

    /// True if the listener that serves APIs of this access mode verifies certificates of clients.
    pub(super) fn verifies_clients(&self, access: Access) -> bool {
        let [external, internal] = self.verifies_clients;
        match access {
            Access::External => external,
            Access::Internal => internal,
        }
    }

    /// The place of the listener that serves APIs of this access mode.
    pub(super) fn listener(&self, access: Access) -> u16 {
        match access {
            Access::External => self.external,
            Access::Internal => self.internal,
        }
    }
}

impl RoutingBase {
    /// Computes the base. `opened` has the content of the files that the configuration names.
    pub(super) fn new(configuration: &Configuration, opened: &Opened) -> Self {
        let window = configuration.drain_window;
        let mut trust = Vec::new();
        let mut environments = BTreeMap::new();
        for (environment, tls) in configuration.environments.iter().zip(&opened.upstream_tls) {
            let place = tls.as_ref().map_err(ToString::to_string).map(|tls| {
                trust.push(tls.clone());
                short(trust.len().saturating_sub(1))
            });
            let variables = environment.variables.iter();
            let verifies_clients = [environment.external, environment.internal].map(|place| {
                let tls = configuration.listeners.get(place).and_then(|listener| listener.tls.as_ref());
                tls.is_some_and(ServerTls::verifies_clients)
            });
            let layers = Layers {
                node: configuration.policies.clone(),
                environment: environment.policies.clone(),
                handshake_timeout: configuration.limits.handshake_timeout,
                drain_window: window,
            };
            let known = Environment {
                external: short(environment.external),
                internal: short(environment.internal),
                hosts: environment.hosts.clone(),
                variables: variables.map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect(),
                usual: layers.treatment(&Policies::default()),
                layers,
                verifies_clients,
                trust: place,
            };
            environments.insert(environment.name.as_str().to_owned(), known);
        }
        let settings = Arc::new(Settings {
            head: configuration.limits.head,
            policy: Arc::new(configuration.policies.route_policy(configuration.limits.handshake_timeout, window)),
            trusted_proxies: configuration.trusted_proxies.clone(),
            proxy_protocol: configuration.listeners.iter().map(|listener| listener.proxy_protocol.clone()).collect(),
            strict_sni_host: configuration.strict_sni_host,
            max_invalid_credentials: configuration.max_invalid_credentials,
            plain: PlainPaths { health: configuration.health_path.clone() },
        });
        Self {
            settings,
            environments,
            trust,
            resolver: configuration.resolver.as_slice().into(),
            gone_name_timeout: configuration.limits.gone_name_timeout,
            listeners: short(configuration.listeners.len()),
        }
    }

    /// Starts a snapshot with this number and no route, and returns each environment's sites in it.
    pub(super) fn sites(&self, number: u64) -> Result<(Builder, BTreeMap<&str, Sites>), Conflict> {
        let mut builder = Builder::new(number, self.listeners);
        let mut sites = BTreeMap::new();
        for (name, environment) in &self.environments {
            let external = builder.site(environment.external, &environment.hosts)?;
            let internal = if environment.internal == environment.external {
                external
            } else {
                builder.site(environment.internal, &environment.hosts)?
            };
            sites.insert(name.as_str(), Sites { external, internal });
        }
        Ok((builder, sites))
    }
}

/// Narrows an index. No configuration has as many environments or listeners as `u16` can count.
fn short(index: usize) -> u16 {
    u16::try_from(index).expected_or(u16::MAX)
}
