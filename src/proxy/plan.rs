//! The plan by which a tunnel ends: the close frame that each side is sent, and whose bytes are still forwarded.
//!
//! [`Plan::for_end`] is the table of docs/architecture.md, "How a connection ends"; `closing` carries it out.

use super::end::{End, Side};
use crate::command::Cause;
use crate::proto::close;

/// A close frame that Ringway sends in its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CloseFrame {
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

/// One side's part of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SidePlan {
    /// The close frame that this side is sent; `None` to forward everything from the other side, its close frame
    /// included.
    pub(super) close: Option<CloseFrame>,
    /// `true` if bytes that this side still sends are forwarded.
    pub(super) is_forwarded: bool,
    /// `true` if the connection to this side is broken.
    pub(super) is_dead: bool,
}

/// The plan of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) end: End,
    pub(super) client: SidePlan,
    pub(super) upstream: SidePlan,
    /// `true` if bytes that still flow extend the deadline.
    pub(super) extends_deadline: bool,
}

/// A side that goes on as before.
const LIVE: SidePlan = SidePlan { close: None, is_forwarded: true, is_dead: false };
/// A side that has ended on its own.
const ENDED: SidePlan = SidePlan { is_forwarded: false, ..LIVE };

/// The close frame for the side that is not at fault: an upstream learns that its client is gone, a client that its
/// upstream failed.
fn peer_failed_close(to: Side, reason: &'static str) -> CloseFrame {
    let code = match to {
        Side::Client => close::INTERNAL_ERROR,
        Side::Upstream => close::GOING_AWAY,
    };
    CloseFrame { code, reason }
}

fn close_reason(cause: Cause) -> &'static str {
    match cause {
        Cause::Shutdown => "proxy is shutting down",
        Cause::Undeployed => "API was undeployed",
        Cause::Stopped => "API was stopped",
        Cause::Blocked => "API was blocked",
        Cause::Redeployed => "API was redeployed",
        Cause::Closed => "closed by an operator",
    }
}

/// The close frame for a client whose connection is drained. The client of a redeployed API may reconnect at once, and
/// is served by another target (1012, IANA's registry of close codes).
pub(super) fn drain_close(cause: Cause) -> CloseFrame {
    let code = if cause == Cause::Redeployed { close::SERVICE_RESTART } else { close::GOING_AWAY };
    CloseFrame { code, reason: close_reason(cause) }
}

impl Plan {
    /// The plan for an end, row by row of the table.
    pub(super) fn for_end(end: End) -> Self {
        let peer_failed = |side, reason| SidePlan { close: Some(peer_failed_close(side, reason)), ..LIVE };
        match end {
            End::Closed(side) => Self::new(end, side, ENDED, LIVE),
            End::Ended(Side::Client) => Self::new(end, Side::Client, ENDED, LIVE).extending_deadline(),
            End::Ended(Side::Upstream) => {
                let client = peer_failed(Side::Client, "upstream ended without a close frame");
                Self::new(end, Side::Upstream, ENDED, client).extending_deadline()
            }
            End::Violated(side, violation) => {
                let reason = match side {
                    Side::Client => "client broke the protocol",
                    Side::Upstream => "upstream broke the protocol",
                };
                let at_fault = closed_with(violation.close_code(), violation.code());
                Self::new(end, side, at_fault, peer_failed(side.other(), reason))
            }
            End::Broken(side, _) => {
                let reason = match side {
                    Side::Client => "client connection lost",
                    Side::Upstream => "upstream connection lost",
                };
                let other = SidePlan { is_forwarded: false, ..peer_failed(side.other(), reason) };
                Self::new(end, side, SidePlan { is_dead: true, ..ENDED }, other)
            }
            End::Silent(side) => {
                let reason = match side {
                    Side::Client => "client did not answer a ping",
                    Side::Upstream => "upstream did not answer a ping",
                };
                let other = SidePlan { is_forwarded: false, ..peer_failed(side.other(), reason) };
                Self::new(end, side, closed_with(close::GOING_AWAY, "no answer to a ping"), other)
            }
            End::Idle => Self::both(end, "idle timeout"),
            End::Drained(cause) => {
                let CloseFrame { code, reason } = drain_close(cause);
                Self { client: closed_with(code, reason), ..Self::both(end, reason) }
            }
            // No tunnel ends so: the handshake was not complete.
            End::Refused(_)
            | End::Unannounced(_)
            | End::Declined
            | End::LeftEarly
            | End::Insecure(_)
            | End::UnexpectedTls => {
                debug_assert!(false, "a tunnel ended by {end}");
                Self::both(end, "handshake was not complete")
            }
        }
    }

    /// One side's part.
    pub(super) fn side(&self, side: Side) -> SidePlan {
        match side {
            Side::Client => self.client,
            Side::Upstream => self.upstream,
        }
    }

    fn new(end: End, side: Side, plan: SidePlan, other: SidePlan) -> Self {
        let (client, upstream) = match side {
            Side::Client => (plan, other),
            Side::Upstream => (other, plan),
        };
        Self { end, client, upstream, extends_deadline: false }
    }

    fn extending_deadline(self) -> Self {
        Self { extends_deadline: true, ..self }
    }

    fn both(end: End, reason: &'static str) -> Self {
        let plan = closed_with(close::GOING_AWAY, reason);
        Self { end, client: plan, upstream: plan, extends_deadline: false }
    }
}

/// A side that is sent a close frame, and from which nothing more is forwarded.
fn closed_with(code: u16, reason: &'static str) -> SidePlan {
    SidePlan { close: Some(CloseFrame { code, reason }), is_forwarded: false, is_dead: false }
}
