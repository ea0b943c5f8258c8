//! Regular expressions of a contract, compiled once a table. They match in linear time, without look-around and
//! back-references, and in bounded memory.
//!
//! JSON Schema takes its expressions from ECMA-262, where `\d`, `\w` and `\b` know ASCII alone; the engine's know all of
//! Unicode. So these are written out before an expression is compiled.

use std::collections::HashMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{Assertion, AssertionKind, Ast, ClassPerl, ClassPerlKind, ClassSetItem, Span, Visitor, visit};

/// The most different patterns of a table.
const MAX_PATTERNS: usize = 1_024;
/// The most memory of a compiled pattern.
const MAX_COMPILED_BYTES: usize = 1024 * 1024;
/// The most memory of the states that a thread remembers for a pattern.
const MAX_STATE_BYTES: usize = 64 * 1024;
/// The deepest nesting of groups.
const MAX_NESTING: u32 = 64;

/// The patterns of a table: each is compiled once.
#[derive(Debug, Default)]
pub(super) struct Patterns(HashMap<String, Arc<Regex>>);

impl Patterns {
    /// The compiled pattern.
    ///
    /// # Errors
    /// The reason why it cannot be compiled, for people.
    pub(super) fn compile(&mut self, pattern: &str) -> Result<Arc<Regex>, String> {
        if let Some(known) = self.0.get(pattern) {
            return Ok(Arc::clone(known));
        }
        if self.0.len() >= MAX_PATTERNS {
            return Err(format!("the contract has more than {MAX_PATTERNS} different patterns"));
        }
        let compiled = Arc::new(compiled(pattern)?);
        self.0.insert(pattern.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(&with_ascii_classes(pattern)?);
    builder.size_limit(MAX_COMPILED_BYTES).dfa_size_limit(MAX_STATE_BYTES).nest_limit(MAX_NESTING);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large once its repetitions are written out".to_owned(),
        error => first_line(&error.to_string()),
    })
}

/// Writes out the classes that know ASCII alone in ECMA-262.
fn with_ascii_classes(pattern: &str) -> Result<String, String> {
    let parsed = ParserBuilder::new().nest_limit(MAX_NESTING).build().parse(pattern);
    let parsed = parsed.map_err(|error| format!("the pattern is not understood: {}", error.kind()))?;
    let Ok(mut found) = visit(&parsed, AsciiClasses::default());
    found.sort_by_key(|(span, _)| span.start.offset);
    let mut written = String::with_capacity(pattern.len());
    let mut at = 0;
    for (span, class) in found {
        written.push_str(pattern.get(at..span.start.offset).unwrap_or_default());
        written.push_str(class);
        at = span.end.offset;
    }
    written.push_str(pattern.get(at..).unwrap_or_default());
    Ok(written)
}

/// Finds the classes that are written out.
#[derive(Default)]
struct AsciiClasses(Vec<(Span, &'static str)>);

impl AsciiClasses {
    fn class(&mut self, class: &ClassPerl) {
        let written = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Word, false) => "[A-Za-z0-9_]",
            (ClassPerlKind::Word, true) => "[^A-Za-z0-9_]",
            // White space is that of Unicode in both.
            (ClassPerlKind::Space, _) => return,
        };
        self.0.push((class.span, written));
    }

    fn assertion(&mut self, assertion: &Assertion) {
        match assertion.kind {
            AssertionKind::WordBoundary => self.0.push((assertion.span, r"(?-u:\b)")),
            AssertionKind::NotWordBoundary => self.0.push((assertion.span, r"(?-u:\B)")),
            _ => {}
        }
    }
}

impl Visitor for AsciiClasses {
    type Output = Vec<(Span, &'static str)>;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<Self::Output, Self::Err> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, part: &Ast) -> Result<(), Self::Err> {
        match part {
            Ast::ClassPerl(class) => self.class(class),
            Ast::Assertion(assertion) => self.assertion(assertion),
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
        if let ClassSetItem::Perl(class) = item {
            self.class(class);
        }
        Ok(())
    }
}

/// The message alone: the engine's own shows the pattern over several lines.
fn first_line(message: &str) -> String {
    message.lines().map(str::trim).find(|line| line.starts_with("error")).unwrap_or("it is not understood").to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Patterns, compiled, with_ascii_classes};

    #[test]
    fn a_pattern_matches_somewhere_and_its_classes_know_ascii_alone() {
        for (pattern, value, is) in [
            ("b", "abc", true),
            ("^b", "abc", false),
            (r"^\d+$", "123", true),
            (r"^\d+$", "١٢٣", false),
            (r"^[\w-]{1,64}$", "a_b-C9", true),
            (r"^[\w-]{1,64}$", "é", false),
            (r"^[^\W\d]+$", "ab", true),
            (r"^[^\W\d]+$", "a1", false),
            (r"^\D\W$", "é!", true),
            (r"\bé", "é", false),
            (r"^\p{L}+$", "é", true),
            ("^$", "", true),
            ("^a$", "a\n", false),
        ] {
            assert_eq!(compiled(pattern).unwrap().is_match(value), is, "{pattern} {value}");
        }
        assert_eq!(with_ascii_classes(r"\\d\d[\d\s]").unwrap(), r"\\d[0-9][[0-9]\s]");
    }

    #[test]
    fn a_pattern_that_is_too_large_or_not_linear_is_refused() {
        for (pattern, told) in [
            ("(?=a)", "look-around"),
            (r"(a)\1", "backreferences"),
            ("(", "unclosed"),
            (r"(\p{L}{1000}){1000}", "too large"),
            (&*format!("{}a{}", "(".repeat(100), ")".repeat(100)), "nest"),
        ] {
            let fault = compiled(pattern).unwrap_err();
            assert!(fault.contains(told), "{pattern}: {fault}");
        }
        let mut patterns = Patterns::default();
        let one = patterns.compile("^1$").unwrap();
        patterns.0.extend((2..=1024).map(|n| (format!("^{n}$"), Arc::clone(&one))));
        assert!(patterns.compile("^7$").is_ok());
        assert!(patterns.compile("^1025$").unwrap_err().contains("1024 different patterns"));
    }
}
