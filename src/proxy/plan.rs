//! How a relayed connection is to end: which side is told what, and whose last words still count.

use super::end::{End, Side};
use crate::command::Cause;
use crate::proto::close;

/// A close frame of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Farewell {
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

/// What one side has coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The close frame it is sent; `None` to send it what the other side says, its close frame included.
    pub(super) farewell: Option<Farewell>,
    /// Whether what it still says is forwarded.
    pub(super) heard: bool,
    /// Whether its connection is past all use.
    pub(super) dead: bool,
}

/// The end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) why: End,
    pub(super) client: Part,
    pub(super) upstream: Part,
    /// Whether bytes that still flow put the deadline off.
    pub(super) patient: bool,
}

const LIVE: Part = Part { farewell: None, heard: true, dead: false };

/// What the side that is not at fault is told: a server that its client is gone, a client that its server failed.
fn condolence(to: Side, reason: &'static str) -> Farewell {
    let code = match to {
        Side::Client => close::INTERNAL_ERROR,
        Side::Upstream => close::GOING_AWAY,
    };
    Farewell { code, reason }
}

fn farewell_of(cause: Cause) -> &'static str {
    match cause {
        Cause::Shutdown => "proxy is shutting down",
        Cause::Undeployed => "API was undeployed",
        Cause::Stopped => "API was stopped",
        Cause::Blocked => "API was blocked",
        Cause::Redeployed => "API was redeployed",
        Cause::Closed => "closed by an operator",
    }
}

impl Plan {
    /// The table in docs/architecture.md, "How a connection ends", row by row.
    pub(super) fn for_end(why: End) -> Self {
        let farewell = |code, reason| Part { farewell: Some(Farewell { code, reason }), heard: false, dead: false };
        let consoled = |side, reason| Part { farewell: Some(condolence(side, reason)), ..LIVE };
        match why {
            End::Closed(side) => Self::new(why, side, Part { heard: false, ..LIVE }, LIVE, false),
            End::Ended(Side::Client) => Self::new(why, Side::Client, Part { heard: false, ..LIVE }, LIVE, true),
            End::Ended(Side::Upstream) => {
                let client = consoled(Side::Client, "upstream ended without a close frame");
                Self::new(why, Side::Upstream, Part { heard: false, ..LIVE }, client, true)
            }
            End::Violated(side, violation) => {
                let culprit = farewell(violation.close_code(), violation.code());
                let reason = match side {
                    Side::Client => "client broke the protocol",
                    Side::Upstream => "upstream broke the protocol",
                };
                Self::new(why, side, culprit, consoled(side.other(), reason), false)
            }
            End::Broken(side, _) => {
                let reason = match side {
                    Side::Client => "client connection lost",
                    Side::Upstream => "upstream connection lost",
                };
                let other = Part { heard: false, ..consoled(side.other(), reason) };
                Self::new(why, side, Part { farewell: None, heard: false, dead: true }, other, false)
            }
            End::Silent(side) => {
                let reason = match side {
                    Side::Client => "client did not answer a ping",
                    Side::Upstream => "upstream did not answer a ping",
                };
                let silent = farewell(close::GOING_AWAY, "no answer to a ping");
                Self::new(why, side, silent, Part { heard: false, ..consoled(side.other(), reason) }, false)
            }
            End::Idle => Self::both(why, "idle timeout"),
            End::Drained(Cause::Redeployed) => Self::restart(why),
            End::Drained(cause) => Self::both(why, farewell_of(cause)),
            _ => Self::both(why, "proxy is shutting down"),
        }
    }

    /// One side's part.
    pub(super) fn part(&self, side: Side) -> Part {
        match side {
            Side::Client => self.client,
            Side::Upstream => self.upstream,
        }
    }

    fn both(why: End, reason: &'static str) -> Self {
        let part = Part { farewell: Some(Farewell { code: close::GOING_AWAY, reason }), heard: false, dead: false };
        Self { why, client: part, upstream: part, patient: false }
    }

    /// The client may come again at once, and is served elsewhere (1012, IANA's registry of close codes).
    fn restart(why: End) -> Self {
        let mut plan = Self::both(why, "API was redeployed");
        plan.client.farewell = Some(Farewell { code: close::SERVICE_RESTART, reason: "API was redeployed" });
        plan
    }

    fn new(why: End, side: Side, part: Part, other: Part, patient: bool) -> Self {
        match side {
            Side::Client => Self { why, client: part, upstream: other, patient },
            Side::Upstream => Self { why, client: other, upstream: part, patient },
        }
    }
}
