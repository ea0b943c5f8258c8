//! The charts of a run: its distributions, and its seconds.

use super::chart::{Line, LineChart, Mark, Scale, Unit};
use super::histogram;
use super::model::{Latency, Report, Scenario, Second};

/// A chart of each distribution that the report has and that can be decoded.
pub(crate) fn percentiles(report: &Report) -> Vec<LineChart> {
    [("Latency", &report.latency), ("Handshake", &report.handshake)]
        .into_iter()
        .filter_map(|(name, latency)| percentile_curve(name, latency.as_ref()?))
        .collect()
}

/// The number of points of a percentile curve.
const POINTS: u16 = 300;

fn percentile_curve(name: &str, latency: &Latency) -> Option<LineChart> {
    let histogram = histogram::decode(latency).ok().filter(|histogram| !histogram.is_empty())?;
    // The curve ends where one value is left: with 1,000 values at p99.9.
    let end = (histogram.len() as f64).log10().clamp(0.0, 5.0);
    let at = |x: f64| histogram.value_at_quantile(1.0 - 10.0_f64.powf(-x)) as f64;
    let points: Vec<(f64, f64)> =
        (0..=POINTS).map(|step| end * f64::from(step) / f64::from(POINTS)).map(|x| (x, at(x))).collect();
    let (least, most) = (points.first()?.1, points.last()?.1);
    let marks = [std::f64::consts::LOG10_2, 1.0, 2.0, 3.0, 4.0].into_iter().filter(|x| *x <= end + 1e-9);
    let marks = marks
        .map(|x| Mark { at: (x, at(x)), label: format!("{} {}", Unit::Percentile.show(x), Unit::Time.show(at(x))) });
    Some(LineChart {
        title: format!("{name} by percentile"),
        x: Unit::Percentile,
        x_name: "percentile".to_owned(),
        y: Unit::Time,
        scale: if most > 20.0 * least.max(1.0) { Scale::Log } else { Scale::Linear },
        lines: vec![Line { name: name.to_lowercase(), color: 0, dashed: false, points }],
        marks: marks.collect(),
    })
}

/// Charts of the run over time: rates, latency and connections, as far as there are any.
pub(crate) fn series(report: &Report) -> Vec<LineChart> {
    if report.series.is_empty() {
        return Vec::new();
    }
    [rates(report), latencies(report), connections(report)].into_iter().flatten().collect()
}

/// The names of a second's `sent` and `received`.
fn names(scenario: Scenario) -> (&'static str, &'static str) {
    match scenario {
        Scenario::Echo => ("messages sent", "replies received"),
        Scenario::Hold => ("pings sent", "pongs received"),
        Scenario::Storm => ("connections begun", "handshakes done"),
        Scenario::Fanout => ("messages published", "deliveries received"),
    }
}

fn rates(report: &Report) -> Option<LineChart> {
    if report.series.iter().all(|second| second.sent == 0 && second.received == 0) {
        return None;
    }
    let (sent, received) = names(report.scenario);
    let each = |of: fn(&Second) -> u64| {
        let begun = std::iter::once(0).chain(report.series.iter().map(|second| second.until_ms));
        let lengths =
            report.series.iter().zip(begun).map(|(second, begun)| (second, second.until_ms.saturating_sub(begun)));
        // The last interval may be very short and would look like a dip or a peak.
        let rates = lengths
            .filter(|(_, ms)| *ms >= 100)
            .map(|(second, ms)| (at(second), of(second) as f64 * 1000.0 / ms as f64));
        rates.collect::<Vec<_>>()
    };
    let mut lines = vec![line(sent, 1, each(|second| second.sent)), line(received, 0, each(|second| second.received))];
    let ends = [report.series.first(), report.series.last()];
    if let Some(offered) = report.messages.as_ref().and_then(|messages| messages.offered_per_s) {
        // One message may cause many deliveries: the offered rate is the rate of sending.
        let points = ends.into_iter().flatten().map(|second| (at(second), offered)).collect();
        lines.insert(0, Line { dashed: true, ..line("offered", 5, points) });
    }
    Some(over_time("Rate over time", Unit::PerSecond, Scale::Linear, lines))
}

