//! What is asked besides APIs: environments, the audit, what is deployed, and how the store is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::desk::Desk;
use super::{AuditFilter, Manager, StoreHealth, StoreState, clamp};
use crate::api::problem::Code;
use crate::api::{Action, Actor, ApiKey, AuditEntry, Deployed, DeploymentId, Environment, Page, PageRequest, Problems};
use crate::control::store::audit::{self, NewEntry};
use crate::control::page::{self, Filling, List};

/// All else that is asked.
impl Manager {
    /// In their order. They are the configuration's, and are told without a store as well.
    ///
    /// # Errors
    /// None of its own.
    pub async fn environments(&self) -> Result<Vec<Environment>, Problems> {
        self.ask(|desk| desk.environments.views()).await
    }

    /// One of them.
    ///
    /// # Errors
    /// `environment-not-found`.
    pub async fn environment(&self, name: &str) -> Result<Environment, Problems> {
        let name = name.to_owned();
        self.ask(move |desk| {
            desk.environments.known(&name)?;
            let mut views = desk.environments.views().into_iter();
            views
                .find(|view| view.name.as_str() == name)
                .ok_or_else(|| Problems::new(Code::ENVIRONMENT_NOT_FOUND, name))
        })
        .await?
    }

    /// Entries of the audit, the newest first.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub async fn audit(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditEntry>, Problems> {
        self.read(move |reader| {
            let before: Option<u64> = page::read(List::Audit, page.cursor.as_deref())?;
            let mut page = Filling::new(clamp(page.limit));
            let more = page.asks_for();
            let take = |entry| Ok::<_, Problems>(page.take(entry));
            audit::list(reader.connection, filter.api.as_ref(), filter.since, before, more, take)?;
            Ok(page.page(|last| page::write(List::Audit, last.id)))
        })
        .await
    }

    /// Adds an entry for what was done elsewhere, as closing connections is. No secrets.
    ///
    /// # Errors
    /// None of its own.
    pub async fn record(
        &self,
        actor: &Actor,
        action: Action,
        subject: String,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), Problems> {
        let entry = NewEntry { action, subject, api: None, before, after };
        // It is done already.
        self.make(actor, move |work| work.record(&entry)).await
    }

    /// Every deployment there is, as it was last committed. Told without a store as well.
    ///
    /// # Errors
    /// None of its own.
    pub async fn deployed(&self) -> Result<BTreeMap<DeploymentId, Deployed>, Problems> {
        self.ask(|desk| desk.deployed.all().clone()).await
    }

    /// The numbers of those of an API, in an environment, or both.
    ///
    /// # Errors
    /// None of its own.
    pub async fn deployments_of(
        &self,
        api: Option<ApiKey>,
        environment: Option<String>,
    ) -> Result<Vec<DeploymentId>, Problems> {
        self.ask(move |desk| {
            let is_meant = |deployed: &&Deployed| {
                api.as_ref().is_none_or(|key| deployed.key == *key)
                    && environment.as_ref().is_none_or(|name| deployed.environment.as_str() == name)
            };
            desk.deployed.all().values().filter(is_meant).map(|deployed| deployed.id).collect()
        })
        .await
    }

    /// How the store is. Never waits. While it takes no changes, asking has it looked at again.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        let health = self.health.get();
        if health.state != StoreState::Ok {
            // If there is no place in the queue, it will be looked at another time.
            let _ = self.jobs.try_send(Box::new(Desk::probe));
        }
        health
    }
}
