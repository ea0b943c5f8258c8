//! Decides whether a route takes a request: its gate, and its channels. A pure step between routing and forwarding: it
//! sends nothing and waits for nothing.

use std::sync::Arc;

use super::handoff::NotTaken;
use crate::proto::refusal::Refusal;
use crate::proto::request::Request;
use crate::routing::channels::{BrokenRule, Channel, Channels, Match, Unfit};
use crate::routing::consumers::Consumer;
use crate::routing::route::{Route, UnlistedPaths};

/// A request that its route takes.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The consumer that the request was authenticated as; `None` for an anonymous one.
    pub(super) consumer: Option<Arc<Consumer>>,
    /// The channel; `None` if the route has none, or lets paths pass that are none.
    pub(super) channel: Option<Arc<Channel>>,
}

/// Admits a request to its route. `rest` is the path and query after the base path.
///
/// # Errors
/// The refusal for the client: the route is closed, the path is no channel, or the request breaks a rule of its channel.
pub(super) fn admit(route: &Route, rest: &str, request: &Request<'_>) -> Result<Admitted, NotTaken> {
    if let Some(refusal) = route.gate.refusal() {
        return Err(refusal.into());
    }
    let channel = match &route.channels {
        None => None,
        Some(channels) => channel_of(channels, route.unlisted_paths, rest, request)?,
    };
    Ok(Admitted { consumer: None, channel })
}

fn channel_of(
    channels: &Channels,
    unlisted: UnlistedPaths,
    rest: &str,
    request: &Request<'_>,
) -> Result<Option<Arc<Channel>>, NotTaken> {
    let headers = request.end_to_end.iter().map(|(name, value)| (*name, &**value));
    match (channels.find(rest, headers), unlisted) {
        (Ok(Match::Listed(channel)), _) => Ok(Some(Arc::clone(channel))),
        (Ok(Match::Unlisted), UnlistedPaths::Pass) => Ok(None),
        (Ok(Match::Unlisted | Match::Reserved), _) => Err(Refusal::CHANNEL_NOT_FOUND.into()),
        (Err(Unfit { channel, rule, name }), _) => {
            let refusal = match rule {
                BrokenRule::ParameterInvalid => Refusal::PARAMETER_INVALID,
                BrokenRule::QueryMissing => Refusal::QUERY_MISSING,
                BrokenRule::QueryInvalid => Refusal::QUERY_INVALID,
                BrokenRule::HeaderMissing => Refusal::HEADER_MISSING,
                BrokenRule::HeaderInvalid => Refusal::HEADER_INVALID,
            };
            Err(NotTaken { refusal, channel: Some(Arc::clone(channel)), name: Some(Arc::clone(name)) })
        }
    }
}
