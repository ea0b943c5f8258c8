//! The addresses of targets. Each watched name is a task that looks it up again and again, and puts the last good answer into its
//! address cell, where shards read it. docs/names.md has the rules.
//!
//! In: questions, /etc/hosts, /etc/resolv.conf, answers of DNS servers. Out: address cells. No shard ever waits for a name.

mod fault;
mod files;
mod first_answers;
mod log_limit;
mod lookup;
mod lookup_queue;
mod question;
mod refresh_schedule;
mod servers;
mod watched_name;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use self::first_answers::FirstAnswers;
use self::lookup_queue::{LOOKUPS, Last, LookupQueue};
pub use self::question::{DNS_PORT, Question, show};
use self::watched_name::WatchedName;
use crate::routing::addresses::AddressCell;

/// The interval at which the files are checked for changes, and names that nobody holds any more are dropped.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// File descriptors that look-ups may need at the same time: each asks for A and AAAA at once.
pub const MAX_DESCRIPTORS: u64 = LOOKUPS as u64 * 2;

/// The watched names. [`follow`](Self::follow) returns an address cell at once, [`wait`](Self::wait) waits for first answers.
/// Clones share the names.
#[derive(Clone, Debug)]
pub struct Resolver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: Mutex<HashMap<Arc<Question>, Entry>>,
    unanswered: FirstAnswers,
    queue: Arc<LookupQueue>,
    runtime: Handle,
    patience: Duration,
}

/// A watched name: its address cell, and the task that looks it up.
#[derive(Debug)]
struct Entry {
    place: Weak<AddressCell>,
    task: AbortHandle,
}

impl Resolver {
    /// Starts to look names up, in tasks of `runtime`. A name without a first answer is looked up again and again for
    /// `patience`, before that counts as a failure.
    #[must_use]
    pub fn start(runtime: &Handle, patience: Duration) -> Self {
        let shared = Arc::new(Shared {
            table: Mutex::default(),
            unanswered: FirstAnswers::default(),
            queue: Arc::new(LookupQueue::new()),
            runtime: runtime.clone(),
            patience,
        });
        runtime.spawn(maintain(Arc::clone(&shared)));
        Self(shared)
    }

    /// Watches a name for as long as its address cell is held. The cell is empty until the first answer; the same question gets
    /// the same cell. A host that is written as an address is not looked up.
    #[must_use]
    pub fn follow(&self, question: Question) -> Arc<AddressCell> {
        if let Some(address) = question.address() {
            return Arc::new(AddressCell::fixed(address));
        }
        let shared = &self.0;
        let mut table = lock(&shared.table);
        if let Some(place) = table.get(&question).and_then(|entry| entry.place.upgrade()) {
            return place;
        }
        let (question, place) = (Arc::new(question), Arc::new(AddressCell::unresolved()));
        let watched = WatchedName::new(Arc::clone(&question), Arc::downgrade(&place), Arc::clone(&shared.queue));
        let watching = watched.run(shared.patience, shared.unanswered.expect_one());
        let entry = Entry { place: Arc::downgrade(&place), task: shared.runtime.spawn(watching).abort_handle() };
        if let Some(before) = table.insert(question, entry) {
            before.task.abort();
        }
        place
    }

    /// Looks a name up once, for a caller that connects by itself; nothing is remembered. Takes its turn among the look-ups of
    /// names that failed, so that callers never hold up targets.
    ///
    /// # Errors
    /// The reason why there is no address, in words.
    pub async fn look_up(&self, question: &Question) -> Result<Vec<IpAddr>, String> {
        let queue = &self.0.queue;
        let _permit = queue.permit(Last::Failed).await;
        let answer = question.look_up(&queue.files(), &queue.servers).await.map_err(|fault| fault.to_string())?;
        let found: Vec<IpAddr> = [&answer.v4, &answer.v6].into_iter().flatten().flatten().copied().collect();
        match (found.is_empty(), answer.v4.and(answer.v6)) {
            (false, _) => Ok(found),
            (true, Err(fault)) => Err(fault.to_string()),
            (true, Ok(_)) => Err("the name has no address".to_owned()),
        }
    }

    /// Sets the time after which the addresses of names that DNS says are gone are dropped; `None`, as at the start, to keep
    /// them. Counts from the next answer of each name.
    pub fn drop_gone_after(&self, timeout: Option<Duration>) {
        self.0.queue.set_gone_timeout(timeout);
    }

    /// Blocks until every watched name has had its first answer, or the failure that counts as one; for `patience` at most.
    pub fn wait(&self, patience: Duration) {
        self.0.unanswered.wait(patience);
    }

    /// The number of watched names.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.0.table).len()
    }
}

/// Checks the files and drops names that nobody holds, until there is neither a resolver nor a name left.
async fn maintain(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        shared.queue.check_files();
        let is_empty = shared.drop_unused();
        if is_empty && Arc::strong_count(&shared) == 1 {
            return;
        }
    }
}

impl Shared {
    /// Ends the tasks of names that nobody holds. Returns `true` if no name is left.
    fn drop_unused(&self) -> bool {
        let mut table = lock(&self.table);
        table.retain(|_, entry| {
            let is_held = entry.place.strong_count() > 0;
            if !is_held {
                entry.task.abort();
            }
            is_held
        });
        // A large deployment may have been undone: the table gives its memory back.
        if table.len().saturating_mul(4) < table.capacity() {
            table.shrink_to_fit();
        }
        table.is_empty()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
