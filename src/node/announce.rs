//! The announcement of a command that serves, on standard output: addresses and limits.

use std::io::{self, Write};
use std::time::Duration;

use super::capacity::Capacity;
use crate::api::PolicyValues;
use crate::config::limits::Limits;
use crate::config::units::show_duration;

/// Writes the announcement on a thread of its own: where nobody reads the pipe, the write blocks, and the process must still
/// serve and hear signals.
///
/// # Errors
/// The host has no thread for it.
pub(crate) fn say(text: String) -> io::Result<()> {
    std::thread::Builder::new().name("announce".to_owned()).spawn(move || {
        let _ = io::stdout().lock().write_all(text.as_bytes());
    })?;
    Ok(())
}

/// The shards, limits and deadlines, a line each.
pub(super) fn bounds(capacity: &Capacity, limits: &Limits, policies: &PolicyValues) -> String {
    let Capacity { cpus, max_connections: connections, max_descriptors: descriptors } = capacity;
    let optional = |value: Option<Duration>| value.map_or_else(|| "off".to_owned(), show_duration);
    let (shards, max_message, max_frame) = (cpus.len(), policies.max_message_bytes, policies.max_frame_bytes);
    let deadlines = format!(
        "handshake {}, connect {}, idle {}, ping every {} (upstream {}), pong {}, unacknowledged {}, keepalive {}, close {}, drain {}",
        show_duration(limits.handshake_timeout),
        show_duration(policies.connect_timeout),
        optional(policies.idle_timeout.0),
        optional(policies.ping_interval.0),
        optional(policies.upstream_ping_interval.0),
        show_duration(policies.pong_timeout),
        optional(limits.keepalive.user_timeout),
        optional(limits.keepalive.probes),
        show_duration(policies.close_timeout),
        show_duration(limits.drain_timeout),
    );
    let cpus = cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "  shards: {shards} (CPU {cpus})\n  \
         connections: {connections} at most ({descriptors} file descriptors)\n  \
         messages: {max_message} bytes at most, frames {max_frame}\n  deadlines: {deadlines}\n"
    )
}
