//! One source file: which modules it declares, which paths it names, which names it re-exports. Code that only tests
//! compile is left out.

use super::tokens::{Token, tokens};

/// A path as it is written, with the inline modules around it: `["super", "relay", "Relay"]`.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) path: Vec<String>,
    /// Inline modules of the file that the path is written in.
    pub(super) within: Vec<String>,
    /// The name under which a `pub use` makes it known.
    pub(super) exported_as: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Source {
    /// Child modules with files of their own.
    pub(super) children: Vec<String>,
    /// Child modules that only tests compile.
    pub(super) test_children: Vec<String>,
    pub(super) named: Vec<Named>,
    /// All words outside of tests.
    pub(super) words: Vec<String>,
}

/// Reads a file.
pub(super) fn read(text: &str) -> Source {
    let mut reader = Reader { tokens: tokens(text), at: 0, inline: Vec::new(), depth: 0, source: Source::default() };
    while reader.at < reader.tokens.len() {
        reader.step();
    }
    reader.source
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    /// Inline modules, each with the depth of braces outside of it.
    inline: Vec<(String, usize)>,
    depth: usize,
    source: Source,
}

impl Reader {
    fn step(&mut self) {
        match &self.tokens[self.at] {
            Token::Mark('#') => self.attribute(),
            Token::Mark('{') => {
                self.depth += 1;
                self.at += 1;
            }
            Token::Mark('}') => {
                self.depth = self.depth.saturating_sub(1);
                self.inline.pop_if(|(_, outside)| *outside == self.depth);
                self.at += 1;
            }
            Token::Word(word) if word == "mod" => self.module(),
            Token::Word(word) if word == "use" => self.import(),
            Token::Word(_) => self.path(),
            Token::Colons | Token::Mark(_) => self.at += 1,
        }
    }

    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn word(&self, ahead: usize) -> Option<String> {
        self.peek(ahead)?.word().map(str::to_owned)
    }

    /// Passes an attribute, and with `#[cfg(test)]` what it stands before.
    fn attribute(&mut self) {
        let from = self.at;
        let is_inner = self.peek(1).is_some_and(|token| token.is('!'));
        self.at += if is_inner { 2 } else { 1 };
        if !self.peek(0).is_some_and(|token| token.is('[')) {
            return;
        }
        self.skip_brackets();
        let words: Vec<&str> = self.tokens[from..self.at].iter().filter_map(Token::word).collect();
        let for_tests = words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not");
        match (for_tests, is_inner) {
            (true, true) => self.at = self.tokens.len(),
            (true, false) => self.skip_item(),
            (false, _) => {}
        }
    }

    /// Passes a bracket and all up to the one that closes it.
    fn skip_brackets(&mut self) {
        let mut open = 0_usize;
        while let Some(token) = self.peek(0) {
            match token {
                Token::Mark('(' | '[' | '{') => open += 1,
                Token::Mark(')' | ']' | '}') => open = open.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    /// Passes an item that only tests compile.
    fn skip_item(&mut self) {
        while let Some(token) = self.peek(0) {
            match token {
                Token::Mark(';') => {
                    self.at += 1;
                    return;
                }
                Token::Mark('{') => return self.skip_brackets(),
                Token::Mark('(' | '[') => self.skip_brackets(),
                Token::Mark('}' | ')' | ']') => return,
                Token::Word(word) if word == "mod" && self.peek(2).is_some_and(|token| token.is(';')) => {
                    self.source.test_children.extend(self.word(1));
                    self.at += 2;
                }
                Token::Word(_) | Token::Colons | Token::Mark(_) => self.at += 1,
            }
        }
    }

    fn module(&mut self) {
        match (self.word(1), self.peek(2)) {
            (Some(name), Some(Token::Mark(';'))) => self.source.children.push(name),
            (Some(name), Some(Token::Mark('{'))) => self.inline.push((name, self.depth)),
            _ => {}
        }
        self.at += 1;
    }

    fn import(&mut self) {
        let is_exported = match self.at.checked_sub(1).map(|before| &self.tokens[before]) {
            Some(Token::Word(word)) => word == "pub",
            Some(token) => token.is(')'),
            None => false,
        };
        self.at += 1;
        if self.peek(0) == Some(&Token::Colons) {
            self.at += 1;
        }
        self.tree(&[], is_exported);
    }

    /// Reads one branch of an import: `a::b`, `a::b as c`, `a::{b, c::d}` or `a::*`.
    fn tree(&mut self, stem: &[String], is_exported: bool) {
        let mut path = stem.to_vec();
        while let Some(token) = self.peek(0).cloned() {
            match token {
                Token::Word(word) if word == "as" => {
                    let name = self.word(1);
                    self.at += 2;
                    return self.leaf(path, name.filter(|_| is_exported));
                }
                Token::Word(word) => path.push(word),
                Token::Colons => {}
                Token::Mark('{') => {
                    self.at += 1;
                    while self.peek(0).is_some_and(|token| !token.is('}')) {
                        self.tree(&path, is_exported);
                        if self.peek(0).is_some_and(|token| token.is(',')) {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Token::Mark('*') => path.push("*".to_owned()),
                Token::Mark(_) => break,
            }
            self.at += 1;
        }
        let name = path.last().cloned();
        self.leaf(path, name.filter(|_| is_exported));
    }

    fn leaf(&mut self, mut path: Vec<String>, exported_as: Option<String>) {
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        self.source.words.extend(path.iter().cloned());
        self.name(path, exported_as);
    }

    /// A path in the code: what begins with a lower-case word and goes on behind `::`.
    fn path(&mut self) {
        let follows = self.at.checked_sub(1).is_some_and(|before| self.tokens[before] == Token::Colons);
        let mut path = Vec::new();
        while let Some(word) = self.word(0) {
            self.source.words.push(word.clone());
            path.push(word);
            self.at += 1;
            if self.peek(0) != Some(&Token::Colons) || self.word(1).is_none() {
                break;
            }
            self.at += 1;
        }
        if path.len() > 1 && !follows {
            self.name(path, None);
        }
    }

    fn name(&mut self, path: Vec<String>, exported_as: Option<String>) {
        let within = self.inline.iter().map(|(name, _)| name.clone()).collect();
        self.source.named.push(Named { path, within, exported_as });
    }
}
