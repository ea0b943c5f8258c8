//! What a run is reported as: the one structure behind the table, the JSON file, the page and every comparison.
//!
//! Times are in nanoseconds where the name ends in `_ns`, in milliseconds where it ends in `_ms`. What was sent or received
//! before or after the measured window is not counted, unless a field says otherwise.

use serde::{Deserialize, Serialize};

/// The version of the JSON format that this program writes and reads.
pub const FORMAT: u32 = 1;

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// The program and its version, as `ringway-load 0.1.0`.
    pub tool: String,
    /// Which scenario ran.
    pub scenario: Scenario,
    /// The start of the measured window, as `2026-11-22T08:15:30Z`.
    pub measured_at: String,
    /// What was asked for, in the order of the command line's help.
    pub settings: Vec<Setting>,
    /// Where it ran.
    pub machine: Machine,
    /// Whether the figures mean anything.
    pub verdict: Verdict,
    /// How long the warm-up took that is not counted.
    pub warmup_ms: u64,
    /// How long the measured window was; shorter than asked when the run was interrupted.
    pub measured_ms: u64,
    /// The connections, of the whole run.
    pub connections: Connections,
    /// The messages of the window; `None` where the scenario sends none.
    pub messages: Option<Messages>,
    /// The scenario's own latency.
    pub latency: Option<Latency>,
    /// From the moment a connection was due to be opened to its 101, of the whole run.
    pub handshake: Option<Latency>,
    /// What was agreed on in TLS, of the whole run; empty where there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls: Vec<Agreed>,
    /// What went wrong, most frequent first, of the whole run.
    pub errors: Vec<ErrorCount>,
    /// The window, second by second.
    pub series: Vec<Second>,
    /// What the generator itself used.
    pub generator: Generator,
    /// What the target's process used, where `--pid` named one.
    pub target: Option<TargetUse>,
    /// What `--fail-if` asked, and how it came out.
    pub thresholds: Vec<ThresholdResult>,
}

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Each message comes back.
    Echo,
    /// Idle connections.
    Hold,
    /// Connections opened and closed.
    Storm,
    /// Messages to many.
    Fanout,
}

/// One thing that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The option without its dashes, as `connections`.
    pub name: String,
    /// Its value, as one would write it.
    pub value: String,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// As `Linux 6.18.44`.
    pub kernel: String,
    /// The processor's name.
    pub cpu: String,
    /// How many CPUs it has.
    pub cpus: u64,
    /// Its memory in bytes.
    pub memory_bytes: u64,
}

/// Whether the figures mean anything, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// In one word.
    pub outcome: Outcome,
    /// Sentences, empty for a valid run.
    pub reasons: Vec<String>,
    /// Whether a signal cut the run short. What was measured until then counts.
    pub interrupted: bool,
}

/// In one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The figures are the target's.
    Valid,
    /// The generator was the limit: the figures are its own.
    Void,
    /// Something was lost, came twice, out of order or changed, or a connection that the scenario needs was missing.
    Failed,
}

/// Connections, of the whole run. `asked = opened + failed` unless the run was interrupted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// How many were to be opened.
    pub asked: u64,
    /// How many got their 101.
    pub opened: u64,
    /// How many did not.
    pub failed: u64,
    /// How many of the opened ones ended before the run did.
    pub lost: u64,
    /// How many were open when the measured window ended.
    pub open_at_end: u64,
}

/// Messages of the measured window: those that were due in it, whenever their answer came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Messages {
    /// Messages a second that were asked for; `None` in a closed loop.
    pub offered_per_s: Option<f64>,
    /// Messages a second that were answered (echo) or published (fan-out).
    pub achieved_per_s: f64,
    /// Messages that were due.
    pub due: u64,
    /// Messages that were handed to the network.
    pub sent: u64,
    /// Messages taken up more than a millisecond after they were due, through the generator's own fault.
    pub late: u64,
    /// Messages that were due and not sent: no connection to send on, or too many waiting before it.
    pub unsent: u64,
    /// Replies or deliveries that were due and came, right.
    pub received: u64,
    /// Replies or deliveries that did not come until the end of the grace period; in a fan-out those of the whole run, since
    /// only a publisher knows when what was not heard was due.
    pub lost: u64,
    /// Replies or deliveries that came again.
    pub duplicates: u64,
    /// Replies or deliveries that came behind a later one.
    pub out_of_order: u64,
    /// Replies or deliveries whose content was not what was sent.
    pub mismatched: u64,
    /// Payload bytes of the messages sent.
    pub bytes_sent: u64,
    /// Payload bytes of the messages received.
    pub bytes_received: u64,
}

