//! Documents: compared with what the store holds, and made true in one transaction.
//!
//! The plan is made on the store's thread, so that nothing changes between it and what it leads to. An API gets one entry
//! in the audit, however many changes it needs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::change::make;
use super::change_context::{ChangeContext, Mode, Records};
use super::store_thread::{Outcome, Reader, StoreThread};
use super::{Manager, views};
use crate::api::problem::Code;
use crate::api::{Action, Actor, ApiKey, Condition, FieldError, Lifecycle, Problems};
use crate::control::store::apis;
use crate::control::store::audit::NewEntry;
use crate::control::store::deployments;
use crate::declare::document::Origin;
use crate::declare::held::HeldApi;
use crate::declare::read::Fault;
use crate::declare::{Document, Held, Step, plan};

/// Faults of documents that are answered; of more, their number is.
const MAX_FAULTS: usize = 500;

/// Documents.
impl Manager {
    /// Makes the node hold what documents say, all of it or nothing, and answers with the steps that this took. Documents
    /// are about one API each.
    ///
    /// # Errors
    /// `documents-invalid` with everything that cannot be done as a whole; or what refuses the first step that is refused.
    pub async fn apply_documents(
        &self,
        actor: &Actor,
        documents: Vec<Document>,
        mode: Mode,
    ) -> Result<Vec<Step>, Problems> {
        self.takes_changes()?;
        // The plan is made on the store's thread: a contract that no step needs may be read here in vain, once.
        let named = documents.iter().filter_map(|document| document.definition.contract.clone());
        self.prepare_contracts(named.filter(|contract| !self.contracts.is_known(contract)).collect()).await;
        let actor = actor.clone();
        let (steps, receipts) = self.ask(move |thread| apply(thread, &actor, &documents, mode)).await??;
        self.wait_for(receipts).await?;
        Ok(steps)
    }
}

fn apply(thread: &mut StoreThread, actor: &Actor, documents: &[Document], mode: Mode) -> Outcome<Vec<Step>> {
    let held = thread.read(|reader| held(reader, documents))?;
    let steps = plan(&held, documents).map_err(|faults| documents_invalid(&faults))?;
    if steps.is_empty() {
        return Ok((steps, thread.latest.clone()));
    }
    let origins: BTreeMap<&ApiKey, &Origin> = documents.iter().map(|it| (&it.key, &it.origin)).collect();
    let ((), receipts) = thread.transact(actor, mode, Records::EachApi, |context| {
        for steps in steps.chunk_by(|one, next| one.key() == next.key()) {
            let Some(key) = steps.first().map(Step::key) else { continue };
            change_api(context, key, steps, origins.get(key).copied())?;
        }
        Ok(())
    })?;
    Ok((steps, receipts))
}

/// Reads the APIs that documents are about from the store.
fn held(reader: &Reader<'_>, documents: &[Document]) -> Result<Held, Problems> {
    let environments = reader.environments.iter().map(|environment| environment.name.clone()).collect();
    let mut held = Held { environments, ..Held::default() };
    for Document { key, .. } in documents {
        let Some(row) = apis::find(reader.connection, key)?.filter(|row| row.life.state != Lifecycle::Retired) else {
            continue;
        };
        let rows = deployments::of_api(reader.connection, row.id)?;
        let revisions = rows.into_iter().map(|row| (row.revision, row.definition)).collect();
        let api = views::api(reader.connection, reader.environments, row)?;
        held.apis.insert(key.clone(), HeldApi { api, revisions });
    }
    Ok(held)
}

/// Takes the steps of one API, and notes in the audit what became of it.
fn change_api(
    context: &mut ChangeContext<'_>,
    key: &ApiKey,
    steps: &[Step],
    origin: Option<&Origin>,
) -> Result<(), Problems> {
    let before = state(context, key)?.filter(|(_, life, _)| *life != Lifecycle::Retired).map(|(_, _, state)| state);
    for step in steps {
        make(context, &step.change, &Condition::Always).map_err(|problems| at(origin, step, problems))?;
    }
    let Some((id, _, after)) = state(context, key)? else { return Ok(()) };
    context.record_api(&NewEntry {
        action: Action::ApiApply,
        subject: key.to_string(),
        api: Some((key.clone(), id)),
        before,
        after: Some(after),
    })
}

/// An API's number, its state of life, and all that the audit keeps of it.
fn state(context: &ChangeContext<'_>, key: &ApiKey) -> Result<Option<(u64, Lifecycle, Value)>, Problems> {
    let Some(row) = apis::find(context.connection, key)? else { return Ok(None) };
    let deployments = deployments::of_api(context.connection, row.id)?;
    Ok(Some((row.id, row.life.state, views::audited_whole(&row, &deployments))))
}

/// Names the document and the step that were refused.
fn at(origin: Option<&Origin>, step: &Step, problems: Problems) -> Problems {
    let place = origin.map_or_else(|| step.to_string(), |origin| format!("{origin}: {step}"));
    let field = |error: FieldError| FieldError { field: format!("{place}: {}", error.field), ..error };
    Problems {
        code: problems.code,
        detail: format!("{place}: {}", problems.detail),
        errors: problems.errors.into_iter().map(field).collect(),
    }
}

/// The problem of documents that cannot be read, or cannot be applied as a whole.
#[must_use]
pub fn documents_invalid(faults: &[Fault]) -> Problems {
    let error = |fault: &Fault| {
        let field = fault.field.as_ref().map_or_else(String::new, |field| format!(": {field}"));
        let field = format!("{}{field}", fault.origin);
        FieldError { field, rule: "document".to_owned(), message: fault.message.clone() }
    };
    let told = || faults.iter().take(MAX_FAULTS);
    let mut detail = told().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let more = faults.len().saturating_sub(MAX_FAULTS);
    if more > 0 {
        detail.push_str(&format!("\nand {more} more"));
    }
    Problems { code: Code::DOCUMENTS_INVALID, detail, errors: told().map(error).collect() }
}
