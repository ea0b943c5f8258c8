//! Limits and deadlines, as flags and in the configuration file: one definition of each. A test compares them with the table
//! in docs/limits.md.

use std::fmt;
use std::time::Duration;

use clap::{Args, Parser};
use serde::{Deserialize, Serialize};

use super::scalar;
use super::units::{self, Optional};
use crate::engine::keepalive::KeepAlive;
use crate::invariant::Invariant;
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
#[derive(Args, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[command(next_help_heading = "Limits and deadlines")]
#[serde(deny_unknown_fields, default)]
pub struct LimitArgs {
    /// Longest time from accept to the 101 response
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    #[serde(rename = "handshake_timeout_ms", with = "scalar::time")]
    pub handshake_timeout: Duration,
    /// Longest time to connect to the upstream, over all its addresses
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    #[serde(rename = "connect_timeout_ms", with = "scalar::time")]
    pub connect_timeout: Duration,
    /// Close a connection that relays no byte in either direction for this long, or off
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = units::optional_duration)]
    #[serde(rename = "idle_timeout_ms")]
    pub idle_timeout: Optional<Duration>,
    /// Send a ping to a side that is silent for this long, or off
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::optional_duration)]
    #[serde(rename = "ping_interval_ms")]
    pub ping_interval: Optional<Duration>,
    /// Treat a side as dead that is silent for this long after a ping
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    #[serde(rename = "pong_timeout_ms", with = "scalar::time")]
    pub pong_timeout: Duration,
    /// Treat a side as dead whose host acknowledges nothing, or keeps its window closed, for this long; or off
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::optional_duration)]
    #[serde(rename = "tcp_user_timeout_ms")]
    pub tcp_user_timeout: Optional<Duration>,
    /// Probe the other end's host after this much silence, and between two probes; or off
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = units::optional_duration)]
    #[serde(rename = "tcp_keepalive_ms")]
    pub tcp_keepalive: Optional<Duration>,
    /// Longest time from the start of a close until it is forced
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    #[serde(rename = "close_timeout_ms", with = "scalar::time")]
    pub close_timeout: Duration,
    /// Longest time from SIGTERM or SIGINT to the end of the process
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    #[serde(rename = "drain_timeout_ms", with = "scalar::time")]
    pub drain_timeout: Duration,
    /// Most bytes in the head of a request or response, at most 32KiB
    #[arg(long, value_name = "BYTES", default_value = "16KiB", value_parser = units::bytes)]
    #[serde(with = "scalar::size")]
    pub max_head_bytes: u64,
    /// Most header lines in a request or response, at most 128
    #[arg(long, value_name = "N", default_value = "100", value_parser = units::count)]
    #[serde(with = "scalar::count")]
    pub max_head_lines: u64,
    /// Most payload bytes in a frame
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = units::bytes)]
    #[serde(with = "scalar::size")]
    pub max_frame_bytes: u64,
    /// Most payload bytes in a message, over all its frames, as sent on the wire
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = units::bytes)]
    #[serde(with = "scalar::size")]
    pub max_message_bytes: u64,
    /// Most connections of the process [default: as many as its file descriptors allow]
    #[arg(long, value_name = "N", value_parser = units::count)]
    #[serde(with = "scalar::count::given")]
    pub max_connections: Option<u64>,
    /// Most connections from one IPv4 address or IPv6 /64, or off
    #[arg(long, value_name = "N", default_value = "off", value_parser = units::optional_count)]
    pub max_connections_per_address: Optional<u64>,
}

impl Default for LimitArgs {
    /// The defaults of the flags.
    fn default() -> Self {
        #[derive(Parser)]
        struct Flags {
            #[command(flatten)]
            limits: LimitArgs,
        }
        Flags::parse_from(["ringway"]).limits
    }
}

