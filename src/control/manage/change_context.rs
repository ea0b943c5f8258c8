//! A change that is being made: what it may use, and what it leaves behind.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::Connection;

use crate::api::problem::Code;
use crate::api::{Actor, ApiKey, Condition, Deployed, DeploymentId, ETag, Environments, Problems, nearest};
use crate::control::contracts::Contracts;
use crate::control::store::apis::{self, ApiRow};
use crate::control::store::audit::{self, NewEntry};
use crate::control::store::deployments;

/// The most names that are looked at for the one that was meant.
pub(super) const MAX_HINTS: u64 = 1000;

/// Every deployment there is, and what a change that is not committed has done to it.
#[derive(Debug, Default)]
pub(super) struct DeployedSet {
    now: BTreeMap<DeploymentId, Deployed>,
    /// The deployments that uncommitted changes have replaced, the latest last.
    before: Vec<(DeploymentId, Option<Deployed>)>,
}

impl DeployedSet {
    pub(super) fn new(deployed: BTreeMap<DeploymentId, Deployed>) -> Self {
        Self { now: deployed, before: Vec::new() }
    }

    pub(super) fn all(&self) -> &BTreeMap<DeploymentId, Deployed> {
        &self.now
    }

    pub(super) fn is_changed(&self) -> bool {
        !self.before.is_empty()
    }

    /// Sets or removes a deployment.
    fn set(&mut self, id: DeploymentId, deployed: Option<Deployed>) {
        if self.now.get(&id) == deployed.as_ref() {
            return;
        }
        let before = match deployed {
            Some(deployed) => self.now.insert(id, deployed),
            None => self.now.remove(&id),
        };
        self.before.push((id, before));
    }

    /// Keeps what was changed.
    pub(super) fn commit(&mut self) {
        self.before.clear();
    }

    /// Undoes everything since the last commit.
    pub(super) fn roll_back(&mut self) {
        while let Some((id, before)) = self.before.pop() {
            match before {
                Some(deployed) => self.now.insert(id, deployed),
                None => self.now.remove(&id),
            };
        }
    }
}

/// The outcome of a change, besides what the store shows after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// The subject of the change was not there before.
    pub is_new: bool,
    /// Warnings of what was allowed but may be a mistake.
    pub warnings: Vec<String>,
}

/// Commit or dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are committed, and active on every shard when they are answered.
    Commit,
    /// They are checked as far as a commit checks them, and then rolled back.
    DryRun,
}

impl Made {
    pub(super) fn of(is_new: bool) -> Self {
        Self { is_new, warnings: Vec::new() }
    }
}

/// The state that a change works with, inside its transaction.
pub(super) struct ChangeContext<'a> {
    pub(super) connection: &'a Connection,
    pub(super) environments: &'a Environments,
    pub(super) contracts: &'a Contracts,
    pub(super) actor: &'a Actor,
    /// The time of the change: to the millisecond, as it is stored.
    pub(super) now: Timestamp,
    pub(super) deployed: &'a mut DeployedSet,
    /// True if the change is about what shards serve. The change is then answered when they serve it, even if nothing was left to
    /// change: an earlier attempt may have made it without seeing it active.
    pub(super) concerns_shards: bool,
    /// True if the change is about what keys open, with the same consequence.
    pub(super) concerns_keys: bool,
    /// The numbers of the applications whose keys may open something else after the change.
    pub(super) touched_applications: BTreeSet<u64>,
    /// True if the change is about tokens or about what their holders may do.
    pub(super) concerns_identities: bool,
    pub(super) records: Records,
}

/// Which changes add entries to the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Records {
    /// Each change adds its own.
    EachChange,
    /// Changes of APIs add none: whoever makes them adds one for all that is done to an API.
    EachApi,
}

impl ChangeContext<'_> {
    /// Adds the entry of one change to the audit, unless its API gets one for all changes.
    pub(super) fn record(&self, entry: &NewEntry) -> Result<(), Problems> {
        if self.records == Records::EachApi && entry.api.is_some() {
            return Ok(());
        }
        self.record_api(entry)
    }

    /// Adds an entry to the audit.
    pub(super) fn record_api(&self, entry: &NewEntry) -> Result<(), Problems> {
        Ok(audit::insert(self.connection, self.now, self.actor, entry)?)
    }

    /// Has the shards be told what became of a deployment.
    pub(super) fn refresh(&mut self, id: DeploymentId) -> Result<(), Problems> {
        self.concerns_shards = true;
        self.deployed.set(id, deployments::deployed(self.connection, id)?);
        Ok(())
    }

    /// The API that a key names, in the state in which it must be.
    pub(super) fn api(&self, key: &ApiKey, condition: &Condition) -> Result<ApiRow, Problems> {
        let found = apis::find(self.connection, key)?;
        check(condition, found.as_ref().map(ApiRow::etag), key)?;
        found.ok_or_else(|| no_api(self.connection, key))
    }
}

/// Refuses a change of what is not in the state in which it must be.
pub(super) fn check(
    condition: &Condition,
    current: Option<ETag>,
    what: impl std::fmt::Display,
) -> Result<(), Problems> {
    if condition.holds(current) {
        return Ok(());
    }
    let why = match (condition, current) {
        (Condition::Missing, _) => "exists already, and If-None-Match requires that it does not",
        (_, None) => "does not exist, and If-Match requires that it does",
        _ => "has changed since it was read: read it again before you change it",
    };
    Err(Problems::new(Code::CONDITION_FAILED, format!("{what} {why}.")))
}

pub(super) fn no_api(connection: &Connection, key: &ApiKey) -> Problems {
    let mut keys: Vec<String> = Vec::new();
    let take = |row: ApiRow| {
        keys.push(row.key.to_string());
        Ok::<_, rusqlite::Error>(ControlFlow::Continue(()))
    };
    // The hint is worth no more than these, and no failure.
    let _ = apis::list(connection, &apis::Filter::default(), None, MAX_HINTS, take);
    let meant =
        nearest(&key.to_string(), keys.iter().map(String::as_str)).map(|meant| format!("did you mean {meant}?"));
    let advice = meant.unwrap_or_else(|| "see the list of APIs for those that there are.".to_owned());
    Problems::new(Code::API_NOT_FOUND, format!("There is no API {key}: {advice}"))
}
