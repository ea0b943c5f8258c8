//! Horizontal bars in groups, each with its value beside it.

use std::fmt::Write;

use super::axis::Axis;
use super::{COLOR_COUNT, Scale, Size, Unit, clip, escape, frame, text_width};

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// The bar's label, for example a peer's name.
    pub label: String,
    /// The value in the chart's unit, zero or more; `None` is shown as not measured.
    pub value: Option<f64>,
    /// The smallest and largest of several measurements, drawn as a whisker.
    pub range: Option<(f64, f64)>,
    /// The index of the colour, from 0; wraps around. A peer has the same colour in all groups.
    pub color: usize,
}

/// Bars that are compared with each other.
#[derive(Clone, Debug)]
pub struct Group {
    /// The heading of the group; may be empty.
    pub label: String,
    /// The bars from top to bottom.
    pub bars: Vec<Bar>,
}

/// A chart of bars, all on one axis that begins at zero.
#[derive(Clone, Debug)]
pub struct BarChart {
    /// The chart's title: its text for screen readers, and the heading of a standalone picture.
    pub title: String,
    /// Reading advice, for example `more is better; whiskers: least and most of 5 runs`; may be empty.
    pub note: String,
    /// The unit of the values.
    pub unit: Unit,
    /// The groups from top to bottom.
    pub groups: Vec<Group>,
}

const THICK: f64 = 18.0;
const STEP: f64 = 26.0;

impl BarChart {
    /// The picture, for a page that includes [`super::STYLE`]. The page shows title and note itself.
    #[must_use]
    pub fn svg(&self, size: Size) -> String {
        let (body, height) = self.body(size);
        frame(&self.title, &self.note, size.width(), height, &body, false)
    }

    /// The picture as a standalone file.
    #[must_use]
    pub fn standalone(&self) -> String {
        let (body, height) = self.body(Size::Wide);
        frame(&self.title, &self.note, Size::Wide.width(), height, &body, true)
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }

    fn body(&self, size: Size) -> (String, f64) {
        let widest = |texts: &mut dyn Iterator<Item = f64>| texts.fold(0.0, f64::max);
        let names = widest(&mut self.bars().map(|bar| text_width(&bar.label) + 12.0));
        let values = widest(&mut self.bars().map(|bar| text_width(&self.value(bar)) + 14.0));
        // Labels are beside their bars, or above them if they would take too much of the width.
        let beside = names <= size.width() * 0.3;
        let left = if beside { names } else { 0.0 };
        let span = (size.width() - left - values).max(40.0);
        let reach = |bar: &Bar| bar.value.unwrap_or(0.0).max(bar.range.map_or(0.0, |(_, most)| most));
        let most = self.bars().map(reach).filter(|reach| reach.is_finite()).fold(0.0, f64::max);
        let wanted = if size == Size::Wide { 6.0 } else { 3.0 };
        let axis = Axis::new(self.unit, Scale::Linear, 0.0, most, wanted);
        let mut bars = String::new();
        let mut y = 4.0;
        for group in &self.groups {
            if !group.label.is_empty() {
                let _ = write!(bars, "<text class=\"group\" x=\"0\" y=\"{:.1}\">{}</text>", y + 13.0, {
                    escape(&clip(&group.label, size.width() * 0.9))
                });
                y += 24.0;
            }
            for bar in &group.bars {
                if !beside {
                    let name = escape(&clip(&bar.label, size.width()));
                    let _ = write!(bars, "<text x=\"0\" y=\"{:.1}\">{name}</text>", y + 11.0);
                    y += 17.0;
                }
                self.bar(&mut bars, bar, &axis, left, span, y, beside);
                y += STEP;
            }
            y += 12.0;
        }
        let mut body = String::new();
        let mut free = f64::NEG_INFINITY;
        for (value, label) in &axis.ticks {
            let at = left + span * axis.place(*value);
            let _ = write!(body, "<path class=\"grid\" d=\"M{at:.1} 0V{y:.1}\"/>");
            let half = text_width(label) / 2.0;
            // The first label would extend beyond the picture if it were centred.
            let (anchor, from) = if at < half { ("start", at) } else { ("middle", at - half) };
            if from > free {
                let _ = write!(
                    body,
                    "<text class=\"soft\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                    y + 16.0,
                    escape(label)
                );
                free = from + 2.0 * half + 6.0;
            }
        }
        (body + &bars, y + 24.0)
    }

