//! Stage 1: the client's request. Gathers the head, parses it, finds its route, asks [`admit`], and writes the request
//! for the upstream from the parsed values. The head itself is never forwarded as it came.

use std::net::SocketAddr;
use std::sync::Arc;

use super::admit::admit;
use super::authenticate::{self, Client, Forwarded};
use super::context::Context;
use super::gather::Gather;
use super::handoff::{Accepted, Asked, Identity, NotTaken, Onward, Origin, PlainAsked, ToUpstream};
use crate::engine::{Next, Received, Socket, Time, Transport};
use crate::invariant::Invariant;
use crate::proto::accept;
use crate::proto::authority::Authority;
use crate::proto::credential;
use crate::proto::forward::{self, ConsumerNames, Offer, Via};
use crate::proto::forwarded;
use crate::proto::head_check::{HeadCheck, HeadKind};
use crate::proto::plain::{self, PlainRequest};
use crate::proto::refusal::Refusal;
use crate::proto::request::Request;
use crate::proto::response::Expected;
use crate::proto::via::Pseudonym;
use crate::proto::{head, response};
use crate::routing::balance::Tries;
use crate::routing::consumers::{Consumer, KeyHolder};
use crate::routing::route::{Route, Service};
use crate::routing::settings::Settings;
use crate::routing::snapshot::Found;
use crate::tls::is_client_hello;

/// The longest path that a record keeps.
const MAX_RECORDED_PATH: usize = 256;

#[derive(Debug)]
pub(super) struct Handshake {
    client: Socket,
    peer: SocketAddr,
    /// The client, once the request has named it: the peer, or another one behind trusted proxies.
    named: Option<SocketAddr>,
    /// The client as TLS knows it; `None` in plain text.
    identity: Option<Box<Identity>>,
    head: Gather,
    check: HeadCheck,
    deadline: Time,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    Accepted(Box<Accepted>),
    /// A plain request, with its path, for a path that Ringway answers itself.
    Plain(Box<str>, Box<PlainAsked>),
    /// The path of the request, if its line has come, and why it is refused.
    Refused(Box<str>, Refusal),
    /// The route does not take the request.
    NotAdmitted(Box<str>, Arc<Route>, Box<NotTaken>),
    /// No route has this path.
    NotFound(Box<str>),
    /// The client speaks TLS to a plain-text listener.
    SpeaksTls,
    /// The client is gone.
    Left,
    /// The client is gone, and has sent nothing.
    LeftSilently,
}

