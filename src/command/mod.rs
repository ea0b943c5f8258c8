//! The commands that other threads send to a shard, and its replies.
//!
//! In: a [`Command`] through the shard's mailbox. Out: a [`view`] or a [`tally`], handed to the [`Reply`] that the
//! command carries. The control plane sends these types and the proxy obeys them, so this folder imports neither
//! [`crate::proxy`] nor anything of the control plane: only [`crate::engine`], [`crate::proto`] and [`crate::routing`],
//! which know nothing of either.

pub mod config;
pub mod sighting;
pub mod tally;
pub mod view;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::ClientConfig;

use self::config::ListenerTls;
use self::view::{ConnectionPage, Report};
use crate::routing::consumers::{KeyTable, Revocation, Revoked};
use crate::routing::route::RouteId;
use crate::routing::settings::Settings;
use crate::routing::snapshot::Snapshot;

/// A command to a shard. Each is legal at any time; a shard obeys them in the order in which they arrive.
#[derive(Debug)]
pub enum Command {
    /// Use this TLS configuration for clients of the listener with this index, from the next handshake.
    Certificates(u16, ListenerTls),
    /// Make a snapshot and settings active. Tunnels whose route was removed, closed, or lost their endpoint are drained
    /// over the route's window; no other connection is touched.
    Activate(Box<Activation>),
    /// Make a table of keys active, and end the connections that a change of them ends.
    Keys(Box<KeyChange>),
    /// Report the shard's figures, and the counts of its routes.
    Report(Reply<Report>),
    /// List one page of the shard's connections.
    List(ConnectionQuery, Reply<ConnectionPage>),
    /// Close the selected connections in order, and reply how many will close.
    Close(Selection, Reply<u64>),
    /// Answer 503 on the health path from now on: the process will soon drain. Nothing else changes.
    AnnounceEnd,
    /// Stop accepting, drain every connection over the window of its route, then finish. Repeating it changes nothing.
    Drain,
}

/// The routes and settings that a shard makes active together.
#[derive(Debug)]
pub struct Activation {
    /// Settings that all routes share.
    pub settings: Arc<Settings>,
    /// The routes. A snapshot older than the active one is not made active.
    pub snapshot: Arc<Snapshot>,
    /// TLS configurations for upstreams, by [`trust`](crate::routing::route::UpstreamTls::trust). They hold sessions to
    /// resume, so each shard gets its own. `None` keeps those that the shard has.
    pub upstream_tls: Option<Vec<Arc<ClientConfig>>>,
    /// Called once this shard has it, or something newer.
    pub done: Reply<()>,
}

/// A table of keys, with the rights that its predecessor gave and it does not.
#[derive(Debug)]
pub struct KeyChange {
    /// The keys; `None` if they are not known. The sender keeps the table before it until every shard has this one, so that no
    /// shard frees a whole table.
    pub keys: Option<Arc<KeyTable>>,
    /// The number of the table: a later one has a greater one. A table older than the active one is not made active, and
    /// what it revokes is ended all the same.
    pub number: u64,
    /// The rights that the change takes away.
    pub revoked: Arc<Revoked>,
    /// Called once this shard has the table, or a newer one, and has begun to end the connections.
    pub done: Reply<()>,
}

/// Takes a shard's reply, on the shard's thread: the callback must not block. A shard that has ended drops it uncalled.
pub struct Reply<T>(Box<dyn FnOnce(T) + Send>);

impl<T> Reply<T> {
    /// Wraps the callback that takes the reply.
    pub fn new(take: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Box::new(take))
    }

    /// Calls the callback.
    pub fn send(self, answer: T) {
        (self.0)(answer);
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// The reason why Ringway ends a connection that neither side has ended: a change of its API or of its consumer's rights, an
/// operator's request, or the shutdown of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The process shuts down.
    Shutdown,
    /// The API is not deployed in the environment any more.
    Undeployed,
    /// The deployment was stopped.
    Stopped,
    /// The API was blocked.
    Blocked,
    /// The API has other targets now.
    Redeployed,
    /// The API has its messages checked now, and this connection uses an extension that hides them.
    Validated,
    /// The key that the client was admitted with was revoked.
    Revoked,
    /// The key that the client was admitted with has expired.
    Expired,
    /// The subscription that the client was admitted by was ended or closed.
    Unsubscribed,
    /// An operator closed the connection.
    Closed,
}

impl From<Revocation> for Cause {
    fn from(revocation: Revocation) -> Self {
        match revocation {
            Revocation::Key => Self::Revoked,
            Revocation::Subscription => Self::Unsubscribed,
        }
    }
}

impl Cause {
    /// The label of counters.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Undeployed => "undeployed",
            Self::Stopped => "stopped",
            Self::Blocked => "blocked",
            Self::Redeployed => "redeployed",
            Self::Validated => "validated",
            Self::Revoked => "key_revoked",
            Self::Expired => "key_expired",
            Self::Unsubscribed => "subscription_closed",
            Self::Closed => "closed_by_operator",
        }
    }

    /// The text that an access record puts after `drained`.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Shutdown => "",
            Self::Undeployed => ": API undeployed",
            Self::Stopped => ": API stopped",
            Self::Blocked => ": API blocked",
            Self::Redeployed => ": API has another target",
            Self::Validated => ": messages are checked now",
            Self::Revoked => ": key revoked",
            Self::Expired => ": key expired",
            Self::Unsubscribed => ": subscription closed",
            Self::Closed => ": closed by an operator",
        }
    }
}

/// The connections of a shard that a command is about.
#[derive(Clone, Debug)]
pub enum Selection {
    /// The connection with this id.
    Connection(u64),
    /// All tunnels of these routes.
    Routes(Vec<RouteId>),
}

/// Selects one page of a shard's connections. All conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct ConnectionQuery {
    /// Connections of these routes; `None` for all, and for those that have no route yet.
    pub routes: Option<Vec<RouteId>>,
    /// Connections from this client address.
    pub client: Option<IpAddr>,
    /// The place in the shard's table where the page begins.
    pub from: u32,
    /// The most connections on the page.
    pub limit: usize,
}
