//! `--fail-if`: a condition on a figure of the run.

use std::fmt;
use std::str::FromStr;

use super::figures;
use super::histogram;
use super::model::{Latency, Report, ThresholdResult};

/// A condition under which a run must fail: `p99>5ms`, `lost != 0`, `busy >= 80%`.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    expression: String,
    metric: Metric,
    operator: Operator,
    /// The value in the metric's own unit: ns, a count, a rate per second, or percent.
    value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    Latency(Part),
    Handshake(Part),
    Cpu,
    Rate,
    Busy,
    Count(Count),
}

/// One figure of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Min,
    Mean,
    Max,
    Percentile(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    Errors,
    Received,
    Lost,
    Duplicates,
    OutOfOrder,
    Mismatched,
    OtherForm,
    Unexpected,
    Late,
    Unsent,
    Failed,
    ConnectionsLost,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// The longer operators come first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 6] = [
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
];

const COUNTS: [(&str, Count); 13] = [
    ("errors", Count::Errors),
    ("received", Count::Received),
    ("lost", Count::Lost),
    ("duplicates", Count::Duplicates),
    ("out-of-order", Count::OutOfOrder),
    ("mismatched", Count::Mismatched),
    ("other-form", Count::OtherForm),
    ("unexpected", Count::Unexpected),
    ("late", Count::Late),
    ("unsent", Count::Unsent),
    ("failed", Count::Failed),
    ("connections.lost", Count::ConnectionsLost),
    ("open", Count::Open),
];

const METRICS: &str = "min, mean, max, p50, p99.9 or any other percentile, the same with `handshake.` before it, errors, received, \
    lost, duplicates, out-of-order, mismatched, other-form, unexpected, late, unsent, failed, connections.lost, open, rate, busy, cpu";

/// The measured figure of a threshold if the run does not have it. Such a threshold is missed: no result is no success.
const NOTHING: &str = "nothing measured";

impl Threshold {
    /// Compares the run with the threshold. A figure that the run does not have misses it.
    #[must_use]
    pub fn judge(&self, report: &Report) -> ThresholdResult {
        let (measured, failed) = match self.metric.measure(report) {
            Some((value, shown)) => (shown, self.operator.holds(value, self.value)),
            None => (NOTHING.to_owned(), true),
        };
        ThresholdResult { expression: self.expression.clone(), measured, failed }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.expression)
    }
}

impl FromStr for Threshold {
    type Err = String;

    /// Parses `METRIC OP VALUE`, with or without spaces. The error names the fault and the allowed values.
    fn from_str(text: &str) -> Result<Self, String> {
        let expression = text.trim();
        let at = expression.find(['<', '>', '=', '!']).ok_or_else(|| {
            format!("`{expression}` compares nothing; write METRIC OP VALUE, as p99>5ms, with one of > >= < <= == !=")
        })?;
        let (name, rest) = expression.split_at(at);
        let (sign, operator) = OPERATORS
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .ok_or_else(|| format!("`{expression}` has no operator that is known; use one of > >= < <= == !="))?;
        let metric = Metric::from_str(name.trim())?;
        let written = rest.get(sign.len()..).unwrap_or_default().trim();
        let value = metric.value(written).map_err(|why| format!("`{expression}`: {why}"))?;
        Ok(Self { expression: expression.to_owned(), metric, operator, value })
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if let Some(part) = name.strip_prefix("handshake.") {
            return Part::from_str(part).map(Self::Handshake);
        }
        if let Some((_, count)) = COUNTS.into_iter().find(|(known, _)| *known == name) {
            return Ok(Self::Count(count));
        }
        match name {
            "" => Err(format!("no metric stands before the operator; use one of {METRICS}")),
            "rate" => Ok(Self::Rate),
            "busy" => Ok(Self::Busy),
            "cpu" => Ok(Self::Cpu),
            _ => Part::from_str(name).map(Self::Latency),
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "min" => return Ok(Self::Min),
            "mean" => return Ok(Self::Mean),
            "max" => return Ok(Self::Max),
            _ => {}
        }
        let number =
            name.strip_prefix('p').filter(|digits| plain_number(digits)).and_then(|digits| digits.parse().ok());
        match number {
            Some(percentile) if (0.0..=100.0).contains(&percentile) => Ok(Self::Percentile(percentile)),
            Some(_) => Err(format!("`{name}` is no percentile; they go from p0 to p100")),
            None => Err(format!("`{name}` is not a metric; use one of {METRICS}")),
        }
    }
}

