//! What every command that serves does with its process, in this order: look at the host ([`room`]), listen, hear signals
//! ([`events`]), start the shards ([`running`]), say so ([`announce`]), serve until told to stop, drain.

pub(super) mod announce;
pub(super) mod events;
pub(super) mod room;
pub(super) mod running;

use std::net::SocketAddr;

use super::Failure;
use crate::engine::keepalive::KeepAlive;
use crate::engine::listener::{self, Inlet};
use crate::engine::mailbox::Sender;

/// Listens on each address, with a listener a shard. `addresses` come with what a client gets there for whom there is no
/// descriptor. The addresses as they were bound, and each shard's listeners in the same order.
pub(super) fn listen(
    addresses: &[(SocketAddr, &'static [u8])],
    shards: usize,
    keepalive: KeepAlive,
) -> Result<(Vec<SocketAddr>, Vec<Vec<Inlet>>), Failure> {
    let mut bound = Vec::with_capacity(addresses.len());
    let mut of_shards: Vec<Vec<Inlet>> = std::iter::repeat_with(Vec::new).take(shards).collect();
    for (address, refusal) in addresses {
        let (own, listeners) = listener::bind(*address, shards, keepalive)
            .map_err(|error| Failure::Failed(format!("cannot listen on {address}: {error}")))?;
        bound.push(own);
        for (shard, fd) in of_shards.iter_mut().zip(listeners) {
            shard.push(Inlet { fd, refusal });
        }
    }
    Ok((bound, of_shards))
}

/// Tells all shards, even if one has too many commands waiting. Says whether all have it: if not, all are to be told again.
pub(super) fn tell_all<C>(shards: &[Sender<C>], command: impl Fn() -> C) -> bool {
    shards.iter().map(|shard| shard.send(command()).is_ok()).fold(true, |all, one| all & one)
}
