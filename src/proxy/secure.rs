//! Stage 0, where clients speak TLS: the TLS handshake, within the deadline of the whole handshake.

use std::sync::Arc;

use super::context::Context;
use super::handoff::Identity;
use crate::command::config::ListenerTls;
use crate::engine::{Fault, Next, Socket, Time, TlsFault};
use crate::tls::{Handshaking, SecureTransport, identity};

#[derive(Debug)]
pub(super) struct Secure {
    client: Socket,
    tls: ListenerTls,
    /// The bytes that were received already; `None` once the session has started.
    early: Option<Vec<u8>>,
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
    /// The client is gone, and has sent no whole hello.
    LeftSilently,
}

impl Secure {
    /// `early` are the bytes that were received from the client already.
    pub(super) fn new(client: Socket, tls: ListenerTls, early: Vec<u8>, deadline: Time) -> Self {
        Self { client, tls, early: Some(early), answered: false, deadline }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn deadline(&self) -> Time {
        self.deadline
    }

    fn identity<T: SecureTransport>(&self, net: &T) -> Result<Identity, TlsFault> {
        let peer = net.peer(self.client).ok_or(TlsFault::Internal)?;
        let subject = match peer.certificates.first() {
            Some(certificate) => Some(identity::of_client(certificate, net.wall_clock())?.into_boxed_str()),
            None => None,
        };
        let (server_name, shown) = (peer.server_name.map(Box::from), Arc::clone(&self.tls.names));
        Ok(Identity { server_name, version: peer.version, subject, shown })
    }

    fn left<T: SecureTransport>(&self, cx: &Context<'_, T>) -> Outcome {
        if is_answered(self.client, cx.net) { Outcome::Left } else { Outcome::LeftSilently }
    }

    pub(super) fn step<T: SecureTransport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        if let Some(early) = self.early.take()
            && cx.net.accept_tls(self.client, Arc::clone(&self.tls.config), &early).is_err()
        {
            return Outcome::Failed(TlsFault::Internal);
        }
        match cx.net.handshake(self.client) {
            // A client whose subject cannot be passed on is refused: without it the upstream would take it for a
            // stranger.
            Handshaking::Done => self.identity(cx.net).map_or_else(Outcome::Failed, Outcome::Secured),
            Handshaking::Failed(Fault::Tls(TlsFault::NotTls)) => Outcome::PlainText,
            // A client that leaves during the handshake has lost nothing by it.
            Handshaking::Failed(Fault::Tls(TlsFault::Truncated)) => self.left(cx),
            Handshaking::Failed(Fault::Tls(fault)) => Outcome::Failed(fault),
            Handshaking::Failed(_) => self.left(cx),
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
