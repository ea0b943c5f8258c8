//! The transitions towards the end that several stages share.

use super::stage::{Stage, Turn};
use crate::engine::{Socket, Time, Transport};
use crate::proxy::closing::{Closing, GRACE};
use crate::proxy::context::Context;
use crate::proxy::end::{End, SideRecord};
use crate::proxy::inspection::Inspectors;
use crate::proxy::linger::Linger;
use crate::proxy::plan::Plan;
use crate::proxy::relay::Relay;

/// Closes a tunnel in order. What is still forwarded is inspected as before.
pub(super) fn closing<T: Transport>(
    relay: Relay,
    inspectors: Option<Inspectors>,
    end: End,
    cx: &mut Context<'_, T>,
) -> Turn {
    let policy = cx.policy();
    let (plan, timeout) = (Plan::for_end(end, policy.abnormal_close_code), policy.timeouts.close);
    let closing = Closing::new(relay.into_legs(), inspectors, plan, cx.net.now(), timeout);
    Turn::To(Stage::Closing(Box::new(closing)))
}

/// Waits for the end of a client that was sent everything. One that broke a rule is not waited for as long as others
/// (RFC 6455 section 7.1.7).
pub(super) fn linger<T: Transport>(client: Socket, end: End, record: SideRecord, cx: &mut Context<'_, T>) -> Turn {
    let deadline = match end {
        End::Violated(..) => close_deadline(cx).min(cx.net.now().after(GRACE)),
        _ => close_deadline(cx),
    };
    Turn::To(Stage::Linger(Box::new(Linger::new(client, deadline)), end, record))
}

/// Closes sockets at once.
pub(super) fn gone<T: Transport>(sockets: &[Socket], end: End, cx: &mut Context<'_, T>) -> Turn {
    for socket in sockets {
        cx.net.close(*socket);
    }
    Turn::To(Stage::Gone(end, SideRecord::default(), SideRecord::default()))
}

/// The deadline of an end that begins now.
pub(super) fn close_deadline<T: Transport>(cx: &Context<'_, T>) -> Time {
    cx.net.now().after(cx.policy().timeouts.close)
}
