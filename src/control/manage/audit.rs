//! The audit: its entries.

use super::{AuditFilter, Manager, clamp};
use crate::api::{AuditEntry, Page, PageRequest, Problems};
use crate::control::page::{self, Filling, List};
use crate::control::store::audit;

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
}