fn latencies(report: &Report) -> Option<LineChart> {
    let came: Vec<&Second> = report.series.iter().filter(|second| second.max_ns > 0).collect();
    let least = came.iter().map(|second| second.p50_ns).filter(|ns| *ns > 0).min()? as f64;
    let most = came.iter().map(|second| second.max_ns).max()? as f64;
    let each = |of: fn(&Second) -> u64| {
        // A second without answers has no latency, rather than a latency of zero.
        let value = |second: &Second| if of(second) > 0 { of(second) as f64 } else { f64::NAN };
        report.series.iter().map(|second| (at(second), value(second))).collect()
    };
    let lines = vec![
        line("max", 3, each(|second| second.max_ns)),
        line("p99", 1, each(|second| second.p99_ns)),
        line("p50", 0, each(|second| second.p50_ns)),
    ];
    let scale = if most > 20.0 * least { Scale::Log } else { Scale::Linear };
    Some(over_time("Latency over time", Unit::Time, scale, lines))
}

fn connections(report: &Report) -> Option<LineChart> {
    let points: Vec<_> = report.series.iter().map(|second| (at(second), second.connections as f64)).collect();
    let any = report.series.iter().any(|second| second.connections > 0);
    let lines = vec![line("open", 2, points)];
    any.then(|| over_time("Connections open over time", Unit::Count, Scale::Linear, lines))
}

fn at(second: &Second) -> f64 {
    second.until_ms as f64 / 1000.0
}

fn line(name: &str, color: usize, points: Vec<(f64, f64)>) -> Line {
    Line { name: name.to_owned(), color, dashed: false, points }
}

fn over_time(title: &str, y: Unit, scale: Scale, lines: Vec<Line>) -> LineChart {
    let (x, x_name) = (Unit::Seconds, "since the start of the measured window".to_owned());
    LineChart { title: title.to_owned(), x, x_name, y, scale, lines, marks: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::{Report, percentiles, series};
    use crate::report::chart::Scale;
    use crate::report::sample;

    #[test]
    fn a_curve_ends_where_its_values_do() {
        let curves = percentiles(&sample::echo());
        let end = |index: usize| curves[index].lines[0].points.last().unwrap().0;
        assert!((end(0) - 5.0).abs() < 1e-9, "a million values reach the end of the axis");
        assert!((end(1) - 998.0_f64.log10()).abs() < 1e-9, "998 values end before p99.9");
        assert_eq!(curves[1].marks.len(), 3);
        assert!(curves[0].lines[0].points.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }

    #[test]
    fn a_short_last_second_is_no_dip() {
        let mut report = sample::echo();
        report.series[59].until_ms = 59_500;
        report.series[59].received /= 2;
        let rate = &series(&report)[0].lines[2];
        assert_eq!(rate.name, "replies received");
        assert!((rate.points[59].1 / 19_943.0 - 1.0).abs() < 0.001, "{:?}", rate.points[59]);
    }

    #[test]
    fn a_second_without_answers_is_a_gap() {
        let mut report = sample::echo();
        (report.series[9].p50_ns, report.series[9].p99_ns, report.series[9].max_ns) = (0, 0, 0);
        let charts = series(&report);
        assert_eq!(charts[1].scale, Scale::Log);
        assert!(charts[1].lines.iter().all(|line| line.points[9].1.is_nan() && line.points[8].1 > 0.0));
        let titles = |report: &Report| series(report).into_iter().map(|chart| chart.title).collect::<Vec<_>>();
        assert_eq!(titles(&sample::hold_failed()), ["Connections open over time"]);
        assert!(titles(&sample::small()).is_empty());
    }
}
