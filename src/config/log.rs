//! The log, as flags and in the configuration file.

use clap::{Args, Parser, ValueEnum};
use serde::{Deserialize, Deserializer, Serialize};
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::scalar::word;
use crate::api::nearest;

/// Format and level of the log, as the operator wrote them.
#[derive(Args, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[command(next_help_heading = "Log")]
#[serde(deny_unknown_fields, default)]
pub struct LogArgs {
    /// Log format
    #[arg(long, value_enum, ignore_case = true, default_value = "text")]
    #[serde(rename = "format")]
    pub log_format: LogFormat,
    /// Log level: error, warn, info, debug, trace, off, or a filter such as `info,ringway::access=off`
    #[arg(long, value_name = "FILTER", default_value = "info")]
    #[serde(rename = "level")]
    pub log_level: String,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

impl<'de> Deserialize<'de> for LogFormat {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        word(from)
    }
}

/// The crates of the resolver library. Their lines are off: the library logs several for each failure, some with text from
/// outside, and the resolver's own lines say what matters. A filter that names one of these crates shows its lines.
const QUIET: &str = "hickory";

/// The crate that hosts the shards. Its warnings are off: it warns where a limit on locked memory leaves no room for buffers
/// that no shard uses.
const HOST: &str = "glommio";

/// The level of everything that a filter does not name.
const USUAL: LevelFilter = LevelFilter::INFO;

/// The levels, by every word that names one. `warning` is not proposed.
const LEVELS: [(&str, LevelFilter); 7] = [
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
    ("off", LevelFilter::OFF),
    ("warning", LevelFilter::WARN),
];

impl Default for LogArgs {
    fn default() -> Self {
        #[derive(Parser)]
        struct Flags {
            #[command(flatten)]
            log: LogArgs,
        }
        Flags::parse_from(["ringway"]).log
    }
}

impl LogArgs {
    /// The parsed filter: a level for everything, levels of single targets (`TARGET=LEVEL`), or both, separated by commas.
    /// Without a level for everything that is `info`, so that a filter of one target does not silence the rest.
    ///
    /// # Errors
    /// The first part that is not a level, or the level for everything is given twice.
    pub fn filter(&self) -> Result<Targets, String> {
        let mut general = None;
        let mut filter = Targets::new().with_target(QUIET, LevelFilter::OFF).with_target(HOST, LevelFilter::ERROR);
        for part in self.log_level.split(',').map(str::trim) {
            match part.split_once('=') {
                Some((target, word)) => filter = filter.with_target(target_of(part, target)?, level(word)?),
                None if general.replace(level(part)?).is_some() => {
                    return Err(format!("`{}` has two levels for everything", self.log_level));
                }
                None => {}
            }
        }
        Ok(filter.with_default(general.unwrap_or(USUAL)))
    }
}

/// The target of `TARGET=LEVEL`: the path of a module, such as `ringway::access`.
fn target_of<'p>(part: &str, target: &'p str) -> Result<&'p str, String> {
    let target = target.trim();
    let is_path = !target.is_empty()
        && target.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':'));
    if is_path { Ok(target) } else { Err(format!("`{part}` does not begin with a target, such as ringway::access")) }
}

/// The level that a word names, in any case.
fn level(word: &str) -> Result<LevelFilter, String> {
    let lower = word.trim().to_ascii_lowercase();
    if let Some((_, level)) = LEVELS.iter().find(|(name, _)| *name == lower) {
        return Ok(*level);
    }
    let hint = match lower.as_str() {
        "none" | "silent" | "quiet" => Some("off"),
        "fatal" | "critical" | "err" => Some("error"),
        "verbose" => Some("debug"),
        other => nearest(other, LEVELS.iter().map(|(name, _)| *name).filter(|name| *name != "warning")),
    };
    let hint = hint.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    let what = if lower.is_empty() {
        "a level is missing".to_owned()
    } else {
        format!("`{}` is not a level", word.trim().escape_debug())
    };
    Err(format!(
        "{what}: it is error, warn, info, debug, trace or off, or a filter such as info,ringway::access=off{hint}"
    ))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::LogArgs;

    fn filter(level: &str) -> Result<tracing_subscriber::filter::Targets, String> {
        LogArgs { log_level: level.to_owned(), ..LogArgs::default() }.filter()
    }

    #[test]
    fn c2_warning_is_warn_and_levels_have_any_case() {
        for word in ["warn", "warning", "WARNING", "Warn", " warn "] {
            let filter = filter(word).unwrap();
            assert!(filter.would_enable("ringway", &Level::WARN), "{word}");
            assert!(!filter.would_enable("ringway", &Level::INFO), "{word}");
        }
    }

    #[test]
    fn c2_an_unknown_word_is_an_error_with_the_known_ones() {
        for (word, says) in [
            ("verbose", "`verbose` is not a level: it is error, warn, info, debug, trace or off"),
            ("verbose", "did you mean `debug`?"),
            ("none", "did you mean `off`?"),
            ("inof", "did you mean `info`?"),
            ("ringway", "`ringway` is not a level"),
            ("info,ringway::access", "`ringway::access` is not a level"),
            ("info,ringway::access=of", "did you mean `off`?"),
            ("", "a level is missing"),
            ("info,", "a level is missing"),
            ("ringway=", "a level is missing"),
            ("=info", "does not begin with a target"),
            ("a=b=c", "`b=c` is not a level"),
            ("info,debug", "two levels for everything"),
            ("[span]=info", "does not begin with a target"),
            ("info\u{1b}[2J", "\\u{1b}[2J` is not a level"),
        ] {
            let told = filter(word).unwrap_err();
            assert!(told.contains(says), "{word}: {told}");
        }
    }

    #[test]
    fn c2_a_filter_of_one_target_does_not_silence_the_rest() {
        let only = filter("ringway::access=off").unwrap();
        assert!(
            only.would_enable("ringway::node", &Level::INFO) && !only.would_enable("ringway::access", &Level::INFO)
        );
        let both = filter("warn,hickory_net=debug").unwrap();
        assert!(both.would_enable("hickory_net::udp", &Level::DEBUG));
        assert!(!both.would_enable("hickory_resolver", &Level::ERROR));
        assert!(!both.would_enable("ringway::node", &Level::INFO));
    }
}