impl Handshake {
    /// `early` are the bytes that were received from the client already.
    pub(super) fn new(
        client: Socket,
        peer: SocketAddr,
        identity: Option<Box<Identity>>,
        early: Vec<u8>,
        deadline: Time,
    ) -> Self {
        let check = HeadCheck::new(HeadKind::Request);
        Self { client, peer, named: None, identity, head: Gather::with_early(early), check, deadline }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    /// The client's address, once the request has named it.
    pub(super) fn named(&self) -> Option<SocketAddr> {
        self.named
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        if cx.net.now() >= self.deadline {
            return refused(self.head.bytes(&[]), Refusal::HANDSHAKE_TIMEOUT);
        }
        let received = match self.receive(cx) {
            Ok(received) => cx.scratch.get(..received).expected_or_default(),
            Err(outcome) => return outcome,
        };
        self.head.add(received);
        let bytes = self.head.bytes(received);
        if self.identity.is_none() && bytes.first().copied().is_some_and(is_client_hello) {
            return Outcome::SpeaksTls;
        }
        let limits = &cx.config.settings.head;
        let found = head::find_end(bytes, self.head.searched(), limits);
        if let Ok(Some(end)) = found {
            let (head, early) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            let mut nonce = [0; 16];
            cx.net.random(&mut nonce);
            return match self.judge(head, early, nonce, cx) {
                Ok((named, outcome)) => {
                    self.named = named;
                    outcome
                }
                Err(refusal) => refused(head, refusal),
            };
        }
        // A head that can never be right is refused now, not at the deadline.
        let within = bytes.get(..limits.max_bytes).unwrap_or(bytes);
        if let Err(error) = self.check.advance(within, limits).and(found) {
            return refused(bytes, error.into());
        }
        self.head.keep(received);
        Outcome::Stay(Next::Again)
    }

    /// Receives into the scratch, unless unsearched bytes are at hand. Returns the number of bytes.
    fn receive<T: Transport>(&self, cx: &mut Context<'_, T>) -> Result<usize, Outcome> {
        if self.head.has_unsearched() {
            return Ok(0);
        }
        // No more than a head may have: later bytes can wait in the kernel until there is an upstream to send them to.
        let room = cx.config.settings.head.max_bytes.saturating_sub(self.head.len()).min(cx.scratch.len());
        match cx.scratch.get_mut(..room).filter(|room| !room.is_empty()) {
            // A change has lowered the limit below the bytes at hand.
            None => Ok(0),
            Some(room) => match cx.net.recv(self.client, room) {
                Received::Bytes(n) => Ok(n),
                Received::Blocked => Err(Outcome::Stay(Next::Wait(Some(self.deadline)))),
                Received::End | Received::Failed(_) if self.head.len() == 0 => Err(Outcome::LeftSilently),
                Received::End | Received::Failed(_) => Err(Outcome::Left),
            },
        }
    }

    /// Judges a whole head in four steps: parse, route, admit, forward.
    fn judge<T: Transport>(
        &self,
        head: &[u8],
        early: &[u8],
        nonce: [u8; 16],
        cx: &Context<'_, T>,
    ) -> Result<(Option<SocketAddr>, Outcome), Refusal> {
        if let Some(outcome) = self.plain(head, early, cx)? {
            return Ok((None, outcome));
        }
        let mut request = self.parse(head, cx)?;
        let settings = &cx.config.settings;
        let client = forwarded::client(self.peer, &request.end_to_end, |ip| settings.trusts(ip));
        let named = Some(client);
        let path = recorded_path(request.path_and_query);
        let found = cx.config.snapshot.find(cx.listener, request.host, request.path_and_query);
        let Some(found) = found else { return Ok((named, Outcome::NotFound(path))) };
        let not_taken = |path, why| Ok((named, Outcome::NotAdmitted(path, Arc::clone(found.route), Box::new(why))));
        let pseudonym = found.route.pseudonym(&cx.config.chain);
        if found.route.service == Service::Relay && pseudonym.is_in(via_lines(&request)) {
            return not_taken(path, Refusal::LOOP_DETECTED.into());
        }
        let client = Client { address: client.ip(), certificate: self.subject() };
        let admitted = match admit(found.route, found.rest, &request, client, cx) {
            Ok(admitted) => admitted,
            Err(why) => return not_taken(path, why),
        };
        let is_key_missing = request.key.is_none();
        if is_key_missing && !found.route.policy.tolerance.missing_key {
            return not_taken(path, Refusal::KEY_MISSING.into());
        }
        let key = accept::key_from(nonce);
        let entry = found.route.entry.as_deref();
        let without_key = authenticate::take_key_out(entry, &mut request, found.rest);
        let onward = match found.route.service {
            Service::Relay => {
                let channel = admitted.channel.as_ref().map_or("", |channel| &channel.path);
                let is_checked = found.route.check_of(channel).is_some();
                let offer = if is_checked { Offer::Nothing } else { Offer::AsTheClient };
                let consumer =
                    admitted.consumer.as_ref().filter(|_| entry.is_some_and(|rules| rules.forwards_identity));
                let consumer = consumer.and_then(|party| names(&party.consumer));
                let via = Via { extensions: offer, consumer, ..self.via(&key, pseudonym, settings) };
                self.to_upstream(&request, &found, without_key, &via, head.len(), early)
            }
            Service::Echo => to_echo(&request, found.route, without_key.fallback_protocol, early),
        };
        let origin = origin_of(&request, found.route);
        let accepted = Accepted {
            client: self.client,
            path,
            consumer: admitted.consumer,
            channel: admitted.channel,
            origin,
            is_key_missing,
            onward,
        };
        Ok((named, Outcome::Accepted(Box::new(accepted))))
    }

    /// The outcome of a plain request for a path that Ringway answers itself; `None` for any other request, also for a
    /// handshake on such a path.
    fn plain<T>(&self, head: &[u8], early: &[u8], cx: &Context<'_, T>) -> Result<Option<Outcome>, Refusal> {
        let paths = &cx.config.settings.plain;
        if paths.is_empty() {
            return Ok(None);
        }
        let Some((method, path)) = plain::method_and_path(head) else { return Ok(None) };
        let Some(service) = paths.find(method, path) else { return Ok(None) };
        let request = PlainRequest::parse(method, head, &cx.config.settings.head)?;
        if request.is_handshake {
            return Ok(None);
        }
        let asked = PlainAsked { service, request, early: early.to_vec(), deadline: self.deadline };
        Ok(Some(Outcome::Plain(recorded_path(path), Box::new(asked))))
    }

    /// Writes the request for an upstream from the parsed values.
    fn to_upstream(
        &self,
        request: &Request<'_>,
        found: &Found<'_>,
        without_key: Forwarded<'_>,
        via: &Via<'_>,
        head_len: usize,
        early: &[u8],
    ) -> Onward {
        let mut fields = Vec::with_capacity(head_len.saturating_add(512));
        forward::write_fields(request, via, &mut fields);
        let expected = Expected::new(request, accept::accept_for(via.key));
        let expected = if via.extensions == Offer::Nothing { expected.offering_nothing() } else { expected };
        let is_accept_optional = found.route.policy.tolerance.missing_accept;
        let asked = Asked {
            accept: request.key.map(accept::accept_for),
            early: early.to_vec(),
            expected: if is_accept_optional { expected.or_without_accept() } else { expected },
            deadline: self.deadline,
            route: Arc::clone(found.route),
            client_path: request.path_and_query.strip_suffix(found.rest).expected_or_default().into(),
            host: found.route.preserve_host.then(|| request.host.as_str().into()),
            fallback_protocol: without_key.fallback_protocol,
        };
        let host = asked.host.clone();
        Onward::Upstream(ToUpstream {
            asked,
            tries: Tries::default(),
            dialled: 0,
            connect_left: found.route.policy.timeouts.connect,
            rest: without_key.rest.into(),
            host,
            fields,
        })
    }

    /// Parses a head, whose `Host` must fit the name that the client asked TLS for.
    fn parse<'a, T>(&self, head: &'a [u8], cx: &Context<'_, T>) -> Result<Request<'a>, Refusal> {
        let request = Request::parse(head, &cx.config.settings.head)?;
        if self.is_misdirected(request.host, cx) { Err(Refusal::MISDIRECTED) } else { Ok(request) }
    }

    /// True if a host is not one for this TLS connection (RFC 9110 section 15.5.20): it is not the name that the client
    /// asked for, the certificate that was shown does not cover it, and hosts lead to different APIs here. A proxy in front
    /// may well ask for the name of this machine, and send the `Host` of its own client.
    fn is_misdirected<T>(&self, host: Authority<'_>, cx: &Context<'_, T>) -> bool {
        let Some(identity) = &self.identity else { return false };
        let Some(name) = identity.server_name.as_deref().filter(|name| !host.is_named(name)) else { return false };
        let config = cx.config;
        config.settings.strict_sni_host
            || (config.snapshot.tells_hosts_apart(cx.listener) && !identity.shown.covers(name, host))
    }

    fn via<'a>(&'a self, key: &'a accept::Key, pseudonym: &'a Pseudonym, settings: &Settings) -> Via<'a> {
        Via {
            key,
            client: self.peer.ip(),
            scheme: if self.identity.is_some() { "https" } else { "http" },
            trusted: settings.trusts(self.peer.ip()),
            subject: self.subject(),
            pseudonym,
            extensions: Offer::AsTheClient,
            consumer: None,
        }
    }

    /// The subject of the client's verified certificate.
    fn subject(&self) -> Option<&str> {
        self.identity.as_ref()?.subject.as_deref()
    }
}

