//! What ends serving: signals, and shards that end.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::{NodeError, signals};

/// What the main thread waits for.
pub(super) enum Event {
    /// SIGTERM or SIGINT.
    Signal,
    /// A shard has ended, and how.
    Ended(io::Result<()>),
}

/// Both ends of what the main thread waits for.
pub(super) struct Events {
    pub(super) sender: Sender<Event>,
    pub(super) happens: Receiver<Event>,
}

impl Events {
    /// From now on signals are heard. `hung_up` is called for each SIGHUP, on the signals' thread.
    pub(super) fn watch(hung_up: impl FnMut() + Send + 'static) -> Result<Self, NodeError> {
        let (sender, happens) = channel();
        let signalled = sender.clone();
        signals::watch_with_hangups(move |_| signalled.send(Event::Signal).is_ok(), hung_up)?;
        Ok(Self { sender, happens })
    }
}
