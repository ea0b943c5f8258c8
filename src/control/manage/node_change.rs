//! Changes of what concerns this process alone: configuration, certificates, live connections. Another node has its own,
//! and must never make these; what nodes share is changed by a [`Change`](crate::api::Change).

use std::sync::Arc;

use serde_json::{Value, json};
use tracing::warn;

use super::Manager;
use super::process_control::ProcessControl;
use super::store_thread::{Receipts, StoreThread};
use crate::api::{Action, Actor, Environments, Problems};
use crate::config::file::{Configuration, Opened};
use crate::control::store::audit::NewEntry;

/// One change of this process.
#[derive(Debug)]
pub enum NodeChange {
    /// Makes another configuration active. Legal without a store as well, or with one that takes no changes: then the log
    /// alone tells of it, and no entry of the audit.
    Configure(Box<NewConfiguration>),
    /// Reads certificates and keys from their files again.
    ReloadCertificates,
    /// Notes in the audit that live connections were told to close, even while the node drains.
    NoteClosing {
        /// The API, the environment, or the connection.
        subject: String,
        /// The number of connections that will close.
        closing: u64,
    },
}

/// A configuration that is to be active.
#[derive(Debug)]
pub struct NewConfiguration {
    /// The configuration.
    pub configuration: Arc<Configuration>,
    /// The contents of the files that the configuration names.
    pub opened: Opened,
    /// The environments, with the addresses that their listeners have.
    pub environments: Environments,
    /// For the audit: the options that change, as they were. No secrets.
    pub before: Value,
    /// For the audit: the options that change, as they will be. No secrets.
    pub after: Value,
}

impl Manager {
    /// From now on changes of the node reach this process. Once.
    pub fn attach(&self, process: impl ProcessControl) {
        let attach = |thread: &mut StoreThread| thread.process = Some(Box::new(process));
        // At the start nobody has asked for so much that there is no room.
        let _ = self.jobs.try_send(Box::new(attach));
    }

    /// Makes a change of this process, and answers when it is active.
    ///
    /// # Errors
    /// The publisher's problem, and then nothing has changed; or `not-in-force`.
    pub async fn change_node(&self, actor: &Actor, change: NodeChange) -> Result<(), Problems> {
        let actor = actor.clone();
        let receipts = self.ask(move |thread| thread.change_node(&actor, change)).await??;
        self.wait_for(receipts).await
    }
}

impl StoreThread {
    fn change_node(&mut self, actor: &Actor, change: NodeChange) -> Result<Receipts, Problems> {
        match change {
            NodeChange::Configure(new) => self.configure(actor, *new),
            NodeChange::ReloadCertificates => {
                if let Some(process) = &mut self.process {
                    process.reload_certificates();
                }
                Ok(Receipts::default())
            }
            NodeChange::NoteClosing { subject, closing } => {
                let (action, after) = (Action::ConnectionsClose, Some(json!({ "closing": closing })));
                self.record(actor, &NewEntry { action, subject, api: None, before: None, after })
                    .map(|()| Receipts::default())
            }
        }
    }

    fn configure(&mut self, actor: &Actor, new: NewConfiguration) -> Result<Receipts, Problems> {
        let NewConfiguration { configuration, opened, environments, before, after } = new;
        self.publisher.prepare_with(&configuration, &opened, self.deployed.all())?;
        self.latest.snapshot = self.publisher.publish().or(self.latest.snapshot.take());
        self.environments = environments;
        if let Some(process) = &mut self.process
            && let Err(why) = process.configure(&configuration)
        {
            warn!("the configuration is active but for a part: {why}");
        }
        let entry = NewEntry {
            action: Action::ConfigReload,
            subject: "configuration".to_owned(),
            api: None,
            before: Some(before),
            after: Some(after),
        };
        if let Err(problems) = self.record(actor, &entry) {
            warn!("the configuration was reloaded, but the audit entry could not be written: {problems}");
        }
        Ok(Receipts { snapshot: self.latest.snapshot.clone(), keys: None })
    }
}
