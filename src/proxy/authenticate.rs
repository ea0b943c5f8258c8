//! Finds the party that sent a request, by the rules of its route: the holder of a key, or of a client certificate. Then takes
//! the key out of the request.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::context::Context;
use super::entry_fault::EntryFault;
use super::handoff::{Authenticated, NotTaken};
use crate::engine::Transport;
use crate::proto::credential::{self, Credential, Misuse};
use crate::proto::refusal::Refusal;
use crate::proto::request::Request;
use crate::routing::consumers::{Consumer, FoundKey, KeyHash, KeyHolder, KeyTable, UnixSeconds};
use crate::routing::entry::{Authentication, EntryRules, KeyRules};

/// The client, as its connection shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client<'a> {
    pub(super) address: IpAddr,
    /// The subject of its verified certificate.
    pub(super) certificate: Option<&'a str>,
}

/// The parts of a request that change if its key is taken out.
#[derive(Debug)]
pub(super) struct Forwarded<'r> {
    /// The path and query after the base path.
    pub(super) rest: Cow<'r, str>,
    /// The subprotocol that the client is answered if the upstream chooses none.
    pub(super) fallback_protocol: Option<&'static str>,
}

/// Finds the party that sent a request; `None` if the route asks for nobody.
///
/// # Errors
/// The refusal for the client, and why.
pub(super) fn authenticate<T: Transport>(
    rules: &EntryRules,
    request: &Request<'_>,
    client: Client<'_>,
    cx: &Context<'_, T>,
) -> Result<Option<Authenticated>, NotTaken> {
    match &rules.authentication {
        Authentication::None => Ok(None),
        Authentication::Certificate => {
            let subject = client.certificate.ok_or(Refusal::CERTIFICATE_REQUIRED)?;
            let consumer = Arc::new(Consumer::Certificate(subject.into()));
            Ok(Some(Authenticated { consumer, expires_at: None }))
        }
        Authentication::Key(rules) => {
            // Without the keys nobody is a stranger, and nobody is known.
            let keys = cx.config.keys.as_deref().ok_or(Refusal::POLICY_UNAVAILABLE)?;
            let found = credential::find(request, &rules.places).map_err(|misuse| match misuse {
                Misuse::Several(places) => because(Refusal::CREDENTIAL_MULTIPLE, EntryFault::Several(places)),
                Misuse::InQuery => Refusal::CREDENTIAL_IN_QUERY.into(),
            })?;
            let found = key_holder(rules, &found.ok_or(Refusal::CREDENTIAL_MISSING)?, keys, cx);
            found.map(Some).map_err(|why| counted(why, client.address, cx))
        }
    }
}

fn key_holder<T: Transport>(
    rules: &KeyRules,
    credential: &Credential<'_>,
    keys: &KeyTable,
    cx: &Context<'_, T>,
) -> Result<Authenticated, NotTaken> {
    let invalid = |fault| because(Refusal::CREDENTIAL_INVALID, fault);
    let place = credential.place;
    let hash = KeyHash::of(&credential.text).ok_or_else(|| invalid(EntryFault::NoKey(place)))?;
    let FoundKey { key, application } = keys.find(&hash).ok_or_else(|| invalid(EntryFault::Unknown(place, hash)))?;
    if *key.environment != *rules.environment {
        return Err(invalid(EntryFault::OtherEnvironment(key.id, Arc::clone(&key.environment))));
    }
    let expires_at = match key.expires_at.map(|at| time_until(at, cx)) {
        None => None,
        Some(None) => return Err(invalid(EntryFault::Expired(key.id))),
        Some(Some(left)) => Some(cx.net.now().after(left)),
    };
    let subscription = application.subscription(&rules.family).ok_or_else(|| {
        let fault = EntryFault::NotSubscribed(key.id, Arc::clone(application), Arc::clone(&rules.family));
        because(Refusal::NOT_SUBSCRIBED, fault)
    })?;
    if !subscription.is_open {
        let fault = EntryFault::Closed(key.id, Arc::clone(application), Arc::clone(&subscription.plan));
        return Err(because(Refusal::NOT_SUBSCRIBED, fault));
    }
    let consumer = Arc::new(Consumer::Key(KeyHolder {
        key: key.id,
        application: Arc::clone(application),
        family: Arc::clone(&subscription.family),
        plan: Arc::clone(&subscription.plan),
    }));
    Ok(Authenticated { consumer, expires_at })
}

/// Counts an invalid key to the client's address, and refuses the address if that is one too many.
fn counted<T: Transport>(why: NotTaken, address: IpAddr, cx: &Context<'_, T>) -> NotTaken {
    let Some(max) = cx.config.settings.max_invalid_credentials else { return why };
    let is_over = why.refusal == Refusal::CREDENTIAL_INVALID
        && cx.admission.invalid_credentials().is_one_too_many(address, max, cx.net.now());
    if is_over { NotTaken { refusal: Refusal::TOO_MANY_INVALID_CREDENTIALS, ..why } } else { why }
}

/// Takes the key out of an admitted request: no upstream gets one. `rest` is the path and query after the base path.
pub(super) fn take_key_out<'r>(entry: Option<&EntryRules>, request: &mut Request<'_>, rest: &'r str) -> Forwarded<'r> {
    let Some(Authentication::Key(KeyRules { places, .. })) = entry.map(|rules| &rules.authentication) else {
        return Forwarded { rest: Cow::Borrowed(rest), fallback_protocol: None };
    };
    let without = places.query.as_deref().and_then(|name| credential::query_without(rest, name));
    Forwarded {
        rest: without.map_or(Cow::Borrowed(rest), Cow::Owned),
        fallback_protocol: credential::strip(request, places),
    }
}

/// The time from now until a moment; `None` if it has come.
fn time_until<T: Transport>(UnixSeconds(at): UnixSeconds, cx: &Context<'_, T>) -> Option<Duration> {
    let now = cx.net.wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(at).checked_sub(now).filter(|left| !left.is_zero())
}

fn because(refusal: Refusal, fault: EntryFault) -> NotTaken {
    NotTaken { fault: Some(fault), ..refusal.into() }
}
