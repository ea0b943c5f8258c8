//! Before all else where a balancer stands in front: the PROXY header that says who its client is. Nothing is answered to a
//! peer that begins with something else: who has not been named has nobody to be told.

use std::net::SocketAddr;

use super::context::Context;
use crate::engine::{Next, Received, Socket, Time, Transport};
use crate::proto::proxy_header::{self, Malformed};

#[derive(Debug)]
pub(super) struct Preamble {
    client: Socket,
    /// Who connected.
    peer: SocketAddr,
    /// The header so far, when it did not come in one piece.
    head: Vec<u8>,
    deadline: Time,
}

/// A client that has been named.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) client: Socket,
    /// Who it is from now on: whom the header names, or who connected where it names nobody.
    pub(super) peer: SocketAddr,
    /// What came behind the header, the client's own first bytes: none behind version 2, which says how long it is.
    pub(super) early: Vec<u8>,
    /// Until when the handshake must be done.
    pub(super) deadline: Time,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    Named(Named),
    /// What came is no header, for this reason.
    Unannounced(&'static str),
    /// The peer is gone.
    Left,
}

impl Preamble {
    pub(super) fn new(client: Socket, peer: SocketAddr, deadline: Time) -> Self {
        Self { client, peer, head: Vec::new(), deadline }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        if cx.net.now() >= self.deadline {
            return Outcome::Unannounced("timeout");
        }
        let seen = self.head.len();
        for (to, from) in cx.scratch.iter_mut().zip(&self.head) {
            *to = *from;
        }
        let mut end = seen;
        loop {
            // What is behind the header stays in the kernel as far as that can be told.
            let known = cx.scratch.get(..end).unwrap_or_default();
            let until = end.saturating_add(proxy_header::wanted(known));
            match cx.net.recv(self.client, cx.scratch.get_mut(end..until).unwrap_or_default()) {
                Received::Bytes(n) => end = end.saturating_add(n),
                Received::Blocked => {
                    self.head = cx.scratch.get(..end).unwrap_or_default().to_vec();
                    return Outcome::Stay(Next::Wait(Some(self.deadline)));
                }
                Received::End | Received::Failed(_) => return Outcome::Left,
            }
            let bytes = cx.scratch.get(..end).unwrap_or_default();
            match proxy_header::parse(bytes) {
                Ok(None) => {}
                Ok(Some(header)) => {
                    return Outcome::Named(Named {
                        client: self.client,
                        peer: header.source.unwrap_or(self.peer),
                        early: bytes.get(header.len..).unwrap_or_default().to_vec(),
                        deadline: self.deadline,
                    });
                }
                Err(malformed) => return Outcome::Unannounced(Malformed::code(malformed)),
            }
        }
    }
}
