//! Further tries of a handshake: whether another endpoint may be tried in place of one that failed, and how long one is
//! waited for. `dial` and `upgrade` ask here; nothing is sent.
//!
//! A handshake is tried again only before the client was answered. It is a GET without a body, which may be repeated
//! (RFC 9110 section 9.2.2).

use std::time::Duration;

use super::context::Context;
use super::handoff::ToUpstream;
use crate::engine::{Fault, Time, Transport};
use crate::invariant::Invariant;
use crate::routing::balance::health::FailureCause;
use crate::routing::route::Endpoint;

/// The shortest time for one address or one answer, as long as time is left: more than a round trip around the world.
const MIN_SHARE: Duration = Duration::from_millis(250);

/// The longest wait that an endpoint may ask for before its silence is held against it.
const JUDGED_AFTER: Duration = Duration::from_secs(1);

/// The way in which an address failed, as the health of its endpoint counts it.
pub(super) fn cause_of(fault: Fault) -> FailureCause {
    match fault {
        Fault::Refused => FailureCause::Refused,
        Fault::TimedOut => FailureCause::ConnectTimeout,
        Fault::NoAddress => FailureCause::NoLocalPort,
        Fault::Tls(_) => FailureCause::Tls,
        Fault::Reset => FailureCause::Closed,
        Fault::Unreachable | Fault::NoDescriptors | Fault::Other(_) => FailureCause::Unreachable,
    }
}

/// `true` if a failure for this cause, after a wait since `begun`, says something about the endpoint. A client that sends its
/// own request at the last moment leaves too little time: it must not be able to have a good endpoint passed over.
pub(super) fn is_judged(onward: &ToUpstream, cause: FailureCause, begun: Time, now: Time) -> bool {
    let timeouts = &onward.asked.route.policy.timeouts;
    let part = |whole: Duration, parts: u32| whole.checked_div(parts).unwrap_or_default();
    match cause {
        // The endpoint's host answers to a connection, and needs no time to think.
        FailureCause::ConnectTimeout => now.since(begun) >= part(timeouts.connect, 2).min(MIN_SHARE),
        FailureCause::Silent => now.since(begun) >= part(timeouts.handshake, 4).min(JUDGED_AFTER),
        _ => true,
    }
}

/// The next endpoint to try that has an address. Those without one fail on the way.
pub(super) fn next_endpoint(onward: &mut ToUpstream, now: Time) -> Option<usize> {
    let ToUpstream { asked, tries, .. } = onward;
    let endpoint = |index: usize| asked.route.endpoints.get(index);
    loop {
        let next = tries.next(|index| endpoint(index).map(|endpoint| &*endpoint.health), now.as_millis())?;
        match endpoint(next) {
            Some(endpoint) if endpoint.addresses.count() == 0 => {
                endpoint.health.failed(FailureCause::Unresolved, now.as_millis());
            }
            _ => return Some(next),
        }
    }
}

/// The endpoints that were not tried and have an address.
fn others(onward: &ToUpstream) -> impl Iterator<Item = &Endpoint> {
    let untried = onward.tries.untried().filter_map(|index| onward.asked.route.endpoints.get(index));
    untried.filter(|endpoint| endpoint.addresses.count() > 0)
}

/// `true` if there is an endpoint to try besides those that were tried.
pub(super) fn has_another(onward: &ToUpstream) -> bool {
    others(onward).next().is_some()
}

/// The number of addresses of the endpoints that were not tried.
fn addresses_ahead(onward: &ToUpstream) -> usize {
    others(onward).map(|endpoint| endpoint.addresses.count()).fold(0, usize::saturating_add)
}

/// Decides whether another endpoint is tried, and pays for it.
pub(super) fn may_try_another<T: Transport>(onward: &ToUpstream, cx: &mut Context<'_, T>) -> bool {
    let now = cx.net.now();
    let has_time = now < onward.asked.deadline && !onward.connect_left.is_zero();
    has_time && has_another(onward) && cx.routes.get_mut(cx.route).pay_for_try(now.as_millis())
}

/// Like [`may_try_another`], but gives up an answer only for an endpoint that works as far as is known: the answer may say
/// more than the failure of another endpoint would.
pub(super) fn may_give_up_answer<T: Transport>(onward: &ToUpstream, cx: &mut Context<'_, T>) -> bool {
    others(onward).any(|endpoint| endpoint.health.works()) && may_try_another(onward, cx)
}

/// When an address that is dialled now is given up, with `left` others after it in this endpoint: at the end of its share of
/// the time until `deadline`.
pub(super) fn attempt_deadline(onward: &ToUpstream, left: usize, deadline: Time, now: Time) -> Time {
    let left = left.saturating_add(addresses_ahead(onward));
    let shares = u32::try_from(left).expected_or(u32::MAX).saturating_add(1);
    match deadline.since(now).checked_div(shares) {
        Some(share) if left > 0 => now.after(share.max(MIN_SHARE)).min(deadline),
        _ => deadline,
    }
}

/// When an endpoint that is asked now is given up for another one: at half of the time that is left, so that an endpoint
/// that is slow to answer has a fair share however many others there are. The last one has all of it.
pub(super) fn answer_deadline(onward: &ToUpstream, now: Time) -> Time {
    let deadline = onward.asked.deadline;
    match deadline.since(now).checked_div(2) {
        Some(half) if has_another(onward) => now.after(half.max(MIN_SHARE)).min(deadline),
        _ => deadline,
    }
}
