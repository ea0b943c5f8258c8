//! Test keys: made by the node, for one API in one environment, valid for a quarter of an hour. They are in no store and in no
//! file: a node that is started again has none. The audit has an entry for each, whose number is the key's.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Manager;
use super::access::keys_of;
use super::change_context::{Mode, Records};
use super::deployments::existing;
use super::keys::random_key;
use super::store_thread::{Outcome, StoreThread, now};
use crate::api::consumers::state::{KeyState, SubscriptionState};
use crate::api::consumers::view::TestKey;
use crate::api::consumers::{ApplicationName, ApplicationState, KeyText, PlanName};
use crate::api::problem::Code;
use crate::api::{Action, Actor, ApiKey, Condition, Problems};
use crate::control::publish::ChangedApplication;
use crate::control::store::audit::NewEntry;

/// The life of a test key.
const LIFE: SignedDuration = SignedDuration::from_mins(15);
/// The most test keys that are valid at one time.
const MAX_TEST_KEYS: usize = 256;
/// The application of a test key has the number of the key with this bit: the store gives none so great.
const OF_TESTS: u64 = 1 << 63;

impl Manager {
    /// Makes a key that opens one API in one environment, for a test. The answer is the only one that has its secret.
    ///
    /// # Errors
    /// `api-not-found`, `environment-not-found`, `deployment-not-found`, `busy` while too many are valid.
    pub async fn test_key(&self, actor: &Actor, api: &ApiKey, environment: &str) -> Result<TestKey, Problems> {
        self.takes_changes()?;
        let text = random_key()?;
        let (actor, api, environment, made) = (actor.clone(), api.clone(), environment.to_owned(), text.clone());
        let asked = self.ask(move |thread| thread.test_key(&actor, &api, &environment, &made));
        let (expires_at, receipts) = asked.await??;
        self.wait_for(receipts).await?;
        Ok(TestKey { secret: text.reveal().to_owned(), expires_at })
    }
}

impl StoreThread {
    fn test_key(&mut self, actor: &Actor, api: &ApiKey, environment: &str, text: &KeyText) -> Outcome<Timestamp> {
        let now = now();
        let mut changed = self.test_keys.take_ended(now);
        if self.test_keys.len() >= MAX_TEST_KEYS {
            let detail = format!("{MAX_TEST_KEYS} test keys are valid, which is the most: try again in some minutes.");
            return Err(Problems::new(Code::BUSY, detail));
        }
        let expires_at = now.checked_add(LIFE).unwrap_or(Timestamp::MAX);
        let prefix = text.prefix();
        let ((id, environment), _) = self.transact(actor, Mode::Commit, Records::EachChange, |context| {
            context.actor.may(keys_of(context, environment))?;
            let (row, deployment) = existing(context, api, environment, &Condition::Always)?;
            context.record(&NewEntry {
                action: Action::KeyTest,
                subject: format!("{api} @{}", deployment.environment),
                api: Some((api.clone(), row.id)),
                before: None,
                after: Some(json!({ "prefix": prefix, "expires_at": expires_at })),
            })?;
            let entry = u64::try_from(context.connection.last_insert_rowid()).unwrap_or_default();
            Ok((entry, deployment.environment))
        })?;
        let subscription = SubscriptionState { api: api.into(), plan: PlanName::of_tests(), is_open: true };
        let key = KeyState { id, environment, digest: text.digest(), expires_at: Some(expires_at) };
        let application = ApplicationState {
            id: id | OF_TESTS,
            name: ApplicationName::of_tests(),
            subscriptions: vec![subscription],
            keys: vec![key],
        };
        self.test_keys.push(application.id, expires_at);
        changed.push(ChangedApplication { id: application.id, state: Some(application) });
        let receipt = self.publisher.publish_keys(changed);
        self.latest.keys = receipt.or(self.latest.keys.take());
        let mut receipts = self.latest.clone();
        receipts.snapshot = None;
        Ok((expires_at, receipts))
    }
}