/// Returns `true` for digits with at most one point between them. Other forms that `f64` parses (`inf`, `1e9`, `-1`)
/// are not allowed.
fn plain_number(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    [whole, part].iter().all(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Metric {
    fn value(self, text: &str) -> Result<f64, String> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = unit.trim_start();
        if text.is_empty() {
            return Err("no value stands behind the operator".to_owned());
        }
        let plain = plain_number(number).then(|| number.parse().ok()).flatten();
        let number: f64 = plain.ok_or_else(|| format!("`{text}` does not begin with a number such as 5 or 0.5"))?;
        match self {
            Self::Latency(_) | Self::Handshake(_) | Self::Cpu => match unit {
                "ns" => Ok(number),
                "us" | "µs" => Ok(number * 1e3),
                "ms" => Ok(number * 1e6),
                "s" => Ok(number * 1e9),
                "" => Err(format!("{text} has no unit of time; write {text}ms, or use ns, us or s")),
                _ => Err(format!("`{unit}` is not a unit of time; use ns, us, ms or s")),
            },
            Self::Busy => match unit {
                "%" => Ok(number),
                "" => Err(format!("busy is a share in percent; write {text}%")),
                _ => Err(format!("`{unit}` is not %; busy is a share in percent")),
            },
            Self::Rate if unit == "/s" => Ok(number),
            Self::Rate | Self::Count(_) if !unit.is_empty() => {
                Err(format!("it takes a number without a unit, not `{unit}`"))
            }
            Self::Count(_) if number.fract() != 0.0 => Err(format!("it takes a whole number, not {text}")),
            Self::Rate | Self::Count(_) => Ok(number),
        }
    }

    /// The figure in the metric's own unit, and its display form.
    fn measure(self, report: &Report) -> Option<(f64, String)> {
        match self {
            Self::Latency(part) => part.measure(report.latency.as_ref()?),
            Self::Handshake(part) => part.measure(report.handshake.as_ref()?),
            Self::Cpu => report.target.as_ref()?.cpu_us_each.map(|us| (us * 1e3, figures::time(us * 1e3))),
            Self::Rate => {
                report.messages.as_ref().map(|found| (found.achieved_per_s, figures::rate(found.achieved_per_s)))
            }
            Self::Busy => {
                let share = report.generator.busy_share;
                Some((share * 100.0, figures::percent(share)))
            }
            Self::Count(count) => count.measure(report).map(|number| (number as f64, figures::count(number))),
        }
        .filter(|(value, _)| !value.is_nan())
    }
}

impl Part {
    fn measure(self, latency: &Latency) -> Option<(f64, String)> {
        if latency.count == 0 {
            return None;
        }
        let ns = match self {
            Self::Min => latency.min_ns as f64,
            Self::Mean => latency.mean_ns,
            Self::Max => latency.max_ns as f64,
            Self::Percentile(percentile) => {
                let ns = histogram::decode(latency).ok()?.value_at_quantile(percentile / 100.0) as f64;
                // There are too few values for this percentile: it is the longest value, and the report says so.
                if (latency.count as f64) * (1.0 - percentile / 100.0) < 1.0 - 1e-9 && percentile < 100.0 {
                    let shown = figures::time(ns);
                    return Some((ns, format!("{shown} (only {} values)", figures::count(latency.count))));
                }
                ns
            }
        };
        Some((ns, figures::time(ns)))
    }
}

impl Count {
    fn measure(self, report: &Report) -> Option<u64> {
        let messages = report.messages.as_ref();
        match self {
            Self::Errors => Some(report.errors.iter().fold(0, |sum, kind| sum.saturating_add(kind.count))),
            Self::Failed => Some(report.connections.failed),
            Self::ConnectionsLost => Some(report.connections.lost),
            Self::Open => Some(report.connections.open_at_end),
            Self::Received => messages.map(|found| found.received),
            Self::Lost => messages.map(|found| found.lost),
            Self::Duplicates => messages.map(|found| found.duplicates),
            Self::OutOfOrder => messages.map(|found| found.out_of_order),
            Self::Mismatched => messages.map(|found| found.mismatched),
            Self::OtherForm => messages.map(|found| found.other_form),
            Self::Unexpected => messages.map(|found| found.unexpected),
            Self::Late => messages.map(|found| found.late),
            Self::Unsent => messages.map(|found| found.unsent),
        }
    }
}

impl Operator {
    #[expect(clippy::float_cmp, reason = "== and != are what the user asked for, and counts are exact")]
    fn holds(self, measured: f64, value: f64) -> bool {
        match self {
            Self::Greater => measured > value,
            Self::GreaterOrEqual => measured >= value,
            Self::Less => measured < value,
            Self::LessOrEqual => measured <= value,
            Self::Equal => measured == value,
            Self::NotEqual => measured != value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Threshold;
    use crate::report::model::Report;
    use crate::report::{histogram, sample};
    use hdrhistogram::Histogram;
    use proptest::prelude::{ProptestConfig, proptest};

    fn judged(expression: &str, report: &Report) -> (String, bool) {
        let result = expression.parse::<Threshold>().unwrap().judge(report);
        assert_eq!(result.expression, expression.trim());
        (result.measured, result.failed)
    }

    /// 1 to 10,000 us; what the target used: 40.2us each; busy 64%.
    fn run() -> Report {
        let mut even = Histogram::new(3).unwrap();
        (1..=10_000_u64).for_each(|us| even.record(us * 1000).unwrap());
        Report { latency: histogram::latency("t", &even), ..sample::echo() }
    }

    #[test]
    fn a_figure_is_compared_in_its_own_unit() {
        let run = run();
        for (expression, failed) in [
            ("p99>9.8ms", true),
            ("p99 > 10ms", false),
            ("p99.9 >= 9990us", true),
            ("p12.5<1.3ms", true),
            ("p100>10.1ms", false),
            ("min<=1us", true),
            ("mean>0.005s", true),
            ("max<=10000000ns", false),
            ("handshake.p50>1ns", true),
            ("handshake.max>10s", false),
            ("errors>3", false),
            ("errors>2", true),
            ("errors==3", true),
            ("lost!=408", false),
            ("received<1199005", true),
            ("unsent>=589", false),
            ("late>36", true),
            ("duplicates>0", false),
            ("out-of-order>0", false),
            ("mismatched!=0", false),
            ("failed>1", true),
            ("connections.lost>0", true),
            ("open<997", false),
            ("rate<19983.5", true),
            ("rate<19983/s", false),
            ("busy>63.9%", true),
            ("busy>64.1%", false),
            ("cpu>40us", true),
            ("cpu>41us", false),
        ] {
            assert_eq!(judged(expression, &run).1, failed, "{expression}");
        }
        assert_eq!(judged("  p99>9.8ms ", &run).0, "9.90ms");
        assert_eq!(judged("busy>1%", &run).0, "64%");
        assert_eq!(judged("lost>1", &run).0, "408");
    }

    #[test]
    fn what_was_not_measured_never_passes() {
        let nothing = sample::small();
        for metric in ["p99>1s", "min>1s", "handshake.p50>1s", "lost>0", "received<0", "rate<0", "cpu>1s", "unsent>5"] {
            assert_eq!(judged(metric, &nothing), ("nothing measured".to_owned(), true), "{metric}");
        }
        let mut broken = run();
        broken.latency.as_mut().unwrap().histogram.truncate(20);
        assert_eq!(judged("p99>1s", &broken), ("nothing measured".to_owned(), true));
        broken.generator.busy_share = f64::NAN;
        assert_eq!(judged("busy>1%", &broken), ("nothing measured".to_owned(), true));
    }

    #[test]
    fn a_percentile_of_too_few_values_says_so() {
        let mut few = Histogram::new(3).unwrap();
        few.record_n(1_000_000, 99).unwrap();
        let report = Report { latency: histogram::latency("t", &few), ..sample::echo() };
        assert_eq!(judged("p99>5ms", &report), ("1.00ms (only 99 values)".to_owned(), false));
        assert_eq!(judged("p90>5ms", &report), ("1.00ms".to_owned(), false));
        few.record(1_000_000).unwrap();
        let report = Report { latency: histogram::latency("t", &few), ..sample::echo() };
        assert_eq!(judged("p99>5ms", &report), ("1.00ms".to_owned(), false));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (expression, says) in [
            ("", "compares nothing"),
            ("p99", "METRIC OP VALUE"),
            ("p99=5ms", "> >= < <= == !="),
            ("p99!5ms", "> >= < <= == !="),
            (">5ms", "no metric"),
            ("p99>", "no value"),
            ("p99>5", "write 5ms"),
            ("p99>5min", "ns, us, ms or s"),
            ("p101>5ms", "p0 to p100"),
            ("p>5ms", "not a metric"),
            ("p-1>5ms", "not a metric"),
            ("pinf>5ms", "not a metric"),
            ("p99>-5ms", "does not begin with a number"),
            ("p99>1.2.3ms", "does not begin with a number"),
            ("handshake.lost>1", "not a metric"),
            ("latency>1ms", "out-of-order, mismatched"),
            ("lost>1ms", "without a unit"),
            ("lost>1.5", "whole number"),
            ("rate<5ms", "without a unit"),
            ("busy>80", "write 80%"),
            ("busy>80ms", "percent"),
            ("cpu>80%", "ns, us, ms or s"),
        ] {
            let error = expression.parse::<Threshold>().unwrap_err();
            assert!(error.contains(says), "{expression}: {error:?} does not say {says:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_expression_panics(any: String, metric in "(handshake\\.)?(p[0-9]{1,2}(\\.[0-9]{1,9})?|min|max|mean)|lost|rate|busy|cpu|[a-z0-9.-]{0,9}", operator in "[<>=!]{1,2}", value in "[0-9.]{0,30}(ms|%|/s|[a-zµ%/]{0,3})") {
            let report = run();
            for text in [any, format!("{metric}{operator}{value}"), format!("p{value}{operator}{value}")] {
                if let Ok(threshold) = text.parse::<Threshold>() {
                    let _ = threshold.judge(&report);
                }
            }
        }
    }
}
