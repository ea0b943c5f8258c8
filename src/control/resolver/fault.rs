//! Why a name is not resolved, in words for the log.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Characters of a reason that are logged: some of them are an outsider's.
const MAX_REASON: usize = 200;

/// Why a look-up has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NoSuchName,
    NoAddress,
    /// DNS gave only addresses that it must not give.
    NothingAllowed,
    /// No server answered in time.
    Timeout(Duration),
    /// The last server that was asked, and its failure.
    Server(SocketAddr, String),
    /// No server could be asked.
    Unable(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchName => f.write_str("the name does not exist (NXDOMAIN)"),
            Self::NoAddress => f.write_str("the name has neither an A nor an AAAA record"),
            Self::NothingAllowed => f.write_str("DNS gave only addresses that must not come from it"),
            Self::Timeout(waited) => write!(f, "no answer within {} s", waited.as_secs_f32()),
            Self::Server(server, why) => write!(f, "server {server}: {}", printable(why)),
            Self::Unable(why) => f.write_str(&printable(why)),
        }
    }
}

impl Fault {
    /// Returns `true` if a server said that there is no such name, or none with an address. Silence and failures say nothing.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::NoSuchName | Self::NoAddress)
    }

    /// Returns `true` if the fault is the servers', and says nothing of the name.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Server(..))
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(MAX_REASON).collect()
}
