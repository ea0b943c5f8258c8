//! What a route needs to know of the environment that its API is deployed in, worked out once for each configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::api::Access;
use crate::config::file::{Configuration, Opened};
use crate::invariant::Invariant;
use crate::proto::head::HeadLimits;
use crate::routing::host::HostPattern;
use crate::routing::policy::Policy;
use crate::routing::settings::Settings;
use crate::routing::snapshot::{Builder, Conflict, Site};
use crate::tls::client::ClientTls;

/// A configuration, as far as routes depend on it.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) settings: Arc<Settings>,
    pub(super) environments: BTreeMap<String, Environment>,
    /// How upstreams are spoken to in TLS: environments name theirs by its place.
    pub(super) trust: Vec<ClientTls>,
    pub(super) resolver: Arc<[SocketAddr]>,
    pub(super) preserve_host: bool,
    listeners: u16,
}

/// An environment, as far as its routes depend on it.
#[derive(Debug)]
pub(super) struct Environment {
    external: u16,
    internal: u16,
    hosts: Vec<HostPattern>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) policy: Arc<Policy>,
    /// The place of its trust, or why there is none.
    pub(super) trust: Result<u16, String>,
}

/// Where an environment's routes go.
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
    /// The place of the listener that serves APIs of this access mode.
    pub(super) fn listener(&self, access: Access) -> u16 {
        match access {
            Access::External => self.external,
            Access::Internal => self.internal,
        }
    }
}

impl Ground {
    /// `opened` is what the files hold that the configuration names.
    pub(super) fn new(configuration: &Configuration, opened: &Opened) -> Result<Self, String> {
        let window = configuration.drain_window;
        let mut trust = Vec::new();
        let mut environments = BTreeMap::new();
        for (environment, tls) in configuration.environments.iter().zip(&opened.upstream_tls) {
            let place = tls.as_ref().map_err(ToString::to_string).map(|tls| {
                trust.push(tls.clone());
                short(trust.len().saturating_sub(1))
            });
            let variables = environment.variables.iter();
            let known = Environment {
                external: short(environment.external),
                internal: short(environment.internal),
                hosts: environment.hosts.clone(),
                variables: variables.map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect(),
                policy: Arc::new(environment.limits.policy(window)),
                trust: place,
            };
            environments.insert(environment.name.as_str().to_owned(), known);
        }
        let head: HeadLimits = configuration.limits.head().map_err(|error| error.to_string())?;
        let settings = Arc::new(Settings {
            head,
            policy: Arc::new(configuration.limits.policy(window)),
            trusted_proxies: configuration.trusted_proxies.clone(),
            proxy_protocol: configuration.listeners.iter().map(|listener| listener.proxy_protocol.clone()).collect(),
        });
        Ok(Self {
            settings,
            environments,
            trust,
            resolver: configuration.resolver.as_slice().into(),
            preserve_host: configuration.preserve_host,
            listeners: short(configuration.listeners.len()),
        })
    }

    /// A snapshot with this number and no route, and each environment's sites in it.
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

/// The configuration has far fewer of anything.
fn short(index: usize) -> u16 {
    u16::try_from(index).expected_or(u16::MAX)
}
