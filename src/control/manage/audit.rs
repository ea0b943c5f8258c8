//! The audit: its entries, and entries for what was done outside the store.

use serde_json::Value;

use super::{AuditFilter, Manager, clamp};
use crate::api::{Action, Actor, AuditEntry, Page, PageRequest, Problems};
use crate::control::page::{self, Filling, List};
use crate::control::store::audit::{self, NewEntry};

/// The audit.
impl Manager {
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
        self.make(actor, move |context| context.record(&entry)).await
    }
}
