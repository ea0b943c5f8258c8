//! Rows of identities and of their tokens.

use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params};

use super::sql::{self, Json, Number, Time};
use crate::api::identity::view::{Identity, Token};
use crate::api::identity::{Day, Grant, IdentityName, Roles, RoomScope, TokenDigest, TokenTerms};
use crate::api::{Actor, ETag};

/// An identity, and its state.
#[derive(Clone, Debug)]
pub(crate) struct IdentityRow {
    pub(crate) id: u64,
    /// The identity; its tokens are read apart.
    pub(crate) identity: Identity,
    generation: u64,
}

impl IdentityRow {
    pub(crate) fn etag(&self) -> ETag {
        ETag { id: self.id, generation: self.generation }
    }

    /// The roles, scope and description.
    pub(crate) fn grant(&self) -> Grant {
        let Identity { roles, description, room_scope, .. } = self.identity.clone();
        Grant { roles, description, room_scope }
    }
}

/// A token that lets somebody in.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) token: u64,
    pub(crate) digest: TokenDigest,
    pub(crate) identity: IdentityName,
    pub(crate) roles: Roles,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used: Option<Day>,
}

impl ToSql for TokenDigest {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_slice()))
    }
}

impl FromSql for TokenDigest {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        let fixed =
            bytes.try_into().map_err(|_| FromSqlError::InvalidBlobSize { expected_size: 32, blob_size: bytes.len() });
        fixed.map(Self)
    }
}

impl ToSql for Day {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0))
    }
}

impl FromSql for Day {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<IdentityRow> {
    let number = |column| row.get::<_, Number>(column).map(|Number(number)| number);
    let time = |column| row.get::<_, Time>(column).map(|Time(time)| time);
    let Json(roles) = row.get("roles")?;
    let room_scope: Option<Json<RoomScope>> = row.get("room_scope")?;
    Ok(IdentityRow {
        id: number("id")?,
        generation: number("generation")?,
        identity: Identity {
            name: row.get("name")?,
            roles,
            description: row.get("description")?,
            room_scope: room_scope.map(|Json(scope)| scope),
            tokens: Vec::new(),
            created_at: time("created_at")?,
            created_by: row.get("created_by")?,
            updated_at: time("updated_at")?,
            updated_by: row.get("updated_by")?,
        },
    })
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<Token> {
    let (Number(id), Time(created_at)) = (row.get("id")?, row.get("created_at")?);
    let expires_at: Option<Time> = row.get("expires_at")?;
    Ok(Token {
        id,
        description: row.get("description")?,
        created_at,
        created_by: row.get("created_by")?,
        expires_at: expires_at.map(|Time(at)| at),
        last_used: row.get::<_, Option<Day>>("last_used")?.map(|day| day.to_string()),
    })
}

pub(crate) fn find(connection: &Connection, name: &IdentityName) -> rusqlite::Result<Option<IdentityRow>> {
    sql::first(connection, "SELECT * FROM identities WHERE name = ?1", [name], read)
}

/// Reads identities after `after`, in the order of their names, until `take` has enough.
pub(crate) fn list<E: From<rusqlite::Error>>(
    connection: &Connection,
    after: &str,
    limit: u64,
    take: impl FnMut(IdentityRow) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let select = "SELECT * FROM identities WHERE name > ?1 ORDER BY name LIMIT ?2";
    sql::walk(connection, select, params![after, Number(limit)], read, take)
}

/// The number of identities.
pub(crate) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    let counted = sql::first(connection, "SELECT count(*) AS n FROM identities", [], |row| row.get::<_, Number>("n"))?;
    Ok(counted.map_or(0, |Number(number)| number))
}

pub(crate) fn insert(
    connection: &Connection,
    name: &IdentityName,
    grant: &Grant,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO identities
        (name, description, roles, room_scope, generation, created_at, created_by, updated_at, updated_by)
        VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?5, ?6)";
    let (roles, scope) = (Json(grant.roles), grant.room_scope.as_ref().map(Json));
    sql::execute(connection, insert, params![name, grant.description, roles, scope, Time(now), actor.to_string()])
}

pub(crate) fn update(
    connection: &Connection,
    id: u64,
    grant: &Grant,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<()> {
    let update = "UPDATE identities SET description = ?2, roles = ?3, room_scope = ?4, generation = generation + 1,
        updated_at = ?5, updated_by = ?6 WHERE id = ?1";
    let (roles, scope) = (Json(grant.roles), grant.room_scope.as_ref().map(Json));
    let values = params![Number(id), grant.description, roles, scope, Time(now), actor.to_string()];
    sql::execute(connection, update, values)
}

/// Deletes an identity and its tokens.
pub(crate) fn delete(connection: &Connection, id: u64) -> rusqlite::Result<()> {
    sql::execute(connection, "DELETE FROM identities WHERE id = ?1", [Number(id)])
}

/// The tokens of an identity, the oldest first.
pub(crate) fn tokens(connection: &Connection, identity: u64) -> rusqlite::Result<Vec<Token>> {
    let select = "SELECT * FROM tokens WHERE identity = ?1 ORDER BY id";
    sql::all(connection, select, [Number(identity)], read_token)
}

/// Adds a token. Returns its number.
pub(crate) fn insert_token(
    connection: &Connection,
    identity: u64,
    digest: &TokenDigest,
    terms: &TokenTerms,
    now: Timestamp,
    actor: &Actor,
) -> rusqlite::Result<u64> {
    let insert = "INSERT INTO tokens (identity, digest, description, created_at, created_by, expires_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (expires_at, by) = (terms.expires_at.map(Time), actor.to_string());
    let values = params![Number(identity), digest, terms.description, Time(now), by, expires_at];
    sql::execute(connection, insert, values)?;
    Ok(u64::try_from(connection.last_insert_rowid()).unwrap_or_default())
}

/// Has a token end at a time.
pub(crate) fn set_expiry(connection: &Connection, token: u64, at: Timestamp) -> rusqlite::Result<()> {
    sql::execute(connection, "UPDATE tokens SET expires_at = ?2 WHERE id = ?1", params![Number(token), Time(at)])
}

pub(crate) fn delete_token(connection: &Connection, token: u64) -> rusqlite::Result<()> {
    sql::execute(connection, "DELETE FROM tokens WHERE id = ?1", [Number(token)])
}

/// Notes the day on which a token was used last.
pub(crate) fn note_use(connection: &Connection, token: u64, day: Day) -> rusqlite::Result<()> {
    sql::execute(connection, "UPDATE tokens SET last_used = ?2 WHERE id = ?1", params![Number(token), day])
}

/// Every token of every identity.
pub(crate) fn credentials(connection: &Connection) -> rusqlite::Result<Vec<Credential>> {
    let select = "SELECT tokens.id AS token, digest, name, roles, expires_at, last_used
        FROM tokens JOIN identities ON identities.id = tokens.identity";
    sql::all(connection, select, [], |row| {
        let (Number(token), Json(roles)) = (row.get("token")?, row.get("roles")?);
        let expires_at: Option<Time> = row.get("expires_at")?;
        Ok(Credential {
            token,
            digest: row.get("digest")?,
            identity: row.get("name")?,
            roles,
            expires_at: expires_at.map(|Time(at)| at),
            last_used: row.get("last_used")?,
        })
    })
}
