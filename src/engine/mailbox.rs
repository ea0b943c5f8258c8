//! A shard's mailbox: two bounded queues that other threads fill, and a bell that wakes the shard's ring.
//!
//! Commands come from the control plane, mail from the process's other shards. Each queue has its own bound, so a flood
//! of one leaves room for the other. A full queue is the sender's answer; no sender ever waits. The bell is a counter
//! in the kernel: it is rung once for all that is queued while the shard sleeps or works.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::sys;

/// Commands that may wait for a shard.
pub const MAX_COMMANDS: usize = 1024;
/// Mail of all its peers together that may wait for a shard.
pub const MAX_MAIL: usize = 1024;

/// A command or a mail that was not queued.
#[derive(Debug, PartialEq, Eq)]
pub enum Unsent<C> {
    /// Too many are waiting: there may be room later.
    Full(C),
    /// The shard has ended.
    Gone(C),
}

impl<C> Unsent<C> {
    /// The command or mail.
    pub fn into_inner(self) -> C {
        let (Self::Full(command) | Self::Gone(command)) = self;
        command
    }
}

/// The sending end of one queue. Clones reach the same shard.
#[derive(Debug)]
pub struct Sender<C> {
    queue: SyncSender<C>,
    bell: Arc<Bell>,
}

impl<C> Clone for Sender<C> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), bell: Arc::clone(&self.bell) }
    }
}

impl<C> Sender<C> {
    /// Queues a command or mail, and wakes the shard. Never blocks. What one sender queues arrives in order.
    ///
    /// # Errors
    /// The command or mail itself: the queue is full, or the shard has ended.
    pub fn send(&self, command: C) -> Result<(), Unsent<C>> {
        self.queue.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) => Unsent::Full(command),
            TrySendError::Disconnected(command) => Unsent::Gone(command),
        })?;
        self.bell.ring();
        Ok(())
    }
}

/// One shard's way to all shards of its process, itself among them.
#[derive(Debug)]
pub struct Peers<M> {
    senders: Arc<[Sender<M>]>,
}

impl<M> Clone for Peers<M> {
    fn clone(&self) -> Self {
        Self { senders: Arc::clone(&self.senders) }
    }
}

impl<M> Peers<M> {
    pub(super) fn new(senders: impl IntoIterator<Item = Sender<M>>) -> Self {
        Self { senders: senders.into_iter().collect() }
    }

    /// The number of shards in the process.
    #[must_use]
    pub fn count(&self) -> usize {
        self.senders.len()
    }

    /// Queues mail for the shard with this index, which gets it as [`Service::mail`](super::Service::mail), and wakes
    /// that shard if it sleeps. Never blocks.
    ///
    /// # Errors
    /// The mail itself: the shard has [`MAX_MAIL`] waiting, or has ended, or there is none with this index.
    pub fn send(&self, shard: usize, mail: M) -> Result<(), Unsent<M>> {
        match self.senders.get(shard) {
            Some(sender) => sender.send(mail),
            None => Err(Unsent::Gone(mail)),
        }
    }
}

/// Wakes one shard.
#[derive(Debug)]
struct Bell {
    counter: OwnedFd,
    /// Rung since the shard last looked: nobody needs to ring again.
    is_rung: AtomicBool,
}

impl Bell {
    /// After something was queued.
    fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            // The counter holds at most a few: each ringing needs a look of the shard's in between.
            let _ = sys::add_to_counter(self.counter.as_fd());
        }
    }

    /// Makes the next `ring` write again. The shard calls this before it empties the queues, and reads the returned
    /// number of rings for its counts alone.
    ///
    /// The counter is cleared first, and the flag after it. A sender that comes in between finds the flag still set and
    /// does not ring; the shard sees what it queued, because the swap reads that sender's own swap. The other order
    /// would let a sender ring in between, clear that ring, and leave the flag set with the counter at zero: nobody
    /// would ring again, and the shard would sleep over full queues.
    fn silence(&self) -> u64 {
        self.silence_with(|| {})
    }

    /// `between` runs between the two steps of [`silence`](Self::silence), so that a test can stand there.
    fn silence_with(&self, between: impl FnOnce()) -> u64 {
        let rings = sys::read_counter(self.counter.as_fd()).unwrap_or_default();
        between();
        self.is_rung.swap(false, Ordering::AcqRel);
        rings
    }
}

/// The shard's end of both queues.
#[derive(Debug)]
pub(super) struct Mailbox<C, M> {
    commands: Receiver<C>,
    mail: Receiver<M>,
    bell: Arc<Bell>,
}

impl<C, M> Mailbox<C, M> {
    /// The descriptor for the ring to poll.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.bell.counter.as_fd()
    }

    /// Makes the bell ring for what comes from here on. How often it rang before.
    pub(super) fn silence(&self) -> u64 {
        self.bell.silence()
    }

    /// The next command.
    pub(super) fn command(&self) -> Option<C> {
        self.commands.try_recv().ok()
    }

    /// The next mail.
    pub(super) fn mail(&self) -> Option<M> {
        self.mail.try_recv().ok()
    }
}

/// Both ends of a shard's queues.
#[derive(Debug)]
pub(super) struct Queues<C, M> {
    pub(super) commands: Sender<C>,
    pub(super) mail: Sender<M>,
    pub(super) mailbox: Mailbox<C, M>,
}

