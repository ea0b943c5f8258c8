//! The channels of contracts: a contract is read once, and its table kept for as long as a deployment refers to it. So routes
//! of one contract share a table, and a route is known to be unchanged by its table.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::api::{ContractRef, DeploymentId};
use crate::contract::check;
use crate::control::contracts::{Contracts, Table};
use crate::routing::validation::Checkers;

/// The tables of contracts that were read.
#[derive(Debug)]
pub(super) struct ChannelTables {
    contracts: Contracts,
    /// A contract never changes, so neither does the outcome. A file that could not be read is none, and is read again.
    known: HashMap<ContractRef, Table>,
    /// The compiled rules of messages, for contracts whose messages are checked somewhere.
    checkers: HashMap<ContractRef, Arc<Checkers>>,
    /// The reasons that the log has told, by deployment.
    told: HashMap<DeploymentId, String>,
}

impl ChannelTables {
    pub(super) fn new(contracts: Contracts) -> Self {
        Self { contracts, known: HashMap::new(), checkers: HashMap::new(), told: HashMap::new() }
    }

    /// The channels of a contract. To read one takes up to a second of a CPU, unless the change had it read before its transaction.
    ///
    /// # Errors
    /// The contract cannot be read, or its channels cannot be served: why.
    pub(super) fn of(&mut self, contract: &ContractRef) -> Table {
        if let Some(known) = self.known.get(contract) {
            return known.clone();
        }
        let table = self.contracts.take_table(contract).map_err(|fault| fault.to_string())?;
        self.known.insert(contract.clone(), table.clone());
        table
    }

    /// The rules of a contract's messages. They are compiled when they are first asked for: most contracts have them checked
    /// nowhere.
    ///
    /// # Errors
    /// The contract cannot be read: why.
    pub(super) fn checkers(&mut self, contract: &ContractRef) -> Result<Arc<Checkers>, String> {
        if let Some(known) = self.checkers.get(contract) {
            return Ok(Arc::clone(known));
        }
        let read = self.contracts.read(contract).map_err(|fault| fault.to_string())?;
        let model = read.model.as_ref().ok_or("it cannot be read")?;
        let checkers = Arc::new(check::checkers(model));
        self.checkers.insert(contract.clone(), Arc::clone(&checkers));
        Ok(checkers)
    }

    /// True if a contract was read, and its channels cannot be served: another attempt would find the same.
    pub(super) fn is_unroutable(&self, contract: &ContractRef) -> bool {
        self.known.get(contract).is_some_and(Result::is_err)
    }

    /// True if the log has not told this reason of a deployment yet: one that lasts is met again with every change.
    pub(super) fn is_news(&mut self, deployment: DeploymentId, why: &str) -> bool {
        self.told.insert(deployment, why.to_owned()).as_deref() != Some(why)
    }

    /// Forgets the reasons of all other deployments.
    pub(super) fn keep_told(&mut self, is_kept: impl Fn(DeploymentId) -> bool) {
        self.told.retain(|deployment, _| is_kept(*deployment));
    }

    /// Forgets the tables of all other contracts.
    pub(super) fn keep(&mut self, used: &HashSet<&ContractRef>) {
        self.known.retain(|contract, _| used.contains(contract));
        self.checkers.retain(|contract, _| used.contains(contract));
    }
}
