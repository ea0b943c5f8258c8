//! The behaviour of an upstream on its open connections.
//!
//! Order of calls: [`Role::opened`] for each connection that got its 101; [`Role::payload`] and [`Role::message`] as
//! messages arrive; [`Role::due`] whenever [`Role::next_due`] has come; [`Role::settle`] after each step, for effects
//! on connections other than the stepped one; [`Role::ended`] once for each connection that was opened.

use std::sync::Arc;

use ringway::engine::pool::Pool;
use ringway::engine::{Fault, Slot, Time, Transport};
use ringway::proto::Violation;
use ringway::proto::scan::FrameLimits;
use ringway::proxy::terminated::Wire;

use super::totals::Totals;

/// State that all connections of a shard share.
#[derive(Debug)]
pub struct Kit {
    /// Limits on frames from clients.
    pub frames: FrameLimits,
    /// This shard's counts.
    pub totals: Arc<Totals>,
    /// The buffer pool.
    pub pool: Pool,
    /// `true` if the shard is closing all connections.
    pub draining: bool,
}

/// Context of a call: everything except the connection.
pub struct Cx<'a, T> {
    /// The shard's network and clock.
    pub net: &'a mut T,
    /// State that all connections of a shard share.
    pub kit: &'a mut Kit,
}

/// The reason why an open connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The upstream closes the connection, with this close code and reason.
    Told(u16, &'static str),
    /// The peer violated the protocol.
    Violated(Violation),
    /// The peer sent a close frame and has been answered.
    Closed,
    /// The peer finished sending without a close frame.
    Ended,
    /// The connection is broken.
    Broken(Fault),
}

impl From<Fault> for Leave {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
}

impl From<Violation> for Leave {
    fn from(violation: Violation) -> Self {
        Self::Violated(violation)
    }
}

/// A shard's connections, as far as a role may access them. `S` is the role's state of each.
pub trait Peers<S> {
    /// An open connection that has not been told to leave.
    fn open(&mut self, slot: Slot) -> Option<(&mut Wire, &mut S)>;

    /// Makes a connection leave, with a close code and reason.
    fn tell_to_leave<T: Transport>(&mut self, slot: Slot, code: u16, reason: &'static str, net: &mut T);
}

/// The behaviour of an upstream on one shard.
pub trait Role {
    /// The role's state of each open connection.
    type State;

    /// Limits on frames from clients.
    fn frames(&self) -> FrameLimits;

    /// Called when a connection got its 101.
    fn opened<T: Transport>(&mut self, slot: Slot, cx: &mut Cx<'_, T>) -> Self::State;

    /// Called for each piece of a message.
    fn payload(&mut self, _state: &mut Self::State, _piece: &[u8]) {}

    /// Called when a message is complete. A text message is valid UTF-8.
    ///
    /// # Errors
    /// The reason why the connection must end.
    fn message<T: Transport>(
        &mut self,
        _state: &mut Self::State,
        _wire: &mut Wire,
        _cx: &mut Cx<'_, T>,
    ) -> Result<(), Leave> {
        Ok(())
    }

    /// Called when the connection has closed or is about to be closed.
    fn ended<T: Transport>(&mut self, _state: Self::State, _cx: &mut Cx<'_, T>) {}

    /// The time at which [`due`](Self::due) must be called.
    fn next_due(&self) -> Option<Time> {
        None
    }

    /// Does the work that is due.
    fn due<T: Transport>(&mut self, _now: Time, _peers: &mut impl Peers<Self::State>, _cx: &mut Cx<'_, T>) {}

    /// Applies the effects of one connection's step on other connections.
    fn settle<T: Transport>(&mut self, _peers: &mut impl Peers<Self::State>, _cx: &mut Cx<'_, T>) {}
}
