//! `mirror`: checks each message from a generator and answers with an equal one. A run with its own upstream
//! (`--upstream`) uses this role: damage on the way to the upstream is detected here, and an answer is sent as a whole,
//! as most servers send it.

use ringway::engine::{Slot, Transport};
use ringway::proto::frame::Opcode;
use ringway::proto::scan::FrameLimits;
use ringway::proxy::terminated::Wire;

use super::role::{Cx, Leave, Role};
use crate::composer::Composer;
use crate::message::{Checker, Format};
use crate::plan::FRAMES;

/// The answer to a damaged message. The generator counts it as a mismatch.
const DAMAGED: &[u8] = b"what reached the upstream is not what was sent";
/// The most bytes that may wait on a connection. A connection with more is closed: the proxy between here and the
/// generator does not read fast enough.
const MAX_WAITING_BYTES: usize = 256 * 1024 * 1024;
/// The close code for such a connection (RFC 6455 section 7.4.1), and the reason.
const TOO_SLOW: (u16, &str) = (1008, "too slow");

/// The mirror role of one shard.
#[derive(Debug)]
pub struct Mirror {
    composer: Composer,
}

impl Mirror {
    /// Creates a mirror for messages of this format.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { composer: Composer::new(format) }
    }
}

impl Role for Mirror {
    type State = Checker;

    fn frames(&self) -> FrameLimits {
        FRAMES
    }

    fn opened<T: Transport>(&mut self, _slot: Slot, _cx: &mut Cx<'_, T>) -> Checker {
        Checker::default()
    }

    #[inline]
    fn payload(&mut self, checker: &mut Checker, piece: &[u8]) {
        checker.push(piece, self.composer.format());
    }

    fn message<T: Transport>(
        &mut self,
        checker: &mut Checker,
        wire: &mut Wire,
        cx: &mut Cx<'_, T>,
    ) -> Result<(), Leave> {
        let len = checker.len();
        match checker.finish(self.composer.format()) {
            Ok(stamp) => wire.send(cx.net, self.composer.compose(&stamp, len, None))?,
            Err(_) => wire.send_message(cx.net, Opcode::Text, DAMAGED)?,
        }
        if wire.waiting() > MAX_WAITING_BYTES {
            return Err(Leave::Told(TOO_SLOW.0, TOO_SLOW.1));
        }
        Ok(())
    }
}