impl<C, M> Queues<C, M> {
    /// Empty queues.
    ///
    /// # Errors
    /// There is no descriptor for the bell.
    pub(super) fn open() -> io::Result<Self> {
        let (commands, waiting_commands) = sync_channel(MAX_COMMANDS);
        let (mail, waiting_mail) = sync_channel(MAX_MAIL);
        let bell = Arc::new(Bell { counter: sys::eventfd()?, is_rung: AtomicBool::new(false) });
        Ok(Self {
            commands: Sender { queue: commands, bell: Arc::clone(&bell) },
            mail: Sender { queue: mail, bell: Arc::clone(&bell) },
            mailbox: Mailbox { commands: waiting_commands, mail: waiting_mail, bell },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::{MAX_COMMANDS, MAX_MAIL, Mailbox, Peers, Queues, Unsent};
    use crate::engine::net::arm_plain;
    use crate::engine::ring::{Enter, Ring};

    const BELL: u64 = 1;

    /// Sleeps until the bell rings, as a shard does: `false` if ten seconds pass first.
    fn is_rung<C, M>(ring: &mut Ring, mailbox: &Mailbox<C, M>) -> bool {
        ring.enter(Enter::Wait(Some(Duration::from_secs(10)))).unwrap();
        let mut is_rung = false;
        while let Some(completion) = ring.next_completion() {
            is_rung = true;
            if !completion.armed {
                arm_plain(ring, mailbox.fd(), BELL);
            }
        }
        is_rung
    }

    const SENDERS: usize = 4;
    const EACH: u64 = 50_000;

    /// The shard's side sleeps until the bell rings: mail without a bell would be waited for in vain.
    #[test]
    fn a_flood_of_mail_arrives_whole_and_in_order_and_leaves_room_for_commands() {
        let Queues { commands, mail, mailbox } = Queues::<u64, (usize, u64)>::open().unwrap();
        let mut ring = Ring::new(64).unwrap();
        arm_plain(&mut ring, mailbox.fd(), BELL);
        let peers = Peers::new([mail]);
        let flood = |sender: usize| {
            let peers = peers.clone();
            move || {
                for number in 0..EACH {
                    let mut mail = (sender, number);
                    while let Err(unsent) = peers.send(0, mail) {
                        assert!(matches!(unsent, Unsent::Full(_)), "the shard is there");
                        mail = unsent.into_inner();
                        thread::yield_now();
                    }
                }
            }
        };
        let flooding: Vec<_> = (0..SENDERS).map(|sender| thread::spawn(flood(sender))).collect();
        let orders = thread::spawn(move || (0..100).all(|number| commands.send(number).is_ok()));
        let (mut next, mut arrived, mut obeyed, mut bells) = ([0; SENDERS], 0, 0, 0);
        while arrived < SENDERS as u64 * EACH || obeyed < 100 {
            assert!(is_rung(&mut ring, &mailbox), "no bell within ten seconds, {arrived} mails have arrived");
            bells += mailbox.silence();
            while let Some(number) = mailbox.command() {
                assert_eq!(number, obeyed);
                obeyed += 1;
            }
            while let Some((sender, number)) = mailbox.mail() {
                assert_eq!(number, next[sender], "out of order, or lost, or twice");
                next[sender] += 1;
                arrived += 1;
            }
        }
        flooding.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(orders.join().unwrap(), "a flood of mail leaves room for commands");
        assert!(bells <= arrived + obeyed, "{bells} bells");
    }

    #[test]
    fn one_bell_wakes_the_shard_for_all_that_is_queued_before_it_looks() {
        let Queues { commands, mail, mailbox } = Queues::<u32, u32>::open().unwrap();
        for number in 0..100 {
            commands.send(number).unwrap();
            mail.send(number).unwrap();
        }
        assert_eq!(mailbox.silence(), 1);
        assert_eq!((mailbox.command(), mailbox.mail()), (Some(0), Some(0)));
        mail.send(100).unwrap();
        assert_eq!(mailbox.silence(), 1);
        assert_eq!(mailbox.silence(), 0);
    }

    #[test]
    fn mail_that_comes_while_the_bell_is_silenced_does_not_keep_later_mail_from_ringing() {
        let Queues { mail, mailbox, .. } = Queues::<u32, u32>::open().unwrap();
        mail.send(1).unwrap();
        assert_eq!(mailbox.bell.silence_with(|| mail.send(2).unwrap()), 1);
        assert_eq!((mailbox.mail(), mailbox.mail(), mailbox.mail()), (Some(1), Some(2), None));
        mail.send(3).unwrap();
        assert_eq!(mailbox.silence(), 1, "the shard was rung for the third mail");
    }

    #[test]
    fn a_full_queue_gives_the_mail_back_and_leaves_room_for_commands() {
        let Queues { commands, mail, mailbox } = Queues::<u32, u32>::open().unwrap();
        let peers = Peers::new([mail]);
        for number in (0_u32..).take(MAX_MAIL) {
            peers.send(0, number).unwrap();
        }
        assert_eq!(peers.send(0, 7), Err(Unsent::Full(7)));
        for number in (0_u32..).take(MAX_COMMANDS) {
            commands.send(number).unwrap();
        }
        assert_eq!(commands.send(7), Err(Unsent::Full(7)));
        assert_eq!(mailbox.mail(), Some(0));
        assert_eq!(peers.send(0, 7), Ok(()));
        drop(mailbox);
        assert_eq!(peers.send(0, 7), Err(Unsent::Gone(7)));
        assert_eq!(peers.send(1, 7), Err(Unsent::Gone(7)));
    }
}
