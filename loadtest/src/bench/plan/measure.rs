//! The numbers that are read from a run's report.

use serde::{Deserialize, Serialize};

use crate::report::model::Report;

/// A number read from a run's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// CPU time of the proxy per message, delivery or handshake.
    CpuEach(&'static str),
    /// Messages answered per second.
    PerSecond,
    /// The median latency.
    P50,
    /// The 99th percentile of latency.
    P99,
    /// User memory of the proxy per connection.
    MemoryEach,
    /// Handshakes per second.
    HandshakesPerSecond,
    /// The share of deliveries that arrived.
    Delivered,
}

/// The direction in which a number is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Lower numbers are better.
    Lower,
    /// Higher numbers are better.
    Higher,
}

impl Measure {
    /// The name in `runs.json`.
    pub fn id(self) -> &'static str {
        match self {
            Measure::CpuEach(_) => "cpu",
            Measure::PerSecond => "rate",
            Measure::P50 => "p50",
            Measure::P99 => "p99",
            Measure::MemoryEach => "memory",
            Measure::HandshakesPerSecond => "handshakes",
            Measure::Delivered => "delivered",
        }
    }

    /// The name for readers.
    pub fn title(self) -> String {
        match self {
            Measure::CpuEach(what) => format!("CPU a {what}"),
            Measure::PerSecond => "messages".to_owned(),
            Measure::P50 => "latency p50".to_owned(),
            Measure::P99 => "latency p99".to_owned(),
            Measure::MemoryEach => "memory a connection".to_owned(),
            Measure::HandshakesPerSecond => "handshakes".to_owned(),
            Measure::Delivered => "delivered".to_owned(),
        }
    }

    /// The unit of the numbers.
    pub fn unit(self) -> &'static str {
        match self {
            Measure::CpuEach(_) | Measure::P50 | Measure::P99 => "us",
            Measure::PerSecond | Measure::HandshakesPerSecond => "/s",
            Measure::MemoryEach => "bytes",
            Measure::Delivered => "%",
        }
    }

    /// The direction in which the numbers are better.
    pub fn better(self) -> Better {
        match self {
            Measure::CpuEach(_) | Measure::P50 | Measure::P99 | Measure::MemoryEach => Better::Lower,
            Measure::PerSecond | Measure::HandshakesPerSecond | Measure::Delivered => Better::Higher,
        }
    }

    /// Reads the number from a report; `None` if the report lacks it, or if it is not a finite number.
    pub fn read(self, report: &Report) -> Option<f64> {
        let target = report.target.as_ref();
        let messages = report.messages.as_ref();
        let value = match self {
            Measure::CpuEach(_) => target?.cpu_us_each?,
            Measure::PerSecond | Measure::HandshakesPerSecond => messages?.achieved_per_s,
            Measure::P50 => report.latency.as_ref().filter(|latency| latency.count > 0)?.p50_ns as f64 / 1e3,
            Measure::P99 => report.latency.as_ref().filter(|latency| latency.count > 0)?.p99_ns as f64 / 1e3,
            Measure::MemoryEach => target?.memory_bytes_each?,
            Measure::Delivered => {
                let (received, lost) = (messages?.received as f64, messages?.lost as f64);
                received * 100.0 / (received + lost)
            }
        };
        value.is_finite().then_some(value)
    }
}
