//! The home of contracts: the bytes of each upload, in a file of the state directory that is named by their digest.
//!
//! In: bytes that a client uploaded. Out: the same bytes, or the contract that they are, to whoever has a [`ContractRef`]. A file
//! is written whole and is on the disk before a definition can refer to it; it is verified whenever it is read. The store and the
//! last good snapshot hold references only. Nothing here decides which files are still needed: [`Manager`](super::manage::Manager)
//! knows the references, and calls [`Contracts::remove_unused`].

pub mod channels;
mod fault;
mod files;
pub mod upload;

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub use self::fault::ContractFault;
use self::files::Files;
use super::state_dir::CONTRACTS;
use crate::api::problem::Fault;
use crate::api::{ContractDigest, ContractRef};
use crate::contract::{self, Contract, Options, Sources};
use crate::routing::channels::Channels;

/// The longest upload: 16 MiB.
pub const MAX_BYTES: usize = contract::sources::MAX_BYTES;
/// The most bytes of all contracts of a node.
pub const MAX_ALL_BYTES: u64 = 1 << 30;
/// The most contracts of a node.
pub const MAX_CONTRACTS: usize = 10_000;
/// The age from which on a file that nothing refers to is removed: an import has that long to refer to its upload.
pub const UNUSED_FOR: Duration = Duration::from_secs(3_600);
/// The most references that are remembered as read and found to be routable.
const MAX_KNOWN: usize = 1_024;

/// The most channels of all tables together that are held for changes that are about to be made.
const MAX_HELD_CHANNELS: usize = 20_000;

/// The channels of a contract, `None` if it has none; or the reason why they cannot be served, for people.
pub type Table = Result<Option<Arc<Channels>>, String>;

/// The contracts of a state directory. Clones are the same.
#[derive(Clone, Debug)]
pub struct Contracts(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// Locked while files are added or removed, so that an upload does not lose its file to a removal.
    files: Mutex<Files>,
    /// References that were found to be routable. A file never changes, so neither does that.
    routable: Mutex<HashSet<ContractRef>>,
    /// The tables that were made last, the newest last: a change finds them here, so that its transaction parses nothing.
    tables: Mutex<VecDeque<(ContractRef, Table)>>,
    /// The names of the threads that parsed, for tests.
    #[cfg(test)]
    parsed_on: Mutex<Vec<String>>,
}

/// An upload that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The digest.
    pub digest: ContractDigest,
    /// True if the node did not have these bytes.
    pub is_new: bool,
}

impl Contracts {
    /// The contracts of a state directory.
    #[must_use]
    pub fn of(state: &Path) -> Self {
        let files = Files::new(state.join(CONTRACTS), MAX_ALL_BYTES, MAX_CONTRACTS);
        Self(Arc::new(Parts {
            files: Mutex::new(files),
            routable: Mutex::default(),
            tables: Mutex::default(),
            #[cfg(test)]
            parsed_on: Mutex::default(),
        }))
    }

    /// Keeps the bytes of an upload: they are on the disk when this returns. Bytes that are kept already count as uploaded now.
    ///
    /// # Errors
    /// The bytes are too many, the node has no room for them, or the file cannot be written.
    pub fn keep(&self, bytes: &[u8]) -> Result<Kept, ContractFault> {
        self.files(|files| files.keep(bytes))
    }

    /// The bytes of a contract, as they were uploaded.
    ///
    /// # Errors
    /// There is no such file, it cannot be read, or it holds other bytes.
    pub fn bytes(&self, digest: &ContractDigest) -> Result<Vec<u8>, ContractFault> {
        // Without the lock: a file is never changed, and one that is being read is read to its end even if it is removed.
        let path = self.files(|files| files.path(digest));
        files::read(&path, digest)
    }

    /// The files of a contract.
    ///
    /// # Errors
    /// The bytes cannot be read, or are no upload of a contract.
    pub fn sources(&self, contract: &ContractRef) -> Result<Sources, ContractFault> {
        let bytes = self.bytes(&contract.digest)?;
        Sources::uploaded(bytes, contract.main.as_deref()).map_err(ContractFault::Sources)
    }

    /// Reads a contract. This takes up to a second of a CPU: not for the thread of an async runtime.
    ///
    /// # Errors
    /// The files of the contract cannot be read. What is wrong in them is among the contract's problems.
    pub fn read(&self, contract: &ContractRef) -> Result<Contract, ContractFault> {
        let sources = self.sources(contract)?;
        #[cfg(test)]
        locked(&self.0.parsed_on).push(std::thread::current().name().unwrap_or_default().to_owned());
        Ok(contract::read(&sources, options(contract)))
    }

