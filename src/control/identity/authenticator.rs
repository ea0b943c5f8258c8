//! Decides who a caller is by the credential that a request shows.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::failed_logins::{FailedLogins, Failure};
use super::identities::{Found, Identities};
use super::secret::digest_of;
use crate::api::Actor;
use crate::api::identity::Day;
use crate::api::identity::token::PREFIX;
use crate::control::identity::file_token::FileToken;

/// Decides who callers are. Clones are the same.
#[derive(Clone)]
pub struct Authenticator(Arc<Parts>);

struct Parts {
    file: FileToken,
    identities: Identities,
    failed: FailedLogins,
    on_use: Box<dyn Fn(u64, Day) + Send + Sync>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator(..)")
    }
}

/// The reason why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// There is no credential.
    Missing,
    /// The credential is none of this node's, or was revoked.
    Wrong,
    /// The token has expired.
    Expired,
    /// The address has shown too many wrong tokens, and is refused for this long.
    Limited(Duration),
    /// The store cannot be used, so that nobody knows the tokens of identities.
    Unavailable,
}

impl Authenticator {
    /// Takes the token of the file, the tokens of identities, and the count of failures. `on_use` is told of the first use of
    /// a token on each day, and must not wait.
    #[must_use]
    pub fn new(
        file: FileToken,
        identities: Identities,
        failed: FailedLogins,
        on_use: impl Fn(u64, Day) + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Parts { file, identities, failed, on_use: Box::new(on_use) }))
    }

    /// Decides who a caller is. Counts nothing: see [`reject`](Self::reject).
    ///
    /// # Errors
    /// See [`Rejection`]; never [`Rejection::Limited`].
    pub fn authenticate(&self, credential: Option<&str>, now: Timestamp) -> Result<Actor, Rejection> {
        let credential = credential.ok_or(Rejection::Missing)?;
        let Parts { file, identities, on_use, .. } = &*self.0;
        if file.is(credential) {
            return Ok(Actor::token_file());
        }
        if !credential.starts_with(PREFIX) {
            return Err(Rejection::Wrong);
        }
        match identities.find(&digest_of(credential)) {
            Found::Token(entry) if entry.is_expired(now) => Err(Rejection::Expired),
            Found::Token(entry) => {
                let today = Day::of(now);
                if entry.is_first_use(today) {
                    on_use(entry.token, today);
                }
                Ok(entry.actor.clone())
            }
            Found::Nothing => Err(Rejection::Wrong),
            Found::Unavailable => Err(Rejection::Unavailable),
        }
    }

    /// Counts a rejection, and limits the address that causes too many.
    #[must_use]
    pub fn reject(&self, rejection: Rejection, from: Option<IpAddr>) -> Rejection {
        let failure = match rejection {
            Rejection::Missing => Failure::Missing,
            Rejection::Wrong => Failure::Wrong,
            Rejection::Expired => Failure::Expired,
            Rejection::Limited(_) | Rejection::Unavailable => return rejection,
        };
        let wait = self.0.failed.count(failure, from, Instant::now());
        wait.map_or(rejection, Rejection::Limited)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use jiff::{SignedDuration, Timestamp};

    use super::{Authenticator, Rejection};
    use crate::api::Actor;
    use crate::api::identity::Role;
    use crate::control::identity::failed_logins::{FailedLogins, MAX_FAILURES};
    use crate::control::identity::file_token::FileToken;
    use crate::control::identity::identities::{Entry, Identities};
    use crate::control::identity::secret::Secret;

    struct Fixture {
        authenticator: Authenticator,
        identities: Identities,
        noted: Arc<AtomicU64>,
        file: String,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = FileToken::of_state(folder.path()).unwrap();
            let (identities, noted) = (Identities::default(), Arc::new(AtomicU64::new(0)));
            let (secret, notes) = (file.secret().to_owned(), Arc::clone(&noted));
            let note = move |_, _| {
                notes.fetch_add(1, Ordering::Relaxed);
            };
            let authenticator = Authenticator::new(file, identities.clone(), FailedLogins::default(), note);
            Self { authenticator, identities, noted, file: secret }
        }

        fn shows(&self, credential: &str) -> Result<String, Rejection> {
            self.shows_at(credential, Timestamp::now())
        }

        fn shows_at(&self, credential: &str, now: Timestamp) -> Result<String, Rejection> {
            let actor = self.authenticator.authenticate(Some(credential), now)?;
            Ok(format!("{actor} by {}", actor.authentication()))
        }
    }

    fn entry(secret: &Secret, expires_at: Option<Timestamp>) -> Entry {
        let actor = Actor::identity(&"ci".parse().unwrap(), Role::Viewer.into(), 7);
        Entry::new(7, secret.digest(), actor, expires_at, None)
    }

    #[test]
    fn a_caller_is_who_the_token_belongs_to() {
        let node = Fixture::new();
        let (known, revoked) = (Secret::random().unwrap(), Secret::random().unwrap());
        node.identities.replace([entry(&known, None)]);
        let known = known.into_text();
        assert_eq!(node.shows(&node.file).as_deref(), Ok("admin by token-file"));
        assert_eq!(node.shows(&known).as_deref(), Ok("ci by token 7"));
        assert_eq!(node.authenticator.authenticate(None, Timestamp::now()), Err(Rejection::Missing));
        let cut = &known[..known.len() - 1];
        for wrong in ["", "rwa_", &revoked.into_text(), cut, &format!("{known}x"), &known.to_uppercase()] {
            assert_eq!(node.shows(wrong), Err(Rejection::Wrong), "{wrong}");
        }
        node.identities.replace([]);
        assert_eq!(node.shows(&known), Err(Rejection::Wrong), "revoked at once");
    }

    #[test]
    fn a_token_is_refused_from_its_expiry_on_and_its_use_is_noted_once_a_day() {
        let node = Fixture::new();
        let (secret, now) = (Secret::random().unwrap(), Timestamp::now());
        node.identities.replace([entry(&secret, Some(now + SignedDuration::from_hours(72)))]);
        let text = secret.into_text();
        for hours in [0, 0, 24] {
            assert!(node.shows_at(&text, now + SignedDuration::from_hours(hours)).is_ok());
        }
        assert_eq!(node.noted.load(Ordering::Relaxed), 2);
        assert_eq!(node.shows_at(&text, now + SignedDuration::from_hours(72)), Err(Rejection::Expired));
    }

    #[test]
    fn without_a_store_the_file_alone_lets_in() {
        let node = Fixture::new();
        let secret = Secret::random().unwrap().into_text();
        assert_eq!(node.shows(&secret), Err(Rejection::Unavailable));
        assert_eq!(node.shows("something-else"), Err(Rejection::Wrong));
        assert!(node.shows(&node.file).is_ok());
    }

    #[test]
    fn failures_of_others_lock_nobody_out() {
        let node = Fixture::new();
        let from = Some("127.0.0.1".parse().unwrap());
        for _ in 0..MAX_FAILURES {
            assert_eq!(node.authenticator.reject(Rejection::Wrong, from), Rejection::Wrong);
        }
        assert!(matches!(node.authenticator.reject(Rejection::Wrong, from), Rejection::Limited(_)));
        assert!(node.shows(&node.file).is_ok());
        assert_eq!(node.authenticator.reject(Rejection::Unavailable, from), Rejection::Unavailable);
    }
}
