//! Lines of the log as text, and the times of both formats.
//!
//! ```text
//! 2026-11-30T19:39:45.912Z  WARN ringway::node::capacity: a message for people max_connections=1 why="two words"
//! ```
//!
//! Fields are logfmt, by one rule: a value stands as it is if it is not empty and has nothing but visible ASCII characters other
//! than `"`, `=` and `\`. Any other value stands in quotation marks, in which `"` and `\` have a `\` before them and control
//! characters are escaped, so that no value can begin a line or a field of its own.

use std::fmt::{self, Write};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::registry::LookupSpan;

/// The time of a line: UTC, with milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Milliseconds;

impl FormatTime for Milliseconds {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{:.3}", Timestamp::now())
    }
}

/// Writes an event as a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        Milliseconds.format_time(&mut to)?;
        write_level(&mut to, *metadata.level())?;
        write!(to, "{}:", metadata.target())?;
        let mut line = Line { message: String::new(), fields: String::new() };
        event.record(&mut line);
        if !line.message.is_empty() {
            write!(to, " {}", line.message)?;
        }
        writeln!(to, "{}", line.fields)
    }
}

/// The level in five columns, in its colour on a terminal.
fn write_level(to: &mut Writer<'_>, level: Level) -> fmt::Result {
    if !to.has_ansi_escapes() {
        return write!(to, " {level:>5} ");
    }
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    };
    write!(to, " \u{1b}[{colour}m{level:>5}\u{1b}[0m ")
}

/// The parts of a line.
struct Line {
    message: String,
    /// Each with a space before it.
    fields: String,
}

impl Line {
    fn field(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = escaped(value);
            return;
        }
        self.fields.push(' ');
        self.fields.push_str(field.name());
        self.fields.push('=');
        push_value(&mut self.fields, value);
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, &format!("{value:?}"));
    }
}

/// Adds a value by the rule of logfmt.
fn push_value(to: &mut String, value: &str) {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    if !value.is_empty() && value.bytes().all(is_plain) {
        to.push_str(value);
        return;
    }
    to.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => to.extend(['\\', character]),
            other if other.is_control() => to.extend(other.escape_default()),
            other => to.push(other),
        }
    }
    to.push('"');
}

/// A message, whose control characters cannot begin a line of their own. Line feeds stay: a list of faults has one a line.
fn escaped(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for character in message.chars() {
        match character {
            '\n' => text.push('\n'),
            other if other.is_control() => {
                let _ = write!(text, "{}", other.escape_default());
            }
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::{Text, push_value};

    #[test]
    fn c12_one_rule_says_which_values_have_quotation_marks() {
        for (value, expected) in [
            ("/chat", "/chat"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("", "\"\""),
            ("closed by client", "\"closed by client\""),
            ("a=b", "\"a=b\""),
            ("say \"hi\" \\o/", "\"say \\\"hi\\\" \\\\o/\""),
            ("a\nb=1\u{1b}[2J", "\"a\\nb=1\\u{1b}[2J\""),
            ("bücher", "\"bücher\""),
        ] {
            let mut text = String::new();
            push_value(&mut text, value);
            assert_eq!(text, expected, "{value:?}");
        }
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn c12_a_line_has_its_time_level_target_message_and_fields() {
        let written = Written::default();
        let writer = written.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).event_format(Text).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let none: Option<&str> = None;
            tracing::warn!(count = 3, text = "two words", shown = %"x", other = ?"q", none, "a message");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.len() == "2026-11-30T19:39:45.912Z".len() && time.ends_with('Z'), "{time}");
        let expected =
            " WARN ringway::node::log_text::tests: a message count=3 text=\"two words\" shown=x other=\"\\\"q\\\"\"\n";
        assert_eq!(rest, expected);
    }
}
