//! What this host has to serve with.

use tracing::warn;

use crate::cli::Failure;
use crate::config::units::Cpus;
use crate::engine::preflight;

/// CPUs, connections and descriptors.
pub(in crate::cli) struct Room {
    pub(in crate::cli) cpus: Vec<usize>,
    pub(in crate::cli) max_connections: u64,
    pub(in crate::cli) max_descriptors: u64,
}

impl Room {
    /// Checks the host, too. A connection takes so many descriptors, and what else the command does so many.
    pub(in crate::cli) fn of_host(
        cpus: Option<&Cpus>,
        max_connections: Option<u64>,
        descriptors_each: u64,
        descriptors_beside: u64,
    ) -> Result<Self, Failure> {
        let mut host = preflight::check().map_err(|missing| Failure::Failed(missing.to_string()))?;
        let is_asked = cpus.is_some();
        let cpus = host.choose_cpus(cpus.map(|Cpus(asked)| asked.as_slice())).map_err(Failure::Configuration)?;
        if is_asked {
            host.keep_off(&cpus);
        }
        preflight::check_limits(&host, cpus.len()).map_err(|missing| Failure::Failed(missing.to_string()))?;
        let max_descriptors = host.max_descriptors;
        host.max_descriptors = max_descriptors.saturating_sub(descriptors_beside);
        let fit = host.max_connections(descriptors_each, cpus.len());
        let max_connections = max_connections.unwrap_or(fit);
        if max_connections > fit {
            warn!(
                max_connections,
                fit, "the limit on connections is more than the file descriptors allow; raise `ulimit -Hn`"
            );
        }
        Ok(Self { cpus, max_connections, max_descriptors })
    }
}
