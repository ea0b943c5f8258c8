//! Text of a contract for a page: cut, and without characters that control a terminal or turn the direction of writing. The
//! templates escape it.

use crate::contract::problem::is_harmless;

/// The most characters of a name.
const MAX_NAME_CHARS: usize = 200;
/// The most characters of a description.
const MAX_TEXT_CHARS: usize = 8_000;
/// The most characters of a value in a rule.
const MAX_VALUE_CHARS: usize = 120;

fn cut(text: &str, most: usize, is_kept: impl Fn(char) -> bool) -> String {
    let mut chars = text.chars();
    let mut kept: String = chars.by_ref().take(most).map(|c| if is_kept(c) { c } else { '\u{fffd}' }).collect();
    if chars.next().is_some() {
        kept.push_str("...");
    }
    kept
}

/// A name, on one line.
pub(super) fn name(text: &str) -> String {
    cut(text, MAX_NAME_CHARS, is_harmless)
}

/// A description, with its lines.
pub(super) fn text(text: &str) -> String {
    cut(text.trim_end(), MAX_TEXT_CHARS, |c| is_harmless(c) || matches!(c, '\n' | '\t' | '\r'))
}

/// A JSON value in a rule, on one line.
pub(super) fn value(value: &serde_json::Value) -> String {
    // A text stands without quotes where it cannot be taken for another value.
    match value {
        serde_json::Value::String(text) => format!("\"{}\"", cut(text, MAX_VALUE_CHARS, is_harmless)),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => cut(&short(value), MAX_VALUE_CHARS, is_harmless),
        value => value.to_string(),
    }
}

/// The beginning of a value as JSON: writing ends soon after the text is long enough.
fn short(value: &serde_json::Value) -> String {
    pretty(value, MAX_VALUE_CHARS.saturating_mul(4), serde_json::ser::CompactFormatter)
}

/// The beginning of a value as JSON with line breaks.
pub(super) fn json(value: &serde_json::Value, most: usize) -> String {
    let written = pretty(value, most.saturating_mul(4), serde_json::ser::PrettyFormatter::new());
    cut(&written, most, |c| is_harmless(c) || c == '\n')
}

fn pretty(value: &serde_json::Value, most: usize, formatter: impl serde_json::ser::Formatter) -> String {
    use serde::Serialize as _;
    let mut written = Short { bytes: Vec::new(), left: most };
    // It ends with an error at the limit; what was written until then is shown.
    let _ = value.serialize(&mut serde_json::Serializer::with_formatter(&mut written, formatter));
    String::from_utf8_lossy(&written.bytes).into_owned()
}

/// A writer that fails once it has enough.
struct Short {
    bytes: Vec<u8>,
    left: usize,
}

impl std::io::Write for Short {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = bytes.len().min(self.left);
        self.left = self.left.saturating_sub(count);
        self.bytes.extend(bytes.iter().take(count));
        if count == 0 && !bytes.is_empty() {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One or several of a thing: `1 message`, `2 messages`.
pub(super) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}
