//! The two text formats of the metrics, and which of them a scraper gets.
//!
//! Every scraper reads the Prometheus text format 0.0.4, so it is the default. A scraper that accepts OpenMetrics 1.0 at least as
//! much gets that; Prometheus asks for it. The former is derived from the latter.

use super::families::{FAMILIES, Kind};

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that the `Accept` lines of a request ask for (RFC 9110 12.5.1). A range with a wildcard names neither format:
    /// the default stays.
    #[must_use]
    pub fn accepted<'l>(lines: impl IntoIterator<Item = &'l str>) -> Self {
        let (mut text, mut open) = (0, 0);
        for range in lines.into_iter().flat_map(|line| line.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let (mut quality, mut version) = (1000, None);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim() {
                    name if name.eq_ignore_ascii_case("q") => quality = thousandths(value.trim()),
                    name if name.eq_ignore_ascii_case("version") => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            if kind.eq_ignore_ascii_case("text/plain") && version.is_none_or(|version| version == "0.0.4") {
                text = text.max(quality);
            }
            if kind.eq_ignore_ascii_case("application/openmetrics-text")
                && version.is_none_or(|version| version == "1.0.0")
            {
                open = open.max(quality);
            }
        }
        if open > 0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }
}

/// A weight from 0 to 1 (RFC 9110 12.4.2), in thousandths; 0 for anything else.
fn thousandths(weight: &str) -> u16 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, format!("{fraction:0<3}").parse::<u16>()) {
        ("0", Ok(thousandths)) if is_number => thousandths,
        ("1", Ok(0)) if is_number => 1000,
        _ => 0,
    }
}

/// Rewrites OpenMetrics as the text format 0.0.4: families are named as their samples are, information is a gauge, and neither
/// units nor an end are marked.
pub(super) fn plain(open: &str) -> String {
    let mut plain = String::with_capacity(open.len());
    for line in open.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            plain.push_str(line);
            plain.push('\n');
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (what, name, rest) =
            (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let family = FAMILIES.iter().find(|family| family.name == name);
        let shown = family.map_or_else(|| name.to_owned(), super::Family::shown);
        match (what, family.map(|family| family.kind)) {
            ("TYPE", Some(Kind::Info)) => plain.push_str(&format!("# TYPE {shown} gauge\n")),
            // A quotation mark is not escaped here; in OpenMetrics it is.
            ("HELP", _) => plain.push_str(&format!("# HELP {shown} {}\n", rest.replace("\\\"", "\""))),
            ("TYPE", _) => plain.push_str(&format!("# TYPE {shown} {rest}\n")),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Format, plain};

    #[test]
    fn c7_a_scraper_gets_what_it_accepts_and_else_the_format_that_all_can_read() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, open) in [
            (prometheus, true),
            ("application/openmetrics-text", true),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", true),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.001", true),
            ("text/plain;q=0.5, application/openmetrics-text;q=0.5", true),
            ("text/plain, application/openmetrics-text;q=0.9", false),
            ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-text;q=0.0, */*", false),
            ("application/openmetrics-text;version=0.0.1", false),
            ("application/openmetrics-text;version=2.0.0", false),
            ("application/openmetrics-text;q=nonsense", false),
            ("application/openmetrics-text;q=2", false),
            ("text/plain", false),
            ("text/plain;version=0.0.4", false),
            ("application/json", false),
            ("*/*", false),
            ("", false),
            (",;=,;q", false),
        ] {
            let expected = if open { Format::OpenMetrics } else { Format::Text };
            assert_eq!(Format::accepted([accept]), expected, "{accept}");
        }
        assert_eq!(Format::accepted([]), Format::Text);
        assert_eq!(Format::accepted(["text/plain;q=0.1", "application/openmetrics-text"]), Format::OpenMetrics);
    }

    #[test]
    fn c7_families_are_named_as_their_samples_are() {
        let open = "# HELP ringway_build Version of \\\"it\\\".\n# TYPE ringway_build info\n\
                    ringway_build_info{version=\"# 1\"} 1\n# HELP ringway_bytes B.\n# TYPE ringway_bytes counter\n\
                    # UNIT ringway_bytes bytes\nringway_bytes_total 3\n# TYPE ringway_dial_seconds histogram\n# EOF\n";
        let expected = "# HELP ringway_build_info Version of \"it\".\n# TYPE ringway_build_info gauge\n\
                        ringway_build_info{version=\"# 1\"} 1\n# HELP ringway_bytes_total B.\n\
                        # TYPE ringway_bytes_total counter\nringway_bytes_total 3\n# TYPE ringway_dial_seconds histogram\n";
        assert_eq!(plain(open), expected);
    }
}
