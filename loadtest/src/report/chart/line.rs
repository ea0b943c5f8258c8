//! Line charts.

use std::fmt::Write;

use super::axis::Axis;
use super::{COLOR_COUNT, Scale, Size, Unit, clip, escape, frame, legend, text_width};

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// The name in the legend.
    pub name: String,
    /// The index of the colour, from 0; wraps around.
    pub color: usize,
    /// `true` if the line is dashed, for example a requested rate rather than a measured one.
    pub dashed: bool,
    /// The points, by ascending x. Points that are not finite break the line, and so do values of zero on a log scale.
    pub points: Vec<(f64, f64)>,
}

/// A point with a label in the picture.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The position, in the chart's units.
    pub at: (f64, f64),
    /// The label: shown beside the point if there is room, and in its tooltip.
    pub label: String,
}

/// A chart of lines.
#[derive(Clone, Debug)]
pub struct LineChart {
    /// The chart's title: its text for screen readers, and the heading of a standalone picture.
    pub title: String,
    /// The unit of the horizontal axis.
    pub x: Unit,
    /// The name of the horizontal axis; may be empty.
    pub x_name: String,
    /// The unit of the vertical axis.
    pub y: Unit,
    /// The scale of the vertical axis.
    pub scale: Scale,
    /// The lines, the first one drawn first. Charts with two or more lines have a legend above them.
    pub lines: Vec<Line>,
    /// Labelled points.
    pub marks: Vec<Mark>,
}

/// The most points of a line; from more points, the lowest and highest of each interval are kept.
const MAX_POINTS: usize = 1200;
/// The most tooltips.
const MAX_TIPS: usize = 150;

impl LineChart {
    /// The picture, for a page that includes [`super::STYLE`].
    #[must_use]
    pub fn svg(&self, size: Size) -> String {
        let (body, height) = self.body(size);
        frame(&self.title, "", size.width(), height, &body, false)
    }

    /// The picture as a standalone file.
    #[must_use]
    pub fn standalone(&self) -> String {
        let (body, height) = self.body(Size::Wide);
        frame(&self.title, "", Size::Wide.width(), height, &body, true)
    }

    fn drawable(&self, point: (f64, f64)) -> bool {
        point.0.is_finite() && point.1.is_finite() && (self.scale == Scale::Linear || point.1 > 0.0)
    }

