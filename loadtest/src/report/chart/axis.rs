//! Axes of charts: positions and labels of their ticks.

use super::{Scale, Unit};
use crate::report::figures::three;

/// An axis from its lowest to its highest value, with its ticks in order.
pub(super) struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Creates an axis for values from `least` (of those above zero, on a log scale) to `most`, with about `wanted`
    /// ticks.
    pub(super) fn new(unit: Unit, scale: Scale, least: f64, most: f64, wanted: f64) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let values = match (unit, scale) {
            (Unit::Percentile, _) => PERCENTILES.into_iter().filter(|x| *x <= most + 1e-9).collect(),
            (_, Scale::Log) => decades(if least.is_finite() && least > 0.0 { least.min(most) } else { most }, most),
            (Unit::Seconds, _) => {
                steps(most, *SECONDS.iter().find(|step| most / **step <= wanted).unwrap_or(&most), false)
            }
            (Unit::Bytes, _) => steps(most, binary_step(most / wanted), true),
            (Unit::Count, _) => steps(most, nice_step(most / wanted).max(1.0), true),
            _ => steps(most, nice_step(most / wanted), true),
        };
        // A run that ends between two ticks must not look longer than it was.
        let ends = matches!(unit, Unit::Percentile | Unit::Seconds);
        let low = if scale == Scale::Log { values.first().copied().unwrap_or(most / 10.0) } else { 0.0 };
        let high = if ends { most } else { values.last().copied().unwrap_or(most) };
        let ticks = values.into_iter().map(|value| (value, label(unit, value, high))).collect();
        Self { low, high, scale, ticks }
    }

    /// The position of a value, from 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        let (low, high, value) = match self.scale {
            Scale::Linear => (self.low, self.high, value),
            Scale::Log => (self.low.ln(), self.high.ln(), value.max(self.low).ln()),
        };
        let place = (value - low) / (high - low);
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// p0, p50, p90 and so on to p99.999.
const PERCENTILES: [f64; 7] = [0.0, std::f64::consts::LOG10_2, 1.0, 2.0, 3.0, 4.0, 5.0];

/// Tick distances of a time axis, from a second to a week.
const SECONDS: [f64; 19] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 21_600.0,
    43_200.0, 86_400.0, 604_800.0,
];

/// The most ticks of an axis, more than any needs.
const MAX_TICKS: usize = 40;

/// Ticks from zero in steps: with `beyond`, up to the first tick at or above the highest value; without it, up to the
/// last tick at or below that value.
fn steps(most: f64, step: f64, beyond: bool) -> Vec<f64> {
    let mut ticks = vec![0.0];
    for number in 1..MAX_TICKS {
        let last = ticks.last().copied().unwrap_or(0.0);
        let next = step * number as f64;
        if (beyond && last >= most * (1.0 - 1e-9)) || (!beyond && next > most * (1.0 + 1e-9)) {
            break;
        }
        ticks.push(next);
    }
    ticks
}

/// The smallest 1, 2 or 5 times a power of ten that is no less than `raw`.
fn nice_step(raw: f64) -> f64 {
    let power = 10.0_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| raw <= factor * power * (1.0 + 1e-9)).unwrap_or(10.0);
    factor * power
}

/// The smallest power of two that is no less than `raw`.
fn binary_step(raw: f64) -> f64 {
    2.0_f64.powf(raw.log2().ceil())
}

/// Powers of ten from at or below `least` to at or above `most`; with 2 and 5 times them if there are few.
fn decades(least: f64, most: f64) -> Vec<f64> {
    let (first, last) = (least.log10().floor(), most.log10().ceil());
    let factors: &[f64] = if last - first <= 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let mut all = Vec::new();
    let mut exponent = first;
    while exponent <= last && all.len() < 3 * MAX_TICKS {
        all.extend(factors.iter().map(|factor| factor * 10.0_f64.powf(exponent)));
        exponent += 1.0;
    }
    let from = all.iter().rposition(|tick| *tick <= least * (1.0 + 1e-9)).unwrap_or(0);
    let to = all.iter().position(|tick| *tick >= most * (1.0 - 1e-9)).unwrap_or(all.len().saturating_sub(1));
    // An axis for a single value still needs two ends.
    let to = if to == from { to + 1 } else { to };
    all.into_iter().enumerate().filter(|(index, _)| (from..=to).contains(index)).map(|(_, tick)| tick).collect()
}

fn label(unit: Unit, value: f64, most: f64) -> String {
    match unit {
        _ if value == 0.0 && unit != Unit::Percentile => "0".to_owned(),
        Unit::Count | Unit::PerSecond => short(value, most),
        Unit::Time | Unit::Bytes | Unit::Percent => trimmed(&unit.show(value)),
        Unit::Seconds | Unit::Percentile => unit.show(value),
    }
}

/// Formats as `12k`, `1.5M`; thousands are written out if the axis ends below ten thousand.
fn short(value: f64, most: f64) -> String {
    let (scaled, suffix) = match value {
        _ if value >= 1e9 => (value / 1e9, "G"),
        _ if value >= 1e6 => (value / 1e6, "M"),
        _ if value >= 1e3 && most >= 1e4 => (value / 1e3, "k"),
        _ if value >= 100.0 => return format!("{value:.0}"),
        _ => (value, ""),
    };
    trimmed(&(three(scaled) + suffix))
}

