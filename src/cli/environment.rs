//! Environment variables that stand in for options of the command line. An option that is given decides over them; an empty
//! variable counts as unset.

use std::ffi::OsString;
use std::path::PathBuf;

/// The state directory, for clients of a node and for `ringway serve`.
pub(super) const STATE: &str = "RINGWAY_STATE";
/// The URL of a node's admin API.
pub(super) const ADMIN: &str = "RINGWAY_ADMIN";
/// The file with the token for that URL.
pub(super) const TOKEN_FILE: &str = "RINGWAY_TOKEN_FILE";

/// The variables that name a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Variables {
    pub(super) state: Option<PathBuf>,
    pub(super) admin: Option<OsString>,
    pub(super) token_file: Option<PathBuf>,
}

impl Variables {
    /// Reads them from this process's environment.
    pub(super) fn read() -> Self {
        let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self { state: of(STATE).map(PathBuf::from), admin: of(ADMIN), token_file: of(TOKEN_FILE).map(PathBuf::from) }
    }
}
