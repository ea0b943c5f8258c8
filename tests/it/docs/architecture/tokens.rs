//! Rust source as words and marks: comments, strings, characters and lifetimes are left out, so that a path found here is
//! one that the compiler follows.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier, a keyword or a number.
    Word(String),
    /// `::`
    Colons,
    /// Any other character.
    Mark(char),
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Colons | Self::Mark(_) => None,
        }
    }

    pub(super) fn is(&self, mark: char) -> bool {
        *self == Self::Mark(mark)
    }
}

/// Splits a file into tokens.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            '/' if rest.peek() == Some(&'/') => skip_line(&mut rest),
            '/' if rest.peek() == Some(&'*') => skip_block_comment(&mut rest),
            '"' => skip_string(&mut rest),
            '\'' => skip_character_or_lifetime(&mut rest),
            ':' if rest.peek() == Some(&':') => {
                rest.next();
                out.push(Token::Colons);
            }
            first if is_of_a_word(first) => {
                let word = word_from(first, &mut rest);
                match rest.peek() {
                    Some('"') if matches!(word.as_str(), "b" | "c") => {
                        rest.next();
                        skip_string(&mut rest);
                    }
                    Some('"' | '#') if matches!(word.as_str(), "r" | "br" | "cr") => skip_raw_string(&mut rest),
                    Some('\'') if word == "b" => {
                        rest.next();
                        skip_character_or_lifetime(&mut rest);
                    }
                    _ => out.push(Token::Word(word)),
                }
            }
            first if first.is_whitespace() => {}
            mark => out.push(Token::Mark(mark)),
        }
    }
    out
}

fn is_of_a_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn word_from(first: char, rest: &mut Peekable<Chars>) -> String {
    let mut word = String::from(first);
    while let Some(next) = rest.next_if(|next| is_of_a_word(*next)) {
        word.push(next);
    }
    word
}

fn skip_line(rest: &mut Peekable<Chars>) {
    while rest.next_if(|next| *next != '\n').is_some() {}
}

fn skip_block_comment(rest: &mut Peekable<Chars>) {
    let (mut depth, mut last) = (1, '\0');
    rest.next();
    for next in rest.by_ref() {
        match (last, next) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                last = next;
                continue;
            }
        }
        last = '\0';
        if depth == 0 {
            return;
        }
    }
}

fn skip_string(rest: &mut Peekable<Chars>) {
    while let Some(next) = rest.next() {
        match next {
            '\\' => drop(rest.next()),
            '"' => return,
            _ => {}
        }
    }
}

/// Skips a raw string from its first `#` or `"`.
fn skip_raw_string(rest: &mut Peekable<Chars>) {
    let mut hashes = 0;
    while rest.next_if_eq(&'#').is_some() {
        hashes += 1;
    }
    if rest.next_if_eq(&'"').is_none() {
        return;
    }
    while let Some(next) = rest.next() {
        if next == '"' && (0..hashes).all(|_| rest.next_if_eq(&'#').is_some()) {
            return;
        }
    }
}

fn skip_character_or_lifetime(rest: &mut Peekable<Chars>) {
    match rest.next() {
        Some('\\') => {
            rest.next();
            while rest.next().is_some_and(|next| next != '\'') {}
        }
        Some(_) if rest.next_if_eq(&'\'').is_some() => {}
        _ => while rest.next_if(|next| is_of_a_word(*next)).is_some() {},
    }
}
