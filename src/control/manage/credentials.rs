//! The tokens of the store, as those who let callers in know them.

use crate::api::Actor;
use crate::control::identity::identities::Entry;
use crate::control::store::identities::Credential;

/// The tokens of the store, for [`Identities::replace`](crate::control::identity::identities::Identities::replace).
pub(super) fn entries(credentials: Vec<Credential>) -> impl Iterator<Item = Entry> {
    credentials.into_iter().map(|Credential { token, digest, identity, roles, expires_at, last_used }| {
        Entry::new(token, digest, Actor::identity(&identity, roles, token), expires_at, last_used)
    })
}
