//! Comparison of two runs: the changes, and whether a change exceeds the variation within either run from second to
//! second.
//!
//! The noise of a figure is the relative spread of its seconds: their median absolute deviation from their median,
//! times 1.4826 (which makes it a standard deviation if the seconds are normally distributed), divided by the median.
//! One stalled second in sixty does not change it. The noise of two runs is combined as the root of the sum of squares.
//! A figure without a second-by-second series has no known noise, and its change is called neither better nor worse.

use std::fmt::Write;

use super::figures::{bytes, count, distribution, percent, rate, time, visible};
use super::model::{Outcome, Report, Second};
use super::text;

/// Compares a run with an earlier one, `a`, for a terminal.
///
/// # Errors
/// Fails if the runs have different scenarios: they cannot be compared.
pub fn render(a: &Report, b: &Report) -> Result<String, String> {
    if a.scenario != b.scenario {
        let (a, b) = (text::scenario(a.scenario), text::scenario(b.scenario));
        return Err(format!("A ran {a} and B ran {b}; only runs of the same scenario can be compared"));
    }
    let mut told = String::new();
    for (name, run) in [("A", a), ("B", b)] {
        let measured = time(run.measured_ms as f64 * 1e6);
        let (tool, at) = (visible(&run.tool, 60), visible(&run.measured_at, 40));
        let _ = writeln!(told, "{name}: {}, {tool}, from {at}, {measured} measured", text::scenario(run.scenario));
    }
    for warning in warnings(a, b) {
        let _ = writeln!(told, "warning: {warning}");
    }
    let _ = writeln!(told, "\n{:<16}{:>12}{:>12}{:>9}{:>10}", "", "A", "B", "B/A", "noise");
    let rows: Vec<Row> = rows(a, b);
    rows.iter().for_each(|row| row.tell(&mut told));
    let _ = writeln!(told, "{:<16}{:>12}{:>12}", "errors", count(errors(a)), count(errors(b)));
    if rows.iter().any(|row| row.noise.is_some()) {
        told.push_str("\nnoise: the spread from second to second of both runs, combined\n");
    }
    let _ = writeln!(told, "\nverdict: {}", verdict(a, b, &rows));
    Ok(told)
}

/// The fewest seconds that give a usable spread.
const FEWEST_SECONDS: usize = 5;

struct Row {
    name: String,
    a: Option<f64>,
    b: Option<f64>,
    show: fn(f64) -> String,
    more_is_better: bool,
    noise: Option<f64>,
}

/// A change from one run to the other, beside the noise of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Noise,
    Better,
    Worse,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.a.zip(self.b).filter(|(a, b)| *a > 0.0 && b.is_finite()).map(|(a, b)| b / a)
    }

    /// The change; `None` if there is none to judge, because a run lacks the figure or the noise is unknown.
    fn change(&self) -> Option<Change> {
        let (ratio, noise) = self.ratio().zip(self.noise)?;
        Some(match (ratio > 1.0) == self.more_is_better {
            _ if (ratio - 1.0).abs() <= noise => Change::Noise,
            true => Change::Better,
            false => Change::Worse,
        })
    }

    fn tell(&self, told: &mut String) {
        if self.a.is_none() && self.b.is_none() {
            return;
        }
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), self.show);
        let ratio = self.ratio();
        let number = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
        let noise = self.noise.map_or("-".to_owned(), percent);
        let word = match (self.change(), ratio) {
            (None, None) => "",
            (Some(Change::Noise), _) => "within noise",
            (Some(Change::Better), _) => "better",
            (Some(Change::Worse), _) => "worse",
            (None, Some(ratio)) if ratio > 1.0 => "higher, noise unknown",
            (None, Some(ratio)) if ratio < 1.0 => "lower, noise unknown",
            (None, Some(_)) => "equal",
        };
        let line = format!("{:<16}{:>12}{:>12}{number:>9}{noise:>10}  {word}", self.name, shown(self.a), shown(self.b));
        told.push_str(line.trim_end());
        told.push('\n');
    }
}