/// The names of the consumer that an upstream is told.
fn names(consumer: &Consumer) -> Option<ConsumerNames<'_>> {
    let KeyHolder { application, plan, .. } = consumer.key_holder()?;
    Some(ConsumerNames { consumer: &application.consumer, application: &application.name, plan: &plan.name })
}

/// The `Via` lines of a request.
fn via_lines<'r>(request: &'r Request<'_>) -> impl Iterator<Item = &'r [u8]> {
    request.end_to_end.iter().filter(|(name, _)| name.eq_ignore_ascii_case("via")).map(|(_, value)| &**value)
}

/// Writes the client's 101: nobody else is asked.
fn to_echo(request: &Request<'_>, route: &Arc<Route>, fallback_protocol: Option<&'static str>, early: &[u8]) -> Onward {
    let mut answer = Vec::with_capacity(256);
    let protocol = request.protocols.first().copied().or(fallback_protocol.map(str::as_bytes));
    let accept = request.key.map(accept::accept_for);
    response::write_switching(accept.as_ref(), protocol, &route.answer_lines, &mut answer);
    Onward::Echo { route: Arc::clone(route), answer, early: early.to_vec() }
}

/// Compares the request's `Origin` with the `Host` that the upstream of a route is sent.
fn origin_of(request: &Request<'_>, route: &Route) -> Origin {
    let Some((_, origin)) = request.end_to_end.iter().find(|(name, _)| name.eq_ignore_ascii_case("origin")) else {
        return Origin::Own;
    };
    let named = std::str::from_utf8(origin).ok().and_then(|origin| Some(origin.split_once("://")?.1));
    let is = |host: &str| named.is_some_and(|named| named.eq_ignore_ascii_case(host));
    let is_own = if route.preserve_host {
        is(request.host.as_str())
    } else {
        route.endpoints.iter().any(|endpoint| is(&endpoint.target.authority))
    };
    if is_own { Origin::Own } else { Origin::Foreign }
}

/// The refusal of a request of which these bytes have come.
fn refused(bytes: &[u8], refusal: Refusal) -> Outcome {
    Outcome::Refused(head::requested_path(bytes).map(recorded_path).unwrap_or_default(), refusal)
}

/// The path for the record, without the query and without keys: queries carry tokens.
fn recorded_path(path_and_query: &str) -> Box<str> {
    let path = path_and_query.split('?').next().expected_or_default();
    // The request target is ASCII: any cut is between characters.
    credential::redacted(path.get(..MAX_RECORDED_PATH).unwrap_or(path)).into()
}
