//! The first stage after a balancer: the PROXY header that names the client. A peer that sends anything else is closed
//! without an answer.

use std::net::SocketAddr;

use super::context::Context;
use super::gather::Gather;
use super::handoff::Named;
use crate::engine::{Next, Received, Socket, Time, Transport};
use crate::invariant::Invariant;
use crate::proto::proxy_header::{self, Malformed};

#[derive(Debug)]
pub(super) struct Preamble {
    client: Socket,
    /// The peer's own address.
    peer: SocketAddr,
    head: Gather,
    deadline: Time,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    Named(Named),
    /// The bytes are no PROXY header, for this reason.
    Unannounced(&'static str),
    /// The peer is gone.
    Left,
    /// The peer is gone, and has sent nothing.
    LeftSilently,
}

impl Preamble {
    pub(super) fn new(client: Socket, peer: SocketAddr, deadline: Time) -> Self {
        Self { client, peer, head: Gather::default(), deadline }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        if cx.net.now() >= self.deadline {
            return Outcome::Unannounced("timeout");
        }
        let mut end = 0_usize;
        loop {
            // Bytes after the header stay in the kernel as far as the header's length is known.
            let known = self.head.bytes(cx.scratch.get(..end).expected_or_default());
            let until = end.saturating_add(proxy_header::wanted(known));
            match cx.net.recv(self.client, cx.scratch.get_mut(end..until).expected_or_default()) {
                Received::Bytes(n) => {
                    let from = end;
                    end = end.saturating_add(n);
                    self.head.add(cx.scratch.get(from..end).expected_or_default());
                }
                Received::Blocked => {
                    self.head.keep(cx.scratch.get(..end).expected_or_default());
                    return Outcome::Stay(Next::Wait(Some(self.deadline)));
                }
                Received::End | Received::Failed(_) if self.head.len() == 0 && end == 0 => {
                    return Outcome::LeftSilently;
                }
                Received::End | Received::Failed(_) => return Outcome::Left,
            }
            let bytes = self.head.bytes(cx.scratch.get(..end).expected_or_default());
            match proxy_header::parse(bytes) {
                Ok(None) => {}
                Ok(Some(header)) => {
                    return Outcome::Named(Named {
                        client: self.client,
                        peer: header.source.unwrap_or(self.peer),
                        early: bytes.get(header.len..).expected_or_default().to_vec(),
                        deadline: self.deadline,
                    });
                }
                Err(malformed) => return Outcome::Unannounced(Malformed::code(malformed)),
            }
        }
    }
}
