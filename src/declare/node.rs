//! A node, as far as documents need one, and how they are applied to it.

use std::collections::BTreeSet;
use std::fmt;

use super::document::Document;
use super::held::{self, Held, HeldApi};
use super::plan::plan;
use super::read::Fault;
use super::step::Step;
use crate::api::{Api, ApiKey, Definition, EnvironmentName};

/// Whoever can say what a node holds and carry steps out: a client of the admin API, or the node itself. Calls may block.
pub trait Node {
    /// Why something was not done.
    type Error: fmt::Display;

    /// The environments, in their order.
    ///
    /// # Errors
    /// They cannot be read.
    fn environments(&mut self) -> Result<Vec<EnvironmentName>, Self::Error>;

    /// Every API; retired ones may be among them.
    ///
    /// # Errors
    /// They cannot be read.
    fn apis(&mut self) -> Result<Vec<Api>, Self::Error>;

    /// What a revision of an API is.
    ///
    /// # Errors
    /// It cannot be read.
    fn revision(&mut self, key: &ApiKey, number: u64) -> Result<Definition, Self::Error>;

    /// Carries a step out. It is in force when this returns.
    ///
    /// # Errors
    /// It was refused, or is not in force.
    fn carry_out(&mut self, step: &Step) -> Result<(), Self::Error>;
}

/// Why documents were not applied.
#[derive(Debug)]
pub enum Stopped<E> {
    /// What the node holds could not be read. Nothing was changed.
    Unread(E),
    /// What the documents ask for cannot be done. Nothing was changed.
    Impossible(Vec<Fault>),
    /// A step was not carried out; those before it were.
    At {
        /// Which, as it is told.
        step: String,
        /// How many were carried out before it.
        done: usize,
        /// How many there are in all.
        of: usize,
        /// Why.
        error: E,
    },
}

impl<E: fmt::Display> fmt::Display for Stopped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(error) => error.fmt(f),
            Self::Impossible(faults) => f.write_str(&lines(faults)),
            Self::At { step, done, of, error } => {
                write!(f, "{step}: {error}\n  {done} of {of} steps are done; apply again once this is mended")
            }
        }
    }
}

/// Faults, a line each.
#[must_use]
pub fn lines(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads what a node holds: every API if `keys` is nothing, else these.
///
/// # Errors
/// It cannot be read.
pub fn held<N: Node>(node: &mut N, keys: Option<&BTreeSet<ApiKey>>) -> Result<Held, N::Error> {
    let mut held = Held { environments: node.environments()?, ..Held::default() };
    for api in node.apis()?.into_iter().filter(held::counts) {
        let key = held::key(&api);
        if keys.is_some_and(|keys| !keys.contains(&key)) {
            continue;
        }
        let mut kept = HeldApi { api, revisions: std::collections::BTreeMap::new() };
        let deployed: BTreeSet<u64> = kept.api.deployments.iter().map(|deployment| deployment.revision).collect();
        for number in deployed {
            kept.revisions.insert(number, node.revision(&key, number)?);
        }
        held.apis.insert(key, kept);
    }
    Ok(held)
}

/// Reads what a node holds of the APIs that documents are about.
///
/// # Errors
/// It cannot be read.
pub fn held_of<N: Node>(node: &mut N, documents: &[Document]) -> Result<Held, N::Error> {
    let keys: BTreeSet<ApiKey> = documents.iter().map(|document| document.key.clone()).collect();
    held(node, Some(&keys))
}

/// Makes a node hold what documents say. Tells each step before it is carried out, and gives back how many there were.
///
/// # Errors
/// Why not, and how far it came. To apply again goes on from there.
pub fn apply<N: Node>(
    node: &mut N,
    documents: &[Document],
    mut told: impl FnMut(&Step),
) -> Result<usize, Stopped<N::Error>> {
    let held = held_of(node, documents).map_err(Stopped::Unread)?;
    let steps = plan(&held, documents).map_err(Stopped::Impossible)?;
    for (done, step) in steps.iter().enumerate() {
        told(step);
        let stopped = |error| Stopped::At { step: step.to_string(), done, of: steps.len(), error };
        node.carry_out(step).map_err(stopped)?;
    }
    Ok(steps.len())
}

#[cfg(test)]
mod tests {
    use super::{Stopped, apply};
    use crate::declare::testing::{Shelf, chat};

    #[test]
    fn an_apply_that_is_stopped_says_where_and_goes_on_from_there() {
        let wanted = chat("lifecycle: Published\ndeployments:\n- environment: development\n");
        let mut shelf = Shelf { refuses: Some(1), ..Shelf::default() };
        let mut told = Vec::new();
        let stopped = apply(&mut shelf, &wanted, |step| told.push(step.to_string())).unwrap_err();
        assert_eq!(told, ["create default/chat:1.0", "deploy default/chat:1.0 in development"]);
        let said = stopped.to_string();
        let expected = "deploy default/chat:1.0 in development: no\n  1 of 3 steps are done; apply again";
        assert!(said.starts_with(expected), "{said}");
        shelf.refuses = None;
        assert_eq!(apply(&mut shelf, &wanted, |_| {}).unwrap(), 2);
        assert_eq!(apply(&mut shelf, &wanted, |_| {}).unwrap(), 0);
    }

    #[test]
    fn nothing_is_done_of_what_cannot_be_done_as_a_whole() {
        let mut wanted = chat("");
        wanted.extend(chat("deployments:\n- environment: nowhere\n"));
        let mut shelf = Shelf::default();
        let stopped = apply(&mut shelf, &wanted, |_| {}).unwrap_err();
        assert!(matches!(stopped, Stopped::Impossible(_)), "{stopped}");
        assert!(shelf.told.is_empty());
    }
}
