//! Stage 1: the client's request. Gathers its head, judges it, and writes the request for the upstream from it.

use std::net::IpAddr;
use std::sync::Arc;

use super::context::Context;
use super::secure::Identity;
use super::upgrade::Asked;
use crate::engine::{Next, Received, Socket, Time, Transport};
use crate::proto::accept;
use crate::proto::forward::{self, Via};
use crate::proto::refusal::Refusal;
use crate::proto::request::Request;
use crate::proto::response::Expected;
use crate::proto::{head, response};
use crate::routing::route::Route;
use crate::routing::settings::{Serve, Settings};
use crate::routing::snapshot::Found;
use crate::tls::first_byte;

/// The longest path kept for a record.
const MAX_RECORDED_PATH: usize = 256;

#[derive(Debug)]
pub(super) struct Handshake {
    client: Socket,
    peer: IpAddr,
    /// What TLS told of the client; `None` in plain text.
    identity: Option<Box<Identity>>,
    /// The head so far, when it did not come in one piece.
    head: Vec<u8>,
    /// Whether nobody has looked at that yet.
    fresh: bool,
    deadline: Time,
}

/// A request that is right, as far as the next stages need it.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) client: Socket,
    /// The path asked for, for the record.
    pub(super) path: Box<str>,
    pub(super) onward: Onward,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) enum Onward {
    /// To an upstream.
    Upstream(ToUpstream),
    /// Back.
    Echo {
        /// The client's 101.
        answer: Vec<u8>,
        /// What came behind the head.
        early: Vec<u8>,
    },
}

/// What an upstream is sent.
#[derive(Debug)]
pub(super) struct ToUpstream {
    pub(super) asked: Asked,
    /// The path and query behind the target's own path.
    pub(super) rest: Box<str>,
    /// The client's `Host`, where the upstream is to get it.
    pub(super) host: Option<Box<str>>,
    /// The upstream's request, but for what differs between endpoints.
    pub(super) fields: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    Accepted(Box<Accepted>),
    Refused(Refusal),
    /// The route that was asked for takes no connections.
    Barred(Box<str>, Arc<Route>, Refusal),
    /// Nothing is served at this path.
    NotFound(Box<str>),
    /// What came is TLS, where plain text is spoken.
    SpeaksTls,
    /// The client is gone.
    Left,
}

impl Handshake {
    /// `early` is what the client has said already.
    pub(super) fn new(
        client: Socket,
        peer: IpAddr,
        identity: Option<Box<Identity>>,
        early: Vec<u8>,
        deadline: Time,
    ) -> Self {
        Self { client, peer, identity, fresh: !early.is_empty(), head: early, deadline }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        if cx.net.now() >= self.deadline {
            return Outcome::Refused(Refusal::HANDSHAKE_TIMEOUT);
        }
        let seen = self.head.len();
        for (to, from) in cx.scratch.iter_mut().zip(&self.head) {
            *to = *from;
        }
        let (searched, received) = if std::mem::take(&mut self.fresh) {
            (0, 0)
        } else {
            // No more than a head may have: what comes behind it can wait in the kernel until there is somewhere to send it.
            let until = cx.config.settings.head.max_bytes;
            match cx.scratch.get_mut(seen..until).filter(|room| !room.is_empty()) {
                // There was room for what is here, and the limit is another now.
                None => (seen, 0),
                Some(room) => match cx.net.recv(self.client, room) {
                    Received::Bytes(n) => (seen, n),
                    Received::Blocked => return Outcome::Stay(Next::Wait(Some(self.deadline))),
                    Received::End | Received::Failed(_) => return Outcome::Left,
                },
            }
        };
        let bytes = cx.scratch.get(..seen.saturating_add(received)).unwrap_or_default();
        if self.identity.is_none() && bytes.first().copied().is_some_and(first_byte::is_of_client) {
            return Outcome::SpeaksTls;
        }
        if !head::may_become_request(bytes) {
            return Outcome::Refused(Refusal::HEAD_MALFORMED);
        }
        match head::find_end(bytes, searched, &cx.config.settings.head) {
            Err(error) => Outcome::Refused(error.into()),
            Ok(None) => {
                self.head = bytes.to_vec();
                Outcome::Stay(Next::Again)
            }
            Ok(Some(end)) => {
                let (head, early) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
                let mut nonce = [0; 16];
                cx.net.random(&mut nonce);
                self.judge(head, early, nonce, cx).unwrap_or_else(Outcome::Refused)
            }
        }
    }

    fn judge<T>(&self, head: &[u8], early: &[u8], nonce: [u8; 16], cx: &Context<'_, T>) -> Result<Outcome, Refusal> {
        let request = Request::parse(head, &cx.config.settings.head)?;
        if let Some(name) = self.identity.as_ref().and_then(|identity| identity.server_name.as_deref())
            && !is_host(name, request.host)
        {
            return Err(Refusal::MISDIRECTED);
        }
        let path = recorded_path(request.path_and_query);
        let (client, early, accept) = (self.client, early.to_vec(), accept::accept_for(request.key));
        if cx.config.settings.serve == Serve::Echo {
            let mut answer = Vec::with_capacity(256);
            response::write_switching(&accept, request.protocols.first().copied(), &mut answer);
            let onward = Onward::Echo { answer, early };
            return Ok(Outcome::Accepted(Box::new(Accepted { client, path, onward })));
        }
        let found = cx.config.snapshot.find(cx.listener, request.host, request.path_and_query);
        let Some(Found { route, rest }) = found else { return Ok(Outcome::NotFound(path)) };
        if let Some(refusal) = route.gate.refusal() {
            return Ok(Outcome::Barred(path, Arc::clone(route), refusal));
        }
        let key = accept::key_from(nonce);
        let mut fields = Vec::with_capacity(head.len().saturating_add(512));
        forward::write_fields(&request, &self.via(&request, &key, &cx.config.settings), &mut fields);
        let expected = Expected::new(&request, accept::accept_for(&key));
        let onward = Onward::Upstream(ToUpstream {
            asked: Asked { accept, early, expected, deadline: self.deadline, route: Arc::clone(route) },
            rest: rest.into(),
            host: route.preserve_host.then(|| request.host.into()),
            fields,
        });
        Ok(Outcome::Accepted(Box::new(Accepted { client, path, onward })))
    }

    fn via<'a>(&'a self, request: &Request<'a>, key: &'a accept::Key, settings: &Settings) -> Via<'a> {
        Via {
            host: request.host,
            base_path: "",
            key,
            client: self.peer,
            scheme: if self.identity.is_some() { "https" } else { "http" },
            trusted: settings.trusts(self.peer),
            subject: self.identity.as_ref().and_then(|identity| identity.subject.as_deref()),
        }
    }
}

/// Whether a `Host` with its optional port names the host that TLS was told. A name asked for is never an address
/// (RFC 6066 section 3).
fn is_host(name: &str, authority: &str) -> bool {
    let host = authority.split(':').next().unwrap_or_default();
    host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case(name.strip_suffix('.').unwrap_or(name))
}

/// Queries carry tokens, so none is kept.
fn recorded_path(path_and_query: &str) -> Box<str> {
    let path = path_and_query.split('?').next().unwrap_or_default();
    // The target is ASCII: any cut is between characters.
    path.get(..MAX_RECORDED_PATH).unwrap_or(path).into()
}
