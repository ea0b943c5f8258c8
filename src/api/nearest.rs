//! The name that somebody probably meant.

/// Names that are less alike than this are not proposed.
const LEAST_ALIKE: f64 = 0.8;

/// The known name that is most like an unknown one, if any is like it at all.
#[must_use]
pub fn nearest<'n>(unknown: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let alike = |name: &str| {
        // `idle_timeout` is meant for `limits.idle_timeout_ms`, although the two are of different length.
        if name.contains(unknown) && unknown.len() >= 4 {
            return 1.0;
        }
        // And so is `idle_timout_ms`: people write the last part of a name.
        let last = name.rsplit('.').next().unwrap_or(name);
        strsim::jaro_winkler(unknown, name).max(strsim::jaro_winkler(unknown, last))
    };
    let best = known.into_iter().map(|name| (alike(name), name)).max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness >= LEAST_ALIKE).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_pen_finds_the_name_and_nonsense_finds_none() {
        let names = ["version", "preserve_host", "limits.idle_timeout_ms", "limits.max_frame_bytes"];
        for (unknown, expected) in [
            ("verison", Some("version")),
            ("preserve-host", Some("preserve_host")),
            ("idle_timeout", Some("limits.idle_timeout_ms")),
            ("limits.max_frame_byte", Some("limits.max_frame_bytes")),
            ("idle_timout_ms", Some("limits.idle_timeout_ms")),
            ("max_frame_bits", Some("limits.max_frame_bytes")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(unknown, names), expected, "{unknown}");
        }
    }
}
