//! The shape of `ringway.toml`, option by option, and the defaults.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::PolicyValues;
use crate::config::contract_source::ContractSource;
use crate::config::limits::LimitArgs;
use crate::config::log::LogArgs;
use crate::config::policy_table::{self, LonePolicy, PolicyTable};
use crate::config::scalar::{self, CpuList, HttpPath, Listen, Network, Secret, Server};
use crate::config::tls::ClientCertArg;
use crate::config::units::{LossCode, Optional};
use crate::routing::origins::Origins;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    pub(super) cpus: Option<CpuList>,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) resolver: Vec<Server>,
    #[serde(rename = "drain_window_ms", with = "scalar::time")]
    pub(super) drain_window: Duration,
    pub(super) preserve_host: bool,
    pub(super) abnormal_close_code: Optional<LossCode>,
    pub(super) strict_sni_host: bool,
    pub(super) health_path: Option<HttpPath>,
    pub(super) contracts: Contracts,
    pub(super) admin: Admin,
    pub(super) auth: Auth,
    pub(super) metrics: Metrics,
    pub(super) log: LogArgs,
    pub(super) limits: LimitArgs,
    pub(super) channels: PolicyTable<policy_table::Channels>,
    pub(super) validation: PolicyTable<policy_table::Validation>,
    pub(super) environments: Vec<Environment>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Contracts {
    pub(super) allow_url_import: Vec<ContractSource>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Admin {
    pub(super) listen: Listen,
    pub(super) tls: Vec<Pair>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) token_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Auth {
    pub(super) max_invalid_per_minute: Optional<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Metrics {
    pub(super) listen: Option<Listen>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Environment {
    pub(super) name: String,
    pub(super) external: Listener,
    pub(super) internal: Listener,
    pub(super) hosts: Vec<String>,
    pub(super) variables: BTreeMap<String, Secret>,
    pub(super) limits: PolicyTable<policy_table::Limits>,
    pub(super) validation: PolicyTable<policy_table::Validation>,
    pub(super) auth: PolicyTable<policy_table::Auth>,
    pub(super) origins: LonePolicy<Origins>,
    pub(super) upstream_tls: UpstreamTls,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Listener {
    pub(super) listen: Option<Listen>,
    pub(super) tls: Vec<Pair>,
    pub(super) client_ca: Option<PathBuf>,
    pub(super) client_cert: Option<ClientCertArg>,
    #[serde(with = "scalar::optional_size")]
    pub(super) tls_max_record_bytes: Option<u64>,
    pub(super) proxy_protocol: Vec<Network>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct UpstreamTls {
    pub(super) ca: Vec<PathBuf>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) insecure_skip_verify: bool,
    pub(super) server_name: Option<String>,
}

/// The environments of a file without environments, in order, with the ports of their external and internal listeners.
const USUAL: [(&str, u16, u16); 2] = [("development", 8081, 8091), ("production", 8080, 8090)];

impl Default for Written {
    fn default() -> Self {
        Self {
            cpus: None,
            trusted_proxies: Vec::new(),
            resolver: Vec::new(),
            drain_window: Duration::from_secs(5),
            preserve_host: false,
            abnormal_close_code: Optional(None),
            strict_sni_host: false,
            health_path: None,
            contracts: Contracts::default(),
            admin: Admin::default(),
            auth: Auth::default(),
            metrics: Metrics::default(),
            log: LogArgs::default(),
            limits: LimitArgs::default(),
            channels: PolicyTable::default(),
            validation: PolicyTable::default(),
            environments: Vec::new(),
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self { max_invalid_per_minute: Optional(Some(60)) }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: Listen(local(9600)), tls: Vec::new(), allowed_hosts: Vec::new(), token_file: None }
    }
}

impl Written {
    /// Fills in the default environments and their addresses.
    pub(super) fn complete(&mut self) {
        if self.environments.is_empty() {
            let named = |(name, ..): &(&str, u16, u16)| Environment { name: (*name).to_owned(), ..Default::default() };
            self.environments = USUAL.iter().map(named).collect();
        }
        for environment in &mut self.environments {
            let usual = USUAL.iter().find(|(name, ..)| *name == environment.name);
            if let Some((_, external, internal)) = usual {
                environment.external.listen.get_or_insert(Listen(local(*external)));
                environment.internal.listen.get_or_insert(Listen(local(*internal)));
            }
        }
    }
}

impl Written {
    /// The node's value of every policy.
    pub(super) fn policies(&self) -> PolicyValues {
        let values =
            PolicyValues { abnormal_close_code: self.abnormal_close_code, ..self.limits.policies(self.preserve_host) };
        values.with(&self.channels.0).with(&self.validation.0)
    }

    /// The file with every option written out: for `config show`, and to compare at a reload.
    pub(super) fn whole(&self) -> Self {
        let mut whole = self.clone();
        let node = self.policies();
        whole.channels = whole.channels.completed(&node);
        whole.validation = whole.validation.completed(&node);
        for environment in &mut whole.environments {
            environment.limits = environment.limits.completed(&node);
            environment.validation = environment.validation.completed(&node);
            environment.auth = environment.auth.completed(&node);
            environment.origins = environment.origins.completed(&node.origins);
        }
        whole
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

impl Written {
    /// Makes relative paths absolute; they start from the file's folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        let Admin { tls, token_file, .. } = &mut self.admin;
        let pairs = tls.iter_mut().flat_map(|Pair { cert, key }| [cert, key]);
        pairs.chain(token_file).for_each(|path| *path = folder.join(&*path));
        for environment in &mut self.environments {
            let Environment { external, internal, upstream_tls, .. } = environment;
            for listener in [external, internal] {
                let pairs = listener.tls.iter_mut().flat_map(|Pair { cert, key }| [cert, key]);
                pairs.chain(&mut listener.client_ca).for_each(|path| *path = folder.join(&*path));
            }
            let UpstreamTls { ca, cert, key, .. } = upstream_tls;
            ca.iter_mut().chain(cert).chain(key).for_each(|path| *path = folder.join(&*path));
        }
    }
}
