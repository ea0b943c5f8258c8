//! Writes distributions by interval, in the log format that HdrHistogram's own tools read and plot.

use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

use super::file;
use super::kept::Kept;

/// The values recorded in one interval of the run.
#[derive(Clone, Debug)]
pub struct Interval {
    /// The time from the start of the measured window to the start of this interval.
    pub start: Duration,
    /// The length of the interval.
    pub length: Duration,
    /// The values recorded in the interval, in nanoseconds.
    pub histogram: Kept,
}

/// HdrHistogram's tools read a log's values as nanoseconds, and show the maximum of an interval in milliseconds.
const NANOS_PER_MILLI: f64 = 1e6;

/// Writes the log, to standard output if the path is `-`. `started` is the start of the measured window; the intervals
/// are written in the given order and must be sorted by time.
///
/// # Errors
/// Fails with the file that could not be written, and the reason.
pub fn write(path: &Path, started: SystemTime, intervals: &[Interval]) -> Result<(), String> {
    file::write(path, &encode(started, intervals)?)
}

fn encode(started: SystemTime, intervals: &[Interval]) -> Result<Vec<u8>, String> {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    // The log states both times: readers disagree on the base of an interval's time if one is missing.
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("[Values are in nanoseconds; Interval_Max is in milliseconds]")
        .with_start_time(started)
        .with_base_time(started)
        .with_max_value_divisor(NANOS_PER_MILLI)
        .begin_log_with(&mut log, &mut serializer)
        .map_err(|error| format!("the histogram log was not begun: {error}"))?;
    for Interval { start, length, histogram } in intervals {
        writer
            .write_histogram(&histogram.unpacked(), *start, *length, None)
            .map_err(|error| format!("the interval at {:.3}s was not written: {error}", start.as_secs_f64()))?;
    }
    drop(writer);
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::{Interval, Kept, encode, write};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use std::time::{Duration, SystemTime};

    fn intervals() -> Vec<Interval> {
        (0..3_u64)
            .map(|second| {
                let mut histogram = Histogram::new(3).unwrap();
                histogram.record_n(1_000_000 * (second + 1), 10).unwrap();
                Interval {
                    start: Duration::from_secs(second),
                    length: Duration::from_millis(1000),
                    histogram: Kept::Live(histogram),
                }
            })
            .collect()
    }

    #[test]
    fn the_log_is_read_back_as_it_was() {
        let started = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500_000_000_250);
        let log = encode(started, &intervals()).unwrap();
        let mut times = Vec::new();
        let mut found = Vec::new();
        for entry in IntervalLogIterator::new(&log) {
            match entry.unwrap() {
                LogEntry::StartTime(time) | LogEntry::BaseTime(time) => times.push(time),
                LogEntry::Interval(interval) => found.push(interval),
            }
        }
        assert_eq!(times, [Duration::from_millis(1_500_000_000_250); 2]);
        assert_eq!(found.len(), 3);
        for (read, written) in found.iter().zip(intervals()) {
            assert_eq!(read.start_timestamp(), written.start);
            assert_eq!(read.duration(), written.length);
            let bytes = STANDARD.decode(read.encoded_histogram()).unwrap();
            let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            assert_eq!(histogram, written.histogram.unpacked());
            let milliseconds = written.start.as_secs_f64() + 1.0;
            assert!((read.max() - milliseconds).abs() < 0.01, "{} for {milliseconds}", read.max());
        }
    }

    #[test]
    fn the_unit_is_said_in_the_file() {
        let path = std::env::temp_dir().join(format!("ringway-hlog-{}.hlog", std::process::id()));
        write(&path, SystemTime::now(), &intervals()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("#[Histogram log format version 1.3]\n"), "{text}");
        assert!(text.contains("Values are in nanoseconds; Interval_Max is in milliseconds"), "{text}");
        assert!(text.contains("\n0.000,1.000,1.00"), "{text}");
        std::fs::remove_file(&path).unwrap();
    }
}
