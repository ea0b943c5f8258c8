//! A client connection: which it is, when it was due, and the stage it is in. `life` takes it from one to the next.

use ringway::engine::{Socket, Time};
use ringway::proto::accept::Key;
use ringway::proxy::terminated::Wire;

use super::post::Replies;

/// A client connection.
#[derive(Debug)]
pub struct Client<S> {
    pub(super) number: u32,
    pub(super) due: Time,
    pub(super) deadline: Time,
    pub(super) purpose: Purpose,
    pub(super) stage: Stage<S>,
}

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// The first connection of the run: its outcome is reported at once.
    Probe,
    /// Any other connection, and the first one once its outcome was reported.
    #[default]
    Load,
}

#[derive(Debug)]
pub(super) enum Stage<S> {
    Connecting { socket: Socket, key: Key },
    Answering { wire: Wire, key: Key, head: Vec<u8> },
    Declined { socket: Socket, status: u16, body: Vec<u8> },
    Open { wire: Wire, state: S, replies: Option<Replies> },
    Closing { wire: Wire },
    Gone,
}

impl<S> Client<S> {
    /// A connection that has not started: it reserves a slot.
    #[must_use]
    pub fn vacant() -> Self {
        let never = Time::default();
        Self { number: 0, due: never, deadline: never, purpose: Purpose::Load, stage: Stage::Gone }
    }

    /// A connection whose socket connects.
    pub fn new(number: u32, due: Time, deadline: Time, socket: Socket, key: Key, purpose: Purpose) -> Self {
        Self { number, due, deadline, purpose, stage: Stage::Connecting { socket, key } }
    }

    /// The number of the connection, over all shards.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The connection's wire and the scenario's state, if it is open.
    pub fn open(&mut self) -> Option<(u32, &mut Wire, &mut S)> {
        match &mut self.stage {
            Stage::Open { wire, state, .. } => Some((self.number, wire, state)),
            _ => None,
        }
    }

    /// `true` if the connection is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    /// `true` if the connection is not open yet.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        matches!(self.stage, Stage::Connecting { .. } | Stage::Answering { .. } | Stage::Declined { .. })
    }
}
