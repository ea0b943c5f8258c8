//! The stages of a connection's life. Only this module knows their order.

use std::mem;
use std::time::Duration;

use ringway::engine::slab::Slab;
use ringway::engine::{Next, Slot, Socket, Time, Transport};
use ringway::proto::refusal::Refusal;
use ringway::proxy::terminated::Wire;

use super::handshake::{self, Handshake};
use super::leaving::{Leaving, Peer};
use super::open::Open;
use super::role::{Cx, Leave, Peers, Role};

/// The longest time from accept to the end of the request.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The longest time that a peer may take to close.
const LEAVING: Duration = Duration::from_secs(5);

/// One connection.
#[derive(Debug)]
pub(super) struct Connection<S> {
    socket: Socket,
    stage: Stage<S>,
}

#[derive(Debug)]
enum Stage<S> {
    Handshake(Handshake),
    Open(Box<Open<S>>),
    Leaving(Leaving),
    Gone,
}

impl<S> Peers<S> for Slab<Connection<S>> {
    fn open(&mut self, slot: Slot) -> Option<(&mut Wire, &mut S)> {
        self.get_mut(slot)?.open()
    }

    fn tell_to_leave<T: Transport>(&mut self, slot: Slot, code: u16, reason: &'static str, net: &mut T) {
        if let Some(connection) = self.get_mut(slot) {
            connection.tell_to_leave(code, reason);
            net.wake(slot);
        }
    }
}

impl<S> Connection<S> {
    /// Creates a connection for a socket that was just accepted.
    pub(super) fn new(socket: Socket, now: Time) -> Self {
        Self { socket, stage: Stage::Handshake(Handshake::new(now.after(HANDSHAKE))) }
    }

    /// The parts of an open connection that a role may use; `None` if the connection is about to leave.
    fn open(&mut self) -> Option<(&mut Wire, &mut S)> {
        match &mut self.stage {
            Stage::Open(open) if !open.is_told() => Some((&mut open.wire, &mut open.state)),
            _ => None,
        }
    }

    /// Makes the connection's next step close it with this code and reason.
    pub(super) fn tell_to_leave(&mut self, code: u16, reason: &'static str) {
        if let Stage::Open(open) = &mut self.stage {
            open.tell_to_leave(code, reason);
        }
    }

    /// Does everything that can be done now. Returns `Next::Done` once the socket is closed.
    pub(super) fn step<T, R>(&mut self, slot: Slot, role: &mut R, scratch: &mut [u8], cx: &mut Cx<'_, T>) -> Next
    where
        T: Transport,
        R: Role<State = S>,
    {
        loop {
            match &mut self.stage {
                Stage::Handshake(_) if cx.kit.draining => self.refuse(Refusal::DRAINING, cx),
                Stage::Handshake(handshake) => match handshake.step(self.socket, scratch, cx.net) {
                    handshake::Outcome::Stay(next) => return next,
                    handshake::Outcome::Accepted { answer, early } => self.enter(slot, &answer, &early, role, cx),
                    handshake::Outcome::Refused(refusal) => self.refuse(refusal, cx),
                    handshake::Outcome::Left => {
                        cx.net.close(self.socket);
                        self.stage = Stage::Gone;
                    }
                },
                Stage::Open(open) => match open.step(role, scratch, cx) {
                    Ok(next) => return next,
                    Err(why) => self.leave(why, role, cx),
                },
                Stage::Leaving(leaving) => return leaving.step(scratch, cx),
                Stage::Gone => return Next::Done,
            }
        }
    }

    fn enter<T, R>(&mut self, slot: Slot, answer: &[u8], early: &[u8], role: &mut R, cx: &mut Cx<'_, T>)
    where
        T: Transport,
        R: Role<State = S>,
    {
        let mut wire = Wire::server(self.socket, cx.net.now());
        // If the connection is broken, the next step finds the cause.
        let _ = wire.send(cx.net, answer);
        cx.kit.totals.connections.add(1);
        let state = role.opened(slot, cx);
        self.stage = Stage::Open(Box::new(Open::new(wire, early, state)));
    }

    fn refuse<T: Transport>(&mut self, refusal: Refusal, cx: &mut Cx<'_, T>) {
        cx.kit.totals.refused.add(1);
        let mut answer = Vec::new();
        refusal.write(&mut answer);
        let mut wire = Wire::server(self.socket, cx.net.now());
        let _ = wire.send(cx.net, &answer);
        self.stage = Stage::Leaving(Leaving::new(wire, Peer::Babbles, cx.net.now().after(LEAVING)));
    }

    fn leave<T, R>(&mut self, why: Leave, role: &mut R, cx: &mut Cx<'_, T>)
    where
        T: Transport,
        R: Role<State = S>,
    {
        let Stage::Open(open) = mem::replace(&mut self.stage, Stage::Gone) else { return };
        let Open { mut wire, state, .. } = *open;
        role.ended(state, cx);
        let (peer, termination) = match why {
            Leave::Told(code, reason) => (Peer::Speaks, Some((code, reason))),
            Leave::Violated(_) => {
                cx.kit.totals.violations.add(1);
                // The close frame for the violation is queued already. If it cannot be sent, the leaving stage is
                // short.
                let _ = wire.send_control(cx.net);
                (Peer::Babbles, None)
            }
            Leave::Closed => (Peer::Closed, None),
            Leave::Ended => (Peer::Ended, None),
            Leave::Broken(_) => {
                wire.close(cx.net, &mut cx.kit.pool);
                return;
            }
        };
        if let Some((code, reason)) = termination {
            // The peer may be gone already; then the leaving stage is short.
            let _ = wire.send_close(cx.net, code, reason);
        }
        self.stage = Stage::Leaving(Leaving::new(wire, peer, cx.net.now().after(LEAVING)));
    }
}