fn rows(a: &Report, b: &Report) -> Vec<Row> {
    let noise =
        |value: fn(&Second, u64) -> Option<f64>| Some(spread(&a.series, value)?.hypot(spread(&b.series, value)?));
    let achieved = |run: &Report| run.messages.as_ref().map(|messages| messages.achieved_per_s);
    let mut rows = vec![Row {
        name: "rate".to_owned(),
        a: achieved(a),
        b: achieved(b),
        show: rate,
        more_is_better: true,
        noise: noise(|second, length| (length > 0).then(|| second.received as f64 * 1000.0 / length as f64)),
    }];
    for (kind, a_times, b_times) in [("", &a.latency, &b.latency), ("handshake ", &a.handshake, &b.handshake)] {
        let figures = |times: &Option<_>| times.as_ref().map(distribution);
        let (a_figures, b_figures) = (figures(a_times), figures(b_times));
        let Some(names) = a_figures.or(b_figures) else { continue };
        for (index, (name, _)) in names.iter().enumerate() {
            let seconds = match *name {
                _ if !kind.is_empty() => None,
                "p50" => noise(|second, _| told(second.p50_ns)),
                "p99" => noise(|second, _| told(second.p99_ns)),
                "max" => noise(|second, _| told(second.max_ns)),
                _ => None,
            };
            let of = |figures: Option<[(&str, Option<f64>); 8]>| figures.and_then(|all| all.get(index)?.1);
            let (a, b) = (of(a_figures), of(b_figures));
            rows.push(Row { name: format!("{kind}{name}"), a, b, show: time, more_is_better: false, noise: seconds });
        }
    }
    let used = |run: &Report| run.target.as_ref().and_then(|target| target.cpu_us_each).map(|us| us * 1e3);
    let held = |run: &Report| run.target.as_ref().and_then(|target| target.memory_bytes_each);
    let quiet = |name: &str, a, b, show| Row { name: name.to_owned(), a, b, show, more_is_better: false, noise: None };
    rows.push(quiet("cpu each", used(a), used(b), time));
    rows.push(quiet("memory each", held(a), held(b), bytes));
    rows
}

fn told(ns: u64) -> Option<f64> {
    (ns > 0).then_some(ns as f64)
}

fn errors(run: &Report) -> u64 {
    run.errors.iter().fold(0, |sum, kind| sum.saturating_add(kind.count))
}

/// The relative spread of a figure over the seconds that have it; see the module's documentation. `value` gets a second
/// and its length in milliseconds.
fn spread(series: &[Second], value: impl Fn(&Second, u64) -> Option<f64>) -> Option<f64> {
    let mut begun = 0;
    let mut values = Vec::with_capacity(series.len());
    for second in series {
        values.extend(value(second, second.until_ms.saturating_sub(begun)));
        begun = second.until_ms;
    }
    if values.len() < FEWEST_SECONDS {
        return None;
    }
    let middle = median(&mut values)?;
    let mut off: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    (middle > 0.0).then_some(1.4826 * median(&mut off)? / middle)
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get((values.len() / 2).checked_sub(1)?).map(|lower| f64::midpoint(*lower, upper))
}

