//! A shard's io_uring, used for one thing: to be told when a descriptor is ready.
//!
//! Multishot polls only; no request ever refers to memory of ours, so no request can outlive what it points to. The
//! completions of polls run in our own time (DEFER_TASKRUN), when the loop enters the ring: no interrupt, no signal.

#![allow(unsafe_code, reason = "the ring takes requests whose memory it cannot check")]

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

/// Submissions that are gathered before they must be handed over.
const SUBMISSIONS: u32 = 256;

/// Completions the ring has room for, and with them the 256 buckets in which the kernel keeps armed polls.
pub(super) const COMPLETIONS: u32 = 8192;

/// The user data of requests whose completion nobody waits for.
const IGNORED: u64 = u64::MAX;

/// What a poll reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    /// The token the poll was armed with.
    pub(super) token: u64,
    /// poll(2) events, or the errno that ended the poll.
    pub(super) events: Result<u32, i32>,
    /// Whether the poll is still armed. If not, nothing more will come for it.
    pub(super) armed: bool,
}

/// How to enter the ring.
#[derive(Clone, Copy, Debug)]
pub(super) enum Enter {
    /// Submit, and take what has completed.
    Now,
    /// The same, and sleep until there is something or the time is over.
    Wait(Option<Duration>),
}

pub(super) struct Ring {
    ring: IoUring,
    /// Requests that found the queue full while the kernel would not take any. Two a socket at most.
    waiting: VecDeque<squeue::Entry>,
    enters: u64,
    completions: u64,
}

impl Ring {
    /// A ring of the thread that calls. Only this thread may use it.
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

    /// Ends the poll with this token, which will report so with a last completion. A cancellation, not a
    /// POLL_REMOVE: that one fails with EALREADY when an event is just being reported, and the poll stays.
    pub(super) fn cancel(&mut self, token: u64) {
        let entry = opcode::AsyncCancel::new(token).build();
        self.push(&entry.user_data(IGNORED).flags(squeue::Flags::SKIP_SUCCESS));
    }

    /// Whether the kernel has completions that only an enter will bring.
    pub(super) fn has_deferred(&mut self) -> bool {
        let submission = self.ring.submission();
        submission.taskrun() || submission.cq_overflow()
    }

    /// Whether something waits to be submitted.
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
        // Who still waits to be submitted must not be slept over.
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
            // EBUSY: completions have to be taken first, and the caller does that next.
            Ok(_) | Err(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
            Err(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// The next completion that is here.
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

    /// How often the kernel was entered, and how many completions were taken.
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
        // SAFETY: a poll or cancellation refers to no memory, and a descriptor that is closed too early is an error
        // of the kernel's.
        unsafe { self.ring.submission().push(entry) }.is_ok()
    }
}
