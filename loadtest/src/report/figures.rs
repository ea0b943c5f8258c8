//! Formats numbers and foreign strings for people, in the same way for the table, the page, the charts and the
//! comparison.

use super::model::Latency;

/// A time with three significant digits: `850ns`, `92.3us`, `7.20ms`, `1.50s`.
pub(crate) fn time(ns: f64) -> String {
    if !ns.is_finite() {
        return "-".to_owned();
    }
    for (unit, factor) in [("ns", 1.0), ("us", 1e3), ("ms", 1e6)] {
        let scaled = ns / factor;
        // 999.6us would be written as 1000us, with four digits, so it gets the next unit.
        if scaled < 999.5 {
            return if unit == "ns" { format!("{scaled:.0}ns") } else { format!("{}{unit}", three(scaled)) };
        }
    }
    format!("{}s", three(ns / 1e9))
}

/// A count: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate per second: an integer from a hundred on, otherwise three significant digits.
pub(crate) fn rate(per_second: f64) -> String {
    if !per_second.is_finite() {
        return "-".to_owned();
    }
    if per_second.abs() < 99.95 {
        return format!("{}/s", three(per_second));
    }
    let whole = format!("{per_second:.0}");
    format!("{}/s", whole.parse().map_or(whole, count))
}

/// A size: `512B`, `1.50KiB`, `23.4GiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    if !bytes.is_finite() {
        return "-".to_owned();
    }
    for (unit, factor) in [("B", 1.0), ("KiB", 1024.0), ("MiB", 1024.0 * 1024.0)] {
        if bytes.abs() / factor < 1023.5 {
            let scaled = bytes / factor;
            return if unit == "B" { format!("{scaled:.0}B") } else { format!("{}{unit}", three(scaled)) };
        }
    }
    format!("{}GiB", three(bytes / 1024.0_f64.powi(3)))
}

/// A share from 0 to 1 as a percentage: `72%`, `0.3%`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent.abs() {
        size if !size.is_finite() => "-".to_owned(),
        0.0 | 9.95..99.5 | 99.995.. => format!("{percent:.0}%"),
        // A rate that was narrowly missed must not look as if it was reached.
        99.5..99.995 => format!("{percent:.2}%"),
        _ => format!("{percent:.1}%"),
    }
}

/// Three significant digits, without an exponent.
pub(crate) fn three(number: f64) -> String {
    match number.abs() {
        size if size < 9.995 => format!("{number:.2}"),
        size if size < 99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// A foreign string of at most `longest` characters, with all characters escaped that could move the cursor, hide text
/// or change its direction.
pub(crate) fn visible(text: &str, longest: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(longest));
    for (index, character) in text.chars().enumerate() {
        if index == longest {
            shown.push('…');
            break;
        }
        let hidden = matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}');
        if character.is_control() || hidden {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The fewest values that tell a median.
pub(crate) const LEAST_FOR_P50: u64 = 2;
/// The fewest values that tell a 99th percentile.
pub(crate) const LEAST_FOR_P99: u64 = 100;

/// The usual figures of a distribution in ns, in display order. A percentile is `None` if there are too few values for
/// it: the 99.99th percentile needs 10,000.
pub(crate) fn distribution(latency: &Latency) -> [(&'static str, Option<f64>); 8] {
    let told = |value: u64, needed: u64| (latency.count >= needed).then_some(value as f64);
    [
        ("min", told(latency.min_ns, 1)),
        ("p50", told(latency.p50_ns, LEAST_FOR_P50)),
        ("p90", told(latency.p90_ns, 10)),
        ("p99", told(latency.p99_ns, LEAST_FOR_P99)),
        ("p99.9", told(latency.p999_ns, 1000)),
        ("p99.99", told(latency.p9999_ns, 10_000)),
        ("max", told(latency.max_ns, 1)),
        ("mean", (latency.count >= 1).then_some(latency.mean_ns)),
    ]
}

/// `1 threshold`, `2 thresholds`.
pub(crate) fn several(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, percent, rate, time, visible};

    #[test]
    fn a_time_has_three_significant_digits_and_the_unit_that_fits() {
        for (ns, text) in [
            (0.0, "0ns"),
            (999.4, "999ns"),
            (999.6, "1.00us"),
            (92_345.0, "92.3us"),
            (99_960.0, "100us"),
            (999_600.0, "1.00ms"),
            (7_204_000.0, "7.20ms"),
            (1.5e9, "1.50s"),
            (4.2e12, "4200s"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(time(ns), text);
        }
    }

    #[test]
    fn counts_rates_sizes_and_shares_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(rate(19_998.4), "19,998/s");
        assert_eq!(rate(1.5), "1.50/s");
        assert_eq!(bytes(512.0), "512B");
        assert_eq!(bytes(1536.0), "1.50KiB");
        assert_eq!(bytes(23.4 * 1024.0 * 1024.0 * 1024.0), "23.4GiB");
        assert_eq!(percent(0.72), "72%");
        assert_eq!(percent(0.003), "0.3%");
        assert_eq!(percent(0.9999), "99.99%");
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(2.5), "250%");
    }

    #[test]
    fn a_foreign_string_cannot_move_the_cursor() {
        assert_eq!(visible("a\x1b[2Jb\n", 99), "a\\u{1b}[2Jb\\u{a}");
        assert_eq!(visible("\u{202e}x\u{0}", 99), "\\u{202e}x\\u{0}");
        assert_eq!(visible("grün", 3), "grü…");
    }
}
