//! Limits and deadlines as flags. The table in docs/limits.md is these, and a test compares the two.

use std::time::Duration;

use clap::Args;

use super::units::{self, Optional};
use crate::engine::keepalive::KeepAlive;
use crate::proto::head::{HeadLimits, MAX_LINES};
use crate::proto::scan::FrameLimits;
use crate::routing::policy::{Policy, Timeouts};

/// A head must fit the memory that a shard reads into.
const MAX_HEAD_BYTES: u64 = 32 * 1024;

/// The kernel counts milliseconds in 31 bits; this is 24 days.
const MAX_USER_TIMEOUT: Duration = Duration::from_secs(24 * 24 * 3600);
/// The kernel allows 32,767 s.
const MAX_KEEPALIVE: Duration = Duration::from_secs(9 * 3600);

/// Limits and deadlines, as the operator wrote them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits and deadlines")]
pub struct LimitArgs {
    /// From accept to the 101, absolute
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub handshake_timeout: Duration,
    /// From the first dial to an established upstream connection, over all its addresses
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub connect_timeout: Duration,
    /// Without a byte relayed in either direction, or off
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = units::optional_duration)]
    pub idle_timeout: Optional<Duration>,
    /// Silence of a side after which it is sent a ping, or off
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::optional_duration)]
    pub ping_interval: Optional<Duration>,
    /// Silence after the ping after which the side is taken for dead
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub pong_timeout: Duration,
    /// Bytes sent without an acknowledgement, or a closed window, after which a side is taken for dead; or off
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::optional_duration)]
    pub tcp_user_timeout: Optional<Duration>,
    /// Silence of a connection after which its other end's host is asked for a sign of life, and between two such probes; or
    /// off
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = units::optional_duration)]
    pub tcp_keepalive: Optional<Duration>,
    /// From the beginning of a close to its end by force
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub close_timeout: Duration,
    /// From SIGTERM or SIGINT to the end of the process
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub drain_timeout: Duration,
    /// Bytes of a request or response head, 32KiB at most
    #[arg(long, value_name = "BYTES", default_value = "16KiB", value_parser = units::bytes)]
    pub max_head_bytes: u64,
    /// Header lines of a request or response, 128 at most
    #[arg(long, value_name = "N", default_value = "100", value_parser = units::count)]
    pub max_head_lines: u64,
    /// Payload bytes of a frame
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = units::bytes)]
    pub max_frame_bytes: u64,
    /// Payload bytes of a message, over all its frames, as they are on the wire
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = units::bytes)]
    pub max_message_bytes: u64,
    /// Connections of the process; as many as its file descriptors allow if not given
    #[arg(long, value_name = "N", value_parser = units::count)]
    pub max_connections: Option<u64>,
    /// Connections from one IPv4 address or IPv6 /64, or off
    #[arg(long, value_name = "N", default_value = "off", value_parser = units::optional_count)]
    pub max_connections_per_address: Optional<u64>,
}

impl LimitArgs {
    /// What the stages go by.
    ///
    /// # Errors
    /// Which option is out of its range, and what the range is.
    pub fn head(&self) -> Result<HeadLimits, String> {
        if !(256..=MAX_HEAD_BYTES).contains(&self.max_head_bytes) {
            return Err(format!(
                "--max-head-bytes is {}; it must be from 256 to {MAX_HEAD_BYTES}",
                self.max_head_bytes
            ));
        }
        let max_lines = usize::try_from(self.max_head_lines).unwrap_or(usize::MAX);
        if max_lines > MAX_LINES {
            return Err(format!("--max-head-lines is {max_lines}; it must be from 1 to {MAX_LINES}"));
        }
        Ok(HeadLimits { max_bytes: usize::try_from(self.max_head_bytes).unwrap_or(usize::MAX), max_lines })
    }

    /// What the scanner goes by.
    #[must_use]
    pub fn frames(&self) -> FrameLimits {
        FrameLimits { max_frame_bytes: self.max_frame_bytes, max_message_bytes: self.max_message_bytes }
    }

    /// What the kernel is told.
    ///
    /// # Errors
    /// Which option is out of its range, and what the range is.
    pub fn keepalive(&self) -> Result<KeepAlive, String> {
        for (option, value, max) in [
            ("--tcp-user-timeout", self.tcp_user_timeout.0, MAX_USER_TIMEOUT),
            ("--tcp-keepalive", self.tcp_keepalive.0, MAX_KEEPALIVE),
        ] {
            if let Some(value) = value.filter(|value| *value > max) {
                let (value, max) = (units::show_duration(value), units::show_duration(max));
                return Err(format!("{option} is {value}; it must be {max} at most, or off"));
            }
        }
        Ok(KeepAlive { user_timeout: self.tcp_user_timeout.0, probes: self.tcp_keepalive.0 })
    }

    /// What holds for connections, with a window for those that end for one reason.
    #[must_use]
    pub fn policy(&self, drain_window: Duration) -> Policy {
        Policy { frames: self.frames(), timeouts: self.timeouts(), drain_window }
    }

    /// What the deadlines are.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            handshake: self.handshake_timeout,
            connect: self.connect_timeout,
            idle: self.idle_timeout.0,
            ping_interval: self.ping_interval.0,
            pong: self.pong_timeout,
            close: self.close_timeout,
        }
    }
}