/// A distribution of times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// What was timed, as `round trip, from the intended send time`.
    pub what: String,
    /// How many.
    pub count: u64,
    /// The shortest.
    pub min_ns: u64,
    /// The mean.
    pub mean_ns: f64,
    /// The median.
    pub p50_ns: u64,
    /// 90 of 100 took at most that long.
    pub p90_ns: u64,
    /// 99 of 100.
    pub p99_ns: u64,
    /// 999 of 1,000.
    pub p999_ns: u64,
    /// 9,999 of 10,000.
    pub p9999_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// The whole distribution, in nanoseconds with three significant digits: HdrHistogram V2, deflated, in base64.
    pub histogram: String,
}

/// What was agreed on in TLS handshakes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// The version, as `TLSv1.3`.
    pub version: String,
    /// The cipher suite by IANA's name, as `TLS_AES_128_GCM_SHA256`.
    pub suite: String,
    /// The group that keys were agreed in by IANA's name, as `X25519`.
    pub group: String,
    /// Whether an earlier session was taken up: no certificate was shown.
    pub resumed: bool,
    /// How many.
    pub count: u64,
}

/// One kind of failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// What failed: `connect`, `handshake`, `connection`, `message`.
    pub during: String,
    /// Why, as `refused`, `status 503`, `reset`, `closed with 1001`.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// One second of the measured window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    /// Milliseconds from the window's start to this second's end.
    pub until_ms: u64,
    /// Messages sent in it (storm: connections begun).
    pub sent: u64,
    /// Replies or deliveries that came in it (storm: 101s; hold: pongs).
    pub received: u64,
    /// Connections open at its end.
    pub connections: u64,
    /// Errors in it.
    pub errors: u64,
    /// The median of what came in it; 0 if nothing came.
    pub p50_ns: u64,
    /// The 99th percentile of what came in it.
    pub p99_ns: u64,
    /// The longest of what came in it.
    pub max_ns: u64,
}

/// What the generator itself used in the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// The CPUs its shards ran on.
    pub cpus: Vec<usize>,
    /// CPU seconds of the whole process, user and system.
    pub cpu_seconds: f64,
    /// The share of the window in which the busiest shard had something to do, 0 to 1.
    pub busy_share: f64,
    /// Whether the shards poll without sleeping, and so use their CPU whole.
    pub polls: bool,
}

/// What the target's process and its descendants used in the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetUse {
    /// The process that was named.
    pub pid: u32,
    /// CPU seconds, user and system.
    pub cpu_seconds: f64,
    /// CPU seconds a second.
    pub utilization: f64,
    /// The share of a CPU that its busiest thread used, 0 to 1.
    #[serde(default)]
    pub busiest_thread: f64,
    /// CPU microseconds a message answered (echo), delivery (fan-out) or handshake (storm); `None` if there was none.
    pub cpu_us_each: Option<f64>,
    /// Resident anonymous memory before the first connection, in bytes.
    pub memory_before_bytes: u64,
    /// The same with half of the connections open (hold), or at the window's start.
    pub memory_half_bytes: u64,
    /// The same at the end of the window.
    pub memory_end_bytes: u64,
    /// Bytes a connection: the slope between half and all of the connections (hold only).
    pub memory_bytes_each: Option<f64>,
}

/// A threshold, and how it came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// As it was written: `p99>5ms`.
    pub expression: String,
    /// What was measured, as one would write it: `7.20ms`.
    pub measured: String,
    /// Whether the run is to fail for it.
    pub failed: bool,
}
