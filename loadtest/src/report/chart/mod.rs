//! SVG charts without scripts: lines over an axis, and horizontal bars. In: numbers. Out: a picture, either for a page
//! that includes [`STYLE`], or as a standalone file. This module knows nothing of runs.
//!
//! Colours and fonts are CSS classes, and so follow the reader's light or dark preference. Every text is escaped here.

mod axis;
mod bar;
mod line;

pub use bar::{Bar, BarChart, Group};
pub use line::{Line, LineChart, Mark};

use super::figures::{self, visible};

/// The unit of an axis or a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A count: `12,300`.
    Count,
    /// A rate per second: `12,300/s`.
    PerSecond,
    /// Nanoseconds: `92.3µs`.
    Time,
    /// Seconds of a run: `1m30s`.
    Seconds,
    /// Bytes: `1.50KiB`.
    Bytes,
    /// A share from 0 to 1: `72%`.
    Percent,
    /// The common logarithm of 1/(1-p), where p is a percentile's share: 2 is `p99`.
    Percentile,
}

impl Unit {
    /// Formats the number with its unit, with three significant digits unless it is a count.
    #[must_use]
    pub fn show(self, number: f64) -> String {
        match self {
            Self::Count => figures::rate(number).trim_end_matches("/s").to_owned(),
            Self::PerSecond => figures::rate(number),
            Self::Time => typeset(&figures::time(number)),
            Self::Seconds => axis::seconds(number),
            Self::Bytes => figures::bytes(number),
            Self::Percent => figures::percent(number),
            Self::Percentile => axis::percentile(number),
        }
    }
}

/// The mapping from a value to a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Linear from zero.
    Linear,
    /// Logarithmic; values of zero and less are left out.
    Log,
}

/// The width for which a chart is drawn. Text keeps its size, so a narrow display needs its own drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 860 units wide, for a desktop.
    Wide,
    /// 360 units wide, for a phone.
    Narrow,
}

impl Size {
    fn width(self) -> f64 {
        match self {
            Self::Wide => 860.0,
            Self::Narrow => 360.0,
        }
    }
}

/// The style sheet for pages with charts. The page must define the colours `--paper`, `--ink`, `--soft`, `--rule`, and
/// `--c0` to `--c5`, for example with [`COLOURS`].
pub const STYLE: &str = include_str!("chart.css");

/// Light and dark colours, as custom properties of the root.
pub const COLOURS: &str = include_str!("colours.css");

/// The number of colours; [`Line::color`] and [`Bar::color`] wrap around.
pub const COLOR_COUNT: usize = 6;

/// The chart's frame. With `standalone`, the picture contains its own style, background and title, and needs no page.
fn frame(title: &str, note: &str, width: f64, height: f64, body: &str, standalone: bool) -> String {
    let label = escape(title);
    if !standalone {
        return format!(
            "<svg class=\"chart\" role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {width} {height}\">{body}</svg>"
        );
    }
    let (top, pad) = (if note.is_empty() { 52.0 } else { 72.0 }, 20.0);
    let (outer, tall) = (width + 2.0 * pad, height + top + pad);
    let note = if note.is_empty() {
        String::new()
    } else {
        format!("<text class=\"soft\" x=\"{pad}\" y=\"54\">{}</text>", escape(note))
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" aria-label=\"{label}\" width=\"{outer}\" \
         height=\"{tall}\" viewBox=\"0 0 {outer} {tall}\"><style>{COLOURS}{STYLE}</style>\
         <rect class=\"paper\" width=\"{outer}\" height=\"{tall}\" rx=\"8\"/>\
         <text class=\"title\" x=\"{pad}\" y=\"32\">{label}</text>{note}<g transform=\"translate({pad} {top})\">{body}</g></svg>\n"
    )
}

/// The legend's coloured keys with names, in as many rows as needed. Returns the drawing and its height.
fn legend(entries: &[(String, String)], left: f64, width: f64) -> (String, f64) {
    const ROW: f64 = 20.0;
    let (mut x, mut y, mut drawn) = (left, 0.0, String::new());
    for (key, name) in entries {
        let name = clip(name, width - 44.0);
        let taken = 26.0 + text_width(&name) + 18.0;
        if x > left && x + taken - 18.0 > left + width {
            (x, y) = (left, y + ROW);
        }
        drawn.push_str(&format!(
            "<g transform=\"translate({x:.1} {y:.1})\">{key}<text x=\"26\" y=\"12\">{}</text></g>",
            escape(&name)
        ));
        x += taken;
    }
    (drawn, if entries.is_empty() { 0.0 } else { y + ROW + 6.0 })
}

/// Escapes markup characters as entities, and characters that could hide or reorder text.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in visible(text, 1000).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Replaces `us` by `µs`: only a terminal's font may lack the micro sign.
pub(crate) fn typeset(text: &str) -> String {
    text.replace("us", "µs")
}

/// The approximate width of a text at the charts' 12 units. Fonts cannot be measured here, so this is rather too wide.
fn text_width(text: &str) -> f64 {
    let width = |character| match character {
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 11.5,
        '\u{1100}'.. => 13.0,
        _ => 7.0,
    };
    text.chars().map(width).sum()
}

/// The text, truncated to fit.
fn clip(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        if text_width(&kept) + 14.0 + 7.0 > width {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::{Unit, clip, escape, legend, text_width};

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(escape("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
        assert_eq!(escape("\u{202e}x\u{8}"), "\\u{202e}x\\u{8}");
    }

    #[test]
    fn a_long_name_is_cut_to_its_width() {
        assert_eq!(clip("short", 100.0), "short");
        let cut = clip(&"x".repeat(500), 100.0);
        assert!(cut.ends_with('…') && text_width(&cut) <= 100.0 && cut.chars().count() > 10, "{cut}");
    }

    #[test]
    fn a_legend_wraps() {
        let entry = |name: &str| (String::new(), name.to_owned());
        assert_eq!(legend(&[], 0.0, 300.0).1, 0.0);
        assert_eq!(legend(&[entry("a"), entry("b")], 0.0, 300.0).1, 26.0);
        assert_eq!(legend(&[entry(&"a".repeat(30)), entry(&"b".repeat(30))], 0.0, 300.0).1, 46.0);
    }

    #[test]
    fn units_are_shown() {
        assert_eq!(Unit::Time.show(92_345.0), "92.3µs");
        assert_eq!(Unit::Count.show(12_300.0), "12,300");
        assert_eq!(Unit::Seconds.show(90.0), "1m30s");
        assert_eq!(Unit::Percentile.show(3.0), "p99.9");
    }
}
