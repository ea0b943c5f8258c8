//! Binds the data plane's listeners, one socket a shard and address.

use std::net::SocketAddr;

use super::NodeError;
use crate::engine::keepalive::KeepAlive;
use crate::engine::listener::{self, Inlet};

/// Listens on each address, with a listener a shard. `addresses` come with what a client gets there for whom there is no
/// descriptor. The addresses as they were bound, and each shard's listeners in the same order.
pub(super) fn listen(
    addresses: &[(SocketAddr, &'static [u8])],
    shards: usize,
    keepalive: KeepAlive,
) -> Result<(Vec<SocketAddr>, Vec<Vec<Inlet>>), NodeError> {
    let mut bound = Vec::with_capacity(addresses.len());
    let mut of_shards: Vec<Vec<Inlet>> = std::iter::repeat_with(Vec::new).take(shards).collect();
    for (address, refusal) in addresses {
        let (own, listeners) = listener::bind(*address, shards, keepalive)
            .map_err(|error| NodeError::Failed(format!("cannot listen on {address}: {error}")))?;
        bound.push(own);
        for (shard, fd) in of_shards.iter_mut().zip(listeners) {
            shard.push(Inlet { fd, refusal });
        }
    }
    Ok((bound, of_shards))
}
