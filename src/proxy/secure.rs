//! Stage 0, where clients speak TLS: the TLS handshake, within the deadline of the whole handshake.

use std::sync::Arc;

use rustls::ServerConfig;

use super::context::Context;
use super::handoff::Identity;
use crate::engine::{Fault, Next, Socket, Time, TlsFault};
use crate::tls::{Handshaking, SecureTransport, identity};

#[derive(Debug)]
pub(super) struct Secure {
    client: Socket,
    /// The configuration, and the bytes that were received already; `None` once the session has started.
    start: Option<(Arc<ServerConfig>, Vec<u8>)>,
    /// `true` if the client's hello was answered, and other connections have had their turn since.
    answered: bool,
    deadline: Time,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    Secured(Identity),
    /// The client does not speak TLS: it gets an answer in plain text.
    PlainText,
    Failed(TlsFault),
    TimedOut,
    /// The client is gone.
    Left,
}

impl Secure {
    /// `early` are the bytes that were received from the client already.
    pub(super) fn new(client: Socket, config: Arc<ServerConfig>, early: Vec<u8>, deadline: Time) -> Self {
        Self { client, start: Some((config, early)), answered: false, deadline }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn deadline(&self) -> Time {
        self.deadline
    }

    pub(super) fn step<T: SecureTransport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        if let Some((config, early)) = self.start.take()
            && cx.net.accept_tls(self.client, config, &early).is_err()
        {
            return Outcome::Failed(TlsFault::Internal);
        }
        match cx.net.handshake(self.client) {
            // A client whose subject cannot be passed on is refused: without it the upstream would take it for a
            // stranger.
            Handshaking::Done => identity_of(self.client, cx.net).map_or_else(Outcome::Failed, Outcome::Secured),
            Handshaking::Failed(Fault::Tls(TlsFault::NotTls)) => Outcome::PlainText,
            // A client that leaves during the handshake has lost nothing by it.
            Handshaking::Failed(Fault::Tls(TlsFault::Truncated)) => Outcome::Left,
            Handshaking::Failed(Fault::Tls(fault)) => Outcome::Failed(fault),
            Handshaking::Failed(_) => Outcome::Left,
            Handshaking::Blocked if cx.net.now() >= self.deadline => Outcome::TimedOut,
            Handshaking::Blocked if !self.answered && is_answered(self.client, cx.net) => {
                // The signature costs a shard more than anything else: other connections have their turn after it.
                self.answered = true;
                Outcome::Stay(Next::Again)
            }
            Handshaking::Blocked => Outcome::Stay(Next::Wait(Some(self.deadline))),
        }
    }
}

/// `true` if the client's hello was answered.
fn is_answered<T: SecureTransport>(client: Socket, net: &T) -> bool {
    net.peer(client).is_some_and(|peer| peer.version.is_some())
}

fn identity_of<T: SecureTransport>(client: Socket, net: &T) -> Result<Identity, TlsFault> {
    let peer = net.peer(client).ok_or(TlsFault::Internal)?;
    let subject = match peer.certificates.first() {
        Some(certificate) => Some(identity::of_client(certificate, net.wall_clock())?.into_boxed_str()),
        None => None,
    };
    Ok(Identity { server_name: peer.server_name.map(Box::from), version: peer.version, subject })
}
