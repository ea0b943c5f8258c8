//! Decides whether a route takes a request: its gate, the page and the party that sent it, and its channels. A step between
//! routing and forwarding that sends nothing and waits for nothing.

use std::sync::Arc;

use super::authenticate::{Client, authenticate};
use super::context::Context;
use super::entry_fault::EntryFault;
use super::handoff::{Authenticated, NotTaken};
use crate::engine::Transport;
use crate::proto::refusal::Refusal;
use crate::proto::request::Request;
use crate::routing::channels::{BrokenRule, Channel, Channels, Match, Unfit};
use crate::routing::origins::Origins;
use crate::routing::route::{Route, UnlistedPaths};

/// A request that its route takes.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The party that the request was authenticated as; `None` for an anonymous one.
    pub(super) consumer: Option<Authenticated>,
    /// The channel; `None` if the route has none, or lets paths pass that are none.
    pub(super) channel: Option<Arc<Channel>>,
}

/// Admits a request to its route. `rest` is the path and query after the base path, and `client` the connection that it came
/// on. A client that may not enter does not learn which channels there are.
///
/// # Errors
/// The refusal for the client: the route is closed, the client may not enter, the path is no channel, or the request breaks a
/// rule of its channel.
pub(super) fn admit<T: Transport>(
    route: &Route,
    rest: &str,
    request: &Request<'_>,
    client: Client<'_>,
    cx: &Context<'_, T>,
) -> Result<Admitted, NotTaken> {
    if let Some(refusal) = route.gate.refusal() {
        return Err(refusal.into());
    }
    let consumer = match &route.entry {
        None => None,
        Some(rules) => {
            check_origin(&rules.origins, request)?;
            authenticate(rules, request, client, cx)?
        }
    };
    let channel = match &route.channels {
        None => None,
        Some(channels) => channel_of(channels, route.unlisted_paths, rest, request)?,
    };
    Ok(Admitted { consumer, channel })
}

fn check_origin(origins: &Origins, request: &Request<'_>) -> Result<(), NotTaken> {
    let is_origin = |name: &str| name.eq_ignore_ascii_case("origin");
    let given = || request.end_to_end.iter().filter(|(name, _)| is_origin(name)).map(|(_, value)| &**value);
    if origins.allow(given(), request.host) {
        return Ok(());
    }
    let fault = Some(EntryFault::origin(given().next()));
    Err(NotTaken { fault, ..Refusal::ORIGIN_NOT_ALLOWED.into() })
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
            Err(NotTaken { channel: Some(Arc::clone(channel)), name: Some(Arc::clone(name)), ..refusal.into() })
        }
    }
}