/// Removes the zeros at the end of a fraction: `1.50ms` becomes `1.5ms`.
fn trimmed(text: &str) -> String {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if !number.contains('.') {
        return text.to_owned();
    }
    format!("{}{unit}", number.trim_end_matches('0').trim_end_matches('.'))
}

/// Formats as `45s`, `1m30s`, `2h`; fractions of a second only below ten.
pub(super) fn seconds(number: f64) -> String {
    if !number.is_finite() || number < 0.0 {
        return "-".to_owned();
    }
    if number < 10.0 {
        return trimmed(&format!("{number:.1}s"));
    }
    let whole = number.round();
    let parts = [("h", (whole / 3600.0).floor()), ("m", (whole % 3600.0 / 60.0).floor()), ("s", whole % 60.0)];
    parts.iter().filter(|(_, part)| *part > 0.0).map(|(unit, part)| format!("{part}{unit}")).collect()
}

/// Formats 3 as `p99.9`.
pub(super) fn percentile(x: f64) -> String {
    if !x.is_finite() || x <= 0.0 {
        return "p0".to_owned();
    }
    let decimals = if x < 1.0 { 0 } else { [2.0, 3.0, 4.0].iter().filter(|nines| x >= **nines - 0.5).count() + 1 };
    let text = format!("{:.decimals$}", 100.0 * (1.0 - 10.0_f64.powf(-x)));
    format!("p{}", trimmed(&text))
}

#[cfg(test)]
mod tests {
    use super::{Axis, percentile, seconds};
    use crate::report::chart::{Scale, Unit};

    fn labels(unit: Unit, scale: Scale, least: f64, most: f64) -> Vec<String> {
        Axis::new(unit, scale, least, most, 5.0).ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers_that_cover_the_values() {
        assert_eq!(labels(Unit::PerSecond, Scale::Linear, 0.0, 20_035.0), ["0", "5k", "10k", "15k", "20k", "25k"]);
        assert_eq!(labels(Unit::Count, Scale::Linear, 0.0, 3.0), ["0", "1", "2", "3"]);
        assert_eq!(labels(Unit::Time, Scale::Linear, 0.0, 2.1e6), ["0", "500µs", "1ms", "1.5ms", "2ms", "2.5ms"]);
        assert_eq!(labels(Unit::Time, Scale::Log, 46_000.0, 71e6), ["10µs", "100µs", "1ms", "10ms", "100ms"]);
        assert_eq!(labels(Unit::Time, Scale::Log, 60_000.0, 900_000.0), ["50µs", "100µs", "200µs", "500µs", "1ms"]);
        assert_eq!(labels(Unit::Bytes, Scale::Linear, 0.0, 3500.0), ["0", "1KiB", "2KiB", "3KiB", "4KiB"]);
        assert_eq!(labels(Unit::Seconds, Scale::Linear, 0.0, 70.0), ["0", "15s", "30s", "45s", "1m"]);
        assert_eq!(labels(Unit::Percentile, Scale::Linear, 0.0, 4.2), ["p0", "p50", "p90", "p99", "p99.9", "p99.99"]);
        assert_eq!(labels(Unit::Percent, Scale::Linear, 0.0, 0.9), ["0", "20%", "40%", "60%", "80%", "100%"]);
    }

    #[test]
    fn values_have_their_place() {
        let axis = Axis::new(Unit::Time, Scale::Log, 1e4, 1e8, 5.0);
        assert!((axis.place(1e6) - 0.5).abs() < 1e-9);
        assert_eq!((axis.place(0.0), axis.place(1e12), axis.place(f64::NAN)), (0.0, 1.0, 0.0));
        let axis = Axis::new(Unit::Seconds, Scale::Linear, 0.0, 70.0, 5.0);
        assert_eq!(axis.place(70.0), 1.0);
    }

    #[test]
    fn odd_values_still_make_an_axis() {
        for unit in
            [Unit::Count, Unit::PerSecond, Unit::Time, Unit::Seconds, Unit::Bytes, Unit::Percent, Unit::Percentile]
        {
            for scale in [Scale::Linear, Scale::Log] {
                for (least, most) in
                    [(0.0, 0.0), (f64::NAN, f64::INFINITY), (1e-300, 1e300), (5.0, 5.0), (1e19, 1.8e19), (-1.0, -5.0)]
                {
                    let axis = Axis::new(unit, scale, least, most, 5.0);
                    assert!((1..=120).contains(&axis.ticks.len()), "{unit:?} {scale:?} {least} {most}");
                    assert!((0.0..=1.0).contains(&axis.place(most)));
                }
            }
        }
    }

    #[test]
    fn times_of_a_run_and_percentiles_read_well() {
        assert_eq!(
            [0.5, 9.0, 45.0, 60.0, 90.0, 3600.0, 7260.0].map(seconds),
            ["0.5s", "9s", "45s", "1m", "1m30s", "1h", "2h1m"]
        );
        assert_eq!(
            [0.0, 0.3011, 1.0, 2.0, 2.30103, 5.0].map(percentile),
            ["p0", "p50", "p90", "p99", "p99.5", "p99.999"]
        );
    }
}
