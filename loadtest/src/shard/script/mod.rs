//! A scenario: decides what open connections send, and judges what they receive.
//!
//! Order of calls: [`Script::opened`] for each connection that got its 101; [`Script::run`] once the message phase begins;
//! [`Script::due`] whenever [`Script::next_due`] has come; [`Script::payload`], [`Script::message`] and [`Script::pong`]
//! as frames come; [`Script::ended`] once for each connection that was opened. All time is an argument or the transport's.

pub mod echo;
pub mod fanout;
mod hearing;
pub mod hold;
pub mod storm;
pub mod talk;

use ringway::engine::{Fault, Time, Transport};
use ringway::proto::frame::Opcode;
use ringway::proxy::terminated::Wire;

use super::clients::Clients;
use super::state::Cx;
use crate::record::{Recorder, Window};
use crate::schedule::Due;

/// The scenario's decision on a connection that got its 101.
#[derive(Debug)]
pub enum Opened<S> {
    /// The connection stays open with this state.
    Stay(S),
    /// The connection closes at once.
    Leave,
}

/// The message phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The time at which messages start.
    pub start: Time,
    /// The measured window. No new message is sent after it.
    pub window: Window,
}

/// A scenario.
pub trait Script {
    /// The state of one open connection.
    type State;

    /// Connection `number` got its 101. It was due at `due`.
    fn opened<T: Transport>(
        &mut self,
        number: u32,
        due: Time,
        wire: &mut Wire,
        cx: &mut Cx<'_, T>,
    ) -> Opened<Self::State>;

    /// A piece of a message came.
    fn payload<T: Transport>(&mut self, state: &mut Self::State, piece: &[u8], cx: &mut Cx<'_, T>);

    /// A message is complete.
    ///
    /// # Errors
    /// The connection broke while the scenario answered.
    fn message<T: Transport>(
        &mut self,
        state: &mut Self::State,
        wire: &mut Wire,
        cx: &mut Cx<'_, T>,
    ) -> Result<(), Fault>;

    /// A pong came.
    fn pong<T: Transport>(&mut self, _state: &mut Self::State, _payload: &[u8], _cx: &mut Cx<'_, T>) {}

    /// A data frame begins.
    fn frame(&mut self, _state: &mut Self::State, _opcode: Opcode) {}

    /// The connection is gone, or about to be closed.
    fn ended<T: Transport>(&mut self, state: Self::State, cx: &mut Cx<'_, T>);

    /// Connection `number` is gone, in whatever way it ended.
    fn gone(&mut self, _number: u32) {}

    /// The message phase starts.
    fn run<T: Transport>(&mut self, run: &Run, clients: &mut Clients<Self::State>, net: &mut T);

    /// The time at which [`due`](Self::due) must be called.
    fn next_due(&self) -> Option<Time>;

    /// Sends the messages that are due.
    fn due<T: Transport>(&mut self, now: Time, clients: &mut Clients<Self::State>, net: &mut T);

    /// A connection that the scenario opens itself. Called again until it returns `None`.
    fn wants_connection(&mut self, _now: Time, _recorder: &mut Recorder) -> Option<Due> {
        None
    }

    /// A connection that the scenario wanted could not be started: it must not want another before this time.
    fn pause(&mut self, _until: Time) {}

    /// Ends the message phase earlier.
    fn cut(&mut self, at: Time);

    /// `true` if no answer is awaited any more.
    fn is_drained(&self) -> bool;
}
