//! What an upstream does with its connections once they stand.
//!
//! Order of calls: [`Role::opened`] for each connection that got its 101; [`Role::payload`] and [`Role::message`] as
//! messages come; [`Role::due`] whenever [`Role::next_due`] has come; [`Role::settle`] after each step, for what concerns
//! other connections than the one that was stepped; [`Role::ended`] once for each connection that was opened.

use std::sync::Arc;

use ringway::engine::pool::Pool;
use ringway::engine::{Fault, Slot, Time, Transport};
use ringway::proto::Violation;
use ringway::proto::scan::FrameLimits;
use ringway::proxy::terminated::Wire;

use super::totals::Totals;

/// What all connections of a shard share.
#[derive(Debug)]
pub struct Kit {
    /// What a client may send.
    pub frames: FrameLimits,
    /// This shard's counts.
    pub totals: Arc<Totals>,
    /// Buffers.
    pub pool: Pool,
    /// Whether everyone is being sent away.
    pub draining: bool,
}

/// What a call may use besides the connection.
pub struct Cx<'a, T> {
    /// The shard's network and clock.
    pub net: &'a mut T,
    /// What all connections of a shard share.
    pub kit: &'a mut Kit,
}

/// Why an open connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It is told so, with this close code and reason.
    Told(u16, &'static str),
    /// It broke a rule.
    Violated(Violation),
    /// It said so, and has its answer.
    Closed,
    /// It finished sending without a word.
    Ended,
    /// It is broken.
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

/// A shard's connections, as far as a role may reach them. `S` is what the role keeps of each.
pub trait Peers<S> {
    /// A connection that is open and has not been told to leave.
    fn open(&mut self, slot: Slot) -> Option<(&mut Wire, &mut S)>;

    /// Tells a connection to leave, with a close code and reason.
    fn tell_to_leave<T: Transport>(&mut self, slot: Slot, code: u16, reason: &'static str, net: &mut T);
}

/// A role.
pub trait Role {
    /// What it keeps of each open connection.
    type State;

    /// What a client may send.
    fn frames(&self) -> FrameLimits;

    /// A connection got its 101.
    fn opened<T: Transport>(&mut self, slot: Slot, cx: &mut Cx<'_, T>) -> Self::State;

    /// A piece of a message came.
    fn payload(&mut self, _state: &mut Self::State, _piece: &[u8]) {}

    /// A message is whole; if it is text, it is UTF-8.
    ///
    /// # Errors
    /// Why the connection is to end.
    fn message<T: Transport>(
        &mut self,
        _state: &mut Self::State,
        _wire: &mut Wire,
        _cx: &mut Cx<'_, T>,
    ) -> Result<(), Leave> {
        Ok(())
    }

    /// The connection is gone, or about to be closed.
    fn ended<T: Transport>(&mut self, _state: Self::State, _cx: &mut Cx<'_, T>) {}

    /// When [`due`](Self::due) is to be called.
    fn next_due(&self) -> Option<Time> {
        None
    }

    /// Does what is due.
    fn due<T: Transport>(&mut self, _now: Time, _peers: &mut impl Peers<Self::State>, _cx: &mut Cx<'_, T>) {}

    /// Does what a step of one connection asks of others.
    fn settle<T: Transport>(&mut self, _peers: &mut impl Peers<Self::State>, _cx: &mut Cx<'_, T>) {}
}
