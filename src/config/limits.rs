//! Limits and deadlines, as flags and in the configuration file: one definition of each. A test compares them with the table
//! in docs/limits.md.

use std::fmt;
use std::time::Duration;

use clap::{Args, Parser};
use serde::{Deserialize, Serialize};

use super::scalar;
use super::units::{self, Optional};
use crate::api::PolicyValues;
use crate::api::policy::{AuthMode, CheckedBytes, CredentialPlaces, KeyCookie, KeyHeader, KeyQuery};
use crate::engine::keepalive::KeepAlive;
use crate::engine::socket_options::{Buffers, SocketOptions};
use crate::invariant::Invariant;
use crate::proto::head::{HeadLimits, MAX_LINES};
use crate::routing::origins::Origins;
use crate::routing::route::UnlistedPaths;
use crate::routing::validation::{CheckMode, OnViolation, OverLimit};

/// Room for tickets of Kerberos and tokens with many groups; what a client can make a shard keep during its handshake.
const MAX_HEAD_BYTES: u64 = 256 * 1024;

/// The kernel counts milliseconds in 31 bits; this is 24 days.
const MAX_USER_TIMEOUT: Duration = Duration::from_secs(24 * 24 * 3600);
/// The kernel allows 32,767 s.
const MAX_KEEPALIVE: Duration = Duration::from_secs(9 * 3600);

/// Less than a page leaves no room for one segment; the kernel doubles what it is given, in 31 bits.
const MIN_BUFFER_BYTES: u32 = 4096;
const MAX_BUFFER_BYTES: u32 = 512 << 20;

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
    /// Keep the addresses of a name for this long after DNS says that it is gone, or off to keep them
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = units::optional_duration)]
    #[serde(rename = "gone_name_timeout_ms")]
    pub gone_name_timeout: Optional<Duration>,
    /// Close a connection that relays no byte in either direction for this long, or off
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = units::optional_duration)]
    #[serde(rename = "idle_timeout_ms")]
    pub idle_timeout: Optional<Duration>,
    /// Send a ping to a client that is silent for this long, or off
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::optional_duration)]
    #[serde(rename = "ping_interval_ms")]
    pub ping_interval: Optional<Duration>,
    /// Send a ping to an upstream that is silent for this long, or off
    #[arg(long, value_name = "TIME", default_value = "off", value_parser = units::optional_duration)]
    #[serde(rename = "upstream_ping_interval_ms")]
    pub upstream_ping_interval: Optional<Duration>,
    /// Treat a side as dead that sends nothing for this long after a ping, and whose host acknowledges nothing
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
    /// Time from SIGTERM or SIGINT to the begin of the drain, in which health checks fail and clients are still taken
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = units::delay)]
    #[serde(rename = "drain_delay_ms", with = "scalar::delay")]
    pub drain_delay: Duration,
    /// Longest time from the begin of the drain to the end of the process
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    #[serde(rename = "drain_timeout_ms", with = "scalar::time")]
    pub drain_timeout: Duration,
    /// Most bytes in the head of a request or response, at most 256KiB
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
    #[serde(with = "scalar::optional_count")]
    pub max_connections: Option<u64>,
    /// Most connections from one IPv4 address or IPv6 /64, or off
    #[arg(long, value_name = "N", default_value = "off", value_parser = units::optional_count)]
    pub max_connections_per_address: Optional<u64>,
    /// Most bytes that the kernel holds of what is sent to clients (SO_SNDBUF), or off
    #[arg(long, value_name = "BYTES", default_value = "off", value_parser = units::optional_bytes)]
    #[serde(rename = "client_send_buffer_bytes", with = "scalar::size_or_off")]
    pub client_send_buffer: Optional<u64>,
    /// Most bytes that the kernel holds of what is received from clients (SO_RCVBUF), or off
    #[arg(long, value_name = "BYTES", default_value = "off", value_parser = units::optional_bytes)]
    #[serde(rename = "client_receive_buffer_bytes", with = "scalar::size_or_off")]
    pub client_receive_buffer: Optional<u64>,
    /// Most bytes that the kernel holds of what is sent to upstreams (SO_SNDBUF), or off
    #[arg(long, value_name = "BYTES", default_value = "off", value_parser = units::optional_bytes)]
    #[serde(rename = "upstream_send_buffer_bytes", with = "scalar::size_or_off")]
    pub upstream_send_buffer: Optional<u64>,
    /// Most bytes that the kernel holds of what is received from upstreams (SO_RCVBUF), or off
    #[arg(long, value_name = "BYTES", default_value = "off", value_parser = units::optional_bytes)]
    #[serde(rename = "upstream_receive_buffer_bytes", with = "scalar::size_or_off")]
    pub upstream_receive_buffer: Optional<u64>,
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