    fn value(&self, bar: &Bar) -> String {
        bar.value.filter(|value| value.is_finite()).map_or("not measured".to_owned(), |value| self.unit.show(value))
    }

    #[expect(clippy::too_many_arguments, reason = "the place of one bar, and nothing that belongs together elsewhere")]
    fn bar(&self, drawn: &mut String, bar: &Bar, axis: &Axis, left: f64, span: f64, y: f64, beside: bool) {
        let middle = y + THICK / 2.0;
        if beside {
            let name = escape(&bar.label);
            let _ = write!(
                drawn,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                left - 8.0,
                middle + 4.0
            );
        }
        let shown = self.value(bar);
        let Some(value) = bar.value.filter(|value| value.is_finite()) else {
            let _ =
                write!(drawn, "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\">{shown}</text>", left + 7.0, middle + 4.0);
            return;
        };
        let length = span * axis.place(value);
        let mut title = format!("{}: {shown}", escape(&bar.label));
        let mut end = left + length;
        let mut whisker = String::new();
        if let Some((least, most)) = bar.range.filter(|(least, most)| least.is_finite() && most.is_finite()) {
            let _ = write!(title, " ({} to {})", self.unit.show(least), self.unit.show(most));
            let (from, to) = (left + span * axis.place(least), left + span * axis.place(most));
            let path = format!("M{from:.1} {0:.1}v8M{from:.1} {middle:.1}H{to:.1}M{to:.1} {0:.1}v8", middle - 4.0);
            // The path is drawn twice: the wider one, in the background colour, separates the whisker from its bar.
            whisker = format!("<path class=\"halo\" d=\"{path}\"/><path class=\"whisker\" d=\"{path}\"/>");
            end = end.max(to);
        }
        let _ = write!(
            drawn,
            "<g><title>{title}</title><rect class=\"f{}\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{THICK}\" \
             rx=\"2\"/>{whisker}<text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
            bar.color % COLOR_COUNT,
            length.max(1.0),
            end + 7.0,
            middle + 4.0,
            escape(&shown)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Bar, BarChart, Group, Size, Unit};

    fn chart(label: &str) -> BarChart {
        let bar = |value, range, color| Bar { label: label.to_owned(), value, range, color };
        let bars = vec![bar(Some(300.0), Some((280.0, 420.0)), 0), bar(Some(150.0), None, 1), bar(None, None, 2)];
        BarChart {
            title: "messages & more".to_owned(),
            note: "more is <better>".to_owned(),
            unit: Unit::Count,
            groups: vec![Group { label: "64 B".to_owned(), bars }],
        }
    }

    fn widths(svg: &str) -> Vec<f64> {
        let rects = svg.split("<rect class=\"f").skip(1);
        rects.map(|rect| rect.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let svg = chart("ringway").svg(Size::Wide);
        let found = widths(&svg);
        assert_eq!(found.len(), 2);
        assert!((found[0] / found[1] - 2.0).abs() < 0.01, "{found:?}");
        assert!(svg.contains("<title>ringway: 300 (280 to 420)</title>"), "{svg}");
        assert!(svg.contains(">not measured</text>"), "{svg}");
    }

    #[test]
    fn long_names_stand_above_their_bars() {
        let name = "a peer with a name as long as a sentence <x>";
        let svg = chart(name).svg(Size::Narrow);
        assert!(!svg.contains("text-anchor=\"end\"") && !svg.contains("<x>"), "{svg}");
        assert!(svg.contains("<text x=\"0\""), "{svg}");
    }

    #[test]
    fn a_file_of_its_own_needs_nothing_else() {
        let svg = chart("ringway").standalone();
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{svg}");
        for part in [
            "prefers-color-scheme: dark",
            ">messages &amp; more</text>",
            ">more is &lt;better&gt;</text>",
            "class=\"paper\"",
        ] {
            assert!(svg.contains(part), "no {part}");
        }
        assert_eq!(svg.matches("http").count(), 1, "it refers to something");
        for empty in [Vec::new(), vec![Group { label: String::new(), bars: Vec::new() }]] {
            assert!(!BarChart { groups: empty, ..chart("x") }.standalone().contains("NaN"));
        }
    }
}
