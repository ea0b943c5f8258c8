//! The events that the main thread waits for: signals, requests to stop, and shards that end.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::{NodeError, signals};

/// An event for the main thread.
pub(super) enum Event {
    /// SIGTERM, SIGINT, or the program's own request.
    Stop,
    /// A shard has ended, with this result.
    Ended(io::Result<()>),
}

/// The source of requests to stop and to reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    /// SIGTERM, SIGINT and SIGHUP of this process.
    Heard,
    /// The program that started the node, alone: the process's signals are its own.
    Ignored,
}

/// Both ends of the main thread's queue of events.
pub(super) struct Events {
    pub(super) sender: Sender<Event>,
    pub(super) receiver: Receiver<Event>,
}

impl Events {
    /// Hears signals from now on, if `signals` says so, and calls `hung_up` for each SIGHUP, on the signals' thread.
    ///
    /// # Errors
    /// The handlers cannot be installed, or there is no thread for them.
    pub(super) fn watch(signals: Signals, hung_up: impl FnMut() + Send + 'static) -> Result<Self, NodeError> {
        let (sender, receiver) = channel();
        if signals == Signals::Heard {
            let stop = sender.clone();
            signals::watch_with_hangups(move |_| stop.send(Event::Stop).is_ok(), hung_up)?;
        }
        Ok(Self { sender, receiver })
    }
}
