//! `sink`: reads messages and discards them. Framing and UTF-8 of text are checked as in every role.

use ringway::engine::{Slot, Transport};
use ringway::proto::scan::FrameLimits;

use super::role::{Cx, Role};
use crate::plan::FRAMES;

/// The sink role. The open stage already counts everything, so this role does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sink;

impl Role for Sink {
    type State = ();

    fn frames(&self) -> FrameLimits {
        FRAMES
    }

    fn opened<T: Transport>(&mut self, _slot: Slot, _cx: &mut Cx<'_, T>) {}
}
