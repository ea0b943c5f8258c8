//! The host's CPUs, connections and file descriptors, checked before anything is bound.

use tracing::{info, warn};

use super::NodeError;
use crate::config::units::Cpus;
use crate::engine::preflight;

/// Fewer connections than this are taken for an oversight: a warning says which limit to raise.
const FEW_CONNECTIONS: u64 = 500;

/// The resources that the process serves with.
pub(super) struct Capacity {
    pub(super) cpus: Vec<usize>,
    pub(super) max_connections: u64,
    pub(super) max_descriptors: u64,
}

impl Capacity {
    /// Checks the host, and decides on CPUs and on the limit of connections. A connection needs `descriptors_each` file
    /// descriptors, and the rest of the process `descriptors_beside`. Without `max_connections` the descriptors decide.
    /// `cpus_error` makes the error of `cpus` that cannot be used: its text continues the option's name.
    ///
    /// # Errors
    /// The kernel lacks something, a CPU cannot be used, or a resource limit is too low.
    pub(super) fn of_host(
        cpus: Option<&Cpus>,
        max_connections: Option<u64>,
        descriptors_each: u64,
        descriptors_beside: u64,
        cpus_error: impl FnOnce(String) -> NodeError,
    ) -> Result<Self, NodeError> {
        let mut host = preflight::check().map_err(|missing| NodeError::Failed(missing.to_string()))?;
        let is_asked = cpus.is_some();
        let cpus = host.choose_cpus(cpus.map(|Cpus(asked)| asked.as_slice())).map_err(cpus_error)?;
        if is_asked {
            host.keep_off(&cpus);
        } else if cpus.len() < host.cpus.len() {
            let (shards, allowed) = (cpus.len(), host.cpus.len());
            info!(
                shards,
                allowed,
                "the quota of CPU time keeps fewer CPUs busy than the process may use; the option cpus decides otherwise"
            );
        }
        preflight::check_limits(&host, cpus.len()).map_err(|missing| NodeError::Failed(missing.to_string()))?;
        let max_descriptors = host.max_descriptors;
        host.max_descriptors = max_descriptors.saturating_sub(descriptors_beside);
        let fit = host.max_connections(descriptors_each, cpus.len());
        let max_connections = max_connections.unwrap_or(fit);
        if max_connections > fit {
            warn!(
                max_connections,
                fit, "the limit on connections is more than the file descriptors allow; raise `ulimit -Hn`"
            );
        } else if fit < FEW_CONNECTIONS && max_connections == fit {
            warn!(
                max_connections,
                file_descriptors = max_descriptors,
                "the limit on file descriptors allows few connections: raise it with `ulimit -Hn`, or LimitNOFILE= in the \
                 systemd unit"
            );
        }
        Ok(Self { cpus, max_connections, max_descriptors })
    }
}
