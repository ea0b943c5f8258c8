//! The report of a run: the one structure behind the table, the JSON file, the page and every comparison.
//!
//! Times are in nanoseconds if the name ends in `_ns`, in milliseconds if it ends in `_ms`. Messages sent or received
//! outside the measured window are not counted, unless a field says otherwise.

use serde::{Deserialize, Serialize};

/// The version of the JSON format that this program writes and reads.
pub const FORMAT: u32 = 1;

/// The report of a whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// The program and its version, as `ringway-load 0.1.0`.
    pub tool: String,
    /// The scenario that ran.
    pub scenario: Scenario,
    /// The start of the measured window, as `2026-11-22T08:15:30Z`.
    pub measured_at: String,
    /// The run's options, in the order of the command line's help.
    pub settings: Vec<Setting>,
    /// The machine of the generator.
    pub machine: Machine,
    /// The validity of the figures.
    pub verdict: Verdict,
    /// The length of the warm-up, which is not counted.
    pub warmup_ms: u64,
    /// The length of the measured window; shorter than requested if the run was interrupted.
    pub measured_ms: u64,
    /// The connections, of the whole run.
    pub connections: Connections,
    /// The messages of the window; `None` where the scenario sends none.
    pub messages: Option<Messages>,
    /// The scenario's own latency.
    pub latency: Option<Latency>,
    /// Time from the moment a connection was due to be opened to its 101, of the whole run.
    pub handshake: Option<Latency>,
    /// The negotiated TLS parameters, of the whole run; empty without TLS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls: Vec<Agreed>,
    /// Errors of the whole run, most frequent first.
    pub errors: Vec<ErrorCount>,
    /// The seconds of the window.
    pub series: Vec<Second>,
    /// Resources that the generator used.
    pub generator: Generator,
    /// Resources that the target's process used, if `--pid` was given.
    pub target: Option<TargetUse>,
    /// The conditions of `--fail-if`, and their results.
    pub thresholds: Vec<ThresholdResult>,
}

/// The kind of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// The target returns each message.
    Echo,
    /// Connections stay idle.
    Hold,
    /// Connections are opened and closed.
    Storm,
    /// Each message is delivered to many connections.
    Fanout,
}

/// An option and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The option without its dashes, for example `connections`.
    pub name: String,
    /// The value, as written on the command line.
    pub value: String,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel, for example `Linux 6.18.44`.
    pub kernel: String,
    /// The processor's name.
    pub cpu: String,
    /// The number of CPUs.
    pub cpus: u64,
    /// The memory in bytes.
    pub memory_bytes: u64,
}

/// The validity of the figures, with reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The result in one word.
    pub outcome: Outcome,
    /// Sentences, empty for a valid run.
    pub reasons: Vec<String>,
    /// Sentences on what a reader should know besides, whatever the outcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// `true` if a signal cut the run short. The measurements up to then count.
    pub interrupted: bool,
}

/// The result of a run, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The figures are those of the target.
    Valid,
    /// The generator was the limit: the figures are its own.
    Void,
    /// Messages were lost, duplicated, reordered or changed, or a connection that the scenario needs was missing.
    Failed,
}

/// Connections, of the whole run. `asked = opened + failed` unless the run was interrupted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// The number of connections to open.
    pub asked: u64,
    /// The number of connections that got their 101.
    pub opened: u64,
    /// The number of connections that did not.
    pub failed: u64,
    /// The number of opened connections that ended before the run did.
    pub lost: u64,
    /// The number of connections that were open at the end of the measured window.
    pub open_at_end: u64,
}

/// Messages that were due in the measured window, whenever their answer came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Messages {
    /// The requested messages per second; `None` in a closed loop.
    pub offered_per_s: Option<f64>,
    /// Messages per second that were answered (echo) or published (fan-out).
    pub achieved_per_s: f64,
    /// Messages that were due.
    pub due: u64,
    /// Messages that were handed to the network.
    pub sent: u64,
    /// Messages that the generator took up more than a millisecond after they were due, through its own fault.
    pub late: u64,
    /// Messages that were due and not sent: there was no connection, or too many messages waited on it.
    pub unsent: u64,
    /// Correct replies or deliveries of messages that were due.
    pub received: u64,
    /// Replies or deliveries that did not arrive by the end of the grace period; in a fan-out, those of the whole run,
    /// since only a publisher knows when a missing message was due.
    pub lost: u64,
    /// Replies or deliveries that arrived more than once.
    pub duplicates: u64,
    /// Replies or deliveries that arrived after a later one.
    pub out_of_order: u64,
    /// Replies or deliveries whose content differs from the message sent.
    pub mismatched: u64,
    /// Replies with the right content that came as text instead of binary, or the other way round.
    #[serde(default)]
    pub other_form: u64,
    /// Messages that answer nothing: the server sent them on its own, such as a greeting. They are no fault.
    #[serde(default)]
    pub unexpected: u64,
    /// Payload bytes of the messages sent.
    pub bytes_sent: u64,
    /// Payload bytes of the messages received.
    pub bytes_received: u64,
}

