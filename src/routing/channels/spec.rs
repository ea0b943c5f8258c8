//! The plain description that a table of channels is built from, and the reasons why none can be built.

use std::fmt;

/// A channel: one path below the base path, and the values that its handshake must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelSpec {
    /// The path, which begins with `/` and may have `{parameter}`s, each within one segment.
    pub path: String,
    /// The names of the contract's channels that share the path.
    pub names: Vec<String>,
    /// The parameters of the path, in any order. One that is not described takes any value.
    pub parameters: Vec<ValueSpec>,
    /// The query parameters.
    pub query: Vec<ValueSpec>,
    /// The headers, whose names are compared without regard to case.
    pub headers: Vec<ValueSpec>,
}

/// A value of the handshake: a parameter of the path, a query parameter or a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueSpec {
    /// The name.
    pub name: String,
    /// True if the handshake must have it. Parameters of a path are always there.
    pub is_required: bool,
    /// The only values; none for any.
    pub allowed: Vec<String>,
    /// A regular expression that a value matches somewhere, as JSON Schema means it.
    pub pattern: Option<String>,
}

/// The reason why a table cannot be built: the path of the channel, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// The path as it is written; empty if the fault is none of a single channel.
    pub path: String,
    /// The fault, for people.
    pub message: String,
}

/// Characters of a path that a message shows.
const MAX_SHOWN_CHARS: usize = 120;

impl SpecError {
    pub(super) fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into() }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        let shown: String = self.path.escape_debug().take(MAX_SHOWN_CHARS).collect();
        write!(f, "the channel `{shown}` cannot be served: {}", self.message)
    }
}

impl std::error::Error for SpecError {}
