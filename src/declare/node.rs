//! Reading a node, to compare documents with it.

use std::collections::BTreeSet;

use super::document::Document;
use super::held::{self, Held, HeldApi};
use super::read::Fault;
use crate::api::{Api, ApiKey, Definition, EnvironmentName};

/// Answers what a node holds. Calls may block.
pub trait Node {
    /// Why the node was not read.
    type Error;

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

    /// The definition of a revision of an API.
    ///
    /// # Errors
    /// The node cannot be read.
    fn revision(&mut self, key: &ApiKey, number: u64) -> Result<Definition, Self::Error>;
}

/// Faults, a line each.
#[must_use]
pub fn lines(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads what a node holds: every API if `keys` is nothing, else these.
///
/// # Errors
/// The node cannot be read.
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
/// The node cannot be read.
pub fn held_of<N: Node>(node: &mut N, documents: &[Document]) -> Result<Held, N::Error> {
    let keys: BTreeSet<ApiKey> = documents.iter().map(|document| document.key.clone()).collect();
    held(node, Some(&keys))
}
