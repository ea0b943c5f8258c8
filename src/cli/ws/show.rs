//! A message from the server as it is written to standard output: whole and unchanged for a program that reads it, harmless
//! for a terminal.

use std::fmt::Write as _;

use crate::cli::output;

/// The kind of messages that are sent, and the form in which binary ones are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Lines go out as text; a binary message is shown as its bytes in hexadecimal digits.
    Text,
    /// Lines go out as binary messages; of a message that comes, the bytes alone are written.
    Binary,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) mode: Mode,
    /// `true` if standard output is a terminal, which text from outside must not drive.
    pub(super) is_terminal: bool,
}

impl Shown {
    /// A text message, with the line feed that ends it.
    pub(super) fn text(self, text: &str) -> Vec<u8> {
        match (self.mode, self.is_terminal) {
            (Mode::Binary, false) => text.as_bytes().to_vec(),
            (_, true) => format!("{}\n", output::escaped(text)).into_bytes(),
            (Mode::Text, false) => format!("{text}\n").into_bytes(),
        }
    }

    /// A binary message: its bytes alone for a program that asked for them, else a line of hexadecimal digits.
    pub(super) fn binary(self, bytes: &[u8]) -> Vec<u8> {
        if self.mode == Mode::Binary && !self.is_terminal {
            return bytes.to_vec();
        }
        let mut line = format!("binary, {}:", output::count(bytes.len() as u64, "byte"));
        for byte in bytes {
            let _ = write!(line, " {byte:02x}");
        }
        line.push('\n');
        line.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, Shown};

    #[test]
    fn d6_a_terminal_is_shown_escapes_and_digits_and_a_program_the_bytes() {
        let shown = |mode, is_terminal| Shown { mode, is_terminal };
        let (text, bytes) = ("a\u{1b}[2Jb", [0x00, 0xff]);
        assert_eq!(shown(Mode::Text, true).text(text), b"a\\u{1b}[2Jb\n");
        assert_eq!(shown(Mode::Text, false).text(text), b"a\x1b[2Jb\n");
        assert_eq!(shown(Mode::Binary, false).text(text), b"a\x1b[2Jb");
        assert_eq!(shown(Mode::Binary, true).text(text), b"a\\u{1b}[2Jb\n");
        for (mode, is_terminal) in [(Mode::Text, true), (Mode::Text, false), (Mode::Binary, true)] {
            assert_eq!(shown(mode, is_terminal).binary(&bytes), b"binary, 2 bytes: 00 ff\n");
        }
        assert_eq!(shown(Mode::Binary, false).binary(&bytes), bytes);
    }
}
