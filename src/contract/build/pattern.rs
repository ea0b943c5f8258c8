//! Regular expressions of schemas and parameters: only those that match in linear time, and in bounded memory.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// The longest pattern, in bytes.
const MAX_BYTES: usize = 4_096;
/// The largest compiled size, in pieces of the pattern once its repetitions are written out.
const MAX_PIECES: u64 = 100_000;
/// The deepest nesting of groups.
const MAX_NESTING: u32 = 64;

/// Checks a pattern.
///
/// # Errors
/// Why the pattern cannot be matched in linear time.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    if pattern.len() > MAX_BYTES {
        return Err(format!("the pattern has {} bytes, and may have {MAX_BYTES}", pattern.len()));
    }
    let mut parser = ParserBuilder::new().nest_limit(MAX_NESTING).build();
    let parsed = parser.parse(pattern).map_err(|error| {
        let error = match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            _ => "the pattern is not understood".to_owned(),
        };
        if error.contains("look-around") || error.contains("backreferences") {
            format!("no engine matches it in linear time: {error}")
        } else {
            error
        }
    })?;
    let pieces = pieces(&parsed);
    if pieces > MAX_PIECES {
        return Err(format!("its repetitions make {pieces} pieces, and there may be {MAX_PIECES}"));
    }
    Ok(())
}

/// The nesting limit bounds the recursion.
fn pieces(pattern: &Hir) -> u64 {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => u64::try_from(literal.0.len()).unwrap_or(u64::MAX),
        // A class of Unicode is some automaton of its own.
        HirKind::Class(_) => 8,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            pieces(&repetition.sub).saturating_mul(u64::from(times))
        }
        HirKind::Capture(capture) => pieces(&capture.sub),
        HirKind::Concat(list) | HirKind::Alternation(list) => list.iter().map(pieces).fold(1, u64::saturating_add),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn linear_patterns_are_accepted_and_others_are_not() {
        for pattern in ["", "^[a-z]+$", r"[A-Z\s]+\/[A-Z\s]+", r"^\d{4}-\d{2}$", r"^(?:a|b)*\u00e4$", r"\p{L}+"] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
        for (pattern, told) in [
            ("(?=a)b", "linear time"),
            ("(?<!a)b", "linear time"),
            (r"(a)\1", "linear time"),
            ("(", "unclosed group"),
            ("a{1000}{1000}{1000}", "pieces"),
            (&*"(".repeat(200), ""),
            (&*"a".repeat(5000), "bytes"),
        ] {
            let fault = check(pattern).unwrap_err();
            assert!(fault.contains(told), "{pattern}: {fault}");
        }
    }
}