    /// Makes the channels of a contract ready for the change that needs them, so that its transaction parses nothing. This takes
    /// up to a second of a CPU.
    ///
    /// # Errors
    /// The files of the contract cannot be read.
    pub fn prepare(&self, contract: &ContractRef) -> Result<Table, ContractFault> {
        if let Some(table) = self.held(contract) {
            return Ok(table);
        }
        let table = self.made(contract)?;
        self.hold(contract, &table);
        Ok(table)
    }

    /// The channels of a contract, which the caller keeps: those that were made ready, else those of its file.
    ///
    /// # Errors
    /// The files of the contract cannot be read.
    pub fn take_table(&self, contract: &ContractRef) -> Result<Table, ContractFault> {
        let Some(held) = self.held(contract) else { return self.made(contract) };
        locked(&self.0.tables).retain(|(known, _)| known != contract);
        // The file may have been lost since, and then a restart could not serve the contract.
        self.bytes(&contract.digest)?;
        Ok(held)
    }

    fn held(&self, contract: &ContractRef) -> Option<Table> {
        locked(&self.0.tables).iter().find(|(known, _)| known == contract).map(|(_, table)| table.clone())
    }

    fn made(&self, contract: &ContractRef) -> Result<Table, ContractFault> {
        Ok(channels::channels(&self.read(contract)?).map(|channels| channels.map(Arc::new)))
    }

    /// Holds a table for the change that will need it, and remembers that the contract can become routes.
    fn hold(&self, contract: &ContractRef, table: &Table) {
        if table.is_ok() {
            self.remember(contract);
        }
        let mut tables = locked(&self.0.tables);
        tables.retain(|(known, _)| known != contract);
        tables.push_back((contract.clone(), table.clone()));
        let channels = |table: &Table| match table {
            Ok(Some(channels)) => channels.all().len().saturating_add(1),
            Ok(None) | Err(_) => 1,
        };
        let mut held: usize = tables.iter().map(|(_, table)| channels(table)).sum();
        while held > MAX_HELD_CHANNELS
            && let Some((_, oldest)) = tables.pop_front()
        {
            held = held.saturating_sub(channels(&oldest));
        }
    }

    /// Forgets the tables of changes that were given up.
    pub(super) fn forget_tables(&self) {
        locked(&self.0.tables).clear();
    }

    /// Checks that a definition may refer to a contract: the node has it, and its channels can become routes.
    ///
    /// # Errors
    /// The rule that the reference breaks, and what to do.
    pub fn check(&self, contract: &ContractRef) -> Result<(), Fault> {
        if self.is_known(contract) && self.files(|files| files.path(&contract.digest)).is_file() {
            return Ok(());
        }
        // A table may be of a file that was removed or damaged since.
        self.bytes(&contract.digest).map_err(ContractFault::into_fault)?;
        let table = self.prepare(contract).map_err(ContractFault::into_fault)?;
        let unroutable =
            |why| Fault::new("routable", format!("the channels of the contract cannot become routes: {why}"));
        table.map(drop).map_err(unroutable)
    }

    /// Remembers that a contract was read and can become routes.
    fn remember(&self, contract: &ContractRef) {
        let mut known = locked(&self.0.routable);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(contract.clone());
    }

    /// True if a contract was read before and can become routes.
    pub(super) fn is_known(&self, contract: &ContractRef) -> bool {
        locked(&self.0.routable).contains(contract)
    }

    /// True if files were uploaded longer than [`UNUSED_FOR`] before `now`.
    #[must_use]
    pub fn has_removable(&self, now: SystemTime) -> bool {
        self.files(|files| files.has_older_than(UNUSED_FOR, now))
    }

    /// Removes files that nothing refers to and that were uploaded longer than [`UNUSED_FOR`] before `now`. Returns their number.
    pub fn remove_unused(&self, used: &HashSet<ContractDigest>, now: SystemTime) -> usize {
        self.files(|files| files.remove(UNUSED_FOR, now, used))
    }

    fn files<T>(&self, work: impl FnOnce(&Files) -> T) -> T {
        work(&locked(&self.0.files))
    }

    /// The names of the threads that parsed contracts so far.
    #[cfg(test)]
    pub(in crate::control) fn parsed_on(&self) -> Vec<String> {
        locked(&self.0.parsed_on).clone()
    }
}

/// Locks. Nothing is half done when a holder panics.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The operator's choices of how a contract is read.
#[must_use]
pub fn options(contract: &ContractRef) -> Options {
    Options { perspective: contract.perspective, layout: contract.layout }
}

#[cfg(test)]
mod tests;
