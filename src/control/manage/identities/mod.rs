//! Identities and their tokens: what a client asks for, and the table in memory that lets callers in.

pub(super) mod change;

use std::io;

use jiff::Timestamp;

use self::change::{existing, no_token, tagged, whole};
use super::change_context::ChangeContext;
use super::store_thread::StoreThread;
use super::{Manager, clamp};
use crate::api::etag::{Put, Tagged};
use crate::api::identity::view::{Identity, MadeToken};
use crate::api::identity::{Day, IdentityName, NewIdentity, NewToken, PutIdentity, Rotation};
use crate::api::problem::Code;
use crate::api::{Actor, Change, Condition, Page, PageRequest, Problems};
use crate::control::identity::identities::Identities;
use crate::control::identity::secret::Secret;
use crate::control::page::{self, Filling, List};
use crate::control::store::identities;

/// Identities and their tokens.
impl Manager {
    /// The tokens that let somebody in, for the one who lets in.
    #[must_use]
    pub fn known_identities(&self) -> &Identities {
        &self.identities
    }

    /// In the order of their names.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub async fn identities(&self, page: PageRequest) -> Result<Page<Identity>, Problems> {
        self.read(move |reader| {
            let after: Option<String> = page::read(List::Identities, page.cursor.as_deref())?;
            let mut page = Filling::new(clamp(page.limit));
            let more = page.asks_for();
            identities::list(reader.connection, &after.unwrap_or_default(), more, |row| {
                Ok::<_, Problems>(page.take(whole(reader.connection, row)?))
            })?;
            Ok(page.page(|last| page::write(List::Identities, &last.name)))
        })
        .await
    }

    /// One of them.
    ///
    /// # Errors
    /// `identity-not-found`.
    pub async fn identity(&self, name: &IdentityName) -> Result<Tagged<Identity>, Problems> {
        let name = name.clone();
        self.read(move |reader| tagged(reader.connection, &name)).await
    }

    /// Makes one.
    ///
    /// # Errors
    /// `fields-invalid`, `identity-exists`, `identities-full`.
    pub async fn create_identity(&self, actor: &Actor, new: NewIdentity) -> Result<Tagged<Identity>, Problems> {
        let (name, grant) = new.check()?;
        let change = Change::CreateIdentity { identity: name.clone(), grant };
        self.apply_one(actor, change, Condition::Always, move |context, _| tagged(context.connection, &name)).await
    }

    /// Changes one's roles, scope and description, or makes one.
    ///
    /// # Errors
    /// `fields-invalid`, `condition-failed`, `identities-full`.
    pub async fn put_identity(
        &self,
        actor: &Actor,
        name: IdentityName,
        new: PutIdentity,
        condition: Condition,
    ) -> Result<Put<Identity>, Problems> {
        let change = Change::PutIdentity { identity: name.clone(), grant: new.check()? };
        self.apply_one(actor, change, condition, move |context, made| {
            let Tagged { value, etag } = tagged(context.connection, &name)?;
            Ok(Put { value, etag, is_new: made.is_new })
        })
        .await
    }

    /// Revokes one with all of its tokens. Nothing happens if there is none.
    ///
    /// # Errors
    /// `condition-failed`.
    pub async fn revoke_identity(
        &self,
        actor: &Actor,
        name: &IdentityName,
        condition: Condition,
    ) -> Result<(), Problems> {
        let change = Change::RevokeIdentity { identity: name.clone() };
        self.apply_one(actor, change, condition, |_, _| Ok(())).await
    }

    /// Gives one a token. Its secret is in this answer and nowhere else.
    ///
    /// # Errors
    /// `fields-invalid`, `identity-not-found`, `identities-full`.
    pub async fn create_token(&self, actor: &Actor, name: &IdentityName, new: NewToken) -> Result<MadeToken, Problems> {
        let secret = Secret::random().map_err(|error| no_secret(&error))?;
        let (identity, digest) = (name.clone(), secret.digest());
        let change = Change::CreateToken { identity, digest, terms: new.check(Timestamp::now())? };
        self.made_token(actor, name, change, secret).await
    }

    /// Gives one a token in place of another, which ends a little later.
    ///
    /// # Errors
    /// As [`create_token`](Self::create_token), and `token-not-found`.
    pub async fn rotate_token(
        &self,
        actor: &Actor,
        name: &IdentityName,
        token: u64,
        rotation: Rotation,
    ) -> Result<MadeToken, Problems> {
        let secret = Secret::random().map_err(|error| no_secret(&error))?;
        let (until, expires_at) = rotation.check(Timestamp::now())?;
        let (identity, digest) = (name.clone(), secret.digest());
        let change = Change::RotateToken { identity, token, until, digest, expires_at };
        self.made_token(actor, name, change, secret).await
    }

    /// Makes a change that makes a token, which is then the newest of its identity.
    async fn made_token(
        &self,
        actor: &Actor,
        name: &IdentityName,
        change: Change,
        secret: Secret,
    ) -> Result<MadeToken, Problems> {
        let name = name.clone();
        let show = move |context: &ChangeContext<'_>, _: &_| {
            let row = existing(context.connection, &name)?;
            let newest = identities::tokens(context.connection, row.id)?.pop();
            newest.ok_or_else(|| no_token(&name, 0))
        };
        let token = self.apply_one(actor, change, Condition::Always, show).await?;
        Ok(MadeToken { token, secret: secret.into_text() })
    }

    /// Revokes a token: it is refused once this is answered. Nothing happens if there is none.
    ///
    /// # Errors
    /// `identity-not-found`.
    pub async fn revoke_token(&self, actor: &Actor, name: &IdentityName, token: u64) -> Result<(), Problems> {
        let change = Change::RevokeToken { identity: name.clone(), token };
        self.apply_one(actor, change, Condition::Always, |_, _| Ok(())).await
    }

    /// Has the store note the day of a token's last use, some time. Never waits.
    pub fn note_use(&self, token: u64, day: Day) {
        // A store that has too much to do, or takes no changes, goes without the note.
        let _ = self.jobs.try_send(Box::new(move |thread: &mut StoreThread| thread.note_use(token, day)));
    }
}

fn no_secret(error: &io::Error) -> Problems {
    Problems::new(Code::STORE_UNAVAILABLE, format!("The host has no random numbers for a secret: {error}."))
}

impl StoreThread {
    /// Notes the day of a token's last use. A store that takes no changes goes without.
    fn note_use(&mut self, token: u64, day: Day) {
        let Ok(store) = &mut self.store else { return };
        let noted = store.transaction().and_then(|transaction| {
            identities::note_use(&transaction, token, day)?;
            Ok(transaction.commit()?)
        });
        match noted {
            Ok(()) => store.committed(),
            Err(error) => tracing::debug!(%error, token, "the use of a token is not noted"),
        }
    }
}
