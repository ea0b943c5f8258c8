//! Changes of identities and tokens, inside their transaction, each with its entry of the audit.

use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::api::etag::Tagged;
use crate::api::identity::token::{MAX_IDENTITIES, MAX_TOKENS};
use crate::api::identity::view::{Identity, Token};
use crate::api::identity::{Grant, IdentityName, TokenDigest, TokenTerms};
use crate::api::problem::Code;
use crate::api::{Action, Condition, Problems, moment, nearest};
use crate::control::manage::change_context::{ChangeContext, MAX_HINTS, check};
use crate::control::store::audit::NewEntry;
use crate::control::store::identities::{self, IdentityRow};

/// Creates an identity.
pub(in crate::control::manage) fn create(
    context: &mut ChangeContext<'_>,
    name: &IdentityName,
    grant: &Grant,
) -> Result<(), Problems> {
    if identities::find(context.connection, name)?.is_some() {
        let detail = format!("There is an identity {name} already: choose another name, or change that one's roles.");
        return Err(Problems::new(Code::IDENTITY_EXISTS, detail));
    }
    put(context, name, grant, &Condition::Always).map(drop)
}

/// Has an identity be allowed what is granted. True if it was not there.
pub(in crate::control::manage) fn put(
    context: &mut ChangeContext<'_>,
    name: &IdentityName,
    grant: &Grant,
    condition: &Condition,
) -> Result<bool, Problems> {
    let before = identities::find(context.connection, name)?;
    check(condition, before.as_ref().map(IdentityRow::etag), format!("Identity {name}"))?;
    let Some(row) = before else {
        if identities::count(context.connection)? >= MAX_IDENTITIES {
            let detail = format!("There are {MAX_IDENTITIES} identities already: revoke one that nobody uses.");
            return Err(Problems::new(Code::IDENTITIES_FULL, detail));
        }
        identities::insert(context.connection, name, grant, context.now, context.actor)?;
        record(context, Action::IdentityCreate, name.to_string(), None, Some(audited(grant)))?;
        return Ok(true);
    };
    let was = row.grant();
    if was != *grant {
        identities::update(context.connection, row.id, grant, context.now, context.actor)?;
        context.concerns_identities = true;
        record(context, Action::IdentityUpdate, name.to_string(), Some(audited(&was)), Some(audited(grant)))?;
    }
    Ok(false)
}

/// Deletes an identity with its tokens.
pub(in crate::control::manage) fn revoke(
    context: &mut ChangeContext<'_>,
    name: &IdentityName,
    condition: &Condition,
) -> Result<(), Problems> {
    let before = identities::find(context.connection, name)?;
    check(condition, before.as_ref().map(IdentityRow::etag), format!("Identity {name}"))?;
    let Some(row) = before else { return Ok(()) };
    let mut was = audited(&row.grant());
    let tokens = identities::tokens(context.connection, row.id)?;
    if let Some(was) = was.as_object_mut() {
        was.insert("tokens".to_owned(), tokens.iter().map(audited_token).collect());
    }
    identities::delete(context.connection, row.id)?;
    context.concerns_identities = true;
    record(context, Action::IdentityRevoke, name.to_string(), Some(was), None)
}

/// Gives an identity a token.
pub(in crate::control::manage) fn create_token(
    context: &mut ChangeContext<'_>,
    name: &IdentityName,
    digest: &TokenDigest,
    terms: &TokenTerms,
) -> Result<(), Problems> {
    let row = existing(context.connection, name)?;
    let token = insert_token(context, &row, digest, terms)?;
    record(context, Action::TokenCreate, subject(name, token.id), None, Some(audited_token(&token)))
}

/// Gives an identity a token in place of another.
pub(in crate::control::manage) fn rotate_token(
    context: &mut ChangeContext<'_>,
    name: &IdentityName,
    old: u64,
    until: Timestamp,
    (digest, expires_at): (&TokenDigest, Option<Timestamp>),
) -> Result<(), Problems> {
    let row = existing(context.connection, name)?;
    let Some(before) = token(context.connection, &row, old)? else { return Err(no_token(name, old)) };
    let terms = TokenTerms { description: before.description.clone(), expires_at };
    let new = insert_token(context, &row, digest, &terms)?;
    // A rotation never lengthens a token's life.
    let until = before.expires_at.map_or(until, |end| end.min(until));
    identities::set_expiry(context.connection, old, until)?;
    let after = json!({ "replaced": old, "replaced_expires_at": moment::shown(until), "token": audited_token(&new) });
    record(context, Action::TokenRotate, subject(name, new.id), Some(audited_token(&before)), Some(after))
}

