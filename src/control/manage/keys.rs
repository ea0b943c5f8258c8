//! Keys of applications: made, rotated, revoked. The text of a key leaves this file in one answer, and is kept nowhere.

use jiff::{SignedDuration, Timestamp};

use super::change_context::{ChangeContext, check};
use super::store_thread::now;
use super::{Manager, applications, clamp, views};
use crate::api::change::KeyFields;
use crate::api::consumers::request::{CheckedKey, KeyRotation, NewKey};
use crate::api::consumers::view::{KeyStatus, MadeKey};
use crate::api::consumers::{ApplicationName, Key, KeyDigest, KeyText, MAX_KEYS};
use crate::api::etag::{Put, Tagged};
use crate::api::problem::{Code, Fault};
use crate::api::{Action, Actor, Change, Condition, EnvironmentName, Page, PageRequest, Problems};
use crate::control::page::{self, Filling, List};
use crate::control::store::audit::NewEntry;
use crate::control::store::keys::{self, Filter, KeyRow};

/// The time for which an expired key is listed. Then the next key of its application takes its place.
const EXPIRED_SHOWN_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Which keys are listed; all conditions count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Only keys of this application.
    pub application: Option<ApplicationName>,
    /// Only keys of this environment.
    pub environment: Option<EnvironmentName>,
    /// Only keys that begin with this.
    pub prefix: Option<String>,
}

/// Keys.
impl Manager {
    /// In the order of their numbers, which is that in which they were made.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub async fn keys(&self, filter: KeyFilter, page: PageRequest) -> Result<Page<Key>, Problems> {
        self.read(move |reader| {
            let after: Option<u64> = page::read(List::Keys, page.cursor.as_deref())?;
            let filter = Filter {
                application: filter.application.as_ref(),
                environment: filter.environment.as_ref().map(EnvironmentName::as_str),
                prefix: filter.prefix.as_deref(),
            };
            let mut page = Filling::new(clamp(page.limit));
            let (more, now) = (page.asks_for(), now());
            let take = |row| Ok::<_, Problems>(page.take(view(row, now)));
            keys::list(reader.connection, &filter, after.unwrap_or_default(), more, take)?;
            Ok(page.page(|last| page::write(List::Keys, last.id)))
        })
        .await
    }

    /// One of them.
    ///
    /// # Errors
    /// `key-not-found`.
    pub async fn key(&self, id: u64) -> Result<Tagged<Key>, Problems> {
        self.read(move |reader| {
            let row = keys::find(reader.connection, id)?.ok_or_else(|| no_key(id))?;
            let etag = row.etag();
            Ok(Tagged { value: view(row, now()), etag })
        })
        .await
    }

    /// Makes a key of an application. The answer is the only one that has its secret.
    ///
    /// # Errors
    /// `fields-invalid`, `application-not-found`, `environment-not-found`, `application-full`.
    pub async fn create_key(
        &self,
        actor: &Actor,
        application: ApplicationName,
        new: NewKey,
    ) -> Result<Put<MadeKey>, Problems> {
        let CheckedKey { environment, name, expires_at } = new.check(now())?;
        let text = random_key()?;
        let (digest, prefix) = (text.digest(), text.prefix());
        let key = KeyFields { environment, name, digest, prefix, expires_at };
        let change = Change::CreateKey { application, key };
        let made = self.apply_one(actor, change, Condition::Always, move |context, _| shown(context, &digest));
        Ok(with_secret(made.await?, &text))
    }

    /// Makes a key that takes the place of another. The answer is the only one that has its secret.
    ///
    /// # Errors
    /// `fields-invalid`, `key-not-found`, `key-rotated`, `environment-not-found`, `application-full`, `condition-failed`.
    pub async fn rotate_key(
        &self,
        actor: &Actor,
        id: u64,
        rotation: KeyRotation,
        condition: Condition,
    ) -> Result<Put<MadeKey>, Problems> {
        let (overlap, expires_at) = rotation.check(now())?;
        let text = random_key()?;
        let (digest, prefix) = (text.digest(), text.prefix());
        let change = Change::RotateKey { id, digest, prefix, overlap, expires_at };
        let made = self.apply_one(actor, change, condition, move |context, _| shown(context, &digest));
        Ok(with_secret(made.await?, &text))
    }

    /// Revokes a key. Nothing happens if there is none.
    ///
    /// # Errors
    /// `condition-failed`.
    pub async fn revoke_key(&self, actor: &Actor, id: u64, condition: Condition) -> Result<(), Problems> {
        self.apply_one(actor, Change::RevokeKey { id }, condition, |_, _| Ok(())).await
    }
}

pub(super) fn random_key() -> Result<KeyText, Problems> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Problems::new(Code::BUSY, format!("The host has no random numbers for a key ({error}): try again later."))
    })?;
    Ok(KeyText::of_random(&bytes))
}

fn shown(context: &ChangeContext<'_>, digest: &KeyDigest) -> Result<Put<Key>, Problems> {
    let made = keys::of_digest(context.connection, digest)?.ok_or_else(|| no_key(0))?;
    let etag = made.etag();
    Ok(Put { value: view(made, context.now), etag, is_new: true })
}

