//! Stage 0, where clients speak TLS: its handshake, within the same deadline as what follows.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::{ProtocolVersion, ServerConfig};

use super::context::Context;
use crate::engine::{Fault, Next, Socket, Time, TlsFault, Transport};
use crate::tls::identity;
use crate::tls::secured::{Handshaking, Secured};

#[derive(Debug)]
pub(super) struct Secure {
    client: Socket,
    /// How to begin, and what was received already; `None` once begun.
    beginning: Option<(Arc<ServerConfig>, Vec<u8>)>,
    /// Whether the client's hello was answered, and others have had their turn since.
    answered: bool,
    deadline: Time,
}

/// What TLS told of the client.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// The name it asked for (SNI).
    pub(super) server_name: Option<Box<str>>,
    /// The version that was agreed on.
    pub(super) version: Option<ProtocolVersion>,
    /// Who its verified certificate says it is.
    pub(super) subject: Option<Box<str>>,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    Secured(Identity),
    /// What came is not TLS: an answer goes in plain text.
    PlainText,
    Failed(TlsFault),
    TimedOut,
    /// The client is gone.
    Left,
}

impl Secure {
    /// `early` was received from the client already.
    pub(super) fn new(client: Socket, config: Arc<ServerConfig>, early: Vec<u8>, deadline: Time) -> Self {
        Self { client, beginning: Some((config, early)), answered: false, deadline }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn deadline(&self) -> Time {
        self.deadline
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, Secured<'_, T>>) -> Outcome {
        if let Some((config, early)) = self.beginning.take()
            && cx.net.accept_tls(self.client, config, &early).is_err()
        {
            return Outcome::Failed(TlsFault::Internal);
        }
        match cx.net.handshake(self.client) {
            // A name that cannot be passed on is nobody's: the upstream would take its bearer for a stranger.
            Handshaking::Done => identity(self.client, cx.net).map_or_else(Outcome::Failed, Outcome::Secured),
            Handshaking::Failed(Fault::Tls(TlsFault::NotTls)) => Outcome::PlainText,
            // Who leaves in the middle of the handshake has nothing to lose by it.
            Handshaking::Failed(Fault::Tls(TlsFault::Truncated)) => Outcome::Left,
            Handshaking::Failed(Fault::Tls(fault)) => Outcome::Failed(fault),
            Handshaking::Failed(_) => Outcome::Left,
            Handshaking::Blocked if cx.net.now() >= self.deadline => Outcome::TimedOut,
            Handshaking::Blocked if !self.answered && is_answered(self.client, cx.net) => {
                // The signature is the dearest thing that a shard does: not many of them before others have their turn.
                self.answered = true;
                Outcome::Stay(Next::Again)
            }
            Handshaking::Blocked => Outcome::Stay(Next::Wait(Some(self.deadline))),
        }
    }
}

/// Whether the client's hello was answered.
fn is_answered<T: Transport>(client: Socket, net: &Secured<'_, T>) -> bool {
    net.peer(client).is_some_and(|peer| peer.version.is_some())
}

fn identity<T: Transport>(client: Socket, net: &Secured<'_, T>) -> Result<Identity, TlsFault> {
    let peer = net.peer(client).ok_or(TlsFault::Internal)?;
    let subject = match peer.certificates.first() {
        // The calendar's time, which is nobody else's business here.
        Some(certificate) => Some(identity::of_client(certificate, SystemTime::now())?.into_boxed_str()),
        None => None,
    };
    Ok(Identity { server_name: peer.server_name.map(Box::from), version: peer.version, subject })
}
