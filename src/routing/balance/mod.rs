//! Balancing: which endpoint of a route a handshake tries first, and which next.
//!
//! In: the endpoints' [`health`], the shard's turn, and the time in milliseconds of the shards' clock. Out: an index. The
//! [`budget`] says whether a further try is affordable. Nothing here reads a clock, and nothing is sent: active checks and
//! other ways to balance go in here.
//!
//! The rule: endpoints are taken in turn. One that failed goes last for a while, which grows; when the while is over, one
//! connection tries it before the others do. A handshake never tries an endpoint twice.

pub mod budget;
pub mod health;

use self::health::EndpointHealth;

/// The most endpoints of a route that one handshake tells apart.
const MAX_ENDPOINTS: usize = 64;

/// The endpoints of one handshake's route: which of them it has tried.
///
/// Call order: [`next`](Self::next) until it returns `None`, or until a try succeeds. [`untried`](Self::untried) may be
/// called at any time.
#[derive(Clone, Debug, Default)]
pub struct Tries {
    count: usize,
    /// The index of the endpoint whose turn it is; the others follow in their order.
    turn: usize,
    /// The endpoints that `next` has returned, a bit each.
    tried: u64,
}

impl Tries {
    /// The tries of a handshake with a route of so many endpoints.
    #[must_use]
    pub fn new(count: usize, turn: usize) -> Self {
        Self { count: count.min(MAX_ENDPOINTS), turn, tried: 0 }
    }

    /// The index of the endpoint to try now. `health` gives the health of each endpoint.
    ///
    /// The first try goes to the endpoint whose turn it is, unless that one failed and its pause is not over. A further try
    /// prefers endpoints that work, because its client has waited already. Endpoints that failed come last, in turn.
    pub fn next<'a>(&mut self, health: impl Fn(usize) -> Option<&'a EndpointHealth>, now_ms: u64) -> Option<usize> {
        let is_first = self.tried == 0;
        let works = |index: &usize| health(*index).is_some_and(EndpointHealth::works);
        let may_try = |index: &usize| health(*index).is_some_and(|health| health.claim_try(now_ms));
        let chosen = if is_first {
            self.untried().find(|index| works(index) || may_try(index))
        } else {
            self.untried().find(works).or_else(|| self.untried().find(may_try))
        };
        let chosen = chosen.or_else(|| self.untried().next())?;
        self.tried |= bit(chosen);
        Some(chosen)
    }

    /// The endpoints that have not been tried, in turn.
    pub fn untried(&self) -> impl Iterator<Item = usize> + use<> {
        let Self { count, turn, tried } = *self;
        let in_turn = (0..count).filter_map(move |ahead| turn.saturating_add(ahead).checked_rem(count));
        in_turn.filter(move |index| tried & bit(*index) == 0)
    }
}

fn bit(index: usize) -> u64 {
    u32::try_from(index).ok().and_then(|index| 1_u64.checked_shl(index)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