fn with_secret(Put { value: key, etag, is_new }: Put<Key>, text: &KeyText) -> Put<MadeKey> {
    Put { value: MadeKey { key, secret: text.reveal().to_owned() }, etag, is_new }
}

/// A key as the admin API shows it.
fn view(row: KeyRow, now: Timestamp) -> Key {
    let is_expired = row.expires_at.is_some_and(|end| end <= now);
    Key {
        id: row.id,
        application: row.application,
        name: row.name,
        environment: row.environment,
        prefix: row.prefix,
        status: if is_expired { KeyStatus::Expired } else { KeyStatus::Active },
        expires_at: row.expires_at,
        replaced_by: row.replaced_by,
        last_used_on: row.last_used_on,
        created_at: row.created_at,
        created_by: row.created_by,
    }
}

pub(super) fn create(
    context: &mut ChangeContext<'_>,
    application: &ApplicationName,
    key: &KeyFields,
) -> Result<(), Problems> {
    let row = applications::find(context.connection, application)?;
    insert(context, row.id, &row.name, key).map(drop)
}

/// Adds a key to an application that there is. Its number.
fn insert(
    context: &mut ChangeContext<'_>,
    application: u64,
    name: &ApplicationName,
    key: &KeyFields,
) -> Result<u64, Problems> {
    context.concerns_keys = true;
    context.environments.known(key.environment.as_str())?;
    if key.expires_at.is_some_and(|end| end <= context.now) {
        return Err(Problems::of_fields(vec![Fault::new("past", "it must be in the future").at("expires_at")]));
    }
    let long_ago = context.now.checked_sub(EXPIRED_SHOWN_FOR).unwrap_or(Timestamp::MIN);
    keys::delete_expired(context.connection, application, long_ago)?;
    if keys::count(context.connection, application)? >= u64::try_from(MAX_KEYS).unwrap_or(u64::MAX) {
        let detail = format!("{name} has {MAX_KEYS} keys, which is the most: revoke one of them first.");
        return Err(Problems::new(Code::APPLICATION_FULL, detail));
    }
    keys::insert(context.connection, application, key, context.now, context.actor)?;
    context.touched_applications.insert(application);
    let made = keys::of_digest(context.connection, &key.digest)?.ok_or_else(|| no_key(0))?;
    record(context, Action::KeyCreate, None, Some(&made))?;
    Ok(made.id)
}

/// A key that takes the place of another.
pub(super) struct Successor<'a> {
    pub(super) digest: KeyDigest,
    pub(super) prefix: &'a str,
    /// The time for which the old key stays valid.
    pub(super) overlap: SignedDuration,
    pub(super) expires_at: Option<Timestamp>,
}

pub(super) fn rotate(
    context: &mut ChangeContext<'_>,
    id: u64,
    new: &Successor<'_>,
    condition: &Condition,
) -> Result<(), Problems> {
    let before = keys::find(context.connection, id)?;
    check(condition, before.as_ref().map(KeyRow::etag), format!("Key {id}"))?;
    let before = before.ok_or_else(|| no_key(id))?;
    if let Some(successor) = before.replaced_by {
        let detail = format!(
            "Key {id} was rotated already, to key {successor}: rotate that one, or revoke it and make another key if nobody has its secret."
        );
        return Err(Problems::new(Code::KEY_ROTATED, detail));
    }
    let life = before.expires_at.map(|end| end.duration_since(before.created_at));
    let as_long = life.map(|life| context.now.checked_add(life).unwrap_or(Timestamp::MAX));
    let key = KeyFields {
        environment: before.environment.clone(),
        name: before.name.clone(),
        digest: new.digest,
        prefix: new.prefix.to_owned(),
        expires_at: new.expires_at.or(as_long),
    };
    let successor = insert(context, before.application_id, &before.application, &key)?;
    let end = context.now.checked_add(new.overlap).unwrap_or(Timestamp::MAX);
    let end = before.expires_at.map_or(end, |earlier| earlier.min(end));
    keys::replace(context.connection, id, successor, end)?;
    let after = keys::find(context.connection, id)?;
    record(context, Action::KeyRotate, Some(&before), after.as_ref())
}

pub(super) fn revoke(context: &mut ChangeContext<'_>, id: u64, condition: &Condition) -> Result<(), Problems> {
    context.concerns_keys = true;
    let before = keys::find(context.connection, id)?;
    check(condition, before.as_ref().map(KeyRow::etag), format!("Key {id}"))?;
    let Some(row) = before else { return Ok(()) };
    keys::delete(context.connection, id)?;
    context.touched_applications.insert(row.application_id);
    record(context, Action::KeyRevoke, Some(&row), None)
}

fn record(
    context: &ChangeContext<'_>,
    action: Action,
    before: Option<&KeyRow>,
    after: Option<&KeyRow>,
) -> Result<(), Problems> {
    let named = before.or(after).map(|row| format!("{} key {}", row.application, row.id));
    let (subject, before, after) =
        (named.unwrap_or_default(), before.map(views::audited_key), after.map(views::audited_key));
    context.record(&NewEntry { action, subject, api: None, before, after })
}

fn no_key(id: u64) -> Problems {
    let detail = format!("There is no key {id}: it was revoked, or never made. The audit tells which.");
    Problems::new(Code::KEY_NOT_FOUND, detail)
}
