//! A shard's io_uring. It has one use: it reports when a descriptor is ready.
//!
//! All requests are multishot polls and cancellations. None refers to memory of the process, so none can outlive the
//! memory that it points to. The kernel completes polls when the loop enters the ring (DEFER_TASKRUN): no interrupt, no
//! signal.

#![allow(unsafe_code, reason = "the ring takes requests whose memory it cannot check")]

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

/// Submissions that the ring gathers before it must enter the kernel.
const SUBMISSIONS: u32 = 256;

/// Completions that the ring has room for. The kernel keeps armed polls in 256 buckets, the most it has, from this size
/// on.
pub(super) const COMPLETIONS: u32 = 8192;

/// The user data of cancellations, whose completions nothing waits for.
const IGNORED: u64 = u64::MAX;

/// A report of a poll.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    /// The token the poll was armed with.
    pub(super) token: u64,
    /// poll(2) events, or the errno that ended the poll.
    pub(super) events: Result<u32, i32>,
    /// True if the poll is still armed. If not, this is its last report.
    pub(super) armed: bool,
}

/// The ways to enter the ring.
#[derive(Clone, Copy, Debug)]
pub(super) enum Enter {
    /// Submit, and take the completions there are.
    Now,
    /// Submit, and sleep until there is a completion or the time is over.
    Wait(Option<Duration>),
}

pub(super) struct Ring {
    ring: IoUring,
    /// Requests that found the queue full while the kernel took none. At most two a socket.
    waiting: VecDeque<squeue::Entry>,
    enters: u64,
    completions: u64,
}

impl Ring {
    /// Opens a ring for the calling thread. Only this thread may use it.
    pub(super) fn new(completions: u32) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_cqsize(completions.max(1))
            .build(SUBMISSIONS.min(completions.max(1)))?;
        Ok(Self { ring, waiting: VecDeque::new(), enters: 0, completions: 0 })
    }

    /// Arms a multishot, edge-triggered poll.
    pub(super) fn poll(&mut self, fd: BorrowedFd<'_>, events: u32, token: u64) {
        let entry = opcode::PollAdd::new(io_uring::types::Fd(fd.as_raw_fd()), events).multi(true).build();
        self.push(&entry.user_data(token));
    }

    /// Cancels the poll with this token. The poll reports its end with a last completion. POLL_REMOVE would not do: it
    /// fails with EALREADY while an event is being reported, and the poll stays.
    pub(super) fn cancel(&mut self, token: u64) {
        let entry = opcode::AsyncCancel::new(token).build();
        self.push(&entry.user_data(IGNORED).flags(squeue::Flags::SKIP_SUCCESS));
    }

    /// True if the kernel has completions that it delivers only when the ring is entered.
    pub(super) fn has_deferred(&mut self) -> bool {
        let submission = self.ring.submission();
        submission.taskrun() || submission.cq_overflow()
    }

    /// True if requests wait to be submitted.
    pub(super) fn has_unsubmitted(&mut self) -> bool {
        !self.waiting.is_empty() || !self.ring.submission().is_empty()
    }

    /// Enters the kernel.
    pub(super) fn enter(&mut self, how: Enter) -> io::Result<()> {
        while let Some(entry) = self.waiting.pop_front() {
            if !self.try_push(&entry) {
                self.waiting.push_front(entry);
                break;
            }
        }
        self.enters = self.enters.wrapping_add(1);
        // A sleep must not delay requests that wait to be submitted.
        let how = if self.waiting.is_empty() { how } else { Enter::Now };
        let result = match how {
            Enter::Now => self.ring.submit(),
            Enter::Wait(None) => self.ring.submit_and_wait(1),
            Enter::Wait(Some(time)) => {
                let time = Timespec::from(time);
                self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
        };
        match result.map_err(|error| error.raw_os_error().unwrap_or_default()) {
            // EBUSY: completions must be taken first. The caller does that next.
            Ok(_) | Err(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
            Err(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Takes the next completion.
    pub(super) fn next_completion(&mut self) -> Option<Completion> {
        loop {
            let entry = self.ring.completion().next()?;
            if entry.user_data() != IGNORED {
                self.completions = self.completions.wrapping_add(1);
                let events = u32::try_from(entry.result()).map_err(|_| entry.result().saturating_neg());
                return Some(Completion { token: entry.user_data(), events, armed: cqueue::more(entry.flags()) });
            }
        }
    }

    /// Times the kernel was entered, and completions that were taken.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.enters, self.completions)
    }

    fn push(&mut self, entry: &squeue::Entry) {
        if self.waiting.is_empty() && (self.try_push(entry) || (self.ring.submit().is_ok() && self.try_push(entry))) {
            return;
        }
        self.waiting.push_back(entry.clone());
    }

    fn try_push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: a poll or cancellation refers to no memory. For a descriptor that is closed the kernel returns an
        // error.
        unsafe { self.ring.submission().push(entry) }.is_ok()
    }
}
