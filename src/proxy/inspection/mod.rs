//! The inspection of an open tunnel's messages: whether they are those of the contract, and what happens to others.
//!
//! ```text
//! pump: receive (bounded) -> scanner, part by part -> Inspector: forward | copy | hold | discard
//!                                    end of a message -> MessageChecker -> verdict -> counts, a sample, the treatment
//! ```
//!
//! In: the bytes of one side, as they come. Out: bytes for the other side, exactly as they were received: still masked, with
//! their fragments. `report` forwards each byte at once and copies the payload beside; `enforce` holds a message until its end,
//! then forwards it whole or not at all. Control frames pass between fragments in both.
//!
//! A tunnel without inspection takes none of these paths. What a message may occupy is bounded by `validation.max_bytes`, and
//! what all incomplete messages of a shard occupy by [`shard::MAX_WAITING_BYTES`].

mod inspector;
mod pump;
mod shard;

use std::net::SocketAddr;
use std::sync::Arc;

pub(super) use self::inspector::Inspector;
pub(super) use self::pump::pump_inspected;
pub(super) use self::shard::Inspection;
use super::context::Context;
use super::end::Side;
use super::leg::Leg;
use super::pump::{Manner, Pumped};
use super::relay::{self, Passing, Relay};
use crate::engine::Transport;
use crate::routing::validation::{ChannelCheck, Direction};

/// The inspection of one tunnel.
#[derive(Debug)]
pub(super) struct Inspectors {
    pub(super) from_client: Inspector,
    pub(super) from_upstream: Inspector,
}

/// An open tunnel whose messages are inspected.
#[derive(Debug)]
pub(super) struct InspectedRelay {
    pub(super) relay: Relay,
    pub(super) inspectors: Inspectors,
}

impl InspectedRelay {
    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> relay::Outcome {
        self.relay.step_through(&mut self.inspectors, cx)
    }
}

impl Passing for Inspectors {
    fn pump<T: Transport>(&mut self, from: &mut Leg, to: &mut Leg, cx: &mut Context<'_, T>) -> Pumped {
        pump_inspected(from, to, Manner::Forward, self.of(from.side), cx)
    }
}

/// Whose messages are inspected, and by which contract.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// The check of the connection's channel, with the policies of that channel; `None` if it is off by now.
    pub(super) check: Option<ChannelCheck>,
    /// The label of the channel.
    pub(super) channel: Arc<str>,
    pub(super) client: SocketAddr,
    pub(super) connection: u64,
    /// True if an extension was negotiated, which may change payloads in any way.
    pub(super) is_opaque: bool,
}

impl Inspectors {
    /// Begins the inspection of a tunnel. A message that has begun is forwarded to its end.
    pub(super) fn new(relay: &Relay, subject: Subject) -> Self {
        Self {
            from_client: Inspector::new(Direction::ClientSends, &relay.client.scanner, subject.clone()),
            from_upstream: Inspector::new(Direction::ClientReceives, &relay.upstream.scanner, subject),
        }
    }

    fn of(&mut self, side: Side) -> &mut Inspector {
        match side {
            Side::Client => &mut self.from_client,
            Side::Upstream => &mut self.from_upstream,
        }
    }

    /// Replaces the rules and policies: messages that begin from now on are subject to them.
    pub(super) fn update(&mut self, check: Option<&ChannelCheck>) {
        self.from_client.update(check.cloned());
        self.from_upstream.update(check.cloned());
    }

    /// True if no message is held or copied: the tunnel can go on without inspection.
    pub(super) fn is_idle(&self) -> bool {
        self.from_client.is_idle() && self.from_upstream.is_idle()
    }
}
