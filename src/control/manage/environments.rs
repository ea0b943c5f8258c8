//! The environments, and what is deployed in them. Both are answered without a store as well.

use std::collections::BTreeMap;

use super::Manager;
use crate::api::problem::Code;
use crate::api::{Deployed, DeploymentId, Environment, Problems};

/// The environments, and what is deployed in them.
impl Manager {
    /// In their order. They are the configuration's, and are told without a store as well.
    ///
    /// # Errors
    /// None of its own.
    pub async fn environments(&self) -> Result<Vec<Environment>, Problems> {
        self.ask(|thread| thread.environments.views()).await
    }

    /// One of them.
    ///
    /// # Errors
    /// `environment-not-found`.
    pub async fn environment(&self, name: &str) -> Result<Environment, Problems> {
        let name = name.to_owned();
        self.ask(move |thread| {
            thread.environments.known(&name)?;
            let mut views = thread.environments.views().into_iter();
            views
                .find(|view| view.name.as_str() == name)
                .ok_or_else(|| Problems::new(Code::ENVIRONMENT_NOT_FOUND, name))
        })
        .await?
    }

    /// Every deployment there is, as it was last committed. Told without a store as well.
    ///
    /// # Errors
    /// None of its own.
    pub async fn deployed(&self) -> Result<BTreeMap<DeploymentId, Deployed>, Problems> {
        self.ask(|thread| thread.deployed.all().clone()).await
    }
}
