//! APIs and their revisions.

use serde_json::Value;

use super::change_context::{ChangeContext, check, no_api};
use super::{ApiFilter, Manager, clamp, contracts, projects, subscriptions, views};
use crate::api::etag::{Put, Tagged};
use crate::api::problem::Code;
use crate::api::request::{NewApi, NewDefinition};
use crate::api::view::{EffectiveChannelPolicies, EffectivePolicies};
use crate::api::{
    Action, Actor, Api, ApiKey, Change, Condition, Definition, Lifecycle, Page, PageRequest, Problems, Revision,
};
use crate::control::page::{self, Filling, List};
use crate::control::store::apis::{self, ApiRow, Filter, Position};
use crate::control::store::audit::NewEntry;
use crate::control::store::{deployments, revisions};

/// APIs and their revisions. Of several with the same key, all but one of them retired, a key names the one that is not
/// retired, or else the newest.
impl Manager {
    /// In the order of project, identifier, version and age.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub async fn apis(&self, filter: ApiFilter, page: PageRequest) -> Result<Page<Api>, Problems> {
        self.read(move |reader| {
            let after: Option<Position> = page::read(List::Apis, page.cursor.as_deref())?;
            let filter = Filter {
                project: filter.project.as_ref(),
                lifecycle: filter.lifecycle,
                environment: filter.environment.as_deref(),
                text: filter.text.as_deref(),
            };
            let mut page = Filling::new(clamp(page.limit));
            let more = page.asks_for();
            apis::list(reader.connection, &filter, after.as_ref(), more, |row| {
                Ok::<_, Problems>(page.take(views::api(reader.connection, reader.environments, row)?))
            })?;
            Ok(page.page(|last| page::write(List::Apis, position(last))))
        })
        .await
    }

    /// One of them.
    ///
    /// # Errors
    /// `api-not-found`.
    pub async fn api(&self, key: &ApiKey) -> Result<Tagged<Api>, Problems> {
        let key = key.clone();
        self.read(move |reader| {
            let row = apis::find(reader.connection, &key)?.ok_or_else(|| no_api(reader.connection, &key))?;
            let etag = row.etag();
            Ok(Tagged { value: views::api(reader.connection, reader.environments, row)?, etag })
        })
        .await
    }

    /// The policies in effect for an API: of the revision that runs in an environment, or of the definition as it is now.
    ///
    /// # Errors
    /// `api-not-found`, `environment-not-found`.
    pub async fn policies(&self, key: &ApiKey, environment: Option<String>) -> Result<EffectivePolicies, Problems> {
        let key = key.clone();
        self.read(move |reader| {
            let api = apis::find(reader.connection, &key)?.ok_or_else(|| no_api(reader.connection, &key))?;
            let environment = environment.as_deref().map(|name| reader.environments.known(name)).transpose()?;
            let running = match environment {
                Some(environment) => deployments::find(reader.connection, api.id, environment.name.as_str())?,
                None => None,
            };
            let definition = running.as_ref().map_or(&api.definition, |running| &running.definition);
            let of = |channel: Option<&str>| reader.environments.effective(&definition.policies, channel, environment);
            let channels = definition.policies.channels.keys().map(|path| EffectiveChannelPolicies {
                channel: path.to_string(),
                policies: of(Some(path)).list_of_channel(),
            });
            Ok(EffectivePolicies {
                environment: environment.map(|environment| environment.name.clone()),
                revision: running.as_ref().map(|running| running.revision),
                policies: of(None).list(),
                channels: channels.collect(),
            })
        })
        .await
    }

    /// Makes one, and its project if need be.
    ///
    /// # Errors
    /// `fields-invalid`, `api-exists`.
    pub async fn create_api(&self, actor: &Actor, new: NewApi) -> Result<Tagged<Api>, Problems> {
        let (key, definition) = new.check()?;
        let change = Change::CreateApi { api: key.clone(), definition };
        self.apply_one(actor, change, Condition::Always, move |context, _| {
            let row = context.api(&key, &Condition::Always)?;
            let etag = row.etag();
            Ok(Tagged { value: views::api(context.connection, context.environments, row)?, etag })
        })
        .await
    }

    /// Changes one's definition, or makes one if there is none that is not retired.
    ///
    /// # Errors
    /// `fields-invalid`, `condition-failed`.
    pub async fn put_api(
        &self,
        actor: &Actor,
        key: ApiKey,
        new: NewDefinition,
        condition: Condition,
    ) -> Result<Put<Api>, Problems> {
        let change = Change::PutApi { api: key.clone(), definition: new.check()? };
        self.apply_one(actor, change, condition, move |context, made| {
            let row = context.api(&key, &Condition::Always)?;
            let etag = row.etag();
            let value = views::api(context.connection, context.environments, row)?;
            Ok(Put { value, etag, is_new: made.is_new })
        })
        .await
    }

    /// Undeploys and deletes one, and retired ones with the same key. Nothing happens if there is none.
    ///
    /// # Errors
    /// `condition-failed`.
    pub async fn delete_api(&self, actor: &Actor, key: &ApiKey, condition: Condition) -> Result<(), Problems> {
        let change = Change::DeleteApi { api: key.clone() };
        self.apply_one(actor, change, condition, |_, _| Ok(())).await
    }

    /// An API's revisions, the newest first.
    ///
    /// # Errors
    /// `api-not-found`, `cursor-invalid`.
    pub async fn revisions(&self, key: &ApiKey, page: PageRequest) -> Result<Page<Revision>, Problems> {
        let key = key.clone();
        self.read(move |reader| {
            let api = apis::find(reader.connection, &key)?.ok_or_else(|| no_api(reader.connection, &key))?;
            let before: Option<u64> = page::read(List::Revisions, page.cursor.as_deref())?;
            let mut page = Filling::new(clamp(page.limit));
            let more = page.asks_for();
            let take = |revision| Ok::<_, Problems>(page.take(revision));
            revisions::list(reader.connection, api.id, before, more, take)?;
            Ok(page.page(|last| page::write(List::Revisions, last.number)))
        })
        .await
    }

    /// One of them.
    ///
    /// # Errors
    /// `api-not-found`, `revision-not-found`.
    pub async fn revision(&self, key: &ApiKey, number: u64) -> Result<Revision, Problems> {
        let key = key.clone();
        self.read(move |reader| {
            let api = apis::find(reader.connection, &key)?.ok_or_else(|| no_api(reader.connection, &key))?;
            revisions::find(reader.connection, api.id, number)?.ok_or_else(|| {
                Problems::new(Code::REVISION_NOT_FOUND, format!("{key} has no revision {number}; {}.", which(&api)))
            })
        })
        .await
    }
}

