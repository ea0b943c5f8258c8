//! DNS servers. Each has a resolver of its own, so that the order of servers, their timeouts and caching are decided here.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RecordType};

use super::fault::Fault;

/// The limit of one question to one server. A server that is gone must not cost much, whatever /etc/resolv.conf allows.
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);

/// The servers in use: look-ups at the same time share them, and a server that nobody asks is dropped.
#[derive(Debug, Default)]
pub(super) struct Servers(Mutex<HashMap<SocketAddr, Weak<Server>>>);

impl Servers {
    /// The server at an address.
    ///
    /// # Errors
    /// No resolver can be made for it.
    pub(super) fn at(&self, address: SocketAddr) -> Result<Arc<Server>, Fault> {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = servers.get(&address).and_then(Weak::upgrade) {
            return Ok(server);
        }
        servers.retain(|_, server| server.strong_count() > 0);
        let server = Arc::new(Server { address, by_udp: resolver(address, ConnectionConfig::udp())? });
        servers.insert(address, Arc::downgrade(&server));
        Ok(server)
    }
}

/// A server, and how it is asked.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Each question has a socket of its own.
    by_udp: TokioResolver,
}

impl Server {
    /// Asks the server over UDP, and over TCP if the answer does not fit a datagram. Each question has a connection of its own:
    /// a server may close it after any answer, and other questions on it would fail.
    pub(super) async fn ask(&self, name: &Name, kind: RecordType) -> Result<Lookup, NetError> {
        let asked = async {
            match self.by_udp.lookup(name.clone(), kind).await {
                Err(NetError::Truncated) => {
                    let by_tcp = resolver(self.address, ConnectionConfig::tcp()).map_err(|_| NetError::Truncated)?;
                    by_tcp.lookup(name.clone(), kind).await
                }
                answer => answer,
            }
        };
        tokio::time::timeout(SERVER_TIMEOUT, asked).await.unwrap_or(Err(NetError::Timeout))
    }
}

fn resolver(address: SocketAddr, mut over: ConnectionConfig) -> Result<TokioResolver, Fault> {
    over.port = address.port();
    let server = NameServerConfig::new(address.ip(), true, vec![over]);
    let config = ResolverConfig::from_name_servers(vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    (options.timeout, options.attempts) = (SERVER_TIMEOUT, 0);
    (options.cache_size, options.use_hosts_file) = (0, ResolveHosts::Never);
    builder.build().map_err(|error| Fault::Server(address, error.to_string()))
}
