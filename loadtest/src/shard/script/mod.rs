//! What a scenario does with its connections.
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

use super::crew::Crew;
use super::kit::Cx;
use crate::record::{Recorder, Window};
use crate::schedule::Due;

/// What is to become of a connection that got its 101.
#[derive(Debug)]
pub enum Opened<S> {
    /// It stays, and this is kept of it.
    Stay(S),
    /// It has served its purpose.
    Leave,
}

/// The message phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// When messages begin.
    pub start: Time,
    /// What is measured of them. Nothing new is sent behind it.
    pub window: Window,
}

/// A scenario.
pub trait Script {
    /// What it keeps of each open connection.
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

    /// A message is whole.
    ///
    /// # Errors
    /// The connection broke while it was answered.
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

    /// Connection `number` is gone, whatever became of it.
    fn gone(&mut self, _number: u32) {}

    /// Messages begin.
    fn run<T: Transport>(&mut self, run: &Run, crew: &mut Crew<Self::State>, net: &mut T);

    /// When [`due`](Self::due) is to be called.
    fn next_due(&self) -> Option<Time>;

    /// Does what is due.
    fn due<T: Transport>(&mut self, now: Time, crew: &mut Crew<Self::State>, net: &mut T);

    /// A connection that the scenario itself wants opened now; asked again until it wants none.
    fn wants_connection(&mut self, _now: Time, _recorder: &mut Recorder) -> Option<Due> {
        None
    }

    /// A connection that it wanted could not even be begun: it is not to want another before this moment.
    fn pause(&mut self, _until: Time) {}

    /// Ends the message phase earlier.
    fn cut(&mut self, at: Time);

    /// Whether nothing is to be waited for any more.
    fn is_drained(&self) -> bool;
}