/// Deletes a token.
pub(in crate::control::manage) fn revoke_token(
    context: &mut ChangeContext<'_>,
    name: &IdentityName,
    id: u64,
) -> Result<(), Problems> {
    let row = existing(context.connection, name)?;
    let Some(before) = token(context.connection, &row, id)? else { return Ok(()) };
    identities::delete_token(context.connection, id)?;
    context.concerns_identities = true;
    record(context, Action::TokenRevoke, subject(name, id), Some(audited_token(&before)), None)
}

fn insert_token(
    context: &mut ChangeContext<'_>,
    row: &IdentityRow,
    digest: &TokenDigest,
    terms: &TokenTerms,
) -> Result<Token, Problems> {
    let name = &row.identity.name;
    if identities::tokens(context.connection, row.id)?.len() >= MAX_TOKENS {
        let detail =
            format!("{name} has {MAX_TOKENS} tokens already: revoke one that nobody uses, or that has expired.");
        return Err(Problems::new(Code::IDENTITIES_FULL, detail));
    }
    let id = identities::insert_token(context.connection, row.id, digest, terms, context.now, context.actor)?;
    context.concerns_identities = true;
    token(context.connection, row, id)?.ok_or_else(|| no_token(name, id))
}

/// A token of this very identity.
fn token(connection: &Connection, row: &IdentityRow, id: u64) -> Result<Option<Token>, Problems> {
    Ok(identities::tokens(connection, row.id)?.into_iter().find(|token| token.id == id))
}

pub(super) fn existing(connection: &Connection, name: &IdentityName) -> Result<IdentityRow, Problems> {
    identities::find(connection, name)?.ok_or_else(|| no_identity(connection, name))
}

pub(super) fn tagged(connection: &Connection, name: &IdentityName) -> Result<Tagged<Identity>, Problems> {
    let row = existing(connection, name)?;
    let etag = row.etag();
    Ok(Tagged { value: whole(connection, row)?, etag })
}

/// An identity with its tokens.
pub(super) fn whole(connection: &Connection, row: IdentityRow) -> Result<Identity, Problems> {
    let tokens = identities::tokens(connection, row.id)?;
    Ok(Identity { tokens, ..row.identity })
}

fn subject(name: &IdentityName, token: u64) -> String {
    format!("{name} token {token}")
}

/// The roles, scope and description of an identity, as the audit keeps them.
fn audited(grant: &Grant) -> Value {
    let Grant { roles, description, room_scope } = grant;
    json!({ "roles": roles, "description": description, "room_scope": room_scope })
}

/// A token, as the audit keeps it: neither its secret nor its digest.
fn audited_token(token: &Token) -> Value {
    let Token { id, description, expires_at, .. } = token;
    json!({ "token": id, "description": description, "expires_at": expires_at.map(moment::shown) })
}

fn record(
    context: &ChangeContext<'_>,
    action: Action,
    subject: String,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<(), Problems> {
    context.record(&NewEntry { action, subject, api: None, before, after })
}

fn no_identity(connection: &Connection, name: &IdentityName) -> Problems {
    let mut names: Vec<String> = Vec::new();
    let take = |row: IdentityRow| {
        names.push(row.identity.name.into());
        Ok::<_, rusqlite::Error>(ControlFlow::Continue(()))
    };
    // The hint is worth no more than these, and no failure.
    let _ = identities::list(connection, "", MAX_HINTS, take);
    let meant = nearest(name.as_str(), names.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("did you mean {meant}?"));
    let advice = meant.unwrap_or_else(|| "see the list of identities for those that there are.".to_owned());
    Problems::new(Code::IDENTITY_NOT_FOUND, format!("There is no identity {name}: {advice}"))
}

pub(super) fn no_token(name: &IdentityName, token: u64) -> Problems {
    Problems::new(Code::TOKEN_NOT_FOUND, format!("{name} has no token {token}: it may have been revoked."))
}