/// The position of an API in the list.
fn position(api: &Api) -> Position {
    (api.project.to_string(), api.identifier.to_string(), api.version.major, api.version.minor, api.id)
}

/// Which revisions an API has, for who asked for another.
pub(super) fn which(api: &ApiRow) -> String {
    match api.latest_revision {
        None => "it has none: deploying makes the first".to_owned(),
        Some(latest) => format!("it has 1 to {latest}"),
    }
}

fn is_live(row: &ApiRow) -> bool {
    row.life.state != Lifecycle::Retired
}

/// Creates an API.
pub(super) fn create(context: &ChangeContext<'_>, key: &ApiKey, definition: &Definition) -> Result<(), Problems> {
    if let Some(row) = apis::find(context.connection, key)?.filter(is_live) {
        let name = &row.definition.name;
        let detail = format!(
            "There is an API {key} already, named \"{name}\": choose another identifier or version, or change that one."
        );
        return Err(Problems::new(Code::API_EXISTS, detail));
    }
    insert(context, key, definition)
}

fn insert(context: &ChangeContext<'_>, key: &ApiKey, definition: &Definition) -> Result<(), Problems> {
    contracts::check(context, definition)?;
    projects::ensure(context, &key.project)?;
    apis::insert(context.connection, key, definition, context.now, context.actor)?;
    let row = context.api(key, &Condition::Always)?;
    record(context, Action::ApiCreate, &row, None, Some(views::audited_api(&row)))
}

/// Has an API have a definition. Whether it was not there.
pub(super) fn put(
    context: &ChangeContext<'_>,
    key: &ApiKey,
    definition: &Definition,
    condition: &Condition,
) -> Result<bool, Problems> {
    let live = apis::find(context.connection, key)?.filter(is_live);
    check(condition, live.as_ref().map(ApiRow::etag), key)?;
    let Some(row) = live else {
        insert(context, key, definition)?;
        return Ok(true);
    };
    if row.definition != *definition {
        let (before, after) = (&row.definition.policies.channels, &definition.policies.channels);
        if row.definition.contract != definition.contract || before.keys().ne(after.keys()) {
            contracts::check(context, definition)?;
        }
        apis::update(context.connection, row.id, definition, context.now, context.actor)?;
        let before = views::audited_api(&row);
        let after = views::audited_api(&ApiRow { definition: definition.clone(), ..row.clone() });
        record(context, Action::ApiUpdate, &row, Some(before), Some(after))?;
    }
    Ok(false)
}

/// Takes all away that a key names.
pub(super) fn delete(context: &mut ChangeContext<'_>, key: &ApiKey, condition: &Condition) -> Result<(), Problems> {
    context.concerns_shards = true;
    let rows = apis::of_key(context.connection, key)?;
    check(condition, rows.first().map(ApiRow::etag), key)?;
    for row in rows {
        let mut before = views::audited_api(&row);
        take_out(context, &row, &mut before)?;
        apis::delete(context.connection, row.id)?;
        record(context, Action::ApiDelete, &row, Some(before), None)?;
    }
    subscriptions::end_if_gone(context, &key.into())
}

/// Undeploys an API everywhere, and has what the audit keeps of it say where it was.
pub(super) fn take_out(context: &mut ChangeContext<'_>, api: &ApiRow, before: &mut Value) -> Result<(), Problems> {
    let rows = deployments::of_api(context.connection, api.id)?;
    if let Some(before) = before.as_object_mut() {
        let deployments = rows.iter().map(views::audited_deployment).collect();
        before.insert("deployments".to_owned(), Value::Array(deployments));
    }
    for row in rows {
        deployments::delete(context.connection, row.id)?;
        context.refresh(row.id)?;
    }
    Ok(())
}

pub(super) fn record(
    context: &ChangeContext<'_>,
    action: Action,
    api: &ApiRow,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<(), Problems> {
    let subject = api.key.to_string();
    context.record(&NewEntry { action, subject, api: Some((api.key.clone(), api.id)), before, after })
}
