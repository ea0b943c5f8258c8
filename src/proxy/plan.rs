//! The plan by which a tunnel ends: the close frame that each side is sent, and whose bytes are still forwarded.
//!
//! [`Plan::for_end`] is the table of docs/architecture.md, "How a connection ends"; `closing` carries it out.

use super::end::{End, Side};
use crate::command::Cause;
use crate::engine::Fault;
use crate::proto::{Violation, close};

/// A close frame that Ringway sends in its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CloseFrame {
    /// The code; [`close::NO_STATUS`] for a frame without a body.
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

/// The last thing that a side is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Termination {
    /// Everything that the other side sends, its close frame included, then the end of the connection (FIN). If the
    /// other side ends without a close frame, this side gets none either.
    Relayed,
    /// A close frame of ours, then the end of the connection.
    Close(CloseFrame),
    /// A reset, because the other side's connection was reset.
    Reset,
}

/// One side's part of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SidePlan {
    pub(super) termination: Termination,
    /// `true` if bytes that this side still sends are forwarded.
    pub(super) is_forwarded: bool,
    /// `true` if this side broke a rule: its answer to our close frame is not awaited for long.
    pub(super) is_culprit: bool,
    /// `true` if the connection to this side is broken, or its peer is silent: nothing more can be sent.
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
const LIVE: SidePlan =
    SidePlan { termination: Termination::Relayed, is_forwarded: true, is_culprit: false, is_dead: false };
/// A side that has ended on its own.
const ENDED: SidePlan = SidePlan { is_forwarded: false, ..LIVE };
/// A side that cannot be reached any more.
const DEAD: SidePlan = SidePlan { is_dead: true, ..ENDED };

fn close_reason(cause: Cause) -> &'static str {
    match cause {
        Cause::Shutdown => "proxy is shutting down",
        Cause::Undeployed => "API was undeployed",
        Cause::Stopped => "API was stopped",
        Cause::Blocked => "API was blocked",
        Cause::Redeployed => "API was redeployed",
        Cause::Validated => "messages are checked now",
        Cause::Revoked => "revoked",
        Cause::Expired => "expired",
        Cause::Unsubscribed => "subscription closed",
        Cause::Closed => "closed by an operator",
    }
}

/// The close frame for a client whose connection is drained. The client of a redeployed API may reconnect at once, and
/// is served by another target, or without the extension that hid its messages (1012, IANA's registry of close codes). One
/// whose key has ended needs another key (3000, Unauthorized), one whose subscription has ended a subscription (3003, Forbidden).
pub(super) fn drain_close(cause: Cause) -> CloseFrame {
    let code = match cause {
        Cause::Redeployed | Cause::Validated => close::SERVICE_RESTART,
        Cause::Revoked | Cause::Expired => close::UNAUTHORIZED,
        Cause::Unsubscribed => close::FORBIDDEN,
        Cause::Shutdown | Cause::Undeployed | Cause::Stopped | Cause::Blocked | Cause::Closed => close::GOING_AWAY,
    };
    CloseFrame { code, reason: close_reason(cause) }
}

/// The termination of the side whose peer ended without a close frame: the same end, unless the client's API names a close
/// code (`abnormal_close_code`). A client's library reconnects after an abnormal end and may not after a close frame, so
/// Ringway sends none in the name of an upstream that sent none.
fn abnormal_termination(culprit: Side, as_it_was: Termination, reason: &'static str, code: Option<u16>) -> Termination {
    match (culprit, code) {
        (Side::Upstream, Some(code)) => Termination::Close(CloseFrame { code, reason }),
        _ => as_it_was,
    }
}

impl Plan {
    /// The plan for an end, row by row of the table. `abnormal_close_code` is the policy of that name.
    pub(super) fn for_end(end: End, abnormal_close_code: Option<u16>) -> Self {
        match end {
            End::Closed(side) => Self::new(end, side, ENDED, LIVE),
            End::Ended(side) => {
                let reason = "upstream ended without a close frame";
                let termination = abnormal_termination(side, Termination::Relayed, reason, abnormal_close_code);
                Self::new(end, side, ENDED, SidePlan { termination, ..LIVE }).extending_deadline()
            }
            End::Broken(side, fault) => {
                let as_it_was = if fault == Fault::Reset { Termination::Reset } else { Termination::Relayed };
                let termination =
                    abnormal_termination(side, as_it_was, "upstream connection lost", abnormal_close_code);
                Self::new(end, side, DEAD, SidePlan { termination, ..ENDED })
            }
            End::Silent(side) => {
                let reason = "upstream did not answer a ping";
                let termination = abnormal_termination(side, Termination::Relayed, reason, abnormal_close_code);
                Self::new(end, side, DEAD, SidePlan { termination, ..ENDED })
            }
            End::Violated(side, violation) => {
                let is_of_contract = matches!(violation, Violation::BreaksContract | Violation::NotChecked);
                let (code, reason) = match side {
                    Side::Client if is_of_contract => (close::GOING_AWAY, "client broke the contract"),
                    Side::Upstream if is_of_contract => (close::BAD_GATEWAY, "upstream broke the contract"),
                    Side::Client => (close::GOING_AWAY, "client broke the protocol"),
                    Side::Upstream => (close::BAD_GATEWAY, "upstream broke the protocol"),
                };
                let other = SidePlan { termination: Termination::Close(CloseFrame { code, reason }), ..LIVE };
                let culprit = closed_with(violation.close_code(), violation.code());
                Self::new(end, side, SidePlan { is_culprit: true, ..culprit }, other)
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
            | End::LeftSilently
            | End::Answered
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
    SidePlan { termination: Termination::Close(CloseFrame { code, reason }), ..ENDED }
}
