//! Reloads of the configuration, in turn with every other change.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::Value;
use tracing::warn;

use super::Manager;
use super::store_thread::StoreThread;
use crate::api::problem::Code;
use crate::api::{Action, Actor, Deployed, DeploymentId, Environments, Problems};
use crate::control::publish::{Publisher, Receipt};
use crate::control::store::audit::NewEntry;

/// What a reload of the configuration leads to.
#[derive(Debug)]
pub struct Reconfigured<T> {
    /// The environments from now on.
    pub environments: Environments,
    /// What is to be in force.
    pub prepared: T,
    /// For the audit: what of the configuration was, and is. No secrets.
    pub before: Value,
    /// See `before`.
    pub after: Value,
}

/// Reloads of the configuration, for whoever has the publisher's type.
#[derive(Debug)]
pub struct Reconfigure<P> {
    manager: Manager,
    publisher: PhantomData<fn(P)>,
}

impl<P> Clone for Reconfigure<P> {
    fn clone(&self) -> Self {
        Self { manager: self.manager.clone(), publisher: PhantomData }
    }
}

impl<P: Publisher> Reconfigure<P> {
    /// For the manager whose publisher is a `P`.
    pub(super) fn of(manager: Manager) -> Self {
        Self { manager, publisher: PhantomData }
    }

    /// Has the configuration changed by `change`, which runs on the store's thread with every deployment there is; then
    /// publishes what it has prepared. It happens without a store as well, or with one that takes no changes: then the log
    /// alone tells of it, and no entry of the audit.
    ///
    /// # Errors
    /// What `change` answers, and then nothing has changed; or `not-in-force`.
    pub async fn run(
        &self,
        actor: &Actor,
        change: impl FnOnce(&mut P, &BTreeMap<DeploymentId, Deployed>) -> Result<Reconfigured<P::Prepared>, Problems>
        + Send
        + 'static,
    ) -> Result<(), Problems> {
        let actor = actor.clone();
        let receipt = self.manager.ask(move |thread| reconfigure(thread, &actor, change)).await??;
        self.manager.in_force(receipt).await
    }
}

fn reconfigure<P: Publisher>(
    thread: &mut StoreThread,
    actor: &Actor,
    change: impl FnOnce(&mut P, &BTreeMap<DeploymentId, Deployed>) -> Result<Reconfigured<P::Prepared>, Problems>,
) -> Result<Receipt, Problems> {
    let deployed = thread.deployed.all();
    // Only `of` makes one, for the publisher that was given with the store.
    let Some(publisher) = thread.plane.publisher().downcast_mut::<P>() else {
        return Err(Problems::new(Code::STORE_UNAVAILABLE, "The publisher is another."));
    };
    let Reconfigured { environments, prepared, before, after } = change(publisher, deployed)?;
    let receipt = publisher.publish(prepared);
    thread.environments = environments;
    thread.latest = Some(receipt.clone());
    let entry = NewEntry {
        action: Action::ConfigReload,
        subject: "configuration".to_owned(),
        api: None,
        before: Some(before),
        after: Some(after),
    };
    if let Err(problems) = thread.record(actor, &entry) {
        warn!("the configuration was reloaded, and the audit does not tell of it: {problems}");
    }
    Ok(receipt)
}
