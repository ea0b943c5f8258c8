//! How other threads reach a shard: a bounded queue, and a counter in the kernel that wakes the shard's ring.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::sys;

/// Commands a shard may have waiting.
const CAPACITY: usize = 1024;

/// A command that did not go out.
#[derive(Debug)]
pub enum Unsent<C> {
    /// Too many are waiting: later there may be room.
    Full(C),
    /// The shard has ended.
    Gone(C),
}

impl<C> Unsent<C> {
    /// The command.
    pub fn into_inner(self) -> C {
        let (Self::Full(command) | Self::Gone(command)) = self;
        command
    }
}

/// The sending end. Clones reach the same shard.
#[derive(Debug)]
pub struct Sender<C> {
    queue: SyncSender<C>,
    bell: Arc<OwnedFd>,
}

impl<C> Clone for Sender<C> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), bell: Arc::clone(&self.bell) }
    }
}

impl<C> Sender<C> {
    /// Queues a command and wakes the shard.
    ///
    /// # Errors
    /// The command itself: the shard has too many waiting, or is gone.
    pub fn send(&self, command: C) -> Result<(), Unsent<C>> {
        self.queue.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) => Unsent::Full(command),
            TrySendError::Disconnected(command) => Unsent::Gone(command),
        })?;
        // Fails only when the counter is full, and then the shard is awake.
        let _ = sys::add_to_counter(self.bell.as_fd());
        Ok(())
    }
}

/// The shard's end.
#[derive(Debug)]
pub struct Mailbox<C> {
    queue: Receiver<C>,
    bell: Arc<OwnedFd>,
}

impl<C> Mailbox<C> {
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Clears the wake-up. Before the queue is emptied: a command that comes in between rings again.
    pub(super) fn clear(&self) {
        let _ = sys::read_counter(self.bell.as_fd());
    }

    pub(super) fn take(&self) -> Option<C> {
        self.queue.try_recv().ok()
    }
}

/// A mailbox and its sending end.
///
/// # Errors
/// No descriptor for the wake-up.
pub fn new<C>() -> io::Result<(Sender<C>, Mailbox<C>)> {
    let (sender, receiver) = sync_channel(CAPACITY);
    let bell = Arc::new(sys::eventfd()?);
    Ok((Sender { queue: sender, bell: Arc::clone(&bell) }, Mailbox { queue: receiver, bell }))
}