    fn body(&self, size: Size) -> (String, f64) {
        let points = || self.lines.iter().flat_map(|line| &line.points).copied().filter(|point| self.drawable(*point));
        let most = |of: fn((f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
        let least = points().map(|(_, y)| y).fold(f64::INFINITY, f64::min);
        let (plot, wanted) = match size {
            Size::Wide => (240.0, 9.0),
            Size::Narrow => (190.0, 5.0),
        };
        let x = Axis::new(self.x, Scale::Linear, 0.0, most(|(x, _)| x), wanted);
        let y = Axis::new(self.y, self.scale, least, most(|(_, y)| y), 5.0);
        let widest = y.ticks.iter().map(|(_, label)| text_width(label)).fold(0.0, f64::max);
        // The last label is centred under its tick, which may be the end of the axis.
        let right = x.ticks.last().map_or(0.0, |(_, label)| text_width(label) / 2.0).max(12.0) + 2.0;
        let entries: Vec<_> = self.lines.iter().map(|line| (key(line), line.name.clone())).collect();
        let left = widest + 10.0;
        let (names, top) =
            if entries.len() > 1 { legend(&entries, left, size.width() - left) } else { (String::new(), 8.0) };
        let area = Area { left, top, width: size.width() - left - right, height: plot };
        let mut body = names;
        self.axes(&mut body, &area, &x, &y);
        for line in &self.lines {
            let dashed = if line.dashed { " dashed" } else { "" };
            let path = self.path(line, &area, &x, &y);
            let _ = write!(body, "<path class=\"line s{}{dashed}\" d=\"{path}\"/>", line.color % COLOR_COUNT);
        }
        self.tips(&mut body, &area, &x);
        self.marked(&mut body, &area, &x, &y, size);
        (body, area.top + plot + if self.x_name.is_empty() { 26.0 } else { 44.0 })
    }

    fn axes(&self, body: &mut String, area: &Area, x: &Axis, y: &Axis) {
        let (right, bottom) = (area.left + area.width, area.top + area.height);
        for (value, label) in &y.ticks {
            let at = area.y(y.place(*value));
            let _ = write!(
                body,
                "<path class=\"grid\" d=\"M{:.1} {at:.1}H{right:.1}\"/><text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                area.left,
                area.left - 7.0,
                at + 4.0,
                escape(label)
            );
        }
        // If two labels would touch, the later one is left out; its tick stays.
        let mut free = f64::NEG_INFINITY;
        for (value, label) in &x.ticks {
            let at = area.x(x.place(*value));
            let _ = write!(body, "<path class=\"axis\" d=\"M{at:.1} {bottom:.1}v5\"/>");
            let half = text_width(label) / 2.0;
            if at - half > free {
                let _ = write!(
                    body,
                    "<text class=\"soft\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    bottom + 19.0,
                    escape(label)
                );
                free = at + half + 4.0;
            }
        }
        let _ = write!(body, "<path class=\"axis\" d=\"M{:.1} {bottom:.1}H{right:.1}\"/>", area.left);
        if !self.x_name.is_empty() {
            let _ = write!(
                body,
                "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                area.left + area.width / 2.0,
                bottom + 38.0,
                escape(&clip(&self.x_name, area.width))
            );
        }
    }

    fn path(&self, line: &Line, area: &Area, x: &Axis, y: &Axis) -> String {
        let mut path = String::new();
        let (mut begun, mut length) = (false, 0);
        for point in thinned(&line.points) {
            if self.drawable(point) {
                let _ = write!(path, "{}", if begun { 'L' } else { 'M' });
                let _ = write!(path, "{:.1} {:.1}", area.x(x.place(point.0)), area.y(y.place(point.1)));
                length = if begun { length + 1 } else { 1 };
            } else if length == 1 {
                path.push_str("h0.1");
            }
            begun = self.drawable(point);
        }
        // A point without neighbours is drawn as a dot.
        if length == 1 { path + "h0.1" } else { path }
    }

    /// Areas over the whole height whose tooltips show the values of all lines there.
    fn tips(&self, body: &mut String, area: &Area, x: &Axis) {
        let Some(longest) = self.lines.iter().max_by_key(|line| line.points.len()) else { return };
        let every = longest.points.len().div_ceil(MAX_TIPS).max(1);
        let shown: Vec<f64> =
            longest.points.iter().step_by(every).map(|point| point.0).filter(|x| x.is_finite()).collect();
        for (index, at) in shown.iter().enumerate() {
            let middle = |other: Option<&f64>| other.map(|other| area.x(x.place(f64::midpoint(*at, *other))));
            let from = middle(index.checked_sub(1).and_then(|before| shown.get(before))).unwrap_or(area.left);
            let to = middle(shown.get(index + 1)).unwrap_or(area.left + area.width);
            let mut text = self.x.show(*at);
            for line in &self.lines {
                let near = line.points.partition_point(|point| point.0 < *at);
                if let Some((_, y)) = line.points.get(near).filter(|point| self.drawable(**point) && point.0 <= *at) {
                    let _ = write!(text, "\n{}: {}", line.name.replace('\n', " "), self.y.show(*y));
                }
            }
            let title = text.split('\n').map(escape).collect::<Vec<_>>().join("\n");
            let _ = write!(
                body,
                "<rect class=\"hover\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{title}</title></rect>",
                area.top,
                (to - from).max(0.0),
                area.height
            );
        }
    }

    fn marked(&self, body: &mut String, area: &Area, x: &Axis, y: &Axis, size: Size) {
        for mark in self.marks.iter().filter(|mark| self.drawable(mark.at)) {
            let (across, up) = (area.x(x.place(mark.at.0)), area.y(y.place(mark.at.1)));
            let label = escape(&mark.label);
            let _ = write!(
                body,
                "<circle class=\"f0\" cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"3.5\"><title>{label}</title></circle>"
            );
            if size == Size::Wide && across - text_width(&mark.label) > area.left && up > area.top + 14.0 {
                let _ = write!(
                    body,
                    "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                    across - 6.0,
                    up - 7.0
                );
            }
        }
    }
}

/// The area in which the lines are drawn.
struct Area {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Area {
    fn x(&self, place: f64) -> f64 {
        self.left + self.width * place
    }

    fn y(&self, place: f64) -> f64 {
        self.top + self.height * (1.0 - place)
    }
}

fn key(line: &Line) -> String {
    let dashed = if line.dashed { " dashed" } else { "" };
    format!("<path class=\"line s{}{dashed}\" d=\"M0 8H20\"/>", line.color % COLOR_COUNT)
}

/// Reduces a line with more points than visible, and keeps its peaks and dips.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MAX_POINTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MAX_POINTS / 2);
    let mut kept = Vec::with_capacity(MAX_POINTS);
    for part in points.chunks(stretch) {
        let by = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        // A gap is kept if a whole interval is one; it does not hide a peak beside it.
        let there = || part.iter().filter(|point| point.1.is_finite());
        match there().min_by(by).zip(there().max_by(by)) {
            Some((low, high)) => kept.extend(if low.0 <= high.0 { [*low, *high] } else { [*high, *low] }),
            None => kept.extend(part.first()),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{Line, LineChart, Mark, Scale, Size, Unit, thinned};

    fn chart(points: &[(f64, f64)], scale: Scale) -> LineChart {
        let line = |name: &str, dashed| Line { name: name.to_owned(), color: 7, dashed, points: points.to_vec() };
        LineChart {
            title: "rate & <time>".to_owned(),
            x: Unit::Seconds,
            x_name: String::new(),
            y: Unit::PerSecond,
            scale,
            lines: vec![line("offered <b>", true), line("achieved", false)],
            marks: vec![Mark { at: (1.0, 5.0), label: "<here>".to_owned() }],
        }
    }

    #[test]
    fn a_chart_names_itself_and_its_lines_and_escapes_both() {
        let svg = chart(&[(1.0, 5.0), (2.0, 10.0)], Scale::Linear).svg(Size::Wide);
        assert!(svg.contains("aria-label=\"rate &amp; &lt;time&gt;\"") && svg.contains("role=\"img\""), "{svg}");
        assert!(svg.contains(">offered &lt;b&gt;</text>") && !svg.contains("<b>") && !svg.contains("<here>"), "{svg}");
        assert!(svg.contains("<title>2s\noffered &lt;b&gt;: 10.0/s\nachieved: 10.0/s</title>"), "{svg}");
        assert!(svg.contains("class=\"line s1 dashed\""), "{svg}");
    }

    #[test]
    fn a_gap_breaks_the_line_and_a_lone_point_is_a_dot() {
        let svg = chart(&[(1.0, 5.0), (2.0, 0.0), (3.0, 5.0), (4.0, 6.0)], Scale::Log).svg(Size::Narrow);
        let path = svg.split(" d=\"").filter(|part| part.contains('L')).last().unwrap();
        let path = &path[..path.find('"').unwrap()];
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!(path.matches("h0.1").count(), 1, "{path}");
    }

    #[test]
    fn a_long_line_keeps_its_peak() {
        let points: Vec<_> = (0..100_000_u32).map(|x| (f64::from(x), if x == 70_001 { 99.0 } else { 1.0 })).collect();
        let mut gapped = points.clone();
        gapped[70_002].1 = f64::NAN;
        gapped[..1000].iter_mut().for_each(|point| point.1 = f64::NAN);
        let few = thinned(&gapped);
        assert!(few.contains(&(70_001.0, 99.0)), "the peak went with the gap beside it");
        assert!(few[0].1.is_nan(), "the gap is closed");
        let few = thinned(&points);
        assert!(few.len() <= 1200 && few.contains(&(70_001.0, 99.0)), "{}", few.len());
        assert!(few.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn strange_numbers_are_drawn_as_nothing() {
        let points = vec![(f64::NAN, 1.0), (1.0, f64::INFINITY), (2.0, -3.0), (1e300, 1e300)];
        for scale in [Scale::Linear, Scale::Log] {
            for svg in [chart(&points, scale).svg(Size::Wide), chart(&[], scale).standalone()] {
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
    }
}
