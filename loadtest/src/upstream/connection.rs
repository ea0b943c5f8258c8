//! A connection's life, and the only place that knows the order of its stages.

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

/// From accept to the end of the request.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a peer may take over leaving.
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
    /// A connection that was accepted now.
    pub(super) fn new(socket: Socket, now: Time) -> Self {
        Self { socket, stage: Stage::Handshake(Handshake::new(now.after(HANDSHAKE))) }
    }

    /// What a role may reach: nothing of who is about to leave.
    fn open(&mut self) -> Option<(&mut Wire, &mut S)> {
        match &mut self.stage {
            Stage::Open(open) if !open.is_told() => Some((&mut open.wire, &mut open.state)),
            _ => None,
        }
    }

    /// Its next step says so to the peer.
    pub(super) fn tell_to_leave(&mut self, code: u16, reason: &'static str) {
        if let Stage::Open(open) = &mut self.stage {
            open.tell_to_leave(code, reason);
        }
    }

    /// Does what can be done now. `Next::Done` once the socket is closed.
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
        // If it is broken, the next step finds out how.
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
        let (peer, farewell) = match why {
            Leave::Told(code, reason) => (Peer::Speaks, Some((code, reason))),
            Leave::Violated(_) => {
                cx.kit.totals.violations.add(1);
                // The close frame that says so is due already. If it cannot be sent, leaving is short.
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
        if let Some((code, reason)) = farewell {
            // It may be gone already: then leaving is short.
            let _ = wire.send_close(cx.net, code, reason);
        }
        self.stage = Stage::Leaving(Leaving::new(wire, peer, cx.net.now().after(LEAVING)));
    }
}