/// Those of the limits that an environment may set for its own connections: what holds once that is known. What it does
/// not set is as for the whole process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvironmentLimits {
    /// As [`LimitArgs::connect_timeout`].
    #[serde(rename = "connect_timeout_ms", with = "scalar::time::given")]
    pub connect_timeout: Option<Duration>,
    /// As [`LimitArgs::idle_timeout`].
    #[serde(rename = "idle_timeout_ms")]
    pub idle_timeout: Option<Optional<Duration>>,
    /// As [`LimitArgs::ping_interval`].
    #[serde(rename = "ping_interval_ms")]
    pub ping_interval: Option<Optional<Duration>>,
    /// As [`LimitArgs::pong_timeout`].
    #[serde(rename = "pong_timeout_ms", with = "scalar::time::given")]
    pub pong_timeout: Option<Duration>,
    /// As [`LimitArgs::close_timeout`].
    #[serde(rename = "close_timeout_ms", with = "scalar::time::given")]
    pub close_timeout: Option<Duration>,
    /// As [`LimitArgs::max_frame_bytes`].
    #[serde(with = "scalar::size::given")]
    pub max_frame_bytes: Option<u64>,
    /// As [`LimitArgs::max_message_bytes`].
    #[serde(with = "scalar::size::given")]
    pub max_message_bytes: Option<u64>,
}

impl EnvironmentLimits {
    /// All limits, with these in place of the process's.
    #[must_use]
    pub fn over(&self, process: &LimitArgs) -> LimitArgs {
        LimitArgs {
            connect_timeout: self.connect_timeout.unwrap_or(process.connect_timeout),
            idle_timeout: self.idle_timeout.unwrap_or(process.idle_timeout),
            ping_interval: self.ping_interval.unwrap_or(process.ping_interval),
            pong_timeout: self.pong_timeout.unwrap_or(process.pong_timeout),
            close_timeout: self.close_timeout.unwrap_or(process.close_timeout),
            max_frame_bytes: self.max_frame_bytes.unwrap_or(process.max_frame_bytes),
            max_message_bytes: self.max_message_bytes.unwrap_or(process.max_message_bytes),
            ..process.clone()
        }
    }
}

impl From<&LimitArgs> for EnvironmentLimits {
    fn from(limits: &LimitArgs) -> Self {
        Self {
            connect_timeout: Some(limits.connect_timeout),
            idle_timeout: Some(limits.idle_timeout),
            ping_interval: Some(limits.ping_interval),
            pong_timeout: Some(limits.pong_timeout),
            close_timeout: Some(limits.close_timeout),
            max_frame_bytes: Some(limits.max_frame_bytes),
            max_message_bytes: Some(limits.max_message_bytes),
        }
    }
}

/// A limit is out of its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// The flag that sets it.
    pub flag: &'static str,
    /// The option in the file, below `limits`.
    pub field: &'static str,
    /// The value, and its range.
    pub why: String,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.flag, self.why)
    }
}

impl std::error::Error for OutOfRange {}

impl LimitArgs {
    /// The limits on heads.
    ///
    /// # Errors
    /// The option that is out of its range, and the range.
    pub fn head(&self) -> Result<HeadLimits, OutOfRange> {
        if !(256..=MAX_HEAD_BYTES).contains(&self.max_head_bytes) {
            let why = format!("is {}; it must be from 256 to {MAX_HEAD_BYTES}", self.max_head_bytes);
            return Err(OutOfRange { flag: "--max-head-bytes", field: "max_head_bytes", why });
        }
        let max_lines = usize::try_from(self.max_head_lines).expected_or(usize::MAX);
        if max_lines > MAX_LINES {
            let why = format!("is {max_lines}; it must be from 1 to {MAX_LINES}");
            return Err(OutOfRange { flag: "--max-head-lines", field: "max_head_lines", why });
        }
        Ok(HeadLimits { max_bytes: usize::try_from(self.max_head_bytes).expected_or(usize::MAX), max_lines })
    }

    /// What the scanner goes by.
    #[must_use]
    pub fn frames(&self) -> FrameLimits {
        FrameLimits { max_frame_bytes: self.max_frame_bytes, max_message_bytes: self.max_message_bytes }
    }

    /// The socket options.
    ///
    /// # Errors
    /// The option that is out of its range, and the range.
    pub fn keepalive(&self) -> Result<KeepAlive, OutOfRange> {
        for (flag, field, value, max) in [
            ("--tcp-user-timeout", "tcp_user_timeout_ms", self.tcp_user_timeout.0, MAX_USER_TIMEOUT),
            ("--tcp-keepalive", "tcp_keepalive_ms", self.tcp_keepalive.0, MAX_KEEPALIVE),
        ] {
            if let Some(value) = value.filter(|value| *value > max) {
                let (value, max) = (units::show_duration(value), units::show_duration(max));
                return Err(OutOfRange { flag, field, why: format!("is {value}; it must be {max} at most, or off") });
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
