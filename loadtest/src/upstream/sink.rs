//! `sink`: reads messages and forgets them. Framing, and that text is UTF-8, are checked as everywhere.

use ringway::engine::{Slot, Transport};
use ringway::proto::scan::FrameLimits;

use super::role::{Cx, Role};
use crate::plan::FRAMES;

/// The role. All it does is count, which the open stage does anyway.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sink;

impl Role for Sink {
    type State = ();

    fn frames(&self) -> FrameLimits {
        FRAMES
    }

    fn opened<T: Transport>(&mut self, _slot: Slot, _cx: &mut Cx<'_, T>) {}
}