/// The comparison in a sentence.
fn verdict(a: &Report, b: &Report, rows: &[Row]) -> String {
    let sound = |run: &Report| run.verdict.outcome == Outcome::Valid && !run.verdict.interrupted;
    let unsound: Vec<&str> =
        [("A", a), ("B", b)].into_iter().filter(|(_, run)| !sound(run)).map(|(name, _)| name).collect();
    match unsound.as_slice() {
        [] => {}
        [one] => return format!("none, because {one} is no valid run to its end"),
        _ => return "none, because neither is a valid run to its end".to_owned(),
    }
    if rows.iter().all(|row| row.change().is_none()) {
        return format!("none, because the noise is unknown; runs of {FEWEST_SECONDS} seconds or more show it");
    }
    let changed = |change| {
        let changed = rows.iter().filter(|row| row.change() == Some(change));
        let named = |row: &Row| Some(format!("{} {:.2}x", row.name, row.ratio()?));
        changed.filter_map(named).collect::<Vec<_>>()
    };
    let (mut worse, mut better) = (changed(Change::Worse), changed(Change::Better));
    match (errors(a), errors(b)) {
        (0, some) if some > 0 => worse.push(format!("{} errors", count(some))),
        (some, 0) if some > 0 => better.push("no errors".to_owned()),
        _ => {}
    }
    match (worse.is_empty(), better.is_empty()) {
        (true, true) => "no difference beyond the noise".to_owned(),
        (true, false) => format!("B is better ({})", better.join(", ")),
        (false, true) => format!("B is worse ({})", worse.join(", ")),
        (false, false) => format!("B is worse ({}) and better ({})", worse.join(", "), better.join(", ")),
    }
}