/// The limits and deadlines of the process, checked: those that are not policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From accept to the 101.
    pub handshake_timeout: Duration,
    /// From the first answer of DNS that a name is gone to the removal of its addresses; `None` to keep them.
    pub gone_name_timeout: Option<Duration>,
    /// From SIGTERM or SIGINT to the begin of the drain.
    pub drain_delay: Duration,
    /// From the begin of the drain to the end of the process.
    pub drain_timeout: Duration,
    /// Limits on heads of requests and responses.
    pub head: HeadLimits,
    /// The options of every connection's sockets.
    pub keepalive: KeepAlive,
    /// The most connections of the process; `None` for as many as the file descriptors allow.
    pub max_connections: Option<u64>,
    /// The most connections from one IPv4 address or IPv6 /64.
    pub max_connections_per_address: Option<u64>,
    /// The kernel's buffers of clients' sockets.
    pub client_buffers: Buffers,
    /// The kernel's buffers of upstreams' sockets.
    pub upstream_buffers: Buffers,
}

impl Limits {
    /// The options of clients' sockets.
    #[must_use]
    pub fn client_sockets(&self) -> SocketOptions {
        SocketOptions { keepalive: self.keepalive, buffers: self.client_buffers }
    }

    /// The options of upstreams' sockets.
    #[must_use]
    pub fn upstream_sockets(&self) -> SocketOptions {
        SocketOptions { keepalive: self.keepalive, buffers: self.upstream_buffers }
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
    /// The limits and deadlines that are not policies, checked.
    ///
    /// # Errors
    /// Every option that is out of its range, with the range.
    pub fn checked(&self) -> Result<Limits, Vec<OutOfRange>> {
        match (self.head(), self.keepalive(), self.buffers()) {
            (Ok(head), Ok(keepalive), Ok([client_buffers, upstream_buffers])) => Ok(Limits {
                handshake_timeout: self.handshake_timeout,
                drain_delay: self.drain_delay,
                gone_name_timeout: self.gone_name_timeout.0,
                drain_timeout: self.drain_timeout,
                head,
                keepalive,
                max_connections: self.max_connections,
                max_connections_per_address: self.max_connections_per_address.0,
                client_buffers,
                upstream_buffers,
            }),
            (head, keepalive, buffers) => {
                Err(head.err().into_iter().chain(keepalive.err()).chain(buffers.err().into_iter().flatten()).collect())
            }
        }
    }

    fn head(&self) -> Result<HeadLimits, OutOfRange> {
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

    fn keepalive(&self) -> Result<KeepAlive, OutOfRange> {
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

    /// The buffers of clients' sockets and of upstreams'.
    fn buffers(&self) -> Result<[Buffers; 2], Vec<OutOfRange>> {
        let mut faults = Vec::new();
        let mut size = |flag, field, value: Optional<u64>| {
            let bytes = value.0?;
            let known = u32::try_from(bytes).ok().filter(|bytes| (MIN_BUFFER_BYTES..=MAX_BUFFER_BYTES).contains(bytes));
            if known.is_none() {
                let why = format!("is {bytes}; it must be from {MIN_BUFFER_BYTES} to {MAX_BUFFER_BYTES}, or off");
                faults.push(OutOfRange { flag, field, why });
            }
            known
        };
        let client = Buffers {
            send: size("--client-send-buffer", "client_send_buffer_bytes", self.client_send_buffer),
            receive: size("--client-receive-buffer", "client_receive_buffer_bytes", self.client_receive_buffer),
        };
        let upstream = Buffers {
            send: size("--upstream-send-buffer", "upstream_send_buffer_bytes", self.upstream_send_buffer),
            receive: size("--upstream-receive-buffer", "upstream_receive_buffer_bytes", self.upstream_receive_buffer),
        };
        if faults.is_empty() { Ok([client, upstream]) } else { Err(faults) }
    }

    /// The node's value of every policy. Those that are no limits have their defaults.
    #[must_use]
    pub fn policies(&self, preserve_host: bool) -> PolicyValues {
        PolicyValues {
            preserve_host,
            abnormal_close_code: Optional(None),
            // Each API that needs them says so.
            insecure_allow_missing_key: false,
            insecure_allow_missing_accept: false,
            upstream_server_name: Optional(None),
            unlisted_paths: UnlistedPaths::default(),
            origins: Origins::Any,
            auth_mode: AuthMode::None,
            credentials_in: CredentialPlaces::default(),
            key_header: KeyHeader::default(),
            key_query: KeyQuery::default(),
            key_cookie: KeyCookie::default(),
            forward_identity: false,
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
            ping_interval: self.ping_interval,
            upstream_ping_interval: self.upstream_ping_interval,
            pong_timeout: self.pong_timeout,
            close_timeout: self.close_timeout,
            max_frame_bytes: self.max_frame_bytes,
            max_message_bytes: self.max_message_bytes,
            // APIs and environments choose.
            check_client_sends: CheckMode::Off,
            check_client_receives: CheckMode::Off,
            on_violation: OnViolation::Drop,
            max_checked_bytes: CheckedBytes::USUAL,
            over_limit: OverLimit::Pass,
        }
    }
}