/// A distribution of times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The measured time, for example `round trip, from the intended send time`.
    pub what: String,
    /// The number of values.
    pub count: u64,
    /// The shortest time.
    pub min_ns: u64,
    /// The mean time.
    pub mean_ns: f64,
    /// The median time.
    pub p50_ns: u64,
    /// The 90th percentile.
    pub p90_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The 99.9th percentile.
    pub p999_ns: u64,
    /// The 99.99th percentile.
    pub p9999_ns: u64,
    /// The longest time.
    pub max_ns: u64,
    /// The whole distribution, in nanoseconds with three significant digits: HdrHistogram V2, deflated, in base64.
    pub histogram: String,
}

/// Parameters that TLS handshakes negotiated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// The TLS version, for example `TLSv1.3`.
    pub version: String,
    /// The cipher suite by IANA's name, for example `TLS_AES_128_GCM_SHA256`.
    pub suite: String,
    /// The key exchange group by IANA's name, for example `X25519`.
    pub group: String,
    /// `true` if the handshakes resumed an earlier session, without a certificate.
    pub resumed: bool,
    /// The number of handshakes.
    pub count: u64,
}

/// One kind of failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// The part that failed: `connect`, `handshake`, `connection`, `message`.
    pub during: String,
    /// The reason, for example `refused`, `status 503`, `reset`, `closed with 1001`.
    pub reason: String,
    /// The number of failures.
    pub count: u64,
}

/// One second of the measured window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    /// Milliseconds from the window's start to this second's end.
    pub until_ms: u64,
    /// Messages sent in this second (storm: connections begun).
    pub sent: u64,
    /// Replies or deliveries received in this second (storm: 101s; hold: pongs).
    pub received: u64,
    /// Connections open at the end of this second.
    pub connections: u64,
    /// Errors in this second.
    pub errors: u64,
    /// The median latency of this second; 0 if nothing arrived.
    pub p50_ns: u64,
    /// The 99th percentile of this second's latency.
    pub p99_ns: u64,
    /// The longest latency of this second.
    pub max_ns: u64,
}

/// Resources that the generator used in the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// The CPUs of the generator's shards.
    pub cpus: Vec<usize>,
    /// CPU seconds of the whole process, user and system.
    pub cpu_seconds: f64,
    /// The fraction of the window in which the busiest shard was busy, 0 to 1.
    pub busy_share: f64,
    /// `true` if the shards poll without sleeping, and so fully use their CPUs.
    pub polls: bool,
}

/// Resources that the target's process and its descendants used in the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetUse {
    /// The process given with `--pid`.
    pub pid: u32,
    /// CPU seconds, user and system.
    pub cpu_seconds: f64,
    /// CPU seconds per second.
    pub utilization: f64,
    /// The share of a CPU that the busiest thread used, 0 to 1.
    #[serde(default)]
    pub busiest_thread: f64,
    /// CPU microseconds per answered message (echo), delivery (fan-out) or handshake (storm); `None` if there was none.
    pub cpu_us_each: Option<f64>,
    /// Resident anonymous memory before the first connection, in bytes.
    pub memory_before_bytes: u64,
    /// Resident anonymous memory with half of the connections open (hold), or at the window's start, in bytes.
    pub memory_half_bytes: u64,
    /// Resident anonymous memory at the end of the window, in bytes.
    pub memory_end_bytes: u64,
    /// Bytes per connection: the slope between half and all of the connections (hold only).
    pub memory_bytes_each: Option<f64>,
}

/// A threshold and its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// The expression as written: `p99>5ms`.
    pub expression: String,
    /// The measured figure, formatted: `7.20ms`.
    pub measured: String,
    /// `true` if the run must fail for this threshold.
    pub failed: bool,
}