fn warnings(a: &Report, b: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, run) in [("A", a), ("B", b)] {
        let (word, meaning) = text::outcome(run.verdict.outcome);
        if run.verdict.outcome != Outcome::Valid {
            warnings.push(format!("{name} is {word}: {meaning}"));
        }
        if run.verdict.interrupted {
            warnings.push(format!("{name} was interrupted"));
        }
    }
    if a.machine != b.machine {
        let shown = |run: &Report| {
            let machine = &run.machine;
            let (kernel, cpu) = (visible(&machine.kernel, 60), visible(&machine.cpu, 80));
            format!("{kernel}, {} x {cpu}, {}", machine.cpus, bytes(machine.memory_bytes as f64))
        };
        warnings.push(format!("the machines differ\n  A: {}\n  B: {}", shown(a), shown(b)));
    }
    // A setting may be given several times, for example `header`.
    let values = |run: &Report, name: &str| {
        let same = run.settings.iter().filter(|setting| setting.name == name);
        same.map(|setting| visible(&setting.value, 100)).collect::<Vec<_>>()
    };
    let mut seen = Vec::new();
    for setting in a.settings.iter().chain(&b.settings) {
        if seen.contains(&&setting.name) {
            continue;
        }
        seen.push(&setting.name);
        let (from, to) = (values(a, &setting.name), values(b, &setting.name));
        if from != to {
            let shown = |values: Vec<String>| if values.is_empty() { "not set".to_owned() } else { values.join(", ") };
            warnings.push(format!("{} differs: A {}, B {}", visible(&setting.name, 40), shown(from), shown(to)));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::{median, render, spread};
    use crate::report::model::{Outcome, Report, Scenario, Second};
    use crate::report::sample;

    fn row(text: &str, name: &str) -> String {
        let found = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        found.unwrap_or_else(|| panic!("no {name} in\n{text}")).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_spread_is_the_scaled_median_absolute_deviation() {
        let series: Vec<Second> = [100, 110, 90, 100, 5000, 120, 80]
            .iter()
            .zip(1..)
            .map(|(received, number)| Second { until_ms: number * 1000, received: *received, ..Second::default() })
            .collect();
        // Median 100; deviations 0 0 10 10 20 20 4900: median 10.
        let found = spread(&series, |second, _| Some(second.received as f64)).unwrap();
        assert!((found - 0.14826).abs() < 1e-9, "{found}");
        assert_eq!(spread(&series[..4], |second, _| Some(second.received as f64)), None);
        let by_length = spread(&series, |second, length| Some((second.received * length) as f64)).unwrap();
        assert!((found - by_length).abs() < 1e-9, "{by_length}");
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn a_run_is_equal_to_itself_within_noise() {
        let text = render(&sample::echo(), &sample::echo()).unwrap();
        assert!(!text.contains("warning"), "{text}");
        assert!(text.ends_with("\nverdict: no difference beyond the noise\n"), "{text}");
        assert!(row(&text, "rate").ends_with("within noise"), "{text}");
        assert!(row(&text, "p99").contains(" 1.000 ") && row(&text, "p99").ends_with("within noise"), "{text}");
        assert_eq!(row(&text, "p99.9").split(' ').next_back(), Some("equal"));
        assert_eq!(row(&text, "errors"), "errors 3 3");
    }

    #[test]
    fn a_change_beyond_noise_is_better_or_worse() {
        let (a, mut b) = (sample::echo(), sample::echo());
        b.messages.as_mut().unwrap().achieved_per_s *= 0.9;
        let latency = b.latency.as_mut().unwrap();
        latency.p50_ns /= 2;
        latency.p99_ns *= 8;
        latency.p999_ns *= 2;
        b.target.as_mut().unwrap().cpu_us_each = Some(20.1);
        let text = render(&a, &b).unwrap();
        assert!(row(&text, "rate").contains(" 0.900 ") && row(&text, "rate").ends_with("worse"), "{text}");
        assert!(row(&text, "p50").ends_with("better"), "{text}");
        assert!(row(&text, "p99").ends_with("worse"), "{text}");
        assert!(row(&text, "p99.9").ends_with("higher, noise unknown"), "{text}");
        assert!(row(&text, "cpu each").ends_with("0.500 - lower, noise unknown"), "{text}");
        assert!(text.ends_with("\nverdict: B is worse (rate 0.90x, p99 8.00x) and better (p50 0.50x)\n"), "{text}");
    }

    #[test]
    fn a_verdict_is_given_where_there_can_be_one_e3() {
        let last = |a: &Report, b: &Report| render(a, b).unwrap().lines().last().unwrap().to_owned();
        let quiet = Report { errors: Vec::new(), ..sample::echo() };
        assert_eq!(last(&quiet, &sample::echo()), "verdict: B is worse (3 errors)");
        assert_eq!(last(&sample::echo(), &quiet), "verdict: B is better (no errors)");
        let short = Report { series: Vec::new(), ..sample::echo() };
        assert_eq!(
            last(&short, &short),
            "verdict: none, because the noise is unknown; runs of 5 seconds or more show it"
        );
        let mut void = sample::echo();
        void.verdict.outcome = Outcome::Void;
        assert_eq!(last(&void, &sample::echo()), "verdict: none, because A is no valid run to its end");
    }

    #[test]
    fn what_makes_a_comparison_doubtful_is_said() {
        let (a, mut b) = (sample::echo(), sample::echo());
        b.verdict.outcome = Outcome::Void;
        b.machine.cpus = 8;
        b.settings[1].value = "2000".to_owned();
        b.settings.pop();
        let text = render(&a, &b).unwrap();
        for part in [
            "warning: B is VOID: the generator was the limit",
            "warning: the machines differ",
            "connections differs: A 1000, B 2000",
            "fail-if differs: A p99>5ms, B not set",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert_eq!(text.matches("warning").count(), 4, "{text}");
    }

    #[test]
    fn different_scenarios_are_not_compared() {
        let b = Report { scenario: Scenario::Storm, ..sample::echo() };
        assert_eq!(
            render(&sample::echo(), &b).unwrap_err(),
            "A ran echo and B ran storm; only runs of the same scenario can be compared"
        );
    }

    #[test]
    fn runs_with_next_to_nothing_are_compared_without_fuss() {
        let text = render(&sample::small(), &sample::small()).unwrap();
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        let mut still = sample::echo();
        still.messages.as_mut().unwrap().achieved_per_s = 0.0;
        let text = render(&still, &sample::echo()).unwrap();
        assert!(row(&text, "rate").starts_with("rate 0.00/s 19,983/s - ") && !text.contains("inf"), "{text}");
        let _ = render(&sample::hold_failed(), &Report { scenario: Scenario::Hold, ..sample::echo() });
    }
}
