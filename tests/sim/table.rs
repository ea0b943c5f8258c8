//! Which side is told what when a connection ends: the table of src/proxy/plan.rs, written down a second time.

use ringway::command::Cause;
use ringway::proxy::end::End;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Client,
    Upstream,
}

/// `true` if this side is the client.
pub(crate) fn is_client<S: std::fmt::Display>(side: S) -> bool {
    side.to_string() == "client"
}

fn is_at<S: std::fmt::Display>(told: Told, side: S) -> bool {
    is_client(side) == (told == Told::Client)
}

/// True if the connection ends because this side closed it.
pub(crate) fn is_closed_by(end: End, told: Told) -> bool {
    matches!(end, End::Closed(side) if is_at(told, side))
}

fn termination(cause: Cause, told: Told) -> (u16, &'static str) {
    match cause {
        Cause::Shutdown => (1001, "proxy is shutting down"),
        Cause::Undeployed => (1001, "API was undeployed"),
        Cause::Stopped => (1001, "API was stopped"),
        Cause::Blocked => (1001, "API was blocked"),
        Cause::Redeployed if told == Told::Client => (1012, "API was redeployed"),
        Cause::Redeployed => (1001, "API was redeployed"),
        Cause::Validated if told == Told::Client => (1012, "messages are checked now"),
        Cause::Validated => (1001, "messages are checked now"),
        Cause::Revoked if told == Told::Client => (3000, "revoked"),
        Cause::Revoked => (1001, "revoked"),
        Cause::Expired if told == Told::Client => (3000, "expired"),
        Cause::Expired => (1001, "expired"),
        Cause::Unsubscribed if told == Told::Client => (3003, "subscription closed"),
        Cause::Unsubscribed => (1001, "subscription closed"),
        Cause::Closed => (1001, "closed by an operator"),
    }
}

const OVERDUE: (u16, &str) = (1001, "the other side did not close in time");

/// True if a side was lost without a close frame.
fn is_abnormal(end: End) -> bool {
    matches!(end, End::Ended(_) | End::Broken(..) | End::Silent(_))
}

/// The close frame of ours that this side is due; `None` if it is told what the other side says, or nothing. `code` is
/// what the client's API says of a lost upstream.
pub(crate) fn row(end: End, told: Told, code: Option<u16>) -> Option<(u16, &'static str)> {
    let of_a_lost_upstream = |side: String, reason| match told {
        Told::Client if side == "upstream" => code.map(|code| (code, reason)),
        _ => None,
    };
    match end {
        End::Closed(_) => None,
        End::Ended(side) => of_a_lost_upstream(side.to_string(), "upstream ended without a close frame"),
        End::Broken(side, _) => of_a_lost_upstream(side.to_string(), "upstream connection lost"),
        End::Silent(side) => of_a_lost_upstream(side.to_string(), "upstream did not answer a ping"),
        End::Violated(side, violation) if is_at(told, side) => {
            let too_big = matches!(violation.code(), "frame-too-big" | "message-too-big");
            Some((if too_big { 1009 } else { 1002 }, violation.code()))
        }
        End::Violated(..) if told == Told::Upstream => Some((1001, "client broke the protocol")),
        End::Violated(..) => Some((1014, "upstream broke the protocol")),
        End::Idle => Some((1001, "idle timeout")),
        End::Drained(cause) => Some(termination(cause, told)),
        End::Refused(_)
        | End::Unannounced(_)
        | End::Declined
        | End::LeftEarly
        | End::LeftSilently
        | End::Answered
        | End::Insecure(_)
        | End::UnexpectedTls => None,
    }
}

/// True if a close frame of the proxy is right. Where the table has none, something more may have happened after the end: the
/// other side broke a rule, did not close in time, or was lost and has a code for that. No close frame tells of a side that was
/// lost in any other way.
pub(crate) fn allows(
    row: &Option<(u16, &'static str)>,
    end: End,
    told: Told,
    (code, reason): (u16, &str),
    of_a_lost_upstream: Option<u16>,
    smooth: bool,
) -> bool {
    if let Some(due) = row {
        return *due == (code, reason);
    }
    let broke = match told {
        Told::Client => (1014, "upstream broke the protocol"),
        Told::Upstream => (1001, "client broke the protocol"),
    };
    let culprit = [1002, 1009].contains(&code) && !reason.contains(' ');
    let lost = ["upstream connection lost", "upstream ended without a close frame"].contains(&reason)
        && (told == Told::Client && of_a_lost_upstream == Some(code));
    match end {
        End::Broken(side, _) | End::Silent(side) if is_at(told, side) => false,
        _ if smooth => culprit || lost || (code, reason) == broke,
        _ if is_abnormal(end) => culprit || lost || (code, reason) == broke,
        _ => culprit || lost || [broke, OVERDUE].contains(&(code, reason)),
    }
}
