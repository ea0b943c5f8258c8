//! The tokens of all identities in memory, as the store has them. The store's thread replaces the whole with every change.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use jiff::Timestamp;

use crate::api::Actor;
use crate::api::identity::{Day, TokenDigest};

/// The day of a token that was never used.
const NEVER: i64 = i64::MIN;

/// The tokens that let somebody in. Clones are the same.
#[derive(Clone, Debug)]
pub struct Identities(Arc<ArcSwap<Known>>);

/// The tokens, or that nobody knows them.
#[derive(Debug)]
enum Known {
    /// The store cannot be used: any token may be valid or revoked.
    Unavailable,
    /// Tokens by the first bytes of their digests.
    Tokens(HashMap<[u8; 8], Vec<Arc<Entry>>>),
}

/// One token.
pub struct Entry {
    /// The token's number.
    pub token: u64,
    /// The digest of its secret.
    pub digest: TokenDigest,
    /// The identity.
    pub actor: Actor,
    /// The time from which on the token is refused.
    pub expires_at: Option<Timestamp>,
    used: AtomicI64,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("token", &self.token).field("actor", &self.actor).finish_non_exhaustive()
    }
}

impl Entry {
    /// A token that was last used on a day, or never.
    #[must_use]
    pub fn new(
        token: u64,
        digest: TokenDigest,
        actor: Actor,
        expires_at: Option<Timestamp>,
        last_used: Option<Day>,
    ) -> Self {
        Self { token, digest, actor, expires_at, used: AtomicI64::new(last_used.map_or(NEVER, |Day(day)| day)) }
    }

    /// Notes a use. True for the first one of its day.
    pub(super) fn is_first_use(&self, Day(today): Day) -> bool {
        self.used.swap(today, Ordering::Relaxed) != today
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// The result of a look-up.
#[derive(Debug)]
pub(super) enum Found {
    Token(Arc<Entry>),
    Nothing,
    Unavailable,
}

impl Default for Identities {
    fn default() -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Known::Unavailable)))
    }
}

impl Identities {
    /// Makes these the tokens that let somebody in.
    pub fn replace(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut tokens: HashMap<[u8; 8], Vec<Arc<Entry>>> = HashMap::new();
        for entry in entries {
            tokens.entry(place(&entry.digest)).or_default().push(Arc::new(entry));
        }
        self.0.store(Arc::new(Known::Tokens(tokens)));
    }

    /// The token with a digest. The time that this takes tells nothing but which first bytes of digests there are: a digest
    /// is compared in constant time.
    pub(super) fn find(&self, digest: &TokenDigest) -> Found {
        let known = self.0.load();
        let Known::Tokens(tokens) = &**known else { return Found::Unavailable };
        let is_it = |entry: &&Arc<Entry>| verify_slices_are_equal(&entry.digest.0, &digest.0).is_ok();
        match tokens.get(&place(digest)).and_then(|entries| entries.iter().find(is_it)) {
            Some(entry) => Found::Token(Arc::clone(entry)),
            None => Found::Nothing,
        }
    }
}

/// The place of a digest in the table.
fn place(TokenDigest(bytes): &TokenDigest) -> [u8; 8] {
    bytes.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Entry, Found, Identities};
    use crate::api::Actor;
    use crate::api::identity::{Day, Role, TokenDigest};

    fn entry(token: u64, digest: TokenDigest) -> Entry {
        Entry::new(token, digest, Actor::identity(&"ci".parse().unwrap(), Role::Viewer.into(), token), None, None)
    }

    #[test]
    fn a_token_is_found_by_all_of_its_digest() {
        let identities = Identities::default();
        let digest = TokenDigest([7; 32]);
        assert!(matches!(identities.find(&digest), Found::Unavailable));
        let mut other = digest;
        other.0[31] = 8;
        identities.replace([entry(1, digest), entry(2, other)]);
        for (digest, token) in [(digest, 1), (other, 2)] {
            assert!(matches!(identities.find(&digest), Found::Token(entry) if entry.token == token));
        }
        other.0[31] = 9;
        assert!(matches!(identities.find(&other), Found::Nothing));
        identities.replace([]);
        assert!(matches!(identities.find(&digest), Found::Nothing));
    }

    #[test]
    fn a_use_is_noted_once_a_day() {
        let entry = entry(1, TokenDigest([7; 32]));
        let noted = [Day(7), Day(7), Day(8), Day(8)].map(|day| entry.is_first_use(day));
        assert_eq!(noted, [true, false, true, false]);
    }
}
